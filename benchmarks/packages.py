"""From a mask on disk to a GeoPackage: `vectorize`, and what one writes by hand around rasterio.

    python benchmarks/packages.py [--size 20000] [--buildings 66000] [--frames]

`--frames` draws roads across the mask every thousand pixels and a frame around it, so that one
polygon spans everything. Each contender is a process of its own; CPU seconds and peak memory (MiB)
include the imports. Both files must hold the same polygons, pixel by pixel.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window
from tracing import paint

CONTENDERS = ("geounet", "geopandas")
ROWS = 512


def main() -> None:
    """Paint the mask, run both, print figures and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--buildings", type=int, default=66_000)
    parser.add_argument("--frames", action="store_true", help="cross everything by roads")
    parser.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--mask", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only:
        contend(asked.only, asked.mask)
        return
    with tempfile.TemporaryDirectory() as folder:
        mask = Path(folder) / "mask.tif"
        paint(mask, asked.size, asked.buildings)
        if asked.frames:
            cross(mask)
        found = [run(name, mask) for name in CONTENDERS]
        same = pixels(mask, "geounet") == pixels(mask, "geopandas")
    ours, theirs = found
    ratio = {key: round(ours[key] / theirs[key], 2) for key in ("cpu_s", "peak_mb")}
    print(json.dumps({"ratio": ratio, "same polygons": same}))
    sys.exit(not same)


def cross(path: Path) -> None:
    """Draw roads and a frame over a mask."""
    with rasterio.open(path, "r+") as file:
        for top in range(0, file.height, ROWS):
            window = Window(0, top, file.width, min(ROWS, file.height - top))
            rows, cols = np.arange(top, top + window.height), np.arange(file.width)
            mask = file.read(1, window=window)
            mask[(rows % 997 < 9) | (rows < 40) | (rows >= file.height - 40)] = 1
            mask[:, (cols % 1013 < 9) | (cols < 40) | (cols >= file.width - 40)] = 1
            file.write(mask, 1, window=window)


def run(name: str, mask: Path) -> dict[str, float]:
    """Run one contender in a new process; return and print its figures."""
    command = [sys.executable, __file__, "--only", name, "--mask", str(mask)]
    environment = {**os.environ} | ({"GDAL_CACHEMAX": "64"} if name != "geounet" else {})
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    print(done.stdout.strip(), flush=True)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def contend(name: str, mask: Path) -> None:
    """Write a GeoPackage beside the mask; print what that took."""
    out = mask.with_name(f"{name}.gpkg")
    (ours if name == "geounet" else by_hand)(mask, out)
    used = resource.getrusage(resource.RUSAGE_SELF)
    from geounet.result import peak_memory  # noqa: PLC0415 - after what is counted

    cpu = round(used.ru_utime + used.ru_stime, 2)
    print(json.dumps({"contender": name, "cpu_s": cpu, "peak_mb": peak_memory() >> 20}))


def ours(mask: Path, out: Path) -> None:
    """Vectorize to exact pixel edges."""
    from geounet.vectorize import VectorizeOptions, vectorize  # noqa: PLC0415 - counted here

    vectorize(mask, out, VectorizeOptions(outline="pixel", min_pixels=1))


def by_hand(mask: Path, out: Path) -> None:
    """Shapes of the whole array, as a frame of GeoPandas."""
    import geopandas  # noqa: PLC0415 - counted here
    from rasterio import features  # noqa: PLC0415
    from shapely.geometry import shape  # noqa: PLC0415

    with rasterio.open(mask) as file:
        labels = file.read(1)
        found = features.shapes(labels, mask=labels != 0, connectivity=4, transform=file.transform)
        frame = geopandas.GeoDataFrame(geometry=[shape(each) for each, _ in found], crs=file.crs)
    frame.to_file(out, driver="GPKG")


def pixels(mask: Path, name: str) -> list[bytes]:
    """Return the polygons of a contender's first layer in pixels, in an order of their own."""
    import pyogrio  # noqa: PLC0415 - after the contenders
    import shapely  # noqa: PLC0415

    with rasterio.open(mask) as file:
        left, top, gsd = file.bounds.left, file.bounds.top, file.res[0]
    layer = "buildings" if name == "geounet" else name
    stored = pyogrio.raw.read(mask.with_name(f"{name}.gpkg"), layer=layer)[2]
    found = shapely.transform(
        shapely.from_wkb(stored), lambda xy: np.round((xy - (left, top)) / gsd)
    )
    return sorted(shapely.to_wkb(shapely.normalize(found)))


if __name__ == "__main__":
    main()
