"""Probability ↔ the uint8 steps that mask, polygons and confidence are all made from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NODATA = 255
"""Value of q, and of a label, where the raster has no data."""

STEPS = 254
"""q = STEPS means probability 1."""

NUDGE = 2.0**-10
"""Lifts k/254, rounded to float32, back onto step k; far below half a step."""

ROUNDING = 1e-9
"""What 254·(k/254) may exceed k by in float64, amply."""


def quantise(
    probability: NDArray[np.float32], out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Return q = floor(254·p + 2⁻¹⁰), clipped to 0-254, of the same shape.

    Args:
        probability: float32 of any shape, 0-1; not a number becomes 0.
        out: where q is put; a new array when None.
    """
    scaled = probability * np.float32(STEPS)
    scaled += np.float32(NUDGE)
    np.fmax(scaled, np.float32(0), out=scaled)  # unlike maximum, fmax takes 0 over not-a-number
    np.fmin(scaled, np.float32(STEPS), out=scaled)
    if out is None:
        return scaled.astype(np.uint8)
    np.copyto(out, scaled, casting="unsafe")
    return out


def level(threshold: float) -> int:
    """Return the smallest q that is foreground, ceil(254·threshold): k for a threshold of k/254."""
    return math.ceil(STEPS * threshold - ROUNDING)


def classify(q: NDArray[np.uint8], level: int) -> NDArray[np.uint8]:
    """Return the label of every pixel.

    Args:
        q: `(classes, height, width)`, uint8 0-254, 255 = nodata.
        level: smallest q that is foreground.

    Returns:
        `(height, width)` uint8: 0 background, c + 1 where class c is the largest (the first of
        equals) and reaches `level`, 255 where any class has no data.
    """
    largest: NDArray[np.uint8] = q[0] if len(q) == 1 else q.max(axis=0)
    if len(q) == 1:
        labels = (largest >= level).view(np.uint8)
    else:
        labels = ((q.argmax(axis=0) + 1) * (largest >= level)).astype(np.uint8)
    labels[largest == NODATA] = NODATA
    return labels
