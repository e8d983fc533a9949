"""Keep finished polygons on disk, and give them back along a Hilbert curve."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import shapely

from geounet.footprints.rings import Footprints, Ints, gather, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

CHUNK = 50_000
"""Most polygons given back at once."""

CHUNK_VERTICES = 400_000
"""Most vertices given back at once, unless a single polygon has more."""


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """What stays in memory: a few numbers of every polygon."""

    class_index: NDArray[np.uint8]
    pixels: Ints
    q_sum: Ints
    touches_edge: NDArray[np.bool_]
    first: NDArray[np.int32]
    bounds: NDArray[np.int32]
    rings: Ints
    """`(polygons,)` number of rings."""
    vertices: Ints
    """`(polygons,)` number of vertices."""

    @classmethod
    def of(cls, batch: Footprints) -> _Columns:
        return cls(
            class_index=batch.class_index,
            pixels=batch.pixels,
            q_sum=np.zeros_like(batch.pixels) if batch.q_sum is None else batch.q_sum,
            touches_edge=batch.touches_edge,
            first=batch.first,
            bounds=batch.bounds,
            rings=np.diff(batch.polygon_offsets),
            vertices=batch.vertices,
        )


class Spool:
    """A folder that batches are appended to, and read back from in an order of their own."""

    def __init__(self, folder: Path) -> None:
        """Start with nothing in `rings.bin` (int64 lengths) and `coords.bin` (int32 row, col)."""
        folder.mkdir(parents=True, exist_ok=True)
        self._rings, self._coords = folder / "rings.bin", folder / "coords.bin"
        self._columns = [_Columns.of(nothing())]
        self._scored = True
        self._rings.write_bytes(b"")
        self._coords.write_bytes(b"")

    def __enter__(self) -> Self:
        """Return the spool."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove its files."""
        self._rings.unlink(missing_ok=True)
        self._coords.unlink(missing_ok=True)

    def __len__(self) -> int:
        """Return the number of polygons."""
        return sum(len(part.pixels) for part in self._columns)

    def append(self, batch: Footprints) -> None:
        """Append a batch; all batches come with q, or all without."""
        if not len(batch):
            return
        self._columns.append(_Columns.of(batch))
        self._scored &= batch.q_sum is not None
        with self._rings.open("ab") as rings, self._coords.open("ab") as coords:
            rings.write(np.diff(batch.ring_offsets).astype(np.int64).tobytes())
            coords.write(np.ascontiguousarray(batch.coords, np.int32).tobytes())

    def chunks(self, class_index: int | None = None, *, size: int = CHUNK) -> Iterator[Footprints]:
        """Yield the polygons, of one class or all, by the Hilbert index of their bounds' middle.

        The order depends on the polygons alone: equals go by first vertex, then by class.
        """
        columns = self._joined()
        middle = columns.bounds[:, :2].astype(np.int64) + columns.bounds[:, 2:]
        index = hilbert(middle[:, 1], middle[:, 0])
        order = np.lexsort((columns.class_index, columns.first[:, 1], columns.first[:, 0], index))
        if class_index is not None:
            order = order[columns.class_index[order] == class_index]
        for part in _parts(order, columns.vertices, size):
            yield self._read(columns, part)

    def beside(self, batch: Footprints, reach: float) -> Footprints:
        """Return the other polygons, of any class, whose bounds come within reach of a batch's.

        Args:
            batch: polygons of this spool.
            reach: pixels between two bounds, along rows or columns.
        """
        return self._others(batch, reach, None)

    def enclosed(self, batch: Footprints) -> Footprints:
        """Return the other polygons, of any class, whose bounds lie in those of one of a batch."""
        return self._others(batch, 0.0, "covered_by")

    def _others(
        self, batch: Footprints, reach: float, how: Literal["covered_by"] | None
    ) -> Footprints:
        columns = self._joined()
        low, high = batch.bounds[:, :2] - reach, batch.bounds[:, 2:] + reach
        near = (columns.bounds[:, 2:] >= low.min(axis=0, initial=np.inf)).all(axis=1)
        near &= (columns.bounds[:, :2] <= high.max(axis=0, initial=-np.inf)).all(axis=1)
        some = np.flatnonzero(near)
        tree = shapely.STRtree(shapely.box(*low.T, *high.T))
        some = some[np.unique(tree.query(shapely.box(*columns.bounds[some].T), how)[0])]
        theirs = _keys(columns.class_index[some], columns.first[some])
        return self._read(columns, some[~np.isin(theirs, _keys(batch.class_index, batch.first))])

    def _joined(self) -> _Columns:
        """Return the columns of all batches as one."""
        if len(self._columns) > 1:
            names = [field.name for field in fields(_Columns)]
            parts = {name: [getattr(part, name) for part in self._columns] for name in names}
            self._columns = [_Columns(**{name: np.concatenate(parts[name]) for name in names})]
        return self._columns[0]

    def _read(self, columns: _Columns, part: Ints) -> Footprints:
        """Return the polygons at some indices."""
        ring_offsets = _offsets(np.fromfile(self._rings, np.int64))
        rings, offsets = gather(_offsets(columns.rings), part)
        points, lengths = gather(ring_offsets, rings)
        coords = np.memmap(self._coords, np.int32, mode="r").reshape(-1, 2) if len(part) else None
        return Footprints(
            coords=np.zeros((0, 2), np.int32) if coords is None else np.array(coords[points]),
            ring_offsets=lengths,
            polygon_offsets=offsets,
            class_index=columns.class_index[part],
            pixels=columns.pixels[part],
            q_sum=columns.q_sum[part] if self._scored else None,
            touches_edge=columns.touches_edge[part],
        )


def _keys(class_index: NDArray[np.uint8], first: NDArray[np.int32]) -> Ints:
    """Return a number for each polygon that no other has: its class and its first vertex."""
    row, col = first.astype(np.int64).T
    return np.asarray((row << 40) + (col << 8) + class_index)


def _parts(order: Ints, vertices: Ints, size: int) -> Iterator[Ints]:
    """Yield an order in parts of at most `size` polygons and, but for giants, bounded vertices."""
    total, start = _offsets(vertices[order]), 0
    while start < len(order):
        full = int(np.searchsorted(total, total[start] + CHUNK_VERTICES, side="right")) - 1
        stop = min(start + size, max(full, start + 1))
        yield order[start:stop]
        start = stop


def _offsets(lengths: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def hilbert(x: NDArray[np.int32], y: NDArray[np.int32]) -> Ints:
    """Return how far along the Hilbert curve some points lie; x and y are not negative.

    The curve fills the smallest square of a power of two that holds all int32, so that a point's
    place does not depend on the others (Lam and Shapiro 1994, from the highest bit down).
    """
    x, y = x.astype(np.int64), y.astype(np.int64)
    index = np.zeros(len(x), np.int64)
    for bit in range(30, -1, -1):
        right, upper = x >> bit & 1, y >> bit & 1
        index = index << 2 | (3 * right) ^ upper
        mirrored = (upper == 0) & (right == 1)
        x, y = np.where(mirrored, ~x, x), np.where(mirrored, ~y, y)
        x, y = np.where(upper == 0, y, x), np.where(upper == 0, x, y)
    return index
