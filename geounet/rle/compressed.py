"""COCO's compressed counts: text of six bits a character, five of them a number's.

From the fourth on, a count stands as its difference to the count before the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.errors import AnnotationError
from geounet.rle.counts import Rle, check_shape, checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

_FIRST, _LAST = ord("0"), ord("o")
_BITS, _MORE, _SIGN, _LOW = 5, 32, 16, 31
_LONGEST = 12
"""Characters of a number that reaches `LARGEST`."""

PIECE = 1 << 16
"""Numbers or characters worked on at a time, so that they stay in the cache."""


def compress(rle: Rle) -> str:
    """Return the counts of a mask as COCO's compressed text."""
    pieces = (rle.counts[at : at + PIECE] for at in range(0, len(rle.counts), PIECE))
    return "".join(compressed(pieces))


def decompress(text: str, shape: tuple[int, int], where: str = "counts") -> Rle:
    """Return the mask that COCO's compressed text stands for.

    Args:
        text: the counts.
        shape: height and width.
        where: what a message begins with.

    Raises:
        AnnotationError: it is damaged, cut off, or of another shape.
    """
    check_shape(shape, where)
    return Rle(*shape, np.concatenate(list(decompressed(text, shape[0] * shape[1], where))))


def compressed(pieces: Iterable[NDArray[np.int64]]) -> Iterator[str]:
    """Yield the compressed text of counts that come piece by piece."""
    before = np.zeros(2, np.int64)
    first = True
    for counts in pieces:
        base = np.concatenate((before, counts))
        if first and len(counts):
            base[2], first = 0, False  # the third count stands as it is
        yield _written(counts - base[: len(counts)])
        before = base[-2:]


def decompressed(text: str, size: int, where: str) -> Iterator[NDArray[np.int64]]:
    """Yield the counts of compressed text piece by piece.

    Raises:
        AnnotationError: it is damaged, cut off, or of another size.
    """
    return checked(_summed(_numbers(text, where), size, where), size, where)


def _written(numbers: NDArray[np.int64]) -> str:
    lengths = np.ones(len(numbers), np.int64)
    longest, reach = 1, _SIGN
    while longest < _LONGEST and (more := (numbers >= reach) | (numbers < -reach)).any():
        lengths += more
        longest, reach = longest + 1, reach << _BITS
    ends = np.cumsum(lengths)
    text = np.empty(ends[-1] if len(ends) else 0, np.uint8)
    at = ends - lengths
    for place in range(longest):
        going = lengths > place + 1
        text[at] = (numbers & _LOW) + going * _MORE + _FIRST
        at, numbers, lengths = at[going] + 1, numbers[going] >> _BITS, lengths[going]
    return text.tobytes().decode("ascii")


def _numbers(text: str, where: str) -> Iterator[NDArray[np.int64]]:
    """Yield the numbers as they stand in the text."""
    at = 0
    while at < len(text):
        piece = text[at : at + PIECE]
        codes = _codes(piece, at, where)
        last = np.flatnonzero(codes < _MORE)
        lengths = np.diff(last, prepend=-1)
        open_ = len(codes) - (last[-1] + 1 if len(last) else 0)
        if open_ > _LONGEST or (lengths > _LONGEST).any():
            raise AnnotationError(
                f"{where}: a number near character {at + 1:,} is longer than {_LONGEST} "
                "characters; it is damaged"
            )
        if open_ and at + len(piece) == len(text):
            raise AnnotationError(
                f"{where}: character {len(text):,}, the last one, promises another; it is cut off"
            )
        yield _read(codes, last, lengths)
        at += len(piece) - int(open_)


def _codes(piece: str, at: int, where: str) -> NDArray[np.uint8]:
    if piece.isascii():
        letters = np.frombuffer(piece.encode("ascii"), np.uint8)
    else:
        points = np.frombuffer(piece.encode("utf-32-le", "surrogatepass"), np.uint32)
        letters = np.minimum(points, 255).astype(np.uint8)
    codes = letters - np.uint8(_FIRST)
    if codes.size and codes.max() > _LAST - _FIRST:  # what is below the first wraps
        wrong = int(np.argmax(codes > _LAST - _FIRST))
        raise AnnotationError(
            f"{where}: character {at + wrong + 1:,} is {piece[wrong]!r} (expected '0' to 'o'); "
            "it is damaged or not compressed"
        )
    return codes


def _read(
    codes: NDArray[np.uint8], last: NDArray[np.intp], lengths: NDArray[np.intp]
) -> NDArray[np.int64]:
    numbers = codes[last].astype(np.int64)
    numbers -= (numbers & _SIGN) << 1
    for place in range(1, int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths > place)
        numbers[longer] = numbers[longer] << _BITS | codes[last[longer] - place] & _LOW
    return numbers


def _summed(
    numbers: Iterable[NDArray[np.int64]], size: int, where: str
) -> Iterator[NDArray[np.int64]]:
    """Turn differences into counts; those out of range are left for the check that follows."""
    before = np.zeros(2, np.int64)
    done = 0
    for piece in numbers:
        if piece.size and max(piece.max(), -piece.min()) > size:
            wild = np.flatnonzero(np.abs(piece) > size)
            raise AnnotationError(
                f"{where}: count {done + wild[0] + 1:,} differs by {piece[wild[0]]} (the mask has "
                f"{size:,} pixels); it is damaged or its size is wrong"
            )
        if not done and len(piece):
            yield piece[:1]
        rest = np.concatenate((before, piece[1:] if not done else piece))
        rest[::2], rest[1::2] = np.cumsum(rest[::2]), np.cumsum(rest[1::2])
        yield rest[2:]
        before, done = rest[-2:], done + len(piece)
