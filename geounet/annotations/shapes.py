"""Shapes on an image, in pixels, and how they are drawn: a pixel whose centre is inside is set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import shapely
from affine import Affine
from rasterio.features import rasterize

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from rasterio.windows import Window
    from shapely.geometry.base import BaseGeometry

FARTHEST = 1e9
"""Pixels from the image's corner beyond which nothing is drawn; GDAL counts in 32 bits."""

_LEAST_CORNERS = 64
_SAGITTA = 1 / 64
"""Pixels that the chords of a circle may lie off it."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One thing somebody drew."""

    geometry: BaseGeometry
    """In pixels, x = col, y = row, from the image's upper left corner."""
    where: str
    """File and entry, for messages."""
    attributes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """What was said of it; an attribute may have several values."""


def fault(geometry: BaseGeometry) -> str | None:
    """Return why a shape cannot be drawn, None when it can."""
    bounds = np.array(geometry.bounds)
    if geometry.is_empty or not np.isfinite(bounds).all():
        return "it has no place"
    if np.abs(bounds).max() > FARTHEST:
        return f"it reaches {np.abs(bounds).max():.3g} pixels from the image"
    if geometry.geom_type in ("Polygon", "MultiPolygon") and geometry.convex_hull.area == 0:
        return "it has no area"
    if geometry.geom_type not in ("Point", "MultiPoint", "Polygon", "MultiPolygon"):
        return f"it is a {geometry.geom_type}, which has no area"
    return None


def draw(shapes: Sequence[tuple[BaseGeometry, int]], window: Window) -> NDArray[np.uint8]:
    """Return the classes of a window of an image, 0 where nothing is drawn.

    Args:
        shapes: geometries in pixels with their classes; where two overlap, the later one stands.
        window: of the image.
    """
    height, width = int(window.height), int(window.width)
    labels = np.zeros((height, width), np.uint8)
    if shapes:
        corner = Affine.translation(window.col_off, window.row_off)
        rasterize(shapes, out=labels, transform=corner)
    return labels


def polygon(xs: Sequence[float], ys: Sequence[float]) -> BaseGeometry:
    """Return a polygon of corners, closed if it is not; empty with fewer than three."""
    corners = list(dict.fromkeys(zip(xs, ys, strict=True)))
    if len(corners) < 3:  # noqa: PLR2004 - a triangle
        return shapely.Polygon([*corners, corners[0], corners[0]]) if corners else shapely.Polygon()
    return shapely.Polygon(list(zip(xs, ys, strict=True)))


def ellipse(
    centre: tuple[float, float], radii: tuple[float, float], angle: float = 0.0
) -> BaseGeometry:
    """Return an ellipse as a polygon that lies nowhere more than 1/64 pixel off it.

    Args:
        centre: x and y.
        radii: along the first axis and along the second.
        angle: of the first axis, radians from x towards y.
    """
    largest = min(max(radii), FARTHEST)
    count = max(_LEAST_CORNERS, int(np.pi * np.sqrt(largest / (2 * _SAGITTA))) + 1)
    turn = np.arange(count) * (2 * np.pi / count)
    along, across = radii[0] * np.cos(turn), radii[1] * np.sin(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    points = np.stack((along * cos - across * sin, along * sin + across * cos), axis=1)
    return shapely.Polygon(points + np.array(centre))
