"""A blob's outline and the walls in it → the outlines of its buildings, which share these walls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from rasterio.features import rasterize
from scipy.sparse.csgraph import connected_components

from geounet.footprints.parts.walls import walls

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Polygons = NDArray[np.object_]

GRID = 1 / 256
"""Pixels that corners are rounded to: none comes so near to a wall that a map's rounding tells."""


def cut(
    labels: Ints, outline: shapely.Polygon, to_plane: Floats, least: float
) -> tuple[Polygons, Ints]:
    """Return the outlines of a blob's buildings, and which of them each part has gone into.

    The outlines have the walls between them in common, point by point, and are the blob's
    together but for rounding. A part that no wall sets apart, or not enough of it, goes into its
    neighbour.

    Args:
        labels: `(height, width)` part of each pixel, counted from 1; 0 = none.
        outline: of the blob, in the window: x = col, y = row.
        to_plane: `(2, 2)` to the plane where angles are true.
        least: pixels of the smallest building.

    Returns:
        `(buildings,)` polygons; `(parts + 1,)` building of each part, -1 for none.
    """
    faces = _faces(outline, walls(labels, outline, to_plane))
    votes = _votes(faces, labels)
    part = votes[:, 1:].argmax(axis=1) + 1
    part[votes[:, 1:].sum(axis=1) == 0] = 0
    part = _whole(faces, part, least)
    kept = np.unique(part)
    made = np.array([shapely.union_all(faces[part == each]) for each in kept], object)
    every = np.arange(votes.shape[1])
    gone_into = np.searchsorted(
        kept, np.where(np.isin(every, kept), every, part[votes.argmax(axis=0)])
    )
    gone_into[0] = -1
    return made, gone_into


def _faces(outline: shapely.Polygon, lines: Polygons) -> Polygons:
    """Return the pieces that lines part a polygon into."""
    noded = shapely.union_all([*lines, outline.boundary], grid_size=GRID)
    pieces = shapely.get_parts(shapely.polygonize([noded]))
    shapely.prepare(outline)
    return np.asarray(pieces[shapely.contains(outline, shapely.point_on_surface(pieces))], object)


def _votes(faces: Polygons, labels: Ints) -> Ints:
    """Return `(faces, parts + 1)` how many pixels of each part lie in each face."""
    shapes = ((face, at) for at, face in enumerate(faces, start=1))
    burnt = rasterize(shapes, out_shape=labels.shape, dtype="int32").astype(np.int64)
    width = int(labels.max()) + 1
    counts = np.bincount((burnt * width + labels).ravel(), minlength=(len(faces) + 1) * width)
    return np.asarray(counts.reshape(-1, width)[1:])


def _whole(faces: Polygons, part: Ints, least: float) -> Ints:
    """Return the part of each face so that every part is in one piece, and large enough.

    Of a part in several pieces the largest stays; the others, and faces without a part, go where
    their boundary is shared most.
    """
    area = shapely.area(faces)
    if part.all() and len(np.unique(part)) == len(part) and area.min() >= least:
        return part
    beside = _shared(faces)
    stays = _largest(beside * (part[:, None] == part), part, area, least)
    if not stays.any():
        return np.ones_like(part)
    part = np.where(stays, part, 0)
    while not part.all():
        theirs = beside * (part > 0)
        next_ = np.flatnonzero((part == 0) & theirs.any(axis=1))
        if not len(next_):  # rounding closed a neck: the blob stays whole
            return np.ones_like(part)
        part[next_] = part[theirs[next_].argmax(axis=1)]
    return part


def _shared(faces: Polygons) -> Floats:
    """Return `(faces, faces)` the length of the boundary that two faces share, edge by edge."""
    rings, face = shapely.get_rings(faces, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    start = np.flatnonzero(ring[1:] == ring[:-1])
    point = np.unique(points, axis=0, return_inverse=True)[1].ravel()
    edge = np.sort(np.stack([point[start], point[start + 1]]), axis=0)
    order = np.lexsort(edge)
    same = np.flatnonzero((edge[:, order[1:]] == edge[:, order[:-1]]).all(axis=0))
    one, other = start[order[same]], start[order[same + 1]]
    beside = np.zeros((len(faces), len(faces)))
    length = np.hypot(*(points[one + 1] - points[one]).T)
    np.add.at(beside, (face[ring[one]], face[ring[other]]), length)
    return beside + beside.T


def _largest(linked: Floats, part: Ints, area: Floats, least: float) -> NDArray[np.bool_]:
    """Return which faces are of the largest piece of their part, where that is large enough."""
    count, piece = connected_components(linked > 0, directed=False)
    size = np.bincount(piece, area, count)[piece]
    order = np.lexsort((piece, -size, part))
    first = order[np.append(np.ones(1, np.bool_), part[order][1:] != part[order][:-1])]
    best = np.zeros(count, np.bool_)
    best[piece[first]] = True
    return np.asarray(best[piece] & (part > 0) & (size >= least))
