"""Pixel edges → sub-pixel contours: where the object's own mask, smoothed, passes one half.

Every unit edge of a ring is moved along its normal to the crossing, so a contour inherits the
order, the rings and the holes of the pixel polygon, and no line has to be traced again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from geounet.footprints.rings import Ints, gather, successors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geounet.footprints.rings import Footprints

    Floats = NDArray[np.float64]

SIGMA = 1.0
"""Standard deviation of the smoothing, pixels."""

REACH = 4
"""Pixels after which its weights are cut off."""

PAD = REACH + 2
"""Empty pixels around an object: what smoothing reaches, and where the contour is looked for."""

STEP = 16
"""Windows are enlarged to a multiple of this, so that many share one shape."""

SLAB = 1 << 22
"""Most pixels smoothed at once."""


@dataclass(frozen=True, kw_only=True)
class Contours:
    """Rings of points around objects, in the order of the pixel rings they come from."""

    points: Floats
    """`(points, 2)` x (col) and y (row) from its polygon's first bounds; no point twice."""
    offsets: Ints
    """`(rings + 1,)` where each ring starts."""
    owners: Ints
    """`(rings,)` the polygon of each ring; its exterior comes first."""

    @property
    def ring(self) -> Ints:
        """Return `(points,)` the ring of each point."""
        return np.repeat(np.arange(len(self.owners)), np.diff(self.offsets))

    @property
    def opens(self) -> NDArray[np.bool_]:
        """Return `(rings,)` whether a ring is its polygon's exterior."""
        first = np.ones(len(self.owners), np.bool_)
        first[1:] = self.owners[1:] != self.owners[:-1]
        return first

    def take(self, polygons: Ints) -> Contours:
        """Return the contours of some polygons, ascending, numbered anew."""
        some = self.kept(np.isin(self.owners, polygons))
        return replace(some, owners=np.searchsorted(polygons, some.owners))

    def kept(self, rings: NDArray[np.bool_]) -> Contours:
        """Return some of the rings."""
        if rings.all():
            return self
        points, offsets = gather(self.offsets, np.flatnonzero(rings))
        return Contours(points=self.points[points], offsets=offsets, owners=self.owners[rings])


@dataclass(frozen=True, kw_only=True)
class UnitEdges:
    """The unit edges of a batch of polygons, ring by ring."""

    start: Ints
    """`(edges, 2)` row and col of the lattice point they leave."""
    step: Ints
    """`(edges, 2)` row and col by which they advance."""
    offsets: Ints
    """`(rings + 1,)` where each ring starts."""
    per_polygon: Ints
    """`(polygons + 1,)` where each polygon starts."""


def contours(batch: Footprints) -> Contours:
    """Return the sub-pixel contours of some polygons, with a ring for every ring of theirs.

    A point where the smoothed mask has no crossing close by is left out; a ring that would lose
    half of its points, as that of a line one pixel wide, keeps the middles of its pixel edges.
    """
    edges, bounds = unit_edges(batch), batch.bounds
    outward = np.stack([edges.step[:, 1], -edges.step[:, 0]], axis=1)  # the polygon is on the left
    shift = np.zeros(len(edges.start))
    for part in _slabs(bounds):
        some, of = gather(edges.per_polygon, part)
        owner = np.repeat(np.arange(len(part)), np.diff(of))
        corner = bounds[part, :2].astype(np.int64) - PAD
        start = edges.start[some] - corner[owner]
        smooth = _smoothed(owner, start, edges.step[some], bounds[part])
        shift[some] = _crossing(smooth, owner, start, edges.step[some])
    found = _usable(shift, edges.offsets)
    middle = edges.start + edges.step / 2 + np.nan_to_num(shift)[:, None] * outward
    ring = np.repeat(np.arange(len(edges.offsets) - 1), np.diff(edges.offsets))[found]
    sizes = np.bincount(ring, minlength=len(edges.offsets) - 1)
    owners = np.repeat(np.arange(len(batch)), np.diff(batch.polygon_offsets))
    middle = middle[found] - bounds[owners[ring], :2]
    return Contours(
        points=np.ascontiguousarray(middle[:, ::-1]),
        offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        owners=owners,
    )


def unit_edges(batch: Footprints) -> UnitEdges:
    """Return the edges of some polygons, cut into those of single pixels."""
    coords = batch.coords.astype(np.int64)
    way = coords[successors(batch.ring_offsets)] - coords
    length = np.abs(way).sum(axis=1)
    ends = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    nth = np.arange(ends[-1]) - np.repeat(ends[:-1], length)
    step = np.repeat(np.sign(way), length, axis=0)
    offsets = ends[batch.ring_offsets]
    return UnitEdges(
        start=np.repeat(coords, length, axis=0) + nth[:, None] * step,
        step=step,
        offsets=offsets,
        per_polygon=offsets[batch.polygon_offsets],
    )


def _slabs(bounds: NDArray[np.int32]) -> Iterator[Ints]:
    """Yield indices of polygons whose windows have one shape, of bounded size together."""
    shapes = _window(bounds)
    order = np.lexsort((shapes[:, 1], shapes[:, 0]))
    shapes = shapes[order]
    changes = np.flatnonzero((shapes[1:] != shapes[:-1]).any(axis=1)) + 1
    for group in np.split(order, changes):
        if len(group):
            height, width = _window(bounds[group[:1]])[0]
            most = max(SLAB // int(height * width), 1)
            yield from np.split(group, np.arange(most, len(group), most))


def _window(bounds: NDArray[np.int32]) -> Ints:
    """Return `(polygons, 2)` height and width of each polygon's window."""
    size = (bounds[:, 2:] - bounds[:, :2]).astype(np.int64) + 2 * PAD
    return np.asarray(-(-size // STEP) * STEP)


def _smoothed(
    owner: Ints, start: Ints, step: Ints, bounds: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return `(polygons, height, width)` smoothed masks."""
    shape = (len(bounds), *_window(bounds[:1])[0])
    mask = painted(owner, start, step, shape).astype(np.float32)
    for axis in (1, 2):
        mask = ndimage.gaussian_filter1d(mask, SIGMA, axis, mode="constant", radius=REACH)
    return mask


def painted(owner: Ints, start: Ints, step: Ints, shape: tuple[int, int, int]) -> NDArray[np.int8]:
    """Return `(polygons, height, width)` masks, 1 inside, from the unit edges around them.

    Args:
        owner: `(edges,)` polygon.
        start: `(edges, 2)` row and col in the polygon's window.
        step: `(edges, 2)` row and col by which they advance.
        shape: of what is returned.
    """
    ink = np.zeros(shape, np.int8)
    upright = np.flatnonzero(step[:, 0])
    down = step[upright, 0]  # south-going edges have the polygon to their east
    row = start[upright, 0] - (down < 0)
    ink[owner[upright], row, start[upright, 1]] = down
    return np.cumsum(ink, axis=2, dtype=np.int8)


def _crossing(smooth: NDArray[np.float32], owner: Ints, start: Ints, step: Ints) -> Floats:
    """Return by how much each edge moves outwards to the contour; not a number: none is near."""
    out_row, out_col = step[:, 1], -step[:, 0]
    row = start[:, 0] + (np.minimum(step[:, 0], 0) - np.maximum(out_row, 0))
    col = start[:, 1] + (np.minimum(step[:, 1], 0) - np.maximum(out_col, 0))
    _, height, width = smooth.shape
    spot, out = (owner * height + row) * width + col, out_row * width + out_col
    deep, inside, outside, far = (
        smooth.ravel()[spot + at * out].astype(np.float64) for at in (-1, 0, 1, 2)
    )
    shift = np.full(len(owner), np.nan)
    for near, beyond, place in ((deep, inside, -1.5), (outside, far, 0.5), (inside, outside, -0.5)):
        here = (near >= 0.5) & (beyond < 0.5)  # noqa: PLR2004
        shift[here] = place + (near[here] - 0.5) / (near[here] - beyond[here])
    return shift


def _usable(shift: Floats, offsets: Ints) -> NDArray[np.bool_]:
    """Return which edges are points of the contour; all those of a ring that lost too many."""
    found = np.isfinite(shift)
    lost = np.add.reduceat(~found, offsets[:-1]) * 2 > np.diff(offsets)
    shift[np.repeat(lost, np.diff(offsets))] = 0
    return np.asarray(found | np.repeat(lost, np.diff(offsets)))
