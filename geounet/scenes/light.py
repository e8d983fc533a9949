"""Light and camera: cast shadows, sky light, exposure, lens, sensor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from geounet.scenes.canvas import FINE, Canvas

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.scenes.texture import Array

_SUN = np.array([1.06, 1.0, 0.9], np.float32)
_SKY = np.array([0.86, 0.98, 1.2], np.float32)
_HAZE = np.array([0.9, 1.0, 1.15], np.float32)
_SKY_SHARE = 0.21
# Gain, and how soon it bends: 1 stays 1.
_SHOULDER = np.float32(1.118), np.float32(0.25)
_SHARPNESS = np.float32(0.55)
_ROWS = 256


@dataclass(frozen=True)
class Camera:
    """How light becomes numbers."""

    exposure: float = 1.0
    """Factor on the light."""
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Factor on each colour."""
    haze: float = 0.03
    """Light scattered in by the air, as a share of white."""
    noise: float = 2.0
    """Deviation of the sensor's noise, in counts."""
    saturation: float = 0.8
    """Strength of colours; 0 is grey."""
    gamma: float = 2.2
    """Display gamma; smaller is more contrast."""


def shadow(canvas: Canvas, tallest: float) -> Array:
    """Return how much sun each pixel gets, 0 in a cast shadow, 1 in the open.

    A running maximum over the line of sight to the sun, doubled in reach at every pass.
    """
    east, south, up = canvas.sun.vector
    flat = np.hypot(east, south)
    drop = FINE * up / flat
    horizon = canvas.height.copy()
    step = 1
    while step * drop < tallest:
        rows, cols = round(step * south / flat), round(step * east / flat)
        ahead = _shifted(horizon, rows, cols) - np.float32(step * drop)
        np.maximum(horizon, ahead, out=horizon)
        step *= 2
    above = horizon - canvas.height
    return np.asarray(np.clip(1 - above / np.float32(0.35), 0, 1))


def _shifted(array: Array, rows: int, cols: int) -> Array:
    """Return the array read `rows`, `cols` further on; zero beyond its edge."""
    moved = np.zeros_like(array)
    height, width = array.shape
    if abs(rows) >= height or abs(cols) >= width:
        return moved
    to = slice(max(-rows, 0), height - max(rows, 0)), slice(max(-cols, 0), width - max(cols, 0))
    source = slice(max(rows, 0), height + min(rows, 0)), slice(max(cols, 0), width + min(cols, 0))
    moved[to] = array[source]
    return moved


def expose(canvas: Canvas, tallest: float) -> Array:
    """Return the light `(3, height / 2, width / 2)` that reaches the camera, through its lens."""
    up = canvas.sun.vector[2]
    direct = canvas.facing * shadow(canvas, tallest) * np.float32((1 - _SKY_SHARE) / up)
    sky = np.float32(_SKY_SHARE) * _openness(canvas.height)
    bands = []
    for albedo, sun_colour, sky_colour in zip(canvas.albedo, _SUN, _SKY, strict=True):
        light = albedo * (direct * sun_colour + sky * sky_colour)
        light = ndimage.gaussian_filter(light, 0.7, truncate=2.5)
        height, width = light.shape
        bands.append(_sharpen(light.reshape(height // 2, 2, width // 2, 2).mean((1, 3))))
    return np.stack(bands)


def _sharpen(light: Array) -> Array:
    """Return the light with edges enhanced, as orthophotos have them."""
    root = np.sqrt(light)
    root += _SHARPNESS * (root - ndimage.gaussian_filter(root, 1.1, truncate=2.5))
    return np.square(np.maximum(root, 0))


def _openness(height: Array) -> Array:
    """Return how much sky a pixel sees: less beside walls and under crowns."""
    coarse = height[::4, ::4]
    around = ndimage.uniform_filter(ndimage.uniform_filter(coarse, 5), 5)
    wide = np.repeat(np.repeat(around, 4, 0), 4, 1)[: height.shape[0], : height.shape[1]]
    return np.asarray(np.clip(1 - 0.09 * np.maximum(wide - height, 0), 0.35, 1), np.float32)


def develop(light: Array, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return uint8 counts 1-255 `(3, height, width)` of the light, with sensor noise."""
    counts = np.empty(light.shape, np.uint8)
    for row in range(0, light.shape[1], _ROWS):
        strip = slice(row, row + _ROWS)
        counts[:, strip] = _develop(light[:, strip], camera, rng)
    return counts


def _develop(light: Array, camera: Camera, rng: np.random.Generator) -> NDArray[np.uint8]:
    factor = np.asarray(camera.balance, np.float32) * np.float32(camera.exposure)
    signal = light * (factor * np.float32(1 - camera.haze))[:, None, None]
    signal += (_HAZE * np.float32(camera.haze))[:, None, None]
    grey = signal.mean(0)
    signal = np.maximum(grey + np.float32(camera.saturation) * (signal - grey), 0)
    # A shoulder, so that white roofs keep some texture.
    signal *= _SHOULDER[0] / np.sqrt(1 + _SHOULDER[1] * np.square(signal))
    counts = 255 * np.power(signal, np.float32(1 / camera.gamma))
    grain = rng.standard_normal(light.shape, np.float32)
    common = rng.standard_normal(light.shape[1:], np.float32)
    grain = ndimage.gaussian_filter(grain, (0, 0.5, 0.5)) + 0.8 * common
    counts += np.float32(camera.noise) * grain
    return np.asarray(np.clip(np.rint(counts), 1, 255), np.uint8)
