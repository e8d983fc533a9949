"""The rule of bad files: one line each with file, entry and cause, and nothing half-written."""

from __future__ import annotations

import json

import numpy as np
import pytest
from conftest import UTM
from geounet.cli.main import main
from pyproj import Transformer

SIZE = (20, 30)
VIA3 = {key: {} for key in ("project", "config", "attribute", "file", "metadata", "view")}


def via(name="a.tif", shape="polygon", **numbers):
    """A VIA export of one image with one region."""
    region = {"shape_attributes": {"name": shape, **numbers}, "region_attributes": {}}
    return {f"{name}9": {"filename": name, "size": 9, "regions": [region]}}


def rect(**changes):
    """A VIA export of one rectangle, with numbers replaced, or without those that are None."""
    numbers = {"x": 2, "y": 3, "width": 4, "height": 5} | changes
    return via(shape="rect", **{key: value for key, value in numbers.items() if value is not None})


def coco(segmentation, name="a.tif", **changes):
    """A COCO file of one image with one object."""
    image = {"id": 1, "file_name": name, "height": SIZE[0], "width": SIZE[1]}
    entry = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation} | changes
    entry = {key: value for key, value in entry.items() if value is not None}
    return {"images": [image], "annotations": [entry], "categories": [{"id": 1, "name": "house"}]}


def rle(counts, size=SIZE):
    """Run lengths of COCO."""
    return {"size": list(size), "counts": counts}


def kaggle(*rows):
    """A Kaggle file."""
    return "\n".join(["ImageId,EncodedPixels", *rows, ""])


def geojson(*corners):
    """A layer in degrees with one polygon, given in pixels of the image."""
    there = Transformer.from_crs(32633, 4326, always_xy=True)
    degrees = [there.transform(*(UTM @ corner)) for corner in corners]
    polygon = {"type": "Polygon", "coordinates": [degrees]}
    feature = {"type": "Feature", "properties": {}, "geometry": polygon}
    return {"type": "FeatureCollection", "features": [feature]}


MASKS = [
    ("VIA 3", VIA3, "", "VIA 3", 2),
    ("VIA: a key is missing", rect(height=None), "a.tif: region 1", "lacks 'height'", 2),
    ("VIA: text for a number", rect(x="two"), "a.tif: region 1", "x is 'two'", 2),
    ("VIA: not a number", rect(x=float("nan")), "a.tif: region 1", "x is nan", 2),
    (
        "VIA: a polygon that crosses itself",
        via(all_points_x=[2, 12, 12, 2], all_points_y=[2, 12, 2, 12]),
        "a.tif: region 1",
        "crosses itself",
        0,
    ),
    (
        "VIA: a polygon of two points",
        via(all_points_x=[1, 5], all_points_y=[1, 5]),
        "a.tif: region 1",
        "no area",
        3,
    ),
    ("VIA: out of bounds", rect(x=100), "a.tif: region 1", "outside the image", 3),
    ("VIA: a name that climbs", via("../../x"), "image '../../x", "leads out of the folder", 2),
    ("COCO: a key is missing", coco([[0, 0, 9, 0, 9, 9]], image_id=None), "annotation 1",
     "lacks 'image_id'", 2),
    ("COCO: text for a number", coco([["0", 0, 9, 0, 9, 9]]), "annotation 1", "is '0'", 2),
    ("COCO: not a number", coco([[float("nan"), 0, 9, 0, 9, 9]]), "annotation 1", "is nan", 2),
    ("COCO: crosses itself", coco([[2, 2, 12, 12, 12, 2, 2, 12]]), "annotation 1",
     "crosses itself", 0),
    ("COCO: two points", coco([[1, 1, 5, 5]]), "annotation 1", "no area", 3),
    ("COCO: odd numbers", coco([[1, 1, 5, 5, 3, 4, 5]]), "annotation 1", "7 numbers", 2),
    ("COCO: out of bounds", coco([[90, 90, 95, 90, 95, 95]]), "annotation 1",
     "outside the image", 3),
    ("COCO: a name that climbs", coco([[0, 0, 9, 0, 9, 9]], "../../x"), "image 1",
     "leads out of the folder", 2),
    ("COCO: runs too short", coco(rle([5])), "annotation 1", "fill 5 of 600", 2),
    ("GeoJSON: cut off", '{"type": "FeatureColl', "", "cannot be read", 2),
    ("GeoJSON: two points", geojson((2, 3), (9, 9)), "feature 1", "closed linestring", 2),
    ("GeoJSON: an open ring", geojson((2, 3), (9, 9), (2, 9)), "feature 1", "linestring", 2),
    ("GeoJSON: crosses itself", geojson((2, 2), (12, 12), (12, 2), (2, 12), (2, 2)), "feature 1",
     "crosses itself", 0),
]  # fmt: skip

DECODED = [
    ("Kaggle: odd counts", kaggle("a,1 2 3"), "row 2", "3 numbers", 2),
    ("Kaggle: overlapping runs", kaggle("a,1 2", "a,1 4 3 2"), "row 3", "pair 2 is `3 2`", 2),
    ("Kaggle: beyond the end", kaggle("a,599 3"), "row 2", "beyond the mask's 600", 2),
    ("Kaggle: text for a number", kaggle("a,1 two"), "row 2", "character 3 is 't'", 2),
    ("Kaggle: not a number", kaggle("a,nan 2"), "row 2", "character 1 is 'n'", 2),
    ("Kaggle: a start of zero", kaggle("a,0 2"), "row 2", "count from 1", 2),
    ("Kaggle: a column is missing", "ImageId,Mask\na,1 2\n", "row 1", "expected the columns", 2),
    ("Kaggle: a field is missing", kaggle("a"), "row 2", "has 1 fields", 2),
    ("Kaggle: a name that climbs", kaggle("../../x,1 2"), "row 2", "leads out of the folder", 2),
    ("COCO: runs beyond the end", coco(rle([0, 601])), "annotation 1", "600 pixels", 2),
    ("COCO: runs too short", coco(rle([0, 599])), "annotation 1", "fill 599 of 600", 2),
    ("COCO: a run below zero", coco(rle([700, -100])), "annotation 1", "count 1 is 700", 2),
    ("COCO: text for a number", coco(rle(["600"])), "annotation 1", "count 1 is '600'", 2),
    ("COCO: not a number", coco(rle([float("nan")])), "annotation 1", "count 1 is nan", 2),
    ("COCO: text cut off", coco(rle("P")), "annotation 1", "cut off", 2),
    ("COCO: text of other letters", coco(rle("0 1")), "annotation 1", "character 2", 2),
    ("COCO: another size", coco(rle([600], (30, 20))), "annotation 1", "size is [30, 20]", 2),
    ("COCO: a key is missing", coco({"size": [20, 30]}), "annotation 1", "counts are NoneType", 2),
    ("COCO: a name that climbs", coco(rle([600]), "../../x"), "image 1",
     "leads out of the folder", 2),
]  # fmt: skip


@pytest.fixture
def images(make_raster, tmp_path):
    """A folder with one image."""
    (tmp_path / "images").mkdir()
    make_raster(np.full((3, *SIZE), 9, np.uint8), name="images/a.tif")
    return tmp_path / "images"


@pytest.mark.parametrize(
    ("words", "content", "entry", "cause", "code"),
    [
        pytest.param(words, *rest, id=f"{words[0]} {name}".replace("/", "_"))
        for words, cases in ((["masks"], MASKS), (["rle", "decode"], DECODED))
        for name, *rest in cases
    ],
)
def test_a_bad_file_is_one_line(images, tmp_path, capsys, words, content, entry, cause, code):
    """File, entry, cause; nothing is written unless the rest of the file could be used."""
    text = content if isinstance(content, str) else json.dumps(content)
    suffix = ".csv" if text.startswith("ImageId") else ".json"
    suffix = ".geojson" if "FeatureColl" in text else suffix
    source, out = tmp_path / f"bad{suffix}", tmp_path / "out"
    source.write_text(text)
    before = set(tmp_path.rglob("*"))
    assert main([*words, str(source), "--images", str(images), "-o", str(out), "-q"]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert f"bad{suffix}" in line
    assert entry in line
    assert cause in line
    written = {path for path in tmp_path.rglob("*") if path.is_file()} - before
    assert written <= {out / "a.tif", out / "classes.json"}
    assert bool(written) == (code != 2)


def test_what_is_damaged_is_told_before_what_is_missing(images, tmp_path, capsys):
    """A malformed row is the file's own fault, wherever its image is; a missing one comes after."""
    source, out = tmp_path / "b.csv", tmp_path / "out"
    words = ["rle", "decode", str(source), "--images", str(images), "-o", str(out), "-q"]
    for rows, told in (
        (("away,1 2", "a,1 2 3"), "row 3: 3 numbers"),
        (("away,1 2", "gone,4 1 2 2"), "row 3: pair 2"),
        (("away,1 2", "a,599 3"), "row 3: pair 1 is `599 3`"),
        (("away,9999999 3", "a,1 2"), "away is not in"),
    ):
        source.write_text(kaggle(*rows))
        assert main(words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert told in line
    assert not out.exists()
