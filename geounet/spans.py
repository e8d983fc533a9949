"""What is black and white in a scene: one statistic of all its pixels, from a first pass."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.windows import Window

from geounet.backends.combine import Ensemble
from geounet.card import FIXED
from geounet.errors import RasterError
from geounet.model import OnnxModel, Segmenter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geounet.backends import Model
    from geounet.reader import RasterInfo, Reader

BUDGET = 2**22
"""Pixels read at a time."""


@dataclass
class Statistic:
    """Of all valid pixels and bands of a scene, however it is cut into parts."""

    low: float = math.inf
    """The smallest value."""
    high: float = -math.inf
    """The largest."""
    squares: float = 0.0
    """Sum of the squares."""
    count: int = 0
    """Values."""

    def add(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> None:
        """Take in a part.

        Args:
            pixels: `(bands, height, width)`.
            valid: `(height, width)`, True = data.
        """
        values = pixels[:, valid]
        if values.size:
            self.low = min(self.low, float(values.min()))
            self.high = max(self.high, float(values.max()))
            self.squares += float(np.square(values, dtype=np.float64).sum())
            self.count += values.size

    def merge(self, other: Statistic) -> None:
        """Take in another part's statistic."""
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        self.squares += other.squares
        self.count += other.count

    def span(self, scaling: str) -> tuple[float, float]:
        """Return the raw values that become 0 and 1; a scene of one value becomes 0.

        Args:
            scaling: `max`: 0 and the largest; `minmax`: the smallest and the largest; `l2`: 0
                and the root of the mean square, which is the Euclidean norm of a scene of any size.
        """
        root = math.sqrt(self.squares / max(self.count, 1))
        low = self.low if scaling == "minmax" else 0.0
        high = root if scaling == "l2" else self.high
        return low, high if high > low else low + 1


def scene_statistic(reader: Reader) -> Statistic:
    """Return the statistic of a raster of any size, read in strips.

    Raises:
        RasterError: no pixel is valid, or the file is damaged.
    """
    statistic = Statistic()
    for window in _windows(reader.info):
        if reader.holds_data(window):
            patch = reader.read(window)
            statistic.add(patch.data, patch.valid)
    if not statistic.count:
        raise RasterError(
            f"{reader.info.path}: no valid pixel found, so there is no black and white; "
            "check its nodata marker"
        )
    return statistic


def by_scene(model: Model) -> bool:
    """Return whether a model, or one of several, scales each scene by its own statistic."""
    return any(part.card.scaling != FIXED for part in _parts(model))


def at_scene(model: Model, reader: Reader) -> Model:
    """Return a model with the scene's own black and white, where its card asks for them.

    Raises:
        RasterError: no pixel is valid, or the file is damaged.
    """
    statistic = scene_statistic(reader)
    parts = tuple(_spanned(part, statistic) for part in _parts(model))
    return replace(model, models=parts) if isinstance(model, Ensemble) else parts[0]


def _parts(model: Model) -> tuple[Segmenter | OnnxModel, ...]:
    """The models of one; a step that was handed in scales pixels itself."""
    several = model.models if isinstance(model, Ensemble) else (model,)
    return tuple(part for part in several if isinstance(part, Segmenter | OnnxModel))


def _spanned(part: Segmenter | OnnxModel, statistic: Statistic) -> Segmenter | OnnxModel:
    scaling = part.card.scaling
    return part if scaling == FIXED else part.with_card(input_range=statistic.span(scaling))


def _windows(info: RasterInfo) -> Iterator[Window]:
    """Strips of whole blocks: a block of a tiled file is decoded once."""
    high, wide = info.block_shape
    rows = max(1, BUDGET // (high * info.width)) * high
    cols = info.width
    if rows * cols > 2 * BUDGET:  # a very wide raster
        cols = max(1, BUDGET // (rows * wide)) * wide
    for row in range(0, info.height, rows):
        for col in range(0, info.width, cols):
            yield Window(col, row, min(cols, info.width - col), min(rows, info.height - row))
