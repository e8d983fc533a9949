"""Put overlapping maps together; what no later tile touches leaves as a finished cell."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from geounet.blend import Axis, Piece, Weights, average
from geounet.errors import ModelError
from geounet.quantise import NODATA, quantise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geounet.grid import Cell, Tile, TileGrid

Maps = NDArray[np.float32]

CACHED = 2**17
"""Pixels that are weighted, or finished, at a time: they stay in a core's own cache."""


@dataclass(frozen=True, eq=False)
class Sums:
    """One cell in the making, in buffers that are used again."""

    cell: Cell
    """Which cell."""
    mean: NDArray[np.float32]
    """`(classes, height, width)` weighted means; anything where there is no data."""
    valid: NDArray[np.bool_]
    """`(height, width)`, True = data."""
    release: Callable[[], None]
    """Gives the buffers back; nothing of this may be used afterwards."""

    def quantised(self) -> tuple[Cell, NDArray[np.uint8]]:
        """Return the cell and its q `(classes, height, width)`, 255 = nodata; may be called once.

        Raises:
            ModelError: a pixel with data got a value that is not finite.
        """
        q = np.empty(self.mean.shape, np.uint8)
        for rows, nothing in self._finished():
            quantise(self.mean[:, rows], out=q[:, rows])
            if nothing is not None:
                np.copyto(q[:, rows], np.uint8(NODATA), where=nothing)
        self.release()
        return self.cell, q

    def probability(self) -> tuple[Cell, NDArray[np.float32]]:
        """Return the cell and its unquantised probability, 0 on nodata; may be called once.

        Raises:
            ModelError: a pixel with data got a value that is not finite.
        """
        for _ in self._finished():
            pass
        p = self.mean.copy()
        self.release()
        return self.cell, p

    def _finished(self) -> Iterator[tuple[slice, NDArray[np.bool_] | None]]:
        """Yield some rows at a time, checked, and where they have no data (0 by then)."""
        step = max(CACHED // self.valid.shape[1], 1)
        for top in range(0, len(self.valid), step):
            rows = slice(top, top + step)
            p, nothing = self.mean[:, rows], None
            if not self.valid[rows].all():
                nothing = ~self.valid[rows]
                np.copyto(p, np.float32(0), where=nothing)
            if not np.isfinite(p.sum()):
                raise ModelError(self._not_finite())
            yield rows, nothing

    def _not_finite(self) -> str:
        top = int(self.cell.core.row_off)
        return (
            f"the network gave a value that is not finite within rows {top} to "
            f"{top + len(self.valid) - 1}; try --precision fp32, and look for values there "
            "that are far out of range (an undeclared nodata)"
        )


@dataclass(frozen=True)
class Nothing:
    """A finished cell without data, which nothing was kept for; used like `Sums`."""

    cell: Cell
    """Which cell."""
    classes: int
    """Maps of a tile."""

    def quantised(self) -> tuple[Cell, NDArray[np.uint8]]:
        """Return the cell and its q `(classes, height, width)`: 255 throughout, not to write to."""
        return self.cell, np.broadcast_to(np.uint8(NODATA), self._shape)

    def probability(self) -> tuple[Cell, NDArray[np.float32]]:
        """Return the cell and its probability: 0 throughout, not to write to."""
        return self.cell, np.broadcast_to(np.float32(0), self._shape)

    @property
    def _shape(self) -> tuple[int, int, int]:
        return self.classes, int(self.cell.core.height), int(self.cell.core.width)


class Blender:
    """Weighted means of overlapping maps over one band of columns, finished from top to bottom.

    Tiles come in row-major order; a pixel is the weighted mean of the tiles that touch it,
    summed in that order, so it does not depend on where the run of cells began. Where one tile
    is alone its map is taken as it is.
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
        self._open: deque[Sums | Nothing] = deque()
        self._early: deque[tuple[Cell, Maps]] = deque()
        self._spare: list[tuple[Maps, NDArray[np.bool_]]] = []
        self._cores = _Plane.of(grid, cells[0], 0, average)
        self._maps = (
            self._cores if weights is None else _Plane.of(grid, cells[0], grid.halo, weights)
        )
        self._reach = 0 if weights is None else grid.reach
        self._term = np.empty(classes * CACHED, np.float32)

    def add(self, tile: Tile, maps: NDArray[np.float32] | None, valid: NDArray[np.bool_]) -> None:
        """Add one tile.

        Args:
            tile: where it lies.
            maps: `(classes, tile, tile)` over the tile's read window; None when it was skipped.
            valid: `(tile, tile)`, True = data, over the read window.
        """
        self._reach_down(tile.row)
        for one in self._open:
            if isinstance(one, Sums):
                for row, col in self._cores.places(tile, one.cell):
                    one.valid[row.into, col.into] = self._cores.of_tile(valid)[row.of, col.of]
                self._add(tile, maps, one.cell, one.mean)
        for cell, mean in self._early:
            self._add(tile, maps, cell, mean)

    def skip(self, tile_row: int) -> None:
        """Take note of a row of tiles that read nothing but nodata: so its cell is all nodata."""
        while self._early and self._early[0][0].row <= tile_row:
            self._open.append(Nothing(self._early.popleft()[0], self._classes))
        while self._waiting and self._waiting[0].row <= tile_row:
            self._open.append(Nothing(self._waiting.popleft(), self._classes))

    def finished(self, tile_row: int) -> Iterator[Sums | Nothing]:
        """Yield the cells that are done once a whole row of tiles was added, top to bottom."""
        last = tile_row == self._grid.rows - 1
        while self._open and (last or self._open[0].cell.row + self._reach <= tile_row):
            yield self._open.popleft()

    def _reach_down(self, tile_row: int) -> None:
        """Have room for what a row of tiles gives: to its own cell all, to later ones their top."""
        while self._waiting and self._waiting[0].row <= tile_row + self._reach:
            cell = self._waiting.popleft()
            shape = self._classes, min(self._grid.halo, self._grid.stride), int(cell.core.width)
            self._early.append((cell, np.zeros(shape, np.float32)))
        while self._early and self._early[0][0].row <= tile_row:
            cell, top = self._early.popleft()
            self._open.append(self._started(cell, top))

    def _started(self, cell: Cell, top: Maps) -> Sums:
        """A cell with the top it has by now, in buffers that one gave back, or new ones.

        What counts is written before it is added to; beside skipped rows some nodata is not.
        """
        if self._spare:
            whole, valid = self._spare.pop()
            if not (self._waiting or self._early):
                self._spare.clear()
        else:
            shape = self._grid.stride, int(cell.core.width)
            whole, valid = np.zeros((self._classes, *shape), np.float32), np.empty(shape, np.bool_)
        release = partial(self._keep, (whole, valid))
        height = int(cell.core.height)
        whole[:, : top.shape[1]] = top
        return Sums(cell, whole[:, :height], valid[:height], release)

    def _keep(self, buffers: tuple[Maps, NDArray[np.bool_]]) -> None:
        """Take buffers back as long as there are cells to come."""
        if self._waiting or self._early:
            self._spare.append(buffers)

    def _add(self, tile: Tile, maps: Maps | None, cell: Cell, mean: Maps) -> None:
        """Add what of a tile lies in a cell to its means, or to those of its top."""
        for row, col in self._maps.places(tile, cell):
            target = mean[:, row.into, col.into]
            if maps is not None:
                self._put(target, self._maps.of_tile(maps)[:, row.of, col.of], row, col)
            elif row.fresh and col.fresh:
                target[:] = 0

    def _put(self, target: Maps, maps: Maps, row: Piece, col: Piece) -> None:
        """Write or add maps to a part of a cell, a few rows at a time."""
        step = max(CACHED // maps.shape[2], 1)
        for top in range(0, maps.shape[1], step):
            some = slice(top, top + step)
            shares = [] if row.share is None else [row.share[some, None]]
            shares += [] if col.share is None else [col.share]
            self._put_rows(target[:, some], maps[:, some], shares, fresh=row.fresh and col.fresh)

    def _put_rows(self, target: Maps, maps: Maps, shares: list[Maps], *, fresh: bool) -> None:
        if not shares:  # the only tile
            target[:] = maps
            return
        term = target if fresh else self._term[: maps.size].reshape(maps.shape)
        np.multiply(maps, shares[0], out=term)
        for share in shares[1:]:
            term *= share
        if not fresh:
            target += term


@dataclass(frozen=True)
class _Plane:
    """Both axes of a grid, for one way of joining its tiles."""

    rows: Axis
    """From top to bottom."""
    cols: Axis
    """From left to right."""
    margin: int
    """Pixels on each side of a tile that nothing is made of."""

    @classmethod
    def of(cls, grid: TileGrid, start: Cell, halo: int, weights: Weights) -> _Plane:
        """Return the axes on which a tile reaches `halo` beyond its core, from a cell on."""
        reach = grid.reach if halo else 0
        first = max(start.row - reach, 0), max(start.cols.start - reach, 0)
        rows, cols = (
            Axis(count, grid.stride, halo, extent, weights, at)
            for count, extent, at in zip((grid.rows, grid.cols), grid.shape, first, strict=True)
        )
        return cls(rows, cols, grid.halo - halo)

    def places(self, tile: Tile, cell: Cell) -> Iterator[tuple[Piece, Piece]]:
        """Yield the parts of a tile that lie in a cell, each the same through and through."""
        (top, bottom), (left, right) = cell.core.toranges()
        return product(
            self.rows.pieces(tile.row, top, bottom), self.cols.pieces(tile.col, left, right)
        )

    def of_tile(self, maps: NDArray[Any]) -> NDArray[Any]:
        """Return what counts of a tile's map `(…, tile, tile)`."""
        inner = slice(self.margin, maps.shape[-1] - self.margin)
        return maps[..., inner, inner]
