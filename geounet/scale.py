"""Which raw values are black and white in a raster, from a few windows of it."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from rasterio.windows import Window

from geounet.errors import RasterError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geounet.reader import RasterInfo, Reader

SAMPLES, SAMPLE_EDGE = 12, 128
"""Windows each way that are looked at first, and their edge in pixels."""


def suggest_scale(reader: Reader) -> tuple[float, float]:
    """Return the 2nd and 98th percentile of valid pixels, from windows spread evenly.

    Rounded to what their distance is worth, so that their text says the same.

    Raises:
        RasterError: none of the sampled pixels is valid.
    """
    for count in (SAMPLES, 4 * SAMPLES):
        windows = list(_spread(reader.info.shape, count))
        pixels = [
            patch.data[:, patch.valid].ravel()
            for patch in map(reader.read, windows)
            if patch.valid.any()
        ]
        if pixels:
            low, high = map(float, np.percentile(np.concatenate(pixels), (2, 98)))
            high = high if high > low else low + 1
            digits = 3 - math.floor(math.log10(min(high - low, 1e300)))
            return round(low, digits), round(high, digits)
    raise RasterError(
        f"{reader.info.path}: no valid pixel found ({len(windows)} windows looked at); "
        f"if there are some, say what is black and white, such as --scale 0,{_white(reader.info)}"
    )


def _white(info: RasterInfo) -> int:
    return int(np.iinfo(info.dtype).max) if info.dtype.kind in "iu" else 1


def _spread(shape: tuple[int, int], count: int) -> Iterator[Window]:
    """Yield up to count by count windows in an even grid, the whole of a small raster."""
    spans = []
    for size in shape:
        edges = np.linspace(0, size, min(count, -(-size // SAMPLE_EDGE)) + 1).astype(int)
        starts = [max(0, (a + b - SAMPLE_EDGE) // 2) for a, b in pairwise(edges)]
        spans.append([(at, min(SAMPLE_EDGE, size - at)) for at in starts])
    for row, height in spans[0]:
        for col, width in spans[1]:
            yield Window(col, row, width, height)
