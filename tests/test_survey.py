"""Surveys: which scenes there are, what becomes of each, and of those that are broken."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import PaintModel

from geounet.errors import RasterError
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions
from geounet.survey.find import find_scenes
from geounet.survey.job import SurveyOptions, survey

pytestmark = pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")


def touch(folder, *names):
    """Make files, which nobody opens."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def named(*asked, besides=()):
    """The names of the scenes that are found."""
    return [scene.name for scene in find_scenes(list(map(str, asked)), besides)]


def test_a_folder_stands_for_all_rasters_below_it(tmp_path):
    """Hidden files, sidecars, overviews and our own outputs are no scenes."""
    good = ("a.tif", "north/b.TIF", "north/old/c.jp2", "d.png")
    bad = ("._a.tif", ".hidden/e.tif", "a.tif.ovr", "a.tif.msk", "a.tif.aux.xml", "d.pgw", "a.tfw")
    touch(tmp_path, *good, *bad, "maps/p.tif", "notes.txt", "b.gpkg")
    assert named(tmp_path, besides=[tmp_path / "maps"]) == ["a", "d", "north__b", "north__old__c"]


def test_equal_base_names_do_not_collide(tmp_path):
    """The folders tell them apart, then the suffix, then a number; upper case is no difference."""
    touch(tmp_path, "x/a.tif", "y/a.tif", "x/b.tif", "x/b.png", "x/B.tif", "x__a.tif")
    found = named(tmp_path)
    assert found == ["x__B_tif", "x__a_tif", "x__a_tif-2", "x__b_png", "x__b_tif-2", "y__a"]
    assert len({name.casefold() for name in found}) == len(found)


def test_a_list_names_a_raster_a_line(tmp_path):
    """From its own folder; comments and blank lines are none, what is missing is a scene too."""
    touch(tmp_path, "a.tif", "b.tif")
    text = "# two\na.tif\n\n./b.tif\na.tif\ngone.tif\nhttps://example.org/x/c.tif?key=1\n"
    (tmp_path / "list.txt").write_text(text)
    assert named(tmp_path / "list.txt") == ["a", "b", "c", "gone"]


def test_a_glob_finds_what_it_matches(tmp_path):
    """Names begin at the folder that all of them share."""
    touch(tmp_path, "n/a.tif", "n/b.txt", "s/a.tif", "s/.a.tif")
    assert named(tmp_path / "*" / "*") == ["n__a", "s__a"]


def test_two_ways_to_one_file_are_one_scene(tmp_path):
    """Links are followed; none is predicted twice, and no circle is walked for ever."""
    touch(tmp_path, "in/a.tif", "far/b.tif")
    (tmp_path / "in/same.tif").symlink_to(tmp_path / "in/a.tif")
    (tmp_path / "in/far").symlink_to(tmp_path / "far")
    (tmp_path / "in/circle").symlink_to(tmp_path / "in")
    assert named(tmp_path / "in") == ["a", "far__b"]


@pytest.mark.parametrize("asked", ["", "*.tif", "empty.txt", "bytes.txt"])
def test_nothing_found_is_an_error(tmp_path, asked):
    """An empty folder may be a disk that is not mounted."""
    touch(tmp_path, "only.docx")
    (tmp_path / "empty.txt").write_text("# none\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RasterError, match=r"no raster|neither a raster nor a list"):
        named(tmp_path / asked)


@pytest.fixture
def sheets(make_raster, tmp_path):
    """A folder of three small rasters, one of them cut short."""
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(3)
    for name in "abc":
        image = rng.integers(0, 2, (5, 6)).repeat(8, 0).repeat(8, 1).astype(np.uint8) * 200
        make_raster(image, name=f"in/{name}.tif")
    (tmp_path / "in/b.tif").write_bytes((tmp_path / "in/b.tif").read_bytes()[:300])
    return tmp_path / "in"


def asked(**words):
    """Options of quick predictions."""
    plan = PlanOptions(tile=32)
    options = {"outline": "pixel", "min_area": 0} | words
    return PredictOptions(model=PaintModel(), plan=plan, gsd="native", **options)


def test_a_broken_scene_is_named_and_the_rest_is_done(sheets, tmp_path):
    """It leaves nothing behind."""
    found = survey(find_scenes([str(sheets)]), tmp_path / "out", SurveyOptions(predict=asked()))
    assert [each.name for each in found.outcomes] == ["a", "b", "c"]
    assert [each.name for each in found.failed] == ["b"]
    assert "b.tif" in found.failed[0].error
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".survey",
        "a.gpkg",
        "c.gpkg",
        "report.csv",
        "report.html",
        "report.jsonl",
    ]
