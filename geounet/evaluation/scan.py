"""Compare two sides window by window, and gather what their objects are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import shapely
from rasterio.windows import Window

from geounet.evaluation.boundary import rim_counts
from geounet.evaluation.damage import LEVELS
from geounet.evaluation.pixels import CLASSES, Sweep, confusion
from geounet.evaluation.sides import Objects, RasterSide, VectorSide, View
from geounet.footprints.corners import trace_cell
from geounet.footprints.rings import concatenate
from geounet.footprints.trace import Tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from geounet.evaluation.sides import Side, Values
    from geounet.footprints.rings import Footprints
    from geounet.raster import RasterInfo, Reader

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


@dataclass(kw_only=True)
class Scan:
    """What a walk over all windows has counted."""

    matrix: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros((CLASSES, CLASSES), np.int64)
    )
    """Pixels by true and predicted class."""
    rims: NDArray[np.int64] = field(default_factory=lambda: np.zeros(2, np.int64))
    """Pixels in both rims, and in either."""
    sweep: Sweep | None = None
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
    shape = pair.grid.shape
    matrix, rims = np.zeros((CLASSES, CLASSES), np.int64), np.zeros(2, np.int64)
    edge = _SQUARE if max(shape) > 2 * _SQUARE else max(shape)
    squares = np.zeros((-(-shape[0] // edge), -(-shape[1] // edge), 2), np.int64)
    scored = isinstance(pair.ours, RasterSide) and pair.ours.scored
    sweep = Sweep() if scored else None
    tracings = [_Tracing(side, shape, values) for side in (pair.ours, pair.theirs)]
    hidden = _Tracing(None, shape, "mask")
    for rows in _strips(shape):
        ours, theirs, valid, core = _views(pair, rows, distance)
        mine, true = ours.labels, theirs.labels
        if mine.any() or true.any():
            rims += rim_counts(mine > 0, true > 0, _only(valid, core), distance)
        mine, true, known = mine[core], true[core], valid[core]
        matrix += confusion(mine, true, known)
        for at, mask in enumerate(((mine > 0) & (true > 0), (mine > 0) | (true > 0))):
            _add_squares(squares[:, :, at], edge, rows.start, mask)
        q = None if ours.q is None else np.where(known, ours.q[core], 0)
        if sweep is not None and q is not None:
            sweep.add(q[known], true[known] > 0)
        tracings[0].add(mine, q)
        tracings[1].add(true, None)
        hidden.add((~known).view(np.uint8), None)
        progress(rows.stop, shape[0])
    holes = hidden.polygons()
    (mine_all, lost), (true_all, gone) = (_cut(each.objects(), shape, holes) for each in tracings)
    return Scan(
        matrix=matrix, rims=rims, sweep=sweep, squares=squares, edge=edge,
        ours=mine_all, theirs=true_all, left_out=(lost, gone),
    )  # fmt: skip


class _Tracing:
    """The objects of one side: those of a layer, or outlines traced while the rows pass by."""

    def __init__(self, side: Side | None, shape: tuple[int, int], values: Values) -> None:
        self._side = side
        self._levels = LEVELS if values == "damage" else 1
        self._tracer = None if isinstance(side, VectorSide) else Tracer(shape, self._levels)
        self._batches: list[Footprints] = []

    def add(self, labels: NDArray[np.uint8], q: NDArray[np.uint8] | None) -> None:
        if self._tracer is None:
            return
        if self._levels == 1:
            labels = (labels != 0).view(np.uint8)
        cell = trace_cell(labels, None if q is None else q[None], self._levels)
        self._batches.append(self._tracer.add_strip([cell]))

    def polygons(self) -> NDArray[np.object_]:
        return self.objects().polygons

    def objects(self) -> Objects:
        if isinstance(self._side, VectorSide):
            return self._side.visible
        assert self._tracer is not None
        batch = concatenate([*self._batches, self._tracer.finish()]).ordered()
        return Objects(batch.polygons(), batch.confidence if batch.q_sum is not None else None)


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


def _add_squares(squares: NDArray[np.int64], edge: int, row: int, mask: NDArray[np.bool_]) -> None:
    if mask.any():
        starts = np.arange(0, mask.shape[1], edge)
        sums = np.add.reduceat(mask, starts, axis=1, dtype=np.int64)
        np.add.at(squares, np.arange(row, row + len(mask)) // edge, sums)


def _cut(
    objects: Objects, shape: tuple[int, int], holes: NDArray[np.object_]
) -> tuple[Objects, int]:
    """Return what of the objects lies where both sides know something, and how many do not."""
    polygons = objects.polygons.copy()
    frame = shapely.box(0, 0, shape[1], shape[0])
    crossing = ~shapely.covered_by(polygons, frame)
    polygons[crossing] = shapely.intersection(polygons[crossing], frame)
    if len(holes):
        tree = shapely.STRtree(holes)
        for at in np.unique(tree.query(polygons, predicate="intersects")[0]).tolist():
            near = holes[tree.query(polygons[at], predicate="intersects")]
            polygons[at] = shapely.difference(polygons[at], shapely.union_all(near))
    mixed = shapely.get_type_id(polygons) == shapely.GeometryType.GEOMETRYCOLLECTION
    polygons[mixed] = shapely.buffer(polygons[mixed], 0)
    left = shapely.area(polygons) > 0
    scores = None if objects.scores is None else objects.scores[left]
    return Objects(polygons[left], scores), int(np.count_nonzero(~left))
