"""One cell of labels → the corners of its outlines: a pure function that knows no neighbour.

The lattice point (i, j) is the corner shared by the pixels (i - 1, j - 1), (i - 1, j), (i, j - 1)
and (i, j). Here are the points strictly inside a cell; those on its border need its neighbours'
labels and are found by the tracer.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from itertools import pairwise
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from geounet.quantise import NODATA

if TYPE_CHECKING:
    from numpy.typing import NDArray

NW, NE, SW, SE = 1, 2, 4, 8
"""Bits of a code: which of the four pixels around a lattice point are foreground."""

SADDLES = (NW | SE, NE | SW)
"""Codes where two foreground pixels touch only at the point."""

CACHED = 2**17
"""Pixels that are compared at a time: they stay in a core's own cache."""

IS_CORNER = np.array(
    [code.bit_count() % 2 == 1 or code in SADDLES for code in range(16)], dtype=np.bool_
)
"""`(16,)` True = an outline turns at a point with this code."""


@dataclass(frozen=True, kw_only=True)
class CellTrace:
    """What the tracer needs to know of one cell; small, and made without its neighbours."""

    top: NDArray[np.uint8]
    """`(width,)` labels of the first row."""
    bottom: NDArray[np.uint8]
    """`(width,)` labels of the last row."""
    left: NDArray[np.uint8]
    """`(height,)` labels of the first column."""
    right: NDArray[np.uint8]
    """`(height,)` labels of the last column."""
    offsets: NDArray[np.int64]
    """`(classes + 1,)` where each class's points start in the next four arrays."""
    rows: NDArray[np.int32]
    """`(points,)` lattice row in the cell, ascending within a class."""
    cols: NDArray[np.int32]
    """`(points,)` lattice column in the cell, ascending within a row."""
    codes: NDArray[np.uint8]
    """`(points,)` which pixels around the point are of the class: NW 1, NE 2, SW 4, SE 8."""
    integral: NDArray[np.int64]
    """`(points,)` sum of the class's q over the cell's pixels above and left of the point."""
    row_sums: NDArray[np.int64]
    """`(classes, height)` sum of q along each row; `(0, height)` without q."""
    col_sums: NDArray[np.int64]
    """`(classes, width)` sum of q along each column; `(0, width)` without q."""
    rim: NDArray[np.int32]
    """`(pixels, 2)` (row, col) of foreground pixels 4-adjacent to nodata inside the cell."""
    rim_labels: NDArray[np.uint8]
    """`(pixels,)` their labels."""

    @property
    def height(self) -> int:
        """Rows of the cell."""
        return len(self.left)

    @property
    def width(self) -> int:
        """Columns of the cell."""
        return len(self.top)

    @property
    def scored(self) -> bool:
        """Whether the cell was traced with q."""
        return len(self.row_sums) > 0

    def save(self, file: IO[bytes]) -> None:
        """Write the arrays one after the other."""
        for field in fields(self):
            np.save(file, getattr(self, field.name), allow_pickle=False)

    @classmethod
    def load(cls, file: IO[bytes]) -> CellTrace:
        """Return the cell that `save` wrote; nothing in the file is ever unpickled."""
        return cls(**{field.name: np.load(file, allow_pickle=False) for field in fields(cls)})


def trace_cell(labels: NDArray[np.uint8], q: NDArray[np.uint8] | None, classes: int) -> CellTrace:
    """Return the corners inside one cell, and its borders.

    Args:
        labels: `(height, width)` uint8: 0 background, c + 1 = class c, 255 = nodata.
        q: `(classes, height, width)` uint8 whose mean is the confidence, or None.
        classes: how many classes there are, at most 254.
    """
    rows, cols, around = _candidates(labels)
    found = [corner_codes(around, label) for label in range(1, classes + 1)]
    picks = [np.flatnonzero(IS_CORNER[codes]) for codes in found]
    points = [(rows[pick], cols[pick]) for pick in picks]
    sums = [_sums(band, *at) for band, at in zip(q, points, strict=True)] if q is not None else []
    empty: list[NDArray[np.int64]] = [np.zeros(sum(map(len, picks)), np.int64)]
    rim = _rim(labels)
    return CellTrace(
        top=labels[0].copy(),
        bottom=labels[-1].copy(),
        left=labels[:, 0].copy(),
        right=labels[:, -1].copy(),
        offsets=np.cumsum([0, *map(len, picks)], dtype=np.int64),
        rows=np.concatenate([at[0] for at in points]),
        cols=np.concatenate([at[1] for at in points]),
        codes=np.concatenate([codes[pick] for codes, pick in zip(found, picks, strict=True)]),
        integral=np.concatenate([each[0] for each in sums] or empty),
        row_sums=np.array([each[1] for each in sums], np.int64).reshape(-1, labels.shape[0]),
        col_sums=np.array([each[2] for each in sums], np.int64).reshape(-1, labels.shape[1]),
        rim=rim,
        rim_labels=labels[rim[:, 0], rim[:, 1]],
    )


def corner_codes(around: NDArray[np.uint8], label: int) -> NDArray[np.uint8]:
    """Return the code of each point for one label.

    Args:
        around: `(4, points)` labels at NW, NE, SW and SE of each point.
        label: the label that counts as foreground.
    """
    bits = (around == label).view(np.uint8)
    return np.asarray(bits[0] | bits[1] << 1 | bits[2] << 2 | bits[3] << 3, dtype=np.uint8)


def _candidates(
    labels: NDArray[np.uint8],
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]:
    """Return row, column and the four labels of the points where an edge of any class turns."""
    step = max(CACHED // labels.shape[1], 1)
    tops = range(0, max(len(labels) - 1, 1), step)
    parts = [_turns(labels[top : top + step + 1], top) for top in tops]
    points = np.concatenate(parts, axis=1)
    rows, cols = points - 1
    around = np.stack(
        [
            labels[rows, cols],
            labels[rows, cols + 1],
            labels[rows + 1, cols],
            labels[rows + 1, cols + 1],
        ]
    )
    return *points.astype(np.int32), around


def _turns(labels: NDArray[np.uint8], top: int) -> NDArray[np.int64]:
    """Return `(2, points)` row, counted from `top` above, and column of points inside."""
    if (labels == labels[0, 0]).all():  # most of the world
        return np.zeros((2, 0), np.int64)
    upright = labels[:, :-1] != labels[:, 1:]
    level = labels[:-1] != labels[1:]
    turns = upright[:-1] | upright[1:]
    turns &= level[:, :-1] | level[:, 1:]
    rows, cols = np.divmod(np.flatnonzero(turns), max(labels.shape[1] - 1, 1))
    return np.stack([rows + top + 1, cols + 1])


def _sums(
    band: NDArray[np.uint8], rows: NDArray[np.int32], cols: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the integral image at the points, and the sums of the rows and of the columns."""
    integral = np.empty(len(rows), np.int64)
    dtype = np.uint32 if NODATA * band.size < 2**32 else np.int64
    across: NDArray[Any] = np.zeros(band.shape[1], dtype)
    starts = np.flatnonzero(np.diff(rows, prepend=-1)).tolist()
    above = 0
    for start, end in pairwise([*starts, len(rows)]):  # the points of one row
        below = int(rows[start])
        across += _down(band[above:below])
        runs = np.add.reduceat(across, [0, *cols[start:end].tolist()])
        np.cumsum(runs[:-1], out=integral[start:end])
        above = below
    across += _down(band[above:])
    return integral, np.add.reduce(band, axis=1, dtype=np.int64), across.astype(np.int64)


def _down(band: NDArray[np.uint8]) -> NDArray[Any]:
    """Return the sum of each column."""
    down: NDArray[Any] = band[0]
    if len(band) > 1:
        down = np.add.reduce(band, axis=0, dtype=np.uint32)
    return down


def _rim(labels: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the (row, col) of foreground pixels that have nodata above, below or beside them."""
    void = labels == NODATA
    if void.all() or not void.any():
        return np.zeros((0, 2), np.int32)
    near = np.zeros_like(void)
    near[1:] |= void[:-1]
    near[:-1] |= void[1:]
    near[:, 1:] |= void[:, :-1]
    near[:, :-1] |= void[:, 1:]
    near &= ~void & (labels > 0)
    return np.argwhere(near).astype(np.int32)
