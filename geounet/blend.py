"""How overlapping tiles share a pixel: weights along one axis of a tile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from geounet.errors import OptionError

Profile = NDArray[np.float32]
Weights = Callable[[int], Profile]


def hann(size: int) -> Profile:
    """Return the Hann window sampled at pixel centres, so above zero at both ends."""
    centres = (np.arange(size) + 0.5) / size
    return np.asarray(np.sin(np.pi * centres) ** 2, dtype=np.float32)


def gaussian(size: int) -> Profile:
    """Return a Gaussian with a standard deviation of an eighth of the tile.

    The width that nnU-Net uses (Isensee et al. 2021, doi:10.1038/s41592-020-01008-z).
    """
    z = (np.arange(size) + 0.5 - size / 2) / (size / 8)
    return np.asarray(np.exp(-0.5 * z**2), dtype=np.float32)


def average(size: int) -> Profile:
    """Return equal weights."""
    return np.ones(size, np.float32)


BLENDS: dict[str, Weights | None] = {
    "crop": None,
    "hann": hann,
    "gaussian": gaussian,
    "average": average,
}
"""Profile along one axis of a tile; None keeps the core alone."""


def weights_of(blend: str) -> Weights | None:
    """Return the weights of a blend by name.

    Raises:
        OptionError: when there is none of that name.
    """
    if blend not in BLENDS:
        raise OptionError(f"unknown blend {blend!r}; known: {', '.join(BLENDS)}")
    return BLENDS[blend]


@dataclass(frozen=True)
class Piece:
    """Neighbouring positions along one axis that one tile gives to one cell."""

    into: slice
    """Where they lie in the cell."""
    of: slice
    """Where they lie in the tile."""
    share: Profile | None
    """What the tile counts there among all that touch the position; None: it is the only one."""
    fresh: bool
    """No tile before this one touches them."""


@dataclass(frozen=True)
class Axis:
    """The tiles along one axis of a grid, and what each gives to a span of pixels."""

    count: int
    """Tiles."""
    stride: int
    """From one tile to the next."""
    halo: int
    """By how much a tile reaches over its stride, on either side."""
    extent: int
    """Pixels of the raster."""
    weights: Weights
    """Of one tile."""
    first: int = 0
    """The tile that comes first; those before it never come."""
    _found: dict[tuple[int, int, int], list[Piece]] = field(default_factory=dict, repr=False)

    def pieces(self, index: int, begin: int, end: int) -> list[Piece]:
        """Return what a tile gives to the pixels `begin … end`, which lie inside the raster."""
        key = index, begin, end
        if key not in self._found:
            self._found[key] = self._pieces(*key)
        return self._found[key]

    def _pieces(self, index: int, begin: int, end: int) -> list[Piece]:
        """Cut where the tile before ends and the one after begins."""
        start = index * self.stride - self.halo
        stop = start + self.stride + 2 * self.halo
        inside = range(max(start, begin), min(stop, end))
        cuts = {at for at in (stop - self.stride, start + self.stride) if at in inside}
        ends = sorted({*cuts, inside.start, inside.stop}) if inside else []
        found = []
        for low, high in pairwise(ends):
            into, of = slice(low - begin, high - begin), slice(low - start, high - start)
            share = self._profile[of] / self._totals[low:high]
            fresh = index == self.first or low >= stop - self.stride
            found.append(Piece(into, of, None if (share == 1).all() else share, fresh))
        return found

    @cached_property
    def _profile(self) -> Profile:
        return self.weights(self.stride + 2 * self.halo)

    @cached_property
    def _totals(self) -> Profile:
        """Sum of all tiles' weights at each pixel."""
        totals = np.zeros(self.extent, np.float32)
        for at in range(self.count):
            start = at * self.stride - self.halo
            low, high = max(start, 0), min(start + len(self._profile), self.extent)
            totals[low:high] += self._profile[low - start : high - start]
        return totals
