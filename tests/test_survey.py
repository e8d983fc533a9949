"""Surveys: which scenes there are, what becomes of each, and of those that are broken."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from fakes import PaintModel

from geounet import prepare
from geounet.backends import ready
from geounet.errors import OptionError, RasterError, SurveyError, TargetError
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions, predict
from geounet.survey import scene
from geounet.survey.find import find_scenes
from geounet.survey.job import SurveyOptions, survey
from geounet.survey.scene import in_turn

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
    touch(tmp_path, "older/p.tif", "older/.survey/ledger.jsonl")
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


@pytest.mark.parametrize("content", [b"a\0b\n", b"\xff\n", b"a.tif\n\xff"])
def test_what_is_no_text_is_no_list(tmp_path, content):
    """A binary file by mistake is refused, also where its bytes are UTF-8."""
    (tmp_path / "labels.dbf").write_bytes(content)
    with pytest.raises(RasterError, match="neither a raster nor a list of some"):
        find_scenes([str(tmp_path / "labels.dbf")])


def test_a_folder_that_cannot_be_read_is_not_passed_over(tmp_path, monkeypatch):
    """Its scenes would be missing, and what was made of them removed, without a word."""
    touch(tmp_path, "a.tif", "locked/b.tif")
    there = os.scandir

    def scandir(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", str(path))
        return there(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(RasterError, match=r"locked: cannot be read \(permission denied\)"):
        find_scenes([str(tmp_path)])


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


def image(seed=0, size=(40, 48)):
    """A small raster of blobs."""
    rng = np.random.default_rng(seed)
    rough = rng.integers(0, 2, (-(-size[0] // 8), -(-size[1] // 8)))
    return rough.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]].astype(np.uint8) * 200


@pytest.fixture
def sheets(make_raster, tmp_path):
    """A folder of three small rasters, one of them cut short."""
    (tmp_path / "in/north").mkdir(parents=True)
    for seed, name in enumerate(("a", "b", "north/a")):
        make_raster(image(seed), name=f"in/{name}.tif")
    cut(tmp_path / "in/b.tif")
    return tmp_path / "in"


def cut(path, left=300):
    """Cut a file short."""
    path.write_bytes(path.read_bytes()[:left])


def asked(model=None, **words):
    """Options of quick predictions."""
    plan = PlanOptions(tile=32)
    options = {"outline": "pixel", "min_area": 0} | words
    return PredictOptions(model=model or PaintModel(), plan=plan, gsd="native", **options)


def run(folder, out, max_errors=None, told=lambda _: None, hands=in_turn, **words):
    """Carry out a survey of a folder."""
    options = SurveyOptions(predict=asked(**words), max_errors=max_errors)
    return survey(find_scenes([str(folder)], [out]), out, options, hands=hands, told=told)


def files(folder):
    """The names of all files below a folder but what the survey keeps for itself."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)) for path in found if ".survey" not in path.parts}


def contents(folder):
    """What can be compared of a folder: the tables of packages, the report but for its clock."""
    found = {}
    for name in sorted(files(folder)):
        if name.endswith(".gpkg"):
            with closing(sqlite3.connect(folder / name)) as file:
                listed = file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
                tables = sorted(table for (table,) in listed if not table.startswith("rtree_"))
                query = 'SELECT * FROM "{}"'
                found[name] = {t: file.execute(query.format(t)).fetchall() for t in tables}
        elif name == "report.jsonl":
            found[name] = [
                {**row, "seconds": 0, "out": row["out"] and Path(row["out"]).name}
                for row in reported(folder)
            ]
        elif not name.startswith("report."):
            found[name] = (folder / name).read_bytes()
    return found


def reported(folder):
    """The rows of the report."""
    return [json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()]


REPORTS = {"report.jsonl", "report.csv", "report.html"}


def test_a_broken_scene_is_named_and_the_rest_is_done(sheets, tmp_path):
    """It leaves nothing behind."""
    found = run(sheets, tmp_path / "out")
    assert [each.name for each in found.outcomes] == ["a", "b", "north__a"]
    assert [each.name for each in found.failed] == ["b"]
    assert "b.tif" in found.failed[0].error
    assert files(tmp_path / "out") == {"a.gpkg", "north__a.gpkg", *REPORTS}


def test_a_scene_comes_out_as_predict_gives_it(sheets, tmp_path):
    """The same tables, the same bytes of its rasters."""
    sides = {"probability": tmp_path / "out", "rle": tmp_path / "out"}
    run(sheets, tmp_path / "out", **sides)
    alone = tmp_path / "alone"
    alone.mkdir()
    words = {"probability": alone / "a.tif", "rle": alone / "a.json"}
    predict(sheets / "a.tif", alone / "a.gpkg", asked(**words))
    expected, found = contents(alone), contents(tmp_path / "out")
    assert expected.keys() == {"a.gpkg", "a.tif", "a.json"}
    assert {name: found[name] for name in expected} == expected


def test_the_reports_tell_of_each_scene(sheets, tmp_path):
    """One row a scene in both, with the same five columns; the page names the failures and why."""
    run(sheets, tmp_path / "out")
    rows = reported(tmp_path / "out")
    assert [set(row) for row in rows] == [{"raster", "out", "footprints", "seconds", "error"}] * 3
    assert rows[0]["out"] == str(tmp_path / "out/a.gpkg")
    assert rows[0]["footprints"] > 0
    assert (rows[1]["out"], rows[1]["footprints"]) == (None, 0)
    assert rows[0]["error"] is rows[2]["error"] is None
    with (tmp_path / "out/report.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["raster"] for row in table] == [row["raster"] for row in rows]
    assert [row["error"] for row in table] == [row["error"] or "" for row in rows]
    page = (tmp_path / "out/report.html").read_text()
    assert "cannot be read" in page
    assert page.count("<figure><img") == 2
    assert 'href="north__a.gpkg"' in page


def test_a_page_shows_names_as_they_are(make_raster, tmp_path):
    """No name of a file becomes part of the page."""
    (tmp_path / "in").mkdir()
    make_raster(image(), name="in/<b>&a.tif")
    (tmp_path / "in/<script>.tif").write_bytes(b"no raster")
    run(tmp_path / "in", tmp_path / "out")
    page = (tmp_path / "out/report.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page
    assert "<b>&a" not in page


def test_run_again_it_does_what_is_new_or_changed(sheets, make_raster, tmp_path):
    """And what was made of scenes that are gone leaves; all as if it had been done at once."""
    out = tmp_path / "out"
    make_raster(image(7), name="in/gone.tif")
    run(sheets, out)
    kept = (out / "north__a.gpkg").stat().st_mtime_ns
    (out / "mine.gpkg").write_bytes(b"not of the survey")
    make_raster(image(8), name="in/a.tif")
    make_raster(image(9), name="in/b.tif")
    make_raster(image(10), name="in/new.tif")
    (sheets / "gone.tif").unlink()
    done = []
    found = run(sheets, out, told=done.append)
    assert (found.before, found.removed) == ({"north__a"}, ("gone",))
    assert [each.name for each in done] == ["north__a", "a", "b", "new"]
    assert (out / "north__a.gpkg").stat().st_mtime_ns == kept
    assert (out / "mine.gpkg").read_bytes() == b"not of the survey"
    (out / "mine.gpkg").unlink()
    run(sheets, tmp_path / "once")
    assert contents(out) == contents(tmp_path / "once")


def test_nothing_new_is_nothing_done(sheets, tmp_path):
    """Nor is the model asked; broken scenes are tried again, deleted outputs made again."""
    out = tmp_path / "out"
    run(sheets, out)
    before = contents(out)
    found = run(sheets, out, model=DyingModel(0))
    assert found.before == {"a", "north__a"}
    assert found.as_dict()["pixels"] == found.as_dict()["tiles"] == 0
    assert found.as_dict()["finished_before"] == found.as_dict()["scenes"] == 2
    assert contents(out) == before
    (out / "a.gpkg").unlink()
    assert run(sheets, out).before == {"north__a"}
    assert contents(out) == before


def test_a_scene_that_breaks_loses_what_was_made_of_it(sheets, tmp_path):
    """An output of another raster than the one that is there would be a quiet lie."""
    out = tmp_path / "out"
    run(sheets, out)
    cut(sheets / "a.tif")
    assert [each.name for each in run(sheets, out).failed] == ["a", "b"]
    assert files(out) == {"north__a.gpkg", *REPORTS}


def test_another_model_or_option_is_refused_with_the_difference(sheets, tmp_path):
    """Until it is said that all is to be done again."""
    out = tmp_path / "out"
    run(sheets, out)
    before = contents(out)
    with pytest.raises(OptionError, match="outline pixel, now smooth"):
        run(sheets, out, outline="smooth", resume=True)
    assert contents(out) == before
    assert not run(sheets, out, outline="smooth", overwrite=True).before
    run(sheets, tmp_path / "once", outline="smooth")
    assert contents(out) == contents(tmp_path / "once")


def test_other_scenes_altogether_are_refused(sheets, make_raster, tmp_path):
    """A folder by mistake must not remove what was made of another one."""
    run(sheets, tmp_path / "out")
    (tmp_path / "other").mkdir()
    make_raster(image(), name="other/z.tif")
    with pytest.raises(OptionError, match="a survey of other scenes"):
        run(tmp_path / "other", tmp_path / "out")
    assert "a.gpkg" in files(tmp_path / "out")


def test_outputs_of_others_are_in_the_way(sheets, tmp_path):
    """Nothing is begun, nothing kept."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "north__a.gpkg").write_text("mine")
    with pytest.raises(TargetError, match=r"north__a\.gpkg: exists already; pass --overwrite"):
        run(sheets, out)
    assert [path.name for path in out.iterdir()] == ["north__a.gpkg"]
    found = run(sheets, out, resume=True)
    assert [each.name for each in found.failed] == ["b", "north__a"]
    assert (out / "north__a.gpkg").read_text() == "mine"
    assert len(run(sheets, out, overwrite=True).failed) == 1


def test_no_output_is_an_input(sheets, tmp_path):
    """Also not that of another scene."""
    (sheets / "north__a.tif").symlink_to(sheets / "b.tif")
    with pytest.raises(OptionError, match="is an input of the survey"):
        run(sheets, tmp_path / "out", probability=sheets)
    found = run(sheets, sheets)
    assert len(found.outcomes) == 3
    assert len(run(sheets, sheets).before) == 2


def test_a_survey_stops_when_too_many_scenes_fail(sheets, tmp_path):
    """It says which was the last; what is done is kept, and waits for --resume."""
    out = tmp_path / "out"
    with pytest.raises(SurveyError, match=r"b\.tif.*--resume"):
        run(sheets, out, max_errors=0)
    assert files(out) == {"a.gpkg", *REPORTS}
    with pytest.raises(TargetError, match=r"unfinished survey .1 scenes are done.*--resume"):
        run(sheets, out)
    assert run(sheets, out, resume=True, max_errors=1).before == {"a"}
    run(sheets, tmp_path / "once")
    assert contents(out) == contents(tmp_path / "once")


class DyingModel(PaintModel):
    """Paints, until a given number of batches is done."""

    def __init__(self, calls, error=KeyboardInterrupt):
        """Die at the call after so many."""
        super().__init__()
        self.left, self.error = calls, error

    def __call__(self, pixels, valid):
        self.left -= 1
        if self.left == -1:
            raise self.error
        return super().__call__(pixels, valid)


@pytest.mark.parametrize("sides", [{}, {"mask": "masks"}])
def test_a_survey_that_died_goes_on(make_raster, tmp_path, sides):
    """Wherever it died, as if it had not; a scene half done goes on from its own state."""
    (tmp_path / "in").mkdir()
    for seed in range(3):
        make_raster(image(seed, (200, 70)), name=f"in/{seed}.tif")
    places = {side: tmp_path / "whole" / name for side, name in sides.items()}
    run(tmp_path / "in", tmp_path / "whole", **places)
    for calls in (0, 4, 9, 17):
        out = tmp_path / f"at{calls}"
        places = {side: out / name for side, name in sides.items()}
        with pytest.raises(KeyboardInterrupt) as caught:
            run(tmp_path / "in", out, model=DyingModel(calls), **places)
        assert "--resume goes on" in caught.value.__notes__[0]
        found = run(tmp_path / "in", out, resume=True, **places)
        assert contents(out) == contents(tmp_path / "whole")
        resumed = [each.result["pixels_resumed"] for each in found.outcomes]
        assert found.before or sum(resumed) or calls <= 4  # a strip or two may be on their way


def test_a_torn_ledger_is_read_as_far_as_it_goes(sheets, tmp_path):
    """Power may fail in the middle of a line; outputs that it does not know are looked at."""
    out = tmp_path / "out"
    run(sheets, out)
    before = contents(out)
    ledger = out / ".survey/ledger.jsonl"
    lines = ledger.read_bytes().splitlines(keepends=True)
    assert b'"done": "north__a"' in lines[6]
    ledger.write_bytes(b"".join(lines[:6]) + lines[6][:40])
    found = run(sheets, out, resume=True)
    assert len(found.before) == 1
    assert contents(out) == before


def test_a_ledger_that_is_torn_in_a_letter_keeps_the_rest(make_raster, tmp_path):
    """Names are as they are, so that the end may lie within one."""
    (tmp_path / "in").mkdir()
    for name in ("a", "b\u2028", "größe"):
        make_raster(image(), name=f"in/{name}.tif")
    run(tmp_path / "in", tmp_path / "out")
    ledger = tmp_path / "out/.survey/ledger.jsonl"
    content = ledger.read_bytes()
    ledger.write_bytes(content[: content.rindex("ö".encode()) + 1])
    found = run(tmp_path / "in", tmp_path / "out", resume=True)
    assert found.before == {"a", "b\u2028"}


@pytest.mark.parametrize("error", [MemoryError, OSError, RuntimeError, ValueError])
def test_whatever_goes_wrong_concerns_one_scene(make_raster, tmp_path, error):
    """Also what nobody foresaw is told in a line."""
    (tmp_path / "in").mkdir()
    for seed in range(2):
        make_raster(image(seed), name=f"in/{seed}.tif")
    found = run(tmp_path / "in", tmp_path / "out", model=DyingModel(1, error("what is it")))
    assert [each.name for each in found.failed] == ["0"]
    assert "what is it" in found.failed[0].error
    assert files(tmp_path / "out") - REPORTS == {"1.gpkg"}


def test_a_model_is_opened_once(sheets, tmp_path, monkeypatch):
    """Not for each scene; nor is it folded, compiled or moved to its device again."""
    done = []
    scene._opened.cache_clear()
    monkeypatch.setattr(scene, "named", lambda _: done.append("opened") or PaintModel())
    monkeypatch.setattr(ready, "make_step", lambda model, _: done.append("made") or model)
    (tmp_path / "m.onnx").write_bytes(b"stands for a model")
    found = run(sheets, tmp_path / "out", model=tmp_path / "m.onnx")
    scene._opened.cache_clear()
    assert (done, len(found.failed)) == (["opened", "made"], 1)


def test_sheets_are_worth_together_what_a_large_raster_is(sheets, tmp_path, monkeypatch):
    """Trying engines out pays for a thousand small sheets as it does for one that is large."""
    asked = []

    def settle(*words, _settle=prepare.settle):
        asked.append(words[2])
        return _settle(*words)

    monkeypatch.setattr(prepare, "settle", settle)
    run(sheets, tmp_path / "out")
    assert asked == [3 * 40 * 48] * 3


def test_a_scene_outside_the_area_has_no_result_and_no_error(sheets, make_raster, tmp_path):
    """An area is asked of every sheet, and need not touch all of them."""
    make_raster(image(4), name="in/far.tif", transform=Affine(0.5, 0, 9e5, 0, -0.5, 5e6))
    box = (500_000.0, 4_999_990.0, 500_020.0, 5_000_000.0)
    found = run(sheets, tmp_path / "out", bbox=box)
    assert [each.name for each in found.failed] == ["b"]
    rows = {Path(row["raster"]).stem: row for row in reported(tmp_path / "out")}
    assert (rows["far"]["out"], rows["far"]["error"]) == (None, None)
    assert "far.gpkg" not in files(tmp_path / "out")
    assert "outside the area" in (tmp_path / "out/report.html").read_text()
    assert run(sheets, tmp_path / "out", bbox=box).before == {"a", "north__a"}


def test_two_surveys_cannot_share_a_folder(sheets, tmp_path):
    """The second one is refused, and the first one goes on."""
    out, refused = tmp_path / "out", []

    def again(_):
        with pytest.raises(TargetError, match="another run is writing here"):
            run(sheets, out)
        refused.append(1)

    assert len(run(sheets, out, told=again).failed) == 1
    assert len(refused) == 3
