"""From the maps of one tile to sums over places, and from sums to vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from geounet.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.grid import TileGrid
    from geounet.infer import Inferred

    Floats = NDArray[np.float64]

Pool = Literal["mean", "max", "gem"]
POOLS: tuple[Pool, ...] = ("mean", "max", "gem")

POWER = 3.0
"""Of the generalised mean (Radenović, Tolias and Chum 2018, arXiv:1711.02512)."""
LEAST = 1e-6
"""What the generalised mean counts smaller values as, as there."""


@dataclass(frozen=True)
class Core:
    """What one tile answers for, of the map of one layer."""

    maps: NDArray[np.float32]
    """`(channels, rows, columns)`."""
    valid: NDArray[np.bool_]
    """`(height, width)` of the same places in pixels, True = data; False beyond the raster."""
    row: int
    """First row of the map among all of the raster's."""
    col: int
    """First column of the map among all of the raster's."""
    stride: int
    """Pixels along the edge of one place."""

    @classmethod
    def of(cls, found: Inferred, layer: str, grid: TileGrid) -> Core:
        """Return the core of a tile.

        Raises:
            ModelError: the tile has no such map, or one that does not fit its pixels.
        """
        if layer not in found.layers:
            given = ", ".join(found.layers)
            raise ModelError(f"layer {layer!r} is not among what the model gives ({given})")
        maps, core, halo = found.layers[layer], found.tile.core, grid.halo
        stride = _stride(maps, layer, grid)
        height, width = int(core.height), int(core.width)
        size = -(-height // stride), -(-width // stride)
        valid = np.zeros((size[0] * stride, size[1] * stride), np.bool_)
        valid[:height, :width] = found.valid[halo : halo + height, halo : halo + width]
        at = halo // stride
        inner = maps[:, at : at + size[0], at : at + size[1]]
        return cls(inner, valid, int(core.row_off) // stride, int(core.col_off) // stride, stride)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Pixels with data of each place, `(rows, columns)`."""
        rows, cols = self.maps.shape[1:]
        parts = self.valid.reshape(rows, self.stride, cols, self.stride)
        return np.asarray(parts.sum(axis=(1, 3), dtype=np.int64))


def _stride(maps: NDArray[Any], layer: str, grid: TileGrid) -> int:
    rows, cols = maps.shape[-2:]
    stride = grid.tile // rows if rows else 0
    if maps.ndim != 3 or (rows * stride, cols) != (grid.tile, rows) or grid.halo % stride:  # noqa: PLR2004
        shape = " × ".join(map(str, maps.shape))
        raise ModelError(
            f"layer {layer!r} gives no map of a tile ({shape} of {grid.tile} pixels, halo "
            f"{grid.halo}); choose another"
        )
    return stride


def raised(values: NDArray[np.float32], pool: Pool) -> Floats:
    """Return values as they are summed."""
    if pool == "gem":
        return np.asarray(np.maximum(values, LEAST, dtype=np.float64) ** POWER)
    return values.astype(np.float64)


def finished(sums: Floats, weights: Floats, pool: Pool) -> NDArray[np.float32]:
    """Return `(n, channels)` vectors of sums; not a number where nothing was seen."""
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / weights[:, None] if pool != "max" else sums
        vectors = np.maximum(means, 0) ** (1 / POWER) if pool == "gem" else means
    return np.where(weights[:, None] > 0, vectors, np.nan).astype(np.float32)
