"""Marks of damage that a network for whole roofs overlooks, as further maps of its step.

Rubble has no straight edges: around each pixel the structure tensor tells how much of the local
gradient runs in one direction (Bigün and Granlund 1987), from 0, none, to 1, a straight edge. A
footprint's share of each of `STEPS` grades of it is what `edges` pools to; the brightness and the
contrast of a date do not enter. A tarpaulin, bare battens, a hole are colours beside that of the
roof: `colours` pools to the mean and mean square of two ratios of bands, hence to their spread.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from geounet.backends import Step
    from geounet.card import ModelCard

    Floats = NDArray[np.float32]

EDGES, COLOURS = "edges", "colours"
"""Names of the maps."""

STEPS = 8
"""Grades of straightness."""

_FINE, _AROUND = 0.5, 1.0
"""Widths, in pixels, of the gradient's filter and of the place whose gradients are compared: the
finest that the image holds, where rubble differs most from a roof."""

_DARK = 0.05
"""Added before a logarithm, of white: what is darker is noise."""

_FLAT = 1e-7

_BYTES = 160
"""What the marks of a pixel take while they are made."""

_SIGHT = 4
"""Pixels from which a neighbour hardly enters a grade."""


class MarkedStep:
    """A step whose maps are joined by those of damage; sees no farther than a few pixels."""

    def __init__(self, step: Step, card: ModelCard) -> None:
        """Keep the step, and the card that pixels are understood by; marks take memory, too."""
        self._step = step
        self.card = replace(card, bytes_per_pixel=card.bytes_per_pixel + _BYTES)
        self.device, self.precision, self.backend = step.device, step.precision, step.backend

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return the maps of one batch."""
        low, high = self.card.input_range
        light = np.clip((pixels.astype(np.float32) - low) / (high - low), 0, 1)
        light = np.log(light + np.float32(_DARK))
        made = {
            EDGES: np.stack(
                [edges(each.mean(axis=0), known) for each, known in zip(light, valid, strict=True)]
            ),
            COLOURS: np.stack([colours(each) for each in light]),
        }
        return {**self._step(pixels, valid), **made}


def straightness(light: Floats) -> Floats:
    """Return how much of the gradient around each pixel runs in one direction, 0-1.

    Args:
        light: `(height, width)` logarithm of brightness.
    """
    across, down = (
        ndimage.gaussian_filter(light, _FINE, order=order) for order in ((0, 1), (1, 0))
    )
    xx, yy, xy = (
        ndimage.gaussian_filter(each, _AROUND)
        for each in (across * across, down * down, across * down)
    )
    found: Floats = np.hypot(xx - yy, 2 * xy) / (xx + yy + np.float32(_FLAT))
    return found


def edges(light: Floats, valid: NDArray[np.bool_]) -> Floats:
    """Return `(STEPS, height, width)`: 1 in the plane of each pixel's grade of straightness.

    The straight edge of an image's data is none of the ground: pixels that see it have no grade.
    """
    grade = np.minimum((straightness(light) * STEPS).astype(np.int64), STEPS - 1)
    if not valid.all():
        grade[ndimage.binary_dilation(~valid, iterations=_SIGHT)] = -1
    planes: Floats = (grade == np.arange(STEPS)[:, None, None]).astype(np.float32)
    return planes


def shares(pooled: Floats) -> Floats:
    """Return the share of each grade among an item's pixels that have one, from pooled `edges`."""
    found: Floats = pooled / np.maximum(pooled.sum(axis=1, keepdims=True), np.float32(_FLAT))
    return found


def colours(light: Floats) -> Floats:
    """Return ratios of each band to the first, and their squares, planes of `(height, width)`.

    Of a single band, which has no ratio, brightness itself.
    """
    ratios = light[1:] - light[:1] if len(light) > 1 else light
    return np.concatenate([ratios, ratios * ratios])


def spread(pooled: Floats) -> Floats:
    """Return the spread of each ratio within an item `(n, bands - 1)` from pooled `colours`."""
    mean, square = np.split(pooled, 2, axis=1)
    found: Floats = np.sqrt(np.maximum(square - mean * mean, 0))
    return found
