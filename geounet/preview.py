"""A small picture of a raster of any size: read once, window by window, averaged down."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from rasterio.io import MemoryFile
from rasterio.windows import Window

from geounet.gdal import quiet, writing
from geounet.reader import Patch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geounet.reader import RasterInfo, Reader

_BUDGET = 2**22
"""Source pixels read at a time."""

_SAMPLES = 4
"""Samples along each axis of a preview pixel; more of them are not looked at."""

_RGB = 3


@dataclass(frozen=True)
class Preview:
    """A picture of a whole raster, made small."""

    pixels: NDArray[np.uint8]
    """`(height, width, 3)` red, green, blue; 0 where there is no data."""
    valid: NDArray[np.bool_]
    """`(height, width)`, True = at least half of the pixel has data."""
    scale: float
    """Pixels of the raster per pixel of the picture, at least 1."""
    stretch: tuple[float, float] | None = None
    """Raw values that are shown black and white; None = as they are."""

    def jpeg(self, quality: int = 80) -> bytes:
        """Return the picture as a JPEG; parts without data are filled with its mean colour."""
        mean = self.pixels[self.valid].mean(axis=0) if self.valid.any() else np.zeros(_RGB)
        filled = np.where(self.valid[..., None], self.pixels, mean.round().astype(np.uint8))
        return picture(filled, "JPEG", quality=quality)

    def mask_png(self) -> bytes:
        """Return the valid mask as a PNG of black pixels, transparent where there is no data."""
        alpha = np.where(self.valid, np.uint8(255), np.uint8(0))
        return picture(np.stack([np.zeros_like(alpha), alpha], axis=-1), "PNG", zlevel=9)


@dataclass(frozen=True)
class Part:
    """A window of a reader, read like a raster of its own."""

    whole: Reader
    window: Window

    @property
    def info(self) -> RasterInfo:
        """That of the whole, with the window's size."""
        height, width = int(self.window.height), int(self.window.width)
        return replace(self.whole.info, height=height, width=width, block_shape=(height, width))

    def read(self, window: Window, into: Patch | None = None) -> Patch:
        """Return pixels by their place in the window."""
        patch = self.whole.read(self._in_whole(window), into)
        return Patch(patch.data, patch.valid, window)

    def holds_data(self, window: Window) -> bool:
        """Return what the whole knows of that place."""
        return self.whole.holds_data(self._in_whole(window))

    def _in_whole(self, window: Window) -> Window:
        col, row = self.window.col_off + window.col_off, self.window.row_off + window.row_off
        return Window(col, row, window.width, window.height)

    def close(self) -> None:
        """Leave the whole open."""


def preview(
    reader: Reader, longest: int = 1600, stretch: tuple[float, float] | None = None
) -> Preview:
    """Return a picture of a raster, no edge longer than `longest`; memory does not grow with it.

    The first three bands are red, green and blue; of one or two the first is shown grey. Pixels
    other than uint8 are stretched between the 2nd and the 98th percentile of the picture.

    Args:
        reader: of the raster; never read outside, each pixel once.
        longest: longest edge of the picture in pixels; a smaller raster keeps its size.
        stretch: values to show black and white instead, such as those of another picture.
    """
    info = reader.info
    scale = max(1.0, max(info.shape) / longest)
    shape = math.ceil(info.height / scale - 1e-9), math.ceil(info.width / scale - 1e-9)
    count = _RGB if info.count >= _RGB else 1
    sums = np.zeros((count + 1, *shape), np.float64 if info.dtype.itemsize > 4 else np.float32)  # noqa: PLR2004
    thin = max(1, int(scale // _SAMPLES))
    for window in windows_of(info):
        _add(sums, reader.read(window), scale / thin, thin)
    weight = sums[-1]
    whole = np.multiply.outer(
        *(_covered(*axis, scale) for axis in zip(info.shape, shape, strict=True))
    )
    valid = weight * thin**2 >= whole / 2
    means = sums[:-1] / np.where(weight > 0, weight, 1)
    if stretch is None and info.dtype != np.uint8:
        stretch = _percentiles(means, valid)
    if stretch is not None:
        means = (means - stretch[0]) * (255 / (stretch[1] - stretch[0]))
    shown = np.where(valid, np.clip(means + 0.5, 0, 255), 0).astype(np.uint8)
    pixels = np.broadcast_to(shown, (_RGB, *shape)).transpose(1, 2, 0)
    return Preview(np.ascontiguousarray(pixels), valid, scale, stretch)


def windows_of(info: RasterInfo) -> Iterator[Window]:
    """Yield windows that partition the raster along the file's own blocks."""
    tall, wide = info.block_shape
    edge = math.isqrt(_BUDGET)
    width = info.width if wide >= info.width else max(edge // wide, 1) * wide
    width = min(width, info.width, _BUDGET)
    rows = max(_BUDGET // width, 1)
    height = max(rows // tall, 1) * tall if tall <= rows else rows
    for row in range(0, info.height, height):
        for col in range(0, info.width, width):
            yield Window(col, row, min(width, info.width - col), min(height, info.height - row))


def _add(sums: NDArray[Any], patch: Patch, scale: float, thin: int) -> None:
    """Add a window's samples to the sums of the pixels they fall in; the last plane counts them."""
    starts = patch.window.row_off, patch.window.col_off
    first = [-(-start // thin) for start in starts]
    picked = tuple(
        slice(at * thin - start, None, thin) for at, start in zip(first, starts, strict=True)
    )
    valid = patch.valid[picked]
    if not valid.any():
        return
    bands = patch.data[: len(sums) - 1, picked[0], picked[1]]
    planes = np.concatenate([np.where(valid, bands, 0), valid[None].astype(bands.dtype)])
    planes, rows = _gathered(planes.swapaxes(1, 2), first[0], scale, sums.dtype)
    planes, cols = _gathered(planes.swapaxes(1, 2), first[1], scale, sums.dtype)
    part = sums[:, rows, cols]  # the last sample may stand for more than is left of the raster
    part += planes[:, : part.shape[1], : part.shape[2]]


def _gathered(
    planes: NDArray[Any], first: int, scale: float, kind: np.dtype[Any]
) -> tuple[NDArray[Any], slice]:
    """Sum samples into the pixels they overlap along the last axis; return which pixels."""
    size = planes.shape[-1]
    into = slice(int(first / scale + 1e-9), math.ceil((first + size) / scale - 1e-9))
    edges = np.clip(np.arange(into.start, into.stop + 1) * scale - first, 0, size)
    gathered = np.empty((*planes.shape[:-1], into.stop - into.start), kind)
    for at, (low, high) in enumerate(pairwise(edges.tolist())):
        samples = np.arange(math.floor(low), math.ceil(high))
        share = np.minimum(samples + 1, high) - np.maximum(samples, low)
        part = planes[..., samples[0] : samples[-1] + 1]
        gathered[..., at] = part.astype(kind) @ share.astype(kind)
    return gathered, into


def _covered(size: int, count: int, scale: float) -> NDArray[np.float64]:
    """Return how many pixels of the raster each pixel of the picture covers along an axis."""
    return np.diff(np.minimum(np.arange(count + 1) * scale, size))


def _percentiles(means: NDArray[Any], valid: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the 2nd and 98th percentile of all bands together."""
    low, high = np.percentile(means[:, valid], (2, 98)) if valid.any() else (0, 1)
    return float(low), float(high if high > low else low + 1)


def picture(pixels: NDArray[np.uint8], driver: str, **options: int) -> bytes:
    """Return `(height, width, bands)` as a file of a driver."""
    height, width, count = pixels.shape
    profile = {"driver": driver, "height": height, "width": width, "count": count, "dtype": "uint8"}
    with writing(Path(driver)), quiet(), MemoryFile() as memory:
        with memory.open(**profile, **options) as target:
            target.write(pixels.transpose(2, 0, 1))
        return bytes(memory.read())
