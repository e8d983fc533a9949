"""Rules of geodesic measures: those of pyproj, many at a time."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from pyproj import CRS, Transformer
from scipy.spatial import ConvexHull

from geounet.footprints.measure import measure

ROUNDING_M2 = 3e-4
"""What pyproj's area of a few metres is off by itself, from rounding."""

PLACES = [
    (32633, 500_000, 5_000_000, 1),
    (32633, 420_000, 8_800_000, 1),
    (3857, 1_500_000, 8_000_000, 2),
    (27700, 400_000, 300_000, 1),
    *[(4326, 13.0, latitude, 1 / 111_000) for latitude in (-60, 0, 10, 45, 70, 84)],
]
"""EPSG code, place, and how many units of the CRS a metre is there, roughly."""


def blobs(rng, centre, radius, count):
    """Return convex polygons, every second with a hole, within some reach of a place."""
    made = []
    for at in range(count):
        points = rng.uniform(-1, 1, (rng.integers(5, 20), 2)) * radius
        ring = points[ConvexHull(points).vertices] + centre
        hole = [ring.mean(axis=0) + (ring - ring.mean(axis=0)) * 0.4] if at % 2 else []
        made.append(shapely.Polygon(ring, hole))
    return np.array(made, object)


def by_pyproj(polygons, crs):
    """Return area and perimeter of each polygon from pyproj, one by one."""
    to_degrees = Transformer.from_crs(crs, crs.geodetic_crs, always_xy=True)
    geod = crs.get_geod()
    turned = [
        shapely.transform(polygon, lambda xy: np.stack(to_degrees.transform(*xy.T), axis=1))
        for polygon in shapely.orient_polygons(polygons)
    ]
    return np.abs([geod.geometry_area_perimeter(polygon) for polygon in turned]).T


@pytest.mark.parametrize(("epsg", "x", "y", "unit"), PLACES)
@pytest.mark.parametrize("radius", [8, 30, 400])
def test_equals_pyproj(epsg, x, y, unit, radius):
    """Area and perimeter are pyproj's within a millionth, in any CRS, holes taken out."""
    crs = CRS(epsg)
    polygons = blobs(np.random.default_rng(epsg), (x, y), radius * unit, 40)
    areas, perimeters = measure(polygons, crs)
    expected = by_pyproj(polygons, crs)
    np.testing.assert_allclose(areas, expected[0], rtol=1e-6, atol=ROUNDING_M2)
    np.testing.assert_allclose(perimeters, expected[1], rtol=1e-6)


def test_is_finer_than_a_coordinate_step():
    """A square of 10 m at the equator has the area that its degrees give by hand."""
    crs = CRS("+proj=longlat +R=6371000")
    side = np.degrees(10 / 6_371_000)
    areas, perimeters = measure(np.array([shapely.box(50, 0, 50 + side, side)]), crs)
    assert areas[0] == pytest.approx(100, rel=1e-8)
    assert perimeters[0] == pytest.approx(40, rel=1e-8)


def test_crosses_the_date_line():
    """A footprint on the date line has the area it has elsewhere."""
    crs = CRS(4326)
    here, there = (
        shapely.box(10, 50, 10.0004, 50.0003),
        shapely.box(179.9998, 50, 180.0002, 50.0003),
    )
    ring = shapely.get_coordinates(there)
    ring[:, 0] = np.where(ring[:, 0] > 180, ring[:, 0] - 360, ring[:, 0])
    areas, perimeters = measure(np.array([here, shapely.Polygon(ring)]), crs)
    assert areas[0] == pytest.approx(areas[1], rel=1e-8)
    assert perimeters[0] == pytest.approx(perimeters[1], rel=1e-8)


def test_takes_multipolygons():
    """The parts of a multipolygon count together."""
    one, two = (
        shapely.box(500_000, 5e6, 500_010, 5e6 + 10),
        shapely.box(500_020, 5e6, 500_030, 5e6 + 10),
    )
    crs = CRS(32633)
    apart = measure(np.array([one, two]), crs)
    joined = measure(np.array([shapely.MultiPolygon([one, two]), one]), crs)
    assert joined[0] == pytest.approx([apart[0].sum(), apart[0][0]], rel=1e-12)
    assert joined[1] == pytest.approx([apart[1].sum(), apart[1][0]], rel=1e-12)


@pytest.mark.parametrize(
    "crs",
    [
        None,
        CRS.from_wkt(
            'ENGCRS["site",EDATUM["site"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
        ),
    ],
)
def test_no_number_without_an_earth(crs):
    """Without a CRS, or with one that is not of the Earth, there is no number."""
    areas, perimeters = measure(np.array([shapely.box(0, 0, 1, 1)]), crs)
    assert np.isnan(areas).all()
    assert np.isnan(perimeters).all()


def test_of_nothing():
    """No polygons give empty columns."""
    assert [len(column) for column in measure(np.zeros(0, object), CRS(4326))] == [0, 0]
