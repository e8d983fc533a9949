"""Rows of a raster, read once in file order and handed out as tiles, mirrored at the edge."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from geounet.raster import Patch, Reader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.grid import Tile, TileGrid

Index = NDArray[np.int64]


def mirrored(start: int, length: int, extent: int, halo: int) -> Index:
    """Return the pixel each position of `start … start + length` shows.

    Beyond the edge the raster is reflected (the edge pixel is not repeated); a raster no larger
    than the halo is reflected symmetrically (the edge pixel is repeated), as often as needed.

    Args:
        start: first position, negative before the raster.
        length: number of positions.
        extent: pixels of the raster along this axis.
        halo: context of the grid, which alone decides between the two reflections.

    Returns:
        Indices within `0 … extent − 1`.
    """
    positions = np.arange(start, start + length)
    if extent <= halo:
        at = positions % (2 * extent)
        return np.minimum(at, 2 * extent - 1 - at)
    if extent == 1:
        return np.zeros(length, np.int64)
    at = positions % (2 * extent - 2)
    return np.minimum(at, 2 * extent - 2 - at)


class RowSource:
    """Owner of the rows in memory: one band of columns, moving down, the next rows read ahead.

    Reads happen in one thread of its own, so a file has one handle whoever asks.
    """

    def __init__(self, reader: Reader, grid: TileGrid, cols: range, rows: Sequence[int]) -> None:
        """Start at the first row of tiles.

        Args:
            reader: where pixels come from.
            grid: where tiles lie.
            cols: columns of tiles that will be asked for.
            rows: rows of tiles that will be asked for, ascending.
        """
        self._reader, self._grid = reader, grid
        self._rows = list(rows)
        left = grid.at(0, cols.start).read.col_off
        columns = mirrored(int(left), _span(grid, len(cols)), grid.shape[1], grid.halo)
        self._left, self._right = int(columns.min()), int(columns.max()) + 1
        self._thread = ThreadPoolExecutor(1, "geounet-read")
        self._ahead: Future[Patch] | None = None
        self._have: Patch | None = None

    def close(self) -> None:
        """Wait for the read in flight and end the thread."""
        self._thread.shutdown(cancel_futures=True)

    def load(self, tile_row: int) -> None:
        """Have the rows of one row of tiles in memory, and start reading those of the next."""
        begin, end = self._needed(tile_row)
        if self._ahead is not None:
            self._have = _joined(self._have, self._ahead.result(), begin)
            self._ahead = None
        have = self._have
        if have is None or begin < _begin(have) or end > _end(have):
            # the first row, or the last one when it is mirrored from rows that were let go
            self._have = have = self._read(begin, end).result()
        following = next((row for row in self._rows if row > tile_row), None)
        if following is not None and self._needed(following)[1] > _end(have):
            self._ahead = self._read(_end(have), self._needed(following)[1])

    def tile(self, tile: Tile) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the pixels of a tile's read window.

        Args:
            tile: one of the row that was loaded last.

        Returns:
            Data `(bands, tile, tile)` in the raw dtype and valid `(tile, tile)`, True = data.
        """
        have = self._have
        assert have is not None
        edge, halo = self._grid.tile, self._grid.halo
        rows = mirrored(int(tile.read.row_off), edge, self._grid.shape[0], halo) - _begin(have)
        cols = mirrored(int(tile.read.col_off), edge, self._grid.shape[1], halo) - self._left
        at = _as_slices(rows, cols)
        return have.data[(slice(None), *at)], have.valid[at]

    def _needed(self, tile_row: int) -> tuple[int, int]:
        top = int(self._grid.at(tile_row, 0).read.row_off)
        rows = mirrored(top, self._grid.tile, self._grid.shape[0], self._grid.halo)
        return int(rows.min()), int(rows.max()) + 1

    def _read(self, begin: int, end: int) -> Future[Patch]:
        width = self._right - self._left
        return self._thread.submit(self._reader.read, Window(self._left, begin, width, end - begin))


def _begin(patch: Patch) -> int:
    return int(patch.window.row_off)


def _end(patch: Patch) -> int:
    return int(patch.window.row_off + patch.window.height)


def _joined(old: Patch | None, fresh: Patch, begin: int) -> Patch:
    """The rows of two patches, one below the other, from `begin` on."""
    if old is None or begin >= _end(old):
        return fresh
    drop = max(begin - _begin(old), 0)
    top, left = _begin(old) + drop, fresh.window.col_off
    window = Window(left, top, fresh.window.width, _end(fresh) - top)
    data = np.concatenate([old.data[:, drop:], fresh.data], axis=1)
    return Patch(data, np.concatenate([old.valid[drop:], fresh.valid]), window)


def _span(grid: TileGrid, tiles: int) -> int:
    """Pixels from the first to the last read pixel of so many neighbouring tiles."""
    return (tiles - 1) * grid.stride + grid.tile


def _as_slices(rows: Index, cols: Index) -> tuple[Any, Any]:
    """Plain slices where the positions are consecutive, an open mesh where they are mirrored."""
    straight = [bool((np.diff(axis) == 1).all()) for axis in (rows, cols)]
    if all(straight):
        return slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
    return rows[:, None], cols[None]
