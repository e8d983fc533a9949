"""Blocks of ground, and the split each belongs to: what is learnt from is never tested on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pyproj import Transformer

from geounet.ground import moved

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from geounet.reader import RasterInfo

_INWARD = 1e-3
"""Share of a tile's edge by which it is shrunk: tiles may touch the block beside theirs."""


@dataclass(frozen=True)
class Blocks:
    """Squares of ground on the grid of one raster, which other rasters are laid on, too."""

    grid: RasterInfo
    """The raster whose upper left corner blocks are counted from."""
    edge: int
    """Of a block, in that raster's pixels."""

    def touched(self, info: RasterInfo, tiles: NDArray[np.int64], size: int) -> list[set[Block]]:
        """Return the blocks each tile reaches into.

        Args:
            info: of the raster the tiles are cut from.
            tiles: `(n, 2)` first row and column of each.
            size: edge of a tile.
        """
        steps = np.linspace(_INWARD, 1 - _INWARD, 5) * size
        rows, cols = (each.ravel() for each in np.meshgrid(steps, steps, indexing="ij"))
        rows, cols = tiles[:, :1] + rows, tiles[:, 1:] + cols
        x, y = moved(info.transform, cols, rows)
        if info.crs is not None and self.grid.crs is not None and info.crs != self.grid.crs:
            x, y = Transformer.from_crs(info.crs, self.grid.crs, always_xy=True).transform(x, y)
        col, row = moved(~self.grid.transform, x, y)
        found = np.floor(np.stack([row, col], axis=2) / self.edge).astype(np.int64)
        return [_filled(each) for each in found]


Block = tuple[int, int]
"""Row and column of a block."""


def assign(blocks: Mapping[Block, int], shares: Sequence[float], seed: int) -> dict[Block, int]:
    """Return the split of each block, so that their tiles come close to the shares.

    Args:
        blocks: each block with the number of its tiles.
        shares: of the splits, in any unit.
        seed: of the order in which blocks are dealt out; the same gives the same.
    """
    ordered = sorted(blocks)
    rng, wanted = np.random.default_rng(seed), np.array(shares, float) / sum(shares)
    held, splits = np.zeros(len(shares)), {}
    for at in rng.permutation(len(ordered)).tolist():
        block = ordered[at]
        total = held.sum() + blocks[block]
        split = int(np.argmax(np.where(wanted > 0, wanted * total - held, -np.inf)))
        splits[block] = split
        held[split] += blocks[block]
    return splits


def _filled(found: NDArray[np.int64]) -> set[Block]:
    """Return all blocks from the first to the last row and column."""
    (top, left), (bottom, right) = found.min(axis=0), found.max(axis=0)
    return {(row, col) for row in range(top, bottom + 1) for col in range(left, right + 1)}
