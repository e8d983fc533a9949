"""Compare two sides window by window, and gather what their objects are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from geounet.evaluation.boundary import rim_counts
from geounet.evaluation.damage import LEVELS
from geounet.evaluation.gather import Traced, cut
from geounet.evaluation.pixels import CLASSES, Sweep, confusion, summed
from geounet.evaluation.sides import RasterSide, VectorSide, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from geounet.evaluation.sides import Objects, Side, Values
    from geounet.reader import RasterInfo, Reader

_PIXELS = 1 << 22
_ROWS = 1024

_SQUARE = 256


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A prediction and the truth of one image."""

    name: str
    """Of the image."""
    grid: RasterInfo
    """What both are compared on."""
    ours: Side
    """The prediction."""
    theirs: Side
    """The truth."""
    image: Reader | None = None
    """The image itself, on the grid; where it has no data nothing is compared."""


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What a walk over all windows has counted."""

    matrix: NDArray[np.int64]
    """Pixels by true and predicted class."""
    rims: NDArray[np.int64]
    """Pixels in both rims, and in either."""
    sweep: Sweep | None
    """Of a probability."""
    squares: NDArray[np.int64]
    """`(rows, columns, 2)` foreground pixels on both sides, and on either, in each square."""
    edge: int
    """Of the squares, pixels."""
    ours: Objects
    """Objects of the prediction, as far as both sides know what is there."""
    theirs: Objects
    """Objects of the truth, alike."""
    left_out: tuple[int, int]
    """Objects of each that lie where one side knows nothing."""


def scan(pair: Pair, distance: int, values: Values, progress: Callable[[int, int], None]) -> Scan:
    """Return what a pair has in common; memory does not grow with the raster, but for objects.

    Args:
        pair: the two sides.
        distance: how far a rim reaches, pixels.
        values: what the classes are.
        progress: called with rows done and rows in total.

    Raises:
        RasterError: a file is damaged, or holds values that are none.
    """
    counts = _Counts(pair, distance, values)
    for rows in _strips(pair.grid.shape):
        counts.add(rows)
        progress(rows.stop, pair.grid.height)
    return counts.finish()


class _Counts:
    """What is counted while the rows pass by."""

    def __init__(self, pair: Pair, distance: int, values: Values) -> None:
        self._pair, self._distance = pair, distance
        shape, levels = pair.grid.shape, LEVELS if values == "damage" else 1
        self._matrix = np.zeros((CLASSES, CLASSES), np.int64)
        self._rims = np.zeros(2, np.int64)
        self._edge = _SQUARE if max(shape) > 2 * _SQUARE else max(shape)
        squares = (-(-size // self._edge) for size in shape)
        self._squares = np.zeros((*squares, 2), np.int64)
        scored = isinstance(pair.ours, RasterSide) and pair.ours.scored
        self._sweep = Sweep() if scored else None
        self._traced = [
            None if isinstance(side, VectorSide) else Traced(shape, levels)
            for side in (pair.ours, pair.theirs)
        ]
        self._hidden = Traced(shape)

    def add(self, rows: range) -> None:
        """Count the next rows."""
        ours, theirs, valid, core = _views(self._pair, rows, self._distance)
        if ours.labels.any() or theirs.labels.any():
            masks = ours.labels > 0, theirs.labels > 0
            self._rims += rim_counts(*masks, _only(valid, core), self._distance)
            self._add_squares(rows.start, masks[0][core], masks[1][core])
        mine, true, known = ours.labels[core], theirs.labels[core], valid[core]
        q = None if ours.q is None else np.where(known, ours.q[core], np.uint8(0))
        self._matrix += confusion(mine, true, known)
        if self._sweep is not None and q is not None:
            self._sweep.add(q[known], true[known] > 0)
        for traced, labels, scores in zip(self._traced, (mine, true), (q, None), strict=True):
            if traced is not None:
                traced.add(labels, scores)
        self._hidden.add((~known).view(np.uint8))

    def finish(self) -> Scan:
        """Return what was counted."""
        holes, shape = self._hidden.objects().polygons, self._pair.grid.shape
        found = []
        for side, traced in zip((self._pair.ours, self._pair.theirs), self._traced, strict=True):
            if isinstance(side, VectorSide):
                found.append(cut(side, shape, holes))
            else:
                assert traced is not None
                found.append((traced.objects(), 0))
        return Scan(
            matrix=summed([self._matrix]),
            rims=self._rims,
            sweep=self._sweep,
            squares=self._squares,
            edge=self._edge,
            ours=found[0][0],
            theirs=found[1][0],
            left_out=(found[0][1], found[1][1]),
        )

    def _add_squares(self, row: int, ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> None:
        starts = np.arange(0, ours.shape[1], self._edge)
        lines = np.arange(row, row + len(ours)) // self._edge
        for at, mask in enumerate((ours & theirs, ours | theirs)):
            sums = np.add.reduceat(mask, starts, axis=1, dtype=np.int64)
            np.add.at(self._squares[:, :, at], lines, sums)


def _strips(shape: tuple[int, int]) -> Iterator[range]:
    rows = min(max(_PIXELS // shape[1], 1), _ROWS)
    for row in range(0, shape[0], rows):
        yield range(row, min(row + rows, shape[0]))


def _views(pair: Pair, rows: range, distance: int) -> tuple[View, View, NDArray[np.bool_], slice]:
    """Return both sides of rows and of what is near them, what both know, and where the rows are.

    Labels are 0 where one side knows nothing.
    """
    top, end = max(rows.start - distance, 0), min(rows.stop + distance, pair.grid.height)
    window = Window(0, top, pair.grid.width, end - top)
    ours, theirs = pair.ours.view(window), pair.theirs.view(window)
    valid = ours.valid & theirs.valid
    if pair.image is not None:
        valid &= pair.image.read(window).valid
    if not valid.all():
        ours = View(np.where(valid, ours.labels, np.uint8(0)), valid, ours.q)
        theirs = View(np.where(valid, theirs.labels, np.uint8(0)), valid)
    return ours, theirs, valid, slice(rows.start - top, rows.stop - top)


def _only(valid: NDArray[np.bool_], core: slice) -> NDArray[np.bool_]:
    """Return the valid mask with only some rows left."""
    only = np.zeros_like(valid)
    only[core] = valid[core]
    return only
