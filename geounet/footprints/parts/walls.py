"""The pixels of a blob's buildings → the walls between them, straight wherever they can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Lines = NDArray[np.object_]

STRAIGHT = 3.0
"""Pixels by which the edge of a part may lie beside a straight wall."""

NEAR = 20.0
"""Units of the ground over which the outline's walls say which way a wall between parts goes."""

TURN = np.radians(20)
"""By how much a wall may be turned into one of those directions."""

BEYOND = 24.0
"""Pixels by which a wall reaches over its last pixel edge, so that it meets the outline."""


def walls(labels: Ints, outline: shapely.Polygon, to_plane: Floats) -> Lines:
    """Return lines in the coordinates of the window that part what is labelled differently.

    Walls that meet in a corner keep it; one that only meets the outline goes through the middle of
    its pixel edges. Where the outline's walls near by go almost its way, it goes theirs.

    Args:
        labels: `(height, width)` part of each pixel, 0 = none.
        outline: of the blob, in the window: x = col, y = row.
        to_plane: `(2, 2)` symmetric, of determinant 1: to the plane where angles are true.
    """
    ends, wall, joints = _between(labels)
    if not len(ends):
        return np.zeros(0, np.object_)
    steps = np.asarray(shapely.linestrings(ends), object)
    edges = shapely.multilinestrings(steps, indices=wall)
    chains = shapely.get_parts(shapely.line_merge(edges))
    lean = shapely.simplify(chains, STRAIGHT, preserve_topology=False)
    tips = np.stack([shapely.get_coordinates(shapely.get_point(lean, at)) for at in (0, -1)], 1)
    joined = (tips[:, :, None] == joints).all(axis=3).any(axis=2)
    bent = shapely.get_num_coordinates(lean) > 2  # noqa: PLR2004
    fixed = bent | joined.all(axis=1)
    found = [
        _longer(shapely.get_coordinates(line), ~at)
        for line, at in zip(lean[fixed], joined[fixed], strict=True)
    ]
    found += list(_straight(chains[~fixed], tips[~fixed], joined[~fixed], outline, to_plane))
    return np.array([shapely.LineString(points) for points in found], np.object_)


def _between(labels: Ints) -> tuple[Floats, Ints, Floats]:
    """Return the pixel edges between parts, `(edges, 2, 2)`, the wall of each, and the joints.

    A wall is all edges between two parts; a joint is a point `(joints, 2)` where two walls meet.
    """
    width = labels.shape[1] + 1
    pairs, nodes = [], []
    for down, right in ((0, 1), (1, 0)):
        one = labels[: labels.shape[0] - down, : labels.shape[1] - right]
        other = labels[down:, right:]
        row, col = np.nonzero((one != other) & (one > 0) & (other > 0))
        pairs.append(np.minimum(one, other)[row, col] << 32 | np.maximum(one, other)[row, col])
        stop = (row + 1) * width + col + 1
        nodes.append(np.stack([(row + down) * width + col + right, stop], axis=1))
    wall = np.unique(np.concatenate(pairs), return_inverse=True)[1]
    node = np.concatenate(nodes)
    order = np.argsort(wall, kind="stable")
    both = np.unique(np.stack([node.ravel(), np.repeat(wall, 2)]), axis=1)[0]
    joints = both[1:][both[1:] == both[:-1]]
    points = [np.stack(np.divmod(each, width)[::-1], axis=-1) for each in (node[order], joints)]
    return points[0].astype(np.float64), wall[order], points[1].astype(np.float64)


def _longer(points: Floats, ends: NDArray[np.bool_]) -> Floats:
    """Return a line made longer at some of its ends; a closed one stays."""
    points = points.copy()
    for end, before, free in ((0, 1, ends[0]), (-1, -2, ends[1])):
        way = points[end] - points[before]
        if free and way.any() and not np.array_equal(points[0], points[-1]):
            points[end] += way / np.hypot(*way) * BEYOND
    return points


def _straight(
    chains: Lines, tips: Floats, joined: NDArray[np.bool_], outline: shapely.Polygon, plane: Floats
) -> Floats:
    """Return `(walls, 2, 2)` ends of straight walls, each with one joint or none.

    Args:
        chains: the pixel edges of each.
        tips: `(walls, 2, 2)` their ends.
        joined: `(walls, 2)` which of these are joints.
        outline: of the blob.
        plane: to the plane where angles are true.
    """
    points, wall = shapely.get_coordinates(chains, return_index=True)
    flat, size = points @ plane, np.bincount(wall)
    centre = np.stack([np.bincount(wall, flat[:, at]) / size for at in (0, 1)], axis=1)
    off = flat - centre[wall]
    xx, xy, yy = (
        np.bincount(wall, off[:, one] * off[:, other]) for one, other in ((0, 0), (0, 1), (1, 1))
    )
    angle = np.arctan2(2 * xy, xx - yy) / 2
    ends, one = tips @ plane, np.asarray(joined.any(axis=1))
    joint = np.where(joined[:, :1], ends[:, 0], ends[:, 1])
    chord = np.where(joined[:, :1], ends[:, 1], ends[:, 0]) - joint
    angle = np.where(one, np.arctan2(chord[:, 1], chord[:, 0]), angle)
    start = np.where(one[:, None], joint, centre)
    angle = _turned(angle, centre, outline, plane)
    way = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    along = ((ends - start[:, None]) * way[:, None]).sum(axis=2)
    reach = np.stack([along.min(axis=1) - BEYOND * ~one, along.max(axis=1) + BEYOND], axis=1)
    return np.asarray((start[:, None] + reach[:, :, None] * way[:, None]) @ np.linalg.inv(plane))


def _turned(angle: Floats, centre: Floats, outline: shapely.Polygon, to_plane: Floats) -> Floats:
    """Return angles turned into the direction of the outline's walls near by, if that is near."""
    points, ring = shapely.get_coordinates(shapely.get_rings(outline), return_index=True)
    points, inner = points @ to_plane, ring[1:] == ring[:-1]
    way, middle = np.diff(points, axis=0)[inner], ((points[1:] + points[:-1]) / 2)[inner]
    squared = (way**2).sum(axis=1)
    away = ((centre[:, None] - middle) ** 2).sum(axis=2)
    weight = squared * np.exp(-away / (2 * (NEAR**2 + squared)))
    theirs = 4 * np.arctan2(way[:, 1], way[:, 0])
    common = np.arctan2(weight @ np.sin(theirs), weight @ np.cos(theirs)) / 4
    off = (common - angle + np.pi / 4) % (np.pi / 2) - np.pi / 4
    return np.asarray(np.where(np.abs(off) < TURN, angle + off, angle))
