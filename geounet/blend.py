"""Put overlapping maps together; what no later tile touches leaves as a finished cell."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geounet.errors import ModelError, OptionError
from geounet.quantise import NODATA, quantise

if TYPE_CHECKING:
    from rasterio.windows import Window

    from geounet.grid import Cell, Tile, TileGrid

Weights = Callable[[int], NDArray[np.float32]]
Profile = NDArray[np.float32]

CACHED = 2**17
"""Pixels that are weighted, or finished, at a time: they stay in a core's own cache."""


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


@dataclass(frozen=True, eq=False)
class Sums:
    """One cell in the making: weighted sums over its pixels, in buffers that are used again."""

    cell: Cell
    """Which cell."""
    sums: NDArray[np.float32]
    """`(classes, height, width)` weighted sums."""
    valid: NDArray[np.bool_]
    """`(height, width)`, True = data."""
    totals: tuple[Profile, Profile] | None
    """Sum of all weights along its rows and its columns; None where cores alone are kept."""
    release: Callable[[], None]
    """Gives the buffers back; nothing of this may be used afterwards."""

    def quantised(self) -> tuple[Cell, NDArray[np.uint8]]:
        """Return the cell and its q `(classes, height, width)`, 255 = nodata; may be called once.

        Raises:
            ModelError: a pixel with data got a value that is not finite.
        """
        q = np.empty(self.sums.shape, np.uint8)
        for rows in self._finished():
            quantise(self.sums[:, rows], out=q[:, rows])
        if not self.valid.all():
            q[:, ~self.valid] = NODATA
        self.release()
        return self.cell, q

    def probability(self) -> tuple[Cell, NDArray[np.float32]]:
        """Return the cell and its unquantised probability, 0 on nodata; may be called once.

        Raises:
            ModelError: a pixel with data got a value that is not finite.
        """
        for _ in self._finished():
            pass
        p = self.sums.copy()
        self.release()
        return self.cell, p

    def _finished(self) -> Iterator[slice]:
        """Turn sums into probability, some rows at a time, while they are in a core's cache."""
        step = max(CACHED // self.valid.shape[1], 1)
        for top in range(0, len(self.valid), step):
            rows = slice(top, top + step)
            self._finish(self.sums[:, rows], self.valid[rows], rows)
            yield rows

    def _finish(self, p: NDArray[np.float32], valid: NDArray[np.bool_], rows: slice) -> None:
        if not valid.any():
            p[:] = 0
            return
        if self.totals is not None:
            p /= self.totals[0][rows, None]
            p /= self.totals[1]
        if not valid.all():
            p[:, ~valid] = 0
        if not np.isfinite(p.sum()):
            top = int(self.cell.core.row_off)
            raise ModelError(
                f"the network gave a value that is not finite within rows {top} to "
                f"{top + len(self.valid) - 1}; try --precision fp32, and look for values there "
                "that are far out of range (an undeclared nodata)"
            )


class Blender:
    """Sums of overlapping maps over one band of columns, finished from top to bottom.

    Tiles come in row-major order; a pixel is the weighted mean of the tiles that touch it,
    summed in that order, so it does not depend on where the run of cells began.
    """

    def __init__(
        self, grid: TileGrid, cells: list[Cell], classes: int, weights: Weights | None
    ) -> None:
        """Start above the first cell; buffers are made when a tile first reaches a cell.

        Args:
            grid: where tiles lie.
            cells: consecutive rows of one band, top to bottom; what lies outside is dropped.
            classes: maps of a tile.
            weights: profile along one axis, None to keep cores alone.
        """
        self._grid, self._waiting, self._classes = grid, deque(cells), classes
        self._open: deque[Sums] = deque()
        self._spare: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []
        self._profile = None if weights is None else weights(grid.tile)
        self._reach = 0 if weights is None else grid.reach
        if self._profile is not None:
            self._totals = (
                _totals(grid, grid.rows, grid.shape[0], self._profile),
                _totals(grid, grid.cols, grid.shape[1], self._profile),
            )
            rows = max(CACHED // (4 * grid.tile), 1)
            self._term = np.empty((classes, rows, grid.tile), np.float32)

    def add(self, tile: Tile, maps: NDArray[np.float32] | None, valid: NDArray[np.bool_]) -> None:
        """Add one tile.

        Args:
            tile: where it lies.
            maps: `(classes, tile, tile)` over the tile's read window; None when it was skipped.
            valid: `(tile, tile)`, True = data, over the read window.
        """
        while self._waiting and self._waiting[0].row <= tile.row + self._reach:
            self._open.append(self._started(self._waiting.popleft()))
        for one in self._open:
            if one.cell.row == tile.row:
                self._place(one.valid, one.cell, tile, valid)
                if maps is not None and self._profile is None:
                    self._place(one.sums, one.cell, tile, maps)
            if maps is not None and self._profile is not None:
                self._sum(one, tile, maps)

    def finished(self, tile_row: int) -> Iterator[Sums]:
        """Yield the cells that are done once a whole row of tiles was added, top to bottom."""
        last = tile_row == self._grid.rows - 1
        while self._open and (last or self._open[0].cell.row + self._reach <= tile_row):
            yield self._open.popleft()

    def _started(self, cell: Cell) -> Sums:
        """Sums of nothing so far, in buffers that a finished cell gave back, or new ones."""
        core = cell.core
        if self._spare:
            whole, valid = self._spare.pop()
            whole[:], valid[:] = 0, False
        else:
            shape = self._grid.stride, int(core.width)
            whole, valid = np.zeros((self._classes, *shape), np.float32), np.zeros(shape, np.bool_)
        rows, cols = core.toslices()
        totals = self._profile is not None and (self._totals[0][rows], self._totals[1][cols])
        release = partial(self._spare.append, (whole, valid))
        height = int(core.height)
        return Sums(cell, whole[:, :height], valid[:height], totals or None, release)

    def _place(self, target: NDArray[Any], cell: Cell, tile: Tile, maps: NDArray[Any]) -> None:
        """Write what of a tile's core lies in a cell."""
        found = _shared(cell.core, tile.core)
        if found is not None:
            (into, cols), core = found
            rows, side = (_moved(part, self._grid.halo) for part in core)
            target[..., into, cols] = maps[..., rows, side]

    def _sum(self, one: Sums, tile: Tile, maps: NDArray[np.float32]) -> None:
        """Add what of a tile's read window lies in a cell, weighted, a few rows at a time."""
        found = _shared(one.cell.core, tile.read)
        if found is None:
            return
        assert self._profile is not None
        (into, cols), (inside, side) = found
        across = self._profile[side]
        for top in range(inside.start, inside.stop, self._term.shape[1]):
            rows = slice(top, min(top + self._term.shape[1], inside.stop))
            term = self._term[:, : rows.stop - rows.start, : len(across)]
            np.multiply(maps[:, rows, side], across, out=term)
            term *= self._profile[rows, None]
            at = _moved(rows, into.start - inside.start)
            one.sums[:, at, cols] += term


Place = tuple[slice, slice]


def _shared(one: Window, two: Window) -> tuple[Place, Place] | None:
    """What two windows share, counted from the corner of each; None when that is nothing."""
    spans = [
        _overlap(int(a), int(size_a), int(b), int(b + size_b))
        for a, size_a, b, size_b in (
            (one.row_off, one.height, two.row_off, two.height),
            (one.col_off, one.width, two.col_off, two.width),
        )
    ]
    if spans[0] is None or spans[1] is None:
        return None
    first, second = (
        (_moved(spans[0], -int(at.row_off)), _moved(spans[1], -int(at.col_off)))
        for at in (one, two)
    )
    return first, second


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
