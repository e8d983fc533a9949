"""Rules of run-length files: streamed equals whole, places are kept, bad files are one line."""

from __future__ import annotations

import csv
import json
import time
from itertools import pairwise
from pathlib import Path, PurePosixPath

import geopandas
import numpy as np
import pytest
import rasterio
from geounet.cli.main import main
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geounet.errors import AnnotationError, GeounetError, OptionError
from geounet.exchange.encode import _check_names
from geounet.rle import encode, mask_to_pairs, pairs_text, pairs_to_mask
from geounet.rle import encoder as encoder_room
from geounet.rle import painter as painter_room
from geounet.rle.coco import CocoImage, parse_coco, run_lengths
from geounet.rle.encoder import RunEncoder
from geounet.rle.kaggle import read_rows, row_counts
from geounet.rle.painter import RunPainter

NUCLEI = Path(__file__).parents[2] / "shared" / "data" / "nuclei"
PATH = Path("labels.json")


def table_of(path):
    """Rows of a csv file, read by the standard library."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def small_pieces(monkeypatch):
    """Groups, strips and batches of a few pixels, so that a small raster has many."""
    monkeypatch.setattr(encoder_room, "_GROUP", 3)
    monkeypatch.setattr(encoder_room, "_AT_ONCE", 20)
    monkeypatch.setattr(painter_room, "STRIP", 4)
    monkeypatch.setattr(painter_room, "_AT_ONCE", 30)


def test_parts_give_the_runs_of_the_whole(small_pieces):
    """Strips of any height, cut into columns anywhere, give each label's counts exactly."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        height, width = rng.integers(1, 30, 2).tolist()
        labels = rng.integers(0, 4, (height, width)) * (rng.random((height, width)) < rng.random())
        with RunEncoder((height, width)) as encoder:
            row = 0
            while row < height:
                tall = int(rng.integers(1, 8))
                edges = [0, *sorted(rng.integers(0, width, 2).tolist()), width]
                for left, right in pairwise(edges):
                    if right > left:
                        encoder.add(labels[row : row + tall, left:right], row, left)
                row += tall
            assert encoder.labels() == sorted(set(labels.ravel().tolist()) - {0})
            for label in (None, 1, 2, 3):
                wanted = encode(labels != 0 if label is None else labels == label).counts
                assert np.array_equal(np.concatenate(list(encoder.counts(label))), wanted)
            for label, counts in encoder.objects():
                assert np.array_equal(counts, encode(labels == label).counts)


def test_strips_give_the_union_of_the_masks(small_pieces):
    """Overlapping masks are united, never added up, in strips of any height."""
    rng = np.random.default_rng(1)
    for _ in range(60):
        shape = tuple(rng.integers(1, 30, 2).tolist())
        masks = [rng.random(shape) < rng.random() for _ in range(4)]
        painter = RunPainter(shape)
        for mask in masks:
            painter.add(np.array_split(encode(mask).counts, 3))
        strips = [painter.strip(at) for at in range(-(-shape[0] // painter_room.STRIP))]
        painter.close()
        assert np.array_equal(np.concatenate(strips), np.any(masks, axis=0))


@pytest.fixture
def mask(make_raster):
    """A georeferenced mask with two houses, one with a courtyard."""
    pixels = np.zeros((700, 90), np.uint8)
    pixels[500:600, 10:50] = 1
    pixels[520:540, 20:30] = 0
    pixels[3:9, 70:90] = 1
    return make_raster(pixels, name="mask.tif")


@pytest.mark.parametrize("words", [[], ["--list"]])
def test_a_place_survives_the_round_trip(mask, tmp_path, words):
    """Raster → COCO → raster and footprints: same pixels, transform, CRS and outlines."""
    coco, back = tmp_path / "m.json", tmp_path / "back.tif"
    assert main(["rle", "encode", str(mask), "-o", str(coco), "-q", *words]) == 0
    assert main(["rle", "decode", str(coco), "-o", str(back), "-q"]) == 0
    with rasterio.open(mask) as one, rasterio.open(back) as other:
        assert (one.transform, one.crs) == (other.transform, other.crs)
        assert np.array_equal(one.read(1), other.read(1))
    for source, out in ((coco, "a.gpkg"), (mask, "b.gpkg")):
        command = ["rle", "decode"] if source == coco else ["vectorize"]
        assert main([*command, str(source), "-o", str(tmp_path / out), "-q"]) == 0
    ours, theirs = (geopandas.read_file(tmp_path / out, layer="buildings") for out in
                    ("a.gpkg", "b.gpkg"))  # fmt: skip
    assert ours.geometry.equals(theirs.geometry)
    assert ours.crs == theirs.crs
    again = tmp_path / "again.json"
    words = ["rle", "encode", str(tmp_path / "a.gpkg"), "--like", str(mask), "-o", str(again)]
    assert main([*words, "-q"]) == 0
    assert len(json.loads(again.read_text())["annotations"]) == 2
    assert main(["rle", "decode", str(again), "-o", str(tmp_path / "c.tif"), "-q"]) == 0
    with rasterio.open(mask) as one, rasterio.open(tmp_path / "c.tif") as other:
        assert np.array_equal(one.read(1), other.read(1))


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_pycocotools_reads_our_file(mask, tmp_path):
    """Masks, areas and boxes are what the reference makes of them."""
    api = pytest.importorskip("pycocotools.coco")
    coco = tmp_path / "m.json"
    assert main(["rle", "encode", str(mask), "-o", str(coco), "--values", "classes", "-q"]) == 0
    file = api.COCO(str(coco))
    (entry,) = file.anns.values()
    found = file.annToMask(entry)
    with rasterio.open(mask) as raster:
        assert np.array_equal(found, raster.read(1))
    assert (entry["area"], entry["bbox"]) == (found.sum(), [10, 3, 80, 597])


@pytest.mark.parametrize("order", ["column", "row"])
def test_a_csv_takes_its_sizes_from_the_images(mask, tmp_path, order):
    """Kaggle's rows are decoded onto the images of their names, in either pixel order."""
    table = tmp_path / "labels.csv"
    images, out = tmp_path / "images", tmp_path / "out"
    images.mkdir()
    (images / "mask.tif").write_bytes(mask.read_bytes())
    words = ["--order", order, "-q"]
    assert main(["rle", "encode", str(mask), "-o", str(table), *words]) == 0
    with rasterio.open(mask) as raster:
        pixels = raster.read(1)
    (row,) = table_of(table)
    assert row["EncodedPixels"] == pairs_text(mask_to_pairs(pixels, order=order))
    words += ["--images", str(images), "-o", str(out)]
    assert main(["rle", "decode", str(table), *words]) == 0
    with rasterio.open(out / "mask.tif") as raster:
        assert np.array_equal(raster.read(1), pixels)


@pytest.mark.parametrize("stem", ["roofs, north", 'the "old" town', "plain"])
def test_a_name_with_a_comma_stays_one_field(make_raster, tmp_path, stem):
    """What is written is CSV to others, and is found again by us."""
    pixels = np.eye(5, dtype=np.uint8)
    image = make_raster(pixels, name=f"{stem}.tif")
    table, out = tmp_path / "labels.csv", tmp_path / "out"
    assert main(["rle", "encode", str(image), "-o", str(table), "-q"]) == 0
    assert [row["ImageId"] for row in table_of(table)] == [stem]
    words = ["rle", "decode", str(table), "--images", str(image.parent), "-o", str(out), "-q"]
    assert main(words) == 0
    with rasterio.open(out / f"{stem}.tif") as raster:
        assert np.array_equal(raster.read(1), pixels)


def test_names_of_many_inputs_are_compared_at_once(tmp_path):
    """Tens of thousands of masks take no longer to compare than to name."""
    images = [
        CocoImage(number=at, name=PurePosixPath(f"{at}.tif"), height=1, width=1)
        for at in range(20_000)
    ]
    begun = time.monotonic()
    _check_names(images)
    assert time.monotonic() - begun < 5
    with pytest.raises(OptionError, match="several inputs are called 7;"):
        _check_names([*images, images[7]])


def test_one_damaged_row_among_many_images_stops_all(make_raster, tmp_path, capsys):
    """Every run length is checked before the first mask is written."""
    for name in "abc":
        make_raster(np.zeros((4, 5), np.uint8), name=f"{name}.tif")
    source, out = tmp_path / "l.csv", tmp_path / "out"
    source.write_text("ImageId,EncodedPixels\na,1 2\nb,\nc,1 2 3\n")
    words = ["rle", "decode", str(source), "--images", str(tmp_path), "-o", str(out), "-q"]
    assert main(words) == 2
    assert "l.csv: row 4: 3 numbers" in capsys.readouterr().err
    assert not out.exists()
    source.write_text("ImageId,EncodedPixels\na,1 2\nb,\nc,-1\n")
    assert main(words) == 0
    sums = []
    for name in "abc":
        with rasterio.open(out / f"{name}.tif") as raster:
            sums.append(int(raster.read(1).sum()))
    assert sums == [2, 0, 0]


def test_classes_keep_their_numbers(make_raster, tmp_path, capsys):
    """Several classes travel through both kinds of file; where they overlap one line says so."""
    pixels = np.random.default_rng(0).integers(0, 4, (40, 30)).astype(np.uint8)
    raster = make_raster(pixels, name="c.tif")
    for name in ("c.json", "c.csv"):
        words = ["rle", "encode", str(raster), "-o", str(tmp_path / name), "--values", "classes"]
        assert main([*words, "-q"]) == 0
        folder = tmp_path / f"out-{name}"
        images = ["--images", str(tmp_path)] if name == "c.csv" else []
        assert main(["rle", "decode", str(tmp_path / name), *images, "-o", str(folder)]) == 0
        with rasterio.open(folder / "c.tif") as found:
            assert np.array_equal(found.read(1), pixels)
    (tmp_path / "d.csv").write_text("ImageId,ClassId,EncodedPixels\nc,1,1 3\nc,2,2 1\n")
    capsys.readouterr()
    words = ["rle", "decode", str(tmp_path / "d.csv"), "--images", str(tmp_path)]
    assert main([*words, "-o", str(tmp_path / "d")]) == 0
    assert "1 pixels are of several classes" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.skipif(not NUCLEI.exists(), reason="real data lie beside the project")
@pytest.mark.parametrize(
    ("most", "doubled"), [(3000, 4), pytest.param(None, 7, marks=pytest.mark.slow)]
)
def test_real_rows_round_trip_and_unite_to_the_labels(most, doubled):
    """Each nucleus comes back as the same string; drawn in order they are the instance rasters.

    The later of two nuclei stands where they overlap: in seven pixels of the whole set.
    """
    rows = table_of(NUCLEI / "labels_rle.csv")
    named = {row["ImageId"] for row in rows[:most]}
    drawn, found = {}, 0
    for row in (row for row in rows if row["ImageId"] in named):
        image, text = row["ImageId"], row["EncodedPixels"]
        if image not in drawn:
            with rasterio.open(NUCLEI / "labels" / f"{image}.png") as labels:
                drawn[image] = np.zeros(labels.shape, np.uint16), labels.read(1), []
        canvas, _, nuclei = drawn[image]
        one = pairs_to_mask(text, canvas.shape)
        assert pairs_text(mask_to_pairs(one)) == text
        nuclei.append(text)
        found += np.count_nonzero(canvas[one])
        canvas[one] = len(nuclei)
    assert found == doubled
    assert all(np.array_equal(canvas, labels) for canvas, labels, _ in drawn.values())


def coco_file(**changes):
    """A COCO file of one image and one object, with entries replaced."""
    image = {"id": 1, "file_name": "a.png", "height": 5, "width": 7}
    rle = {"size": [5, 7], "counts": "S1"}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": rle}
    image |= changes.pop("image", {})
    annotation |= changes.pop("annotation", {})
    whole = {"images": [image], "annotations": [annotation]}
    return whole | {"categories": [{"id": 1, "name": "house"}]} | changes


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ([], "expected an object"),
        ({"images": []}, "lacks 'annotations'"),
        (coco_file(image={"height": "5"}), "image 1: height is '5'"),
        (coco_file(image={"height": float("nan")}), "image 1: height is nan"),
        (coco_file(image={"width": 0}), "image 1: size is 5 × 0"),
        (coco_file(image={"width": 10**30}), "image 1: width"),
        (coco_file(image={"file_name": "../../x"}), "leads out of the folder"),
        (coco_file(image={"file_name": "/etc/x"}), "leads out of the folder"),
        (coco_file(image={"file_name": "..\\x"}), "leads out of the folder"),
        (coco_file(image={"file_name": "C:x"}), "leads out of the folder"),
        (coco_file(image={"file_name": "a\nb"}), "is none"),
        (coco_file(image={"transform": [1, 2]}), "six numbers"),
        (coco_file(image={"crs": "nowhere"}), "crs is not known"),
        (coco_file(annotation={"image_id": 2}), "annotation 1: image_id 2"),
        (coco_file(annotation={"category_id": 2}), "annotation 1: category_id 2"),
        (coco_file(annotation={"segmentation": None}), "lacks a segmentation"),
        (coco_file(annotation={"segmentation": []}), "holds polygons"),
        (coco_file(annotation={"segmentation": {"size": [7, 5], "counts": "S1"}}), "size is"),
        (coco_file(annotation={"segmentation": {"size": [5, 7], "counts": [34]}}), "fill 34 of"),
        (coco_file(annotation={"segmentation": {"size": [5, 7], "counts": ["35"]}}), "count 1 is"),
        (coco_file(annotation={"segmentation": {"size": [5, 7], "counts": [1.5]}}), "count 1 is"),
        (coco_file(annotation={"segmentation": {"size": [5, 7]}}), "counts are NoneType"),
    ],
)
def test_a_bad_coco_file_is_one_line(tmp_path, capsys, content, told):
    """File, entry and cause, exit code 2, and nothing in or beside the output folder."""
    source, out = tmp_path / "bad.json", tmp_path / "deep" / "out"
    source.write_text(json.dumps(content))
    out.mkdir(parents=True)
    assert main(["rle", "decode", str(source), "-o", str(out)]) == 2
    message = capsys.readouterr().err
    assert told in message
    assert str(source) in message
    assert message.count("\n") == 1
    assert set(tmp_path.rglob("*")) == {source, out, out.parent}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "expected the columns"),
        ("a,b\n", "expected the columns"),
        ("ImageId,EncodedPixels\nmask\n", "row 2: has 1 fields"),
        ("ImageId,EncodedPixels\nmask,1 2,3\n", "row 2: has 3 fields"),
        ("ImageId,EncodedPixels\nmask,1 1\nmask,1 2 3\n", "row 3: 3 numbers"),
        ("ImageId,EncodedPixels\nmask,1 2 2 4\n", "row 2: pair 2"),
        ("ImageId,EncodedPixels\nmask,63000 2\n", "row 2: pair 1"),
        ("ImageId,EncodedPixels\nother,1 2\n", "other is not in"),
        ("ImageId,EncodedPixels\n../../x,1 2\n", "leads out of the folder"),
        ("ImageId,ClassId,EncodedPixels\nmask,0,1 2\n", "ClassId is '0'"),
        ("ImageId,ClassId,EncodedPixels\nmask,x,1 2\n", "ClassId is 'x'"),
    ],
)
def test_a_bad_csv_is_one_line(mask, tmp_path, capsys, text, told):
    """File, row and cause, exit code 2, and no mask."""
    source, out = tmp_path / "bad.csv", tmp_path / "out"
    source.write_text(text)
    words = ["--images", str(mask.parent), "-o", str(out)]
    assert main(["rle", "decode", str(source), *words]) == 2
    message = capsys.readouterr().err
    assert told in message
    assert message.count("\n") == 1
    assert not list(out.rglob("*"))


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@st.composite
def nearly_coco(draw):
    """A good file with one value, somewhere, replaced by anything."""
    content = coco_file()
    place = draw(st.sampled_from(["image", "annotation", "segmentation", "top", "category"]))
    target = {
        "image": content["images"][0],
        "annotation": content["annotations"][0],
        "segmentation": content["annotations"][0]["segmentation"],
        "top": content,
        "category": content["categories"][0],
    }[place]
    key = draw(st.sampled_from([*target, "transform", "crs", "regions"]))
    target[key] = draw(JSONS | st.lists(st.integers(-2, 40)) | st.text(max_size=9))
    return content


def read_whole(content):
    """Read every run length of a COCO file's content."""
    try:
        file = parse_coco(content, PATH)
        shapes = {image.number: image.shape for image in file.images}
        for each in file.objects:
            shape = shapes[each.image]
            assert sum(int(c.sum()) for c in run_lengths(each, shape)) == shape[0] * shape[1]
    except GeounetError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


@given(nearly_coco() | JSONS)
def test_any_json_is_a_file_or_our_own_error(content):
    """No JSON makes the parser crash or accept counts of another size."""
    read_whole(content)


@pytest.mark.slow
@settings(max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(nearly_coco() | JSONS)
def test_any_json_a_hundred_thousand_times(content):
    """The same, for as many inputs as the contract names."""
    read_whole(content)


TABLES = st.binary(max_size=80) | st.text(st.sampled_from('01234 ,"\n-x'), max_size=80)


def read_table(path, text):
    """Read every run length of a Kaggle file of one column of images and one of runs."""
    body = text if isinstance(text, bytes) else text.encode()
    path.write_bytes(b"ImageId,EncodedPixels\n" + body)
    try:
        for row in read_rows(path):
            assert sum(int(counts.sum()) for counts in row_counts(row, (3, 4))) == 12
    except AnnotationError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TABLES)
def test_any_csv_is_rows_or_our_own_error(tmp_path, text):
    """No bytes make the reader crash or accept runs that leave the image."""
    read_table(tmp_path / "any.csv", text)


@pytest.mark.slow
@settings(max_examples=100_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(TABLES)
def test_any_csv_a_hundred_thousand_times(tmp_path, text):
    """The same, for as many inputs as the contract names."""
    read_table(tmp_path / "any.csv", text)
