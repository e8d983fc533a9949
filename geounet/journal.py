"""Segments on disk: cells come in any order, strips are taken out from top to bottom."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.footprints.corners import CellTrace
from geounet.walk import Segment, nothing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.grid import TileGrid

Strip = list[Segment]


def strips(grid: TileGrid, segments: Iterable[Segment], folder: Path) -> Iterator[Strip]:
    """Yield the segments of each row of tiles, left to right, top to bottom.

    A raster of one band of columns streams; of several, segments wait in the folder until the
    last band is done.

    Args:
        grid: where cells lie.
        segments: of all cells, band by band.
        folder: existing; holds a file a segment for as long as it waits.
    """
    if len(grid.bands) == 1:
        yield from ([segment] for segment in segments)
        return
    journal = Journal(folder)
    for segment in segments:
        journal.put(segment)
    for row in range(grid.rows):
        yield [journal.take(grid, row, band) for band in range(len(grid.bands))]


class Journal:
    """A folder with three `.npz` files a segment."""

    def __init__(self, folder: Path) -> None:
        """Use an existing folder."""
        self._folder = folder
        self._without_data: dict[tuple[int, int], int] = {}

    def put(self, segment: Segment) -> None:
        """Write a segment, or take note that its cell has no data."""
        cell = segment.cell
        if not segment.valid_pixels:
            self._without_data[cell.row, cell.band] = len(segment.trace.row_sums)
            return
        segment.trace.save(self._path(cell.row, cell.band, "trace"))
        segment.coverage.save(self._path(cell.row, cell.band, "coverage"))
        np.savez(self._path(cell.row, cell.band, "cells"), allow_pickle=False, **_packed(segment))

    def take(self, grid: TileGrid, row: int, band: int) -> Segment:
        """Return a segment and forget it."""
        if (row, band) in self._without_data:
            return nothing(grid.cell(row, band), self._without_data.pop((row, band)))
        paths = [self._path(row, band, kind) for kind in ("trace", "coverage", "cells")]
        trace, coverage = (CellTrace.load(path) for path in paths[:2])
        with np.load(paths[2], allow_pickle=False) as stored:
            q, valid_pixels = _unpacked(stored["q"], stored["shape"]), int(stored["valid_pixels"])
        for path in paths:
            path.unlink()
        return Segment(grid.cell(row, band), q, trace, coverage, valid_pixels)

    def _path(self, row: int, band: int, kind: str) -> Path:
        return self._folder / f"{row:06d}-{band:04d}.{kind}.npz"


def _packed(segment: Segment) -> dict[str, Any]:
    """A segment's q, compressed as little as pays; empty when nobody wants it."""
    q = np.zeros((0, 0, 0), np.uint8) if segment.q is None else segment.q
    return {
        "q": np.frombuffer(zlib.compress(q.tobytes(), 1), np.uint8),
        "shape": q.shape,
        "valid_pixels": segment.valid_pixels,
    }


def _unpacked(packed: NDArray[np.uint8], shape: NDArray[np.int64]) -> NDArray[np.uint8] | None:
    if not shape.all():
        return None
    return np.frombuffer(zlib.decompress(packed.tobytes()), np.uint8).reshape(shape)
