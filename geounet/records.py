"""A file of records that only grows, each with its checksum; a torn end is cut off."""

from __future__ import annotations

import os
import struct
import zlib
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from typing import TYPE_CHECKING, Self

from geounet.outputs import write_whole

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

HEAD = struct.Struct("<4sIIQQIQ")
"""Marker, row, band, pixels with data, those that failed, checksum of q, bytes that follow."""

SUM = struct.Struct("<I")
"""Checksum of all before it."""

MARKER = b"cell"


@dataclass(frozen=True)
class Record:
    """What is known of a cell that is done, and where the rest stands in the file."""

    row: int
    """Row of tiles."""
    band: int
    """Band of columns."""
    valid_pixels: int
    """Pixels with data."""
    failed_pixels: int
    """Pixels that could not be read."""
    q_sum: int
    """Checksum of its q, which is kept elsewhere."""
    size: int = 0
    """Bytes of its arrays; without data there are none."""
    start: int = 0
    """First of them in the file."""


class Records:
    """The file; leave the `with` block to close it, what it holds stays."""

    def __init__(self, path: Path, *, finished: bool = False) -> None:
        """Open the file, or make it.

        Args:
            path: of the file.
            finished: it is there, and only read.

        Raises:
            OSError: it cannot be opened.
        """
        how = os.O_RDONLY if finished else os.O_RDWR | os.O_CREAT
        self._file = FileIO(os.open(path, how, 0o666), "r" if finished else "r+")

    def __enter__(self) -> Self:
        """Return the records."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    def recover(self) -> Iterator[Record]:
        """Yield the records up to the first that is torn; what follows is cut off in the end."""
        end = yield from self._whole()
        self._file.truncate(end)

    def all(self) -> Iterator[Record]:
        """Yield the records of a file that is finished.

        Raises:
            ValueError: something in it is torn or damaged.
        """
        end = yield from self._whole()
        if end != os.fstat(self._file.fileno()).st_size:
            raise ValueError(f"damaged at byte {end:,}")

    def append(self, record: Record, arrays: bytes) -> Record:
        """Write a record wholly or not at all, and return it with its place.

        Raises:
            OSError: the disk is full or gone.
        """
        start = self._file.seek(0, os.SEEK_END)
        counts = record.valid_pixels, record.failed_pixels, record.q_sum
        data = HEAD.pack(MARKER, record.row, record.band, *counts, len(arrays)) + arrays
        try:
            write_whole(self._file, data + SUM.pack(zlib.crc32(data)))
        except BaseException:
            with suppress(OSError):
                self._file.truncate(start)
            raise
        return Record(record.row, record.band, *counts, len(arrays), start + HEAD.size)

    def arrays(self, record: Record) -> bytes:
        """Return the bytes that were written with a record."""
        self._file.seek(record.start)
        return self._read(record.size)

    def sync(self) -> None:
        """Have the system put what was written on the disk now."""
        os.fsync(self._file.fileno())

    def _whole(self) -> Generator[Record, None, int]:
        """Yield the records that are whole, from the first on; return where they end."""
        end = self._file.seek(0)
        while (record := self._next(end)) is not None:
            yield record
            end = record.start + record.size + SUM.size
        return end

    def _next(self, start: int) -> Record | None:
        """Return the record that starts at a byte, if a whole one does."""
        self._file.seek(start)
        head = self._read(HEAD.size)
        if len(head) < HEAD.size:
            return None
        marker, row, band, valid_pixels, failed_pixels, q_sum, size = HEAD.unpack(head)
        if marker != MARKER:
            return None
        data = head + self._read(size)
        if self._read(SUM.size) != SUM.pack(zlib.crc32(data)):
            return None
        return Record(row, band, valid_pixels, failed_pixels, q_sum, size, start + HEAD.size)

    def _read(self, size: int) -> bytes:
        """Return so many bytes, fewer at the end of the file alone."""
        size = min(size, os.fstat(self._file.fileno()).st_size)  # a damaged head may ask for more
        parts, left = [], size
        while left and (part := self._file.read(left)):
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
