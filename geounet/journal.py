"""What is done: segments of finished cells on disk, each with its checksum, in any order.

The file only grows. A run that dies leaves a torn last record at most, which the next one cuts off.
"""

from __future__ import annotations

import os
import struct
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO, FileIO
from typing import TYPE_CHECKING, Self

import numpy as np

from geounet.errors import OutputError
from geounet.footprints.corners import CellTrace
from geounet.outputs import write_whole
from geounet.state import CELLS
from geounet.walk import Segment, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.footprints.parts.store import Store
    from geounet.grid import Cell, TileGrid

Strip = list[Segment]

SYNC_EVERY = 5.0
"""Seconds after which what was written is put on the disk itself: what a power cut may cost."""

HEAD = struct.Struct("<4sIIQQIQ")
"""Marker, row, band, pixels with data, those that failed, checksum of q, bytes that follow."""

SUM = struct.Struct("<I")
"""Checksum of all before it."""

MARKER = b"cell"


@dataclass(frozen=True)
class _Record:
    """Where a segment stands in the file."""

    start: int
    """First byte of its arrays."""
    size: int
    """Bytes of them."""
    valid_pixels: int
    """Pixels with data."""
    failed_pixels: int
    """Pixels that could not be read."""


class Journal:
    """Owner of the finished cells of a run; leave the `with` block to close the file."""

    def __init__(self, folder: Path, grid: TileGrid, classes: int, store: Store | None) -> None:
        """Find the cells that are done, and cut off what is torn.

        Args:
            folder: of the state.
            grid: where cells lie.
            classes: of a cell.
            store: where q is kept, if it is.

        Raises:
            OutputError: the file cannot be opened.
        """
        self._path, self._grid = folder / CELLS, grid
        self._classes, self._store = classes, store
        self._records: dict[tuple[int, int], _Record] = {}
        self._synced = time.monotonic()
        try:
            self._file = FileIO(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written to ({error.strerror})") from error
        self._recover()

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; what it holds stays."""
        self._file.close()

    @property
    def tiles(self) -> int:
        """Tiles of the cells that are done."""
        return sum(len(self._grid.cell(*key).cols) for key in self._records)

    @property
    def pixels(self) -> int:
        """Pixels of the cells that are done."""
        cores = [self._grid.cell(*key).core for key in self._records]
        return sum(int(core.height) * int(core.width) for core in cores)

    def __contains__(self, cell: Cell) -> bool:
        """Return whether a cell is done."""
        return (cell.row, cell.band) in self._records

    def missing(self) -> Iterator[list[Cell]]:
        """Yield the cells that are not done: consecutive rows of one band at a time."""
        run: list[Cell] = []
        for cell in self._grid.cells():
            if run and (cell in self or cell.band != run[-1].band):
                yield run
                run = []
            if cell not in self:
                run.append(cell)
        if run:
            yield run

    def completed(self, found: Iterator[Segment]) -> Iterator[Segment]:
        """Yield the segments of all cells in the order of work: those that are done, and the rest.

        Args:
            found: segments of the missing cells, in order; each is kept before it is handed on.
        """
        for cell in self._grid.cells():
            if cell in self:
                yield self.take(cell, with_q=True)
                continue
            segment = next(found)
            assert segment.cell == cell, (segment.cell, cell)
            self.put(segment)
            yield segment

    def strips(self, segments: Iterator[Segment]) -> Iterator[Strip]:
        """Yield the segments of each row of tiles, left to right, top to bottom.

        A raster of one band of columns streams; of several, segments wait until the last is done.
        """
        grid = self._grid
        if len(grid.bands) == 1:
            yield from ([segment] for segment in segments)
            return
        for _ in segments:
            pass
        for row in range(grid.rows):
            yield [self.take(grid.cell(row, band)) for band in range(len(grid.bands))]

    def put(self, segment: Segment) -> None:
        """Keep a segment.

        Raises:
            OutputError: the disk is full.
        """
        cell, payload, q_sum = segment.cell, b"", 0
        try:
            if not segment.is_void:
                payload = _packed(segment)
                if self._store is not None and segment.q is not None:
                    self._store.write(segment.q, cell.core)
                    q_sum = zlib.crc32(np.ascontiguousarray(segment.q).data)
            pixels = segment.valid_pixels, segment.failed_pixels
            head = MARKER, cell.row, cell.band, *pixels, q_sum, len(payload)
            start = self._append(HEAD.pack(*head) + payload)
            self._sync_if_due()
        except OSError as error:
            raise OutputError(
                f"{self._path.parent}: cannot be written ({(error.strerror or '').lower()}); "
                "free some space"
            ) from error
        record = _Record(start + HEAD.size, len(payload), *pixels)
        self._records[cell.row, cell.band] = record

    def take(self, cell: Cell, *, with_q: bool = False) -> Segment:
        """Return the segment of a cell that is done."""
        record = self._records[cell.row, cell.band]
        if not record.size:
            return nothing(cell, self._classes)
        self._file.seek(record.start)
        stream = BytesIO(_read(self._file, record.size))
        trace, coverage = CellTrace.load(stream), CellTrace.load(stream)
        pixels = record.valid_pixels, record.failed_pixels
        segment = Segment(cell, None, trace, coverage, *pixels)
        return replace(segment, q=self._q(cell)) if with_q else segment

    def _recover(self) -> None:
        """Find the cells whose record and q are whole, and cut off what follows the last."""
        end = 0
        for record, key, q_sum in self._whole():
            end = record.start + record.size + SUM.size
            if self._q_sum(self._grid.cell(*key), record) == q_sum:
                self._records[key] = record
            self._file.seek(end)
        self._file.truncate(end)

    def _append(self, data: bytes) -> int:
        """Write a record at the end, wholly or not at all; return where it starts."""
        start = self._file.seek(0, os.SEEK_END)
        try:
            write_whole(self._file, data + SUM.pack(zlib.crc32(data)))
        except BaseException:
            with suppress(OSError):
                self._file.truncate(start)
            raise
        return start

    def _sync_if_due(self) -> None:
        if time.monotonic() - self._synced < SYNC_EVERY:
            return
        if self._store is not None:
            self._store.sync()
        os.fsync(self._file.fileno())
        self._synced = time.monotonic()

    def _whole(self) -> Iterator[tuple[_Record, tuple[int, int], int]]:
        """Yield the records of the file up to the first that is torn."""
        start = self._file.seek(0)
        while len(head := _read(self._file, HEAD.size)) == HEAD.size:
            marker, row, band, valid_pixels, failed_pixels, q_sum, size = HEAD.unpack(head)
            if marker != MARKER:
                return
            data = head + _read(self._file, size)
            if _read(self._file, SUM.size) != SUM.pack(zlib.crc32(data)):
                return
            record = _Record(start + HEAD.size, size, valid_pixels, failed_pixels)
            yield record, (row, band), q_sum
            start += len(data) + SUM.size

    def _q(self, cell: Cell) -> NDArray[np.uint8] | None:
        if self._store is None:
            return None
        core = cell.core
        at = int(core.row_off), int(core.col_off), (int(core.height), int(core.width))
        return np.stack([self._store.read(plane, *at) for plane in range(self._classes)])

    def _q_sum(self, cell: Cell, record: _Record) -> int:
        q = self._q(cell) if record.size else None
        return 0 if q is None else zlib.crc32(q.data)


def _packed(segment: Segment) -> bytes:
    stream = BytesIO()
    segment.trace.save(stream)
    segment.coverage.save(stream)
    return stream.getvalue()


def _read(file: FileIO, size: int) -> bytes:
    """Return so many bytes, fewer at the end of the file alone."""
    parts, left = [], size
    while left and (part := file.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)
