"""What is done: segments of finished cells on disk, in any order; the rest is what is missing."""

from __future__ import annotations

import time
import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Self

import numpy as np

from geounet.errors import OutputError
from geounet.footprints.corners import CellTrace
from geounet.records import Record, Records
from geounet.state import CELLS
from geounet.walk import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.footprints.parts.store import Store
    from geounet.grid import Cell, TileGrid
    from geounet.walk import Walk

Strip = list[Segment]

SYNC_EVERY = 5.0
"""Seconds after which what was written is put on the disk itself: what a power cut may cost."""


class Journal:
    """Owner of the finished cells of a run; leave the `with` block to close it, they stay."""

    def __init__(
        self, folder: Path, walk: Walk, store: Store | None, cells: Sequence[Cell] | None = None
    ) -> None:
        """Find the cells that are done and undamaged.

        Args:
            folder: of the state.
            walk: that gives the cells; its plan says where they lie.
            store: where q is kept, if it is.
            cells: those that are wanted, in the order of work; None = all.

        Raises:
            OutputError: the file cannot be opened.
        """
        self._folder, self._grid = folder, walk.plan.grid
        self._walk, self._store = walk, store
        self._wanted = list(self._grid.cells()) if cells is None else cells
        self._synced = time.monotonic()
        try:
            self._records = Records(folder / CELLS)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written to ({error.strerror})") from error
        self._done = {
            (record.row, record.band): record
            for record in self._records.recover()
            if self._q_sum(self._grid.cell(record.row, record.band), record) == record.q_sum
        }

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the file."""
        self._records.__exit__(*error)

    @property
    def tiles(self) -> int:
        """Tiles of the cells that are done."""
        return sum(len(self._grid.cell(*key).cols) for key in self._done)

    @property
    def pixels(self) -> int:
        """Pixels of the cells that are done."""
        cores = [self._grid.cell(*key).core for key in self._done]
        return sum(int(core.height) * int(core.width) for core in cores)

    def __contains__(self, cell: Cell) -> bool:
        """Return whether a cell is done."""
        return (cell.row, cell.band) in self._done

    def missing(self) -> Iterator[list[Cell]]:
        """Yield the cells that are not done: consecutive rows of one band at a time."""
        run: list[Cell] = []
        for cell in self._wanted:
            if run and (cell in self or cell.band != run[-1].band):
                yield run
                run = []
            if cell not in self:
                run.append(cell)
        if run:
            yield run

    def completed(self, found: Iterator[Segment]) -> Iterator[Segment]:
        """Yield all segments in the order of work: those that are done, and the rest.

        Args:
            found: segments of the missing cells, in order; each is kept before it is handed on.
        """
        for cell in self._wanted:
            if cell in self:
                yield self.take(cell, with_q=True)
                continue
            segment = next(found)
            assert segment.cell == cell, (segment.cell, cell)
            self.put(segment)
            yield segment

    def strips(self, segments: Iterator[Segment]) -> Iterator[Strip]:
        """Yield the segments of each row of tiles, left to right, top to bottom."""
        return strips(self._grid, segments, self.take)

    def put(self, segment: Segment) -> None:
        """Keep a segment.

        Raises:
            OutputError: the disk is full.
        """
        cell, q_sum = segment.cell, 0
        try:
            if self._store is not None and segment.q is not None and not segment.is_void:
                self._store.write(segment.q, cell.core)
                q_sum = zlib.crc32(np.ascontiguousarray(segment.q).data)
            pixels = segment.valid_pixels, segment.failed_pixels
            record = Record(cell.row, cell.band, *pixels, q_sum)
            self._done[cell.row, cell.band] = self._records.append(record, packed(segment))
            self._sync_if_due()
        except OSError as error:
            raise OutputError(
                f"{self._folder}: cannot be written ({(error.strerror or '').lower()}); "
                "free some space"
            ) from error

    def take(self, cell: Cell, *, with_q: bool = False) -> Segment:
        """Return the segment of a cell that is done."""
        record = self._done[cell.row, cell.band]
        if not record.size:
            return self._walk.nothing(cell)
        q = self._q(cell) if with_q else None
        return unpacked(cell, record, BytesIO(self._records.arrays(record)), q)

    def _sync_if_due(self) -> None:
        if time.monotonic() - self._synced < SYNC_EVERY:
            return
        if self._store is not None:
            self._store.sync()
        self._records.sync()
        self._synced = time.monotonic()

    def _q(self, cell: Cell) -> NDArray[np.uint8] | None:
        if self._store is None:
            return None
        core = cell.core
        at = int(core.row_off), int(core.col_off), (int(core.height), int(core.width))
        return np.stack([self._store.read(plane, *at) for plane in range(self._walk.plan.classes)])

    def _q_sum(self, cell: Cell, record: Record) -> int:
        q = self._q(cell) if record.size else None
        return 0 if q is None else zlib.crc32(q.data)


def strips(
    grid: TileGrid, segments: Iterator[Segment], again: Callable[[Cell], Segment]
) -> Iterator[Strip]:
    """Yield the segments of each row of tiles, left to right, top to bottom.

    A raster of one band of columns streams; of several, segments wait until the last is done.

    Args:
        grid: whose cells they are.
        segments: of all cells, in the order of work.
        again: gives the segment of a cell once more.
    """
    if len(grid.bands) == 1:
        yield from ([segment] for segment in segments)
        return
    for _ in segments:
        pass
    for row in range(grid.rows):
        yield [again(grid.cell(row, band)) for band in range(len(grid.bands))]


def packed(segment: Segment) -> bytes:
    """Return what tracing found in a cell; nothing where there is no data."""
    stream = BytesIO()
    if not segment.is_void:
        segment.trace.save(stream)
        segment.coverage.save(stream)
    return stream.getvalue()


def unpacked(
    cell: Cell, record: Record, stream: BytesIO, q: NDArray[np.uint8] | None = None
) -> Segment:
    """Return the segment that was packed, read from the front of a stream."""
    trace, coverage = CellTrace.load(stream), CellTrace.load(stream)
    return Segment(cell, q, trace, coverage, record.valid_pixels, record.failed_pixels)
