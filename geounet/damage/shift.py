"""How far one image of a place lies off another: a few metres, found by phase correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pyproj import Transformer
from rasterio.windows import Window
from scipy import ndimage

from geounet.ground import moved

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from geounet.reader import RasterInfo, Reader

    Floats = NDArray[np.float64]

REACH_M = 3.0
"""Farthest shift that is looked for, metres."""

EDGE = 256
"""Edge of a window that is correlated, pixels."""

MOST = 12
"""Windows along each axis, at most: they are spread over what both images show."""

SURE = 6.0
"""Height of a peak, in standard deviations of its surroundings, from which it is believed."""

VARIES_M, VARY = 0.6, 0.2
"""Places have shifts of their own where this share of them is so far off the common one."""

SHOWN = 0.8
"""Share of a window that both images must show."""

_DETAIL, _CLEAR = 1.0, 4
"""Width of the gradient's filter, and how far from nodata a gradient counts, pixels."""


@dataclass(frozen=True)
class Shift:
    """What stands at a place in the first image stands this far from it in the second."""

    east: float
    """Metres."""
    south: float
    """Metres."""
    windows: int
    """Windows that both images show."""
    sure: bool
    """Whether a peak stands out; both are 0 where none does."""
    places: Floats
    """`(n, 4)` of windows that are sure of themselves, in pixels of the second image and metres:
    column, row, east, south; none where one shift serves everywhere."""

    def at(self, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Return metres east and south at places in pixels of the second image."""
        if not len(self.places):
            return np.full(len(cols), self.east), np.full(len(cols), self.south)
        far = np.hypot(cols[:, None] - self.places[:, 0], rows[:, None] - self.places[:, 1])
        near = far.min(axis=1, keepdims=True)
        weight = np.exp(-2 * (np.square(far) - np.square(near)) / EDGE**2)
        weight /= weight.sum(axis=1, keepdims=True)
        return weight @ self.places[:, 2], weight @ self.places[:, 3]


def find_shift(before: Reader, after: Reader) -> Shift:
    """Return how far the second image lies off the first.

    Both are read window by window on the grid of the second. What counts is where gradients are,
    not how bright or of which colour: dates differ in light and season. Each window has one vote
    for each shift, so damage or a cloud in some of them does no harm.

    Args:
        before: the first image.
        after: the second, with pixels of the same ground sample distance.
    """
    gsd = after.info.gsd_xy
    assert gsd is not None
    reach = tuple(int(np.ceil(REACH_M / step)) + 2 for step in gsd)
    centres, votes = [], []
    for window in _windows(after.info):
        pair = _pair(before, after, window)
        if pair is not None:
            votes.append(_votes(*pair, reach))
            centres.append((window.col_off + EDGE / 2, window.row_off + EDGE / 2))
    if not votes:
        return Shift(0.0, 0.0, 0, sure=False, places=np.empty((0, 4)))
    stack = np.stack(votes)
    (east, south), height = _peak(stack.sum(axis=0), gsd)
    if height < SURE or np.hypot(east, south) > REACH_M + 0.5:
        return Shift(0.0, 0.0, len(votes), sure=False, places=np.empty((0, 4)))
    places = _local(stack, np.array(centres), gsd)
    off = np.hypot(places[:, 2] - east, places[:, 3] - south)
    varies = len(places) > 1 and float(np.quantile(off, 1 - VARY)) > VARIES_M
    return Shift(east, south, len(votes), sure=True, places=places if varies else np.empty((0, 4)))


def _windows(info: RasterInfo) -> Iterator[Window]:
    """Yield windows spread evenly; none where the raster is too small for one."""
    starts = []
    for size in info.shape:
        count = min(MOST, max(size // EDGE, 0))
        starts.append(np.linspace(0, max(size - EDGE, 0), count).astype(int).tolist())
    for row in starts[0]:
        for col in starts[1]:
            yield Window(col, row, EDGE, EDGE)


def _pair(before: Reader, after: Reader, window: Window) -> tuple[Floats, Floats] | None:
    """Return where gradients are in both images of a window; None where one shows too little."""
    patch = after.read(window)
    light = patch.data.mean(axis=0, dtype=np.float64)
    other, known = _on_grid(before, after.info, window)
    known &= patch.valid
    if known.mean() < SHOWN:
        return None
    inner = ndimage.binary_erosion(known, iterations=_CLEAR, border_value=1)
    first, second = (_gradient(np.where(known, each, 0), inner) for each in (other, light))
    return (first, second) if first.any() and second.any() else None


def _on_grid(reader: Reader, grid: RasterInfo, window: Window) -> tuple[Floats, NDArray[np.bool_]]:
    """Return an image at the pixels of another grid's window, bilinear, and where it has data."""
    rows, cols = np.indices((EDGE, EDGE), np.float64)
    x, y = moved(grid.transform, cols + window.col_off + 0.5, rows + window.row_off + 0.5)
    if reader.info.crs != grid.crs:
        across = Transformer.from_crs(grid.crs, reader.info.crs, always_xy=True)
        x, y = map(np.asarray, across.transform(x, y))
    col, row = (each - 0.5 for each in moved(~reader.info.transform, x, y))
    height, width = reader.info.shape
    known = (row >= 0) & (col >= 0) & (row <= height - 1) & (col <= width - 1)
    if not known.any():
        return np.zeros((EDGE, EDGE)), known
    row, col = (np.where(known, each, each[known].min()) for each in (row, col))
    top, left = int(row.min()), int(col.min())
    size = int(col.max()) - left + 2, int(row.max()) - top + 2
    patch = reader.read(Window(left, top, min(size[0], width - left), min(size[1], height - top)))
    light = patch.data.mean(axis=0, dtype=np.float64)
    at = row - top, col - left
    known &= ndimage.map_coordinates(patch.valid.astype(np.float32), at, order=1) > 1 - 1e-6
    return ndimage.map_coordinates(light, at, order=1), known


def _votes(first: Floats, second: Floats, reach: tuple[int, ...]) -> Floats:
    """Return the phase correlation for shifts up to `reach` columns and rows, `(rows, cols)`."""
    taper = np.outer(np.hanning(EDGE), np.hanning(EDGE))
    one, two = (np.fft.rfft2((each - each.mean()) * taper) for each in (first, second))
    cross = two * one.conj()
    cross /= np.abs(cross) + 1e-9 * np.abs(cross).max()
    whole = np.fft.fftshift(np.fft.irfft2(cross, (EDGE, EDGE)))
    middle, (wide, high) = EDGE // 2, reach
    found: Floats = whole[middle - high : middle + high + 1, middle - wide : middle + wide + 1]
    return found


def _gradient(light: Floats, inner: NDArray[np.bool_]) -> Floats:
    steps = (ndimage.gaussian_filter(light, _DETAIL, order=order) for order in ((0, 1), (1, 0)))
    return np.where(inner, np.hypot(*steps), 0.0)


def _peak(votes: Floats, gsd: tuple[float, float]) -> tuple[tuple[float, float], float]:
    """Return metres east and south of the highest vote, between pixels too, and its height."""
    soft = ndimage.gaussian_filter(votes, 0.7, mode="nearest")
    high, wide = (size // 2 for size in soft.shape)
    row, col = np.unravel_index(int(soft.argmax()), soft.shape)
    near = np.hypot(*np.indices(soft.shape) - np.array([row, col])[:, None, None]) < 3  # noqa: PLR2004 - pixels
    height = float((soft[row, col] - soft[~near].mean()) / (soft[~near].std() + 1e-12))
    down = int(row) - high + _between(soft[:, col], int(row))
    along = int(col) - wide + _between(soft[row], int(col))
    return (along * gsd[0], down * gsd[1]), height


def _between(line: Floats, at: int) -> float:
    """Return how far the top of a parabola through three points lies from the middle one."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, after = line[at - 1 : at + 2]
    bend = before - 2 * here + after
    return float((before - after) / (2 * bend)) if bend < 0 else 0.0


def _local(stack: Floats, centres: Floats, gsd: tuple[float, float]) -> Floats:
    """Return column, row, east and south of each window that, with those beside it, is sure."""
    found = []
    for col, row in centres:
        near = (np.abs(centres - (col, row)) < 1.5 * _spacing(centres)).all(axis=1)
        (east, south), height = _peak(stack[near].sum(axis=0), gsd)
        if height >= SURE and np.hypot(east, south) <= REACH_M + 0.5:
            found.append((col, row, east, south))
    return np.array(found).reshape(-1, 4)


def _spacing(centres: Floats) -> Floats:
    """Return how far neighbouring windows are apart, along columns and rows."""
    steps = [np.diff(np.unique(each)) for each in centres.T]
    return np.array([each.max() if len(each) else EDGE for each in steps])
