"""How alike the outlines of a predicted and a true building are, pair by pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Polygons = NDArray[np.object_]
    Floats = NDArray[np.float64]


def corners(polygons: Polygons) -> NDArray[np.int64]:
    """Return the number of corners of each polygon; a ring's last point is its first."""
    _, owners = _rings(polygons)
    rings = np.bincount(owners, minlength=len(polygons))
    return np.asarray(shapely.get_num_coordinates(polygons) - rings)


def n_ratio(predicted: Polygons, truth: Polygons) -> Floats:
    """Return corners of the predicted over those of the true (Zorzi et al. 2022, PolyWorld)."""
    return np.asarray(corners(predicted) / corners(truth))


def c_iou(iou: Floats, predicted: Polygons, truth: Polygons) -> Floats:
    """Return IoU times 1 - |n - m| / (n + m), n and m corners (Zorzi et al. 2022), per object."""
    ours, theirs = corners(predicted), corners(truth)
    return np.asarray(iou * (1 - np.abs(ours - theirs) / (ours + theirs)))


def polis(predicted: Polygons, truth: Polygons) -> Floats:
    """Return the mean distance of each outline's corners to the other (Avbelj et al. 2015)."""
    return np.asarray((_strays(predicted, truth) + _strays(truth, predicted)) / 2)


def angle_error(predicted: Polygons, truth: Polygons) -> Floats:
    """Return the mean angle in degrees between an edge and the true edge beside its middle.

    Edges weigh by their length; the true edge is the one nearest to the middle.
    """
    starts, ends, of = _edges(predicted)
    true_starts, true_ends, true_of = _edges(truth)
    middles = np.asarray(shapely.points((starts + ends) / 2))
    lines = np.asarray(shapely.linestrings(np.stack([true_starts, true_ends], axis=1)))
    first = np.searchsorted(true_of, np.arange(len(truth) + 1))
    counts = np.diff(first)[of]
    # every edge beside every edge of its partner, as one long list
    edge = np.repeat(np.arange(len(of)), counts)
    begin = np.cumsum(counts) - counts
    other = np.arange(len(edge)) - np.repeat(begin - first[of], counts)
    away = shapely.distance(middles[edge], lines[other])
    nearest = other[np.lexsort((away, edge))[begin]]
    along, true_along = ends - starts, (true_ends - true_starts)[nearest]
    sine = along[:, 0] * true_along[:, 1] - along[:, 1] * true_along[:, 0]
    angle = np.degrees(np.arctan2(np.abs(sine), np.abs((along * true_along).sum(axis=1))))
    length = np.hypot(*along.T)
    return np.asarray(
        np.bincount(of, angle * length, len(predicted)) / np.bincount(of, length, len(predicted))
    )


def _strays(polygons: Polygons, others: Polygons) -> Floats:
    """Return the mean distance of each polygon's corners to the boundary of another."""
    starts, _, of = _edges(polygons)
    away = shapely.distance(shapely.points(starts), shapely.boundary(others)[of])
    sums = np.bincount(of, away, len(polygons))
    return np.asarray(sums / np.bincount(of, minlength=len(polygons)))


def _edges(polygons: Polygons) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Return `(edges, 2)` where each edge starts, where it ends, and whose it is."""
    rings, owners = _rings(polygons)
    points, of = shapely.get_coordinates(rings, return_index=True)
    inside = of[1:] == of[:-1]
    return points[:-1][inside], points[1:][inside], owners[of[:-1][inside]]


def _rings(polygons: Polygons) -> tuple[Polygons, NDArray[np.intp]]:
    """Return the rings of all parts, and whose they are."""
    parts, whole = shapely.get_parts(polygons, return_index=True)
    rings, of = shapely.get_rings(parts, return_index=True)
    return rings, whole[of]
