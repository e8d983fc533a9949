"""Many sheets as one raster: pixels, overlaps, other grids, and the footprints found on them."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio
from affine import Affine
from fakes import FakeReader, PaintModel
from geounet.cli.main import main
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyproj import CRS, Transformer
from rasterio.enums import Resampling
from rasterio.warp import reproject
from rasterio.windows import Window

from geounet.errors import OptionError, RasterError, SurveyError
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions, predict, stream
from geounet.surface import Surface, SurfaceOptions
from geounet.surface import reader as surface_reader
from geounet.surface.warp import Drawn
from geounet.survey.find import find_scenes
from geounet.survey.job import SurveyOptions
from geounet.survey.whole import survey_whole

GRID = Affine(0.13, 0, 340_000.1, 0, -0.13, 3_056_000.7)
"""What no float holds exactly."""


def image(shape=(130, 170), bands=1, seed=0):
    """Noise: no two places look alike."""
    return np.random.default_rng(seed).integers(1, 255, (bands, *shape)).astype(np.uint8)


def cut(make_raster, array, boxes, grid=GRID, **profile):
    """Write the boxes (top, bottom, left, right) of an array as sheets; return their paths."""
    paths = []
    for at, (top, bottom, left, right) in enumerate(boxes):
        there = grid @ Affine.translation(left, top)
        part = array[:, top:bottom, left:right]
        name = f"sheet{at:02}.tif"
        paths.append(str(make_raster(part, transform=there, name=name, **profile)))
    return paths


def whole(reader):
    """All pixels of a reader."""
    return reader.read(Window(0, 0, reader.info.width, reader.info.height))


def windows(shape, rng, count=12):
    """Windows anywhere inside a shape."""
    for _ in range(count):
        (top, bottom), (left, right) = (
            np.sort(rng.choice(size + 1, 2, replace=False)).tolist() for size in shape
        )
        yield Window(left, top, right - left, bottom - top)


@st.composite
def cuts(draw, shape):
    """Draw boxes that cover a shape, in rows and columns with overlaps of their own."""
    spans = []
    for size in shape:
        inner = draw(st.lists(st.integers(1, size - 1), unique=True, max_size=3))
        edges = [0, *sorted(inner), size]
        more = draw(st.integers(0, 20))
        spans.append([(max(a - more, 0), min(b + more, size)) for a, b in pairwise(edges)])
    return [(*rows, *cols) for rows in spans[0] for cols in spans[1]]


@given(boxes=cuts((60, 75)), rule=st.sampled_from(["first", "centre"]), seed=st.integers(0, 99))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_sheets_read_like_the_raster_they_were_cut_from(make_raster, boxes, rule, seed):
    """Whatever the cut, the overlap and the window: the pixels, the place and the size."""
    array, rng = image((60, 75), 2, seed), np.random.default_rng(seed)
    paths = cut(make_raster, array, boxes)
    rng.shuffle(paths)
    surface = Surface.of(paths, SurfaceOptions(overlap=rule))
    assert surface.info.shape == (60, 75)
    assert np.allclose(surface.info.transform, GRID, rtol=0, atol=1e-8)
    assert surface.info.crs == CRS("EPSG:32633")
    assert not surface.refused
    with surface.open() as reader:
        for window in windows((60, 75), rng):
            patch = reader.read(window)
            assert (patch.data == array[:, *window.toslices()]).all()
            assert patch.valid.all()
            assert reader.holds_data(window)


def test_a_result_is_read_into_the_arrays_that_are_given(make_raster):
    """What the walk hands in is filled, also where it is a part of larger arrays."""
    array = image()
    paths = cut(make_raster, array, [(0, 70, 0, 170), (60, 130, 0, 90), (60, 130, 80, 170)])
    with Surface.of(paths).open() as reader:
        window = Window(3, 40, 150, 80)
        room = whole(reader)
        room.data[:], room.valid[:] = 7, False
        found = reader.read(window, room.part(window))
        assert np.shares_memory(found.data, room.data)
        assert (room.data[:, *window.toslices()] == array[:, *window.toslices()]).all()
        assert (room.data[:, :40] == 7).all()


def test_nodata_falls_through_to_the_sheet_below(make_raster):
    """Where a sheet has nodata the other one counts, and only where all have none it is nodata."""
    rng = np.random.default_rng(3)
    boxes = [(0, 80, 0, 100), (0, 80, 40, 170), (50, 130, 0, 170)]
    arrays = [np.where(rng.random((130, 170)) < 0.4, 0, image(seed=at)[0]) for at in range(3)]
    paths = [
        cut(make_raster, array[None], [box], nodata=0)[0]
        if at == 0
        else str(make_raster(
            array[box[0] : box[1], box[2] : box[3]], nodata=0, name=f"sheet{at:02}.tif",
            transform=GRID @ Affine.translation(box[2], box[0]),
        ))
        for at, (array, box) in enumerate(zip(arrays, boxes, strict=True))
    ]  # fmt: skip
    for rule in ("first", "centre"):
        expected, valid = brute(arrays, boxes, rule, (130, 170))
        with Surface.of(paths, SurfaceOptions(overlap=rule)).open() as reader:
            patch = whole(reader)
            assert (patch.valid == valid).all()
            assert (patch.data[0][valid] == expected[valid]).all()
            for window in windows((130, 170), rng):
                part = reader.read(window)
                assert (part.data == patch.data[:, *window.toslices()]).all()
                assert (part.valid == patch.valid[window.toslices()]).all()


def brute(arrays, boxes, rule, shape):
    """Ask every pixel alone which sheet counts; 0 is nodata."""
    expected, valid = np.zeros(shape, np.uint8), np.zeros(shape, bool)
    for row in range(shape[0]):
        for col in range(shape[1]):
            costs = []
            for at, (array, (top, bottom, left, right)) in enumerate(
                zip(arrays, boxes, strict=True)
            ):
                if top <= row < bottom and left <= col < right and array[row, col]:
                    down, across = row + 0.5 - (top + bottom) / 2, col + 0.5 - (left + right) / 2
                    costs.append((0 if rule == "first" else down**2 + across**2, at))
            if costs:
                expected[row, col], valid[row, col] = arrays[min(costs)[1]][row, col], True
    return expected, valid


def dated(path, word):
    """Write a date into a TIFF's own tag."""
    with rasterio.open(path, "r+") as file:
        file.update_tags(TIFFTAG_DATETIME=word)


def test_the_newest_sheet_counts_by_item_then_acquisition_then_file(make_raster):
    """A STAC item beside a sheet says its date, else its tags, the acquisition before the file."""
    arrays = [np.full((1, 20, 30), value, np.uint8) for value in (10, 20, 30)]
    paths = [cut(make_raster, each, [(0, 20, 0, 30)])[0] for each in arrays[:1]]
    paths += [
        str(make_raster(each, transform=GRID, name=f"other{at}.tif"))
        for at, each in enumerate(arrays[1:])
    ]
    for path, year in zip(paths, (2021, 2022, 2020), strict=True):
        dated(path, f"{year}:01:01 00:00:00")

    identities = set()

    def winner():
        surface = Surface.of(paths, SurfaceOptions(overlap="newest"))
        identities.add(surface.identity)
        with surface.open() as reader:
            return int(np.unique(whole(reader).data).item())

    assert winner() == 20
    with rasterio.open(paths[1], "r+") as file:
        file.update_tags(ns="IMAGERY", ACQUISITIONDATETIME="2019-05-01 10:00:00")
    assert winner() == 10
    item = {"stac_version": "1.0.0", "properties": {"datetime": "2023-07-01T00:00:00Z"}}
    Path(paths[2]).with_suffix(".json").write_text(json.dumps(item), encoding="utf-8")
    assert winner() == 30
    Path(paths[2]).with_suffix(".json").unlink()
    assert winner() == 10
    assert len(identities) == 3, "a surface is another one when a date is"


def test_newest_is_refused_when_a_sheet_has_no_date(make_raster):
    """Nobody guesses a date: one line names the sheet and another rule."""
    paths = cut(make_raster, image(), [(0, 130, 0, 100), (0, 130, 80, 170)])
    with pytest.raises(OptionError, match=r"sheet00\.tif: does not say when .* --overlap centre"):
        Surface.of(paths, SurfaceOptions(overlap="newest"))


def test_a_gap_of_a_pixel_stays_a_gap(make_raster):
    """Where no sheet lies there is no data, and holds_data says so without reading."""
    paths = cut(make_raster, image(), [(0, 130, 0, 100), (0, 130, 101, 170)])
    with Surface.of(paths).open() as reader:
        valid = whole(reader).valid
        assert valid.sum() == 130 * 169
        assert not valid[:, 100].any()
        assert not reader.holds_data(Window(100, 0, 1, 130))
        assert reader.holds_data(Window(99, 0, 2, 130))


HOME = "EPSG:32645"


def ground(grid, shape, crs=HOME):
    """A wave over the ground, drawn on a grid: a tenth of a pixel of 0.13 m is 60 or less."""
    rows, cols = np.indices(shape) + 0.5
    x, y = grid @ (cols, rows)
    if crs != HOME:
        x, y = Transformer.from_crs(crs, HOME, always_xy=True).transform(x, y)
    waves = np.sin((x - 340_000) / 1.6) + np.sin((y - 3_056_000) / 1.6)
    return np.rint(8_000 + 3_700 * waves).astype(np.uint16)


def beside(crs, gsd, turn):
    """A grid that lies to the right of the first 200 columns of GRID, and over some of them."""
    x, y = GRID @ (180.3, -10.6)
    if crs != HOME:
        x, y = Transformer.from_crs(HOME, crs, always_xy=True).transform(x, y)
    step = gsd / 111_000 if crs == "EPSG:4326" else gsd
    return Affine(step, 0, x, 0, -step, y) @ Affine.rotation(turn)


@pytest.mark.parametrize(
    ("crs", "gsd", "turn", "rounds"),
    [
        (HOME, 0.13, 0, 30), ("EPSG:32646", 0.13, 0, 30), ("EPSG:4326", 0.13, 0, 30),
        (HOME, 0.3, 0, 60), ("EPSG:32646", 0.05, 0, 60), (HOME, 0.13, 30, 30),
    ],
)  # fmt: skip
def test_a_sheet_of_another_grid_lands_in_its_place(make_raster, crs, gsd, turn, rounds):
    """Another CRS, GSD, rotation or half a pixel: it shows what the others would show there.

    To be off by a tenth of a pixel makes 30; other GSDs blur the waves beside.
    """
    shape = (400, 300)
    paths = cut(make_raster, ground(GRID, shape)[None], [(0, 400, 0, 200)], crs=HOME)
    there, size = beside(crs, gsd, turn), (min(240, int(30 / gsd)),) * 2
    other = make_raster(ground(there, size, crs), transform=there, crs=crs, name="z.tif")
    paths.append(str(other))
    surface = Surface.of(paths, SurfaceOptions(overlap="first", crs=HOME))
    assert not surface.refused
    assert surface.info.crs == CRS(HOME)
    col, row = ~GRID @ surface.info.transform @ (0.0, 0.0)
    assert abs(col - round(col)) < 1e-6
    with surface.open() as reader:
        seen = whole(reader)
        top, left = -round(row), -round(col)
        for window in windows(surface.info.shape, np.random.default_rng(1), 6):
            part = reader.read(window)
            assert (part.data == seen.data[:, *window.toslices()]).all()
            assert (part.valid == seen.valid[window.toslices()]).all()
    high = min(surface.info.height - top, shape[0])
    wide = min(surface.info.width - left, shape[1])
    valid = seen.valid[top : top + high, left : left + wide]
    off = seen.data[0].astype(int)[top : top + high, left : left + wide]
    off = np.abs(off - ground(GRID, shape)[:high, :wide])
    assert not off[:, :200].any(), "a sheet that shares the pixels is copied"
    assert valid[:, 200:].sum() > 2_000
    assert np.quantile(off[:, 200:][valid[:, 200:]], 0.98) < rounds


TURNS = {
    "off by a part of a pixel": Affine.translation(0.4, 0.7),
    "south up": Affine.translation(3.3, 120) @ Affine.scale(1, -1),
    "mirrored": Affine.translation(140, 2.2) @ Affine.scale(-1, 1),
    "rotated": Affine.translation(60, -20) @ Affine.rotation(33),
    "sheared": Affine.translation(7, 9) @ Affine.shear(12, 5),
    "coarser": Affine.scale(1.7),
}


SHAPE = (110, 125)


def drawn(sheet, there, crs, valid=None, grid=GRID, home=HOME):
    """A sheet on the pixels of a grid."""
    reader = FakeReader(sheet, valid, there, CRS(crs))
    place = FakeReader(np.zeros((1, *SHAPE)), transform=grid, crs=CRS(home)).info
    return Drawn(reader, place).read(Window(0, 0, SHAPE[1], SHAPE[0]))


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("crs", [HOME, "EPSG:32646"])
def test_a_sheet_is_drawn_as_gdal_draws_it(turn, crs):
    """Bilinear between centres, up to the edge, whichever way it lies; half must hold data."""
    sheet = image((100, 120), 2, 5)
    valid = np.random.default_rng(6).random((100, 120)) < 0.9
    there = GRID @ TURNS[turn]
    x, y = Transformer.from_crs(HOME, crs, always_xy=True).transform(there.c, there.f)
    there = Affine(there.a, there.b, x, there.d, there.e, y)

    def warped(pixels, nodata=None):
        return reproject(
            pixels.astype(np.float32), np.zeros((len(pixels), *SHAPE), np.float32),
            src_transform=there, src_crs=crs, dst_transform=GRID, dst_crs=HOME,
            resampling=Resampling.bilinear, src_nodata=nodata, dst_nodata=0,
            tolerance=0, XSCALE=1, YSCALE=1,
        )[0]  # fmt: skip

    found, expected = drawn(sheet, there, crs), warped(sheet)
    assert found.valid.sum() > 9_000
    assert (found.valid == (expected[0] > 0)).all()
    assert np.abs(found.data - expected).max() < 0.51
    found, expected = drawn(sheet, there, crs, valid), warped(np.where(valid, sheet, 0), 0)
    share = warped(valid[None] + 1)[0] - 1
    clear = np.abs(share - 0.5) > 1e-3
    assert (found.valid == (share > 0.5))[clear].all()
    both = found.valid & (expected[0] > 0)
    assert np.abs(found.data - expected)[:, both].max() < 0.51


@pytest.mark.parametrize("west", [179.99985, -180.00015])
def test_a_sheet_over_the_antimeridian_is_drawn_whole(west):
    """Longitudes go on at 180 degrees, whichever way a sheet and a surface count them."""
    home = "EPSG:32660"
    x, y = Transformer.from_crs("EPSG:4326", home, always_xy=True).transform(179.9999, -17.0)
    step = 0.3 / 111_000
    there = Affine(step, 0, west, 0, -step, -16.9999)
    found = drawn(
        image((150, 160)), there, "EPSG:4326", grid=Affine(0.3, 0, x, 0, -0.3, y), home=home
    )
    assert found.valid[:90].all()


def test_a_resampled_sheet_leaves_no_gap_beside_its_neighbour(make_raster):
    """Sheets whose edges meet on the ground meet on the surface, whatever their pixels are."""
    array = np.full((1, 60, 50), 9, np.uint8)
    edge = GRID @ Affine.translation(50, 0.4)
    paths = cut(make_raster, array, [(0, 60, 0, 50)])
    paths.append(str(make_raster(array, transform=edge, name="right.tif")))
    with Surface.of(paths).open() as reader:
        patch = whole(reader)
        row = -round((~reader.info.transform @ GRID @ (0.0, 0.0))[1])
        col = round((~reader.info.transform @ GRID @ (0.0, 0.0))[0])
        inner = patch.valid[2:58, col : col + 99]
        assert inner.all(), row
        assert (patch.data[0][patch.valid] == 9).all()


def test_the_pixels_are_those_of_most_ground(make_raster):
    """CRS and lattice are the majority's by area, unless one that some sheets have is asked for."""
    paths = cut(make_raster, ground(GRID, (90, 90))[None], [(0, 90, 0, 90)], crs=HOME)
    there = beside("EPSG:32646", 0.13, 0)
    other = ground(there, (80, 80), "EPSG:32646")
    paths.append(str(make_raster(other, transform=there, crs="EPSG:32646", name="z.tif")))
    assert Surface.of(paths).info.crs == CRS(HOME)
    asked = Surface.of(paths, SurfaceOptions(crs="EPSG:32646"))
    assert asked.info.crs == CRS("EPSG:32646")
    assert Surface.of(paths, SurfaceOptions(crs="EPSG:3857")).info.crs == CRS(HOME)
    with pytest.raises(OptionError, match="CRS nonsense is not known"):
        Surface.of(paths, SurfaceOptions(crs="nonsense"))


def test_sheets_far_coarser_than_the_others_are_left_out(make_raster):
    """A sheet that shows a quarter of what the others do would blur them."""
    paths = cut(make_raster, image(), [(0, 130, 0, 170)])
    coarse = make_raster(image((9, 9)), transform=GRID @ Affine.scale(5), name="z.tif")
    surface = Surface.of([*paths, str(coarse)])
    assert [each.path for each in surface.refused] == [str(coarse)]
    assert "too coarse beside the others" in surface.refused[0].why


def test_sheets_that_lie_too_far_apart_are_refused(make_raster):
    """A sheet that was given the wrong place is named instead of walked to."""
    paths = cut(make_raster, image(), [(0, 130, 0, 80), (0, 130, 80, 170)])
    stray = make_raster(image(), transform=GRID @ Affine.translation(9e6, 0), name="stray.tif")
    with pytest.raises(RasterError, match=r"expected up to 4,000,000\), farthest .*stray\.tif"):
        Surface.of([*paths, str(stray)])


def test_few_sheets_are_open_at_a_time(make_raster, monkeypatch):
    """The sheets asked for longest ago are closed, and opened again when they are needed."""
    monkeypatch.setattr(surface_reader, "OPEN", 3)
    boxes = [(0, 40, left, left + 10) for left in range(0, 170, 10)]
    array = image((40, 170))
    with Surface.of(cut(make_raster, array, boxes)).open() as reader:
        for _ in range(2):
            assert (whole(reader).data == array).all()
            assert len(reader._held) <= 3


def blobs(shape=(130, 170), seed=0):
    """Bright rectangles on dark ground, some of them across any border."""
    rng = np.random.default_rng(seed)
    array = rng.integers(1, 90, (1, *shape)).astype(np.uint8)
    for row, col, high, wide in rng.integers((0, 0, 4, 4), (120, 160, 40, 40), (25, 4)):
        array[:, row : row + high, col : col + wide] = rng.integers(150, 255)
    return array


FOUR = [(0, 75, 0, 99), (0, 75, 81, 170), (60, 130, 0, 99), (60, 130, 81, 170)]
"""Boxes that overlap."""


def options(**more):
    """Predict with the paint model, on the sheets' own pixels, in small tiles."""
    plan = PlanOptions(tile=32, halo=4)
    return PredictOptions(model=PaintModel(), gsd="native", plan=plan, **more)


def test_footprints_of_a_surface_are_those_of_one_raster(make_raster, tmp_path):
    """Cut into four sheets or not: the same rows in the same order, none cut, none twice."""
    array = blobs()
    whole_one = make_raster(array, transform=GRID, name="one.tif")
    paths = cut(make_raster, array, FOUR)
    predict(whole_one, tmp_path / "one.gpkg", options(probability=tmp_path / "one_p.tif"))
    surface = Surface.of(paths)
    predict(surface, tmp_path / "four.gpkg", options(probability=tmp_path / "four_p.tif"))
    one, four = (
        geopandas.read_file(tmp_path / f"{name}.gpkg", layer="buildings")
        for name in ("one", "four")
    )
    assert len(one) >= 10
    assert (one.geometry.symmetric_difference(four.geometry).area.sum() / one.area.sum()) < 1e-6
    for column in set(one.columns) - {"source", "geometry"}:
        assert (one[column] == four[column]).all() or np.allclose(one[column], four[column])
    with rasterio.open(tmp_path / "one_p.tif") as p, rasterio.open(tmp_path / "four_p.tif") as q:
        assert (p.read() == q.read()).all()
    assert set(four["source"]) == {f"sheet{at:02}.tif" for at in range(4)}
    for row in four.itertuples():
        point = row.geometry.representative_point()
        col, line = ~GRID @ (point.x, point.y)
        middles = [((top + low) / 2, (left + right) / 2) for top, low, left, right in FOUR]
        near = np.argmin([(line - y) ** 2 + (col - x) ** 2 for y, x in middles])
        assert row.source == f"sheet{near:02}.tif"


def test_a_surface_is_resampled_as_one_raster_is(make_raster):
    """Sheets are joined on their own pixels first, so no border shows at another GSD."""
    array = blobs()
    one = make_raster(array, transform=GRID, name="one.tif")
    surface = Surface.of(cut(make_raster, array, FOUR))
    chosen = PredictOptions(gsd=0.3, plan=PlanOptions(tile=32, halo=0))
    parts = zip(*(stream(each, PaintModel(), chosen) for each in (one, surface)), strict=True)
    assert all((a[1] == b[1]).all() and a[0] == b[0] for a, b in parts)


def test_a_run_that_died_goes_on(make_raster, tmp_path):
    """A surface is resumed like a raster; what is finished is left alone."""
    surface = Surface.of(cut(make_raster, blobs(), FOUR))
    predict(surface, tmp_path / "all.gpkg", options())
    out, seen = tmp_path / "died.gpkg", []

    def die(done, _):
        seen.append(done)
        if done == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(surface, out, options(), die)
    result = predict(surface, out, options(resume=True))
    assert result.pixels_resumed > 0
    tables = [
        geopandas.read_file(tmp_path / f"{name}.gpkg", layer="buildings")
        for name in ("all", "died")
    ]
    assert tables[0].equals(tables[1])
    assert predict(surface, out, options(resume=True)).finished_before


def damaged(path):
    """Overwrite the pixels of a compressed TIFF, not its directory."""
    with rasterio.open(path) as file:
        at = int(file.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    with Path(path).open("r+b") as file:
        file.seek(at)
        file.write(bytes(30))


def test_what_fails_is_told_and_shown_and_others_show_through(make_raster, tmp_path):
    """A damaged block is taken from the sheet below; where there is none, coverage says failed."""
    folder = tmp_path / "sheets"
    folder.mkdir()
    array = blobs()
    for path in cut(make_raster, array, FOUR, compress="deflate"):
        Path(path).rename(folder / Path(path).name)
    damaged(folder / "sheet00.tif")
    deep = blobs((20, 20)).astype(np.uint16)
    there = GRID @ Affine.translation(0, 130)
    Path(make_raster(deep, transform=there, name="w.tif")).rename(folder / "w.tif")
    (folder / "x.tif").write_bytes(b"nothing")
    out = tmp_path / "survey.gpkg"
    scenes = find_scenes([str(folder)])
    found = survey_whole(scenes, out, SurveyOptions(predict=options()))
    assert {each.name for each in found.failed} == {"sheet00", "w", "x"}
    lines = [
        json.loads(line) for line in (tmp_path / "survey.report.jsonl").read_text().splitlines()
    ]
    assert [set(line) for line in lines] == [
        {"raster", "out", "footprints", "seconds", "error"}
    ] * 6
    assert sum(line["footprints"] for line in lines) == found.result.polygons
    assert [line["out"] for line in lines] == [str(out)] * 4 + [None] * 2
    status = geopandas.read_file(out, layer="coverage").dissolve("status").geometry
    lost = status["failed"].area / 0.13**2
    inner = status["predicted"].area / 0.13**2
    assert 0 < lost < 75 * 99
    assert inner + lost == pytest.approx(130 * 170, rel=1e-6)
    with pytest.raises(SurveyError, match="2 of 6 sheets cannot be used"):
        survey_whole(scenes, tmp_path / "no.gpkg", SurveyOptions(predict=options(), max_errors=0))
    assert not list(tmp_path.glob("no*"))


def test_a_sheet_that_cannot_be_opened_is_named(make_raster, tmp_path):
    """What is no raster, has no CRS, other bands or another type is left out, with its reason."""
    paths = cut(make_raster, image(), [(0, 130, 0, 100), (0, 130, 80, 170)])
    (tmp_path / "broken.tif").write_bytes(b"II*\0 and nothing more")
    make_raster(image((20, 20)), crs=None, transform=None, name="nowhere.tif")
    make_raster(image((20, 20), 3), transform=GRID, name="three.tif")
    make_raster(image((20, 20)).astype(np.uint16), transform=GRID, name="deep.tif")
    odd = [str(tmp_path / name) for name in ("broken.tif", "nowhere.tif", "three.tif", "deep.tif")]
    surface = Surface.of([*odd, *paths])
    assert [each.path for each in surface.refused] == sorted(odd)
    told = {each.path.rpartition("/")[2]: each.why for each in surface.refused}
    assert "has no CRS" in told["nowhere.tif"]
    assert "has 3 bands (expected 1" in told["three.tif"]
    assert "pixels are uint16 (expected uint8" in told["deep.tif"]
    assert all("\n" not in why for why in told.values())
    assert len(list(surface._lost())) == 2
    with pytest.raises(RasterError, match="none of 2 sheets"):
        Surface.of(odd[:2])


def test_the_commonest_kind_is_one_that_sheets_have(make_raster):
    """Most have three bands, and the commonest type is that of another: both count together."""
    kinds = [((40, 50), 3, np.uint8), ((40, 49), 3, np.float32), ((40, 52), 1, np.uint16)]
    paths = [
        str(make_raster(image(shape, bands).astype(kind), transform=GRID, name=f"{at}.tif"))
        for at, (shape, bands, kind) in enumerate(kinds)
    ]
    surface = Surface.of(paths)
    assert [sheet.path for sheet in surface.sheets] == [paths[2]]
    assert len(surface.refused) == 2


def nine(folder, make_raster, array, seeds=range(9)):
    """Write 3 × 3 sheets that overlap by ten pixels, some of them of other pixels."""
    for at in seeds:
        row, col = divmod(at % 9, 3)
        top, left = row * 50, col * 60
        part = (array if at < 9 else blobs((160, 190), at))[:, top : top + 60, left : left + 70]
        there = GRID @ Affine.translation(left, top)
        Path(make_raster(part, transform=there, name="x.tif")).rename(folder / f"s{at % 9}.tif")


def test_embeddings_of_what_is_kept_are_refused_with_their_cure(make_raster, tmp_path):
    """A second run goes on with what is kept, which has no embeddings; nobody typed --resume."""
    folder, out = tmp_path / "sheets", tmp_path / "o.gpkg"
    folder.mkdir()
    nine(folder, make_raster, blobs((160, 190)))
    scenes = find_scenes([str(folder)])
    survey_whole(scenes, out, SurveyOptions(predict=options(outline="pixel")))
    wanted = options(outline="pixel", embeddings=tmp_path / "e.parquet")
    with pytest.raises(OptionError, match=r"embeddings are not; pass --overwrite"):
        survey_whole(scenes, out, SurveyOptions(predict=wanted))


@pytest.mark.parametrize(
    ("change", "sides"),
    [
        ("change", False), ("add", True), ("remove", False), ("grow", True), ("shrink", False),
        ("nothing", False),
    ],
)  # fmt: skip
def test_only_what_changed_is_inferred_again(make_raster, tmp_path, change, sides):
    """A changed folder with resume: a fresh run's footprints and pixels, from few of its tiles."""
    folder = tmp_path / "sheets"
    folder.mkdir()
    array = blobs((160, 190))
    everything = {"add": [0, 1, 2, 3, 5, 6, 7, 8], "grow": [1, 2, 4, 5, 7, 8]}
    nine(folder, make_raster, array, everything.get(change, range(9)))

    def run(name, **more):
        if sides:
            more["probability"] = tmp_path / f"{name}.tif"
        wanted = options(outline="pixel", **more)
        wanted = replace(wanted, plan=PlanOptions(tile=24, halo=4, band_width=16))
        out = tmp_path / f"{name}.gpkg"
        return survey_whole(find_scenes([str(folder)]), out, SurveyOptions(predict=wanted)).result

    first = run("again")
    if change in ("change", "add", "grow"):
        nine(folder, make_raster, array, {"change": [13], "add": [4], "grow": [0, 3, 6]}[change])
    for at in {"remove": [4], "shrink": [0, 1, 2]}.get(change, []):
        (folder / f"s{at}.tif").unlink()
    second, fresh = run("again"), run("fresh")
    assert second.finished_before == (change == "nothing")
    if change not in ("nothing", "shrink"):
        assert 0 < second.tiles < 0.75 * fresh.tiles
    assert first.tiles > 70
    one, two = (
        geopandas.read_file(tmp_path / f"{name}.gpkg", layer="buildings")
        for name in ("again", "fresh")
    )
    there = one.geometry.union_all().symmetric_difference(two.geometry.union_all())
    assert len(one) == len(two)
    assert there.area < 1e-6 * one.area.sum()
    assert sorted(one.confidence) == pytest.approx(sorted(two.confidence))
    if sides:
        with rasterio.open(tmp_path / "again.tif") as p, rasterio.open(tmp_path / "fresh.tif") as q:
            both = q.window(*q.bounds), p.window(*q.bounds).round_offsets().round_lengths()
            assert (p.read(window=both[1]) == q.read(window=both[0])).all()


class Wide(PaintModel):
    """Each pixel is the mean of its tile."""

    def __call__(self, pixels, valid):
        """Return as many pixels as are asked for, all alike."""
        made = super().__call__(pixels, valid)["probability"]
        return {"probability": np.broadcast_to(made.mean((2, 3), keepdims=True), made.shape)}


def test_what_the_edge_mirrors_is_seen_too(make_raster, tmp_path):
    """A last tile that is narrow sees far into the surface; where that changed it is done again."""
    folder = tmp_path / "sheets"
    folder.mkdir()
    shape = (160, 161)  # a column is left for the last tiles
    places = {"base": (0, 161), "above": (143, 150)}

    def write(name, seed):
        left, right = places[name]
        part, there = image(shape, 1, seed)[:, :, left:right], GRID @ Affine.translation(left, 0)
        Path(make_raster(part, transform=there, name="x.tif")).rename(folder / f"{name}.tif")

    def run(name):
        plan = PlanOptions(tile=24, halo=4, band_width=16, blend="crop")
        wanted = replace(options(probability=tmp_path / f"{name}.tif"), plan=plan, model=Wide())
        out, scenes = tmp_path / f"{name}.gpkg", find_scenes([str(folder)])
        survey_whole(scenes, out, SurveyOptions(predict=wanted), "first")
        with rasterio.open(tmp_path / f"{name}.tif") as file:
            return file.read()

    write("base", 1)
    write("above", 2)
    before = run("again")
    write("above", 3)
    after = run("again")
    assert (after == run("fresh")).all()
    assert (after == before)[:, :, :112].all()


def call(capsys, *words):
    """Run the command line; return its exit code and what it said."""
    code = main([str(word) for word in words])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_batch_into_a_file_is_one_surface(make_raster, tmp_path, capsys):
    """`-o FILE.gpkg`: one file, a line a sheet, exit 3 where some cannot be used."""
    folder = tmp_path / "sheets"
    folder.mkdir()
    array = np.concatenate([blobs()] * 3)
    for path in cut(make_raster, array, FOUR):
        Path(path).rename(folder / Path(path).name)
    out = tmp_path / "survey.gpkg"
    words = ("batch", folder, "-o", out, "-m", "otsu", "--gsd", "native", "--min-area", "0", "-q")
    code, said, _ = call(capsys, *words)
    assert (code, said.strip()) == (0, str(out))
    assert len((tmp_path / "survey.report.jsonl").read_text().splitlines()) == 4
    code, _, error = call(capsys, *words)
    assert code == 2
    assert "exists already" in error
    (folder / "bad.tif").write_bytes(b"no raster")
    code, said, error = call(capsys, *words, "--overwrite", "--json")
    assert code == 3
    assert json.loads(said)["scenes"] == 5
    assert "bad.tif: not a raster format" in error
    before = out.read_bytes()
    code, _, error = call(capsys, *words, "--overwrite", "--on-error", "fail")
    assert code == 1
    assert "1 of 5 sheets cannot be used" in error
    assert out.read_bytes() == before
    assert len(error.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("-o", "maps", "--overlap", "first"), "--overlap is for one surface"),
        (("-o", "all.gpkg", "--workers", "2"), "--workers takes a scene each"),
        (("-o", "all.gpkg", "--overlap", "newest"), "does not say when it was taken"),
    ],
)
def test_options_that_do_not_fit_a_surface_are_refused(make_raster, tmp_path, capsys, words, told):
    """One line, exit 2, and nothing is written."""
    make_raster(image(bands=3), name="sheet.tif")
    there = [str(tmp_path / word) if word in ("maps", "all.gpkg") else word for word in words]
    code, _, error = call(capsys, "batch", tmp_path / "sheet.tif", *there, "-q")
    assert code == 2
    assert told in error
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.tif"]
