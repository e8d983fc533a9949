"""What a baseline knows of the whole scene: its range of values, and where they part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window

from geounet.preview import windows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from geounet.reader import Patch, Reader

    Feature = Callable[[NDArray[np.float32], NDArray[np.bool_]], NDArray[np.float32]]

BYTE_LEVELS, LEVELS = 256, 4096
"""Steps of a histogram over 8-bit pixels, and over others."""


@dataclass(frozen=True)
class Scale:
    """Raw values to 0–1."""

    low: float
    """Raw value that is 0."""
    high: float
    """Raw value that is 1."""
    levels: int
    """Steps between them that are told apart."""

    def grey(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Return the mean of the bands `(bands, h, w)`, scaled."""
        raw = np.clip(pixels.astype(np.float32), np.float32(self.low), np.float32(self.high))
        grey: NDArray[np.float32] = raw.mean(axis=0, dtype=np.float32)
        grey -= np.float32(self.low)
        grey *= np.float32(1 / (self.high - self.low))
        return grey


@dataclass(frozen=True)
class Parting:
    """Where the values of a scene part into two kinds, and the mean of each."""

    threshold: float
    """From here on a value is of the upper kind."""
    below: float
    """Mean of the lower kind."""
    above: float
    """Mean of the upper kind."""


def scale_of(reader: Reader) -> Scale:
    """Return the scale of a scene: 0–255 for bytes, else from the least to the largest value."""
    if reader.info.dtype == np.uint8:
        return Scale(0.0, 255.0, BYTE_LEVELS)
    low, high = np.inf, -np.inf
    for window in windows_of(reader.info):
        patch = reader.read(window)
        values = patch.data[:, patch.valid]
        values = values[np.isfinite(values)]
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    return Scale(low, high, LEVELS) if low < high else Scale(0.0, 1.0, LEVELS)


def histogram(reader: Reader, scale: Scale, feature: Feature, reach: int) -> NDArray[np.int64]:
    """Return how often a feature of the scene takes each level between 0 and 1.

    Args:
        reader: of the scene; each pixel with data counts once.
        scale: of the scene.
        feature: from grey `(h, w)` and its valid mask to a map of values from 0 to 1.
        reach: how far around a pixel the feature looks.
    """
    counts = np.zeros(scale.levels, np.int64)
    for patch, inner in _patches(reader, reach):
        values = feature(scale.grey(patch.data), patch.valid)[inner][patch.valid[inner]]
        steps = np.clip(np.rint(values * (scale.levels - 1)), 0, scale.levels - 1)
        counts += np.bincount(steps.astype(np.int64), minlength=scale.levels)
    return counts


def part(counts: NDArray[np.int64]) -> Parting | None:
    """Return where a histogram parts best; None when it has one value or none.

    The threshold lies between two levels and makes the variance between the kinds largest
    (Otsu 1979).
    """
    value = np.linspace(0, 1, len(counts))
    below, above = np.cumsum(counts)[:-1], np.cumsum(counts[::-1])[-2::-1]
    sums = np.cumsum(counts * value)
    both = (below > 0) & (above > 0)
    if not both.any():
        return None
    lower = sums[:-1] / np.maximum(below, 1)
    upper = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    variance = np.where(both, below.astype(float) * above * (upper - lower) ** 2, -1)
    at = int(variance.argmax())
    return Parting((at + 0.5) / (len(counts) - 1), float(lower[at]), float(upper[at]))


def _patches(reader: Reader, reach: int) -> Iterator[tuple[Patch, tuple[slice, slice]]]:
    """The scene window by window, each with context where there is some, and where it lies."""
    height, width = reader.info.shape
    for core in windows_of(reader.info):
        top, left = max(int(core.row_off) - reach, 0), max(int(core.col_off) - reach, 0)
        bottom = min(int(core.row_off + core.height) + reach, height)
        right = min(int(core.col_off + core.width) + reach, width)
        rows = slice(int(core.row_off) - top, int(core.row_off + core.height) - top)
        cols = slice(int(core.col_off) - left, int(core.col_off + core.width) - left)
        yield reader.read(Window(left, top, right - left, bottom - top)), (rows, cols)
