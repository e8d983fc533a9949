"""Rules of embeddings: what is pooled where, whatever the tiles, with answers known by hand."""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from fakes import SeenModel
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.features import rasterize

from geounet.embeddings.embed import EmbedOptions, buildings, tiles
from geounet.embeddings.fill import fill
from geounet.errors import AnnotationError, ModelError, OptionError
from geounet.plan import PlanOptions

GRID = Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
CRS = "EPSG:32633"


def noise(height, width, bands=1, seed=0):
    """Pixels nobody can guess, none of them 0."""
    chance = np.random.default_rng(seed)
    return chance.integers(1, 255, (bands, height, width), dtype=np.uint8)


def asked(tile=64, band_width=16_384, **rest):
    """Options with a fake model and tiles of a size."""
    plan = PlanOptions(tile=tile, halo=8, batch_size=2, band_width=band_width)
    bands = rest.pop("bands_of_model", 1)
    return EmbedOptions(model=SeenModel(bands=bands), plan=plan, gsd="native", **rest)


def whole(raster, options, layer="bottleneck"):
    """All patches of a raster: vectors and polygons."""
    parts = list(tiles(raster, options))
    vectors = np.concatenate([part.vectors[layer] for part in parts])
    return vectors, np.concatenate([part.geometry for part in parts])


def table(shapes, transform=GRID, crs=CRS):
    """Polygons in pixels as a table in the world."""
    moved = shapely.transform(
        np.asarray(shapes), lambda xy: np.stack(transform @ (xy[:, 0], xy[:, 1]), axis=1)
    )
    return gpd.GeoSeries(moved, crs=crs)


@pytest.mark.parametrize("layer", ["bottleneck", "fine"])
def test_a_patch_holds_the_mean_of_its_pixels(make_raster, layer):
    """The map is the mean of blocks, so the patch is the mean of its pixels, row by row."""
    image = noise(128, 192, bands=2)
    raster = make_raster(image)
    options = asked(patch=64, layers=(layer,), bands_of_model=2)
    vectors, shapes = whole(raster, options, layer)
    expected = image.reshape(2, 2, 64, 3, 64).mean((2, 4)).reshape(2, 6).T
    np.testing.assert_allclose(vectors, expected, rtol=1e-6)
    corner = shapes[4].bounds
    assert corner == (500_032, 5_000_000 - 64, 500_064, 5_000_000 - 32)


@pytest.mark.parametrize("pool", ["mean", "max", "gem"])
def test_patches_do_not_depend_on_tiles_or_bands(make_raster, pool):
    """Any tile and any band of columns give the same vectors of the same patches."""
    image = noise(150, 270)
    image[:, 30:90, 100:200] = 0
    raster = make_raster(image, nodata=0)
    first, shapes = whole(raster, asked(48, pool=pool, patch=40))
    for tile, band in ((32, 64), (128, 16_384), (64, 100)):
        again, others = whole(raster, asked(tile, band, pool=pool, patch=40))
        np.testing.assert_allclose(again, first, rtol=1e-6)
        assert shapely.equals(shapes, others).all()


def test_the_pools_are_what_they_say(make_raster):
    """Mean, largest and generalised mean with power three, of the places of a patch."""
    image = noise(64, 64)
    raster = make_raster(image)
    places = image[0].reshape(8, 8, 8, 8).mean((1, 3))
    expected = {
        "mean": places.mean(),
        "max": places.max(),
        "gem": (places**3).mean() ** (1 / 3),
    }
    for pool, value in expected.items():
        vectors, _ = whole(raster, asked(pool=pool, patch=64))
        np.testing.assert_allclose(vectors, [[value]], rtol=1e-5)


def test_nodata_does_not_count(make_raster):
    """Places count by their pixels with data; a patch without any is left out."""
    image = noise(64, 128)
    image[0, :, :64] = 0
    image[0, :, 64:80] = 0
    raster = make_raster(image, nodata=0)
    vectors, shapes = whole(raster, asked(patch=64))
    assert len(shapes) == 1
    np.testing.assert_allclose(vectors[0, 0], image[0, :, 80:].mean(), rtol=1e-6)


def test_a_patch_at_the_edge_is_cut(make_raster):
    """What lies beyond the raster counts for nothing, and the patch ends there."""
    image = noise(40, 72)
    vectors, shapes = whole(make_raster(image), asked(patch=64))
    assert shapes[1].bounds == (500_032, 5_000_000 - 20, 500_036, 5_000_000)
    np.testing.assert_allclose(vectors[1, 0], image[0, :, 64:].mean(), rtol=1e-6)


def test_a_building_holds_the_mean_of_its_pixels_and_its_ring_of_those_around(make_raster):
    """Footprint and ring, by hand: blocks of one value each."""
    values = np.arange(1, 101, dtype=np.uint8).reshape(10, 10)
    raster = make_raster(np.kron(values, np.ones((8, 8), np.uint8))[None])
    house = table([shapely.box(16, 16, 32, 24)])  # two places of row 2
    found = buildings(raster, house, asked(ring=0))
    np.testing.assert_allclose(found.vectors["bottleneck"], [[values[2, 2:4].mean()]])
    assert found.rings == {}
    assert found.valid.tolist() == [1]
    around = buildings(raster, house, asked(ring=2.0))  # four pixels
    outer = shapely.box(16, 16, 32, 24).buffer(4)
    inside = rasterize([(outer, 1)], (80, 80)) > 0
    inside[16:24, 16:32] = False
    expected = np.kron(values, np.ones((8, 8)))[inside].mean()
    np.testing.assert_allclose(around.rings["bottleneck"], [[expected]], rtol=1e-5)


@pytest.mark.parametrize("pool", ["mean", "max", "gem"])
def test_buildings_do_not_depend_on_tiles_order_or_crs(make_raster, pool):
    """Houses across seams, in any order and any CRS, several layers in one walk."""
    chance = np.random.default_rng(3)
    image = noise(200, 260)
    image[0, 90:120] = 0
    raster = make_raster(image, nodata=0)
    at = chance.uniform(0, (250, 190), (60, 2))
    shapes = shapely.box(*at.T, *(at + chance.uniform(0.2, 40, (60, 2))).T)
    layers = ("bottleneck", "fine")
    first = buildings(raster, table(shapes), asked(48, pool=pool, layers=layers))
    order = chance.permutation(60)
    moved = table(shapes[order]).to_crs("EPSG:3857")
    again = buildings(raster, moved, asked(128, 100, pool=pool, layers=layers))
    for one, other in ((first.vectors, again.vectors), (first.rings, again.rings)):
        for layer in layers:
            np.testing.assert_allclose(other[layer], one[layer][order], rtol=1e-5)
    np.testing.assert_allclose(again.valid, first.valid[order])
    assert (first.valid == 0).any()
    assert (first.valid == 1).any()
    assert ((first.valid > 0) & (first.valid < 1)).any()


def test_a_building_smaller_than_a_pixel_is_its_pixel(make_raster):
    """A footprint without any pixel's centre takes the pixel it lies in."""
    image = noise(64, 64)
    house = table([shapely.box(21.1, 34.1, 21.3, 34.3)])
    found = buildings(make_raster(image), house, asked(layers=("fine",), ring=0))
    np.testing.assert_allclose(found.vectors["fine"], [[image[0, 34:36, 20:22].mean()]])


polygons = st.lists(st.tuples(st.floats(-5, 45), st.floats(-5, 45)), min_size=3, max_size=9).map(
    lambda points: shapely.make_valid(shapely.Polygon(points).normalize())
)


@settings(max_examples=60, deadline=None)
@given(st.lists(polygons, min_size=1, max_size=4))
def test_pixels_of_polygons_are_those_of_gdal(shapes):
    """A pixel belongs to a polygon when its centre does, as GDAL draws it."""
    shapes = [
        part
        for shape in shapes
        for part in shapely.get_parts(shape)
        if part.geom_type == "Polygon" and part.area > 0.1
    ]
    runs = fill(np.array(shapes, object), (0, 40), (0, 40))
    for number, shape in enumerate(shapes):
        drawn = np.zeros((40, 40), bool)
        for at in np.flatnonzero(runs.shape == number):
            drawn[runs.row[at], runs.start[at] : runs.stop[at]] = True
        rows, cols = np.nonzero(drawn != rasterize([(shape, 1)], (40, 40)).astype(bool))
        near = shapely.distance(shapely.boundary(shape), shapely.points(cols + 0.5, rows + 0.5))
        assert (near < 1e-6).all()


def test_neighbours_share_no_pixel_and_leave_none():
    """Centres on a common edge belong to one of the two polygons."""
    shapes = np.array([shapely.box(0, 0, 4.5, 4), shapely.box(4.5, 0, 9, 4)])
    runs = fill(shapes, (0, 4), (0, 9))
    assert runs.pixels(2).sum() == 36


def test_what_cannot_be_is_refused_in_a_line(make_raster):
    """Unknown layers, odd patches, no buildings, none in sight, no CRS."""
    raster = make_raster(noise(64, 64))
    with pytest.raises(ModelError, match=r"layer 'deep' is not among.*bottleneck, fine"):
        list(tiles(raster, asked(layers=("deep",))))
    with pytest.raises(OptionError, match=r"multiple of 8.*got 36, try 40"):
        list(tiles(raster, asked(patch=36)))
    with pytest.raises(AnnotationError, match="has no buildings"):
        buildings(raster, gpd.GeoSeries([], crs=CRS), asked())
    with pytest.raises(AnnotationError, match=r"none of its 1 buildings lies on raster\.tif"):
        buildings(raster, table([shapely.box(900, 0, 910, 9)]), asked())
    with pytest.raises(AnnotationError, match=r"the table: has no CRS"):
        buildings(raster, table([shapely.box(0, 0, 10, 9)], crs=None), asked())
    with pytest.raises(AnnotationError, match=r"feature 1 is a Point"):
        buildings(raster, gpd.GeoSeries([shapely.Point(0, 0)], crs=CRS), asked())
    with pytest.raises(OptionError, match="pool is 'median'; known: mean, max, gem"):
        asked(pool="median")


@pytest.mark.filterwarnings("ignore:.*has no CRS")
def test_a_ring_needs_metres(make_raster):
    """Without a CRS a ring in metres is refused, and the cure is named."""
    raster = make_raster(noise(64, 64), crs=None, transform=None)
    house = gpd.GeoSeries([shapely.box(8, 8, 24, 24)])
    with pytest.raises(OptionError, match=r"--ring 5 means nothing; use --ring 0"):
        buildings(raster, house, asked())
    assert buildings(raster, house, asked(ring=0)).valid == [1]
