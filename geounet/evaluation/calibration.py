"""How far a probability can be believed: of the pixels given 0.8, are 80 % buildings?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

BINS = 15
"""Equal steps of probability, as Guo et al. 2017 use."""


@dataclass(frozen=True)
class Reliability:
    """Pixels by what they were given, in equal bins of probability."""

    pixels: NDArray[np.int64]
    """`(bins,)`, how many."""
    given: NDArray[np.float64]
    """`(bins,)`, the sum of their probability."""
    true: NDArray[np.int64]
    """`(bins,)`, how many are true."""

    @property
    def error(self) -> float:
        """Expected calibration error: mean of |share given − share true|, by pixels; 0 of none.

        After Guo, Pleiss, Sun and Weinberger 2017 (arXiv:1706.04599).
        """
        return float(np.abs(self.given - self.true).sum() / max(int(self.pixels.sum()), 1))

    @classmethod
    def together(cls, parts: Sequence[Reliability]) -> Reliability:
        """Return that of all pixels of some."""
        pixels, given, true = (np.sum([getattr(one, name) for one in parts], axis=0)
                               for name in ("pixels", "given", "true"))  # fmt: skip
        return cls(pixels, given, true)


def reliability(
    pairs: Iterable[tuple[NDArray[np.floating], NDArray[np.bool_]]], bins: int = BINS
) -> Reliability:
    """Return what pixels were given beside what they are.

    Args:
        pairs: probability, 0–1, and truth of the pixels that count, of any shape.
        bins: how many steps.
    """
    pixels, true = np.zeros(bins, np.int64), np.zeros(bins, np.int64)
    given = np.zeros(bins)
    for p, truth in pairs:
        at = np.minimum((p * bins).astype(np.intp), bins - 1).ravel()
        pixels += np.bincount(at, minlength=bins)
        given += np.bincount(at, p.ravel(), minlength=bins)
        true += np.bincount(at, truth.ravel(), minlength=bins).astype(np.int64)
    return Reliability(pixels, given, true)
