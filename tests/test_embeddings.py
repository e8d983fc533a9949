"""Rules of embeddings: what is pooled where, whatever the tiles, with answers known by hand."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
import torch
from affine import Affine
from fakes import PaintModel, SeenModel
from geounet.cli.main import main
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from rasterio.features import rasterize
from rasterio.io import MemoryFile
from scipy.spatial.distance import pdist
from sklearn.decomposition import PCA

from geounet.backends import Look
from geounet.backends.torch import TorchStep
from geounet.card import ModelCard
from geounet.embeddings import flat as flat_room
from geounet.embeddings.embed import EmbedOptions, buildings, tiles
from geounet.embeddings.fill import fill
from geounet.embeddings.flat import gram, pca_from_gram
from geounet.embeddings.job import JobOptions, embed
from geounet.embeddings.pictures import beside
from geounet.errors import AnnotationError, GeounetWarning, ModelError, OptionError, RasterError
from geounet.model import Segmenter, load_model, save_model
from geounet.networks.field import sight
from geounet.networks.layers import Layer, bottleneck, find_layers
from geounet.networks.registry import build
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions, predict

GRID = Affine(0.5, 0, 500_000, 0, -0.5, 5_000_000)
CRS = "EPSG:32633"


@pytest.fixture(autouse=True)
def _one_thread():
    """Small networks are fastest in one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


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
    with pytest.raises(ModelError, match=r"layer 'bottleneck' is not among"):
        list(tiles(raster, replace(asked(), model=PaintModel(stride=8))))
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


def small_unet():
    """A small U-Net with a field of its own, and its card."""
    torch.manual_seed(3)
    options = {"stem": 0, "filters": (4, 6, 8), "convolutions": 1}
    network = build("unet", options).eval()
    for module in network.modules():  # statistics as a training leaves them
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.running_mean, -0.3, 0.3)
            torch.nn.init.uniform_(module.running_var, 0.5, 2)
    seen = sight(network, 3)
    card = ModelCard(
        name="small", network="unet", network_options=options, stride=seen.stride,
        receptive_field=seen.field,
    )  # fmt: skip
    return Segmenter(card, network)


def test_the_bottleneck_is_the_deepest_map_of_any_network():
    """Found without knowing the network; a name is a module's, and counts its values and pixels."""
    model = load_model("buildings")
    found = find_layers(model.network, 3, ["bottleneck", "encoder.0", "head"])
    assert found["bottleneck"] == Layer("encoder.3", 256, 16)
    assert found["encoder.0"] == Layer("encoder.0", 32, 2)
    assert found["head"] == Layer("head", 1, 1)
    assert bottleneck(build("pointwise", {}), 3).name == "head"
    with pytest.raises(
        ModelError, match=r"layer 'neck' is unknown; maps are given by: bottleneck,"
    ):
        find_layers(model.network, 3, ["neck"])
    with pytest.raises(ModelError, match=r"layer 'encoder' gives no map"):
        find_layers(model.network, 3, ["encoder"])


def test_layers_are_what_the_network_computes():
    """Named maps beside the same probability, of convolutions too, which are else folded."""
    model = small_unet()
    pixels = noise(32, 48, 3)[None]
    valid = np.ones((1, 32, 48), bool)
    names = ("bottleneck", "encoder.0", "encoder.1.0.0")
    step = TorchStep(model, device="cpu", look=Look(names))
    plain = TorchStep(model, device="cpu")(pixels, valid)
    made = step(pixels, valid)
    np.testing.assert_allclose(made.pop("probability"), plain["probability"], atol=1e-5)
    assert list(made) == list(names)
    with torch.inference_mode():
        x = torch.from_numpy((pixels / 255 - 0.5) / 0.25).float()
        first = model.network.encoder[0](x)
        inner = model.network.encoder[1][0][0](model.network.pool(first))
        second = model.network.encoder[1](model.network.pool(first))
        deep = model.network.encoder[2](model.network.pool(second))
    for name, expected in zip(names, (deep, first, inner), strict=True):
        np.testing.assert_allclose(made[name], expected.numpy(), atol=1e-4)
    alone = TorchStep(model, device="cpu", look=Look(names, alone=True))(pixels, valid)
    assert list(alone) == list(names)
    for name in names:
        assert (alone[name] == made[name]).all()


def test_a_network_gives_the_same_patches_from_any_tile_and_crop(make_raster):
    """With a halo that covers the field, a patch is a function of the ground around it."""
    image, model = noise(320, 320, 3), small_unet()
    options = EmbedOptions(model=model, patch=32, gsd="native", layers=("bottleneck", "encoder.0"))
    raster = make_raster(image)
    field = model.card.receptive_field
    (first,) = tiles(raster, options)
    for tile, band in ((96, 64), (160, 16_384)):
        plan = PlanOptions(tile=tile, band_width=band)
        (again,) = tiles(raster, replace(options, plan=plan))
        for layer in options.layers:
            np.testing.assert_allclose(again.vectors[layer], first.vectors[layer], atol=1e-5)
    crop = make_raster(
        image[:, 64:, 96:], transform=GRID @ Affine.translation(96, 64), name="c.tif"
    )
    (part,) = tiles(crop, options)
    inner = np.flatnonzero((part.boxes[:, :2] >= field).all(axis=1))
    places = {shape.bounds: at for at, shape in enumerate(first.geometry)}
    same = [places[part.geometry[at].bounds] for at in inner]
    assert len(inner) > 20
    for layer in options.layers:
        np.testing.assert_allclose(
            part.vectors[layer][inner], first.vectors[layer][same], atol=1e-5
        )


def test_a_layer_that_runs_twice_counts_as_its_last_call():
    """Also where the pass ends with the layers: not before the last call."""
    network = build("smp:Unet/resnet18", {"encoder_weights": None})
    card = ModelCard(name="shared", network="smp:Unet/resnet18", stride=32)
    pixels, valid = noise(64, 64, 3)[None], np.ones((1, 64, 64), bool)
    name = "encoder.layer4.1.relu"
    assert find_layers(network, 3, [name])[name].calls == 2
    steps = (
        TorchStep(Segmenter(card, network.eval()), device="cpu", look=Look((name,), alone=alone))
        for alone in (False, True)
    )
    whole, alone = (step(pixels, valid)[name] for step in steps)
    assert (whole == alone).all()


def test_graphs_and_views_show_no_layers(make_raster):
    """What cannot show a layer is refused, or said and replaced by torch."""
    raster, model = make_raster(noise(64, 64, 3)), small_unet()
    options = EmbedOptions(model=model, gsd="native", patch=64)
    with pytest.raises(OptionError, match="--tta d4 has no layers"):
        list(tiles(raster, replace(options, tta="d4")))
    with pytest.raises(OptionError, match=r"model small\+small has no layers"):
        list(tiles(raster, replace(options, model=(model, model))))
    with pytest.warns(GeounetWarning, match="--backend onnx shows no layers.*takes torch"):
        list(tiles(raster, replace(options, backend="onnx")))


def read(path):
    """A table of embeddings: rows, vectors, and what the file says of itself."""
    rows = parquet.read_table(path)
    vectors = np.stack(rows["embedding"].to_numpy())
    return rows, vectors, json.loads(parquet.read_metadata(path).metadata[b"geounet"])


def test_a_table_holds_patches_of_all_rasters_in_order(make_raster, tmp_path):
    """Columns of the contract, raster by raster, row by row, the same bytes each time."""
    rasters = [
        make_raster(noise(64, 128, seed=1), name="a.tif"),
        make_raster(noise(64, 64, seed=2), name="b.tif"),
    ]
    model = SeenModel(bands=1)
    plan = PlanOptions(tile=64, halo=8)
    options = JobOptions(model=model, plan=plan, gsd="native", patch=64)
    outs = [tmp_path / "one.parquet", tmp_path / "two.parquet"]
    for out in outs:
        done = embed(rasters, out, options)
    assert (done.scenes, done.items) == (2, 3)
    assert [path.name for path in done.out] == ["two.parquet", "two.thumbnails.zip"]
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert beside(outs[0]).read_bytes() == beside(outs[1]).read_bytes()
    rows, vectors, facts = read(outs[0])
    assert rows.column_names == ["id", "geometry", "embedding", "source", "thumbnail"]
    assert str(rows.schema.field("embedding").type) == "fixed_size_list<element: float>[1]"
    assert rows["id"].to_pylist() == [0, 1, 2]
    assert rows["source"].to_pylist() == ["a.tif", "a.tif", "b.tif"]
    expected = [noise(64, 128, seed=1)[0, :, :64].mean(), noise(64, 128, seed=1)[0, :, 64:].mean()]
    np.testing.assert_allclose(vectors[:2, 0], expected, rtol=1e-6)
    said = {key: facts[key] for key in ("model", "layer", "pool", "patch", "gsd")}
    assert said == {
        "model": "paint", "layer": "bottleneck", "pool": "mean", "patch": 64, "gsd": facts["gsd"]
    }  # fmt: skip
    assert facts["gsd"] == pytest.approx(0.5, rel=1e-3)
    assert len(facts["inputs"]) == 2
    found = gpd.read_parquet(outs[0])
    assert found.crs == CRS
    assert found.geometry[1].bounds == (500_032, 5_000_000 - 32, 500_064, 5_000_000)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_pictures_show_the_place(make_raster, tmp_path):
    """Each row names its picture: at most 96 pixels, of the patch and nothing else."""
    image = np.zeros((3, 128, 256), np.uint8)
    image[0, :, :128], image[2, :, 128:] = 200, 200
    options = JobOptions(
        model=SeenModel(bands=3), plan=PlanOptions(tile=64, halo=8), gsd="native", patch=128
    )
    out = tmp_path / "out.parquet"
    embed([make_raster(image)], out, options)
    rows, _, _ = read(out)
    with zipfile.ZipFile(beside(out)) as file:
        assert file.namelist() == rows["thumbnail"].to_pylist()
        for name, colour in zip(file.namelist(), ((200, 0, 0), (0, 0, 200)), strict=True):
            with MemoryFile(file.read(name)) as memory, memory.open() as picture:
                shown = picture.read()
            assert shown.shape == (3, 96, 96)
            np.testing.assert_allclose(shown.mean((1, 2)), colour, atol=4)
    again = tmp_path / "plain.parquet"
    embed([make_raster(image)], again, replace(options, thumbnails=False))
    assert read(again)[0]["thumbnail"].null_count == 2
    assert not beside(again).exists()


def test_a_table_of_buildings_has_rings_marks_and_their_own_numbers(make_raster, tmp_path):
    """In the raster's order; a footprint without data is left out, one that is cut is marked."""
    image = noise(64, 128)
    image[0, :, 96:] = 0
    shapes = [
        shapely.box(100, 8, 120, 20),  # nodata
        shapely.box(8, 40, 24, 56),
        shapely.box(88, 8, 104, 24),  # half of it
        shapely.box(-8, 8, 8, 16),  # half beyond the edge
        shapely.box(500, 500, 510, 510),  # elsewhere
    ]
    path = tmp_path / "houses.gpkg"
    gpd.GeoDataFrame(geometry=table(shapes)).to_crs(4326).to_file(path)
    plan = PlanOptions(tile=64, halo=8)
    options = JobOptions(model=SeenModel(), plan=plan, gsd="native", buildings=path, ring=1.0)
    out = tmp_path / "out.parquet"
    embed([make_raster(image, nodata=0)], out, options)
    rows, vectors, facts = read(out)
    assert rows["fid"].to_pylist() == [4, 3, 2]
    assert rows["valid"].to_pylist() == [0.5, 0.5, 1.0]
    assert vectors.shape == (3, 1)
    assert rows["ring"].null_count == 0
    assert facts["ring"] == 1.0


def test_whole_maps_lie_in_a_file_and_their_scores_in_the_table(make_raster, tmp_path):
    """One long vector an image; scores keep every distance."""
    rasters = [make_raster(noise(64, 96, seed=at), name=f"{at}.tif") for at in range(4)]
    plan = PlanOptions(tile=48, halo=8)
    options = JobOptions(model=SeenModel(), plan=plan, gsd="native", flat=True)
    out = tmp_path / "out.parquet"
    done = embed(rasters, out, options)
    flat = np.load(done.out[2])
    assert done.out[2].name == "out.flat.npy"
    expected = [noise(64, 96, seed=at)[0].reshape(8, 8, 12, 8).mean((1, 3)) for at in range(4)]
    np.testing.assert_allclose(flat, np.stack(expected).reshape(4, -1), rtol=1e-6)
    rows, scores, facts = read(out)
    assert scores.shape == (4, 3)
    assert facts["pool"] == "flat"
    assert rows["source"].to_pylist() == [f"{at}.tif" for at in range(4)]
    np.testing.assert_allclose(pdist(scores), pdist(flat), rtol=1e-4)
    rasters[3] = make_raster(noise(64, 64), name="small.tif")
    with pytest.raises(RasterError, match=r"small\.tif: its maps have 64 values, those before 96"):
        embed(rasters, tmp_path / "other.parquet", options)
    assert not list(tmp_path.glob("other*"))


def test_scores_from_scalar_products_are_those_of_pca(monkeypatch, tmp_path):
    """The exact decomposition of scikit-learn, up to the sign of an axis, in any chunks."""
    flat = np.random.default_rng(0).normal(3, 2, (9, 250)).astype(np.float32)
    np.save(tmp_path / "flat.npy", flat)
    monkeypatch.setattr(flat_room, "CHUNK", 9 * 16)
    scores, variances = pca_from_gram(gram(tmp_path / "flat.npy"))
    model = PCA(8, svd_solver="full")
    expected = model.fit_transform(flat.astype(np.float64))
    np.testing.assert_allclose(np.abs(scores), np.abs(expected), atol=1e-8)
    np.testing.assert_allclose(variances, model.explained_variance_)
    assert (np.take_along_axis(scores, np.abs(scores).argmax(0)[None], 0) > 0).all()


def test_predict_writes_the_same_embeddings_in_its_own_walk(make_raster, tmp_path, monkeypatch):
    """`predict --embeddings` gives the bytes of `embed`, and the network runs once a tile."""
    raster = make_raster(noise(300, 520))
    model, calls = SeenModel(), []
    monkeypatch.setattr(
        SeenModel,
        "__call__",
        lambda *words, call=SeenModel.__call__: calls.append(1) or call(*words),
    )
    plan = PlanOptions(tile=64, halo=8, batch_size=1)
    embed([raster], tmp_path / "a.parquet", JobOptions(model=model, plan=plan, gsd="native"))
    alone = len(calls)
    options = PredictOptions(
        model=model, plan=plan, gsd="native", embeddings=tmp_path / "b.parquet", outline="pixel"
    )
    done = predict(raster, tmp_path / "out.gpkg", options)
    assert len(calls) == 2 * alone
    assert [path.name for path in done.out] == ["out.gpkg", "b.parquet", "b.thumbnails.zip"]
    for name in ("parquet", "thumbnails.zip"):
        ours, theirs = (tmp_path / f"{stem}.{name}" for stem in "ab")
        assert ours.read_bytes() == theirs.read_bytes()


def test_a_prediction_without_data_has_an_empty_table(make_raster, tmp_path):
    """The columns are there, without a row."""
    raster = make_raster(np.zeros((1, 70, 90), np.uint8), nodata=0)
    plan = PlanOptions(tile=64, halo=8)
    options = PredictOptions(
        model=SeenModel(), plan=plan, gsd="native", embeddings=tmp_path / "b.parquet"
    )
    predict(raster, tmp_path / "out.gpkg", options)
    assert len(gpd.read_parquet(tmp_path / "b.parquet")) == 0


def test_jobs_that_cannot_be_are_refused_in_a_line(make_raster, tmp_path, monkeypatch):
    """Nothing is left at the output."""
    one, two = make_raster(noise(64, 64)), make_raster(noise(64, 64), crs="EPSG:3857", name="2.tif")
    bare = make_raster(np.zeros((1, 64, 64), np.uint8), nodata=0, name="bare.tif")
    options = JobOptions(model=SeenModel(), plan=PlanOptions(tile=64, halo=8), gsd="native")
    out, houses = tmp_path / "out.parquet", tmp_path / "houses.gpkg"
    gpd.GeoDataFrame(geometry=table([shapely.box(900, 0, 910, 9)])).to_file(houses)
    with pytest.raises(OptionError, match=r"2\.tif: its CRS is WGS 84 / Pseudo.*embed them apart"):
        embed([one, two], out, options)
    with pytest.raises(RasterError, match="nothing to embed"):
        embed([bare], out, options)
    with pytest.raises(AnnotationError, match="none of its 1 buildings lies on raster"):
        embed([one], out, replace(options, buildings=houses))
    with pytest.raises(AnnotationError, match=r"no\.gpkg: cannot be read"):
        embed([one], out, replace(options, buildings=tmp_path / "no.gpkg"))
    with pytest.raises(OptionError, match="compares images, got one"):
        embed([one], out, replace(options, flat=True))
    with pytest.raises(OptionError, match="unknown kind of output"):
        embed([one], tmp_path / "out.gpkg", options)
    monkeypatch.setattr("geounet.embeddings.table.find_spec", lambda _: None)
    with pytest.raises(OptionError, match=r"pip install 'geounet\[embeddings\]'"):
        embed([one], out, options)
    assert not list(tmp_path.glob("out*"))


@pytest.fixture
def model(tmp_path):
    """A small U-Net in a file."""
    path = tmp_path / "small.safetensors"
    save_model(path, small_unet())
    return path


def test_the_command_prints_what_it_wrote(make_raster, model, tmp_path, capsys):
    """Paths or one object on stdout, a summary on stderr, exit code 0."""
    raster, out = make_raster(noise(64, 96, 3)), tmp_path / "out.parquet"
    words = ["embed", str(raster), "-o", str(out), "-m", str(model), "--gsd", "native"]
    assert main([*words, "--patch", "32", "--layer", "encoder.0", "--layer", "bottleneck"]) == 0
    told = capsys.readouterr()
    assert told.out == f"{out}\n{beside(out)}\n"
    assert told.err.startswith("geounet: 6 vectors in ")
    assert read(out)[1].shape == (6, 4 + 8)
    assert read(out)[2]["layer"] == "encoder.0+bottleneck"
    assert main([*words, "--patch", "32", "-f", "--json", "-q", "--no-thumbnails"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {key: found[key] for key in ("out", "scenes", "items")} == {
        "out": [str(out)], "scenes": 1, "items": 6
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--layer", "neck"],
            r"'neck' is unknown; maps are given by: bottleneck, .*encoder\.0",
        ),
        (["--layer", "pool", "--layer", "pool"], "name each layer once"),
        (["--patch", "7"], "must be a multiple of 4.*try 8"),
        (["--pool", "flat"], "compares images, got one"),
        (["--buildings", "gone.gpkg"], r"gone\.gpkg: cannot be read"),
        (["--pool", "median"], "'median' is not one of"),
        (["--tta", "d4"], "No such option"),
    ],
)
def test_what_the_command_cannot_do_is_one_line(
    make_raster, model, tmp_path, capsys, words, message
):
    """Exit code 2, one line, nothing left."""
    raster, out = make_raster(noise(64, 96, 3)), tmp_path / "out.parquet"
    usual = ["embed", str(raster), "-o", str(out), "-m", str(model), "--gsd", "native"]
    assert main([*usual, *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line), line
    assert not list(tmp_path.glob("out*"))


def test_a_warning_of_many_rasters_is_shown_once(make_raster, model, tmp_path, capsys):
    """The same words are not repeated for each of them."""
    rasters = [str(make_raster(noise(64, 64, 3), name=f"{at}.tif")) for at in range(3)]
    words = ["-m", str(model), "--gsd", "native", "--halo", "0", "--patch", "32"]
    assert main(["embed", *rasters, "-o", str(tmp_path / "out.parquet"), *words]) == 0
    warned = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(warned) == 1
