"""Whole maps of many images as long vectors in a file, and the little that stands for them.

Of n images all distances are held by n − 1 numbers each: the principal scores, which follow
exactly from the n × n matrix of scalar products, however long the vectors are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.embeddings.pool import Core
from geounet.errors import RasterError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.grid import TileGrid
    from geounet.infer import Inferred

    Floats = NDArray[np.float64]

CHUNK = 2**23
"""Values that are multiplied at a time."""


class Flat:
    """Owner of the whole maps of one image, put together from its tiles; 0 where it has no data."""

    def __init__(self, grid: TileGrid, layers: Sequence[str]) -> None:
        """Start with nothing.

        Args:
            grid: of the tiles that will come.
            layers: whose maps are wanted.
        """
        self._grid, self._layers = grid, layers
        self._maps: dict[str, NDArray[np.float32]] = {}

    def add(self, found: Inferred) -> None:
        """Add what one tile answers for."""
        for layer in self._layers:
            core = Core.of(found, layer, self._grid)
            channels, height, width = core.maps.shape
            if layer not in self._maps:
                rows, cols = (-(-size // core.stride) for size in self._grid.shape)
                self._maps[layer] = np.zeros((channels, rows, cols), np.float32)
            at = slice(core.row, core.row + height), slice(core.col, core.col + width)
            self._maps[layer][:, *at] = core.maps

    def vector(self) -> NDArray[np.float32]:
        """Return all values: layer by layer, channel by channel, row by row; none without data."""
        parts = [each.ravel() for each in self._maps.values()]
        return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, np.float32)])


class FlatFile:
    """Owner of a `.npy` file in the making: one vector a row, written as they come."""

    def __init__(self, path: Path, count: int) -> None:
        """Begin the file.

        Args:
            path: where to; the caller stages it.
            count: of the vectors that will come.
        """
        self._file, self._count, self._width = path.open("wb"), count, 0

    def add(self, vector: NDArray[np.float32], image: str) -> None:
        """Append a vector.

        Raises:
            RasterError: the image holds no data, or its maps are of another size.
        """
        if not len(vector):
            raise RasterError(f"{image}: holds no data, so it has no map; leave it out")
        if not self._width:
            self._width = len(vector)
            head = {"descr": "<f4", "fortran_order": False, "shape": (self._count, self._width)}
            np.lib.format.write_array_header_1_0(self._file, head)
        if len(vector) != self._width:
            raise RasterError(
                f"{image}: its maps have {len(vector):,} values, those before {self._width:,}; "
                "whole maps want images of one size, others --pool mean"
            )
        self._file.write(vector.astype("<f4", copy=False).tobytes())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def gram(flat: Path | NDArray[np.float32]) -> Floats:
    """Return the scalar products of all pairs of vectors, their mean taken off: `(n, n)` float64.

    Columns are read some at a time, so memory does not grow with the file.

    Args:
        flat: `(n, d)` vectors, or the `.npy` file that holds them.
    """
    count, width = _mapped(flat).shape
    products = np.zeros((count, count))
    step = max(CHUNK // count, 1)
    for start in range(0, width, step):
        # mapped anew each time: what was read does not stay with the process
        part = _mapped(flat)[:, start : start + step].astype(np.float64)
        part -= part.mean(axis=0)
        products += part @ part.T
    return products


def pca_from_gram(products: Floats) -> tuple[Floats, Floats]:
    """Return the principal scores of n vectors and the variance along each, the largest first.

    Args:
        products: `(n, n)`, of `gram`.

    Returns:
        `(n, n − 1)` scores, whose distances are those of the vectors, each axis turned so that
        its largest value is positive, and `(n − 1,)` variances.
    """
    values, axes = np.linalg.eigh(products)
    values, axes = np.maximum(values[:0:-1], 0), axes[:, :0:-1]
    scores = axes * np.sqrt(values)
    largest = np.take_along_axis(scores, np.abs(scores).argmax(axis=0)[None], axis=0)
    return scores * np.where(largest < 0, -1.0, 1.0), values / (len(products) - 1)


def _mapped(flat: Path | NDArray[np.float32]) -> NDArray[np.float32]:
    return flat if isinstance(flat, np.ndarray) else np.load(flat, mmap_mode="r")
