"""Run lengths of a raster that comes part by part from top to bottom, never held as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from geounet.rle.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

LABEL_BITS = 16
"""Bits of a change that hold the label; the rest holds the place, counted down the columns."""

_LABELS = (1 << LABEL_BITS) - 1

_GROUP = 64
"""Columns that are read back together at least."""

_AT_ONCE = 1 << 18
"""Changes that are read back together at most, if they are of more than one group."""


class RunEncoder:
    """Takes labels, gives back the runs of each label down the columns.

    A *change* is a pixel whose label differs from the one above it, or the top of a column. The
    changes of each part wait on disk, and come back band by band of columns.
    """

    def __init__(self, shape: tuple[int, int], folder: Path | None = None) -> None:
        """Expect parts of a raster of a shape.

        Args:
            shape: height and width.
            folder: where changes wait; None takes the system's place for temporary files.

        Raises:
            OutputError: nothing can be written there.
        """
        self.shape = shape
        self._bottom = np.zeros(shape[1], np.uint16)
        self._reached = np.zeros(shape[1], np.int64)
        self._spool = Spool(-(-shape[1] // _GROUP), folder)

    @property
    def size(self) -> int:
        """Pixels of the raster."""
        return self.shape[0] * self.shape[1]

    def add(self, labels: NDArray[Any], row: int = 0, col: int = 0) -> None:
        """Take the labels of a part; those of each column come from top to bottom.

        Args:
            labels: `(height, width)` of bool, or of labels from 0 to 65,535.
            row: first row of the part in the raster.
            col: its first column.

        Raises:
            OutputError: the disk is full.
        """
        height, width = labels.shape
        cols = slice(col, col + width)
        assert (self._reached[cols] == row).all(), f"the rows above {row} did not come first"
        changed = np.empty(labels.shape, np.bool_)
        np.not_equal(labels[1:], labels[:-1], out=changed[1:])
        changed[0] = labels[0] != self._bottom[cols] if row else True
        at = np.flatnonzero(changed)
        rows, columns = np.divmod(at, width)
        found = labels.reshape(-1)[at].astype(np.int64)
        changes = ((columns + col) * self.shape[0] + rows + row) << LABEL_BITS | found
        changes.sort()
        columns.sort()
        self._bottom[cols], self._reached[cols] = labels[-1], row + height
        self._spool.append(changes, (columns + col) // _GROUP)

    def labels(self) -> list[int]:
        """Return the labels that occur, but 0."""
        found: set[int] = set()
        for changes in self._changes():
            found.update(np.unique(changes & _LABELS).tolist())
        return sorted(found - {0})

    def counts(self, label: int | None = None) -> Iterator[NDArray[np.int64]]:
        """Yield the counts of a label's mask piece by piece, zeros first; None = any but 0."""
        last = 0
        for points in self._points(label):
            if len(points):
                yield np.diff(points, prepend=last)
                last = int(points[-1])
        yield np.array([self.size - last], np.int64)

    def objects(self) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yield each label but 0 with its counts; the runs of all are in memory at once."""
        changes = np.concatenate(list(self._changes()))
        labels = changes & _LABELS
        turns = np.flatnonzero(np.diff(labels, prepend=-1))
        points, labels = changes[turns] >> LABEL_BITS, labels[turns]
        ends = np.append(points[1:], self.size)
        order = np.argsort(labels, kind="stable")
        found, starts = np.unique(labels[order], return_index=True)
        for label, runs in zip(found.tolist(), np.split(order, starts[1:]), strict=True):
            if label:
                edges = np.stack((points[runs], ends[runs]), axis=1).ravel()
                counts = np.diff(edges, prepend=0, append=self.size)
                yield label, counts[:-1] if counts[-1] == 0 else counts

    def close(self) -> None:
        """Let go of what waits."""
        self._spool.close()

    def __enter__(self) -> Self:
        """Return the encoder itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of what waits."""
        self.close()

    def _changes(self) -> Iterator[NDArray[np.int64]]:
        """Yield all changes by place."""
        assert (self._reached == self.shape[0]).all(), "a part is missing"
        ends = np.cumsum(self._spool.sizes)
        first = 0
        while first < len(ends):
            before = int(ends[first - 1]) if first else 0
            stop = max(int(np.searchsorted(ends, before + _AT_ONCE, side="right")), first + 1)
            band = self._spool.read(first, stop)
            yield np.sort(band)
            first = stop

    def _points(self, label: int | None) -> Iterator[NDArray[np.int64]]:
        """Yield the places where a label begins or ends, ascending."""
        before = False
        for changes in self._changes():
            labels = changes & _LABELS
            held = labels != 0 if label is None else labels == label
            turns = held != np.concatenate(([before], held[:-1]))
            before = bool(held[-1])
            yield changes[turns] >> LABEL_BITS
