"""What `geounet vectorize` makes of whole rasters: soundness, figures, speed; what --split does.

    python benchmarks/footprints.py [PROBABILITY.tif ...] [--data FOLDER]

A raster whose name begins with banepa or kampala is compared with the hand-drawn buildings of
FOLDER/hot_PLACE; their own mask, drawn, blurred and made noisy, takes part too. Every raster is
traced where it lies, and once more as if it lay in UTM and in EPSG:3857. One JSON object a row.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine
from outlines import GSD, grid_of
from pyproj import CRS, Geod
from rasterio.features import rasterize
from scipy import ndimage

from geounet.evaluation.objects import match
from geounet.vectorize import VectorizeOptions, vectorize

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_M2 = 5.0
PLACES = {32633: (500_000, 5_000_000), 3857: (9_520_000, 3_200_000)}
BLUR, NOISE = 1.6, 0.22


def rasters(asked: argparse.Namespace, folder: Path) -> Iterator[tuple[Path, np.ndarray | None]]:
    """Yield rasters, with the true buildings in pixels where they are known."""
    for path in asked.rasters:
        with rasterio.open(path) as file:
            grid = file.transform, CRS(file.crs), file.shape
        place = path.name.split("_")[0].split(".")[0]
        known = asked.data is not None and place in ("banepa", "kampala")
        yield path, truth(asked.data / f"hot_{place}", *grid) if known else None
    for place in ("banepa", "kampala") if asked.data is not None else ():
        home = asked.data / f"hot_{place}"
        (mosaic,) = (home / "mosaic").glob("*.tif")
        transform, crs, shape = grid_of(mosaic)
        true = truth(home, transform, crs, shape)
        cover = rasterize(true, out_shape=shape).astype(float)
        noise = ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(shape), 0.5)
        mask = ndimage.gaussian_filter(cover, BLUR) + NOISE * noise >= 0.5
        yield written(folder / f"{place} (drawn).tif", mask.astype(np.uint8), transform, crs), true


def truth(home: Path, transform: Affine, crs: CRS, shape: tuple[int, int]) -> np.ndarray:
    """Return the hand-drawn buildings of a place, in pixels of a grid."""
    drawn = geopandas.read_file(home / "mosaic" / "buildings.geojson").to_crs(crs)
    found = pixels(drawn.geometry.explode().to_numpy(), transform)
    inside = shapely.within(found, shapely.box(0, 0, *shape[::-1]))
    return found[inside & shapely.is_valid(found) & (shapely.area(found) > 60)]


def pixels(polygons: np.ndarray, transform: Affine) -> np.ndarray:
    """Return polygons of the world in pixels."""
    return shapely.transform(polygons, lambda xy: np.stack(~transform @ tuple(xy.T), axis=1))


def written(path: Path, pixels_: np.ndarray, transform: Affine, crs: CRS, **tags: object) -> Path:
    """Write one band."""
    height, width = pixels_.shape
    with rasterio.open(
        path, "w", "GTiff", width, height, 1, crs, transform, pixels_.dtype, **tags
    ) as file:
        file.write(pixels_, 1)
    return path


def moved(path: Path, epsg: int, folder: Path) -> Path:
    """Return a raster's pixels as if they lay elsewhere."""
    with rasterio.open(path) as file:
        band, nodata, scale = file.read(1), file.nodata, file.scales[0]
    new = folder / f"{path.stem} {epsg}.tif"
    at = Affine.translation(*PLACES[epsg]) @ Affine.scale(GSD, -GSD)
    written(new, band, at, CRS(epsg), nodata=nodata)
    with rasterio.open(new, "r+") as file:
        file.scales = (scale,)
    return new


def row(path: Path, true: np.ndarray | None, options: VectorizeOptions, folder: Path) -> dict:
    """Return what became of one raster."""
    out = folder / "out.gpkg"
    before = os.times()
    vectorize(path, out, options)
    spent = np.subtract(os.times(), before)
    table = geopandas.read_file(out, layer="buildings")
    polygons = table.geometry.to_numpy()
    one, other = shapely.STRtree(polygons).query(polygons, predicate="intersects")
    twice = one < other
    shared = shapely.area(shapely.intersection(polygons[one[twice]], polygons[other[twice]]))
    facts = {
        "raster": path.stem,
        "split": options.split,
        "outline": options.outline,
        "footprints": len(table),
        "regular": round(float(table["regularized"].mean()), 3),
        "invalid": int((~shapely.is_valid(polygons)).sum()),
        "overlapping": int((shared > 0).sum()),
        **on_the_ellipsoid(table),
        "cpu_s": round(float(spent[:4].sum()), 1),
        "wall_s": round(float(spent[4]), 1),
    }
    if true is not None:
        with rasterio.open(path) as file:
            score = match(pixels(polygons, file.transform), true)
        facts |= {"true": len(true), "f1": round(score.f1, 3)}
        facts |= {"precision": round(score.precision, 3), "recall": round(score.recall, 3)}
    return facts


def on_the_ellipsoid(table: geopandas.GeoDataFrame) -> dict:
    """Return by how much figures differ from pyproj's: areas in m² and relatively, perimeters.

    Pyproj's own areas of small polygons are good to 1e-4 m²; relatively, those from 100 m² count.
    """
    crs = CRS(table.crs)
    geod: Geod = crs.get_geod()
    areas, edges = [], []
    for shape in table.geometry.to_crs(crs.geodetic_crs):
        outer, edge = geod.geometry_area_perimeter(shape.exterior)
        yards = sum(abs(geod.geometry_area_perimeter(hole)[0]) for hole in shape.interiors)
        areas.append(abs(outer) - yards)
        edges.append(edge)
    off = (table["area_m2"] - areas).abs()
    large = table["area_m2"] >= 100
    return {
        "least_m2": round(float(table["area_m2"].min()), 1),
        "area_off_m2": float(f"{off.max():.1e}"),
        "area_off": float(f"{(off / areas)[large].max():.1e}"),
        "perimeter_off": float(f"{(table['perimeter_m'] / edges - 1).abs().max():.1e}"),
    }


def main() -> None:
    """Print a row for every raster, CRS and option, then the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rasters", type=Path, nargs="*", help="probabilities that predict wrote")
    parser.add_argument("--data", type=Path, help="folder with hot_banepa and hot_kampala")
    asked, rows = parser.parse_args(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, true in rasters(asked, folder):
            elsewhere = [moved(path, epsg, folder) for epsg in PLACES]
            for raster in (path, *elsewhere):
                for outline in ("regular", "smooth", "pixel") if raster == path else ("regular",):
                    for split in (False, True):
                        options = VectorizeOptions(
                            overwrite=True, min_area=LEAST_M2, outline=outline, split=split
                        )
                        rows.append(row(raster, true, options, folder))
                        print(json.dumps(rows[-1]), flush=True)
    names = list(dict.fromkeys(name for each in rows for name in each))
    print("| " + " | ".join(names) + " |\n|" + "---|" * len(names))
    for each in rows:
        print("| " + " | ".join(str(each.get(name, "")) for name in names) + " |")


if __name__ == "__main__":
    main()
