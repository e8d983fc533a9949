"""Polygons → the pixels whose centres lie inside, as runs along rows; many polygons at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Runs:
    """Pixels in a row that belong to one shape; no pixel twice for the same shape."""

    shape: Ints
    """Which shape."""
    row: Ints
    """Row of pixels."""
    start: Ints
    """First column."""
    stop: Ints
    """Last column + 1."""

    def pixels(self, count: int) -> Ints:
        """Return how many pixels each of `count` shapes has."""
        sizes = np.bincount(self.shape, self.stop - self.start, minlength=count)
        return sizes.astype(np.int64)


def fill(shapes: NDArray[Any], rows: tuple[int, int], cols: tuple[int, int]) -> Runs:
    """Return the pixels of polygons within a window.

    A pixel belongs to a polygon when its centre does; of two polygons that share an edge, each
    centre on it belongs to one. Holes are left out.

    Args:
        shapes: polygons or multipolygons; x = column, y = row, pixel corners at whole numbers.
        rows: first and last + 1.
        cols: first and last + 1.
    """
    begin, end, shape = _edges(shapes)
    down = np.sort(np.stack([begin[:, 1], end[:, 1]]), axis=0)
    first, last = np.clip(np.ceil(down - 0.5), *rows).astype(np.int64)
    counts = last - first
    edge = np.repeat(np.arange(len(counts)), counts)
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts - first, counts)
    begin, step = begin[edge], (end - begin)[edge]
    x = begin[:, 0] + (row + 0.5 - begin[:, 1]) * step[:, 0] / step[:, 1]
    order = np.lexsort((x, row, shape[edge]))
    col = np.clip(np.ceil(x[order] - 0.5), *cols).astype(np.int64)
    start, stop = col[0::2], col[1::2]  # in at each odd crossing of a row, out at each even one
    some = stop > start
    at = order[0::2][some]
    return Runs(shape[edge[at]], row[at], start[some], stop[some])


def _edges(shapes: NDArray[Any]) -> tuple[Floats, Floats, Ints]:
    """Ends of all edges, and the shape each belongs to."""
    polygons, of_polygon = shapely.get_parts(shapes, return_index=True)
    rings, of_ring = shapely.get_rings(polygons, return_index=True)
    xy, of = shapely.get_coordinates(rings, return_index=True)
    same = of[1:] == of[:-1]
    return xy[:-1][same], xy[1:][same], of_polygon[of_ring[of[1:][same]]]
