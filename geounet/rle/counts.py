"""A mask ↔ run lengths in COCO's order: down the columns, the first count is of zeros."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.errors import AnnotationError, OptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

LARGEST = 2**59
"""Pixels of the largest mask: what twelve characters of a compressed count can say."""


@dataclass(frozen=True, eq=False)
class Rle:
    """A mask as run lengths."""

    height: int
    """Rows."""
    width: int
    """Columns."""
    counts: NDArray[np.int64]
    """Lengths of runs down the columns, zeros and ones in turn, zeros first."""

    def __post_init__(self) -> None:
        """Refuse counts that are not those of a mask of this shape."""
        check_shape(self.shape, "mask")
        check_counts(self.counts, self.height * self.width, "counts")

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @property
    def area(self) -> int:
        """Pixels that are set."""
        return int(self.counts[1::2].sum())


def encode(mask: NDArray[Any]) -> Rle:
    """Return the run lengths of a mask.

    Args:
        mask: `(height, width)` bool or integers, set where not 0; rows or columns may be
            contiguous.

    Raises:
        OptionError: other axes, no pixels, or pixels that are neither bool nor integers.
    """
    set_ = as_mask(mask)
    size = set_.size
    points = np.concatenate(([0], change_points(set_), [size]))
    return Rle(set_.shape[0], set_.shape[1], np.diff(points))


def decode(rle: Rle, *, row_major: bool = False) -> NDArray[np.bool_]:
    """Return the mask of run lengths, `(height, width)`.

    Args:
        rle: the run lengths.
        row_major: True = rows lie contiguous in memory, False = columns do, which is faster.
    """
    if row_major:
        return _painted(rle)
    values = np.zeros(len(rle.counts), np.bool_)
    values[1::2] = True
    return np.repeat(values, rle.counts).reshape(rle.width, rle.height).T


def as_mask(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Return a mask as bools, set where not 0.

    Raises:
        OptionError: other axes, no pixels, or pixels that are neither bool nor integers.
    """
    pixels = np.asarray(mask)
    if pixels.ndim != 2 or not pixels.size:  # noqa: PLR2004
        raise OptionError(
            f"a mask has two axes and a pixel at least, got shape {pixels.shape}; "
            "hand in one band at a time"
        )
    if pixels.dtype.kind not in "bui":
        raise OptionError(
            f"a mask is bool or integers, got {pixels.dtype}; compare it with a threshold first"
        )
    return pixels if pixels.dtype == np.bool_ else pixels != 0


def change_points(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return where, counted down the columns, a pixel differs from the one before it, ascending.

    Before the first pixel stands a zero.
    """
    if mask.flags.f_contiguous:
        return _changes_along(mask.T.reshape(-1))
    height, width = mask.shape
    changed = np.empty(mask.shape, np.bool_)
    np.not_equal(mask[1:], mask[:-1], out=changed[1:])
    np.not_equal(mask[0, 1:], mask[-1, :-1], out=changed[0, 1:])
    changed[0, 0] = mask[0, 0]
    rows, cols = np.divmod(np.flatnonzero(changed), width)
    points: NDArray[np.int64] = cols * height + rows
    points.sort()
    return points


def check_shape(shape: tuple[int, int], where: str) -> None:
    """Refuse a shape that no mask has.

    Raises:
        AnnotationError: no pixels, or more than can be counted.
    """
    height, width = shape
    if min(height, width) < 1 or height * width > LARGEST:
        raise AnnotationError(
            f"{where}: size is {height} × {width} (height × width, expected 1 × 1 to 2^59 pixels); "
            "correct it"
        )


def check_counts(counts: NDArray[np.int64], size: int, where: str) -> None:
    """Refuse counts that do not fill a mask exactly.

    Raises:
        AnnotationError: a count below 0 or beyond the end, or too few pixels in all.
    """
    for _ in checked([counts], size, where):
        pass


def checked(
    chunks: Iterable[NDArray[np.int64]], size: int, where: str
) -> Iterator[NDArray[np.int64]]:
    """Hand counts on, refusing those that do not fill a mask exactly, whatever the numbers are.

    Args:
        chunks: the counts of one mask.
        size: its pixels.
        where: what a message begins with.

    Raises:
        AnnotationError: a count below 0 or beyond the end, or too few pixels in all.
    """
    number = filled = 0
    for counts in chunks:
        ends = np.cumsum(counts)
        ends += filled
        if counts.size and (counts.min() < 0 or counts.max() > size or ends.max() > size):
            # sums may wrap, but not before one has passed the size
            odd = (counts < 0) | (counts > size) | (ends > size) | (ends < 0)
            wrong = np.flatnonzero(odd)
            raise AnnotationError(
                f"{where}: count {number + wrong[0] + 1} is {counts[wrong[0]]} (the mask has "
                f"{size:,} pixels, {size - filled - counts[: wrong[0]].sum():,} of them left); "
                "it is damaged or its size is wrong"
            )
        number, filled = number + len(counts), int(ends[-1]) if len(ends) else filled
        yield counts
    if filled != size:
        raise AnnotationError(
            f"{where}: {number:,} counts fill {filled:,} of {size:,} pixels; "
            "it is cut off or its size is wrong"
        )


def runs(pieces: Iterable[Counts]) -> Iterator[tuple[Counts, Counts, Counts]]:
    """Yield counts piece by piece, with where their runs start and the pixel after their last."""
    last, odd = 0, 0
    for counts in pieces:
        ends = np.cumsum(counts) + last
        ones = ends[1 - odd :: 2]
        starts = ones - counts[1 - odd :: 2]
        some = starts < ones
        yield counts, starts[some], ones[some]
        last, odd = int(ends[-1]) if len(ends) else last, (odd + len(counts)) % 2


def _changes_along(flat: NDArray[np.bool_]) -> NDArray[np.int64]:
    inner = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    return np.concatenate(([0], inner)) if flat[0] else inner


def _painted(rle: Rle) -> NDArray[np.bool_]:
    """Mark each change in rows, then let each row take over from the one above."""
    height, width = rle.shape
    points = np.cumsum(rle.counts[:-1])
    tops = np.searchsorted(points, np.arange(width) * height, side="right")
    mask = np.zeros((height, width), np.uint8)
    cols, rows = np.divmod(points[points < height * width], height)
    np.bitwise_xor.at(mask, (rows, cols), np.uint8(1))
    mask[0] = tops & 1
    for row in range(1, height):
        np.bitwise_xor(mask[row], mask[row - 1], out=mask[row])
    return mask.view(np.bool_)
