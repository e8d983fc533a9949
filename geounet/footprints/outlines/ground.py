"""The plane in which an object's angles and lengths are those of the ground around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pyproj import Transformer

if TYPE_CHECKING:
    from affine import Affine
    from numpy.typing import NDArray
    from pyproj import CRS

    Floats = NDArray[np.float64]

REACH = 8.0
"""Pixels measured each way: a single small one drowns in an inverse projection's tolerance."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Linear maps from pixels to planes of undistorted angles, one a place.

    A map is the symmetric root of the metric that the ellipsoid gives the pixels there, divided by
    its scale: it neither turns nor enlarges, and is the identity where pixels are square.
    """

    to_plane: Floats
    """`(places, 2, 2)` from (x, y) in pixels; of determinant 1, symmetric."""
    unit_m: Floats
    """`(places,)` metres of a unit of the plane: the root of a pixel's area; nan without a CRS."""

    def flat(self, points: Floats, owners: NDArray[np.int64]) -> Floats:
        """Return points of some places in their planes."""
        return _applied(self.to_plane[owners], points)

    def pixels(self, points: Floats, owners: NDArray[np.int64]) -> Floats:
        """Return points of some planes in pixels."""
        there = self.to_plane[owners]
        back = np.empty_like(there)
        back[:, 0, 0], back[:, 1, 1] = there[:, 1, 1], there[:, 0, 0]
        back[:, 0, 1], back[:, 1, 0] = -there[:, 0, 1], -there[:, 1, 0]
        return _applied(back, points)


def ground_at(places: Floats, transform: Affine, crs: CRS | None) -> Ground:
    """Return the ground at some places.

    Args:
        places: `(places, 2)` x (col) and y (row) in pixels.
        transform: of the raster.
        crs: of the raster; without one its own coordinates are taken for the ground.
    """
    jacobian = _jacobian(places, transform, crs)
    metric = (jacobian[:, :, :, None] * jacobian[:, :, None, :]).sum(axis=1)
    area = np.sqrt(np.maximum(metric[:, 0, 0] * metric[:, 1, 1] - metric[:, 0, 1] ** 2, 0))
    known = np.isfinite(area) & (area > 0)
    metric[~known], area[~known] = np.eye(2), 1
    metric /= area[:, None, None]
    trace = metric[:, 0, 0] + metric[:, 1, 1]
    root = (metric + np.eye(2)) / np.sqrt(trace + 2)[:, None, None]  # the determinant is 1
    unit = np.where(known, np.sqrt(area), np.nan)
    return Ground(to_plane=root, unit_m=np.full(len(places), np.nan) if crs is None else unit)


def _jacobian(places: Floats, transform: Affine, crs: CRS | None) -> Floats:
    """Return `(places, 2, 2)` metres east and north per column and row."""
    pixel = np.array([[transform.a, transform.b], [transform.d, transform.e]])
    pixel = np.broadcast_to(pixel, (len(places), 2, 2))
    if crs is None or crs.geodetic_crs is None:
        return pixel.copy()
    geod = crs.get_geod()
    assert geod is not None
    to_angles = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    radians = crs.geodetic_crs.axis_info[0].unit_conversion_factor
    middle = _applied(pixel, places) + np.array([transform.c, transform.f])
    latitude = np.asarray(to_angles.transform(middle[:, 0], middle[:, 1])[1]) * radians
    bulge = 1 - geod.es * np.sin(latitude) ** 2
    radii = (
        geod.a / np.sqrt(bulge) * np.cos(latitude),
        geod.a * (1 - geod.es) / bulge**1.5,
    )
    jacobian = np.empty((len(places), 2, 2))
    for axis in (0, 1):
        reach = REACH * pixel[:, :, axis]
        ends = [to_angles.transform(*(middle + way * reach).T) for way in (1, -1)]
        for part in (0, 1):
            way = (ends[0][part] - ends[1][part]) * radians
            way -= 2 * np.pi * np.round(way / (2 * np.pi))  # the short way round
            jacobian[:, part, axis] = way * radii[part] / (2 * REACH)
    return jacobian


def _applied(maps: Floats, points: Floats) -> Floats:
    x, y = points[:, 0], points[:, 1]
    return np.stack(
        [maps[:, 0, 0] * x + maps[:, 0, 1] * y, maps[:, 1, 0] * x + maps[:, 1, 1] * y], axis=1
    )
