"""Time and memory from a mask on disk to shapely polygons: ours in strips, rasterio on the whole.

    python benchmarks/tracing.py [--size 20000] [--buildings 50000] [--rows 512]

Each contender runs in a process of its own; CPU seconds and peak memory include reading the mask
and importing the libraries.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
import shapely
from rasterio import features
from rasterio.windows import Window

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTENDERS = ("geounet", "geounet_scored", "rasterio_array", "rasterio_band")


def paint(path: Path, size: int, buildings: int) -> None:
    """Write a mask of rotated rectangles, 27 to 93 pixels long, as a tiled GeoTIFF."""
    rng = np.random.default_rng(0)
    side = int(np.ceil(buildings**0.5))
    pitch = size / side
    place = np.stack(np.divmod(rng.permutation(side * side)[:buildings], side), axis=1)
    centre = (place + rng.uniform(0.2, 0.8, place.shape)) * pitch
    half = rng.uniform(13, 46, place.shape)
    half[:, 1] = np.maximum(half[:, 1] * 0.6, 8)
    turn = rng.uniform(0, np.pi, buildings)
    mask = np.zeros((size, size), np.uint8)
    for (row, col), (long, short), angle in zip(centre, half, turn, strict=True):
        reach = int(np.hypot(long, short)) + 1
        top, left = max(int(row) - reach, 0), max(int(col) - reach, 0)
        part = mask[top : int(row) + reach, left : int(col) + reach]
        rows, cols = np.ogrid[: part.shape[0], : part.shape[1]]
        rows, cols = rows + top - row, cols + left - col
        along = abs(rows * np.sin(angle) + cols * np.cos(angle)) < long
        part[along & (abs(rows * np.cos(angle) - cols * np.sin(angle)) < short)] = 1
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "compress": "deflate",
        "tiled": True,
    }
    transform = rasterio.Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000)
    with rasterio.open(
        path, "w", width=size, height=size, crs="EPSG:32633", transform=transform, **profile
    ) as dataset:
        dataset.write(mask, 1)


def ours(path: Path, rows: int, *, scored: bool) -> Iterator[np.ndarray]:
    """Yield our polygons, batch by batch, reading `rows` rows at a time."""
    from geounet.footprints.corners import trace_cell  # noqa: PLC0415  counted where it is used
    from geounet.footprints.trace import Tracer  # noqa: PLC0415

    with rasterio.open(path) as dataset:
        tracer = Tracer(dataset.shape, 1)
        for top in range(0, dataset.height, rows):
            window = Window(0, top, dataset.width, min(rows, dataset.height - top))
            labels = dataset.read(1, window=window)
            cell = trace_cell(labels, labels[None] * 200 if scored else None, 1)
            yield tracer.add_strip([cell]).polygons()
        yield tracer.finish().polygons()


def rasterios(path: Path, *, whole: bool) -> np.ndarray:
    """Return rasterio's polygons, from an array or from the file."""
    with rasterio.open(path) as dataset:
        band = rasterio.band(dataset, 1)
        source = dataset.read(1) if whole else band
        mask = source != 0 if whole else band
        found = features.shapes(source, mask=mask, connectivity=4)
        return np.array(
            [shapely.Polygon(each["coordinates"][0], each["coordinates"][1:]) for each, _ in found]
        )


def contend(name: str, path: Path, rows: int) -> None:
    """Run one contender and print its figures as JSON."""
    if name.startswith("geounet"):
        polygons = np.concatenate([*ours(path, rows, scored=name.endswith("scored"))])
    else:
        polygons = rasterios(path, whole=name.endswith("array"))
    used = resource.getrusage(resource.RUSAGE_SELF)
    figures = {
        "polygons": len(polygons),
        "vertices": int(shapely.get_num_coordinates(polygons).sum()),
        "cpu_s": round(used.ru_utime + used.ru_stime, 2),
        "peak_mb": used.ru_maxrss // 1024,
    }
    print(json.dumps(figures))


def main() -> None:
    """Paint the mask, run every contender, print figures and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--buildings", type=int, default=50_000)
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--only", choices=("paint", *CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument("--mask", type=Path, help="an existing mask to trace instead")
    asked = parser.parse_args()
    if asked.only == "paint":
        paint(asked.mask, asked.size, asked.buildings)
    elif asked.only:
        contend(asked.only, asked.mask, asked.rows)
    else:
        with tempfile.TemporaryDirectory() as folder:
            compare(asked, Path(folder) / "mask.tif")


def compare(asked: argparse.Namespace, path: Path) -> None:
    """Run the contenders in turn on one mask."""

    def run(name: str, mask: Path) -> str:
        sizes = [f"--size={asked.size}", f"--buildings={asked.buildings}", f"--rows={asked.rows}"]
        command = [sys.executable, __file__, f"--only={name}", f"--mask={mask}", *sizes]
        environment = {**os.environ, "GDAL_CACHEMAX": "64"}
        return subprocess.run(command, env=environment, check=True, capture_output=True).stdout

    if asked.mask is None:
        run("paint", path)
    figures = {name: json.loads(run(name, asked.mask or path)) for name in CONTENDERS}
    for name, each in figures.items():
        print(f"{name:16}", each)
    for name in CONTENDERS[2:]:
        ratio = {
            key: round(figures["geounet"][key] / figures[name][key], 2)
            for key in ("cpu_s", "peak_mb")
        }
        print(f"geounet / {name}:", ratio)
    print(
        f"python {platform.python_version()}, numpy {np.__version__}, "
        f"shapely {shapely.__version__}, rasterio {rasterio.__version__}, "
        f"GDAL {rasterio.__gdal_version__}"
    )


if __name__ == "__main__":
    main()
