"""How alike two vector files are, as masks on the raster's grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas
import numpy as np
import rasterio
from rasterio.features import rasterize

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def burnt(vector: Path, raster: Path) -> tuple[NDArray[np.bool_], int]:
    """Return the mask of a vector file's first layer, and how many polygons it has."""
    table = geopandas.read_file(vector, layer=0)
    with rasterio.open(raster) as file:
        shape, transform, crs = file.shape, file.transform, file.crs
    if table.empty:
        return np.zeros(shape, bool), 0
    shapes = table.to_crs(crs).geometry
    return rasterize(shapes, shape, transform=transform, dtype="uint8").astype(bool), len(table)


def agreement(mask: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Return the intersection over the union of two masks, 1 when both are empty."""
    union = int((mask | other).sum())
    return round(int((mask & other).sum()) / union, 5) if union else 1.0
