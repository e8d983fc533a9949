"""Sums of many items on disk: added to in any order, read back in theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.embeddings.pool import finished
from geounet.errors import ModelError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.embeddings.pool import Pool

    Floats = NDArray[np.float64]
    Items = NDArray[np.int64]


class Store:
    """Owner of a file with a row of float64 sums for each item, and of the items' weights.

    What nobody added to is a hole in the file. The file is mapped while it is touched and not
    longer, so that it never counts as memory of the process.
    """

    def __init__(self, path: Path, count: int, pool: Pool) -> None:
        """Name the file; it is made by the first `add`, which knows how long a vector is."""
        self._path, self._pool, self._width = path, pool, 0
        self.weights = np.zeros(count)

    def add(self, items: Items, sums: Floats, weights: Floats) -> None:
        """Add to some items.

        Args:
            items: `(n,)` numbers, each once.
            sums: `(n, channels)`; the largest values where that is what is wanted.
            weights: `(n,)`, above 0.

        Raises:
            ModelError: a value is not finite.
        """
        if not np.isfinite(sums).all():
            raise ModelError(
                "the network gave an embedding that is not finite; try --precision fp32, and look "
                "for values that are far out of range (an undeclared nodata)"
            )
        if not self._width:
            self._width = sums.shape[1]
            with self._path.open("wb") as file:
                file.truncate(len(self.weights) * self._width * 8)
        rows, new = self._rows(), self.weights[items][:, None] == 0
        join = np.maximum if self._pool == "max" else np.add
        rows[items] = np.where(new, sums, join(rows[items], sums))
        self.weights[items] += weights

    def seen(self) -> Items:
        """Return the items that were added to, in order."""
        return np.flatnonzero(self.weights)

    def vectors(self, items: Items) -> NDArray[np.float32]:
        """Return `(n, channels)` vectors of some items; not a number where nothing was added."""
        if not self._width:
            return np.empty((len(items), 0), np.float32)
        return finished(self._rows()[items], self.weights[items], self._pool)

    def _rows(self) -> np.memmap[tuple[int, int], np.dtype[np.float64]]:
        return np.memmap(self._path, np.float64, "r+", shape=(len(self.weights), self._width))
