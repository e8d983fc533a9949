"""Strips of rows of a mask that is known by its run lengths, never held as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.rle.counts import runs
from geounet.rle.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

STRIP = 512
"""Rows that are painted at a time."""

_AT_ONCE = 1 << 18
"""Edges that are sorted at a time."""


class RunPainter:
    """Takes the counts of masks of one shape, gives back strips of rows of their union.

    An *edge* is the first pixel of a run, or the one after its last. Each changes by one how many
    runs a column is in; at the top of a column stands how many go on from the column before it.
    """

    def __init__(self, shape: tuple[int, int], folder: Path | None = None) -> None:
        """Expect masks of a shape.

        Args:
            shape: height and width.
            folder: where edges wait; None takes the system's place for temporary files.

        Raises:
            OutputError: nothing can be written there.
        """
        self.shape = shape
        self._strips = -(-shape[0] // STRIP)
        self._spool = Spool(self._strips, folder)
        self._tops = np.zeros(shape[1] + 1, np.int64)
        self._sums = np.zeros((self._strips, shape[1]), np.int32)
        self._waiting: list[NDArray[np.int64]] = []
        self._count = 0

    def add(self, pieces: Iterable[NDArray[np.int64]]) -> None:
        """Take the counts of one more mask, piece by piece, checked.

        Raises:
            OutputError: the disk is full.
        """
        for _, starts, ends in runs(pieces):
            self._waiting += [starts << 1, ends << 1 | 1]
            self._count += 2 * len(starts)
            if self._count > _AT_ONCE:
                self._flush()

    def strip(self, number: int) -> NDArray[np.bool_]:
        """Return the rows of a strip, `(at most STRIP, width)`."""
        self._flush()
        width = self.shape[1]
        rows = min(STRIP, self.shape[0] - number * STRIP)
        depth = np.cumsum(self._tops[:-1]) + self._sums[:number].sum(axis=0)
        edges = np.sort(self._spool.read(number, number + 1))
        cols = (edges >> 1) % width
        signs = 1 - 2 * (edges & 1)
        starts = np.searchsorted(edges, np.arange(rows + 1) * width << 1)
        mask = np.empty((rows, width), np.bool_)
        for row in range(rows):
            here = slice(starts[row], starts[row + 1])
            np.add.at(depth, cols[here], signs[here])
            np.greater(depth, 0, out=mask[row])
        return mask

    def close(self) -> None:
        """Let go of what waits."""
        self._spool.close()

    def _flush(self) -> None:
        """Write what waits, by rows."""
        if not self._waiting:
            return
        edges = np.concatenate(self._waiting)
        self._waiting, self._count = [], 0
        height, width = self.shape
        edges = edges[edges >> 1 < height * width]
        at, falling = edges >> 1, edges & 1
        cols, rows = np.divmod(at, height)
        np.add.at(self._tops, -(-at // height), 1 - 2 * falling)
        inner = rows > 0
        keys = ((rows * width + cols) << 1 | falling)[inner]
        keys.sort()
        at = keys >> 1
        strips = at // (width * STRIP)
        np.add.at(self._sums, (strips, at % width), (1 - 2 * (keys & 1)).astype(np.int32))
        self._spool.append(keys - (strips * width * STRIP << 1), strips)
