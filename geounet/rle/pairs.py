"""Kaggle's run lengths: `start length start length …`, starts counted from 1.

Down the columns unless said otherwise: `order="row"` is the variant along the rows.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from geounet.errors import AnnotationError, OptionError
from geounet.rle.counts import Rle, check_shape, decode, encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

Order = Literal["column", "row"]
"""How pixels are counted: down the columns, or along the rows."""

NO_OBJECT = ("", "-1")
"""Texts of an empty mask."""

_PIECE = 1 << 20
_FOREIGN = re.compile(r"[^0-9 \t]")
_LONGEST = 18
"""Digits of a number that surely fits 64 bits."""


def mask_to_pairs(mask: NDArray[Any], *, order: Order = "column") -> NDArray[np.int64]:
    """Return the runs of a mask as `(runs, 2)` of start and length, starts counted from 1.

    Args:
        mask: `(height, width)` bool or integers, set where not 0.
        order: how pixels are counted, down the columns or along the rows.

    Raises:
        OptionError: what is no mask, or no order.
    """
    check_order(order)
    counts = encode(mask.T if order == "row" else mask).counts
    return pairs_of(counts)


def pairs_to_mask(
    pairs: str | Sequence[int] | NDArray[np.int64],
    shape: tuple[int, int],
    *,
    order: Order = "column",
) -> NDArray[np.bool_]:
    """Return the mask of runs, `(height, width)`.

    Args:
        pairs: `start length start length …` as text or numbers, or `(runs, 2)` of them.
        shape: height and width.
        order: how pixels are counted, down the columns or along the rows.

    Raises:
        AnnotationError: an odd count, runs unsorted or overlapping, or beyond the end.
        OptionError: no order.
    """
    rle = pairs_to_rle(pairs, shape, order=order)
    return decode(rle).T if order == "row" else decode(rle)


def strings_to_masks(
    rows: Iterable[tuple[int, str]],
    shape: tuple[int, int],
    *,
    channels: int | None = None,
    order: Order = "column",
) -> NDArray[np.bool_]:
    """Return the masks of labelled strings, `(channels, height, width)`; channel = label - 1.

    Args:
        rows: labels from 1 up with their `start length …`; a label's strings are united.
        shape: height and width.
        channels: their number; None takes the largest label.
        order: how pixels are counted.

    Raises:
        AnnotationError: a label without channel, or a malformed string.
    """
    listed = list(rows)
    count = max((label for label, _ in listed), default=0) if channels is None else channels
    masks = np.zeros((count, *shape), np.bool_)
    for number, (label, text) in enumerate(listed, 1):
        if isinstance(label, bool) or not isinstance(label, int | np.integer):
            raise AnnotationError(f"row {number}: label is {label!r}, expected a whole number")
        if not 1 <= label <= count:
            raise AnnotationError(f"row {number}: label is {label} (expected 1 to {count})")
        masks[label - 1] |= pairs_to_mask(text, shape, order=order)
    return masks


def pairs_to_rle(
    pairs: str | Sequence[int] | NDArray[np.int64],
    shape: tuple[int, int],
    *,
    order: Order = "column",
    where: str = "pairs",
) -> Rle:
    """Return runs in COCO's order; of the transposed mask when they go along the rows.

    Args:
        pairs: as for `pairs_to_mask`.
        shape: height and width of the mask.
        order: how pixels are counted.
        where: what a message begins with.

    Raises:
        AnnotationError: an odd count, runs unsorted or overlapping, or beyond the end.
    """
    check_order(order)
    height, width = shape[::-1] if order == "row" else shape
    check_shape((height, width), where)
    if isinstance(pairs, str):
        numbers = read_numbers([pairs], where)
    else:
        numbers = iter([_as_numbers(pairs, where)])
    return Rle(height, width, np.concatenate(list(counts_of(numbers, height * width, where))))


def pairs_of(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the pairs of all counts of a mask."""
    ends = np.cumsum(counts)
    starts, lengths = ends[: len(counts) // 2 * 2 : 2] + 1, counts[1::2]
    return np.stack((starts, lengths), axis=1)[lengths > 0]


def pairs_text(pairs: NDArray[np.int64]) -> str:
    """Return pairs as `start length start length …`."""
    return " ".join(map(str, pairs.ravel().tolist()))


def check_order(order: str) -> None:
    """Refuse an order that is none.

    Raises:
        OptionError: it is neither.
    """
    if order not in ("column", "row"):
        raise OptionError(f"order is column or row, got {order!r}; Kaggle's and COCO's is column")


def read_numbers(pieces: Iterable[str], where: str) -> Iterator[NDArray[np.int64]]:
    """Yield the numbers of text that comes in pieces, cut anywhere.

    Raises:
        AnnotationError: something else than digits and spaces, or a number too long.
    """
    rest, seen = "", 0
    for piece in _sliced(pieces):
        text = rest + piece
        if found := _FOREIGN.search(text):
            at = seen - len(rest) + found.start() + 1
            raise AnnotationError(
                f"{where}: character {at:,} is {found.group()!r} (expected digits and spaces); "
                "write `start length start length …`"
            )
        seen += len(piece)
        whole = max(text.rfind(" "), text.rfind("\t")) + 1
        rest = text[whole:]
        yield _split(text[:whole], where)
        if len(rest) > _LONGEST:
            break
    yield _split(rest, where)


def counts_of(
    numbers: Iterable[NDArray[np.int64]], size: int, where: str
) -> Iterator[NDArray[np.int64]]:
    """Yield the counts of starts and lengths that come in pieces.

    Raises:
        AnnotationError: an odd count, runs unsorted or overlapping, or beyond the end.
    """
    rest, end, done = np.zeros(0, np.int64), 0, 0
    for piece in numbers:
        joined = np.concatenate((rest, piece))
        even = len(joined) // 2 * 2
        pairs, rest = joined[:even].reshape(-1, 2), joined[even:]
        _check_pairs(pairs, end, done, size, where)
        starts = pairs[:, 0] - 1
        ends = starts + pairs[:, 1]
        counts = np.empty(even, np.int64)
        counts[::2], counts[1::2] = starts - np.concatenate(([end], ends))[:-1], pairs[:, 1]
        yield counts
        end, done = int(ends[-1]) if even else end, done + even // 2
    if len(rest):
        raise AnnotationError(
            f"{where}: {2 * done + 1:,} numbers, expected pairs; the last start has no length"
        )
    yield np.array([size - end], np.int64)


def _check_pairs(pairs: NDArray[np.int64], end: int, done: int, size: int, where: str) -> None:
    starts, lengths = pairs.T
    ends = starts - 1 + lengths  # may wrap, but then a number is beyond the size itself
    before = np.concatenate(([end], ends))[:-1]
    wrong = (starts < 1) | (lengths < 1) | (starts > size) | (lengths > size) | (ends > size)
    wrong |= starts <= before
    if not wrong.any():
        return
    at = int(np.flatnonzero(wrong)[0])
    start, length, last = int(starts[at]), int(lengths[at]), int(before[at])
    if start < 1 or length < 1:
        cause = "starts and lengths count from 1"
    elif start - 1 + length > size:
        cause = f"it ends beyond the mask's {size:,} pixels; its size or order may be wrong"
    else:
        cause = f"the run before it ends at {last}; sort runs and join those that overlap"
    raise AnnotationError(f"{where}: pair {done + at + 1:,} is `{start} {length}`; {cause}")


def _sliced(pieces: Iterable[str]) -> Iterator[str]:
    for piece in pieces:
        for at in range(0, len(piece), _PIECE):
            yield piece[at : at + _PIECE]


def _split(text: str, where: str) -> NDArray[np.int64]:
    if not text or text.isspace():
        return np.zeros(0, np.int64)
    if too_long := re.search(rf"[0-9]{{{_LONGEST + 1},}}", text):
        shown = too_long.group()[:_LONGEST]
        raise AnnotationError(
            f"{where}: {shown}… has more than {_LONGEST} digits; it is no position in a mask"
        )
    return np.fromstring(text, np.int64, sep=" ")


def _as_numbers(pairs: Sequence[int] | NDArray[np.int64], where: str) -> NDArray[np.int64]:
    numbers = np.asarray(pairs)
    if numbers.size and numbers.dtype.kind not in "iu":
        raise AnnotationError(f"{where}: numbers are {numbers.dtype}, expected integers")
    if numbers.dtype == np.uint64 and (numbers > np.iinfo(np.int64).max).any():
        raise AnnotationError(f"{where}: a number is above 2^63; it is no position in a mask")
    return numbers.astype(np.int64).ravel()
