"""A whole-array mosaic, for those who stitch by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Mosaic:
    """Tiles under a Hann window, or without their outer pixels."""

    def __init__(self, shape: tuple[int, int], tile: int, crop: int) -> None:
        """Make the arrays.

        Args:
            shape: height and width.
            tile: edge of a tile.
            crop: pixels on each side of a tile that are thrown away unless they lie at the edge
                of the whole; 0 blends.
        """
        self._sum, self._crop, self._tile = np.zeros(shape, np.float32), crop, tile
        self._weight = None if crop else np.zeros(shape, np.float32)
        profile = np.sin(np.pi * (np.arange(tile) + 0.5) / tile).astype(np.float32) ** 2
        self._window = np.outer(profile, profile)
        self.how = "crop" if crop else "Hann blend"

    def add(self, p: NDArray[np.float32], row: int, col: int) -> None:
        """Add one tile."""
        place = slice(row, row + self._tile), slice(col, col + self._tile)
        if self._weight is not None:
            self._sum[place] += p * self._window
            self._weight[place] += self._window
            return
        kept = self._kept(row, 0), self._kept(col, 1)
        self._sum[place][kept] = p[kept]

    def merged(self) -> NDArray[np.float32]:
        """Return the mosaic."""
        if self._weight is not None:
            self._sum /= self._weight
        return self._sum

    def _kept(self, start: int, axis: int) -> slice:
        last = start + self._tile >= self._sum.shape[axis]
        return slice(self._crop if start else 0, self._tile - (0 if last else self._crop))
