"""The page: one file that shows a result, needs no network, and takes every name as text."""

import json
import re
from base64 import b64decode
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path

import geopandas
import numpy as np
import pytest
import shapely
import shapely.affinity
from affine import Affine
from browser import BROWSER, opened
from fakes import FakeReader
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS
from rasterio.io import MemoryFile
from rasterio.windows import Window

from geounet.card import ModelCard
from geounet.gdal import quiet
from geounet.page import write_page
from geounet.page.charts import Bars, area_bars, confidence_bars, draw, level_of
from geounet.page.closeups import close_ups
from geounet.page.pack import pack
from geounet.page.shapes import UNIT, read_shapes
from geounet.page.words import area, definitions, number, percent, seconds
from geounet.preview import preview

UTM33 = CRS.from_epsg(32633)
GRID = Affine(0.3, 0, 512_000, 0, -0.3, 5_403_000)
NASTY = """a <b>&"c".tif"""
SQUARES = [shapely.box(10, 10, 30, 40), shapely.box(50, 20, 70, 30), shapely.box(5, 60, 95, 90)]


def unpack(text):
    """Return the numbers of `pack`, read byte by byte."""
    numbers, value, shift = [], 0, 0
    for byte in b64decode(text):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            numbers.append(value >> 1 if value % 2 == 0 else -(value + 1 >> 1))
            value = shift = 0
    return numbers


def reader(crs=UTM33, transform=GRID, name="scene.tif", size=100):
    """Return a Reader of a plain scene."""
    image = np.random.default_rng(0).integers(60, 120, (3, size, size), np.uint8)
    fake = FakeReader(image, transform=transform, crs=crs)
    fake.info = replace(fake.info, path=Path(name))
    return fake


def table(path, shapes, crs=UTM33, transform=GRID, **columns):
    """Write polygons given in pixels as the layer `buildings`."""
    world = shapely.transform(shapes, lambda p: np.stack(transform @ (p[:, 0], p[:, 1]), axis=1))
    count = len(shapes)
    frame = geopandas.GeoDataFrame(
        {
            "id": np.arange(1, count + 1),
            "class": ["building"] * count,
            "confidence": np.linspace(0.95, 0.55, count),
            "area_m2": shapely.area(np.array(shapes)) * 0.09,
            "touches_edge": np.zeros(count, bool),
            "review": np.zeros(count, int),
        }
        | columns,
        geometry=world,
        crs=crs,
    )
    frame.to_file(path, layer="buildings", driver="GPKG", engine="pyogrio")
    return path


def page(folder, footprints, fake=None, facts=None, summary=None, **more):
    """Return the text of a page."""
    fake, out = fake or reader(), folder / "page.html"
    write_page(
        out,
        preview=preview(fake, longest=more.pop("longest", 1600)),
        info=fake.info,
        footprints=footprints,
        layer="buildings",
        facts=facts or {},
        summary=summary or {},
        **more,
    )
    return out.read_text(encoding="utf-8")


def data_of(text):
    """Return what the page hands to its script."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text)
    return json.loads(found[1])


def outlines(data):
    """Return the outlines of a page as polygons in pixels."""
    numbers, shapes, at, x, y = unpack(data["rings"]), [], 0, 0, 0
    while at < len(numbers):
        rings, at = numbers[at], at + 1
        shapes.append([])
        for _ in range(rings):
            length, at = numbers[at], at + 1
            ring = []
            for _ in range(length):
                x, y, at = x + numbers[at], y + numbers[at + 1], at + 2
                ring.append((x / data["unit"], y / data["unit"]))
            shapes[-1].append(ring)
    return [shapely.Polygon(rings[0], rings[1:]) for rings in shapes]


@given(st.lists(st.integers(-(2**62), 2**62)))
def test_packed_numbers_come_back(numbers):
    """Any list of whole numbers survives packing."""
    assert unpack(pack(np.array(numbers, np.int64))) == numbers


def test_outlines_come_back_in_pixels(tmp_path):
    """The page draws each footprint where it lies in the raster, holes included."""
    holed = shapely.Polygon(SQUARES[2].exterior, [shapely.box(20, 70, 30, 80).exterior])
    shapes = [SQUARES[0], holed, SQUARES[1]]
    drawn = outlines(data_of(page(tmp_path, table(tmp_path / "t.gpkg", shapes))))
    assert all(shapely.equals(a, b) for a, b in zip(drawn, shapes, strict=True))


def test_another_crs_lands_on_the_same_pixels(tmp_path):
    """Footprints in another CRS than the raster's are drawn where they belong."""
    path = table(tmp_path / "t.gpkg", SQUARES)
    geopandas.read_file(path).to_crs(4326).to_file(tmp_path / "w.gpkg", layer="buildings")
    drawn = outlines(data_of(page(tmp_path, tmp_path / "w.gpkg")))
    for found, true in zip(drawn, SQUARES, strict=True):
        assert shapely.hausdorff_distance(found, true) <= 1 / UNIT


def test_a_turned_raster_is_undone(tmp_path):
    """The inverse of any transform is taken, not only of north-up ones."""
    turned = GRID @ Affine.rotation(30) @ Affine.shear(5)
    path = table(tmp_path / "t.gpkg", SQUARES, transform=turned)
    drawn = outlines(data_of(page(tmp_path, path, reader(transform=turned))))
    assert all(shapely.equals(a, b) for a, b in zip(drawn, SQUARES, strict=True))


def test_too_many_are_drawn_by_importance(tmp_path):
    """Beyond the limit those marked for review come first, then the largest; all are counted."""
    shapes = [shapely.box(0, at, 1 + at, at + 0.5) for at in range(60)]
    review = np.zeros(60, int)
    review[[3, 4]] = 1
    path = table(tmp_path / "t.gpkg", shapes, review=review)
    found = read_shapes(path, "buildings", reader().info, most=5)
    assert len(found) == 60
    assert found.drawn.tolist() == [3, 4, 57, 58, 59]
    assert [shape.bounds[3] for shape in found.outlines] == pytest.approx(
        [3.5, 4.5, 57.5, 58.5, 59.5]
    )
    assert found.first_looks.tolist() == [4, 3]


def test_too_many_vertices_are_simplified(tmp_path, monkeypatch):
    """Outlines with more vertices than a page can hold are simplified, and the page says so."""
    monkeypatch.setattr("geounet.page.shapes._MOST_VERTICES", 200)
    round_ones = [shapely.Point(50, 50).buffer(size, quad_segs=64) for size in (20, 30)]
    text = page(tmp_path, table(tmp_path / "t.gpkg", round_ones))
    assert "drawn simplified by up to 0.75 pixels" in text
    assert len(unpack(data_of(text)["rings"])) < 200
    for found, true in zip(outlines(data_of(text)), round_ones, strict=True):
        assert shapely.hausdorff_distance(found, true) < 1.5


def test_the_page_asks_for_nothing(tmp_path):
    """No address is loaded from anywhere, and the policy in the page forbids it."""
    text = page(tmp_path, table(tmp_path / "t.gpkg", SQUARES))
    assert "default-src 'none'" in text
    assert not re.findall(r"""(?:src|href|url\()\s*=?\s*["']?(?!data:)(?:https?:)?//""", text)
    assert "http://" not in text
    assert "https://" not in text


def test_the_policy_lets_its_own_script_run(tmp_path):
    """The hash in the policy is that of the script, so that nothing else can run."""
    from hashlib import sha256  # noqa: PLC0415

    text = page(tmp_path, table(tmp_path / "t.gpkg", SQUARES))
    script = text.rpartition("<script>")[2].partition("</script>")[0]
    allowed = re.search(r"script-src 'sha256-([^']+)'", text)[1]
    assert b64decode(allowed) == sha256(script.encode()).digest()


class _Tags(HTMLParser):
    """Collects tags and text."""

    def __init__(self):
        super().__init__()
        self.tags, self.words = set(), ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)

    def handle_data(self, data):
        self.words += data


OVER = """(() => {
  const box = document.getElementById("map").getBoundingClientRect();
  const k = Math.min(box.width, box.height) / 100;
  return [box.left + box.width / 2 + (%s - 50) * k, box.top + box.height / 2 + (%s - 50) * k];
})()"""
"""Where a pixel of a scene of 100 × 100 is on the screen."""
TIP = "!document.getElementById('tip').hidden && document.getElementById('tip').textContent"


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_draws_the_outlines_where_they_are(tmp_path):
    """Moved footprints move on the screen with their words, and the words above the map stay."""
    shots = []
    for turn, moved in enumerate((0, 8)):
        (folder := tmp_path / str(turn)).mkdir()
        shapes = [shapely.affinity.translate(each, 0, moved) for each in SQUARES]
        written = folder / "page.html"
        written.write_text(page(folder, table(folder / "b.gpkg", shapes)), encoding="utf-8")
        with opened(written, folder) as tab:
            tab.wait("document.querySelector('#scene.taken') !== null")
            with quiet(), MemoryFile(tab.picture()) as file, file.open() as picture:
                shots.append(picture.read())
            for number, spot in enumerate(((20, 25), (60, 25), (50, 75)), 1):
                x, y = tab.ask(OVER % (spot[0], spot[1] + moved))
                told = tab.wait(TIP, tab.mouse, "mouseMoved", x, y)
                assert re.match(rf"\D*{number}\b", told), told
                tab.wait("document.getElementById('tip').hidden", tab.mouse, "mouseMoved", 3, 3)
            assert not tab.complaints
    rows = np.flatnonzero((shots[0] != shots[1]).any(axis=(0, 2)))
    assert len(rows) > 100
    assert rows.min() > 200


def test_names_are_text(tmp_path):
    """A file name or an option with markup in it stands on the page as typed, and is no markup."""
    nasty = {NASTY: [NASTY, {"</script><blink>": NASTY}]}
    facts = {"model": {"name": NASTY, "licence": NASTY}, "options": nasty, NASTY: NASTY}
    path = table(tmp_path / "t.gpkg", SQUARES)
    text = page(tmp_path, path, reader(name=NASTY), facts, {"failed": [NASTY]})
    parsed = _Tags()
    parsed.feed(text)
    assert "blink" not in parsed.tags
    assert "<b>&" not in text
    assert parsed.words.count(NASTY) >= 5


def test_an_empty_result_is_a_page(tmp_path):
    """Nothing found: the page says so, and counts zero."""
    text = page(tmp_path, table(tmp_path / "t.gpkg", []))
    assert "Nothing was found" in text
    assert outlines(data_of(text)) == []
    assert "<b>0<small></small></b><span>footprints</span>" in text


def test_without_a_crs_areas_are_pixels(tmp_path):
    """A raster without a CRS is measured in pixels."""
    path = tmp_path / "t.gpkg"
    nothing = np.full(3, np.nan)
    with pytest.warns(UserWarning, match="crs"):
        table(path, SQUARES, None, Affine.identity(), area_m2=nothing)
    text = page(tmp_path, path, reader(None, Affine.identity()))
    data = data_of(text)
    assert data["unitName"] == "px"
    assert data["gsd"] is None
    assert unpack(data["area"]) == [6000, 2000, 27000]
    assert "3,500 <small>px</small>" in text


def test_the_same_result_gives_the_same_bytes(tmp_path):
    """A page holds no time and no chance."""
    path = table(tmp_path / "t.gpkg", SQUARES)
    summary = {"pixels": 10_000, "valid_pixels": 9000, "seconds": {"total": 2.0}, "mpix_per_s": 0.5}
    assert page(tmp_path, path, summary=summary) == page(tmp_path, path, summary=summary)


def test_what_was_done_is_told(tmp_path):
    """Counts, shares, time, speed, the model's licence and its data stand on the page."""
    card = asdict(
        ModelCard(name="m", network="unet", min_area_m2=4.0, training={"data": {"here": "© them"}})
    )
    summary = {
        "pixels": 10_000, "valid_pixels": 9000, "tiles": 3, "tiles_skipped": 1, "failed": ["x.tif"],
        "seconds": {"infer": 1.0, "total": 2.0}, "mpix_per_s": 0.005,
    }  # fmt: skip
    path = table(tmp_path / "t.gpkg", SQUARES, touches_edge=[True, False, False])
    text = page(tmp_path, path, facts={"model": card, "options": {}}, summary=summary)
    words = _Tags()
    words.feed(text)
    for said in (
        "10.0 % of the scene (1,000 pixels) has no data", "1 of 4 tiles hold no data",
        "Footprints below 4 m² were dropped", "Failed: x.tif", "1 footprint is cut by an edge",
        "Model weights: Apache-2.0. Trained on here: © them.", "75.0 %mean confidence",
        "315 m²built-up area", "2.0 sfrom start to end", "0.0050 Mpx/sspeed",
    ):  # fmt: skip
        assert said in words.words, said


def test_marked_ones_are_listed_least_sure_first(tmp_path):
    """The table lists what is marked for review, and each row leads to its outline."""
    path = table(tmp_path / "t.gpkg", SQUARES, review=[1, 0, 1])
    text = page(tmp_path, path)
    rows = re.findall(r'<tr data-at="(\d)">.*?#(\d)</td><td>([^<]+)</td>.*?<td>(\D+)</td>', text)
    assert rows == [("2", "3", "55.0 %", "unsure"), ("0", "1", "95.0 %", "odd shape")]
    assert "2 of 3 are marked for review" in text


def test_a_layer_of_a_plain_mask_has_no_confidence(tmp_path):
    """Footprints without confidence are drawn in a neutral colour, and their share is a dash."""
    path = table(tmp_path / "t.gpkg", SQUARES, confidence=np.full(3, np.nan))
    text = page(tmp_path, path)
    assert (
        unpack(data_of(text)["confidence"]) == [-1000] * 3
        or unpack(data_of(text)["confidence"]) == [-1] * 3
    )
    assert '<i class="none"></i>' in text
    assert "–<small></small></b><span>mean confidence" in text


def test_a_coarse_scene_has_sharp_places(tmp_path):
    """Where the scene is coarse, the first places of the list are shown pixel for pixel."""
    fake = reader(size=400)
    path = table(tmp_path / "t.gpkg", SQUARES, review=[0, 1, 0])
    text = page(tmp_path, path, fake, longest=100, reader=fake)
    [[left, top, width, height, picture]] = data_of(text)["closeUps"]
    assert (left, top, width, height) == (12, 0, 96, 73)
    with quiet(), MemoryFile(b64decode(picture.partition(",")[2])) as file, file.open() as image:
        shown = image.read().astype(int)
    true = fake.read(Window(left, top, width, height)).data
    assert shown.shape == true.shape
    grey = [np.tensordot((0.299, 0.587, 0.114), each, 1).ravel() for each in (shown, true)]
    assert np.corrcoef(*grey)[0, 1] > 0.7  # noise is what a JPEG keeps least
    assert "In full detail: the first 1 of the list" in text
    assert data_of(page(tmp_path, path, fake, longest=300, reader=fake))["closeUps"] == []


def test_close_ups_share_the_scene_s_stretch():
    """A close-up is as bright as the scene around it, and stays inside the raster."""
    image = np.linspace(0, 60_000, 400 * 400).reshape(1, 400, 400).astype(np.uint16)
    fake = FakeReader(image)
    scene = preview(fake, longest=50)
    shapes = np.array(
        [shapely.box(-9, -9, 5, 5), shapely.box(0, 0, 400, 400), shapely.box(900, 0, 910, 9)]
    )
    corner, whole = close_ups(fake, scene, shapes)
    assert corner.window == Window(0, 0, 46, 46)
    assert corner.picture.pixels.max() < 30
    assert whole.window == Window(0, 0, 400, 400)
    assert whole.picture.stretch == scene.stretch


def test_bars_count_everything():
    """Every known value falls into one bar."""
    areas = np.array([0.3, 1, 4, 9.99, 10, 250, 99_000, np.nan])
    assert sum(area_bars(areas, "m²").counts) == 7
    sure = np.array([0.05, 0.44, 0.5, 0.6, 0.899, 0.9, 1.0, np.nan])
    assert sum(confidence_bars(sure).counts) == 7
    assert [level_of(value) for value in (0.1, 0.6, 0.7, 0.85, 1)] == [0, 1, 2, 3, 4]
    assert sum(area_bars(areas[:0], "px").counts) == sum(confidence_bars(sure[:0]).counts) == 0


def test_a_drawn_bar_has_its_height():
    """The tallest bar fills the chart, a bar of half the count half of it."""
    svg = draw(Bars("t", [4, 2, 0], ["a", "b", "c"], ["0", "1", "2", "3"], [-1, 0, 4]))
    tall = [float(h) for h in re.findall(r'class="bar[^"]*" .*?height="([\d.]+)"', svg)]
    assert tall == [130, 65, 0]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (number(0), "0"), (number(1234.6), "1,235"), (number(0.55, 2), "0.55"),
        (number(9.876), "9.88"),
        (number(float("nan")), "–"), (percent(0.0004), "< 0.1 %"), (percent(0.9999), "99.9 %"),
        (percent(0), "0 %"), (percent(1), "100 %"), (seconds(7.61), "7.6 s"),
        (seconds(125), "2 min 05 s"), (seconds(7300), "2 h 01 min"),
        (area(15_000, in_metres=True), "1.50 ha"), (area(50, in_metres=True), "50.0 m²"),
        (area(50, in_metres=False), "50.0 px"),
        (definitions({"a_b": [1, 2.5, None]}), "<dl><dt>a b</dt><dd>1, 2.5, –</dd></dl>"),
    ],
)  # fmt: skip
def test_numbers_are_spoken(said, words):
    """Numbers are rounded to what a reader needs, in the unit they are spoken of."""
    assert said == words
