"""Batches of pixel-exact polygons in ragged arrays, and what makes their form canonical.

Canonical: a ring starts at its smallest (row, col) vertex, has a vertex only where it turns, and
keeps its polygon on its left in a north-up raster, so that an exterior runs counter-clockwise in
world coordinates and a hole clockwise (the order of GeoPackage and GeoJSON); the exterior comes
first, then the holes by first vertex.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from geounet.quantise import STEPS

if TYPE_CHECKING:
    from collections.abc import Sequence

Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Footprints:
    """Polygons in lattice coordinates: (row, col) is the upper left corner of that pixel."""

    coords: NDArray[np.int32]
    """`(vertices, 2)` (row, col) of all rings in turn; a ring does not repeat its first vertex."""
    ring_offsets: Ints
    """`(rings + 1,)` where each ring starts in `coords`."""
    polygon_offsets: Ints
    """`(polygons + 1,)` where each polygon's rings start; the first of them is its exterior."""
    class_index: NDArray[np.uint8]
    """`(polygons,)` 0-based class."""
    pixels: Ints
    """`(polygons,)` area in pixels."""
    q_sum: Ints | None
    """`(polygons,)` sum of the class's q over the pixels; None for a plain mask."""
    touches_edge: NDArray[np.bool_]
    """`(polygons,)` True = at the raster's edge or 4-adjacent to nodata."""

    def __len__(self) -> int:
        """Return the number of polygons."""
        return len(self.pixels)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Return `(polygons,)` mean probability, 0-1; not a number for a plain mask."""
        if self.q_sum is None:
            return np.full(len(self), np.nan)
        return self.q_sum / (STEPS * self.pixels)

    @property
    def first(self) -> NDArray[np.int32]:
        """Return `(polygons, 2)` (row, col) of each exterior's first vertex."""
        return self.coords[self.ring_offsets[self.polygon_offsets[:-1]]]

    @property
    def bounds(self) -> NDArray[np.int32]:
        """Return `(polygons, 4)` first row, first col, last row, last col in lattice units."""
        if not len(self):
            return np.zeros((0, 4), np.int32)
        starts = self.ring_offsets[self.polygon_offsets[:-1]]  # holes lie within their exterior
        least = np.minimum.reduceat(self.coords, starts, axis=0)
        return np.concatenate([least, np.maximum.reduceat(self.coords, starts, axis=0)], axis=1)

    @property
    def vertices(self) -> Ints:
        """Return `(polygons,)` vertices of all rings of each polygon."""
        return np.diff(self.ring_offsets[self.polygon_offsets])

    def take(self, order: Ints) -> Footprints:
        """Return the polygons at some indices, in that order."""
        rings, polygon_offsets = gather(self.polygon_offsets, order)
        points, ring_offsets = gather(self.ring_offsets, rings)
        return Footprints(
            coords=self.coords[points],
            ring_offsets=ring_offsets,
            polygon_offsets=polygon_offsets,
            class_index=self.class_index[order],
            pixels=self.pixels[order],
            q_sum=None if self.q_sum is None else self.q_sum[order],
            touches_edge=self.touches_edge[order],
        )

    def ordered(self) -> Footprints:
        """Return the same polygons by (row, col) of their first vertex."""
        return self.take(np.lexsort((self.first[:, 1], self.first[:, 0])))

    def polygons(self, points: NDArray[np.float64] | None = None) -> NDArray[np.object_]:
        """Return the polygons as shapely geometries.

        Args:
            points: `(vertices, 2)` x and y to put in the place of `coords`; None gives (col, row).
        """
        xy = self.coords[:, ::-1].astype(np.float64) if points is None else points
        ends = self.ring_offsets[1:]
        closed = np.insert(xy, ends, xy[self.ring_offsets[:-1]], axis=0)
        offsets = self.ring_offsets + np.arange(len(self.ring_offsets))
        made = shapely.from_ragged_array(
            shapely.GeometryType.POLYGON, closed, (offsets, self.polygon_offsets)
        )
        return np.asarray(made, dtype=np.object_)


def nothing() -> Footprints:
    """Return a batch without polygons."""
    none = np.zeros(0, np.int64)
    return Footprints(
        coords=np.zeros((0, 2), np.int32),
        ring_offsets=np.zeros(1, np.int64),
        polygon_offsets=np.zeros(1, np.int64),
        class_index=np.zeros(0, np.uint8),
        pixels=none,
        q_sum=none,
        touches_edge=np.zeros(0, np.bool_),
    )


def concatenate(batches: Sequence[Footprints]) -> Footprints:
    """Return several batches as one; at least one batch, with or without q alike."""
    scores = [batch.q_sum for batch in batches if batch.q_sum is not None]
    return Footprints(
        coords=np.concatenate([batch.coords for batch in batches]),
        ring_offsets=_chained([batch.ring_offsets for batch in batches]),
        polygon_offsets=_chained([batch.polygon_offsets for batch in batches]),
        class_index=np.concatenate([batch.class_index for batch in batches]),
        pixels=np.concatenate([batch.pixels for batch in batches]),
        q_sum=np.concatenate(scores) if scores else None,
        touches_edge=np.concatenate([batch.touches_edge for batch in batches]),
    )


def _chained(offsets: Sequence[Ints]) -> Ints:
    return np.cumsum(np.concatenate([[0], *map(np.diff, offsets)]), dtype=np.int64)


def gather(offsets: Ints, order: Ints) -> tuple[Ints, Ints]:
    """Return the indices of the members of some groups, in that order, and their new offsets."""
    lengths = np.diff(offsets)[order]
    new = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return np.repeat(offsets[order] - new[:-1], lengths) + np.arange(new[-1]), new


def segment_sums(values: Ints, offsets: Ints) -> Ints:
    """Return the sum of each segment; a segment may be empty."""
    running = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=running[1:])
    return running[offsets[1:]] - running[offsets[:-1]]


def signed_areas(coords: NDArray[np.int32], offsets: Ints) -> Ints:
    """Return each ring's area in pixels, negative for a hole (Σ col·Δrow, upright edges only)."""
    rows = coords[:, 0].astype(np.int64)
    return -segment_sums(coords[:, 1] * (rows[successors(offsets)] - rows), offsets)


def successors(offsets: Ints) -> Ints:
    """Return the index of the next vertex of every vertex, round each ring."""
    following = np.arange(1, offsets[-1] + 1)
    following[offsets[1:] - 1] = offsets[:-1]
    return following


def split(points: NDArray[np.int32], offsets: Ints) -> tuple[NDArray[np.int32], Ints, Ints]:
    """Return simple rings: one that meets itself in a point is parted there.

    Args:
        points: `(vertices, 3)` row, column, and 1 where the point is a saddle.
        offsets: `(rings + 1,)` where each ring starts; no ring is empty.

    Returns:
        `(vertices, 2)` coordinates, offsets of the simple rings, and the ring each came from.
    """
    ring = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    first, second = _meetings(points, ring)
    torn = np.zeros(len(offsets) - 1, dtype=np.bool_)
    torn[ring[first]] = True
    whole = np.flatnonzero(~torn)
    if len(whole) == len(torn):
        return points[:, :2], offsets, whole
    following = successors(offsets)
    following[first], following[second] = following[second], following[first]
    walk, parts = _cycles(following, np.flatnonzero(torn[ring]))
    kept, kept_offsets = gather(offsets, whole)
    order = np.concatenate([kept, walk])
    ends = np.concatenate([kept_offsets, kept_offsets[-1] + parts[1:]])
    return points[order, :2], ends, ring[order[ends[:-1]]]


def _meetings(points: NDArray[np.int32], ring: Ints) -> tuple[Ints, Ints]:
    """Return the two indices of every point that one ring passes twice."""
    at = np.flatnonzero(points[:, 2])
    at = at[np.lexsort((points[at, 1], points[at, 0], ring[at]))]
    same = (points[at[1:]] == points[at[:-1]]).all(axis=1) & (ring[at[1:]] == ring[at[:-1]])
    return at[:-1][same], at[1:][same]


def _cycles(following: Ints, members: Ints) -> tuple[Ints, Ints]:
    """Return the vertices of every cycle among `members` in turn, and where each cycle starts."""
    step = dict(zip(members.tolist(), following[members].tolist(), strict=True))
    walk: list[int] = []
    offsets = [0]
    for start in members.tolist():
        at = start
        while at in step:
            walk.append(at)
            at = step.pop(at)
        if len(walk) > offsets[-1]:
            offsets.append(len(walk))
    return np.array(walk, np.int64), np.array(offsets, np.int64)


def canonical(coords: NDArray[np.int32], offsets: Ints) -> NDArray[np.int32]:
    """Return the vertices with every ring turned to start at its smallest (row, col)."""
    if len(offsets) == 1:
        return coords
    key = coords[:, 0] * (np.int64(coords[:, 1].max()) + 1) + coords[:, 1]
    least = np.minimum.reduceat(key, offsets[:-1])
    lengths = np.diff(offsets)
    starts = np.flatnonzero(key == np.repeat(least, lengths))
    turn = np.repeat(starts - offsets[:-1], lengths)
    start, length = np.repeat(offsets[:-1], lengths), np.repeat(lengths, lengths)
    return np.asarray(coords[start + (np.arange(len(coords)) - start + turn) % length])
