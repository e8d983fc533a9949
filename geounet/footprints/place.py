"""Move polygons from pixels to the world, and from one CRS to another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from pyproj import Transformer
from pyproj.exceptions import ProjError

from geounet.errors import OptionError

if TYPE_CHECKING:
    from affine import Affine
    from numpy.typing import NDArray
    from pyproj import CRS

EARTH_RADIUS = 6_378_137.0
"""Metres; near enough for what is torn."""


def place(polygons: NDArray[np.object_], transform: Affine) -> NDArray[np.object_]:
    """Return polygons in pixels (x = col, y = row) in world coordinates.

    Exteriors run anticlockwise there, whether the raster's rows run south or north.
    """

    def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        x, y = xy.T
        moved = np.empty_like(xy)
        moved[:, 0] = transform.a * x + transform.b * y + transform.c
        moved[:, 1] = transform.d * x + transform.e * y + transform.f
        return moved

    placed = shapely.transform(polygons, move)
    return np.asarray(placed if transform.determinant < 0 else shapely.reverse(placed))


def reproject(
    polygons: NDArray[np.object_], crs: CRS | None, out_crs: CRS | None
) -> NDArray[np.object_]:
    """Return polygons in another CRS, vertex by vertex; the same where that is None.

    In degrees, a polygon that crosses the antimeridian goes on beyond 180.

    Raises:
        OptionError: when the other CRS cannot hold them, or would tear one.
    """
    if crs is None or out_crs is None or crs == out_crs:
        return polygons
    across = Transformer.from_crs(crs, out_crs, always_xy=True)

    def move(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack(across.transform(xy[:, 0], xy[:, 1], errcheck=True), axis=1)

    try:
        moved = np.asarray(shapely.transform(polygons, move))
    except ProjError as error:
        raise OptionError(
            f"footprints cannot be moved from {crs.name} to {out_crs.name} ({error}); "
            "choose a CRS made for this place"
        ) from error
    torn = (_width(moved) > around(out_crs) / 2) & (_width(polygons) < around(crs) / 4)
    if not torn.any():
        return moved
    if not out_crs.is_geographic:
        raise OptionError(
            f"footprints would be torn apart in {out_crs.name}, which ends at the antimeridian; "
            "choose a CRS made for this place"
        )

    def unwrap(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where([True, False] & (xy < 0), xy + around(out_crs), xy)

    moved[torn] = shapely.transform(moved[torn], unwrap)
    return moved


def bounds_in(
    bounds: tuple[float, float, float, float], crs: CRS | None, out_crs: CRS | None
) -> tuple[float, float, float, float]:
    """Return left, bottom, right, top of a box in another CRS, its edges followed.

    Raises:
        OptionError: as `reproject`.
    """
    box = shapely.box(*bounds)
    edges = reproject(np.array([shapely.segmentize(box, box.length / 64)]), crs, out_crs)
    left, bottom, right, top = edges[0].bounds
    return left, bottom, right, top


def around(crs: CRS) -> float:
    """Return how far x runs around the Earth, in units of a CRS."""
    unit = crs.axis_info[0].unit_conversion_factor  # to radians, or metres
    return (1.0 if crs.is_geographic else EARTH_RADIUS) * 2 * np.pi / unit


def _width(polygons: NDArray[np.object_]) -> NDArray[np.float64]:
    west, _, east, _ = shapely.bounds(polygons).T
    return np.asarray(east - west)
