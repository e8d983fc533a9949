"""Damage: two dates of one place, from pixels to a map of where to look first."""

from __future__ import annotations

import json
import math
import sqlite3
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fakes import FakeReader
from geounet.cli.main import main
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from geounet.damage.change import distances, ranks, scaled, vectors
from geounet.damage.grades import grade, read_grades
from geounet.damage.job import assess
from geounet.damage.layers import RAMP, SAYS
from geounet.damage.marks import STEPS, colours, edges, spread, straightness
from geounet.damage.options import DamageOptions
from geounet.damage.places import aligned, tiles
from geounet.damage.seen import Seen
from geounet.damage.shift import Shift, find_shift
from geounet.errors import GeounetWarning, OptionError
from geounet.scenes.storm import storm
from geounet.scenes.write import _write_storm

if TYPE_CHECKING:
    from pathlib import Path

METRES = CRS.from_epsg(32633)
HALF = Affine(0.5, 0, 500_000, 0, -0.5, 5_400_000)


def ground(side, seed, smooth=1.5):
    """A made-up place: blobs of light, with edges between them."""
    chance = np.random.default_rng(seed)
    light = ndimage.gaussian_filter(chance.normal(size=(side, side)), smooth * 2)
    return np.where(light > 0, 150, 60) + 20 * ndimage.gaussian_filter(
        chance.normal(size=(side, side)), smooth
    )


def seen_from(light, east_px, south_px):
    """The same place by a camera that shows everything moved, as a Reader."""
    moved = ndimage.shift(light, (south_px, east_px), order=1, mode="mirror")
    return FakeReader(moved[None].clip(1, 255).astype(np.uint8), transform=HALF, crs=METRES)


@settings(max_examples=6, deadline=None)
@given(st.floats(-5.5, 5.5), st.floats(-5.5, 5.5))
def test_a_known_shift_is_found(east, south):
    """A shift of up to 2.8 m is found to 0.3 m, whatever its direction."""
    east, south = east / math.sqrt(2), south / math.sqrt(2)
    light = ground(540, 1)
    found = find_shift(seen_from(light, 0, 0), seen_from(light, east, south))
    assert found.sure
    assert math.hypot(found.east - east / 2, found.south - south / 2) < 0.3


def test_no_shift_is_none():
    """Two equal images lie on each other."""
    light = ground(540, 2)
    found = find_shift(seen_from(light, 0, 0), seen_from(light, 0, 0))
    assert (found.east, found.south) == pytest.approx((0, 0), abs=0.02)
    assert not len(found.places)


def test_other_ground_has_no_shift():
    """Where nothing agrees, nothing is corrected, and that is known."""
    found = find_shift(seen_from(ground(540, 3), 0, 0), seen_from(ground(540, 4), 0, 0))
    assert not found.sure
    assert (found.east, found.south) == (0, 0)


def test_a_shift_that_varies_is_followed():
    """Where two halves are off each other by metres, each place gets the shift of its half."""
    light = ground(1300, 5)
    split = np.hstack([np.roll(light, 4, axis=0)[:, :650], np.roll(light, -4, axis=0)[:, 650:]])
    found = find_shift(seen_from(light, 0, 0), seen_from(split, 0, 0))
    _, south = found.at(np.array([100.0, 1200.0]), np.array([600.0, 600.0]))
    assert south == pytest.approx([2, -2], abs=0.3)


def test_places_move_by_the_shift_of_their_image():
    """Buildings drawn on the earlier image stand east of there on the later one, tiles west."""
    info = FakeReader(np.ones((1, 200, 300), np.uint8), transform=HALF, crs=METRES).info
    shift = Shift(2.0, 1.0, 1, sure=True, places=np.empty((0, 4)))
    squares = tiles(info, 50)
    assert shapely.area(squares.shapes).sum() == pytest.approx(100 * 150)
    assert len(squares.ids) == 6
    for on, sign in (("before", 1), ("after", -1)):
        placed = aligned(squares, shift, info, on=on)
        still, gone = (placed.before, placed.after)[:: 1 if on == "before" else -1]
        assert (still == squares.shapes).all()
        moved = shapely.get_coordinates(gone) - shapely.get_coordinates(still)
        assert moved == pytest.approx(np.tile([2.0 * sign, -1.0 * sign], (len(moved), 1)), rel=2e-3)


def test_straight_edges_are_straight_and_noise_is_not():
    """A step has straightness 1 along it, noise about a third; brightness is of no account."""
    step = np.zeros((40, 40), np.float32)
    step[:, 20:] = 1
    assert straightness(step)[5:-5, 20].min() > 0.99
    noise = np.random.default_rng(0).normal(size=(99, 99)).astype(np.float32)
    assert straightness(noise).mean() < 0.5
    assert straightness(3 * noise + 5) == pytest.approx(straightness(noise), abs=1e-3)


def test_every_pixel_has_one_grade_but_those_beside_nodata():
    """The planes of straightness partition the pixels that see nothing but data."""
    light = np.random.default_rng(1).normal(size=(32, 32)).astype(np.float32)
    valid = np.ones((32, 32), bool)
    assert (edges(light, valid).sum(axis=0) == 1).all()
    assert edges(light, valid).shape == (STEPS, 32, 32)
    valid[:, 0] = False
    assert (edges(light, valid).sum(axis=0)[:, :5] == 0).all()
    assert (edges(light, valid).sum(axis=0)[:, 5:] == 1).all()


def test_the_spread_of_colours_is_a_standard_deviation():
    """Pooled means and mean squares give what numpy gives over the pixels."""
    ratios = np.random.default_rng(2).normal(size=(3, 50, 2)).astype(np.float32)
    pooled = np.concatenate([ratios.mean(axis=1), (ratios**2).mean(axis=1)], axis=1)
    assert spread(pooled) == pytest.approx(ratios.std(axis=1), abs=1e-5)


def test_one_band_has_its_brightness_for_a_colour():
    """A grey image has marks as well."""
    light = np.random.default_rng(4).normal(size=(1, 9, 9)).astype(np.float32)
    assert colours(light)[0] == pytest.approx(light[0])
    assert len(colours(light)) == 2


def seen(count, seed, moved=()):
    """Places seen at random; some of them elsewhere."""
    chance = np.random.default_rng(seed)
    parts = {}
    for name, width in (("around", 16), ("edges", STEPS), ("colours", 2)):
        part = np.abs(np.random.default_rng(7).normal(size=(count, width)))
        part = part + 0.02 * chance.normal(size=part.shape)
        part[list(moved)] = np.abs(chance.normal(size=(len(moved), width)))
        parts[name] = (part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32)
    return Seen(**parts, valid=np.ones(count, np.float32))


def test_what_changed_is_farthest_and_first():
    """Change runs from 0 to 1, and the places that changed have the first ranks."""
    before, after = seen(60, 1), seen(60, 2, moved=[5, 17, 40])
    far = distances(before, after)
    assert set(np.argsort(ranks(far))[:3]) == {5, 17, 40}
    assert sorted(ranks(far)) == list(range(1, 61))
    change = scaled(far)
    assert (change.min(), change.max()) == (0, 1)
    assert (scaled(distances(before, before)) == 0).all()


def test_every_part_has_the_same_say():
    """The parts of a vector have the same mean square, with one date and with two."""
    for base in (None, seen(40, 1)):
        made = vectors(base, seen(40, 2))
        squares = [np.square(part).sum(axis=1).mean() for part in np.split(made, [16, 24], axis=1)]
        assert squares == pytest.approx([1, 1, 1], rel=1e-3)


def test_grades_are_learnt_from_a_few():
    """Buildings near graded ones get their grade; graded ones keep theirs, with certainty."""
    chance = np.random.default_rng(3)
    truth = np.repeat([1, 2, 3, 4], 30)
    points = (np.eye(4)[truth - 1] + 0.1 * chance.normal(size=(120, 4))).astype(np.float32)
    known = np.where(np.arange(120) % 30 < 4, truth, 0)
    named, probability = grade(points, known.tolist(), seed=0)
    assert named.tolist() == np.repeat(["none", "minor", "major", "destroyed"], 30).tolist()
    assert (probability[known > 0] == 1).all()
    assert (probability > 0.25).all()


@pytest.mark.parametrize(
    ("labels", "words"), [(["none", "broken"], "'broken' is no grade"), (["none"], "2 grades")]
)
def test_odd_grades_are_refused(labels, words, tmp_path):
    """A grade that is none, or a single one, teaches nothing."""
    with pytest.raises(OptionError, match=words):
        read_grades(tmp_path / "x.csv", [None, *labels])


SIZE = 768


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A small storm: its files and how far its second image is off."""
    folder, pair = tmp_path_factory.mktemp("storm"), storm(SIZE, 11)
    _write_storm(pair, [folder / f"storm_{name}" for name in ("pre.tif", "post.tif", "truth.gpkg")])
    truth = gpd.read_file(folder / "storm_truth.gpkg")
    rows = [f"{row},{grade}" for row, grade in truth.groupby("damage").head(3).damage.items()]
    (folder / "labels.csv").write_text("\n".join(["id,damage", *rows]))
    return Scene(folder, pair.shift_m)


@dataclass(frozen=True)
class Scene:
    """Where it lies."""

    folder: Path
    shift_m: tuple[float, float]

    def __truediv__(self, name):
        """Return one of its files."""
        return self.folder / name


@pytest.fixture(scope="module")
def found(scene):
    """What was found of it with a few labels, in the order of the files."""
    options = DamageOptions(
        pre=scene / "storm_pre.tif",
        buildings=scene / "storm_truth.gpkg",
        labels=scene / "labels.csv",
        threads=1,
    )
    with pytest.warns(GeounetWarning, match="buildings lie where an image has no data"):
        return assess(scene / "storm_post.tif", scene / "map.gpkg", options)


@pytest.fixture(scope="module")
def mapped(found):
    """The map."""
    return found.out[0]


def run(scene, out, *more, pre=True, buildings="storm_truth.gpkg"):
    """Run the command on the scene."""
    asked = ["--pre", str(scene / "storm_pre.tif")] if pre else []
    file = str(scene / buildings) if buildings != "predict" else buildings
    post = str(scene / "storm_post.tif")
    return main(
        ["damage", post, *asked, "--buildings", file, "-o", str(out), "--threads", "1", *more]
    )


def test_the_map_tells_torn_buildings(scene, mapped):
    """Change separates destroyed and major from none; every row is complete."""
    truth = gpd.read_file(scene / "storm_truth.gpkg")
    table = gpd.read_file(mapped, layer="buildings").set_index("id")
    grades = truth.damage[table.index]
    clear = (grades != "minor").to_numpy()
    torn = grades.isin(["major", "destroyed"])
    assert roc_auc_score(torn[clear], table.change[clear]) > 0.85
    assert sorted(table["rank"]) == list(range(1, len(table) + 1))
    assert table.change.between(0, 1).all()
    assert table.silhouette.between(-1, 1).all()
    assert set(table.damage) <= {"none", "minor", "major", "destroyed"}
    assert table.probability.between(0.25, 1).all()
    assert table.change[table["rank"] == 1].item() == 1


def test_the_map_is_styled_and_pictured(mapped):
    """Both layers carry their colours, the page and the pictures lie beside them."""
    with sqlite3.connect(mapped) as file:
        styles = dict(file.execute("SELECT f_table_name, styleQML FROM layer_styles"))
    assert set(styles) == {"buildings", "tiles"}
    for colour in RAMP:
        rgb = ",".join(str(value) for value in bytes.fromhex(colour[1:]))
        assert all(rgb in style for style in styles.values())
    tiled = gpd.read_file(mapped, layer="tiles")
    assert {"change", "cluster", "silhouette", "rank"} <= set(tiled.columns)
    folder = mapped.with_name("map_pictures")
    assert {path.name for path in folder.iterdir()} == {
        "change.png", "elbow.png", "silhouette.png", "examples.png", "metrics.csv",
        "scatter.html", "clusters.gpkg",
    }  # fmt: skip
    assert "not grades that anybody surveyed" in (folder / "scatter.html").read_text()


def test_without_an_earlier_image_there_are_clusters_alone(scene, tmp_path, capsys):
    """Change is null, ranks go by rough ground, and the first sentence says what these are."""
    assert run(scene, tmp_path / "one.gpkg", pre=False) == 0
    assert capsys.readouterr().out.splitlines()[0] == SAYS
    table = gpd.read_file(tmp_path / "one.gpkg", layer="buildings")
    assert table.change.isna().all()
    assert table.cluster.nunique() > 1
    truth = gpd.read_file(scene / "storm_truth.gpkg").damage.to_numpy()[table.id]
    clear = truth != "minor"
    torn = np.isin(truth, ["major", "destroyed"])
    assert roc_auc_score(torn[clear], -table["rank"].to_numpy()[clear]) > 0.8


def test_what_cannot_be_compared_is_refused(scene, tmp_path, capsys):
    """No overlap, no CRS, other bands, no buildings, a tile of no size: one line each."""
    with rasterio.open(scene / "storm_pre.tif") as image:
        pixels, profile = image.read(), image.profile
    elsewhere = profile["transform"] @ Affine.translation(99_999, 0)

    def odd(name, data=pixels, **changes):
        with rasterio.open(tmp_path / name, "w", **profile | changes) as file:
            file.write(data)
        return ["--pre", str(tmp_path / name)]

    table = gpd.read_file(scene / "storm_truth.gpkg")
    table.iloc[:0].to_file(tmp_path / "none.gpkg")
    table.translate(90_000).to_frame("geometry").to_file(tmp_path / "far.gpkg")
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        table.set_crs(None, allow_override=True).to_file(tmp_path / "lost.gpkg")
    cases = {
        "does not overlap": odd("far.tif", transform=elsewhere),
        "has no CRS": odd("lost.tif", crs=None),
        "has 2 bands": odd("two.tif", pixels[:2], count=2),
        "none of its": ["--buildings", str(tmp_path / "far.gpkg")],
        "has no buildings": ["--buildings", str(tmp_path / "none.gpkg")],
        "must be above 0": ["--cell", "0"],
        "lost.gpkg: has no CRS": ["--buildings", str(tmp_path / "lost.gpkg")],
    }
    check = partial(run, scene, tmp_path / "x.gpkg")
    for words, more in cases.items():
        assert check(*more) == 2, words
        told = capsys.readouterr().err.strip().splitlines()
        assert words in told[-1], told
        assert told[-1].startswith("geounet: error: ")
    assert not list(tmp_path.glob("x*"))


def test_the_shift_of_a_sample_storm_is_found(scene, found):
    """Other light, another camera, torn roofs: the shift is found to 0.3 m all the same."""
    assert found.shift.sure
    assert math.dist((found.shift.east, found.shift.south), scene.shift_m) < 0.3


def test_what_was_found_is_one_object(found):
    """It tells the files, the number of clusters, the shift, and that these are no grades."""
    told = json.loads(json.dumps(found.as_dict()))
    assert told["note"] == SAYS
    assert 8 < told["graded"] <= 12  # a labelled building may lie where an image has no data
    assert told["gsd"] == pytest.approx(0.5, rel=1e-3)
    assert told["shift"]["sure"]
    assert told["out"][0].endswith("map.gpkg")
