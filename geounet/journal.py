"""Segments on disk: cells come in any order, strips are taken out from top to bottom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geounet.footprints.corners import CellTrace
from geounet.walk import Segment, nothing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from geounet.area import Area
    from geounet.grid import TileGrid

Strip = list[Segment]


def strips(
    grid: TileGrid, segments: Iterable[Segment], folder: Path, area: Area | None = None
) -> Iterator[Strip]:
    """Yield the segments of each row of tiles, left to right, top to bottom.

    A raster of one band of columns streams; of several, segments wait in the folder until the
    last band is done.

    Args:
        grid: where cells lie.
        segments: of all cells, band by band.
        folder: existing; holds a file a segment for as long as it waits.
        area: where a result is wanted.
    """
    if len(grid.bands) == 1:
        yield from ([segment] for segment in segments)
        return
    journal = Journal(folder, area)
    for segment in segments:
        journal.put(segment)
    for row in range(grid.rows):
        yield [journal.take(grid, row, band) for band in range(len(grid.bands))]


class Journal:
    """A folder with two `.npz` files for each segment that has data."""

    def __init__(self, folder: Path, area: Area | None = None) -> None:
        """Use an existing folder."""
        self._folder, self._area = folder, area
        self._valid_pixels: dict[tuple[int, int], tuple[int, int]] = {}

    def put(self, segment: Segment) -> None:
        """Write a segment but for its q, or take note that its cell has no data."""
        cell, trace = segment.cell, segment.trace
        self._valid_pixels[cell.row, cell.band] = segment.valid_pixels, len(trace.row_sums)
        if segment.valid_pixels:
            trace.save(self._path(cell.row, cell.band, "trace"))
            segment.coverage.save(self._path(cell.row, cell.band, "coverage"))

    def take(self, grid: TileGrid, row: int, band: int) -> Segment:
        """Return a segment and forget it."""
        cell = grid.cell(row, band)
        valid_pixels, classes = self._valid_pixels.pop((row, band))
        if not valid_pixels:
            return nothing(cell, classes, self._area)
        paths = [self._path(row, band, kind) for kind in ("trace", "coverage")]
        trace, coverage = (CellTrace.load(path) for path in paths)
        for path in paths:
            path.unlink()
        return Segment(cell, None, trace, coverage, valid_pixels)

    def _path(self, row: int, band: int, kind: str) -> Path:
        return self._folder / f"{row:06d}-{band:04d}.{kind}.npz"
