"""The pixels of one blob → the pixels of its buildings: a watershed on how sure and deep they are.

A pixel belongs to the peak that the steepest way up leads to. Two neighbours part where the pass
between them is low beside the lower of their peaks; all that depends on the blob alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from geounet.quantise import STEPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

SURENESS = 8
"""Power of the probability that the depth is multiplied with: walls show in the probability."""

SIGMA = 1.0
"""Standard deviation of the smoothing, pixels: it takes away peaks that are none."""

PASS = 0.7
"""Share of the lower of two peaks below which the pass between them parts two buildings."""


def basins(mask: Flags, q: NDArray[np.uint8], pixel: tuple[float, float], least: float) -> Ints:
    """Return the part that each pixel belongs to, counted from 1; 0 outside the blob.

    Args:
        mask: `(height, width)` True = the blob; not at the window's edge.
        q: `(height, width)` its quantised probability.
        pixel: height and width of a pixel in units of the ground.
        least: pixels of the smallest part.
    """
    depth = ndimage.distance_transform_edt(mask, sampling=pixel)
    sure = np.where(mask, q, 0) / STEPS
    surface = ndimage.gaussian_filter(depth * sure**SURENESS, SIGMA, mode="constant")
    spots = np.flatnonzero(mask)
    peak = _uphill(surface, mask)[spots]
    peaks, part = np.unique(peak, return_inverse=True)
    labels = np.zeros(mask.shape, np.int64)
    labels.ravel()[spots] = part + 1
    merged = _merged(labels, surface, surface.ravel()[peaks], least)
    labels.ravel()[spots] = np.unique(merged[part], return_inverse=True)[1] + 1
    return labels


def _uphill(surface: Floats, mask: Flags) -> Ints:
    """Return the peak, as a flat index, that the steepest way from each pixel leads to."""
    width = surface.shape[1]
    flat, inside = surface.ravel(), np.flatnonzero(mask)
    to, height = np.arange(flat.size), flat[inside].copy()
    level = np.where(mask.ravel(), flat, -1.0)
    for step in (-width, -1, 1, width):
        higher = level[inside + step] > height
        to[inside[higher]] = inside[higher] + step
        height[higher] = level[inside + step][higher]
    while not np.array_equal(further := to[to], to):
        to = further
    return to


def _merged(labels: Ints, surface: Floats, peaks: Floats, least: float) -> Ints:
    """Return the part that each basin ends up in: the highest pass first, as water rises."""
    one, other, height = _passes(labels, surface)
    root = np.arange(len(peaks))
    peak, size = peaks.copy(), np.bincount(labels.ravel(), minlength=len(peaks) + 1)[1:]
    for at in np.lexsort((other, one, -height)):
        low, high = sorted((_root(root, one[at]), _root(root, other[at])), key=lambda r: peak[r])
        open_ = height[at] > PASS * peak[low]
        if low != high and (open_ or min(size[low], size[high]) < least):
            root[low] = high
            size[high] += size[low]
    return np.array([_root(root, at) for at in range(len(root))], np.int64)


def _root(root: Ints, at: int) -> int:
    while root[at] != at:
        root[at] = root[root[at]]
        at = int(root[at])
    return at


def _passes(labels: Ints, surface: Floats) -> tuple[Ints, Ints, Floats]:
    """Return pairs of basins that touch, and the height of the pass between them."""
    ends, heights = [], []
    for axis in (0, 1):
        one, other = (np.take(labels, _but(labels.shape[axis], at), axis) for at in (-1, 0))
        low, high = (np.take(surface, _but(labels.shape[axis], at), axis) for at in (-1, 0))
        meet = (one != other) & (one > 0) & (other > 0)
        ends.append(np.sort(np.stack([one[meet], other[meet]]), axis=0) - 1)
        heights.append(np.minimum(low[meet], high[meet]))
    pairs, pair = np.unique(np.concatenate(ends, axis=1), axis=1, return_inverse=True)
    top = np.zeros(pairs.shape[1])
    np.maximum.at(top, pair.ravel(), np.concatenate(heights))
    return pairs[0], pairs[1], top


def _but(size: int, end: int) -> Ints:
    """Return all indices but the last (-1) or the first (0)."""
    return np.arange(size - 1) if end else np.arange(1, size)
