"""Cells of a layer over a whole scene: gathered tile by tile, kept on disk, spread over pixels."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.infer import Batcher
from geounet.rows import RowSource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.explain.steps import LayerStep
    from geounet.grid import Tile
    from geounet.infer import Inferred
    from geounet.plan import Plan
    from geounet.reader import Reader

    Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Part:
    """Cells that begin in the core of one tile; those of all tiles are the scene's, each once."""

    rows: slice
    """Rows of the scene's cells."""
    cols: slice
    """Columns of the scene's cells."""
    maps: Floats
    """`(maps, rows, columns)`."""
    holds: NDArray[np.bool_]
    """`(rows, columns)`, True = at least one pixel of the cell has data."""


@dataclass(frozen=True)
class Scene:
    """A raster and the plan it is gone through with."""

    reader: Reader
    """Where pixels come from."""
    plan: Plan
    """Where tiles lie; cores alone are kept."""
    on_tile: Callable[[], None] = lambda: None
    """Called after each tile."""

    def parts(self, step: LayerStep) -> Iterator[Part]:
        """Yield the cells of every tile that has data."""
        grid = self.plan.grid
        batcher = Batcher(step, self.plan.batch_size, skip_by_core=True)
        for cols in grid.bands:
            with closing(RowSource(self.reader, grid, cols, range(grid.rows))) as source:
                for row in range(grid.rows):
                    if not source.load(row):
                        for _ in cols:
                            self.on_tile()
                        continue
                    for found in batcher.run(source, [grid.at(row, col) for col in cols]):
                        if found.maps is not None:
                            yield _part(found.tile, found, step.layer.stride, grid.halo)
                        self.on_tile()

    def means(self, step: LayerStep) -> NDArray[np.float64]:
        """Return the mean of each map over the cells of the whole scene that hold data."""
        sums, count = np.zeros(step.layer.channels), 0
        for part in self.parts(step):
            sums += part.maps[:, part.holds].sum(axis=1, dtype=np.float64)
            count += int(part.holds.sum())
        means: NDArray[np.float64] = sums / max(count, 1)
        return means

    def cells(self, step: LayerStep, path: Path) -> Cells:
        """Return the first map of every cell, in a file; not a number where there is no data."""
        stride = step.layer.stride
        shape = tuple(-(-extent // stride) for extent in self.reader.info.shape)
        values = np.memmap(path, np.float32, "w+", shape=shape)
        for row in values:
            row[:] = np.nan
        low, high = np.inf, -np.inf
        for part in self.parts(step):
            held = part.maps[0][part.holds]
            values[part.rows, part.cols][part.holds] = held
            low = min(low, float(held.min()))
            high = max(high, float(held.max()))
        return Cells(values, stride, low, high)


@dataclass(frozen=True)
class Cells:
    """One map over a whole scene, a value a cell."""

    values: Floats
    """`(rows, columns)`; not a number where no pixel of the cell has data."""
    stride: int
    """Pixels along an edge of a cell."""
    low: float
    """The smallest value."""
    high: float
    """The largest value; below the smallest where there is none."""

    def at(self, rows: NDArray[np.float64], cols: NDArray[np.float64]) -> Floats:
        """Return values at points, linear between the centres of cells.

        Cells without data do not count, beyond the outermost centres their value goes on.

        Args:
            rows: positions in pixels from the raster's upper edge; a pixel's centre ends in ½.
            cols: likewise from its left edge.
        """
        (first, down), (left, right) = (
            self._between(at, extent)
            for at, extent in zip((rows, cols), self.values.shape, strict=True)
        )
        block = self.values[first.start : first.stop, left.start : left.stop]
        known = np.isfinite(block)
        planes = np.stack([np.where(known, block, 0), known]).astype(np.float32)
        value, weight = _mixed(_mixed(planes, down, 1), right, 2)
        nothing = np.full_like(value, np.nan)
        found: Floats = np.divide(value, weight, out=nothing, where=weight > 0)
        return found

    def shares(self, values: Floats) -> Floats:
        """Return where values lie between the smallest, 0, and the largest of the scene, 1."""
        shares: Floats = (values - np.float32(self.low)) / np.float32(self.span)
        return shares

    @property
    def span(self) -> float:
        """From the smallest value to the largest; 1 where they are the same."""
        return self.high - self.low if self.high > self.low else 1.0

    def _between(self, at: NDArray[np.float64], extent: int) -> tuple[range, _Pair]:
        """The cells some positions lie between: those needed, and for each the two and a share."""
        place = np.clip(at / self.stride - 0.5, 0, extent - 1)
        before = np.minimum(place.astype(np.int64), max(extent - 2, 0))
        after = np.minimum(before + 1, extent - 1)
        held = range(int(before[0]), int(after[-1]) + 1)
        return held, (before - held.start, after - held.start, (place - before).astype(np.float32))


_Pair = tuple[Any, Any, Any]


def _mixed(planes: Floats, pair: _Pair, axis: int) -> Floats:
    before, after, share = pair
    along = np.expand_dims(share, tuple(range(1, planes.ndim - axis)))
    mixed = planes.take(before, axis) * (1 - along) + planes.take(after, axis) * along
    return mixed.astype(np.float32, copy=False)


def _part(tile: Tile, found: Inferred, stride: int, halo: int) -> Part:
    """What of a tile begins in its core."""
    assert found.maps is not None
    begin = halo // stride
    spans, inner = [], []
    for start, length in (
        (int(tile.core.row_off), int(tile.core.height)),
        (int(tile.core.col_off), int(tile.core.width)),
    ):
        count = -(-length // stride)
        spans.append(slice(start // stride, start // stride + count))
        inner.append(slice(begin, begin + count))
    high, wide = int(tile.core.height), int(tile.core.width)
    core = found.valid[halo : halo + high, halo : halo + wide]
    short = (-high % stride, -wide % stride)
    whole = np.pad(core, ((0, short[0]), (0, short[1])))
    blocks = whole.reshape(whole.shape[0] // stride, stride, -1, stride)
    holds: NDArray[np.bool_] = np.asarray(blocks.any(axis=(1, 3)))
    return Part(spans[0], spans[1], found.maps[:, inner[0], inner[1]], holds)
