"""Rules of the main job, with a model whose answer is known for every pixel."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from fakes import PaintModel
from rasterio.features import shapes

from geounet.errors import GeounetWarning, OptionError, OutputError, RasterError
from geounet.exchange.encode import EncodeOptions, encode_files
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions, predict, stream
from geounet.quantise import quantise
from geounet.survey.work import files_of
from geounet.vectorize import VectorizeOptions, vectorize

GRID = Affine(0.3, 0, 500_000, 0, -0.3, 5_000_000)


def painting(shape=(130, 170), seed=0):
    """Blobs, lines and noise, from black to white."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 140, shape).astype(np.uint8)
    for row, col, height, width in rng.integers(3, 40, (25, 4)):
        image[row * 3 : row * 3 + height, col * 4 : col * 4 + width] = rng.integers(140, 255)
    return image


def run(raster, out, **options):
    """Predict with the paint model."""
    side = out.with_suffix(".tif")
    chosen = PredictOptions(model=PaintModel(), probability=side, gsd="native", **options)
    result = predict(raster, out, chosen)
    with rasterio.open(side) as file:
        return result, geopandas.read_file(out, layer="buildings"), file.read(1)


def contents(path):
    """Every row of every table, but for what SQLite keeps of itself."""
    with closing(sqlite3.connect(path)) as file:
        names = [
            row[0] for row in file.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        return {name: file.execute(f'SELECT * FROM "{name}"').fetchall() for name in sorted(names)}  # noqa: S608


@pytest.fixture
def scene(make_raster):
    """A painted scene with a ragged nodata edge."""
    image = painting()
    image[image == 0] = 1
    for row in range(len(image)):
        image[row, : row // 5] = 0
    return make_raster(image, transform=GRID, nodata=0), image


def test_the_map_is_what_gdal_makes_of_the_painted_raster(scene, tmp_path):
    """Pixels are floor(254·p), outlines GDAL's own, confidence the mean inside."""
    raster, image = scene
    _, table, q = run(raster, tmp_path / "out.gpkg", outline="pixel")
    expected = quantise(image / np.float32(255))
    expected[image == 0] = 255
    assert (q == expected).all()
    mask = (q >= 127) & (q != 255)
    found = shapes(mask.astype(np.uint8), mask=mask, connectivity=4, transform=GRID)
    theirs = [shapely.geometry.shape(geometry) for geometry, _ in found]
    assert {p.normalize().wkb for p in theirs} == {p.normalize().wkb for p in table.geometry}
    assert table.crs.to_epsg() == 32633
    assert (table.id == np.arange(len(table))).all()
    for row in table.sample(5, random_state=1).itertuples():
        inside = rasterio.features.rasterize([row.geometry], q.shape, transform=GRID) == 1
        assert row.confidence == pytest.approx(q[inside].mean() / 254, abs=1e-9)


@pytest.mark.parametrize("blend", ["crop", "hann", "gaussian", "average"])
@pytest.mark.parametrize(
    ("tile", "halo", "batch", "band"),
    [(64, 0, 1, 16_384), (50, 7, 3, 64), (24, 8, 5, 30), (300, 100, 2, 16_384), (35, 10, 7, 1)],
)
def test_no_setting_changes_the_result(scene, tmp_path, blend, tile, halo, batch, band):
    """Any tile, halo, batch, band and blend: the same raster, the same file contents."""
    raster, _ = scene
    _, table, q = run(raster, tmp_path / "one.gpkg")
    plan = PlanOptions(tile=tile, halo=halo, batch_size=batch, band_width=band, blend=blend)
    _, again, q_again = run(raster, tmp_path / "two.gpkg", plan=plan)
    assert (q == q_again).all()
    assert table.equals(again)
    one, two = contents(tmp_path / "one.gpkg"), contents(tmp_path / "two.gpkg")
    assert one["buildings"] == two["buildings"]
    assert one["coverage"] == two["coverage"]


def test_the_same_run_gives_the_same_tables(scene, tmp_path):
    """Twice the same command, twice the same contents, times and provenance included."""
    raster, _ = scene
    run(raster, tmp_path / "out.gpkg")
    first = contents(tmp_path / "out.gpkg")
    run(raster, tmp_path / "out.gpkg", overwrite=True)
    second = contents(tmp_path / "out.gpkg")
    assert first == second


def test_vectorize_gives_what_predict_gave(scene, tmp_path):
    """The probability raster holds everything the footprints are made of."""
    raster, _ = scene
    _, table, _ = run(raster, tmp_path / "out.gpkg")
    for strip in (None, 17):
        vectorize(tmp_path / "out.tif", tmp_path / "v.gpkg",
                  VectorizeOptions(overwrite=True, strip=strip))  # fmt: skip
        again = geopandas.read_file(tmp_path / "v.gpkg", layer="buildings")
        assert again.drop(columns="source").equals(table.drop(columns="source"))


def test_the_mask_is_the_threshold_of_the_probability(scene, tmp_path):
    """The class raster says 0, 1 and 255, and vectorizes to the same outlines."""
    raster, _ = scene
    _, table, q = run(raster, tmp_path / "out.gpkg", mask=tmp_path / "mask.tif")
    with rasterio.open(tmp_path / "mask.tif") as file:
        mask = file.read(1)
        assert file.nodata == 255
    assert (mask == np.where(q == 255, 255, q >= 127)).all()
    vectorize(tmp_path / "mask.tif", tmp_path / "v.gpkg")
    again = geopandas.read_file(tmp_path / "v.gpkg", layer="buildings")
    assert (again.geometry.to_wkb() == table.geometry.to_wkb()).all()
    assert again.confidence.isna().all()


def test_the_coverage_covers_the_raster_once(scene, tmp_path):
    """Predicted and nodata parts add up to the scene, without overlap."""
    raster, image = scene
    result, _, _ = run(raster, tmp_path / "out.gpkg")
    coverage = geopandas.read_file(tmp_path / "out.gpkg", layer="coverage")
    pixels = coverage.geometry.area.groupby(coverage.status).sum() / 0.09
    assert pixels["predicted"] == pytest.approx((image > 0).sum()) == result.valid_pixels
    assert pixels["nodata"] == pytest.approx((image == 0).sum())


def test_stream_yields_what_predict_writes(scene, tmp_path):
    """Windows partition the grid; NaN is nodata, the rest steps of 1/254."""
    raster, _ = scene
    _, _, q = run(raster, tmp_path / "out.gpkg")
    seen = np.full(q.shape, -1.0, np.float32)
    plan = PlanOptions(tile=32, band_width=64)
    for window, p in stream(raster, PaintModel(), PredictOptions(plan=plan, gsd="native")):
        assert (seen[window.toslices()] == -1).all()
        seen[window.toslices()] = p[0]
    assert np.isnan(seen[q == 255]).all()
    assert (np.round(seen[q != 255] * 254) == q[q != 255]).all()


def test_several_classes_make_several_layers(make_raster, tmp_path):
    """Each class has its layer, and the larger probability wins."""
    image = np.stack([painting(seed=1), painting(seed=2)])
    raster = make_raster(image, transform=GRID)
    out = tmp_path / "out.gpkg"
    options = PredictOptions(
        model=PaintModel(classes=2), gsd="native", mask=tmp_path / "mask.tif", outline="pixel"
    )
    result = predict(raster, out, options)
    q = quantise(image / np.float32(255))
    winner = np.where(q.max(0) >= 127, q.argmax(0) + 1, 0)
    with rasterio.open(tmp_path / "mask.tif") as file:
        assert (file.read(1) == winner).all()
    layers = [geopandas.read_file(out, layer=f"layer {at}") for at in range(2)]
    assert sum(map(len, layers)) == result.polygons
    for at, layer in enumerate(layers):
        assert layer.geometry.area.sum() == pytest.approx((winner == at + 1).sum() * 0.09)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
@pytest.mark.parametrize(("classes", "values"), [(1, "mask"), (2, "classes")])
@pytest.mark.parametrize("plan", [{}, {"tile": 32, "band_width": 64}])
def test_run_lengths_are_those_of_the_class_raster(
    make_raster, tmp_path, suffix, classes, values, plan
):
    """The same file as that of the mask encoded, nodata as background, whatever the tiles."""
    image = np.stack([painting(seed=seed) for seed in range(classes)])
    image[:, :70, :50] = 0
    raster = make_raster(image, transform=GRID, nodata=0, name="scene.tif")
    (tmp_path / "mask").mkdir()
    mask, runs = tmp_path / "mask" / "scene.tif", tmp_path / f"runs{suffix}"
    options = PredictOptions(
        model=PaintModel(classes=classes), gsd="native", mask=mask, rle=runs,
        plan=PlanOptions(**plan),
    )  # fmt: skip
    result = predict(raster, tmp_path / "out.gpkg", options)
    assert runs in result.out
    again = tmp_path / f"again{suffix}"
    assert encode_files([str(mask)], again, EncodeOptions(values=values)) == classes
    ours, theirs = runs.read_text(), again.read_text()
    if suffix == ".json":  # but for names, which only the card knows
        ours, theirs = (json.loads(text) | {"categories": 0} for text in (ours, theirs))
    assert ours == theirs
    if not plan:
        alone = tmp_path / f"alone{suffix}"
        predict(raster, tmp_path / "b.gpkg", replace(options, mask=None, rle=alone))
        assert alone.read_bytes() == runs.read_bytes()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (33, 1), (2, 3)])
def test_any_size_of_raster(make_raster, tmp_path, shape):
    """From one pixel up."""
    raster = make_raster(np.full(shape, 200, np.uint8), transform=GRID)
    result, table, q = run(raster, tmp_path / "out.gpkg")
    assert (q == quantise(np.full(1, 200 / 255, np.float32))).all()
    assert len(table) == result.polygons == 1
    assert table.touches_edge.all()


@pytest.mark.parametrize("value", [0, 9])
def test_an_empty_result_is_a_typed_layer(make_raster, tmp_path, value):
    """No building, or no data at all: the layer, its columns and its CRS are there."""
    raster = make_raster(np.full((20, 30), value, np.uint8), transform=GRID, nodata=0)
    result, table, _ = run(raster, tmp_path / "out.gpkg")
    assert len(table) == result.polygons == 0
    assert table.crs.to_epsg() == 32633
    assert {"id", "class", "confidence", "area_m2", "review", "source"} <= set(table.columns)
    assert pyogrio.read_info(tmp_path / "out.gpkg", layer="buildings")["geometry_type"] == "Polygon"
    if value == 0:
        assert (result.tiles, result.valid_pixels) == (0, 0)


def test_without_a_crs_the_map_is_in_pixels(make_raster, tmp_path):
    """One warning, no metres, and metre options are refused with the one that serves."""
    raster = make_raster(painting(), transform=None, crs=None)
    with pytest.warns(GeounetWarning, match="no CRS; the map is in the raster's own"):
        _, table, _ = run(raster, tmp_path / "out.gpkg")
    assert table.area_m2.isna().all()
    assert table.crs is None or table.crs.name.startswith("Undefined")
    with (
        pytest.warns(GeounetWarning),
        pytest.raises(OptionError, match="--min-area 5 m² means nothing; use --min-pixels"),
    ):
        run(raster, tmp_path / "two.gpkg", min_area=5.0)
    with pytest.warns(GeounetWarning):
        _, large, _ = run(raster, tmp_path / "three.gpkg", min_pixels=30)
    assert len(large) == (table.geometry.area >= 30).sum()


def test_small_footprints_are_dropped_before_ids_are_given(scene, tmp_path):
    """--min-area counts square metres."""
    raster, _ = scene
    _, table, _ = run(raster, tmp_path / "one.gpkg")
    _, large, _ = run(raster, tmp_path / "two.gpkg", min_area=5.0)
    assert len(large) == (table.area_m2 >= 5).sum()
    assert (large.id == np.arange(len(large))).all()


def test_another_crs_moves_the_outlines(scene, tmp_path):
    """--crs reprojects, areas stay what they are on the ground."""
    raster, _ = scene
    _, table, _ = run(raster, tmp_path / "one.gpkg")
    _, moved, _ = run(raster, tmp_path / "two.gpkg", crs="EPSG:4326")
    assert moved.crs.to_epsg() == 4326
    assert np.allclose(moved.to_crs(32633).geometry.area, table.geometry.area, rtol=1e-6)
    assert (moved.area_m2 == table.area_m2).all()


@pytest.mark.parametrize("crs", ["EPSG:999999", "nowhere", "EPSG:5773"])
def test_a_crs_that_cannot_be_used_is_refused_before_the_work(scene, tmp_path, crs):
    """Hours of inference must not end in a wrong word on the command line."""
    model = PaintModel()
    with pytest.raises(OptionError, match="try one like EPSG:4326"):
        predict(scene[0], tmp_path / "out.gpkg", PredictOptions(model=model, crs=crs))
    assert not model.shapes
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_area": float("nan")}, "must be 0 or more, got nan"),
        ({"min_area": -5.0}, "must be 0 or more, got -5"),
        ({"min_pixels": -1}, "must be 0 or more, got -1 pixels"),
        ({"gsd": float("inf")}, "gsd must be above 0 metres, got inf; try 0.3"),
        ({"bands": (1, 1)}, "--bands names 2 bands, model paint expects 1"),
    ],
)
def test_numbers_that_mean_nothing_are_refused(scene, tmp_path, options, message):
    """Before the work, with the range that is allowed."""
    model = PaintModel()
    with pytest.raises(OptionError, match=message):
        predict(scene[0], tmp_path / "out.gpkg", PredictOptions(model=model, **options))
    assert not model.shapes


def test_a_path_may_be_a_text(scene, tmp_path):
    """From Python, side outputs are named as freely as the main one."""
    options = PredictOptions(model=PaintModel(), mask=str(tmp_path / "mask.tif"))
    assert predict(str(scene[0]), str(tmp_path / "out.gpkg"), options).out[1].exists()


def test_a_finer_raster_is_inferred_at_the_models_gsd(make_raster, tmp_path):
    """0.1 m pixels and a 0.3 m model: probability and outlines lie on a 0.3 m grid."""
    image = np.kron(painting((40, 50)), np.ones((3, 3), np.uint8))
    raster = make_raster(image, transform=Affine(0.1, 0, 500_000, 0, -0.1, 5_000_000))
    options = PredictOptions(model=PaintModel(), probability=tmp_path / "p.tif")
    result = predict(raster, tmp_path / "out.gpkg", options)
    with rasterio.open(tmp_path / "p.tif") as file:
        assert abs(file.transform.a - 0.3) < 0.001
        assert file.width in (50, 51)
    assert result.pixels < image.size / 8


def test_the_sources_of_a_vrt_are_spared(scene, tmp_path):
    """An output that the run reads is refused, also when the user named only the mosaic."""
    source = scene[0]
    mosaic = tmp_path / "mosaic.vrt"
    with rasterio.open(source) as file:
        width, height = file.width, file.height
    part = f"<SimpleSource><SourceFilename relativeToVRT='1'>{source.name}</SourceFilename>"
    mosaic.write_text(
        f"<VRTDataset rasterXSize='{width}' rasterYSize='{height}'>"
        f"<VRTRasterBand dataType='Byte' band='1'>{part}</SimpleSource></VRTRasterBand>"
        "</VRTDataset>"
    )
    before = source.read_bytes()
    options = PredictOptions(model=PaintModel(), mask=source, overwrite=True)
    with (
        pytest.warns(GeounetWarning, match="no CRS"),
        pytest.raises(OptionError, match="is read by this run"),
    ):
        predict(mosaic, tmp_path / "out.gpkg", options)
    assert source.read_bytes() == before


def test_nothing_is_left_when_reading_fails(scene, tmp_path):
    """A raster that is damaged half-way: one error, and no more than what --resume goes on from."""
    image = painting((600, 400))
    raster = scene[0].parent / "cut.tif"
    with rasterio.open(raster, "w", driver="GTiff", height=600, width=400, count=1, dtype="uint8",
                       crs="EPSG:32633", transform=GRID, tiled=True, blockxsize=64,
                       blockysize=64, compress="deflate") as file:  # fmt: skip
        file.write(image, 1)
    whole = raster.read_bytes()
    raster.write_bytes(whole[: len(whole) // 2])
    (tmp_path / "out").mkdir()
    with pytest.raises(RasterError, match=r"cut\.tif"):
        run(raster, tmp_path / "out" / "o.gpkg", plan=PlanOptions(tile=64))
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {"o.gpkg.state"}


def test_an_existing_output_stands_until_the_new_one_is_whole(scene, tmp_path):
    """Refused without --overwrite; kept when the run fails."""
    raster, _ = scene
    out = tmp_path / "out.gpkg"
    out.write_text("mine")
    options = PredictOptions(model=PaintModel(), gsd="native")
    with pytest.raises(OutputError, match="exists already; pass --overwrite"):
        predict(raster, out, options)

    class Broken(PaintModel):
        def __call__(self, pixels, valid):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(raster, out, PredictOptions(model=Broken(), gsd="native", overwrite=True))
    assert out.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.gpkg", "raster.tif"]


def test_provenance_is_in_the_file(scene, tmp_path):
    """Model, options and input stand in the metadata table as JSON."""
    raster, _ = scene
    run(raster, tmp_path / "out.gpkg")
    ((text,),) = [row[-1:] for row in contents(tmp_path / "out.gpkg")["gpkg_metadata"]]
    facts = json.loads(text)
    assert facts["model"]["name"] == "paint"
    assert facts["options"]["tile"] > 0
    assert "raster.tif" in facts["input"]


def test_progress_counts_every_tile(scene, tmp_path):
    """The last call says all tiles are done."""
    raster, _ = scene
    seen = []
    options = PredictOptions(model=PaintModel(), gsd="native", plan=PlanOptions(tile=40))
    result = predict(raster, tmp_path / "out.gpkg", options, lambda *now: seen.append(now))
    assert seen[-1] == (20, 20) == (result.tiles + result.tiles_skipped, 20)


def test_several_rasters_go_into_a_folder(tmp_path):
    """Each gets a file of its own name; one name twice, or a file for several, is refused."""
    options = PredictOptions(model=PaintModel(), mask=tmp_path / "masks")
    jobs = files_of(["a/x.tif", "a/y.tif"], tmp_path / "maps", options)
    assert [job.out for job in jobs] == [tmp_path / "maps/x.gpkg", tmp_path / "maps/y.gpkg"]
    assert [job.options.mask for job in jobs] == [
        tmp_path / "masks/x.tif",
        tmp_path / "masks/y.tif",
    ]
    with pytest.raises(OptionError, match="several inputs are called x"):
        files_of(["a/x.tif", "b/x.tif"], tmp_path / "maps", options)
    with pytest.raises(OptionError, match="2 inputs need a folder"):
        files_of(["a/x.tif", "a/y.tif"], tmp_path / "maps.gpkg", options)
