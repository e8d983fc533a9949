"""Buildings, and a ring around each: what the network sees there, pooled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from scipy.sparse import csr_array

from geounet.embeddings.fill import Runs, fill
from geounet.embeddings.pool import Core, raised
from geounet.embeddings.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.embeddings.pool import Pool
    from geounet.grid import TileGrid
    from geounet.infer import Inferred

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

BATCH = 20_000
"""Shapes that are looked at together."""
BLOCK = 16
"""Channels that are pooled together."""
EVERYWHERE = (-(2**31), 2**31)


@dataclass(frozen=True)
class Shapes:
    """Footprints on a raster's grid, row by row: by their topmost, then leftmost pixel."""

    wkb: NDArray[Any]
    """`(n,)` polygons as WKB, x = column, y = row."""
    boxes: Floats
    """`(n, 4)` left, top, right, bottom of each."""
    pixels: Ints
    """`(n,)` pixels of each, those outside the raster included; at least 1."""
    order: Ints
    """`(n,)` where each stood among those given."""

    @classmethod
    def of(cls, batches: Iterator[NDArray[Any]]) -> Shapes:
        """Return footprints in order; one without any pixel's centre becomes its nearest pixel.

        Args:
            batches: shapely polygons in pixels; at least one batch.
        """
        parts = zip(*map(_counted, batches), strict=True)
        shapes, boxes, pixels = (np.concatenate(part) for part in parts)
        order = np.lexsort((np.floor(boxes[:, 0]), np.floor(boxes[:, 1])))
        return cls(shapes[order], boxes[order], pixels[order], order)

    def __len__(self) -> int:
        """Return the number of footprints."""
        return len(self.wkb)


class Buildings:
    """Owner of the sums of all footprints, and of the rings around them."""

    def __init__(
        self, folder: Path, grid: TileGrid, shapes: Shapes, ring: tuple[float, float],
        layers: Sequence[str], pool: Pool,
    ) -> None:  # fmt: skip
        """Start with nothing.

        Args:
            folder: for what waits.
            grid: of the tiles that will come.
            shapes: the footprints.
            ring: its width in columns and in rows of pixels; 0 = no ring.
            layers: whose maps are pooled.
            pool: how.
        """
        self._grid, self._shapes, self._ring, self._pool = grid, shapes, ring, pool
        self._inner, self._outer = (
            {
                layer: Store(folder / f"{name}-{at}", len(shapes), pool)
                for at, layer in enumerate(layers)
            }
            for name in ("footprints", "rings")
        )
        grown = np.array([*ring, *ring]) * [-1, -1, 1, 1]
        self._reach = shapes.boxes + grown
        self._row = -1, np.empty(0, np.int64), np.empty((2, 0), object)

    def add(self, found: Inferred) -> None:
        """Add what one tile answers for.

        Raises:
            ModelError: the tile has no such map.
        """
        near, outlines = self._of_row(found.tile.row)
        (top, bottom), (left, right) = found.tile.core.toranges()
        here = (self._reach[near, 2] > left) & (self._reach[near, 0] < right)
        near, outlines = near[here], outlines[:, here]
        if not len(near):
            return
        inner, outer = (fill(shapes, (top, bottom), (left, right)) for shapes in outlines)
        for layer, store in self._inner.items():
            core = Core.of(found, layer, self._grid)
            own = _weights(inner, core, len(near))
            self._put(store, near, own, core)
            if any(self._ring):
                self._put(self._outer[layer], near, _beyond(outer, own, core), core)

    def seen(self) -> Ints:
        """Return the footprints that hold data, in order."""
        return next(iter(self._inner.values())).seen()

    def vectors(self, items: Ints) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of some footprints, by layer."""
        return {layer: store.vectors(items) for layer, store in self._inner.items()}

    def rings(self, items: Ints) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of the rings around some footprints, by layer; none without rings."""
        if not any(self._ring):
            return {}
        return {layer: store.vectors(items) for layer, store in self._outer.items()}

    def valid(self, items: Ints) -> NDArray[np.float32]:
        """Return which share of some footprints has data: below 1 where an edge cuts them."""
        weights = next(iter(self._inner.values())).weights[items]
        return (weights / self._shapes.pixels[items]).astype(np.float32)

    def shapes(self, items: Ints) -> NDArray[Any]:
        """Return some footprints as polygons in pixels."""
        return np.asarray(shapely.from_wkb(self._shapes.wkb[items]))

    def boxes(self, items: Ints) -> Floats:
        """Return left, top, right, bottom of some footprints with their rings, in pixels."""
        return np.asarray(self._reach[items])

    def _of_row(self, row: int) -> tuple[Ints, NDArray[Any]]:
        """The footprints near a row of tiles, and their outlines `(2, n)`: own, and with ring."""
        if self._row[0] != row:
            (top, bottom), _ = self._grid.at(row, 0).core.toranges()
            near = np.flatnonzero((self._reach[:, 3] > top) & (self._reach[:, 1] < bottom))
            own = shapely.from_wkb(self._shapes.wkb[near])
            self._row = row, near, np.stack([own, _grown(own, self._ring)])
        return self._row[1], self._row[2]

    def _put(self, store: Store, near: Ints, weights: csr_array, core: Core) -> None:
        totals = np.asarray(weights.sum(axis=1), np.float64)
        some = np.flatnonzero(totals)
        if len(some):
            sums = _pooled(weights[some], core.maps, self._pool)
            store.add(near[some], sums, totals[some])


def _counted(shapes: NDArray[Any]) -> tuple[NDArray[Any], Floats, Ints]:
    """Shapes as WKB, their boxes and pixels; those without any become the one they lie in."""
    pixels = fill(shapes, EVERYWHERE, EVERYWHERE).pixels(len(shapes))
    without = np.flatnonzero(pixels == 0)
    points = shapely.get_coordinates(shapely.point_on_surface(shapes[without]))
    corners = np.floor(points)
    shapes = shapes.copy()
    shapes[without] = shapely.box(*corners.T, *(corners + 1).T)
    return shapely.to_wkb(shapes), shapely.bounds(shapes), np.maximum(pixels, 1)


def _grown(shapes: NDArray[Any], ring: tuple[float, float]) -> NDArray[Any]:
    """Shapes with the ring around them, which is as wide on the ground in all directions."""
    if not any(ring):
        return shapes
    wide = np.array(ring)
    return np.asarray(
        shapely.transform(
            shapely.buffer(shapely.transform(shapes, lambda xy: xy / wide), 1.0),
            lambda xy: xy * wide,
        )
    )


def _weights(runs: Runs, core: Core, count: int) -> csr_array:
    """How many pixels with data each shape has in each place of a core, `(count, places)`."""
    stride, cols = core.stride, core.maps.shape[2]
    row = runs.row - core.row * stride
    start, stop = runs.start - core.col * stride, runs.stop - core.col * stride
    first, last = start // stride, -(-stop // stride)
    run = np.repeat(np.arange(len(row)), last - first)
    place = np.arange(len(run)) - np.repeat(np.cumsum(last - first) - last, last - first)
    upto = np.zeros((core.valid.shape[0], core.valid.shape[1] + 1), np.int32)
    np.cumsum(core.valid, axis=1, out=upto[:, 1:])
    low = np.maximum(start[run], place * stride)
    high = np.minimum(stop[run], (place + 1) * stride)
    pixels = upto[row[run], high] - upto[row[run], low]
    where = runs.shape[run], row[run] // stride * cols + place
    found = csr_array((pixels.astype(np.float64), where), shape=(count, core.maps[0].size))
    found.eliminate_zeros()
    return found


def _beyond(outer: Runs, own: csr_array, core: Core) -> csr_array:
    """The same of what lies around the shapes alone."""
    ring = csr_array(_weights(outer, core, own.shape[0]) - own)
    ring.data = np.maximum(ring.data, 0)  # the pixel of a tiny shape may reach beyond its ring
    ring.eliminate_zeros()
    return ring


def _pooled(weights: csr_array, maps: NDArray[np.float32], pool: Pool) -> Floats:
    """Sums over the places of each shape, `(shapes, channels)`; every shape has one."""
    parts = []
    for at in range(0, len(maps), BLOCK):
        values = maps[at : at + BLOCK].reshape(-1, weights.shape[1])
        if pool == "max":
            picked = values[:, weights.indices].astype(np.float64)
            parts.append(np.maximum.reduceat(picked, weights.indptr[:-1], axis=1).T)
        else:
            parts.append(weights @ raised(values, pool).T)
    return np.hstack(parts)
