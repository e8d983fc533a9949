"""Boundary IoU: how well the rims of two masks agree (Cheng et al. 2021, arXiv:2103.16562)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import minimum_filter1d

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


def rim(mask: Mask, distance: int) -> Mask:
    """Return the pixels of a mask that lie within a distance of what is not in it.

    The distance counts diagonal steps as one. Outside the array nothing is set.

    Args:
        mask: `(height, width)`.
        distance: pixels, at least 1.
    """
    inner = mask.view(np.uint8)
    for axis in (0, 1):
        inner = minimum_filter1d(inner, 2 * distance + 1, axis=axis, mode="constant", cval=0)
    return np.asarray(mask & (inner == 0))


def rim_counts(predicted: Mask, truth: Mask, valid: Mask, distance: int) -> NDArray[np.int64]:
    """Return how many pixels lie in both rims, and in either.

    Args:
        predicted: `(height, width)`.
        truth: of the same shape.
        valid: True = the pixel counts.
        distance: how far a rim reaches.
    """
    ours, theirs = (rim(mask, distance) & valid for mask in (predicted, truth))
    return np.array([np.count_nonzero(ours & theirs), np.count_nonzero(ours | theirs)])
