"""Area and perimeter of polygons on the ellipsoid of their CRS, for many polygons at once.

Edges are geodesics between the vertices. The area under an edge is that of a great circle on the
authalic sphere, whose areas are those of the ellipsoid; the length of an edge comes from the
ellipsoid's radii at its middle. Both are good to 1e-7 while edges are short, and polygons with a
long edge are left to pyproj.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from pyproj import Transformer

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyproj import CRS, Geod

    Floats = NDArray[np.float64]

LONGEST_EDGE_M = 100.0
"""Longest edge that is measured here."""

STEEPEST_LATITUDE = 85.0
"""Closer to a pole, in degrees, meridians meet too fast for it."""


def measure(polygons: NDArray[np.object_], crs: CRS | None) -> tuple[Floats, Floats]:
    """Return area in m² without holes, and the length of the exterior in m, of each polygon.

    Args:
        polygons: `(n,)` shapely polygons or multipolygons in `crs`.
        crs: geographic or projected CRS; without one, both results are not a number.
    """
    if crs is None or crs.geodetic_crs is None:
        return np.full(len(polygons), np.nan), np.full(len(polygons), np.nan)
    if not len(polygons):
        return np.zeros(0), np.zeros(0)
    to_degrees = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    _, coords, found = shapely.to_ragged_array(polygons)
    offsets = [np.asarray(each, np.int64) for each in found]
    points = np.stack(to_degrees.transform(coords[:, 0], coords[:, 1]), axis=1)
    rings = offsets[0]
    exteriors, owners = _owners(offsets)
    of_ring = np.repeat(np.arange(len(rings) - 1), np.diff(rings) - 1)
    edges = np.arange(len(of_ring)) + of_ring  # a ring has one edge less than points
    geod = crs.get_geod()
    assert geod is not None
    under, lengths = _edges(points, edges, geod)
    area = np.abs(np.bincount(of_ring, under, len(rings) - 1).astype(np.float64))
    area[~exteriors] *= -1
    areas = np.bincount(owners, area, len(polygons)).astype(np.float64)
    outer = np.where(exteriors[of_ring], lengths, 0)  # as pyproj counts it
    perimeters = np.bincount(owners[of_ring], outer, len(polygons)).astype(np.float64)
    long = ~(lengths <= LONGEST_EDGE_M) | (np.abs(points[edges, 1]) > STEEPEST_LATITUDE)
    for at in np.unique(owners[of_ring[long]]).tolist():
        areas[at], perimeters[at] = _exact(polygons[at], to_degrees, geod)
    return areas, perimeters


def _owners(offsets: list[NDArray[np.int64]]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return of each ring whether it is an exterior, and the polygon it belongs to."""
    parts = offsets[1]
    exteriors = np.zeros(parts[-1], np.bool_)
    exteriors[parts[:-1][np.diff(parts) > 0]] = True
    ends = parts if len(offsets) == len(("rings", "polygons")) else parts[offsets[2]]
    return exteriors, np.repeat(np.arange(len(ends) - 1), np.diff(ends))


def _edges(points: Floats, edges: NDArray[np.int64], geod: Geod) -> tuple[Floats, Floats]:
    """Return the signed area in m² from each edge to the equator, and its length in m.

    Args:
        points: `(points, 2)` longitude and latitude in degrees.
        edges: `(edges,)` index of the point an edge starts at; it ends at the next.
        geod: the ellipsoid.
    """
    latitude, sine = np.radians(points[:, 1]), np.sin(np.radians(points[:, 1]))
    across = points[edges + 1, 0] - points[edges, 0]
    across = np.radians(across - 360 * np.round(across / 360))  # the short way round
    # area: spherical excess from two sides and the angle at the pole (Todhunter 1886, §103)
    # on the authalic sphere (Snyder 1987, 3-11 to 3-13)
    pole = _authalic(np.ones(1), geod.es**0.5)[0]
    share = _authalic(sine, geod.es**0.5) / pole
    half = share / (1 + np.sqrt(np.clip(1 - share**2, 0, 1)))  # tan of half the latitude
    start, end = half[edges], half[edges + 1]
    excess = 2 * np.arctan2(np.tan(across / 2) * (start + end), 1 + start * end)
    # length: the radii of curvature at the middle
    bulge = 1 - geod.es * ((sine[edges] + sine[edges + 1]) / 2) ** 2
    middle = (latitude[edges] + latitude[edges + 1]) / 2
    north = (latitude[edges + 1] - latitude[edges]) * geod.a * (1 - geod.es) / bulge**1.5
    east = across * geod.a / np.sqrt(bulge) * np.cos(middle)
    return excess * geod.a**2 * pole / 2, np.hypot(north, east)


def _authalic(sine: Floats, eccentricity: float) -> Floats:
    """Return q of a latitude's sine: πa²·q is the area of the zone from the equator to it."""
    if eccentricity == 0:
        return 2 * sine
    part = eccentricity * sine
    curved = sine / (1 - part**2) + np.arctanh(part) / eccentricity
    return np.asarray((1 - eccentricity**2) * curved)


def _exact(polygon: shapely.Geometry, to_degrees: Transformer, geod: Geod) -> tuple[float, float]:
    """Return area and perimeter as pyproj measures them."""
    degrees = shapely.transform(
        polygon, lambda xy: np.stack(to_degrees.transform(xy[:, 0], xy[:, 1]), axis=1)
    )
    area = perimeter = 0.0
    for part in shapely.get_parts(degrees):
        outer, length = geod.geometry_area_perimeter(shapely.get_exterior_ring(part))
        area, perimeter = area + abs(outer), perimeter + length
        for hole in part.interiors:
            area -= abs(geod.geometry_area_perimeter(hole)[0])
    return area, perimeter
