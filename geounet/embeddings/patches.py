"""Squares of a raster, whatever the tiles: what the network sees in each, pooled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from geounet.embeddings.pool import Core, raised
from geounet.embeddings.store import Store
from geounet.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.embeddings.pool import Pool
    from geounet.grid import TileGrid
    from geounet.infer import Inferred

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]


class Patches:
    """Owner of the sums of all patches of a raster; they are counted row by row from its origin."""

    def __init__(
        self, folder: Path, grid: TileGrid, edge: int, layers: Sequence[str], pool: Pool
    ) -> None:
        """Start with nothing.

        Args:
            folder: for what waits.
            grid: of the tiles that will come.
            edge: of a patch, pixels.
            layers: whose maps are pooled.
            pool: how.
        """
        self._grid, self._edge, self._pool = grid, edge, pool
        self._cols = -(-grid.shape[1] // edge)
        count = -(-grid.shape[0] // edge) * self._cols
        self._stores = {
            layer: Store(folder / f"patches-{at}", count, pool) for at, layer in enumerate(layers)
        }

    def add(self, found: Inferred) -> None:
        """Add what one tile answers for.

        Raises:
            ModelError: the tile has no such map.
            OptionError: patches do not fit the layer's map.
        """
        for layer, store in self._stores.items():
            core = Core.of(found, layer, self._grid)
            if self._edge % core.stride:
                fitting = -(-self._edge // core.stride) * core.stride
                raise OptionError(
                    f"--patch must be a multiple of {core.stride}, the pixels of one place of "
                    f"layer {layer!r}; got {self._edge}, try {fitting}"
                )
            rows, cols = (
                _cuts(start, size, self._edge // core.stride)
                for start, size in zip((core.row, core.col), core.maps.shape[1:], strict=True)
            )
            items = rows.patches[:, None] * self._cols + cols.patches
            counts = core.counts
            weights = _reduced(np.add, counts.astype(np.float64), rows, cols).ravel()
            some = weights > 0
            sums = _pooled(core.maps, counts, rows, cols, self._pool)
            store.add(items.ravel()[some], sums[some], weights[some])

    def seen(self) -> Ints:
        """Return the patches that hold data, in order."""
        return next(iter(self._stores.values())).seen()

    def vectors(self, items: Ints) -> dict[str, NDArray[np.float32]]:
        """Return the vectors of some patches, by layer."""
        return {layer: store.vectors(items) for layer, store in self._stores.items()}

    def shapes(self, items: Ints) -> NDArray[Any]:
        """Return some patches as polygons in pixels."""
        return np.asarray(shapely.box(*self.boxes(items).T))

    def boxes(self, items: Ints) -> Floats:
        """Return left, top, right, bottom of some patches, in pixels, cut by the raster's edge."""
        top, left = np.divmod(items, self._cols)
        corners = np.stack([left, top, left + 1, top + 1], axis=1) * self._edge
        edges = np.array([*self._grid.shape[::-1]] * 2)
        return np.asarray(np.minimum(corners, edges), np.float64)


@dataclass(frozen=True)
class _Cuts:
    """Where the patches part the places of a core along one axis."""

    starts: Ints
    """First place of each part."""
    patches: Ints
    """Row or column of patches that each part belongs to."""


def _cuts(start: int, size: int, edge: int) -> _Cuts:
    of = (start + np.arange(size)) // edge
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    return _Cuts(starts, of[starts])


def _reduced(join: np.ufunc, plane: Floats, rows: _Cuts, cols: _Cuts) -> Floats:
    joined = join.reduceat(plane, rows.starts, axis=0)
    return np.asarray(join.reduceat(joined, cols.starts, axis=1))


def _pooled(
    maps: NDArray[np.float32], counts: Ints, rows: _Cuts, cols: _Cuts, pool: Pool
) -> Floats:
    """Sums over the parts of a core, `(parts, channels)`, a channel at a time."""
    return np.stack([_plane(plane, counts, rows, cols, pool).ravel() for plane in maps], axis=1)


def _plane(
    plane: NDArray[np.float32], counts: Ints, rows: _Cuts, cols: _Cuts, pool: Pool
) -> Floats:
    if pool == "max":
        return _reduced(np.maximum, np.where(counts > 0, plane, -np.inf), rows, cols)
    return _reduced(np.add, raised(plane, pool) * counts, rows, cols)
