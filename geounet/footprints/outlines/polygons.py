"""Corners and circles → shapely polygons, many at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.footprints.rings import gather

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.footprints.outlines.contour import Contours
    from geounet.footprints.rings import Ints

    Floats = NDArray[np.float64]
    Polygons = NDArray[np.object_]

FEWEST = 3
"""Corners of the simplest ring."""

GRAIN = 1 / 1024
"""Pixels, or units of the plane: corners that are nearer may become one on the way to a map."""


def rounded(polygons: Polygons) -> Polygons:
    """Return polygons with their corners on a grid of `GRAIN`."""
    return np.asarray(shapely.transform(polygons, lambda xy: np.round(xy / GRAIN) * GRAIN))


def sound(polygons: Polygons) -> NDArray[np.bool_]:
    """Return which polygons are valid, and stay so when their corners are rounded; None is not."""
    return np.asarray(shapely.is_valid(polygons) & shapely.is_valid(rounded(polygons)))


def assembled(points: Floats, ring: Ints, owners: Ints, count: int) -> Polygons:
    """Return `(count,)` polygons from the corners of their rings; None without an exterior.

    Args:
        points: `(corners, 2)`; a ring with one that is not finite counts as gone.
        ring: `(corners,)` ring of each corner, ascending.
        owners: `(rings,)` polygon of each ring, its exterior first; a hole may be gone.
        count: of the polygons.
    """
    sizes = np.bincount(ring, minlength=len(owners))
    torn = np.bincount(ring[~np.isfinite(points).all(axis=1)], minlength=len(owners)) > 0
    there = (sizes >= FEWEST) & ~torn
    exterior = np.append(len(owners) > 0, owners[1:] != owners[:-1])[: len(owners)]
    whole = np.zeros(count, np.bool_)
    whole[owners[exterior & there]] = True
    rings = np.flatnonzero(there & whole[owners])
    some, offsets = gather(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), rings)
    closed = np.insert(points[some], offsets[1:], points[some][offsets[:-1]], axis=0)
    parts = np.cumsum(np.append(0, np.bincount(owners[rings], minlength=count)[whole]))
    made = np.full(count, None, object)
    made[whole] = shapely.from_ragged_array(
        shapely.GeometryType.POLYGON, closed, (offsets + np.arange(len(offsets)), parts)
    )
    return made


def circles(middle: Floats, area: Floats, turn: Floats) -> Polygons:
    """Return regular polygons of some areas that stray by a quarter of a unit from the circle."""
    radius = np.sqrt(area / np.pi)
    half = np.arccos(1 - 0.25 / np.maximum(radius, 1))
    corners = np.maximum(8, 4 * np.ceil(np.pi / half / 4)).astype(np.int64)
    radius = np.sqrt(2 * area / (corners * np.sin(2 * np.pi / corners)))
    owner = np.repeat(np.arange(len(area)), corners)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(corners) - corners, corners)
    angle = turn[owner] + 2 * np.pi * nth / corners[owner]
    spokes = np.stack([np.cos(angle), np.sin(angle)], axis=1) * radius[owner][:, None]
    return assembled(middle[owner] + spokes, owner, np.arange(len(area)), len(area))


def rings_as_lines(found: Contours, count: int) -> Polygons:
    """Return the contours of each of `count` polygons as a multilinestring."""
    starts, ends = found.offsets[:-1], found.offsets[1:]
    closed = np.insert(found.points, ends, found.points[starts], axis=0)
    offsets = found.offsets + np.arange(len(found.offsets))
    parts = np.searchsorted(found.owners, np.arange(count + 1))
    made = shapely.from_ragged_array(shapely.GeometryType.MULTILINESTRING, closed, (offsets, parts))
    shapely.prepare(made)  # they are asked for many distances
    return np.asarray(made, object)
