"""Write the sample scenes as files: rasters as COGs, truth as GeoPackages."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
import rasterio
import shapely
from affine import Affine
from pyogrio.errors import DataSourceError
from rasterio.io import MemoryFile
from rasterio.shutil import copy

from geounet.errors import OptionError, OutputError
from geounet.outputs import check_target, staged
from geounet.scenes.storm import GSD_AFTER, StormPair, storm
from geounet.scenes.town import GSD, Town, town

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CRS = "EPSG:32633"
"""UTM zone 33 north."""
SIZES = (256, 8192)
"""Smallest and largest scene, pixels."""
_CORNER = (512_000.0, 5_403_000.0)
_NAMES = ("town.tif", "town_truth.gpkg", "storm_pre.tif", "storm_post.tif", "storm_truth.gpkg")
_LAYER = "buildings"


def write_samples(
    folder: Path, *, size: int = 2048, seed: int = 0, overwrite: bool = False
) -> list[Path]:
    """Write a town and a storm pair with their truth; return the five paths.

    Args:
        folder: where they shall stand; made when missing.
        size: edge of the scenes in pixels of 0.3 m, 256 to 8192.
        seed: another number is another town.
        overwrite: replace files of these names.

    Raises:
        OptionError: the size or the seed is out of range.
        TargetError: one of the files exists.
        OutputError: the folder cannot be written; nothing is left in it then.
    """
    _check(size, seed)
    paths = [folder / name for name in _NAMES]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in paths:
            check_target(path, overwrite=overwrite, suffixes=[path.suffix])
        with ExitStack() as stack:
            parts = [stack.enter_context(staged(path)) for path in paths]
            _write_town(town(size, seed), parts[:2])
            _write_storm(storm(size, seed), parts[2:])
    except (OSError, DataSourceError) as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{folder}: cannot be written ({error}); choose another") from error
    return paths


def _check(size: int, seed: int) -> None:
    low, high = SIZES
    if not low <= size <= high:
        raise OptionError(f"size must be {low} to {high} pixels, got {size}; try 1024")
    if seed < 0:
        raise OptionError(f"seed must not be negative, got {seed}; try {-seed}")


def _write_town(scene: Town, paths: Sequence[Path]) -> None:
    _write_raster(paths[0], scene.image, GSD)
    _write_truth(paths[1], scene.buildings, {})


def _write_storm(pair: StormPair, paths: Sequence[Path]) -> None:
    _write_raster(paths[0], pair.before, GSD)
    _write_raster(paths[1], pair.after, GSD_AFTER)
    _write_truth(paths[2], pair.buildings, {"damage": pair.damage})


def _transform(gsd: float) -> Affine:
    return Affine(gsd, 0, _CORNER[0], 0, -gsd, _CORNER[1])


def _write_raster(path: Path, image: NDArray[np.uint8], gsd: float) -> None:
    """Write `(3, height, width)` counts as a lossless COG, nodata 0."""
    count, height, width = image.shape
    profile: dict[str, Any] = {
        "driver": "GTiff",
        "count": count,
        "height": height,
        "width": width,
        "dtype": "uint8",
        "crs": CRS,
        "transform": _transform(gsd),
        "nodata": 0,
        "photometric": "RGB",
        "tiled": True,
    }
    options = {"compress": "deflate", "predictor": 2, "level": 9, "blocksize": 512}
    with MemoryFile() as memory:
        with memory.open(**profile) as plain:
            plain.write(image)
        with memory.open() as plain, rasterio.Env(GDAL_PAM_ENABLED="NO"):
            copy(plain, path, driver="COG", overview_resampling="average", **options)


def _write_truth(
    path: Path, outlines: Sequence[shapely.Polygon], columns: dict[str, Sequence[str]]
) -> None:
    """Write outlines (0.3 m pixels) as a GeoPackage in the rasters' CRS."""
    step = np.array([GSD, -GSD])
    shapes = [
        shapely.transform(outline, lambda pixels: _CORNER + step * pixels) for outline in outlines
    ]
    table = geopandas.GeoDataFrame({**columns, "geometry": shapes}, crs=CRS)
    table.to_file(
        path, layer=_LAYER, driver="GPKG", engine="pyogrio", dataset_options={"VERSION": "1.3"}
    )
