"""How fast a run will be on this machine: a few of its tiles carried out, and timed."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rasterio.windows import Window
from scipy import ndimage

from geounet.backends.machine import cores
from geounet.grid import Cell
from geounet.walk import Tally

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.grid import Tile
    from geounet.reader import Reader
    from geounet.walk import Walk

LONG = 3.0
"""Seconds after which enough tiles were timed."""
READ = 4_000_000
"""Pixels that are read to time it, each time."""
READS = 4
"""How often."""
OUTLINE = 3e-3
"""CPU seconds of an outline, its measures and its row; blocks of them, on a usual laptop."""
STORE, RASTER = 0.01, 0.12
"""CPU seconds a million pixels: of what is kept for --resume, and of a COG, a class."""
START = 1.0
"""Seconds of the outputs' own beginning and end."""


@dataclass(frozen=True)
class Pace:
    """What parts of a run take, measured on a few tiles."""

    tile: float = 0.0
    """Seconds a tile that the network sees."""
    trace: float = 0.0
    """Seconds a million pixels that are quantised and traced."""
    read: float = 0.0
    """Seconds a million pixels that are read, and resampled."""
    objects: float = 0.0
    """Footprints a million pixels of data."""
    overlaps: bool = False
    """The network runs on a device of its own, while the rest goes on."""

    def seconds(self, tiles: int, pixels: float, rasters: int) -> float:
        """Return the wall time of a run.

        Args:
            tiles: that the network sees.
            pixels: that hold data.
            rasters: bands of rasters that are written.
        """
        million = pixels / 1e6
        network = tiles * self.tile
        rest = million * (
            self.read + self.trace + self.objects * OUTLINE + STORE + RASTER * rasters
        )
        if self.overlaps:
            return START + max(network, rest)
        return START + network + rest / cores()


def pace(walk: Walk, filled: Sequence[Tile]) -> Pace:
    """Return how fast a walk is, from some of its tiles.

    Args:
        walk: that is to come; its own tally stays as it is.
        filled: tiles with data.
    """
    if not filled:
        return Pace()
    _carried_out(walk, filled[0])  # the first pass makes room and compiles
    timed = replace(walk, tally=Tally())
    pixels = objects = 0
    until = time.perf_counter() + LONG
    for tile in filled:
        more, found = _carried_out(timed, tile)
        pixels, objects = pixels + more, objects + found
        if time.perf_counter() > until:
            break
    spent, million = timed.tally.seconds, max(pixels / 1e6, 1e-9)
    tiles = max(timed.tally.tiles, 1)
    return Pace(
        tile=spent["infer"] / tiles,
        trace=(spent["blend"] + spent["trace"]) / million,
        read=_reading(walk.reader, filled),
        objects=objects / million,
        overlaps=walk.step.device != "cpu",
    )


def _carried_out(walk: Walk, tile: Tile) -> tuple[int, int]:
    """Walk over a batch of tiles from one on; return pixels with data, and objects found there."""
    grid, size = walk.plan.grid, walk.plan.batch_size
    cols = range(tile.col, min(tile.col + size, grid.cols))
    last = grid.at(tile.row, cols[-1]).core
    width = last.col_off + last.width - tile.core.col_off
    place = Window(tile.core.col_off, tile.core.row_off, width, tile.core.height)
    pixels = objects = 0
    with closing(walk.over([[Cell(tile.row, 0, cols, place)]])) as cells:
        for segment in walk.traced(cells, keep_q=True):
            pixels += segment.valid_pixels
            if segment.q is not None:
                set_ = (segment.q[0] >= walk.plan.level) & (segment.q[0] <= 254)  # noqa: PLR2004
                objects += int(ndimage.label(set_)[1])
    return pixels, objects


def _reading(reader: Reader, filled: Sequence[Tile]) -> float:
    """Seconds a million pixels, read as the walk reads: rows of blocks, as wide as may be."""
    info = reader.info
    width = min(info.width, READ)
    high = max(info.block_shape[0], 1)
    rows = min(max(READ // width // high, 1) * high, info.height)
    spent = pixels = 0.0
    for tile in filled[:READS]:
        top = min(int(tile.core.row_off) // high * high, info.height - rows)
        left = min(int(tile.core.col_off), info.width - width)
        started = time.perf_counter()
        valid = reader.read(Window(left, top, width, rows)).valid
        if valid.any():  # a tile's data may lie below these rows
            spent, pixels = spent + time.perf_counter() - started, pixels + float(valid.sum())
    return spent / pixels * 1e6 if pixels else 0.0
