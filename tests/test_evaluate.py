"""Rules of `geounet evaluate`: any mix of files gives the same scores, and nothing is dropped."""

from __future__ import annotations

import csv
import json

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from conftest import UTM
from fakes import FakeReader
from geounet.cli.main import main
from pyproj import Transformer

from geounet.errors import AnnotationError
from geounet.evaluation import scan as scan_room
from geounet.evaluation.boundary import rim
from geounet.evaluation.pixels import PixelScore
from geounet.evaluation.sides import Meaning, RasterSide, open_layer

PLAIN = Affine.identity()


def truth_pixels():
    """Three houses on 120 by 90 pixels."""
    pixels = np.zeros((120, 90), np.uint8)
    pixels[10:40, 10:40] = pixels[60:80, 50:80] = pixels[100:110, 5:15] = 1
    return pixels


def found_pixels():
    """One found but for an edge, one found half, one missed, one that is none."""
    pixels = np.zeros((120, 90), np.uint8)
    pixels[10:40, 12:40] = pixels[60:80, 50:60] = pixels[90:95, 80:88] = 1
    return pixels


def layer_of(pixels, path, crs="EPSG:32633", **columns):
    """The same houses as a vector layer."""
    boxes = [
        shapely.Polygon([tuple(UTM @ xy) for xy in shape["coordinates"][0]])
        for shape, value in rasterio.features.shapes(pixels, connectivity=4)
        if value
    ]
    table = geopandas.GeoDataFrame(columns, geometry=boxes, crs="EPSG:32633")
    table.to_crs(crs).to_file(path)
    return path


def rows_of(path):
    """The rows of a table."""
    with path.open() as file:
        return list(csv.DictReader(file))


def run(prediction, truth, out, *words):
    """Exit code, and what the report says."""
    code = main(["evaluate", str(prediction), str(truth), "-o", str(out), *map(str, words)])
    return code, json.loads((out / "metrics.json").read_text()) if code == 0 else None


@pytest.fixture
def files(make_raster, tmp_path):
    """Prediction and truth as rasters and as layers."""
    return {
        ("ours", "raster"): make_raster(found_pixels(), name="found.tif"),
        ("theirs", "raster"): make_raster(truth_pixels(), name="truth.tif"),
        ("ours", "layer"): layer_of(found_pixels(), tmp_path / "found.gpkg"),
        ("theirs", "layer"): layer_of(truth_pixels(), tmp_path / "truth.gpkg"),
    }


@pytest.mark.parametrize("ours", ["raster", "layer"])
@pytest.mark.parametrize("theirs", ["raster", "layer"])
@pytest.mark.parametrize("images", [False, True])
def test_any_mix_gives_the_same_scores(files, tmp_path, ours, theirs, images):
    """Rasters and layers of the same pixels score alike; the counts are those of a hand."""
    words = ["--images", files["theirs", "raster"]] if images else []
    code, said = run(files["ours", ours], files["theirs", theirs], tmp_path / "out", *words)
    assert code == 0
    pixels = said["pixels"]["confusion"]
    assert [pixels[1][1], pixels[0][1], pixels[1][0]] == [840 + 200, 40, 60 + 400 + 100]
    assert said["pixels"]["of_all_pixels"]["iou"] == pytest.approx(1040 / 1640)
    assert [said["objects"][name] for name in ("true_positives", "false_positives")] == [1, 2]
    assert said["objects"]["false_negatives"] == 2
    assert said["shapes"]["iou"] == pytest.approx(840 / 900)
    sizes = said["by_size"]
    assert sizes["unit"] == "m2"
    counted = [(row["true_positives"], row["false_negatives"]) for row in sizes["groups"]]
    assert counted == [(0, 1), (0, 0), (1, 1), (0, 0), (0, 0)]


def test_every_file_of_a_report_is_there(files, tmp_path):
    """JSON, CSV, two pictures, a page, three layers; a second run is refused without a word."""
    out = tmp_path / "out"
    sides = files["ours", "raster"], files["theirs", "layer"]
    code, said = run(*sides, out, "--images", files["theirs", "raster"])
    assert code == 0
    names = {"metrics.json", "metrics.csv", "confusion.svg", "precision_recall.svg"}
    assert {path.name for path in out.iterdir()} == names | {"report.html", "objects.gpkg"}
    rows = rows_of(out / "metrics.csv")
    assert len(rows) == 1
    assert float(rows[0]["iou"]) == said["pixels"]["of_all_pixels"]["iou"]
    html = (out / "report.html").read_text()
    assert html.count("data:image/jpeg") == 1
    assert all(f"{rule} {{" in html for rule in ("body", ".kicker", ".figures", ":root"))
    assert "http" not in html.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    counts = {}
    for layer in ("true_positives", "false_positives", "false_negatives"):
        table = geopandas.read_file(out / "objects.gpkg", layer=layer)
        counts[layer] = len(table)
        assert table.crs == "EPSG:32633"
    assert list(counts.values()) == [1, 2, 2]
    missed = geopandas.read_file(out / "objects.gpkg", layer="false_negatives")
    assert sorted(missed.area_m2.round().tolist()) == [25, 150]
    assert run(*sides, out)[0] == 2
    assert run(*sides, out, "--overwrite")[0] == 0


def test_another_crs_is_moved_with_a_word(files, tmp_path, capsys):
    """A layer in degrees scores like its twin in metres, and one line says that it was moved."""
    degrees = layer_of(truth_pixels(), tmp_path / "degrees.geojson", "EPSG:4326")
    code, said = run(files["ours", "raster"], degrees, tmp_path / "out")
    assert code == 0
    assert said["pixels"]["confusion"][1][1] == 1040
    assert "degrees.geojson: is in WGS 84, compared in WGS 84 / UTM zone 33N" in (
        capsys.readouterr().err
    )


def test_another_grid_takes_the_nearest_pixel(make_raster, files, tmp_path, capsys):
    """A prediction of finer pixels, turned, in another CRS scores what its ground does."""
    center = UTM @ (45, 60)
    lon, lat = Transformer.from_crs(32633, 3857, always_xy=True).transform(*center)
    fine = Affine.translation(lon, lat) @ Affine.rotation(30) @ Affine.scale(0.1, -0.1)
    fine = fine @ Affine.translation(-600, -600)
    rows, cols = np.mgrid[:1200, :1200] + 0.5
    x, y = fine @ (cols.ravel(), rows.ravel())
    x, y = Transformer.from_crs(3857, 32633, always_xy=True).transform(x, y)
    col, row = (np.floor(at).astype(int) for at in ~UTM @ (x, y))
    there = (col >= 0) & (col < 90) & (row >= 0) & (row < 120)
    pixels = np.zeros(1200 * 1200, np.uint8)
    pixels[there] = found_pixels()[row[there], col[there]] * 1
    other = make_raster(
        pixels.reshape(1200, 1200), transform=fine, crs="EPSG:3857", name="other.tif"
    )
    code, said = run(other, files["theirs", "raster"], tmp_path / "out")
    assert code == 0
    assert "other.tif: is in" in capsys.readouterr().err
    assert said["pixels"]["compared"] == 120 * 90
    assert said["pixels"]["confusion"][1][1] == pytest.approx(1040, abs=12)


def test_what_one_side_does_not_know_is_not_compared(make_raster, tmp_path):
    """Nodata of either side, and of the image, is left out of pixels, rims and objects."""
    truth, found, image = truth_pixels(), found_pixels(), np.full((120, 90), 7, np.uint8)
    truth[60:80], found[:, 12:20], image[100:] = 255, 255, 0
    ours, theirs = make_raster(found, nodata=255), make_raster(truth, nodata=255, name="t.tif")
    shown = make_raster(image, nodata=0, name="i.tif")
    code, said = run(ours, theirs, tmp_path / "out", "--images", shown)
    assert code == 0
    assert said["pixels"]["compared"] == 80 * 82
    assert said["pixels"]["confusion"][1] == [60, 600]
    assert said["objects"]["truth"] == 2  # the nodata cuts one house in two
    layer = layer_of(truth_pixels(), tmp_path / "t.gpkg")
    code, said = run(ours, layer, tmp_path / "out2", "--images", shown)
    assert said["objects"]["left_out"] == [0, 1]
    assert said["pixels"]["confusion"][1] == [60 + 400, 600 + 200]


def test_strips_do_not_show(files, tmp_path, monkeypatch):
    """However few rows are read at a time, the scores are the same."""
    sides = files["ours", "raster"], files["theirs", "layer"]
    _, whole = run(*sides, tmp_path / "a", "--boundary", 5)
    ours, theirs = (rim(pixels > 0, 5) for pixels in (found_pixels(), truth_pixels()))
    assert whole["boundary"]["iou"] == (ours & theirs).sum() / (ours | theirs).sum()
    for rows in (1, 3, 50):
        monkeypatch.setattr(scan_room, "_ROWS", rows)
        assert run(*sides, tmp_path / f"b{rows}", "--boundary", 5)[1] == whole


def test_no_raster_is_read_as_a_whole(monkeypatch):
    """Strips of some pixels, with as many rows around them as a rim is wide; no row is left out."""
    monkeypatch.setattr(scan_room, "_PIXELS", 900)
    readers = [FakeReader(pixels[None]) for pixels in (found_pixels(), truth_pixels())]
    sides = [RasterSide(reader, Meaning()) for reader in readers]
    found = scan_room.scan(
        scan_room.Pair(name="a", grid=readers[0].info, ours=sides[0], theirs=sides[1]),
        3, "mask", lambda *_: None,
    )  # fmt: skip
    assert found.matrix.tolist() == [[120 * 90 - 1640, 40], [560, 1040]]
    for reader in readers:
        assert max(window.height for window in reader.asked) == 10 + 2 * 3
        assert sum(window.height for window in reader.asked) == 120 + 11 * 2 * 3


def folder(make_raster, tmp_path, name, images):
    """A folder of masks."""
    (tmp_path / name).mkdir()
    for stem, pixels in images.items():
        make_raster(pixels, transform=PLAIN, crs=None, driver="PNG", name=f"{name}/{stem}.png")
    return tmp_path / name


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_folders_are_compared_image_by_image(make_raster, tmp_path, capsys):
    """By stem, pooled and as a mean; an empty image that was found empty counts as right."""
    nothing = np.zeros((20, 30), np.uint8)
    theirs = folder(make_raster, tmp_path, "truth", {"a": truth_pixels() * 255, "b": nothing})
    ours = folder(make_raster, tmp_path, "found", {"a": found_pixels(), "b": nothing, "c": nothing})
    code, said = run(ours, theirs, tmp_path / "out")
    assert code == 0
    assert "1 files such as c have no truth" in capsys.readouterr().err
    assert said["images"] == 2
    assert said["pixels"]["of_all_pixels"]["iou"] == pytest.approx(1040 / 1640)
    assert said["pixels"]["mean_of_images"]["iou"] == pytest.approx((1040 / 1640 + 1) / 2)
    assert said["by_size"]["unit"] == "px"
    rows = rows_of(tmp_path / "out" / "metrics.csv")
    assert [row["image"] for row in rows] == ["a", "b"]
    (ours / "b.png").unlink()
    capsys.readouterr()
    assert run(ours, theirs, tmp_path / "out2")[0] == 2
    assert "1 images have no prediction, such as b" in capsys.readouterr().err


def test_one_layer_serves_a_folder_of_rasters(make_raster, files, tmp_path):
    """Each raster is compared with what of the layer lies on it, and nothing counts twice."""
    (tmp_path / "tiles").mkdir()
    for at, rows in enumerate((slice(0, 50), slice(50, 120))):
        transform = UTM @ Affine.translation(0, rows.start)
        make_raster(found_pixels()[rows], transform=transform, name=f"tiles/{at}.tif")
    code, said = run(tmp_path / "tiles", files["theirs", "layer"], tmp_path / "out")
    assert code == 0
    _, whole = run(files["ours", "raster"], files["theirs", "raster"], tmp_path / "whole")
    assert said["pixels"]["confusion"] == whole["pixels"]["confusion"]
    assert said["objects"]["truth"] == whole["objects"]["truth"] == 3
    assert said["objects"]["f1"] == whole["objects"]["f1"]


def test_a_probability_is_swept(make_raster, files, tmp_path):
    """Every threshold is scored; the mask is that of the threshold asked for."""
    rng = np.random.default_rng(0)
    q = rng.integers(0, 255, (120, 90)).astype(np.uint8)
    path = make_raster(q, nodata=255, name="p.tif")
    with rasterio.open(path, "r+") as raster:
        raster.scales = (1 / 254,)
    code, said = run(path, files["theirs", "raster"], tmp_path / "out", "--threshold", 0.25)
    assert code == 0
    valid, truth = q < 255, truth_pixels() > 0
    expected = {}
    for threshold in (0.25, 0.5, said["sweep"]["best_threshold"]):
        ours = (q >= np.ceil(254 * threshold - 1e-9)) & valid
        matrix = [[((truth == t) & (ours == p) & valid).sum() for p in (0, 1)] for t in (0, 1)]
        expected[threshold] = PixelScore(np.array(matrix)).f1[1]
    assert said["pixels"]["of_all_pixels"]["f1"] == pytest.approx(expected[0.25])
    at = {row["threshold"]: row["f1"] for row in said["sweep"]["thresholds"]}
    assert at[0.5] == pytest.approx(expected[0.5])
    assert said["sweep"]["best_f1"] == pytest.approx(list(expected.values())[-1])
    assert said["objects"]["scored"]
    assert 0 <= said["objects"]["ap50"] <= 1


def test_damage_is_scored_from_names(make_raster, tmp_path):
    """Classes of a layer by name; unclassified buildings hide what is there."""
    names = ["destroyed", "none", "un-classified"]
    truth = layer_of(truth_pixels(), tmp_path / "t.gpkg", damage=names)
    pixels = truth_pixels()
    pixels[10:40, 10:40] = 4
    found = make_raster(pixels, name="d.tif")
    code, said = run(found, truth, tmp_path / "out", "--values", "damage")
    assert code == 0
    assert said["pixels"]["compared"] == 120 * 90 - 100
    assert said["xview2"]["damage_f1_present"] == pytest.approx(1, abs=1e-5)
    assert said["xview2"]["f1_4"] == 1
    assert said["objects"]["truth"] == said["objects"]["true_positives"] == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--threshold", "0"], "threshold must lie above 0"),
        (["--class-by", "kind"], "add --values classes"),
        (["--values", "classes"], "has no column class"),
        (["--values", "damage", "--class-by", "kind"], "feature 1: kind is 'shed'"),
        (["--truth-layer", "roofs"], "has no layer roofs"),
        (["--gsd", "0"], "gsd must be above 0"),
        (["--gsd", "nan"], "gsd must be above 0"),
        (["--boundary-m", "0"], "a boundary reaches above 0 metres"),
        (["--boundary-m", "inf"], "a boundary reaches above 0 metres"),
    ],
)
def test_what_cannot_be_compared_is_one_line(files, tmp_path, capsys, words, told):
    """Cause and cure, exit code 2, and no report."""
    layer = layer_of(truth_pixels(), tmp_path / "kinds.gpkg", kind=["shed"] * 3)
    capsys.readouterr()
    assert run(files["ours", "raster"], layer, tmp_path / "out", *words)[0] == 2
    message = capsys.readouterr().err
    assert told in message
    assert len([line for line in message.splitlines() if "error" in line]) == 1
    assert not list((tmp_path / "out").iterdir()) if (tmp_path / "out").exists() else True


def test_rasters_without_a_place_need_one_size(make_raster, files, tmp_path, capsys):
    """Without a CRS the pixels of equal shapes are compared; other shapes are refused."""
    plain = make_raster(found_pixels(), crs=None, transform=None, name="plain.tif")
    assert run(plain, files["theirs", "raster"], tmp_path / "a")[0] == 0
    small = make_raster(found_pixels()[:50], crs=None, transform=None, name="small.tif")
    assert run(small, files["theirs", "raster"], tmp_path / "b")[0] == 2
    assert "small.tif: is (50, 90)" in capsys.readouterr().err
    many = make_raster(np.zeros((3, 120, 90), np.uint8), name="rgb.tif")
    assert run(many, files["theirs", "raster"], tmp_path / "c")[0] == 2
    assert "has 3 bands" in capsys.readouterr().err


def test_a_feature_is_named_by_its_place_in_the_file(tmp_path):
    """One without a geometry counts, though it is left out."""
    shapes = [None, shapely.box(0, 0, 1, 1), shapely.box(2, 2, 3, 3)]
    layer = geopandas.GeoDataFrame({"class": ["1", "1", "shed"]}, geometry=shapes, crs=32633)
    layer.to_file(tmp_path / "l.geojson", driver="GeoJSON")
    with pytest.raises(AnnotationError, match="feature 3: class is 'shed'"):
        open_layer(tmp_path / "l.geojson", None, Meaning(values="classes"))


def test_broken_features_are_mended_with_a_word(make_raster, files, tmp_path, capsys):
    """A bow tie counts by what it encloses; a line has no area; empty layers score 0."""
    bow = shapely.Polygon([tuple(UTM @ xy) for xy in ((10, 10), (40, 40), (40, 10), (10, 40))])
    line = shapely.LineString([tuple(UTM @ (0, 0)), tuple(UTM @ (9, 9))])
    table = geopandas.GeoDataFrame(geometry=[bow, line, None], crs="EPSG:32633")
    table.to_file(tmp_path / "bow.gpkg")
    code, said = run(tmp_path / "bow.gpkg", files["theirs", "raster"], tmp_path / "a")
    assert code == 0
    message = capsys.readouterr().err
    assert "1 features cross themselves" in message
    assert "1 of 2 features have no area" in message
    assert 400 <= said["pixels"]["confusion"][1][1] <= 500
    empty = geopandas.GeoDataFrame({"id": []}, geometry=[], crs="EPSG:32633")
    empty.to_file(tmp_path / "empty.gpkg")
    code, said = run(tmp_path / "empty.gpkg", files["theirs", "layer"], tmp_path / "b")
    assert code == 0
    assert said["objects"]["false_negatives"] == 3
    assert said["pixels"]["of_all_pixels"]["iou"] == 0
    assert run(tmp_path / "empty.gpkg", tmp_path / "empty.gpkg", tmp_path / "c")[0] == 2
