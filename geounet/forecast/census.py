"""Which tiles of a raster hold data: by its blocks, by an overview, or by looking at some."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geounet.preview import windows_of
from geounet.raster import open_raster

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.grid import Tile
    from geounet.reader import RasterInfo
    from geounet.walk import Walk

ASKED = 20_000
"""Tiles whose blocks are asked for; of more, some stand for all."""
LOOKED_AT = 48
"""Tiles that are read where no overview shows them, evenly over the raster."""
PATIENCE = 6.0
"""Seconds for that."""
ROUNDING = 1e-6
"""Pixels of an overview that are no more than rounding."""
COARSE = 16_000_000
"""Pixels of the finest overview that is looked at."""


@dataclass(frozen=True)
class Census:
    """What was found of the tiles."""

    tiles: int
    """All of them."""
    skipped: int
    """Those without data that counts, as far as it can be told."""
    filled: tuple[Tile, ...]
    """Some with data, evenly over the raster."""
    data: float
    """Share of the grid's pixels that hold data, as far as it can be told."""
    by: str
    """How that was found out."""


def census(walk: Walk, info: RasterInfo, *, allow_vrt: bool) -> Census:
    """Return which tiles of a walk hold data that counts.

    Args:
        walk: that is to come.
        info: of the raster itself, of which an overview may be read.
        allow_vrt: as it was opened.
    """
    grid = walk.plan.grid
    step = max(len(grid) // ASKED, 1)
    asked = [grid[at] for at in range(0, len(grid), step)]
    near = [tile for tile in asked if _may_hold(walk, tile)]
    coarse = _overview(info, grid.stride, allow_vrt=allow_vrt)
    if coarse is not None:
        found = [_share(coarse, walk, tile) for tile in near]
        by = "an overview"
    else:
        near, found = _looked_at(walk, near)
        by = "a look at some" if len(found) < len(asked) else "a look at all"
    written = sum(_may_hold(walk, tile) for tile in asked) / len(asked)
    filled = [tile for tile, share in zip(near, found, strict=True) if share > 0]
    share = len(filled) / len(found) if found else 0.0
    tiles = round(len(grid) * written * share)
    data = written * float(np.mean(found)) if found else 0.0
    return Census(len(grid), len(grid) - tiles, tuple(_some(filled)), data, by)


def _may_hold(walk: Walk, tile: Tile) -> bool:
    """Whether blocks of a tile were written, and a result is wanted there."""
    wanted = walk.area is None or walk.area.touches(tile.core)
    return wanted and walk.reader.holds_data(tile.core)


def _overview(info: RasterInfo, stride: int, *, allow_vrt: bool) -> NDArray[np.bool_] | None:
    """The valid mask of an overview that is small, and fine enough to show a tile; or None."""
    pixels = info.height * info.width
    for level, factor in enumerate(info.overviews):
        if pixels / factor**2 <= COARSE and factor * 4 <= max(stride, 64):
            with open_raster(
                info.path, bands=info.bands, allow_vrt=allow_vrt, overview=level
            ) as reader:
                valid = np.zeros(reader.info.shape, np.bool_)
                for window in windows_of(reader.info):
                    valid[window.toslices()] = reader.read(window).valid
            return valid
    return None


def _share(coarse: NDArray[np.bool_], walk: Walk, tile: Tile) -> float:
    """The share of a tile's core that an overview shows as data."""
    spans = []
    for (first, last), size, whole in zip(
        tile.core.toranges(), coarse.shape, walk.plan.grid.shape, strict=True
    ):
        begin = min(math.floor(first / whole * size + ROUNDING), size - 1)
        end = math.ceil(last / whole * size - ROUNDING)
        spans.append(slice(begin, max(end, begin + 1)))
    return float(coarse[*spans].mean())


def _looked_at(walk: Walk, tiles: list[Tile]) -> tuple[list[Tile], list[float]]:
    """Some of the tiles, with the share of each that holds data that counts."""
    some = _some(tiles, LOOKED_AT)
    found: list[float] = []
    until = time.monotonic() + PATIENCE
    for tile in some:
        if found and time.monotonic() > until:
            break
        found.append(float(_valid(walk, tile.core).mean()))
    return some[: len(found)], found


def _valid(walk: Walk, window: Window) -> NDArray[np.bool_]:
    valid = walk.reader.read(window).valid
    return valid if walk.area is None else valid & walk.area.mask(window)


def _some(tiles: list[Tile], count: int = 16) -> list[Tile]:
    """At most so many, evenly; their order tells nothing, so that the first few are far apart."""
    if len(tiles) <= count:
        return tiles
    picked = np.linspace(0, len(tiles) - 1, count).astype(int)
    return [tiles[at] for at in np.random.default_rng(0).permutation(picked)]
