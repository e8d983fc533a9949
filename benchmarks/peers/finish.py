"""What ends a run where a contestant has no ending of its own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import geopandas
import numpy as np
import rasterio
import shapely
from job import Outcome
from rasterio import features
from rasterio.windows import Window

from geounet.model import read_card

if TYPE_CHECKING:
    from pathlib import Path

    from job import Job
    from numpy.typing import NDArray

BLOCK, DEFLATE_LEVEL = 512, 1


def read_image(job: Job) -> NDArray[np.uint8]:
    """Return the whole raster `(3, height, width)`."""
    with rasterio.open(job.raster) as file:
        image: NDArray[np.uint8] = file.read()
    return image


def create_probability(job: Job) -> rasterio.io.DatasetWriter:
    """Return the tiled one-band GeoTIFF that probabilities are written to, as steps of 1/254."""
    with rasterio.open(job.raster) as file:
        place = {name: file.profile[name] for name in ("height", "width", "crs", "transform")}
    return rasterio.open(
        job.file("probability.tif"), "w", driver="GTiff", count=1, dtype="uint8", tiled=True,
        blockxsize=BLOCK, blockysize=BLOCK, compress="deflate", zlevel=DEFLATE_LEVEL, **place,
    )  # fmt: skip


def as_steps(p: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return probabilities as uint8 0-254."""
    return (p * np.float32(254) + np.float32(0.5)).astype(np.uint8)


def threshold(job: Job) -> float:
    """Return the probability from which geounet calls a pixel a building."""
    return math.ceil(254 * read_card(job.model).threshold - 1e-9) / 254


def smallest(job: Job) -> float:
    """Return the smallest footprint, m²."""
    return read_card(job.model).min_area_m2


def end(job: Job, p: NDArray[np.float32], note: str, *packages: str) -> Outcome:
    """Write the whole probability `(height, width)` as the mode wants it."""
    result = write_probability(job, p) if job.mode == "null" else write_polygons(job, p)
    return Outcome(result=result, note=note, packages=packages)


def write_probability(job: Job, p: NDArray[np.float32]) -> Path:
    """Write a whole array, one row of blocks at a time."""
    with create_probability(job) as file:
        for row in range(0, p.shape[0], BLOCK):
            rows = as_steps(p[row : row + BLOCK])
            file.write(rows, 1, window=Window(0, row, p.shape[1], len(rows)))
    return job.file("probability.tif")


def write_polygons(job: Job, p: NDArray[np.float32]) -> Path:
    """Trace with rasterio and write with geopandas, as most do by hand."""
    mask = p >= np.float32(threshold(job))
    with rasterio.open(job.raster) as file:
        transform, crs = file.transform, file.crs
    found = features.shapes(mask.view(np.uint8), mask=mask, connectivity=4, transform=transform)
    polygons = [shapely.geometry.shape(shape) for shape, _ in found]
    table = geopandas.GeoDataFrame({"geometry": polygons}, geometry="geometry", crs=crs)
    table[table.area >= smallest(job)].to_file(job.file("out.gpkg"), driver="GPKG")
    return job.file("out.gpkg")
