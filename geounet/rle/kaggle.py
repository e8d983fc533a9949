"""Kaggle files: a row `ImageId,EncodedPixels` an object, and `ClassId` where there are classes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import IO, TYPE_CHECKING

import numpy as np

from geounet.documents import reason, safe_name, shown
from geounet.errors import AnnotationError
from geounet.rle.counts import check_shape, runs
from geounet.rle.pairs import NO_OBJECT, counts_of, pairs_text, read_numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path, PurePosixPath

    from numpy.typing import NDArray

IMAGE, CLASS, PIXELS = "ImageId", "ClassId", "EncodedPixels"

_PIECE = 1 << 20
_SHORT = 64
"""Letters of a field that may say that there is no object."""
_DIGITS = 18
_PAIRS = 1 << 14
LABELS = 254
"""Classes of a mask at most: 255 means no data."""


@dataclass(frozen=True, kw_only=True)
class KaggleRow:
    """One row of a file."""

    where: str
    """File and row, for messages."""
    image: PurePosixPath
    """The image's name, with or without suffix."""
    label: int
    """Class, from 1 up."""
    text: memoryview
    """`start length start length …`, ASCII."""


def read_rows(path: Path) -> Iterator[KaggleRow]:
    """Yield the rows of a file; run lengths are checked when they are read.

    Raises:
        AnnotationError: it cannot be read, or a row is not like its header.
    """
    try:
        with path.open("rb") as file:
            header = [_text(cell, f"{path}: row 1") for cell in _cells(file.readline())]
            header[:1] = [header[0].removeprefix("\ufeff")]
            for column in (IMAGE, PIXELS):
                if header.count(column) != 1:
                    raise AnnotationError(
                        f"{path}: row 1 is {shown(','.join(header))} (expected the columns "
                        f"{IMAGE} and {PIXELS}); name them so"
                    )
            for number, line in enumerate(file, 2):
                if line.strip():
                    yield _row(line, header, f"{path}: row {number:,}")
    except OSError as error:
        raise AnnotationError(
            f"{path}: cannot be read ({reason(error)}); check the path"
        ) from error


def row_counts(row: KaggleRow, shape: tuple[int, int]) -> Iterator[NDArray[np.int64]]:
    """Yield the counts of a row piece by piece, checked.

    Args:
        row: of a file.
        shape: height and width of its image; the other way round for runs along the rows.

    Raises:
        AnnotationError: they are malformed, or leave the image.
    """
    check_shape(shape, row.where)
    if len(row.text) < _SHORT and bytes(row.text).strip().decode("latin-1") in NO_OBJECT:
        return iter([np.array([shape[0] * shape[1]], np.int64)])
    pieces = (
        bytes(row.text[at : at + _PIECE]).decode("latin-1")
        for at in range(0, len(row.text), _PIECE)
    )
    return counts_of(read_numbers(pieces, row.where), shape[0] * shape[1], row.where)


class KaggleWriter:
    """Writes a file row by row; the pairs of one need not fit in memory."""

    def __init__(self, file: IO[str], *, classes: bool) -> None:
        """Begin the file.

        Args:
            file: open for text.
            classes: True = with a column of classes.
        """
        self._file, self._classes = file, classes
        file.write(f"{IMAGE},{CLASS},{PIXELS}\n" if classes else f"{IMAGE},{PIXELS}\n")

    def add(self, image: str, label: int, pieces: Iterable[NDArray[np.int64]]) -> None:
        """Write the counts of one object; a name that would fall apart stands in quotes."""
        if any(sign in image for sign in ',"\r\n'):
            image = '"' + image.replace('"', '""') + '"'
        self._file.write(f"{image},{label}," if self._classes else f"{image},")
        gap = ""
        for pairs in _pairs(pieces):
            self._file.write(gap + pairs_text(pairs))
            gap = " "
        self._file.write("\n")


def _pairs(pieces: Iterable[NDArray[np.int64]]) -> Iterator[NDArray[np.int64]]:
    """Yield counts as pairs."""
    for _, starts, ends in runs(pieces):
        pairs = np.stack((starts + 1, ends - starts), axis=1)
        for at in range(0, len(pairs), _PAIRS):
            yield pairs[at : at + _PAIRS]


def _row(line: bytes, header: list[str], where: str) -> KaggleRow:
    cells = _cells(line)
    if len(cells) != len(header):
        raise AnnotationError(
            f"{where}: has {len(cells)} fields (expected {len(header)}: {','.join(header)}); "
            "it is damaged, or a name has a comma"
        )
    found = dict(zip(header, cells, strict=True))
    label = _text(found[CLASS], where) if CLASS in found else "1"
    if not (label.isascii() and label.isdigit() and 1 <= int(label[:_DIGITS]) <= LABELS):
        raise AnnotationError(f"{where}: {CLASS} is {shown(label)} (expected 1 to {LABELS})")
    image = safe_name(_text(found[IMAGE], where), where)
    return KaggleRow(where=where, image=image, label=int(label), text=found[PIXELS])


def _cells(line: bytes) -> list[memoryview]:
    """Cut a line at its commas outside quotes, without copying a cell."""
    line = line.rstrip(b"\r\n")
    commas, start, quotes = [-1], 0, 0
    while (at := line.find(b",", start)) >= 0:
        quotes += line.count(b'"', start, at)
        if quotes % 2 == 0:
            commas.append(at)
        start = at + 1
    whole = memoryview(line)
    return [_unquoted(whole[start + 1 : stop]) for start, stop in pairwise([*commas, len(line)])]


def _unquoted(cell: memoryview) -> memoryview:
    quoted = len(cell) > 1 and cell[0] == cell[-1] == ord('"')
    return cell[1:-1] if quoted else cell


def _text(cell: memoryview, where: str) -> str:
    try:
        return bytes(cell).decode("utf-8").replace('""', '"').strip()
    except UnicodeDecodeError as error:
        raise AnnotationError(f"{where}: is not UTF-8; save the file as UTF-8") from error
