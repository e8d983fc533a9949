"""Rows of a raster, read once in file order and handed out as tiles, mirrored at the edge."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from geounet.reader import Patch, Reader

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


@dataclass(frozen=True)
class _Span:
    """Positions along one axis that are held together: some tiles' and what they mirror."""

    begin: int
    """First position, negative before the raster."""
    end: int
    """Last position + 1."""
    inside: range
    """Those within the raster."""
    shown: Index
    """The position within the raster that each one shows; all of them are held."""

    @classmethod
    def of(cls, start: int, length: int, extent: int, halo: int) -> _Span:
        """Return the span of `start … start + length`, longer where it mirrors what lies before."""
        needed = mirrored(start, length, extent, halo)
        begin, end = min(start, int(needed.min())), max(start + length, int(needed.max()) + 1)
        inside = range(max(begin, 0), min(end, extent))
        return cls(begin, end, inside, mirrored(begin, end - begin, extent, halo))

    def __len__(self) -> int:
        """Return the number of positions."""
        return self.end - self.begin

    def slice(self, positions: range) -> slice:
        """Return where some positions lie among those held."""
        return slice(positions.start - self.begin, positions.stop - self.begin)

    @property
    def outside(self) -> tuple[Index, Index]:
        """The positions beyond the raster, and those they show, counted from the first."""
        at = np.arange(self.begin, self.end)
        beyond = np.flatnonzero((at < self.inside.start) | (at >= self.inside.stop))
        return beyond, self.shown[beyond] - self.begin


@dataclass(frozen=True)
class _Rows:
    """Pixels of some rows and all columns of the source, mirrored ones included."""

    span: _Span
    """The rows."""
    data: NDArray[Any]
    """`(bands, rows, columns)`, raw."""
    valid: NDArray[np.bool_]
    """`(rows, columns)`, True = data."""
    empty: bool = False
    """There is no data, and nothing was filled in."""


class RowSource:
    """Owner of the rows in memory: one band of columns, moving down, the next rows read ahead.

    Reads happen in one thread of its own, so a file has one handle whoever asks. Two sets of
    buffers take turns: one is handed out as tiles while the other is filled.
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
        self._following = dict(pairwise(rows))
        left = int(grid.at(0, cols.start).read.col_off)
        across = (len(cols) - 1) * grid.stride + grid.tile
        self._cols = _Span.of(left, across, grid.shape[1], grid.halo)
        self._thread = ThreadPoolExecutor(1, "geounet-read")
        self._buffers = [self._buffer(rows), self._buffer(rows)]
        self._ahead: tuple[int, Future[_Rows]] | None = None
        self._have: _Rows | None = None

    def close(self) -> None:
        """Wait for the read in flight and end the thread."""
        self._thread.shutdown(cancel_futures=True)

    def load(self, tile_row: int) -> bool:
        """Have the rows of one row of tiles in memory, and start reading those of the next.

        Returns:
            Whether the row may be asked for its tiles; if not, they surely have no data.
        """
        if self._ahead is None or self._ahead[0] != tile_row:
            self._read(tile_row)
        assert self._ahead is not None
        self._have, self._ahead = self._ahead[1].result(), None
        if tile_row in self._following:
            self._read(self._following[tile_row])
        return not self._have.empty

    def tile(self, tile: Tile) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Return the pixels of a tile's read window; they last until the next row is loaded.

        Args:
            tile: one of the row that was loaded last.

        Returns:
            Views of data `(bands, tile, tile)`, raw, and of valid `(tile, tile)`, True = data.
        """
        have, edge = self._have, self._grid.tile
        assert have is not None
        top, left = int(tile.read.row_off), int(tile.read.col_off)
        rows = have.span.slice(range(top, top + edge))
        cols = self._cols.slice(range(left, left + edge))
        return have.data[:, rows, cols], have.valid[rows, cols]

    def _span(self, tile_row: int) -> _Span:
        top = int(self._grid.at(tile_row, 0).read.row_off)
        return _Span.of(top, self._grid.tile, self._grid.shape[0], self._grid.halo)

    def _buffer(self, rows: Sequence[int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Room for the rows of any row of tiles; only the first or last one may mirror."""
        shape = max(len(self._span(row)) for row in (rows[0], rows[-1])), len(self._cols)
        info = self._reader.info
        return np.empty((info.count, *shape), info.dtype), np.empty(shape, np.bool_)

    def _read(self, tile_row: int) -> None:
        """Start filling the buffers that are not in use."""
        self._buffers.reverse()
        span, (data, valid) = self._span(tile_row), self._buffers[0]
        rows = _Rows(span, data[:, : len(span)], valid[: len(span)])
        self._ahead = tile_row, self._thread.submit(self._filled, rows, self._have)

    def _filled(self, rows: _Rows, before: _Rows | None) -> _Rows:
        """Fill some rows: what was read before is copied, the rest read, the edges mirrored."""
        span, start = rows.span, rows.span.inside.start
        if not self._reader.holds_data(self._window(span.inside)):
            return replace(rows, empty=True)
        if before is not None and not before.empty and start in before.span.inside:
            known = range(start, min(before.span.inside.stop, span.inside.stop))
            for new, old in ((rows.data, before.data), (rows.valid, before.valid)):
                new[..., span.slice(known), :] = old[..., before.span.slice(known), :]
            start = known.stop
        if start < span.inside.stop:
            self._read_into(rows, range(start, span.inside.stop))
        for pixels in (rows.data, rows.valid):
            beyond, shown = span.outside
            pixels[..., beyond, :] = pixels[..., shown, :]
            beyond, shown = self._cols.outside
            pixels[..., beyond] = pixels[..., shown]
        return rows

    def _read_into(self, rows: _Rows, wanted: range) -> None:
        window = self._window(wanted)
        at, cols = rows.span.slice(wanted), self._cols.slice(self._cols.inside)
        self._reader.read(window, Patch(rows.data[:, at, cols], rows.valid[at, cols], window))

    def _window(self, rows: range) -> Window:
        cols = self._cols.inside
        return Window(cols.start, rows.start, len(cols), len(rows))
