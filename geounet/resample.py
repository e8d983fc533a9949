"""Read a raster at another ground sample distance; any window equals the slice of the whole.

Separable antialiased resampling: a triangle, widened when pixels grow. Weights belong to an output
row or column of the whole raster, never to a window. They are multiples of a power of two that add
up to exactly 1, so sums of weights are exact, and dividing by them changes nothing where every
pixel is valid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from affine import Affine
from rasterio.windows import Window

from geounet.errors import RasterError
from geounet.reader import empty_patch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geounet.reader import Patch, RasterInfo, Reader

BUDGET = 2**22
"""Source pixels read at a time; more only where a single output pixel needs them."""

_STRIP = 2**17
"""Source samples of the inner loop: what stays in a core's own cache."""

_FINE_BITS, _COARSE_BITS, _MANY_TAPS = 26, 12, 64
"""Weights are multiples of 2⁻¹² in float32, of 2⁻²⁶ in float64, which many taps need."""

_NOISE = 1e-9
"""A scale this near to a whole number is that number."""


@dataclass(frozen=True)
class Axis:
    """How one axis is resampled."""

    size: int
    """Source pixels."""
    scale: float
    """Source pixels per output pixel."""

    @property
    def count(self) -> int:
        """Output pixels; the last may reach beyond the source."""
        return max(1, math.ceil(self.size / self.scale - _NOISE))

    @property
    def taps(self) -> int:
        """Source pixels that may weigh in an output pixel."""
        return math.ceil(2 * max(1.0, self.scale))

    def first(self, outputs: range) -> NDArray[np.intp]:
        """Return the first source pixel of each output; negative ones have no weight."""
        centre = (np.arange(outputs.start, outputs.stop) + 0.5) * self.scale
        first: NDArray[np.intp] = np.floor(centre - max(1.0, self.scale) + 0.5).astype(np.intp)
        return first

    def span(self, outputs: range) -> range:
        """Return the source pixels some outputs need; may overhang the source."""
        first = self.first(range(outputs.stop - 1, outputs.stop))[0]
        return range(int(self.first(outputs[:1])[0]), int(first) + self.taps)

    def weights(self, outputs: range, bits: int) -> NDArray[np.float64]:
        """Return `(outputs, taps)` weights, multiples of 2^-bits that add up to 1."""
        centre = (np.arange(outputs.start, outputs.stop) + 0.5)[:, None] * self.scale
        source = self.first(outputs)[:, None] + np.arange(self.taps)
        distance = source + 0.5 - centre
        raw = np.maximum(0, 1 - np.abs(distance) / max(1.0, self.scale))
        beyond = (source < 0) | (source >= self.size)
        raw = np.where(beyond.any(axis=1, keepdims=True), raw, _balanced(raw, distance))
        raw[beyond] = 0
        raw *= 2**bits / raw.sum(axis=1, keepdims=True)
        units = np.floor(raw)
        short = 2**bits - units.sum(axis=1, keepdims=True)
        order = np.argsort(units - raw, axis=1, kind="stable")
        units += np.argsort(order, axis=1) < short
        weights: NDArray[np.float64] = units / 2**bits
        return weights


@dataclass(frozen=True)
class _Taps:
    """The weights of some outputs of an axis, placed over the source pixels at hand."""

    first: NDArray[np.intp]
    """First source pixel of each output, counted from the pixels at hand."""
    weights: NDArray[Any]
    """`(taps, outputs)`."""

    @classmethod
    def of(cls, axis: Axis, outputs: range, bits: int) -> Self:
        """Return the taps of some outputs over exactly the pixels of their span."""
        kind = np.float32 if bits == _COARSE_BITS else np.float64
        first = axis.first(outputs)
        weights = axis.weights(outputs, bits).T.astype(kind, order="C")
        return cls(first - first[0], weights)

    def rows(self, part: slice) -> Self:
        """Return the taps of some of the outputs, over the pixels from the first of them on."""
        first = self.first[part]
        return type(self)(first - first[0], self.weights[:, part])

    def blend(self, planes: NDArray[Any], axis: int) -> NDArray[Any]:
        """Return the weighted sums along an axis, added tap by tap in the same order always."""
        shape = list(planes.shape)
        shape[axis] = len(self.first)
        spread = (-1, 1) if axis == 1 else (1, -1)
        total, term = np.empty(shape, planes.dtype), np.empty(shape, planes.dtype)
        for tap, weights in enumerate(self.weights):
            pixels = self._pixels(planes, tap, axis)
            np.multiply(pixels, weights.reshape(spread), out=term if tap else total)
            if tap:
                total += term
        return total

    def _pixels(self, planes: NDArray[Any], tap: int, axis: int) -> NDArray[Any]:
        """Return one source pixel of each output: a view where they are evenly spaced."""
        steps = np.diff(self.first)
        step = int(steps[0]) if len(steps) else 1
        if step == 0 or (steps != step).any():
            return planes.take(self.first + tap, axis=axis)
        evenly = slice(tap, int(self.first[-1]) + tap + 1, step)
        return planes[:, evenly] if axis == 1 else planes[:, :, evenly]


class Resampled:
    """A Reader of another Reader's raster, on square pixels of `gsd` metres."""

    def __init__(self, reader: Reader, gsd: float) -> None:
        """Plan the grid; reads nothing.

        Args:
            reader: where the pixels come from; closed together with this one.
            gsd: edge of a pixel in metres, measured at the raster's centre.

        Raises:
            RasterError: the raster has no CRS to measure metres in.
        """
        source = reader.info
        assert gsd > 0, gsd
        if source.gsd_xy is None:
            raise RasterError(
                f"{source.path}: cannot be resampled to {gsd} m (it has no CRS, expected one); "
                "assign it with gdal_translate -a_srs, or keep the raster's own pixels"
            )
        self._reader = reader
        across, down = (_tidy(gsd / step) for step in source.gsd_xy)
        self._rows, self._cols = Axis(source.height, down), Axis(source.width, across)
        narrow = source.dtype.itemsize <= 2 or source.dtype == np.float32  # noqa: PLR2004 - bytes
        few = max(self._rows.taps, self._cols.taps) <= _MANY_TAPS
        self._bits = _COARSE_BITS if narrow and few else _FINE_BITS
        self._info = replace(
            source,
            height=self._rows.count,
            width=self._cols.count,
            transform=source.transform @ Affine.scale(across, down),
            nodata=None,
            block_shape=(
                min(self._rows.count, math.ceil(source.block_shape[0] / down)),
                min(self._cols.count, math.ceil(source.block_shape[1] / across)),
            ),
        )

    @property
    def info(self) -> RasterInfo:
        """What the resampled raster is; it has no marker, only a valid mask."""
        return self._info

    def read(self, window: Window, into: Patch | None = None) -> Patch:
        """Return the pixels of a window that lies wholly inside; invalid ones are 0.

        A pixel is valid when at least half of its filter's weight lies on valid pixels.
        """
        rows, cols = (range(part.start, part.stop) for part in window.toslices())
        assert 0 <= rows.start < rows.stop <= self.info.height, window
        assert 0 <= cols.start < cols.stop <= self.info.width, window
        patch = empty_patch(self.info, window) if into is None else replace(into, window=window)
        for down, across in self._parts(rows, cols):
            at = (
                slice(down.start - rows.start, down.stop - rows.start),
                slice(across.start - cols.start, across.stop - cols.start),
            )
            self._fill(patch.data[:, *at], patch.valid[at], down, across)
        return patch

    def holds_data(self, window: Window) -> bool:
        """Return False when the source surely has no data where a window is made of."""
        rows, cols = (range(part.start, part.stop) for part in window.toslices())
        down, across = self._rows.span(rows), self._cols.span(cols)
        return self._reader.holds_data(Window(across.start, down.start, len(across), len(down)))

    def close(self) -> None:
        """Close the reader below."""
        self._reader.close()

    def _parts(self, rows: range, cols: range) -> Iterator[tuple[range, range]]:
        """Yield pieces of a window whose source pixels fit the budget; full rows if possible."""
        high = max(1, int(BUDGET / len(self._cols.span(cols)) / self._rows.scale) - 1)
        wide = len(cols)
        if high == 1:
            wide = max(1, int(BUDGET / self._rows.taps / self._cols.scale) - 1)
        for row in range(rows.start, rows.stop, high):
            for col in range(cols.start, cols.stop, wide):
                yield (
                    range(row, min(row + high, rows.stop)),
                    range(col, min(col + wide, cols.stop)),
                )

    def _fill(self, data: NDArray[Any], valid: NDArray[np.bool_], rows: range, cols: range) -> None:
        """Read the source under some output rows and columns, and resample it into place."""
        pixels, known = self._source(self._rows.span(rows), self._cols.span(cols))
        down = _Taps.of(self._rows, rows, self._bits)
        across = _Taps.of(self._cols, cols, self._bits)
        high = max(1, int(_STRIP / pixels[:, 0].size / self._rows.scale))
        for top in range(0, len(rows), high):
            strip = slice(top, top + high)
            part = down.rows(strip)
            under = slice(int(down.first[top]), int(down.first[strip][-1]) + self._rows.taps)
            planes = pixels[:, under].astype(down.weights.dtype)
            whole = bool(known[under].all())
            if not whole:
                planes = np.concatenate((planes, known[None, under].astype(planes.dtype)))
            sums = across.blend(part.blend(planes, axis=1), axis=2)
            if whole:
                data[:, strip], valid[strip] = _as(sums, data.dtype), True
            else:
                data[:, strip], valid[strip] = _normalised(sums, data.dtype)

    def _source(self, rows: range, cols: range) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
        """Return the pixels of a span and where they are valid, 0 where they are not.

        Pixels beyond the raster have no weight: they are 0, and count as valid.
        """
        below, beside = self._rows.size, self._cols.size
        left, right = max(0, cols.start), min(beside, cols.stop)
        top, bottom = max(0, rows.start), min(below, rows.stop)
        patch = self._reader.read(Window(left, top, right - left, bottom - top))
        data, valid = patch.data, patch.valid
        if not valid.all():
            data = np.where(valid, data, data.dtype.type(0))
        around = ((top - rows.start, rows.stop - bottom), (left - cols.start, cols.stop - right))
        if any(map(any, around)):
            data = np.pad(data, ((0, 0), *around))
            valid = np.pad(valid, around, constant_values=True)
        return data, valid


def _balanced(weights: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights whose centre of mass lies on the output pixel's own centre.

    A triangle sampled at whole pixels is off by up to 0.06 of them: edges would waver.
    """
    mass, first, second = ((weights * distance**n).sum(axis=1, keepdims=True) for n in range(3))
    tilt = np.divide(first, second, out=np.zeros_like(mass), where=np.abs(first) > _NOISE)
    balanced: NDArray[np.float64] = np.maximum(0, weights * (1 - tilt * distance))
    assert (balanced.sum(axis=1, keepdims=True) > mass / 2).all()
    return balanced


def _tidy(scale: float) -> float:
    """Return a scale without the noise of its computation."""
    return float(round(scale)) if abs(scale - round(scale)) < _NOISE * scale else scale


def _normalised(
    sums: NDArray[Any], dtype: np.dtype[Any]
) -> tuple[NDArray[np.generic], NDArray[np.bool_]]:
    """Return pixels and their validity from weighted sums, the last plane the weight itself."""
    weight = sums[-1]
    valid: NDArray[np.bool_] = weight >= 0.5  # noqa: PLR2004 - half of the weight
    means = sums[:-1] / np.where(valid, weight, weight.dtype.type(1))
    means[:, ~valid] = 0
    return _as(means, dtype), valid


def _as(means: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[np.generic]:
    """Return numbers in the source's dtype; integers are rounded and clipped."""
    if dtype.kind == "f":
        return means.astype(dtype)
    limits = np.iinfo(dtype)
    np.rint(means, out=means)
    return np.clip(means, limits.min, limits.max, out=means).astype(dtype)
