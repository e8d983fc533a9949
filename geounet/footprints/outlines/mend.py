"""Corners that stray too far → cut off where their walls leave the reach."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.footprints.outlines.polygons import assembled
from geounet.footprints.rings import successors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Polygons = NDArray[np.object_]

PLACES = 16
"""Places of a wall that are tried."""


def mended(outlines: Polygons, lines: Polygons, reach: Floats) -> tuple[Polygons, Floats]:
    """Return outlines without corners that stray from their lines, and how many were cut off.

    Args:
        outlines: `(outlines,)` polygons, or None.
        lines: `(outlines,)` prepared.
        reach: `(outlines,)` how far a corner may lie off its line.
    """
    rings, owner = shapely.get_rings(outlines, return_index=True)
    closed, ring = shapely.get_coordinates(rings, return_index=True)
    last = np.append(ring[1:] != ring[:-1], np.ones(min(len(ring), 1), np.bool_))
    points, ring = closed[~last], ring[~last]
    after = successors(np.searchsorted(ring, np.arange(len(rings) + 1)))
    before = np.empty_like(after)
    before[after] = np.arange(len(after))
    of = owner[ring]
    far = ~shapely.dwithin(lines[of], shapely.points(points), reach[of])
    at, of_far = np.flatnonzero(far), of[far]
    ends = [
        _last_near(points[end[at]], points[at], lines[of_far], reach[of_far])
        for end in (before, after)
    ]
    twice = np.repeat(points, 1 + far, axis=0)
    spot = at + np.arange(len(at))
    twice[spot], twice[spot + 1] = ends
    made = assembled(twice, np.repeat(ring, 1 + far), owner, len(outlines))
    return made, np.bincount(of_far, minlength=len(outlines)).astype(np.float64)


def _last_near(start: Floats, end: Floats, lines: Polygons, reach: Floats) -> Floats:
    """Return the last of some places on the way from start to end that is in reach of a line."""
    share = np.arange(PLACES) / PLACES
    spots = start[:, None] + share[:, None] * (end - start)[:, None]
    each = np.repeat(np.arange(len(start)), PLACES)
    places = shapely.points(spots.reshape(-1, 2))
    far = reach[each]  # an array, which the stubs do not know of
    near = shapely.dwithin(lines[each], places, far)  # type: ignore[call-overload]
    last = np.where(near.reshape(-1, PLACES), np.arange(PLACES), 0).max(axis=1, initial=0)
    return np.asarray(spots[np.arange(len(start)), last])
