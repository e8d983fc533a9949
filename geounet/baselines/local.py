"""What is near a pixel: a smooth grey, its gradient, and what is small enough to be whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRUNCATE = 3.0
"""The Gaussian ends after so many standard deviations."""
WATER = (*np.geomspace(0.002, 0.5, 24).tolist(), np.inf)
"""Levels of the flood: steepness as a share of the scene's range, a pixel."""


def smooth(
    grey: NDArray[np.float32], valid: NDArray[np.bool_], sigma: float
) -> NDArray[np.float32]:
    """Return the Gaussian mean of the pixels with data, 0 where there are none around."""
    seen = valid.astype(np.float32)
    total = ndimage.gaussian_filter(np.where(valid, grey, np.float32(0)), sigma, truncate=TRUNCATE)
    weight = ndimage.gaussian_filter(seen, sigma, truncate=TRUNCATE)
    mean: NDArray[np.float32] = np.divide(total, weight, np.zeros_like(total), where=weight > 0)
    return mean


def smooth_reach(sigma: float) -> int:
    """Return how far `smooth` looks."""
    return int(TRUNCATE * sigma + 0.5)


def slopes(smoothed: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the change a pixel down and to the right (Sobel and Feldman 1968)."""
    down, right = (ndimage.sobel(smoothed, axis) / np.float32(8) for axis in (0, 1))
    return down, right


def small(mask: NDArray[np.bool_], largest: int) -> NDArray[np.bool_]:
    """Return the 4-connected parts of a mask that fit into a square.

    Whether a pixel belongs to one is known from the pixels at most `largest` around it: a part
    that goes on beyond them is too large.

    Args:
        mask: `(h, w)`.
        largest: edge of the square.
    """
    labels, count = ndimage.label(mask)
    fits = np.zeros(count + 1, bool)
    for at, box in enumerate(ndimage.find_objects(labels)):
        fits[at + 1] = max(side.stop - side.start for side in box) <= largest
    kept: NDArray[np.bool_] = fits[labels]
    return kept


def flooded(
    steep: NDArray[np.float32],
    between: NDArray[np.bool_],
    dark: NDArray[np.bool_],
    bright: NDArray[np.bool_],
    sure: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    """Return the pixels between markers that bright water reaches before dark water does.

    Water rises over the steepness; a pixel belongs to the markers from which the highest point of
    the way is lowest. This depends on its own part of `between` alone, in no order of work.

    Args:
        steep: the relief, `(h, w)`.
        between: what may be flooded.
        dark: markers.
        bright: markers.
        sure: True where the water is bright when both come at one level.
    """
    shores = [between & ndimage.binary_dilation(marker) for marker in (dark, bright)]
    left, won = between.copy(), np.zeros(between.shape, bool)
    for level in WATER:
        labels, count = ndimage.label(between & (steep <= level))
        by_dark, by_bright = (_touching(labels, count, shore)[labels] for shore in shores)
        reached = left & (by_dark | by_bright)
        won |= reached & by_bright & (sure | ~by_dark)
        left &= ~reached
    return won


def _touching(labels: NDArray[Any], count: int, shore: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """By label, whether a part lies at a shore."""
    touches = np.zeros(count + 1, bool)
    touches[labels[shore]] = True
    touches[0] = False
    return touches
