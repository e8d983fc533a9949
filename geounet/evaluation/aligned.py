"""A raster read on the grid of another: each pixel takes the one that its centre falls in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from pyproj import Transformer
from rasterio.windows import Window

from geounet.ground import moved
from geounet.reader import Patch, empty_patch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.reader import RasterInfo, Reader

    Floats = NDArray[np.float64]

_PIECE = 1024
"""Columns placed at a time: what they fall on is read as one window."""

_CLOSE = 1e-3
"""Pixels that the corners of two grids may lie apart and still be the same."""


def same_grid(one: RasterInfo, other: RasterInfo) -> bool:
    """Return whether two rasters have the same pixels on the ground."""
    if one.shape != other.shape or one.crs != other.crs:
        return False
    there = ~one.transform @ other.transform
    corners = ((0, 0), (one.width, 0), (0, one.height))
    moved = np.array([there @ corner for corner in corners]) - np.array(corners)
    return bool(np.abs(moved).max() < _CLOSE)


class Aligned:
    """A `Reader` of another grid; what lies outside the raster is not valid."""

    def __init__(self, reader: Reader, grid: RasterInfo) -> None:
        """Keep the reader, and where its pixels lie seen from the grid."""
        self._reader = reader
        self._info = replace(
            reader.info,
            height=grid.height,
            width=grid.width,
            transform=grid.transform,
            crs=grid.crs,
            block_shape=grid.block_shape,
        )
        own = reader.info.crs
        self._across = None
        if own is not None and grid.crs is not None and own != grid.crs:
            self._across = Transformer.from_crs(grid.crs, own, always_xy=True)

    @property
    def info(self) -> RasterInfo:
        """That of the raster, on the grid."""
        return self._info

    def read(self, window: Window, into: Patch | None = None) -> Patch:
        """Return the pixels nearest to those of a window of the grid."""
        patch = empty_patch(self._info, window) if into is None else replace(into, window=window)
        patch.data[:], patch.valid[:] = 0, False
        for left in range(0, int(window.width), _PIECE):
            here = slice(left, min(left + _PIECE, int(window.width)))
            part = Patch(patch.data[:, :, here], patch.valid[:, here], window)
            self._fill(part, int(window.col_off) + left)
        return patch

    def holds_data(self, _window: Window) -> bool:
        """Return True: what is nearest is only known when it is read."""
        return True

    def close(self) -> None:
        """Close the raster."""
        self._reader.close()

    def _fill(self, part: Patch, left: int) -> None:
        rows, cols = self._places(part.valid.shape, int(part.window.row_off), left)
        height, width = self._reader.info.shape
        inside = (rows >= 0) & (rows < height) & (cols >= 0) & (cols < width)
        if not inside.any():
            return
        rows, cols = rows[inside], cols[inside]
        top, first = int(rows.min()), int(cols.min())
        size = int(cols.max()) - first + 1, int(rows.max()) - top + 1
        found = self._reader.read(Window(first, top, *size))
        at = rows - top, cols - first
        part.data[:, inside] = found.data[:, *at]
        part.valid[inside] = found.valid[at]

    def _places(
        self, shape: tuple[int, int], top: int, left: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return row and column in the raster of each pixel's centre; -1 where it has none."""
        rows, cols = np.indices(shape, np.float64)
        x, y = moved(self._info.transform, cols + (left + 0.5), rows + (top + 0.5))
        if self._across is not None:
            x, y = map(np.asarray, self._across.transform(x, y))
        col, row = moved(~self._reader.info.transform, x, y)
        known = np.isfinite(row) & np.isfinite(col)
        return _floored(row, known), _floored(col, known)


def _floored(at: Floats, known: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.floor(np.where(known, at, -1)).astype(np.int64)
