"""Where a raster's pixels lie, and how large they are on the ellipsoid; reads no pixels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from pyproj import Transformer

if TYPE_CHECKING:
    from affine import Affine
    from numpy.typing import NDArray
    from pyproj import CRS

    Floats = NDArray[np.float64]

_REACH = 8.0
"""Pixels measured each way: a single small one drowns in an inverse projection's tolerance."""


def pixel_steps(
    crs: CRS | None, transform: Affine, shape: tuple[int, int]
) -> tuple[float, float, float] | None:
    """Return metres per column, metres per row, and the angle between the two (radians).

    Measured at the raster's centre; None without a CRS, or where the CRS has no ground.
    """
    geod = crs.get_geod() if crs else None
    geographic = crs.geodetic_crs if crs else None
    if geod is None or geographic is None:
        return None
    row, col = shape[0] / 2, shape[1] / 2
    down, across = (min(_REACH, size / 4) for size in shape)
    ends = ((col - across, row), (col + across, row), (col, row - down), (col, row + down))
    xs, ys = zip(*(transform @ end for end in ends), strict=True)
    to_geographic = Transformer.from_crs(crs, geographic, always_xy=True)
    degrees = math.degrees(geographic.axis_info[0].unit_conversion_factor)
    lon, lat = (np.asarray(values) * degrees for values in to_geographic.transform(xs, ys))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    azimuth, _, length = geod.inv(lon[::2], lat[::2], lon[1::2], lat[1::2])
    angle = math.radians(azimuth[0] - azimuth[1])
    return float(length[0] / (2 * across)), float(length[1] / (2 * down)), angle


def moved(transform: Affine, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Return points in the coordinates a transform leads to."""
    return (
        transform.a * x + transform.b * y + transform.c,
        transform.d * x + transform.e * y + transform.f,
    )
