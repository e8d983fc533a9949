"""One scene as one raster and as four overlapping sheets: the same footprints?

    python benchmarks/surface.py --folder CACHE --source MOSAIC.tif [--size 20000] [--overlap 200]
        [--model otsu] [--gsd 1] [--picture docs/images/surface.jpg]

A square of the source is cut into four sheets that overlap. Both are predicted. Told are the area
in which the footprints differ as a share of the whole, those that only one of both has, and the
CPU seconds of each run. The bar is a share below 1e-6. The picture shows where the sheets meet:
their edges, and footprints in the colour of the sheet that counts there.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from pipeline import machine
from rasterio.features import rasterize
from rasterio.windows import Window

from geounet.predict import PredictOptions, predict
from geounet.surface import Surface

BAR = 1e-6
EDGE = 800
"""Pixels of the picture."""
COLOURS = ((228, 26, 28), (55, 126, 184), (77, 175, 74), (255, 127, 0))


def main() -> None:
    """Cut, predict twice, compare."""
    options = _options()
    print(json.dumps(machine()))
    one, sheets = cut(options.folder, options.source, options.size, options.overlap)
    spent = {}
    for name, imagery in (("one", one), ("four", Surface.of(map(str, sheets)))):
        started = time.process_time()
        chosen = PredictOptions(
            model=options.model, gsd=options.gsd, overwrite=True, threads=1, outline=options.outline
        )
        predict(imagery, options.folder / f"{name}.gpkg", chosen)
        spent[name] = round(time.process_time() - started, 1)
    found = compare(options.folder / "one.gpkg", options.folder / "four.gpkg")
    if options.picture:
        draw(one, options.folder / "four.gpkg", options.overlap, options.picture)
    print(json.dumps({"size": options.size, "cpu": spent} | found | {"bar": BAR}))


def cut(folder: Path, source: Path, size: int, overlap: int) -> tuple[Path, list[Path]]:
    """Return a square of a raster as one file, and as four that overlap."""
    folder.mkdir(parents=True, exist_ok=True)
    half, more = size // 2, overlap // 2
    spans = ((0, half + more), (half - more, size))
    windows = {
        f"sheet-{size}-{row}{col}.tif": Window(left, top, right - left, bottom - top)
        for row, (top, bottom) in enumerate(spans)
        for col, (left, right) in enumerate(spans)
    }
    paths = [_copied(folder / name, source, window) for name, window in windows.items()]
    return _copied(folder / f"one-{size}.tif", source, Window(0, 0, size, size)), paths


def _copied(path: Path, source: Path, window: Window) -> Path:
    """Copy a window of a raster, strip by strip, without a loss."""
    if path.exists():
        return path
    part = path.with_suffix(".part.tif")
    with rasterio.open(source) as file:
        profile = {
            "driver": "GTiff", "count": file.count, "dtype": file.dtypes[0], "crs": file.crs,
            "nodata": file.nodata, "transform": file.window_transform(window), "tiled": True,
            "height": int(window.height), "width": int(window.width), "compress": "lzw",
            "blockxsize": 512, "blockysize": 512, "bigtiff": "if_safer",
        }  # fmt: skip
        with rasterio.open(part, "w", **profile) as target:
            for top in range(0, int(window.height), 512):
                high = min(512, int(window.height) - top)
                strip = Window(window.col_off, window.row_off + top, window.width, high)
                target.write(file.read(window=strip), window=Window(0, top, window.width, high))
    part.rename(path)
    return path


def compare(one: Path, four: Path) -> dict[str, float]:
    """Return how far two files of footprints differ."""
    tables = [geopandas.read_file(path, layer="buildings") for path in (one, four)]
    shapes = [{each.normalize().wkb: each for each in table.geometry} for table in tables]
    alone = [set(shapes[at]) - set(shapes[1 - at]) for at in (0, 1)]
    rest = [geopandas.GeoSeries([shapes[at][key] for key in alone[at]]) for at in (0, 1)]
    differ = 0.0
    if alone[0] or alone[1]:
        differ = rest[0].union_all().symmetric_difference(rest[1].union_all()).area
    return {
        "footprints": len(tables[0]),
        "only in one": len(alone[0]),
        "only in four": len(alone[1]),
        "share": differ / tables[0].area.sum(),
    }


def draw(raster: Path, footprints: Path, overlap: int, out: Path) -> None:
    """Write a picture of the middle of a scene, where four sheets meet."""
    with rasterio.open(raster) as file:
        corner, half = (file.width - EDGE) // 2, EDGE // 2
        window = Window(corner, corner, EDGE, EDGE)
        image = np.moveaxis(file.read((1, 2, 3), window=window), 0, -1) * 0.8
        transform, step = file.window_transform(window), abs(file.transform.a)
    table = geopandas.read_file(footprints, layer="buildings")
    for colour, (_, rows) in zip(COLOURS, table.groupby("source"), strict=True):
        for shapes, strength in ((rows.geometry, 0.4), (rows.boundary.buffer(step), 1.0)):
            inside = rasterize(shapes, image.shape[:2], transform=transform) == 1
            image[inside] = image[inside] * (1 - strength) + np.array(colour) * strength
    for at in (half - overlap // 2, half + overlap // 2):
        image[at, :] = image[:, at] = 255
    profile = {"driver": "JPEG", "height": EDGE, "width": EDGE, "count": 3, "dtype": "uint8"}
    with rasterio.open(out, "w", **profile, quality=85) as file:
        file.write(np.moveaxis(image.clip(0, 255).astype(np.uint8), -1, 0))
    out.with_name(out.name + ".aux.xml").unlink(missing_ok=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True, help="keeps sheets and results")
    parser.add_argument("--source", type=Path, required=True, help="a raster to be cut")
    parser.add_argument("--size", type=int, default=20_000)
    parser.add_argument("--overlap", type=int, default=200)
    parser.add_argument("--model", default="buildings")
    parser.add_argument("--gsd", type=_gsd, default="model", help="metres, native or model")
    parser.add_argument("--picture", type=Path, help="of where the sheets meet, .jpg")
    parser.add_argument("--outline", default="regular", choices=["regular", "smooth", "pixel"])
    return parser.parse_args()


def _gsd(word: str) -> float | str:
    return word if word in ("native", "model") else float(word)


if __name__ == "__main__":
    main()
