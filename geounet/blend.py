"""Put overlapping maps together; what no later tile touches leaves as a finished cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geounet.errors import ModelError, OptionError
from geounet.quantise import NODATA, quantise

if TYPE_CHECKING:
    from geounet.grid import Cell, Tile, TileGrid

Weights = Callable[[int], NDArray[np.float32]]
Profile = NDArray[np.float32]
Finish = Callable[[NDArray[np.float32]], NDArray[Any]]


def hann(size: int) -> Profile:
    """Return the Hann window sampled at pixel centres, so above zero at both ends."""
    centres = (np.arange(size) + 0.5) / size
    return np.asarray(np.sin(np.pi * centres) ** 2, dtype=np.float32)


def gaussian(size: int) -> Profile:
    """Return a Gaussian with a standard deviation of an eighth of the tile.

    The width that nnU-Net uses (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z).
    """
    z = (np.arange(size) + 0.5 - size / 2) / (size / 8)
    return np.asarray(np.exp(-0.5 * z**2), dtype=np.float32)


def average(size: int) -> Profile:
    """Return equal weights."""
    return np.ones(size, np.float32)


BLENDS: dict[str, Weights | None] = {
    "crop": None,
    "hann": hann,
    "gaussian": gaussian,
    "average": average,
}
"""Profile along one axis of a tile; None keeps the core alone."""


def weights_of(blend: str) -> Weights | None:
    """Return the weights of a blend by name.

    Raises:
        OptionError: when there is none of that name.
    """
    if blend not in BLENDS:
        raise OptionError(f"unknown blend {blend!r}; known: {', '.join(BLENDS)}")
    return BLENDS[blend]


class Blender:
    """Sums of overlapping maps over one band of columns, finished from top to bottom.

    Tiles come in row-major order; a pixel is the weighted mean of the tiles that touch it,
    summed in that order, so it does not depend on where the run of cells began.
    """

    def __init__(
        self,
        grid: TileGrid,
        cells: list[Cell],
        classes: int,
        weights: Weights | None,
        finish: Finish = quantise,
    ) -> None:
        """Make room for the rows that can be unfinished at a time.

        Args:
            grid: where tiles lie.
            cells: consecutive rows of one band, top to bottom; what lies outside is dropped.
            classes: maps of a tile.
            weights: profile along one axis, None to keep cores alone.
            finish: makes a new array of finished probability: quantised, unless told otherwise.
        """
        self._grid, self._cells, self._weights = grid, list(cells), weights
        self._finish = finish
        first, last = cells[0].core, cells[-1].core
        self._left, self._width = int(first.col_off), int(first.width)
        self._top = int(first.row_off)
        self._bottom = int(last.row_off + last.height)
        self._reach = grid.reach if weights else 0
        rows = (self._reach + 1) * grid.stride + (grid.halo if weights else 0)
        self._sums = np.zeros((classes, rows, self._width), np.float32)
        self._valid = np.zeros((rows, self._width), bool)
        if weights:
            profile = weights(grid.tile)
            self._profile = profile
            self._row_totals = _totals(grid, grid.rows, grid.shape[0], profile)
            columns = _totals(grid, grid.cols, grid.shape[1], profile)
            self._column_totals = columns[self._left : self._left + self._width]

    def add(self, tile: Tile, maps: NDArray[np.float32] | None, valid: NDArray[np.bool_]) -> None:
        """Add one tile.

        Args:
            tile: where it lies.
            maps: `(classes, tile, tile)` over the tile's read window; None when it was skipped.
            valid: `(tile, tile)`, True = data, over the read window.
        """
        self._mark(tile, valid)
        if maps is None:
            return
        if self._weights:
            self._sum(tile, maps)
        else:
            self._place(self._sums, tile, maps)

    def finished(self, tile_row: int) -> Iterator[tuple[Cell, NDArray[Any]]]:
        """Yield the cells that are done once a whole row of tiles was added.

        Args:
            tile_row: the row that was added last.

        Yields:
            Each cell with its finished probability `(classes, height, width)`, 255 = nodata.
        """
        last = tile_row == self._grid.rows - 1
        while self._cells and (last or self._cells[0].row + self._reach <= tile_row):
            cell = self._cells.pop(0)
            yield cell, self._finished(cell)
            self._advance(int(cell.core.height))

    def _mark(self, tile: Tile, valid: NDArray[np.bool_]) -> None:
        self._place(self._valid[None], tile, valid[None])

    def _place(self, target: NDArray[Any], tile: Tile, maps: NDArray[Any]) -> None:
        """Write the tile's core."""
        core = tile.core
        span = _overlap(int(core.row_off), int(core.height), self._top, self._bottom)
        side = _overlap(int(core.col_off), int(core.width), self._left, self._left + self._width)
        if span and side:
            into = (slice(None), _moved(span, -self._top), _moved(side, -self._left))
            target[into] = maps[self._inside(tile, span, side)]

    def _sum(self, tile: Tile, maps: NDArray[np.float32]) -> None:
        """Add the tile's whole read window, weighted."""
        read = tile.read
        span = _overlap(int(read.row_off), self._grid.tile, self._top, self._bottom)
        side = _overlap(int(read.col_off), self._grid.tile, self._left, self._left + self._width)
        if not (span and side):
            return
        source = self._inside(tile, span, side)
        weighted = maps[source] * self._profile[source[2]]
        weighted *= self._profile[source[1], None]
        self._sums[:, _moved(span, -self._top), _moved(side, -self._left)] += weighted

    @staticmethod
    def _inside(tile: Tile, span: slice, side: slice) -> tuple[slice, slice, slice]:
        """The same pixels, counted from the corner of the tile's read window."""
        rows = _moved(span, -int(tile.read.row_off))
        return slice(None), rows, _moved(side, -int(tile.read.col_off))

    def _finished(self, cell: Cell) -> NDArray[Any]:
        height = int(cell.core.height)
        p, valid = self._sums[:, :height], self._valid[:height]
        if not valid.any():
            return np.full(p.shape, NODATA, np.uint8)
        if self._weights:
            rows = self._row_totals[self._top : self._top + height]
            p /= rows[:, None]
            p /= self._column_totals
        nothing = None if valid.all() else ~valid
        if nothing is not None:
            p[:, nothing] = 0
        if not np.isfinite(p.sum()):
            raise ModelError(
                f"the network gave a value that is not finite within rows {self._top} to "
                f"{self._top + height - 1}; try --precision fp32, and look for values there "
                "that are far out of range (an undeclared nodata)"
            )
        q = self._finish(p)
        if nothing is not None:
            q[:, nothing] = NODATA
        return q

    def _advance(self, rows: int) -> None:
        """Drop finished rows and move the rest up."""
        for buffer in (self._sums, self._valid[None]):
            kept = buffer.shape[1] - rows
            buffer[:, :kept] = buffer[:, rows:].copy()
            buffer[:, kept:] = 0
        self._top += rows


def _totals(grid: TileGrid, count: int, extent: int, profile: Profile) -> Profile:
    """Sum of all tiles' weights at each pixel along one axis."""
    totals = np.zeros(extent, np.float32)
    for at in range(count):
        start = at * grid.stride - grid.halo
        span = _overlap(start, grid.tile, 0, extent)
        if span:
            totals[span] += profile[_moved(span, -start)]
    return totals


def _overlap(start: int, length: int, low: int, high: int) -> slice | None:
    """The part of `start … start + length` within `low … high`, None when there is none."""
    begin, end = max(start, low), min(start + length, high)
    return slice(begin, end) if begin < end else None


def _moved(span: slice, by: int) -> slice:
    return slice(span.start + by, span.stop + by)
