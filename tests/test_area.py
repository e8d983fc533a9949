"""Rules of an area of interest: it decides what comes out, never what the network sees."""

from __future__ import annotations

from dataclasses import replace

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fakes import FakeReader, PaintModel
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.windows import Window
from strategies import grids, images
from test_walk import Smear

from geounet.annotations.area import box_area, read_area
from geounet.area import Area, Within
from geounet.blend import BLENDS
from geounet.errors import AnnotationError, OptionError
from geounet.grid import TileGrid
from geounet.plan import Plan, PlanOptions
from geounet.predict import PredictOptions, predict
from geounet.raster import open_raster
from geounet.walk import Walk

UTM = CRS.from_epsg(32645)
GRID = Affine(0.5, 0, 331_000, 0, -0.5, 3_060_000)


def outlines(shape):
    """Triangles that touch a raster."""
    corner = st.tuples(st.floats(-5, shape[1] + 5), st.floats(-5, shape[0] + 5))
    triangles = st.lists(corner, min_size=3, max_size=3, unique=True).map(shapely.Polygon)
    there = shapely.box(0, 0, shape[1], shape[0])
    return triangles.filter(lambda one: one.is_valid and (one & there).area > 0.1)


def cells(reader, step, grid, area=None, blend="crop"):
    """The whole quantised raster of a walk, and the walk."""
    plan = Plan(grid=grid, blend=blend, level=128, classes=step.classes, batch_size=2)
    walk = Walk(plan, reader, step, area)
    out = np.full((step.classes, *grid.shape), 77, np.uint8)
    for band in range(len(grid.bands)):
        for cell, q in walk.blended([grid.cell(row, band) for row in range(grid.rows)]):
            out[(slice(None), *cell.core.toslices())] = q
    return out, walk


@given(st.data(), grids(largest=40), st.sampled_from(sorted(BLENDS)))
@settings(max_examples=80, deadline=None)
def test_an_area_cuts_the_result_and_changes_nothing_in_it(data, drawn, blend):
    """Inside it is what the whole raster gives, for a model with context; outside is nodata."""
    shape, numbers = drawn
    grid, pixels = TileGrid.cover(shape, **numbers), data.draw(images(shape))
    area = Area(data.draw(outlines(shape)))
    whole, _ = cells(FakeReader(pixels), Smear(), grid, blend=blend)
    near = Within(FakeReader(pixels), area.grown(2 * grid.tile, shape))
    out, _ = cells(near, Smear(), grid, area, blend)
    inside = area.mask(Window(0, 0, shape[1], shape[0]))
    assert (out[:, inside] == whole[:, inside]).all()
    assert (out[:, ~inside] == 255).all()


@given(st.data(), st.tuples(st.integers(1, 60), st.integers(1, 60)))
@settings(max_examples=100, deadline=None)
def test_a_window_of_the_mask_is_the_slice_of_the_whole(data, shape):
    """A pixel counts when its centre lies inside, whichever window it is looked at in."""
    area = Area(data.draw(outlines(shape)))
    whole = area.mask(Window(0, 0, shape[1], shape[0]))
    rows, cols = np.indices(shape) + 0.5
    away = shapely.boundary(area.outline).distance(shapely.points(cols, rows)) > 0.01
    assert (whole == shapely.contains_xy(area.outline, cols, rows))[away].all()
    top, left = data.draw(st.integers(0, shape[0] - 1)), data.draw(st.integers(0, shape[1] - 1))
    window = Window(left, top, shape[1] - left, shape[0] - top)
    assert (area.mask(window) == whole[top:, left:]).all()


def test_nothing_is_read_far_from_the_area():
    """Tiles elsewhere cost neither reading nor inference."""
    grid = TileGrid.cover((400, 400), tile=32, halo=8)
    reader, area = (
        FakeReader(np.full((1, 400, 400), 9, np.uint8)),
        Area(shapely.box(200, 200, 210, 210)),
    )
    near = Within(reader, area.grown(2 * grid.tile, grid.shape))
    _, walk = cells(near, PaintModel(), grid, area)
    assert walk.tally.tiles <= 4
    rows = [window.toslices()[0] for window in reader.asked]
    assert min(part.start for part in rows) >= 200 - 64
    assert max(part.stop for part in rows) <= 210 + 64


@pytest.mark.parametrize("band_width", [1000, 64])
def test_the_area_is_the_whole_of_the_result(make_raster, tmp_path, band_width):
    """Coverage, maps and footprints end at the area, which is an edge like the raster's own."""
    image = np.full((120, 200), 30, np.uint8)
    image[40:60, 60:90] = 250  # half of it inside
    image[30:50, 110:115] = 250
    image[:, 130:] = 0
    raster = make_raster(image, transform=GRID, crs=UTM, nodata=0)
    west, north = GRID @ (75, 20)
    east, south = GRID @ (160, 80)
    side, out = tmp_path / "p.tif", tmp_path / "out.gpkg"
    options = PredictOptions(
        model=PaintModel(), gsd="native", outline="pixel", min_area=0, probability=side,
        bbox=(west, south, east, north), plan=PlanOptions(tile=48, halo=8, band_width=band_width),
    )  # fmt: skip
    result = predict(raster, out, options)
    buildings = geopandas.read_file(out, layer="buildings").sort_values("area_m2")
    assert np.allclose(buildings.geometry.area / 0.25, [100, 300])
    assert buildings.touches_edge.tolist() == [False, True]
    coverage = geopandas.read_file(out, layer="coverage")
    pixels = coverage.geometry.area.groupby(coverage.status).sum() / 0.25
    assert pixels.to_dict() == {"predicted": 55 * 60, "nodata": 30 * 60}
    assert result.valid_pixels == 55 * 60
    with rasterio.open(side) as file:
        assert np.count_nonzero(file.read(1) != 255) == 55 * 60


@pytest.fixture
def info(make_raster):
    """A raster of 100 by 80 pixels of half a metre."""
    with open_raster(make_raster(np.zeros((3, 80, 100), np.uint8), transform=GRID, crs=UTM)) as r:
        return r.info


def test_a_box_is_in_the_rasters_crs(info):
    """Its corners are world coordinates."""
    area = box_area((331_010, 3_059_980, 331_020, 3_059_990), info)
    assert area.outline.bounds == (20, 20, 40, 40)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        ((331_020, 3_059_980, 331_010, 3_059_990), "each MIN below its MAX"),
        ((0, 0, 1, 1), "nothing of it lies on"),
    ],
)
def test_a_box_that_is_none_is_refused(info, bounds, words):
    """What cannot be meant gets a line with the cure."""
    with pytest.raises(OptionError, match=words):
        box_area(bounds, info)


def test_a_file_brings_its_own_crs(info, tmp_path):
    """Polygons in degrees land where they lie on the ground; several are one area."""
    boxes = [
        shapely.box(331_010, 3_059_980, 331_020, 3_059_990),
        shapely.box(331_015, 3_059_970, 331_025, 3_059_985),
    ]
    layer = geopandas.GeoDataFrame(geometry=boxes, crs=UTM).to_crs(4326)
    layer.to_file(tmp_path / "aoi.geojson", driver="GeoJSON")
    area = read_area(tmp_path / "aoi.geojson", info)
    assert np.allclose(area.outline.bounds, (20, 20, 50, 60), atol=0.05)
    assert area.outline.geom_type == "Polygon"


def test_lines_are_no_area(info, tmp_path):
    """The feature is named."""
    line = geopandas.GeoDataFrame(
        geometry=[shapely.LineString([(331_010, 3_059_980), (331_020, 3_059_990)])], crs=UTM
    )
    line.to_file(tmp_path / "line.gpkg")
    with pytest.raises(AnnotationError, match=r"line.gpkg: feature 1: it is a LineString"):
        read_area(tmp_path / "line.gpkg", info)


def test_a_run_that_died_knows_its_area(make_raster, tmp_path):
    """Resumed, what is outside stays outside; another area is refused."""
    image = np.full((120, 200), 30, np.uint8)
    image[70:90, 90:110] = 250
    raster = make_raster(image, transform=GRID, crs=UTM, nodata=0)
    west, north = GRID @ (75, 20)
    east, south = GRID @ (160, 100)
    options = PredictOptions(
        model=Failing(), gsd="native", bbox=(west, south, east, north),
        plan=PlanOptions(tile=48, halo=8, band_width=64), resume=True,
    )  # fmt: skip
    with pytest.raises(TornError):
        predict(raster, tmp_path / "out.gpkg", options)
    again = replace(options, model=PaintModel())
    with pytest.raises(OptionError, match="bbox"):
        predict(raster, tmp_path / "out.gpkg", replace(again, bbox=None))
    predict(raster, tmp_path / "out.gpkg", again)
    coverage = geopandas.read_file(tmp_path / "out.gpkg", layer="coverage")
    assert coverage.geometry.area.sum() / 0.25 == 85 * 80


class TornError(RuntimeError):
    """Something broke."""


class Failing(PaintModel):
    """A model that breaks at its third tile."""

    def __init__(self):
        """Have seen nothing."""
        super().__init__()
        self.seen = []

    def __call__(self, pixels, valid):
        """Answer twice."""
        if len(self.seen) == 2:
            raise TornError
        self.seen.append(pixels.shape)
        return super().__call__(pixels, valid)
