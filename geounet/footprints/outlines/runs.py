"""Contours → straight runs: where walls begin and end, and which way they go."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.footprints.rings import Ints, gather, successors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.footprints.outlines.contour import Contours

    Floats = NDArray[np.float64]

QUARTER = np.pi / 2

SPREAD = np.radians(10)
"""Edges that deviate by more say little about an object's direction."""

DIAGONAL = np.radians(12)
"""How far from 45° a wall may be to count as a diagonal."""

SHORTEST_DIAGONAL = 8.0
"""Length from which it does, pixels: the corner of a blurred mask is cut, too."""

OBLIQUE = np.radians(8)
"""From here on a long wall is not one of the object's directions."""

SHORTEST_OBLIQUE = 14.0
"""Length that makes it long, pixels."""


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Walls in turn, ring by ring: a direction, and the moments of the points along it."""

    ring: Ints
    """`(runs,)` ring, ascending."""
    way: Floats
    """`(runs, 2)` unit vector along the wall, in the sense of the ring."""
    free: NDArray[np.bool_]
    """`(runs,)` True = it goes its own way, not one of the object's directions."""
    moments: Floats
    """`(runs, 6)` of its points: number, Σx, Σy, Σx², Σxy, Σy²."""

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.ring)

    def take(self, which: Ints | NDArray[np.bool_]) -> Runs:
        """Return some runs, in that order."""
        return Runs(**{each.name: getattr(self, each.name)[which] for each in fields(self)})

    @classmethod
    def chained(cls, parts: Sequence[Runs]) -> Runs:
        """Return several batches of runs as one; at least one."""
        names = [each.name for each in fields(cls)]
        return cls(**{name: np.concatenate([getattr(p, name) for p in parts]) for name in names})

    @property
    def middle(self) -> Floats:
        """Return `(runs, 2)` the middle of the points of each."""
        return self.moments[:, 1:3] / self.moments[:, :1]

    @property
    def covariance(self) -> tuple[Floats, Floats, Floats]:
        """Return xx, xy and yy of each run's points around their middle, times their number."""
        number, x, y, xx, xy, yy = self.moments.T
        return xx - x * x / number, xy - x * y / number, yy - y * y / number


@dataclass(frozen=True, kw_only=True)
class Edges:
    """The edges of simplified contours."""

    ring: Ints
    """`(edges,)` ring, ascending."""
    first: Ints
    """`(edges,)` the contour's point it leaves; it ends where the ring's next edge begins."""
    way: Floats
    """`(edges, 2)` from its first to its last point."""

    def take(self, polygons: Ints, contour: Contours, part: Contours) -> Edges:
        """Return the edges of some polygons, for the contours that are left of them.

        Args:
            polygons: ascending.
            contour: the edges are of it.
            part: what it has of these polygons.
        """
        rings = np.flatnonzero(np.isin(contour.owners, polygons))
        ends = np.searchsorted(self.ring, np.arange(len(contour.owners) + 1))
        some, offsets = gather(ends, rings)
        ring = np.repeat(np.arange(len(rings)), np.diff(offsets))
        first = self.first[some] - contour.offsets[rings][ring] + part.offsets[ring]
        return Edges(ring=ring, first=first, way=self.way[some])

    @property
    def length(self) -> Floats:
        """Return the length of each edge."""
        return np.hypot(self.way[:, 0], self.way[:, 1])


def simplified(contour: Contours, tolerance: Floats, finer: Edges | None = None) -> Edges:
    """Return the edges that Douglas and Peucker leave of each ring.

    Args:
        contour: whose rings begin at a corner: the first point stays.
        tolerance: `(rings,)` by how much a point may lie beside its edge.
        finer: edges to begin with, None: all points of the contour.
    """
    points, at, starts = contour.points, np.arange(len(contour.points)), contour.offsets
    if finer is not None:
        at, starts = finer.first, np.searchsorted(finer.ring, np.arange(len(starts)))
    tagged = np.column_stack([points[at], at])
    closed = np.insert(tagged, starts[1:], tagged[starts[:-1]], axis=0)
    offsets = starts + np.arange(len(starts))
    lines = shapely.from_ragged_array(shapely.GeometryType.LINESTRING, closed, (offsets,))
    lean = shapely.simplify(lines, tolerance, preserve_topology=False)
    kept, ring = shapely.get_coordinates(lean, include_z=True, return_index=True)
    last = np.append(ring[1:] != ring[:-1], np.ones(min(len(ring), 1), np.bool_))
    first, ring = kept[~last, 2].astype(np.int64), ring[~last]
    follow = successors(np.searchsorted(ring, np.arange(len(starts))))
    return Edges(ring=ring, first=first, way=points[first[follow]] - points[first])


def at_corners(contour: Contours) -> Contours:
    """Return the contours with every ring begun at its point farthest from its middle."""
    sizes = np.diff(contour.offsets)
    ring = np.repeat(np.arange(len(sizes)), sizes)
    middle = np.stack(
        [np.bincount(ring, contour.points[:, axis], len(sizes)) / sizes for axis in (0, 1)], axis=1
    )
    away = ((contour.points - middle[ring]) ** 2).sum(axis=1)
    start = contour.offsets[:-1][ring]
    most = np.maximum.reduceat(away, contour.offsets[:-1]) if len(away) else away
    farthest = np.flatnonzero(away == most[ring])
    turn = (farthest[np.searchsorted(farthest, contour.offsets[:-1])])[ring] - start
    turned = start + (np.arange(len(ring)) - start + turn) % sizes[ring]
    return replace(contour, points=contour.points[turned])


def directions(edges: Edges, owners: Ints, count: int) -> Floats:
    """Return the angle in 0..90° that the edges of each polygon share, long ones above all.

    Args:
        edges: of the simplified contours.
        owners: `(rings,)` polygon of each ring.
        count: how many polygons there are.
    """
    owner, length = owners[edges.ring], edges.length
    angle = np.arctan2(edges.way[:, 1], edges.way[:, 0])
    weight = length**2
    for _ in range(4):
        turned = [np.bincount(owner, weight * part(4 * angle), count) for part in (np.cos, np.sin)]
        common = np.arctan2(turned[1], turned[0]) / 4
        weight = length**2 / (1 + (off_axis(angle - common[owner]) / SPREAD) ** 2) ** 2
    return np.asarray(common)


def off_axis(angle: Floats) -> Floats:
    """Return by how much an angle differs from the nearest multiple of 90°."""
    return np.asarray(angle - QUARTER * np.round(angle / QUARTER))


def kinds(edges: Edges, common: Floats) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which edges could be diagonals, and which go another way than any direction.

    Args:
        edges: of the simplified contours.
        common: `(edges,)` the direction of each one's object.
    """
    off = np.abs(off_axis(np.arctan2(edges.way[:, 1], edges.way[:, 0]) - common))
    aslant = (off > QUARTER / 2 - DIAGONAL) & (edges.length >= SHORTEST_DIAGONAL)
    off = np.minimum(off, QUARTER / 2 - off)
    return aslant, (off > OBLIQUE) & (edges.length >= SHORTEST_OBLIQUE)


def runs_of(
    contour: Contours, edges: Edges, common: Floats, *, diagonals: bool, oblique: bool
) -> Runs:
    """Return the runs of every ring: neighbouring edges of one direction are one run.

    Args:
        contour: the points.
        edges: what is left of it.
        common: `(polygons,)` their directions.
        diagonals: whether walls at 45° stay.
        oblique: whether long walls at other angles do.
    """
    base = common[contour.owners[edges.ring]]
    angle = np.arctan2(edges.way[:, 1], edges.way[:, 0])
    aslant, other = kinds(edges, base)
    aslant, free = aslant & diagonals, other & oblique
    eighth = QUARTER / 2
    octant = 2 * np.round((angle - base) / QUARTER)
    octant = np.where(aslant, 2 * np.floor((angle - base) / QUARTER) + 1, octant)
    axis = np.where(free, angle, base + octant * eighth)
    way = np.stack([np.cos(axis), np.sin(axis)], axis=1)
    label = np.where(free, -1 - np.arange(len(axis)), octant.astype(np.int64) % 8)
    return _merged(contour, edges, label, way, free)


def _merged(
    contour: Contours, edges: Edges, label: Ints, way: Floats, free: NDArray[np.bool_]
) -> Runs:
    """Return one run for neighbouring edges with one label, with the moments of its points."""
    ends = np.searchsorted(edges.ring, np.arange(len(contour.offsets)))
    previous = np.empty_like(label)
    previous[successors(ends)] = np.arange(len(label))
    starts = label != label[previous]
    starts[ends[:-1][np.add.reduceat(starts, ends[:-1]) == 0]] = True  # all alike: no polygon yet
    begin = np.flatnonzero(starts)
    # a ring's first edges may belong to its last run
    run = np.cumsum(starts) - 1
    opens = np.searchsorted(begin, ends[:-1])
    lasts = np.searchsorted(begin, ends[1:]) - 1
    run = np.where(run < opens[edges.ring], lasts[edges.ring], run)
    total = np.bincount(run, np.diff(np.append(edges.first, len(contour.points))), len(begin))
    return Runs(
        ring=edges.ring[begin],
        way=way[begin],
        free=free[begin],
        moments=_moments(contour, edges.ring[begin], edges.first[begin], total.astype(np.int64)),
    )


def _moments(contour: Contours, ring: Ints, first: Ints, total: Ints) -> Floats:
    """Return `(runs, 6)` the moments of each run's points, those at its ends left out.

    Args:
        contour: the points.
        ring: `(runs,)` of each run.
        first: `(runs,)` its first point.
        total: `(runs,)` how many it has; they go on from the ring's last to its first.
    """
    cut = np.minimum(np.maximum(total // 6, np.minimum(total // 3, TRIM)), total // 3)
    stop = np.minimum(total - cut + 1, total)
    start, sizes = contour.offsets[ring], np.diff(contour.offsets)[ring]
    lead, some = (first - start + cut) % sizes, stop - cut
    ends = np.concatenate([[0], np.cumsum(some)])
    spot = np.arange(ends[-1]) + np.repeat(start + lead - ends[:-1], some)
    over = np.repeat(start + sizes, some)
    spot -= np.repeat(sizes, some) * (spot >= over)
    x, y = contour.points[spot].T
    parts = (x, y, x * x, x * y, y * y)
    return np.stack([some, *(np.add.reduceat(part, ends[:-1]) for part in parts)], axis=1)


TRIM = 5
"""Points left out at either end of a run, where the corner bends it; a third of it at most."""
