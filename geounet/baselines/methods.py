"""Otsu's threshold, Canny's edges closed and filled, a watershed from markers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage, special

from geounet.baselines.local import flooded, slopes, small, smooth, smooth_reach
from geounet.baselines.scene import Parting, histogram, part, scale_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from geounet.baselines.scene import Scale
    from geounet.reader import Reader

SMOOTH_M, LARGEST_M = 0.45, 30.0
"""Standard deviation of the smoothing, and the widest thing that is seen as a whole, metres."""
SMOOTH, LARGEST = (1.0, 4.0), (16, 192)
"""The same in pixels, at least and at most."""
USUAL_GSD = 0.3
"""Metres a pixel of a raster without a CRS."""
FOLLOWED = 16
"""How far a weak edge is followed from a strong one, pixels."""
CLOSED = 2
"""Half of the widest gap in an edge that is closed, pixels."""
WEAK = 0.5
"""A weak edge, as a share of a strong one."""
SQUARE = np.ones((3, 3), bool)


@dataclass(frozen=True)
class Fitted:
    """A method that knows its scene."""

    paint: Callable[[NDArray[Any], NDArray[np.bool_]], NDArray[np.float32]]
    """From raw pixels `(bands, h, w)` and their valid mask to a probability `(h, w)`."""
    reach: int
    """Farthest pixel that can change another."""
    bytes_per_pixel: int
    """What it takes of memory, measured."""
    scene: dict[str, float] = field(default_factory=dict)
    """What it took from the scene."""


def otsu(reader: Reader) -> Fitted:
    """What is brighter than the scene's threshold; the farther from it, the surer."""
    scale = scale_of(reader)
    found = _parting(histogram(reader, scale, lambda grey, _: grey, 0))
    spread = (found.above - found.below) / 8 or 1.0  # a kind's mean is nearly certain

    def paint(pixels: NDArray[Any], _valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        apart = (scale.grey(pixels) - np.float32(found.threshold)) / np.float32(spread)
        p: NDArray[np.float32] = special.expit(apart)
        return p

    return Fitted(paint, 0, 24, _told(scale, found))


def edges(reader: Reader) -> Fitted:
    """What edges enclose (Canny 1986): gaps closed, holes filled that are small enough."""
    scale, (sigma, largest) = scale_of(reader), _sizes(reader)
    near = smooth_reach(sigma) + 1
    found = _parting(
        histogram(reader, scale, lambda grey, seen: _steepness(grey, seen, sigma), near)
    )

    def paint(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        lines = _canny(scale.grey(pixels), valid, sigma, found.threshold)
        thick = ndimage.binary_dilation(lines, SQUARE, CLOSED)
        filled = thick | small(~thick, largest)
        thin = ndimage.binary_erosion(filled, SQUARE, CLOSED)
        return ndimage.binary_opening(thin, SQUARE).astype(np.float32)

    reach = near + 1 + FOLLOWED + CLOSED + largest + CLOSED + 2
    return Fitted(paint, reach, 40, {**_told(scale, found), "largest": largest, "sigma": sigma})


def watershed(reader: Reader) -> Fitted:
    """What floods from bright markers before the dark ones reach it (Beucher and Meyer 1993).

    Between the markers lie pixels of neither kind. Where they are too wide to be seen as a whole
    the threshold decides, so that a tile knows what the scene would say.
    """
    scale, (sigma, largest) = scale_of(reader), _sizes(reader)
    near = smooth_reach(sigma) + 1
    found = _parting(histogram(reader, scale, lambda grey, seen: smooth(grey, seen, sigma), near))
    low, high = (found.threshold + found.below) / 2, (found.threshold + found.above) / 2

    def paint(pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        grey = smooth(scale.grey(pixels), valid, sigma)
        sure, dark, bright = grey >= found.threshold, grey <= low, grey >= high
        between = small(~(dark | bright), largest)
        won = flooded(np.hypot(*slopes(grey)), between, dark, bright, sure)
        return np.where(between, won, sure).astype(np.float32)

    told = {**_told(scale, found), "largest": largest, "sigma": sigma}
    return Fitted(paint, near + largest, 40, told)


METHODS: dict[str, Callable[[Reader], Fitted]] = {
    "otsu": otsu,
    "edges": edges,
    "watershed": watershed,
}


def _parting(counts: NDArray[np.int64]) -> Parting:
    """Where values part; where they are all alike, nothing is of the upper kind."""
    return part(counts) or Parting(2.0, 0.0, 2.0)


def _told(scale: Scale, found: Parting) -> dict[str, float]:
    return {"low": scale.low, "high": scale.high, "threshold": found.threshold}


def _sizes(reader: Reader) -> tuple[float, int]:
    """Smoothing and the widest whole thing, in pixels of the scene."""
    gsd = reader.info.gsd or USUAL_GSD
    sigma = min(max(SMOOTH_M / gsd, SMOOTH[0]), SMOOTH[1])
    return sigma, round(min(max(LARGEST_M / gsd, LARGEST[0]), LARGEST[1]))


def _steepness(
    grey: NDArray[np.float32], valid: NDArray[np.bool_], sigma: float
) -> NDArray[np.float32]:
    steep: NDArray[np.float32] = np.hypot(*slopes(smooth(grey, valid, sigma)))
    return steep


def _canny(
    grey: NDArray[np.float32], valid: NDArray[np.bool_], sigma: float, strong: float
) -> NDArray[np.bool_]:
    """Crests of the steepness, strong ones and weak ones that go on from them."""
    down, right = slopes(smooth(grey, valid, sigma))
    steep: NDArray[np.float32] = np.hypot(down, right)
    crest = _crests(steep, down, right) & ndimage.binary_erosion(valid, SQUARE, border_value=1)
    weak = crest & (steep >= WEAK * strong)
    lines: NDArray[np.bool_] = ndimage.binary_dilation(
        crest & (steep >= strong), SQUARE, FOLLOWED, mask=weak
    )
    return lines


def _crests(
    steep: NDArray[np.float32], down: NDArray[np.float32], right: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Pixels that no neighbour uphill or downhill is steeper than, by eighths of a turn."""
    padded = np.pad(steep, 1)
    height, width = steep.shape
    eighth = np.rint(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4
    crest = np.zeros(steep.shape, bool)
    for at, (row, col) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = padded[1 + row : 1 + row + height, 1 + col : 1 + col + width]
        behind = padded[1 - row : 1 - row + height, 1 - col : 1 - col + width]
        crest |= (eighth == at) & (steep >= ahead) & (steep > behind)
    return crest
