"""Open a raster and read windows of it, with a valid mask; never padded, never resampled here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.windows import Window


@dataclass(frozen=True, kw_only=True)
class RasterInfo:
    """What a raster is, without its pixels."""

    path: Path
    """File the pixels come from (for messages and identity)."""
    height: int
    """Rows."""
    width: int
    """Columns."""
    count: int
    """Bands a read returns."""
    dtype: np.dtype
    """Type of the raw pixels."""
    transform: Affine
    """Pixel corner (col, row) → world (x, y); identity when there is no CRS and no world file."""
    crs: CRS | None
    """Coordinate reference system, None when the raster has none."""
    nodata: float | None
    """The file's marker, None when it has none."""
    block_shape: tuple[int, int]
    """Height and width of the file's own tiling."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


@dataclass(frozen=True)
class Patch:
    """Pixels of one window."""

    data: NDArray[np.generic]
    """Raw pixels `(bands, height, width)`, in the file's dtype."""
    valid: NDArray[np.bool_]
    """`(height, width)`, True = data, False = nodata, masked, alpha 0 or not finite."""
    window: Window
    """Where the pixels lie in the raster."""


class Reader(Protocol):
    """Anything windows can be read from: a file, a resampled file, a fake."""

    @property
    def info(self) -> RasterInfo:
        """What the raster is."""
        ...

    def read(self, window: Window) -> Patch:
        """Return the pixels of a window that lies wholly inside the raster."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
