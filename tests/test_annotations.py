"""Rules of annotations: each shape drawn where it was drawn, unions, and bad files in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path, PurePosixPath

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from geounet.cli.main import main
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.windows import Window

from geounet.annotations.coco import parse_shapes
from geounet.annotations.shapes import draw, ellipse, fault
from geounet.annotations.via import is_via, parse_via
from geounet.errors import AnnotationError, GeounetError
from geounet.imagery import Imagery

PATH = Path("regions.json")
SHAPE = (20, 30)


def via(*regions, name="a.tif", second=True, **entry):
    """A VIA export of one image, of version 2 or 1."""
    listed = list(regions) if second else {str(at): each for at, each in enumerate(regions)}
    return {f"{name}99": {"filename": name, "size": 99, "regions": listed, **entry}}


def region(name, said=None, **numbers):
    """One region of an image."""
    return {"shape_attributes": {"name": name, **numbers}, "region_attributes": said or {}}


RECT = region("rect", x=2, y=3, width=4, height=5)
BOW = region("polygon", all_points_x=[2, 12, 12, 2], all_points_y=[2, 12, 2, 12])


@pytest.fixture
def images(make_raster, tmp_path):
    """A folder with one image, a.tif, on a UTM grid."""
    folder = tmp_path / "images"
    folder.mkdir()
    make_raster(np.full((3, *SHAPE), 90, np.uint8), name="images/a.tif")
    return folder


def run(content, images, tmp_path, *words, name="regions.json"):
    """Run `geounet masks`; return the exit code and the masks by name."""
    source, out = tmp_path / name, tmp_path / "out"
    if content is not None:
        source.write_text(json.dumps(content))
    code = main(["masks", str(source), "--images", str(images), "-o", str(out), *words])
    masks = {}
    for path in sorted(out.glob("*.tif")):
        with rasterio.open(path) as raster:
            masks[path.stem] = raster.read(1)
    return code, masks


def inside(test):
    """Pixels whose centre passes a test of x and y."""
    rows, cols = np.mgrid[: SHAPE[0], : SHAPE[1]] + 0.5
    return test(cols, rows)


@pytest.mark.parametrize("second", [True, False])
@pytest.mark.parametrize(
    ("drawn", "test"),
    [
        (RECT, lambda x, y: (x > 2) & (x < 6) & (y > 3) & (y < 8)),
        (
            region("circle", cx=12.3, cy=9.1, r=5.2),
            lambda x, y: np.hypot(x - 12.3, y - 9.1) < 5.2,
        ),
        (
            region("ellipse", cx=12, cy=9, rx=7, ry=3),
            lambda x, y: ((x - 12) / 7) ** 2 + ((y - 9) / 3) ** 2 < 1,
        ),
        (
            region("ellipse", cx=12, cy=9, rx=7, ry=3, theta=np.pi / 2),
            lambda x, y: ((x - 12) / 3) ** 2 + ((y - 9) / 7) ** 2 < 1,
        ),
        (
            region("polygon", all_points_x=[1, 11.3, 1, 1], all_points_y=[1, 1, 11.3, 1]),
            lambda x, y: (x > 1) & (y > 1) & (x + y < 12.3),
        ),
        (
            region("polyline", all_points_x=[1, 11.3, 1], all_points_y=[1, 1, 11.3]),
            lambda x, y: (x > 1) & (y > 1) & (x + y < 12.3),
        ),
        (region("point", cx=4.5, cy=7.5), lambda x, y: (x == 4.5) & (y == 7.5)),
        (
            region("rect", x=-5, y="18", width=100, height="40"),
            lambda x, y: y > 18,
        ),
    ],
)
def test_every_shape_sets_the_pixels_inside(images, tmp_path, drawn, test, second):
    """Both versions, all shapes, text for numbers, clipped to the image."""
    code, masks = run(via(drawn, second=second), images, tmp_path, "-q")
    assert code == 0
    assert np.array_equal(masks["a"] == 1, inside(test))


def test_overlapping_regions_are_a_union(images, tmp_path):
    """Three hundred times the same region is that region: nothing is summed, nothing wraps."""
    code, masks = run(via(*[RECT] * 300), images, tmp_path, "-q")
    assert code == 0
    assert (masks["a"].sum(), masks["a"].max()) == (20, 1)


def test_an_image_without_regions_has_an_empty_mask(images, tmp_path):
    """Nothing was there to be drawn, and that is an answer too."""
    code, masks = run(via(), images, tmp_path, "-q")
    assert code == 0
    assert not masks["a"].any()


def test_regions_are_chosen_and_classed_by_their_attributes(images, tmp_path):
    """--where keeps, --class-by numbers the values in order; checkboxes have several values."""
    roof = region("rect", {"kind": "roof", "flags": {"big": True, "old": False}}, x=0, y=0,
                  width=3, height=3)  # fmt: skip
    road = region("rect", {"kind": "road"}, x=10, y=0, width=4, height=4)
    content = via(roof, road)
    assert run(content, images, tmp_path, "--where", "kind=roof")[1]["a"].sum() == 9
    assert run(content, images, tmp_path, "--where", "flags=big", "-f")[1]["a"].sum() == 9
    assert run(content, images, tmp_path, "--where", "flags=old", "-f")[0] == 2
    masks = run(content, images, tmp_path, "--class-by", "kind", "-f")[1]
    assert [np.count_nonzero(masks["a"] == at) for at in (1, 2)] == [16, 9]
    assert json.loads((tmp_path / "out" / "classes.json").read_text()) == {"1": "road", "2": "roof"}


def test_masks_of_other_classes_are_not_mixed(images, tmp_path, capsys):
    """A folder whose numbers mean something else is refused, as its file of names would be lost."""
    road, roof = (region("rect", {"kind": kind}, x=0, y=0, width=3, height=3)
                  for kind in ("road", "roof"))  # fmt: skip
    assert run(via(road, roof, second=False), images, tmp_path, "--class-by", "kind")[0] == 0
    other = via(roof, name="b.tif", second=False)
    (images / "b.tif").write_bytes((images / "a.tif").read_bytes())
    assert run(other, images, tmp_path, "--class-by", "kind")[0] == 2
    assert "masks beside it are of road, roof, these of roof" in capsys.readouterr().err


def test_a_name_that_two_images_have_is_refused(images, tmp_path):
    """Where the suffix is left out and does not tell, none is taken for the other."""
    assert Imagery(images).get(PurePosixPath("a")) == str(images / "a.tif")
    shutil.copy(images / "a.tif", images / "a.tiff")
    with pytest.raises(AnnotationError, match=r"a may be a\.tif and a\.tiff"):
        Imagery(images).get(PurePosixPath("a"))
    assert Imagery(images).get(PurePosixPath("a.tif")) == str(images / "a.tif")


def test_missing_images_are_listed_at_the_end(images, tmp_path, capsys):
    """What is there is drawn, what is not is named, and the exit code says so."""
    content = via(RECT) | via(RECT, name="b.png") | via(RECT, name="c.png")
    code, masks = run(content, images, tmp_path)
    assert code == 3
    assert list(masks) == ["a"]
    lines = [line for line in capsys.readouterr().err.splitlines() if "is not in" in line]
    assert [word in line for word, line in zip(("b.png", "c.png"), lines, strict=True)]
    assert run(via(RECT, name="b.png"), images, tmp_path, "-f")[0] == 2


@pytest.mark.parametrize(
    ("drawn", "told", "code"),
    [
        (region("polygon", all_points_x=[1, 5], all_points_y=[1, 5]), "no area", 3),
        (region("polyline", all_points_x=[1, 5], all_points_y=[1, 5]), "no area", 3),
        (region("rect", x=100, y=3, width=4, height=5), "outside the image", 3),
        (region("rect", x=1e15, y=3, width=4, height=5), "1e+15 pixels from", 3),
        (BOW, "crosses itself", 0),
    ],
)
def test_a_doubtful_shape_is_one_line_and_the_rest_is_drawn(
    images, tmp_path, capsys, drawn, told, code
):
    """File, image, region, cause; what could not be drawn changes the exit code."""
    found, masks = run(via(drawn, RECT), images, tmp_path, "-q")
    (line,) = capsys.readouterr().err.splitlines()
    assert found == code
    assert "regions.json: a.tif: region 1" in line
    assert told in line
    assert masks["a"][3:8, 2:6].any()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (via({}), "region 1: lacks 'shape_attributes'"),
        (via({"shape_attributes": {}}), "region 1: lacks 'name'"),
        (via(region("star", x=1)), "shape 'star' is none of"),
        (via(region("rect", x=1, y=2, width=3)), "lacks 'height'"),
        (via(region("rect", x="one", y=2, width=3, height=4)), "x is 'one'"),
        (via(region("rect", x=float("nan"), y=2, width=3, height=4)), "x is nan"),
        (via(region("rect", x="inf", y=2, width=3, height=4)), "x is inf"),
        (via(region("rect", x=1, y=2, width=-3, height=4)), "width is -3"),
        (via(region("polygon", all_points_x=[1, 2, 3], all_points_y=[1, 2])), "3 x and 2 y"),
        (via(region("polygon", all_points_x=[1, None, 3], all_points_y=[1, 2, 3])), "x 2 is None"),
        (via(RECT, name="../../x.png"), "leads out of the folder"),
        (via(RECT, name="/x.png"), "leads out of the folder"),
        (via(RECT, filename=7), "filename is 7"),
        (via(regions=5), "regions is 5"),
        (
            {key: {} for key in ("project", "config", "attribute", "file", "metadata", "view")},
            "VIA 3",
        ),
        ({"_via_img_metadata": []}, "expected an object"),
        ({"some": "thing"}, "neither VIA, COCO nor GeoJSON"),
        ([1, 2], "neither VIA, COCO nor GeoJSON"),
    ],
)
def test_a_bad_file_is_one_line(images, tmp_path, capsys, content, told):
    """File, entry and cause, exit code 2, and nothing written anywhere."""
    before = set(tmp_path.rglob("*"))
    code, masks = run(content, images, tmp_path)
    message = capsys.readouterr().err
    assert (code, masks) == (2, {})
    assert told in message
    assert "regions.json" in message
    assert message.count("\n") == 1
    assert set(tmp_path.rglob("*")) - before == {tmp_path / "regions.json"}


def coco(*segmentations, size=SHAPE, categories=("house", "road")):
    """A COCO file of one image; each segmentation takes the next category in turn."""
    return {
        "images": [{"id": 7, "file_name": "a.tif", "height": size[0], "width": size[1]}],
        "categories": [{"id": 10 + at, "name": name} for at, name in enumerate(categories)],
        "annotations": [
            {"id": at, "image_id": 7, "category_id": 10 + at % len(categories),
             "segmentation": segmentation, "iscrowd": int(isinstance(segmentation, dict))}
            for at, segmentation in enumerate(segmentations)
        ],
    }  # fmt: skip


def test_coco_polygons_and_crowds_are_drawn_by_category(images, tmp_path):
    """Polygons of several parts and run lengths, each category a class, run lengths exact."""
    crowd = np.random.default_rng(0).random(SHAPE) < 0.5
    counts = np.diff(np.flatnonzero(np.diff(crowd.T.ravel(), prepend=0)), prepend=0).tolist()
    counts.append(crowd.size - sum(counts))
    boxes = [[0, 0, 4, 0, 4, 4, 0, 4], [20, 10, 24, 10, 24, 12, 20, 12]]
    content = coco(boxes, {"size": list(SHAPE), "counts": counts})
    code, masks = run(content, images, tmp_path, "-q")
    expected = np.zeros(SHAPE, np.uint8)
    expected[:4, :4] = expected[10:12, 20:24] = 1
    expected[crowd] = 2
    assert code == 0
    assert np.array_equal(masks["a"], expected)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (coco([[1, 2, 3]]), "annotation 1: polygon 1: has 3 numbers"),
        (coco([["1", 2, 3, 4, 5, 6]]), "number 1 is '1'"),
        (coco([[float("nan"), 2, 3, 4, 5, 6]]), "number 1 is nan"),
        (coco(size=(9, 9)), "(height, width; on disk (20, 30))"),
    ],
)
def test_a_bad_polygon_of_coco_is_one_line(images, tmp_path, capsys, content, told):
    """Annotation, polygon and number; and an image that is not the one drawn on."""
    assert run(content, images, tmp_path)[0] == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("crs", "kind"),
    [
        ("EPSG:32633", "gpkg"),
        ("EPSG:4326", "gpkg"),
        ("EPSG:3857", "gpkg"),
        ("EPSG:4326", "geojson"),
    ],
)
def test_vector_layers_are_drawn_where_they_lie(images, tmp_path, crs, kind):
    """In whatever CRS, holes kept, clipped to the image."""
    west, north = 500_000, 5_000_000
    shell = shapely.box(west + 1, north - 8, west + 100, north - 2)
    hole = shapely.box(west + 4, north - 6, west + 6, north - 4)
    table = geopandas.GeoDataFrame({"kind": ["roof"]}, geometry=[shell - hole], crs="EPSG:32633")
    path = tmp_path / f"layer.{kind}"
    table.to_crs(crs).to_file(path)
    code, masks = run(None, images, tmp_path, "-q", name=path.name)
    expected = np.zeros(SHAPE, np.uint8)
    expected[4:16, 2:] = 1
    expected[8:12, 8:12] = 0
    assert code == 0
    assert np.array_equal(masks["a"], expected)


@pytest.mark.parametrize("text", ["", "{}", "no vector"])
def test_a_file_that_is_no_layer_is_one_line(images, tmp_path, capsys, text):
    """Its name, the cause, exit code 2."""
    (tmp_path / "bad.gpkg").write_text(text)
    assert run(None, images, tmp_path, name="bad.gpkg")[0] == 2
    message = capsys.readouterr().err
    assert "bad.gpkg: cannot be read" in message
    assert message.count("\n") == 1


def test_strips_do_not_show():
    """Drawing rows one at a time equals drawing the whole."""
    rng = np.random.default_rng(0)
    shapes = [
        (shapely.affinity.rotate(shapely.box(*place, *(place + size)), angle), 1)
        for place, size, angle in zip(
            rng.uniform(0, 90, (60, 2)), rng.uniform(1, 9, (60, 2)), rng.uniform(0, 90, 60),
            strict=True,
        )
    ]  # fmt: skip
    whole = draw(shapes, Window(0, 0, 100, 100))
    rows = [draw(shapes, Window(0, row, 100, 1)) for row in range(100)]
    assert np.array_equal(np.concatenate(rows), whole)


@given(st.floats(0.1, 5000), st.floats(0.1, 5000), st.floats(-4, 4))
def test_an_ellipse_is_never_more_than_a_64th_of_a_pixel_off(long, short, angle):
    """Its area is that of the ellipse but for the chords."""
    found = ellipse((3, 4), (long, short), angle)
    assert 0 <= np.pi * long * short - found.area <= 2 * np.pi * max(long, short) / 64
    assert fault(found) is None


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_the_sheet_shows_image_mask_overlay_and_masked_image(images, tmp_path):
    """Four pictures in a row, small ones enlarged; the mask in colour, the last dark outside."""
    sheet = tmp_path / "look.png"
    assert run(via(RECT), images, tmp_path, "--sheet", str(sheet), "-q")[0] == 0
    with rasterio.open(sheet, driver="PNG") as picture:
        pixels = picture.read()
    at, times = [264 * number + 4 for number in range(4)], 256 // max(SHAPE)
    seen = [pixels[:, 4 + 5 * times, left + 4 * times].tolist() for left in at]
    assert seen[0] == seen[3] == [90, 90, 90]
    assert seen[1] == [200, 60, 50]
    assert seen[2] not in (seen[0], seen[1])
    assert pixels[:, 4 + 15 * times, at[3] + 20 * times].tolist() == [40, 40, 40]


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@st.composite
def nearly_good(draw_one):
    """A good VIA or COCO file with one value, somewhere, replaced by anything."""
    content = draw_one(
        st.sampled_from([via(RECT, BOW), via(RECT, second=False), coco([[0, 0, 4, 0, 4, 4]])])
    )
    content = json.loads(json.dumps(content))
    holder, depth = content, draw_one(st.integers(0, 6))
    for _ in range(depth):
        inner = list(holder.values()) if isinstance(holder, dict) else holder
        inner = [each for each in inner if isinstance(each, dict | list) and each]
        if not inner:
            break
        holder = draw_one(st.sampled_from(inner))
    keys = list(holder) if isinstance(holder, dict) else range(len(holder))
    holder[draw_one(st.sampled_from(keys))] = draw_one(ANY)
    return content


def read_any(content):
    """Parse a file's content as what it looks like, and draw it; only our own errors."""
    try:
        if is_via(content):
            images = parse_via(content, PATH)
        else:
            images, _ = parse_shapes(content, PATH)
    except GeounetError as error:
        assert "\n" not in str(error)  # noqa: PT017 - either outcome is right
        return
    for shapes in images.values():
        good = [(each.geometry, 1) for each in shapes if fault(each.geometry) is None]
        assert draw(good, Window(0, 0, 30, 20)).max() <= 1


@given(nearly_good() | ANY)
def test_any_json_is_shapes_or_our_own_error(content):
    """No JSON makes a parser or the drawing crash."""
    read_any(content)


@pytest.mark.slow
@settings(max_examples=100_000, deadline=None)
@given(nearly_good() | ANY)
def test_any_json_a_hundred_thousand_times(content):
    """The same, for as many inputs as the contract names."""
    read_any(content)


def test_rotated_images_take_vectors_too(make_raster, tmp_path):
    """A world that lies askew in the pixels is drawn askew."""
    folder = tmp_path / "askew"
    folder.mkdir()
    transform = Affine.translation(5e5, 5e6) @ Affine.rotation(30) @ Affine.scale(0.5, -0.5)
    make_raster(np.zeros(SHAPE, np.uint8), transform=transform, name="askew/a.tif")
    pixels = shapely.box(5, 5, 15, 10)
    corners = [transform @ corner for corner in pixels.exterior.coords]
    table = geopandas.GeoDataFrame(geometry=[shapely.Polygon(corners)], crs="EPSG:32633")
    table.to_file(tmp_path / "layer.gpkg")
    code, masks = run(None, folder, tmp_path, "-q", name="layer.gpkg")
    assert code == 0
    assert masks["a"].sum() == masks["a"][5:10, 5:15].sum() == 50
