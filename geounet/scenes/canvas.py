"""What a scene is painted on: reflectance, height and slope towards the sun, in fine pixels."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from affine import Affine

from geounet.scenes.texture import Array, Window, noise

FINE = 0.15
"""Edge of a fine pixel in metres; a scene's pixel is two of them wide."""


@dataclass(frozen=True)
class Sun:
    """Where the light comes from."""

    azimuth: float
    """Degrees clockwise from north."""
    elevation: float
    """Degrees above the horizon."""

    @property
    def vector(self) -> tuple[float, float, float]:
        """Unit vector to the sun: x to the east, y to the south, z up."""
        azimuth, elevation = np.radians(self.azimuth), np.radians(self.elevation)
        flat = np.cos(elevation)
        east, south = flat * np.sin(azimuth), -flat * np.cos(azimuth)
        return float(east), float(south), float(np.sin(elevation))


@dataclass(frozen=True)
class View:
    """The pixels around one thing."""

    rows: slice
    """Rows of the canvas."""
    cols: slice
    """Columns of the canvas."""
    east: Array
    """`(1, width)` metres east of the thing's middle."""
    south: Array
    """`(height, 1)` metres south of the thing's middle."""
    window: Window
    """The same pixels in the scene."""

    def noise(self, grain: str) -> Array:
        """Return noise of a grain over these pixels."""
        return noise(grain, self.window)

    def turned(self, angle: float) -> tuple[Array, Array]:
        """Return `(along, across)` metres in axes turned by an angle in radians."""
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        along = self.east * cosine + self.south * sine
        across = self.south * cosine - self.east * sine
        return along, across


@dataclass(frozen=True)
class Canvas:
    """A window of the scene while it is painted."""

    window: Window
    """Fine pixels covered."""
    sun: Sun
    """The light."""
    albedo: Array = field(init=False)
    """`(3, height, width)` linear reflectance; 1 is white."""
    height: Array = field(init=False)
    """`(height, width)` metres above ground."""
    facing: Array = field(init=False)
    """`(height, width)` cosine between the surface's normal and the sun."""

    def __post_init__(self) -> None:
        """Start with black, flat ground."""
        shape = self.window.height, self.window.width
        object.__setattr__(self, "albedo", np.zeros((3, *shape), np.float32))
        object.__setattr__(self, "height", np.zeros(shape, np.float32))
        object.__setattr__(self, "facing", np.full(shape, self.sun.vector[2], np.float32))

    def view(self, x: float, y: float, radius: float) -> View | None:
        """Return the pixels within a radius of a point (metres), None when there are none."""
        rows = _span(y, radius, self.window.row, self.window.height)
        cols = _span(x, radius, self.window.col, self.window.width)
        if rows.stop <= rows.start or cols.stop <= cols.start:
            return None
        east: Array = (np.arange(cols.start, cols.stop) + (self.window.col + 0.5)) * FINE - x
        south: Array = (np.arange(rows.start, rows.stop) + (self.window.row + 0.5)) * FINE - y
        window = self.window.part(rows, cols)
        east, south = east.astype(np.float32)[None], south.astype(np.float32)[:, None]
        return View(rows, cols, east, south, window)

    def light(self, slope_east: Array | float, slope_south: Array | float) -> Array:
        """Return the cosine to the sun of surfaces of the given slopes."""
        east, south, up = self.sun.vector
        normal = np.sqrt(1 + np.square(slope_east) + np.square(slope_south))
        cosine = (up - slope_east * east - slope_south * south) / normal
        return np.asarray(np.maximum(cosine, 0), np.float32)


def _span(middle: float, radius: float, start: int, count: int) -> slice:
    first = int(np.floor((middle - radius) / FINE)) - start
    last = int(np.ceil((middle + radius) / FINE)) - start
    return slice(max(first, 0), min(last, count))


def corner_of(window: Window) -> Affine:
    """Return the transform from a window's fine pixels to metres."""
    return Affine(FINE, 0, window.col * FINE, 0, FINE, window.row * FINE)


def linear(colour: tuple[float, float, float]) -> Array:
    """Return the linear reflectance `(3,)` of a display colour 0-255."""
    return (np.asarray(colour, np.float32) / np.float32(255)) ** np.float32(2.2)
