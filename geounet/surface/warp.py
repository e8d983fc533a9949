"""A sheet on the pixels of a surface: copied where it shares them, else drawn point by point.

What is read of a window equals that part of the whole. Where a pixel lies on the sheet is worked
out exactly at every 32nd row and column of the surface, and linear between these. There the four
nearest pixels of the sheet count, by their distance. A sheet that is finer is first made as coarse.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pyproj import Transformer
from rasterio.windows import Window

from geounet.ground import moved
from geounet.reader import Patch, empty_patch
from geounet.resample import Resampled
from geounet.surface.lattice import same_crs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geounet.reader import RasterInfo, Reader

    Floats = NDArray[np.float64]

STEP = 32
"""Rows and columns between places that are worked out exactly."""

EDGE = 512
"""Edge of the squares that are drawn at a time: a turned one needs twice its pixels."""

HALF_TURN = 180.0
"""Degrees: longitudes are counted up to so many either way of a sheet's middle."""

FINER = 1.1
"""Times that a sheet's pixels may be smaller than the surface's and still be taken singly."""


class Copied:
    """A sheet that shares the surface's pixels, read by their place on the surface."""

    def __init__(self, reader: Reader, offset: tuple[int, int]) -> None:
        """Wrap a reader; `offset` is the row and column of its first pixel."""
        self._reader, self._offset = reader, offset

    def read(self, window: Window, into: Patch | None = None) -> Patch:
        """Return the pixels of a window of the surface that lies inside the sheet."""
        patch = self._reader.read(self._on_sheet(window), into)
        return Patch(patch.data, patch.valid, window)

    def holds_data(self, window: Window) -> bool:
        """Return False when a window surely has no data."""
        return self._reader.holds_data(self._on_sheet(window))

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()

    def _on_sheet(self, window: Window) -> Window:
        top, left = self._offset
        return Window(window.col_off - left, window.row_off - top, window.width, window.height)


class Drawn:
    """A sheet of other pixels, drawn on those of the surface."""

    def __init__(self, reader: Reader, grid: RasterInfo) -> None:
        """Wrap a reader.

        Args:
            reader: of the sheet.
            grid: of the surface.
        """
        own, wanted = reader.info.gsd, grid.gsd
        if own and wanted and own * FINER < wanted:
            reader = Resampled(reader, wanted)
        self._reader = reader
        self._places = _Places(grid, reader.info)

    def read(self, window: Window, into: Patch | None = None) -> Patch:
        """Return the pixels of a window of the surface; invalid ones are 0.

        A pixel is valid when its centre lies on the sheet and at least half of what counts there
        is valid.
        """
        info = self._reader.info
        patch = empty_patch(info, window) if into is None else replace(into, window=window)
        for part in _squares(window):
            self._draw(patch.part(part))
        return patch

    def holds_data(self, window: Window) -> bool:  # noqa: ARG002 - as every reader
        """Return that there may be some."""
        return True

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()

    def _draw(self, patch: Patch) -> None:
        rows, cols, inside = self._places.of(patch.window)
        patch.data[:], patch.valid[:] = 0, False
        if not inside.any():
            return
        taps = _Taps.at(rows[inside], cols[inside], self._reader.info.shape)
        source = self._reader.read(taps.window)
        means, valid = taps.mean(source)
        into = np.zeros_like(inside)
        into[inside] = valid
        patch.data[:, into] = _as(means[:, valid], patch.data.dtype)
        patch.valid[:] = into


@dataclass(frozen=True)
class _Places:
    """Where the pixels of one grid lie on another."""

    grid: RasterInfo
    sheet: RasterInfo

    def of(self, window: Window) -> tuple[Floats, Floats, NDArray[np.bool_]]:
        """Return row and column on the sheet of each pixel's centre, and which lie on it."""
        (top, bottom), (left, right) = window.toranges()
        at_rows, down = _knots(top, bottom)
        at_cols, across = _knots(left, right)
        col, row = np.meshgrid(at_cols + 0.5, at_rows + 0.5)
        x, y = moved(self.grid.transform, col, row)
        if not same_crs(self.sheet.crs, self.grid.crs):
            to_sheet = Transformer.from_crs(self.grid.crs, self.sheet.crs, always_xy=True)
            x, y = map(np.asarray, to_sheet.transform(x, y))
        with np.errstate(invalid="ignore"):  # infinite where there are no coordinates
            if self.sheet.crs is not None and self.sheet.crs.is_geographic:
                first = (self.sheet.bounds[0] + self.sheet.bounds[2]) / 2 - HALF_TURN
                x = first + (x - first) % (2 * HALF_TURN)  # on over the antimeridian
            col, row = moved(~self.sheet.transform, x, y)
            rows, cols = (_between(_between(each, *down).T, *across).T for each in (row, col))
            high, wide = self.sheet.shape
            inside = (rows >= 0) & (cols >= 0) & (rows < high) & (cols < wide)
        return rows, cols, inside


@dataclass(frozen=True)
class _Taps:
    """The four pixels of a sheet around each of some places."""

    window: Window
    """That holds all of them."""
    first: tuple[NDArray[np.int64], NDArray[np.int64]]
    """Row and column of the upper left one, −1 before the sheet."""
    share: tuple[Floats, Floats]
    """How near the lower and the right one are, 0–1."""
    shape: tuple[int, int]
    """Of the sheet."""

    @classmethod
    def at(cls, rows: Floats, cols: Floats, shape: tuple[int, int]) -> _Taps:
        first = [np.floor(each - 0.5).astype(np.int64) for each in (rows, cols)]
        share = [each - 0.5 - at for each, at in zip((rows, cols), first, strict=True)]
        spans = [
            (max(int(at.min()), 0), min(int(at.max()) + 2, size))
            for at, size in zip(first, shape, strict=True)
        ]
        return cls(Window.from_slices(*spans), (first[0], first[1]), (share[0], share[1]), shape)

    def mean(self, source: Patch) -> tuple[Floats, NDArray[np.bool_]]:
        """Return `(bands, places)` weighted means of valid pixels, and where these count."""
        places = len(self.first[0])
        sums = np.zeros((len(source.data), places))
        known, there = np.zeros(places), np.zeros(places)
        for down in (0, 1):
            for right in (0, 1):
                row, col = self.first[0] + down, self.first[1] + right
                weight = _side(self.share[0], down) * _side(self.share[1], right)
                weight *= (row >= 0) & (col >= 0) & (row < self.shape[0]) & (col < self.shape[1])
                there += weight
                row = np.clip(row - int(source.window.row_off), 0, source.valid.shape[0] - 1)
                col = np.clip(col - int(source.window.col_off), 0, source.valid.shape[1] - 1)
                valid = source.valid[row, col]
                weight *= valid
                known += weight
                sums += np.where(valid, source.data[:, row, col], 0) * weight
        valid = (known > 0) & (known >= there / 2)
        sums[:, valid] /= known[valid]
        return sums, valid


def _side(share: Floats, far: int) -> Floats:
    return share.copy() if far else 1 - share


def _knots(start: int, stop: int) -> tuple[NDArray[np.int64], tuple[NDArray[np.int64], Floats]]:
    """Return the places around a span that are worked out, and where its own lie between them."""
    first = start // STEP
    at = np.arange(start, stop)
    index = at // STEP - first
    return np.arange(first, (stop - 1) // STEP + 2) * STEP, (index, (at % STEP) / STEP)


def _between(values: Floats, index: NDArray[np.int64], share: Floats) -> Floats:
    """Return values along the first axis, linear between two of them."""
    low, high = values[index], values[index + 1]
    between: Floats = low + (high - low) * share[:, None]
    return between


def _squares(window: Window) -> Iterator[Window]:
    (top, bottom), (left, right) = window.toranges()
    for row in range(top, bottom, EDGE):
        for col in range(left, right, EDGE):
            yield Window(col, row, min(EDGE, right - col), min(EDGE, bottom - row))


def _as(means: Floats, dtype: np.dtype[Any]) -> NDArray[Any]:
    return (np.rint(means) if dtype.kind in "iu" else means).astype(dtype)
