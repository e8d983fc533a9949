"""Outlines that keep apart: none comes near a neighbour's, nor near what that may fall back to.

An object has a regular outline, a smooth one and its pixel edges, or only some of them. Pixel edges
never overlap. A smooth outline stays when it is apart from the neighbours' pixel edges, a regular
one when it is apart from their smooth outlines too; where two of one kind meet, that of the smaller
object goes. So whatever a neighbour falls back to is apart too: one look settles everything, and no
decision travels farther than to the neighbours.
Objects that share a wall keep their pixel edges, which touch and do not overlap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.footprints.outlines.contour import unit_edges
from geounet.footprints.outlines.polygons import sound

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.footprints.rings import Footprints, Ints

    Flags = NDArray[np.bool_]
    Polygons = NDArray[np.object_]

GAP = 1 / 64
"""Pixels that outlines keep between them, so that no rounding on the way to a map joins them."""

PIECE = 128
"""Vertices of pixel edges that are looked at as one line."""


def kept_apart(batch: Footprints, levels: list[Polygons]) -> Ints:
    """Return which level each object's outline is of; the number of levels: its pixel edges.

    Args:
        batch: objects with all their neighbours.
        levels: `(objects,)` outlines, the best first; None where there is none.
    """
    lines, owner = _pixel_lines(batch)
    joined = _wall_to_wall(batch)
    itself, rank = np.arange(len(batch)), _ranks(batch)
    chosen = np.full(len(batch), len(levels))
    for at in range(len(levels) - 1, -1, -1):
        made = levels[at]
        clear = sound(made) & ~joined
        shapely.prepare(made)
        tree = shapely.STRtree(made)
        for others, of in ((lines, owner), *((each, itself) for each in levels[at + 1 :])):
            clear[_met(tree, others, of)[1]] = False
        other, here = _met(tree, made, itself)
        clear[here[rank[here] < rank[other]]] = False
        chosen[clear] = at
    return chosen


def _ranks(batch: Footprints) -> Ints:
    """Return the place of each object by size; equals go by class and first vertex."""
    row, col = batch.first.T
    ranks = np.empty(len(batch), np.int64)
    ranks[np.lexsort((col, row, batch.class_index, batch.pixels))] = np.arange(len(batch))
    return ranks


def _met(tree: shapely.STRtree, others: Polygons, of: Ints) -> tuple[Ints, Ints]:
    """Return pairs of objects: the one near whose outline, of the tree, the other's comes, last."""
    grown = shapely.bounds(others) + np.array([-GAP, -GAP, GAP, GAP])
    other, here = tree.query(shapely.box(*grown.T))
    strange = of[other] != here  # most are near themselves alone
    other, here = other[strange], here[strange]
    near = shapely.dwithin(tree.geometries[here], others[other], GAP)
    return of[other[near]], here[near]


def _wall_to_wall(batch: Footprints) -> Flags:
    """Return which objects share a wall with another; only those of two classes can."""
    joined = np.zeros(len(batch), np.bool_)
    if len(np.unique(batch.class_index)) <= 1:
        return joined
    edges = unit_edges(batch)
    owner = np.repeat(np.arange(len(batch)), np.diff(edges.per_polygon))
    place = 2 * edges.start + edges.step  # the middle, doubled
    key = place[:, 0] << 32 | place[:, 1]
    order = np.argsort(key, kind="stable")
    twice = np.flatnonzero(key[order][1:] == key[order][:-1])
    joined[owner[order[twice]]] = joined[owner[order[twice + 1]]] = True
    return joined


def _pixel_lines(batch: Footprints) -> tuple[Polygons, Ints]:
    """Return the pixel edges as lines of few vertices, and the object of each."""
    starts, sizes = batch.ring_offsets[:-1], np.diff(batch.ring_offsets)
    pieces = -(-sizes // PIECE)
    ring = np.repeat(np.arange(len(sizes)), pieces)
    nth = np.arange(len(ring)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    first = nth * PIECE
    length = np.minimum(sizes[ring] - first, PIECE) + 1
    offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    spot = np.arange(offsets[-1]) - np.repeat(offsets[:-1] - first, length)
    spot = np.repeat(starts[ring], length) + spot % np.repeat(sizes[ring], length)
    xy = batch.coords[spot, ::-1].astype(np.float64)
    lines = shapely.from_ragged_array(shapely.GeometryType.LINESTRING, xy, (offsets,))
    owners = np.repeat(np.arange(len(batch)), np.diff(batch.polygon_offsets))
    return np.asarray(lines, object), owners[ring]
