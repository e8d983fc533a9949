"""Annotations, run lengths, layers, tables and recipes that are broken or far too large."""

from __future__ import annotations

import json

from torture.case import OK, WARNING, Case
from torture.makers import both, bytes_of, houses, raster, write

DEEP = "[" * 100_000
MASKS = ("masks", "{in}/b.json", "--images", "{in}/images", "-o", "{out}/masks", "-q")
DECODE = ("rle", "decode", "{in}/b.json", "--images", "{in}/images", "-o", "{out}/masks", "-q")


def coco(segmentation=(), *, image=None, entry=None, **top):
    """A COCO file of one image and one object, with parts replaced; None leaves them out."""
    images = [{"id": 1, "file_name": "a.tif", "height": 40, "width": 50} | (image or {})]
    objects = [
        {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation} | (entry or {})
    ]
    whole = {
        "images": images,
        "annotations": objects,
        "categories": [{"id": 1, "name": "house"}],
    } | top
    return json.dumps({key: value for key, value in whole.items() if value is not None})


def via(**shape):
    """A VIA file of one region."""
    region = {"shape_attributes": shape, "region_attributes": {}}
    return json.dumps({"a.tif1": {"filename": "a.tif", "size": 1, "regions": [region]}})


def beside(content, name="b.json"):
    """A maker of a folder with one image, and a file."""

    def make(folder):
        (folder / "images").mkdir()
        write(folder / "images/a.tif", houses())
        bytes_of(content, name)(folder)

    return make


def case(what, words, content, says="b\\.", name="b.json", **how):
    """A case of a file beside an image."""
    words = tuple(word.replace("b.json", name) for word in words)
    return Case(what, beside(content, name), says, words=words, **how)


def rle(counts, size=(40, 50)):
    """Run lengths of COCO."""
    return {"size": list(size), "counts": counts}


def kaggle(*rows, head="ImageId,EncodedPixels"):
    """A Kaggle file."""
    return "\n".join([head, *rows, ""])


JUNK = {
    "empty": "", "no JSON": "hello", "cut": coco()[:-9], "deep": DEEP, "deep objects": '{"a":' * 100_000,
    "a number": "7", "null": "null", "text": '"x"', "a list of lists": "[[[]]]", "NaN": "NaN",
    "a number of 5,000 digits": "9" * 5000, "UTF-16": coco().encode("utf-16"), "no UTF-8": b"\xff\xfe\x00",
    "a NUL": coco() + "\0", "a picture": b"\x89PNG\r\n\x1a\n" + bytes(30), "a pickle": b"\x80\x04]\x94.",
}  # fmt: skip
RING = [2, 2, 12, 2, 12, 12, 2, 12]
BAD_COCO = {
    "images no list": coco(images={}), "annotations a number": coco(annotations=7),
    "an image of 10^9 each way": coco([RING], image={"height": 10**9, "width": 10**9}),
    "a height below zero": coco([RING], image={"height": -4}), "a height of NaN": coco([RING], image={"height": float("nan")}),
    "a height of text": coco([RING], image={"height": "40"}), "a height of 10^300": coco([RING], image={"height": 10**300}),
    "a name that is absolute": coco([RING], image={"file_name": "/etc/passwd"}),
    "a name of NUL": coco([RING], image={"file_name": "a\0.tif"}), "a name of nothing": coco([RING], image={"file_name": ""}),
    "a name that is a number": coco([RING], image={"file_name": 7}), "images of nothing": coco([RING], images=[{}, {}]),
    "another image": coco([RING], entry={"image_id": 9}), "another category": coco([RING], entry={"category_id": 9}),
    "a segmentation of text": coco("house"), "a ring of objects": coco([[{}, {}]]), "a ring of NaN": coco([[float("nan")] * 8]),
    "a ring of 10^300": coco([[1e300] * 8]), "an odd ring": coco([[1, 2, 3, 4, 5, 6, 7]]), "true for a number": coco([[True] * 8]),
    "a CRS that is none": coco([RING], image={"crs": "EPSG:0", "transform": [1, 0, 0, 0, 1, 0]}),
}  # fmt: skip
BAD_RUNS = {
    "counts of 10^18": coco(rle([0, 10**18])), "counts of 10^300": coco(rle([10**300])), "counts below zero": coco(rle([-5, 2005])),
    "counts of NaN": coco(rle([float("nan")])), "counts null": coco(rle(None)), "counts of lists": coco(rle([[1], [2]])),
    "a size of 10^18": coco(rle([1], (10**18, 10**18))), "a size of three": coco(rle([1], (4, 5, 6))), "a size of text": coco(rle([1], ("a", "b"))),
    "text that runs over": coco(rle("o" * 3000)), "text that is no ASCII": coco(rle("größe")), "polygons": coco([RING]),
    "a size of nothing": coco(rle([], (0, 0))), "counts that are short": coco(rle([3])),
}  # fmt: skip
BAD_ROWS = {
    "no head": "a,1 2\n", "an empty file": "", "an odd count": kaggle("a,1 2 3"), "a run of 10^18": kaggle("a,1 1000000000000000000"),
    "a run of 10^300": kaggle("a,1 1" + "0" * 300), "a start of 0": kaggle("a,0 2"), "below zero": kaggle("a,-1 2"),
    "runs that overlap": kaggle("a,1 5 3 2"), "no number": kaggle("a,one two"), "NaN": kaggle("a,nan 1"),
    "a name that climbs": kaggle("../../x,1 2"), "a name of nothing": kaggle(",1 2"), "another image": kaggle("zz,1 2"),
    "100,000 columns": kaggle("a,1 2" + "," * 100_000), "a field of 1 MB": kaggle("a," + "1" * 1_000_000), "a NUL": kaggle("a,1\0 2"),
    "no UTF-8": b"ImageId,EncodedPixels\na,\xff\n", "a quote that stays open": kaggle('a,"1 2'), "UTF-16": kaggle("a,1 2").encode("utf-16"),
}  # fmt: skip
BAD_SHAPES = {
    "an unknown shape": via(name="star"), "a circle of radius below zero": via(name="circle", cx=5, cy=5, r=-3),
    "a circle of 10^300": via(name="circle", cx=5, cy=5, r=1e300), "no coordinates": via(name="polygon"),
    "coordinates of text": via(name="polygon", all_points_x="abc", all_points_y="abc"),
    "as many x as y": via(name="polygon", all_points_x=[1, 2, 3], all_points_y=[1, 2]),
    "coordinates of NaN": via(name="polygon", all_points_x=[float("nan")] * 3, all_points_y=[1, 2, 3]),
    "regions of text": '{"a.tif1":{"filename":"a.tif","size":1,"regions":"many"}}',
}  # fmt: skip


def feature(kind, coordinates):
    """A layer of one feature."""
    shape = f'{{"type":"{kind}","coordinates":{coordinates}}}'
    one = f'{{"type":"Feature","properties":{{}},"geometry":{shape}}}'
    return f'{{"type":"FeatureCollection","features":[{one}]}}'


BAD_LAYERS = {
    "empty": "", "no layer": "{}", "cut": '{"type":"FeatureCollection","features":[{',
    "deep": '{"type":"FeatureCollection","features":' + DEEP, "NaN": feature("Polygon", "[[[NaN,NaN],[15,45],[15,46],[NaN,NaN]]]"),
    "a page": "<html>",
}  # fmt: skip
FAR = "[[[1e300,1e300],[1e300,-1e300],[-1e300,0],[1e300,1e300]]]"
NULL = '{"type":"Feature","properties":{},"geometry":null}'
BARE_LAYERS = {
    "no features": '{"type":"FeatureCollection","features":[]}', "a point": feature("Point", "[15,45]"),
    "coordinates of text": feature("Polygon", '[[["a","b"],["c","d"],["e","f"],["a","b"]]]'),
    "coordinates of nothing": feature("Polygon", "[]"), "a kind that is none": feature("Blob", "[]"),
    "no geometry": f'{{"type":"FeatureCollection","features":[{NULL}]}}',
}  # fmt: skip
BAD_RECIPES = {
    "no TOML": "steps = = 5", "an unknown entry": "stepz = 5", "a number of text": 'steps = "many"', "below zero": "steps = -1",
    "NaN": "learning_rate = nan", "infinite": "learning_rate = inf",
    "an unknown recipe": 'recipe = "no such"', "a table for a number": "[steps]\na = 1", "a NUL": "steps = 5\0", "no UTF-8": b"\xff\xfe",
    "a date": "steps = 1979-05-27", "deep": "gsd = " + DEEP, "shares that are no sum": "split_shares = [1.0, 1.0, 1.0]",
    "a list for a pair": "gsd_range = [1.0]", "true for a number": "steps = true",
}  # fmt: skip

CHIPS = (
    "chips",
    "{in}/images/a.tif",
    "--labels",
    "{in}/b.geojson",
    "-o",
    "{out}/set",
    "-q",
    "--tile",
    "32",
    "--split",
    "1,0,0",
)
TRAIN = ("train", "{in}/images", "-o", "{out}/m.safetensors", "--config", "{in}/b.toml", "-q")
CASES = [
    *(case(f"masks: {what}", MASKS, content) for what, content in (JUNK | BAD_COCO | BAD_SHAPES).items()),
    *(case(f"decode: {what}", DECODE, content) for what, content in (JUNK | BAD_RUNS).items()),
    *(case(f"Kaggle: {what}", DECODE, content, name="b.csv") for what, content in BAD_ROWS.items()),
    *(case(f"chips: {what}", CHIPS, content, name="b.geojson") for what, content in BAD_LAYERS.items()),
    *(case(f"chips: {what}", CHIPS, content, "none of its . features is an outline", name="b.geojson", verdict=WARNING)
      for what, content in BARE_LAYERS.items()),
    case("chips: far away", CHIPS, feature("Polygon", FAR), "cannot be moved", name="b.geojson"),
    *(case(f"recipe: {what}", TRAIN, content, "b.toml", name="b.toml") for what, content in BAD_RECIPES.items()),
    case("info of junk", ("rle", "info", "{in}/b.json"), "hello"),
    Case("vectorize: a text", bytes_of("hello"), "not a raster format", words=("vectorize", "{in}/a.tif", "-o", "{out}/o.gpkg", "-q")),
    Case("vectorize: three bands", raster(), "", words=("vectorize", "{in}/a.tif", "-o", "{out}/o.gpkg", "-q")),
    Case("vectorize: NaN", raster(bands=1, dtype="float32", change=lambda a: a * float("nan")), "", OK,
         words=("vectorize", "{in}/a.tif", "-o", "{out}/o.gpkg", "-q")),
    Case("cluster: a text", bytes_of("hello", "a.parquet"), "a.parquet", words=("cluster", "{in}/a.parquet", "-o", "{out}/c", "-q")),
    Case("cluster: cut", bytes_of(b"PAR1" + bytes(20) + b"PAR1", "a.parquet"), "a.parquet", words=("cluster", "{in}/a.parquet", "-o", "{out}/c", "-q")),
    Case("evaluate: texts", both(bytes_of("hello", "a.tif"), bytes_of("hello", "b.tif")), "",
         words=("evaluate", "{in}/a.tif", "{in}/b.tif", "-o", "{out}/r", "-q")),
    Case("damage: a text for buildings", both(raster(), bytes_of("hello", "b.gpkg")), "",
         words=("damage", "{in}/a.tif", "--buildings", "{in}/b.gpkg", "-o", "{out}/o.gpkg", "-q")),
    Case("explain: an unknown layer", raster(), "", words=("explain", "{in}/a.tif", "-o", "{out}/e.tif", "--layer", "nothing", "-m", "{model}", "-q")),
    Case("verify: a text", bytes_of("hello"), "not a raster format", words=("verify", "{in}/a.tif", "-m", "{model}", "-q")),
]  # fmt: skip
