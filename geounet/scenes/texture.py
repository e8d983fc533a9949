"""Endless noise: periodic textures of several grains, sampled by global pixel."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

# Two periods that share no small multiple: their sum does not repeat within a scene.
_PERIODS = (1024, 1125)
# Shortest and longest wavelength of each grain, in pixels.
_GRAINS = {"fine": (2.0, 5.0), "clump": (5.0, 26.0), "drift": (45.0, 420.0)}


@dataclass(frozen=True)
class Window:
    """A rectangle of the scene's fine pixels."""

    row: int
    """First row, counted from the scene's top edge; negative outside."""
    col: int
    """First column, counted from the scene's left edge."""
    height: int
    """Rows."""
    width: int
    """Columns."""

    def part(self, rows: slice, cols: slice) -> Window:
        """Return the window of a slice of this one."""
        height, width = rows.stop - rows.start, cols.stop - cols.start
        return Window(self.row + rows.start, self.col + cols.start, height, width)


@cache
def _texture(grain: str, period: int) -> Array:
    """Return `(period, period)` band-limited noise, periodic, standard deviation 1."""
    shortest, longest = _GRAINS[grain]
    rng = np.random.default_rng([period, int(longest)])
    spectrum = np.fft.rfft2(rng.standard_normal((period, period)))
    rows, cols = np.fft.fftfreq(period)[:, None], np.fft.rfftfreq(period)[None]
    frequency = np.hypot(rows, cols)
    band = (frequency >= 1 / longest) & (frequency <= 1 / shortest)
    fractal = np.divide(band, frequency, out=np.zeros_like(frequency), where=band)
    noise = np.fft.irfft2(spectrum * fractal, (period, period))
    result: Array = (noise / noise.std()).astype(np.float32)
    return result


def noise(grain: str, window: Window) -> Array:
    """Return noise of a grain (`fine`, `clump`, `drift`), `(height, width)`, deviation 1."""
    total = np.zeros((window.height, window.width), np.float32)
    for period in _PERIODS:
        rows = np.arange(window.row, window.row + window.height) % period
        cols = np.arange(window.col, window.col + window.width) % period
        total += _texture(grain, period)[rows[:, None], cols[None]]
    total *= np.float32(2**-0.5)
    return total
