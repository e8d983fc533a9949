"""The walk over cells: rows → tiles → network → blended cells → traced segments."""

from __future__ import annotations

import time
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from geounet.blend import weights_of
from geounet.footprints.corners import CellTrace, trace_cell
from geounet.footprints.table import STATUSES, coverage_labels
from geounet.infer import Batcher
from geounet.quantise import NODATA, classify
from geounet.rows import RowSource
from geounet.stitch import Blender, Nothing, Sums

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence

    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.area import Area
    from geounet.backends import Step
    from geounet.grid import Cell, Tile, TileGrid
    from geounet.infer import Inferred
    from geounet.plan import Plan
    from geounet.reader import Reader


STAGES = ("total", "read", "infer", "blend", "trace", "regularize", "write")
"""What is timed."""


@dataclass(frozen=True)
class Segment:
    """What one finished cell hands on."""

    cell: Cell
    """Which cell."""
    q: NDArray[np.uint8] | None
    """Quantised probability `(classes, height, width)`, 255 = nodata; None when nobody wants it,
    or where there is no data."""
    trace: CellTrace
    """Corners of its outlines."""
    coverage: CellTrace
    """Corners of what was predicted and what has no data."""
    valid_pixels: int
    """Pixels with data."""
    failed_pixels: int = 0
    """Pixels that could not be read."""

    @property
    def is_void(self) -> bool:
        """Whether there is nothing but nodata."""
        return not self.valid_pixels and not self.failed_pixels


@dataclass
class Tally:
    """What a walk has done so far: seconds of each stage, tiles run and skipped.

    Stages overlap: each is timed in the thread that does it, so together they may exceed the
    total. `read` is how long the walk waited for pixels.
    """

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    """Wall time of each stage."""
    tiles: int = 0
    """Tiles the network saw."""
    skipped: int = 0
    """Tiles without data."""
    _lock: Lock = field(default_factory=Lock, repr=False)

    @contextmanager
    def clock(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        started = time.perf_counter()
        yield
        spent = time.perf_counter() - started
        with self._lock:
            self.seconds[stage] += spent


@dataclass(frozen=True)
class Walk:
    """A plan with the raster and the step it is carried out with."""

    plan: Plan
    """What to do."""
    reader: Reader
    """Where pixels come from."""
    step: Step
    """The model."""
    area: Area | None = None
    """Where a result is wanted; None = everywhere."""
    tally: Tally = field(default_factory=Tally)
    """What was done."""
    on_tile: Callable[[], None] = lambda: None
    """Called after each tile of the plan."""
    failed: Callable[[Window], NDArray[np.bool_] | None] = lambda _: None
    """Where a window of the grid could not be read; None = nowhere."""
    on_layers: Callable[[Inferred], None] | None = None
    """Called with each tile of the cells that the network saw, once, in the order of the walk."""

    def summed(self, cells: Sequence[Cell]) -> Generator[Sums | Nothing, None, None]:
        """Yield cells that no later tile touches; each is to be quantised once, by any thread.

        Args:
            cells: consecutive rows of one band, top to bottom.
        """
        grid, weights = self.plan.grid, weights_of(self.plan.blend)
        rows, cols = _touching(grid, cells, self.plan.reach)
        blender = Blender(grid, list(cells), self.plan.classes, weights)
        crop = weights is None
        batcher = Batcher(self.step, self.plan.batch_size, self.area, skip_by_core=crop)
        with closing(RowSource(self.reader, grid, cols, rows)) as source:
            for row in rows:
                with self.tally.clock("read"):
                    has_data = source.load(row)
                if has_data:
                    for tiles in _by_band(grid, row, cols):
                        self._add(blender, batcher.run(source, tiles), cells)
                else:
                    blender.skip(row)
                    self.tally.skipped += len(cols)
                    for _ in cols:
                        self.on_tile()
                yield from blender.finished(row)

    def over(self, runs: Iterable[Sequence[Cell]]) -> Generator[Sums | Nothing, None, None]:
        """Yield the cells of several runs, each of consecutive rows of one band."""
        for cells in runs:
            yield from self.summed(cells)

    def everything(self) -> Generator[Sums | Nothing, None, None]:
        """Yield all cells, band by band, top to bottom."""
        grid = self.plan.grid
        bands = range(len(grid.bands))
        return self.over([grid.cell(row, band) for row in range(grid.rows)] for band in bands)

    def look(self) -> None:
        """Walk over everything for the sake of `on_layers` alone."""
        for sums in self.everything():
            if isinstance(sums, Sums):
                sums.release()

    def blended(self, cells: Sequence[Cell]) -> Iterator[tuple[Cell, NDArray[np.uint8]]]:
        """Yield finished, quantised cells: a function of the raster, the plan and these cells.

        Args:
            cells: consecutive rows of one band, top to bottom.
        """
        for sums in self.summed(cells):
            with self.tally.clock("blend"):
                done = sums.quantised()
            yield done

    def traced(
        self, cells: Iterable[Sums | Nothing], *, keep_q: bool
    ) -> Generator[Segment, None, None]:
        """Yield cells quantised, and with their outlines traced."""
        for sums in cells:
            failed = self.failed(sums.cell.core)
            if isinstance(sums, Nothing) and failed is None:
                yield self.nothing(sums.cell)
                continue
            with self.tally.clock("blend"):
                cell, q = sums.quantised()
            del sums  # while the next is waited for, it would hold the buffers of its band
            with self.tally.clock("trace"):
                trace = trace_cell(classify(q, self.plan.level), q, self.plan.classes)
                covered = cover(q[0] != NODATA, failed, self._asked(cell))
            yield Segment(cell, q if keep_q else None, trace, *covered)

    def nothing(self, cell: Cell) -> Segment:
        """Return the segment of a cell without data that counts."""
        return nothing(cell, self.plan.classes, self.area)

    def _asked(self, cell: Cell) -> NDArray[np.bool_] | None:
        return None if self.area is None else self.area.mask(cell.core)

    def _add(self, blender: Blender, tiles: Iterator[Inferred], cells: Sequence[Cell]) -> None:
        while True:
            with self.tally.clock("infer"):
                found = next(tiles, None)
            if found is None:
                return
            with self.tally.clock("blend"):
                blender.add(found.tile, found.maps, found.valid)
            self.tally.skipped += found.maps is None
            self.tally.tiles += found.maps is not None
            seen = found.maps is not None or found.layers
            if self.on_layers is not None and seen and _owns(cells, found.tile):
                self.on_layers(found)
            self.on_tile()


def _owns(cells: Sequence[Cell], tile: Tile) -> bool:
    """Whether a tile is one of some cells, and not beside them."""
    return cells[0].row <= tile.row <= cells[-1].row and tile.col in cells[0].cols


def nothing(cell: Cell, classes: int, area: Area | None = None) -> Segment:
    """Return the segment of a cell without data that counts.

    Args:
        cell: of the grid.
        classes: maps of a tile.
        area: where a result is wanted; None = everywhere.
    """
    shape = int(cell.core.height), int(cell.core.width)
    trace, coverage = _void(*shape, classes)
    if area is not None and not area.touches(cell.core):
        coverage = _unasked(*shape)
    elif area is not None:
        asked = area.mask(cell.core)
        coverage = cover(np.zeros_like(asked), asked=asked)[0]
    return Segment(cell, None, trace, coverage, 0)


@lru_cache(maxsize=4)
def _void(height: int, width: int, classes: int) -> tuple[CellTrace, CellTrace]:
    q = np.full((classes, height, width), NODATA, np.uint8)
    return trace_cell(q[0], q, classes), cover(q[0] != NODATA)[0]


@lru_cache(maxsize=4)
def _unasked(height: int, width: int) -> CellTrace:
    nowhere = np.zeros((height, width), np.bool_)
    return cover(nowhere, asked=nowhere)[0]


def cover(
    valid: NDArray[np.bool_],
    failed: NDArray[np.bool_] | None = None,
    asked: NDArray[np.bool_] | None = None,
) -> tuple[CellTrace, int, int]:
    """Return the outlines of what became of a cell, the pixels with data, and those that failed.

    Args:
        valid: `(height, width)` True = data that counts.
        failed: `(height, width)` True = could not be read, if it has no data.
        asked: `(height, width)` True = a result is wanted; None = everywhere.
    """
    if failed is not None:
        failed = failed & ~valid if asked is None else failed & ~valid & asked
    labels = coverage_labels(valid, failed)
    if asked is not None:
        labels[~asked] = 0
    trace = trace_cell(labels, None, len(STATUSES))
    lost = 0 if failed is None else int(np.count_nonzero(failed))
    return trace, int(np.count_nonzero(valid)), lost


def _touching(grid: TileGrid, cells: Sequence[Cell], reach: int) -> tuple[range, range]:
    """Rows and columns of all tiles that touch the cells."""
    first, last = cells[0], cells[-1]
    rows = range(max(first.row - reach, 0), min(last.row + reach + 1, grid.rows))
    cols = range(max(first.cols.start - reach, 0), min(first.cols.stop + reach, grid.cols))
    return rows, cols


def _by_band(grid: TileGrid, row: int, cols: range) -> Iterator[list[Tile]]:
    """Tiles of one row, by the cell they belong to, so that batches never cross a cell."""
    for band in grid.bands:
        own = range(max(band.start, cols.start), min(band.stop, cols.stop))
        if own:
            yield [grid.at(row, col) for col in own]
