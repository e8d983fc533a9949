"""Cells of labels → pixel-exact, 4-connected polygons, strip by strip and in bounded memory.

Corners inside a cell come with the cell; here are those on the seams between cells and on the
raster's edge, and the raster-wide sums of q that the confidence is made from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from geounet.errors import GridError
from geounet.footprints.corners import IS_CORNER, CellTrace, corner_codes
from geounet.footprints.join import Linker
from geounet.footprints.link import Corners
from geounet.footprints.rings import Footprints, Ints, concatenate
from geounet.quantise import NODATA

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


class Tracer:
    """Footprints of a raster from its cells, the strips given from top to bottom."""

    def __init__(self, shape: tuple[int, int], classes: int) -> None:
        """Start above the first row.

        Args:
            shape: height and width of the raster.
            classes: how many classes the cells were traced with.
        """
        self._shape = shape
        self._row = 0
        self._above = np.zeros(shape[1], np.uint8)
        self._col_sums = np.zeros((classes, shape[1]), np.int64)
        self._scored: bool | None = None
        self._linkers = [Linker(at, shape) for at in range(classes)]

    def add_strip(self, cells: Sequence[CellTrace]) -> Footprints:
        """Return the polygons that are closed once the next strip is known.

        Args:
            cells: the strip's cells from left to right, of one height.

        Raises:
            GridError: when the cells are not the next strip of this raster.
        """
        self._check(cells)
        strip = _Strip(cells, self._row, self._above, self._col_sums)
        rows = range(self._row, self._row + cells[0].height)
        below = np.concatenate([cell.bottom for cell in cells])
        batches = [
            linker.add(strip.corners(at), rows, below == at + 1, strip.rim(at + 1))
            for at, linker in enumerate(self._linkers)
        ]
        if self._scored:
            self._col_sums += np.concatenate([cell.col_sums for cell in cells], axis=1)
        self._row, self._above = rows.stop, below
        return self._batch(batches)

    def finish(self) -> Footprints:
        """Return the polygons that the raster's lower edge closes.

        Raises:
            GridError: when strips are missing.
        """
        height, width = self._shape
        if self._row != height:
            raise GridError(f"strips cover {self._row} of {height} rows; add the missing ones")
        outside, rim = np.zeros(width, np.uint8), np.zeros((0, 2), np.int64)
        over = np.pad(self._col_sums, ((0, 0), (1, 0))).cumsum(axis=1)
        batches = []
        for at, linker in enumerate(self._linkers):
            corners = Corners.at_points(*_seam(self._above, outside, at + 1, height, over[at]))
            batches.append(linker.add(corners, range(height, height + 1), outside > 0, rim))
        self._above = outside
        return self._batch(batches)

    def _check(self, cells: Sequence[CellTrace]) -> None:
        height, width = self._shape
        heights, scored = {cell.height for cell in cells}, {cell.scored for cell in cells}
        if len(heights) != 1 or sum(cell.width for cell in cells) != width:
            sizes = ", ".join(f"{cell.height} by {cell.width}" for cell in cells)
            raise GridError(
                f"a strip's cells must share one height and fill {width} columns, got {sizes}"
            )
        if self._row + max(heights) > height:
            stop = self._row + max(heights)
            raise GridError(f"strip ends at row {stop}, below the raster's {height} rows")
        if scored != {self._scored} and (self._scored is not None or len(scored) > 1):
            raise GridError("cells with and without q cannot be mixed; trace all of them alike")
        self._scored = scored.pop()

    def _batch(self, batches: list[Footprints]) -> Footprints:
        batch = concatenate(batches)
        return batch if self._scored else replace(batch, q_sum=None)


class _Strip:
    """The cells of one strip with the seams between them and the seam above them."""

    def __init__(
        self, cells: Sequence[CellTrace], row: int, above: NDArray[np.uint8], col_sums: Ints
    ) -> None:
        self._cells = cells
        self._row = row
        self._over = np.pad(col_sums, ((0, 0), (1, 0))).cumsum(axis=1)
        self._starts = np.cumsum([0, *(cell.width for cell in cells)]).tolist()
        self._above = above
        self._top = np.concatenate([cell.top for cell in cells])
        outside = np.zeros(cells[0].height, np.uint8)
        sides = [outside, *(side for cell in cells for side in (cell.left, cell.right)), outside]
        self._walls = list(zip(sides[::2], sides[1::2], strict=True))

    def corners(self, at: int) -> Corners:
        """Return the corners of a class, from the upper seam down."""
        over = self._over[at]
        parts = [_seam(self._above, self._top, at + 1, self._row, over)]
        beside = np.zeros(self._cells[0].height + 1, np.int64)  # sum of q left of here, above i
        for band, start in enumerate(self._starts):
            rows, codes = _wall(*self._walls[band], at + 1)
            cols = np.full(len(rows), start)
            parts.append((rows + self._row, cols, codes, over[start] + beside[rows]))
            if band < len(self._cells):
                cell = self._cells[band]
                points = slice(*cell.offsets[at : at + 2])
                rows, cols = cell.rows[points].astype(np.int64), cell.cols[points] + start
                inside = cell.integral[points] + over[cols] + beside[rows]
                parts.append((rows + self._row, cols, cell.codes[points], inside))
                if cell.scored:
                    beside[1:] += np.cumsum(cell.row_sums[at])
        rows, cols, codes, integral = map(np.concatenate, zip(*parts, strict=True))
        order = np.argsort(rows * (self._starts[-1] + 1) + cols)
        return Corners.at_points(rows[order], cols[order], codes[order], integral[order])

    def rim(self, label: int) -> Ints:
        """Return `(pixels, 2)` row and column of a label's pixels beside nodata; some twice."""
        parts = [np.zeros((0, 2), np.int64)]
        for cell, start in zip(self._cells, self._starts, strict=False):
            parts.append(cell.rim[cell.rim_labels == label] + np.array([self._row, start]))
        for (west, east), start in zip(self._walls, self._starts, strict=True):
            for side, other, col in ((west, east, start - 1), (east, west, start)):
                rows = np.flatnonzero((side == label) & (other == NODATA))
                parts.append(np.stack([rows + self._row, np.full(len(rows), col)], axis=1))
        for side, other, row in (
            (self._above, self._top, self._row - 1),
            (self._top, self._above, self._row),
        ):
            cols = np.flatnonzero((side == label) & (other == NODATA))
            parts.append(np.stack([np.full(len(cols), row), cols], axis=1))
        return np.concatenate(parts)


def _seam(
    above: NDArray[np.uint8], top: NDArray[np.uint8], label: int, row: int, over: Ints
) -> tuple[Ints, Ints, NDArray[np.uint8], Ints]:
    """Return row, column, code and integral of the points between two rows of pixels."""
    north, south = np.pad(above, 1), np.pad(top, 1)
    codes = corner_codes(np.stack([north[:-1], north[1:], south[:-1], south[1:]]), label)
    cols = np.flatnonzero(IS_CORNER[codes])
    return np.full(len(cols), row), cols, codes[cols], over[cols]


def _wall(
    west: NDArray[np.uint8], east: NDArray[np.uint8], label: int
) -> tuple[Ints, NDArray[np.uint8]]:
    """Return row and code of the points between two columns of pixels, without the ends."""
    codes = corner_codes(np.stack([west[:-1], east[:-1], west[1:], east[1:]]), label)
    rows = np.flatnonzero(IS_CORNER[codes])
    return rows + 1, codes[rows]
