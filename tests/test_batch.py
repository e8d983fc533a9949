"""`geounet batch` as a user types it: exit codes, processes that die, and hundreds of scenes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from fakes import PaintModel
from geounet.cli.main import main
from rasterio.control import GroundControlPoint
from test_survey import REPORTS, asked, contents, files, image, reported, run

from geounet.errors import GeounetWarning, OptionError
from geounet.plan import PlanOptions
from geounet.predict import PredictOptions
from geounet.survey import workers
from geounet.survey.find import find_scenes
from geounet.survey.job import SurveyOptions, survey
from geounet.survey.words import unit_as_json, unit_of_json
from geounet.survey.work import Unit

pytestmark = pytest.mark.filterwarnings("ignore::geounet.errors.GeounetWarning")

GEOUNET = Path(sys.executable).with_name("geounet")
OTSU = ("-m", "otsu", "--outline", "pixel", "--gsd", "native", "-q")


@pytest.fixture
def sheets(make_raster, tmp_path):
    """A folder of five small rasters."""
    (tmp_path / "in").mkdir()
    for seed in range(5):
        make_raster(image(seed, (64, 96)), name=f"in/{seed}.tif")
    return tmp_path / "in"


def break_in_all_ways(folder, make_raster):
    """Add twenty scenes of no use; return their names."""
    names = [f"bad{number:02d}" for number in range(20)]
    good = make_raster(image(1), name="good.tif").read_bytes()
    contents = {
        0: b"", 1: b"hello", 2: good[:100], 3: good[:300], 4: good[:-200], 5: b"II*\x00",
        6: b"<html><body>404</body></html>", 7: b"\x89PNG\r\n\x1a\n", 8: b"\xff\xd8\xff",
        9: b"<VRTDataset rasterXSize='9'>", 10: good[:8] + b"\xff" * 400, 11: os.urandom(999),
    }  # fmt: skip
    for number, content in contents.items():
        (folder / f"{names[number]}.tif").write_bytes(content)
    os.mkfifo(folder / f"{names[12]}.tif")
    (folder / f"{names[13]}.tif").symlink_to(folder / "gone.tif")
    arrays = {
        14: np.zeros((3, 9, 9), np.uint8), 15: np.full((9, 9), 900, np.uint16),
        16: np.zeros((9, 9), np.complex64), 17: np.zeros((9, 9), np.int32),
    }  # fmt: skip
    for number, array in arrays.items():
        make_raster(array, name=f"{folder.name}/{names[number]}.tif")
    points = [GroundControlPoint(*(float(at) for at in (r, c, c, r))) for r, c in ((0, 0), (9, 9))]
    make_raster(image(), transform=None, gcps=points, name=f"{folder.name}/{names[18]}.tif")
    path = make_raster(
        np.random.default_rng(1).integers(0, 255, (64, 64), np.uint8), compress="lzw", tiled=True,
        blockxsize=16, blockysize=16, name=f"{folder.name}/{names[19]}.tif",
    )  # fmt: skip
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 400] = b"\xff" * 400
    path.write_bytes(data)
    return names


def test_of_two_hundred_scenes_a_tenth_is_broken(make_raster, tmp_path):
    """180 are right, 20 named with their reason, none lost, none doubled."""
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "south").mkdir(parents=True)
    good = {}
    for number in range(180):
        place = "south/" if number % 3 == 0 else ""
        name = f"{place}{number // 2 if place else number}.tif"
        painted = np.zeros((24, 24), np.uint8)
        painted[4:8, 4 : 5 + number % 15] = 200
        make_raster(painted, name=f"in/{name}")
        good[str(folder / name)] = 4 * (1 + number % 15)
    bad = break_in_all_ways(folder, make_raster)
    found = run(folder, out)
    assert (len(found.outcomes), len(found.failed)) == (200, 20)
    rows = reported(out)
    assert max(Counter(row["raster"] for row in rows).values()) == 1
    assert {row["raster"] for row in rows} == {*good, *(str(folder / f"{b}.tif") for b in bad)}
    assert {Path(row["raster"]).stem for row in rows if row["error"]} == set(bad)
    assert all(row["raster"] in row["error"] for row in rows if row["error"])
    fine = [row for row in rows if not row["error"]]
    assert {Path(row["out"]).name for row in fine} | REPORTS == files(out)
    for row in fine:
        assert (row["footprints"], area(row["out"])) == (1, good[row["raster"]])


def area(package):
    """Pixels of half a metre that the footprints of a package cover."""
    import geopandas  # noqa: PLC0415

    return round(float(geopandas.read_file(package, layer="buildings").area.sum()) / 0.25)


def test_exit_codes_and_what_is_printed(sheets, tmp_path, capsys):
    """0 done, 3 some failed, 1 stopped, 2 nothing there; paths on stdout, one line a failure."""
    out = tmp_path / "out"
    assert main(["batch", str(sheets), "-o", str(out), *OTSU[:-1]]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [str(out / f"{number}.gpkg") for number in range(5)]
    assert "5 of 5 scenes are done" in said.err.splitlines()[-1]
    (sheets / "2.tif").write_bytes(b"hello")
    assert main(["batch", str(sheets), "-o", str(out), *OTSU, "--json"]) == 3
    said = capsys.readouterr()
    answer = json.loads(said.out)
    assert (answer["scenes"], answer["finished_before"]) == (4, 4)
    assert [each["raster"] for each in answer["failed"]] == [str(sheets / "2.tif")]
    assert len(said.err.splitlines()) == 1
    assert main(["batch", str(sheets), "-o", str(out), *OTSU, "--on-error", "fail"]) == 1
    assert main(["batch", str(sheets), "-o", str(out), *OTSU, "--max-errors", "1", "--resume"]) == 3
    assert main(["batch", str(tmp_path / "none"), "-o", str(out), *OTSU]) == 2
    capsys.readouterr()


BAD = [
    (["{tmp}/empty", "-o", "{out}"], "no raster there"),
    (["{in}/*.jp2", "-o", "{out}"], "no raster there"),
    (["{in}", "-o", "{out}", "-m", "housez"], "no model 'housez'"),
    (["{in}", "-o", "{out}/a.fgb"], "need a folder"),
    (["{in}", "-o", "{in}/0.tif"], "need a folder"),
    (["{in}", "-o", "{out}", "--resume", "-f"], "leave one of them out"),
    (["{in}", "-o", "{out}", "--workers", "0"], "--workers"),
    (["{in}", "-o", "{out}", "--threshold", "7"], "threshold must lie"),
    (["{in}", "-o", "{out}", "--tile", "0"], "tile must be"),
    (["{in}", "-o", "{out}", "--device", "cuda:77"], "not available here"),
    (["{in}", "-o", "{out}", "--crs", "EPSG:0"], "EPSG:0"),
    (["{in}"], "Missing option"),
]


@pytest.mark.parametrize(("words", "message"), BAD)
def test_what_concerns_all_scenes_is_said_at_once(sheets, tmp_path, capsys, words, message):
    """One line, exit 2 or 1, nothing made."""
    (tmp_path / "empty").mkdir()
    places = {"in": sheets, "out": tmp_path / "out", "tmp": tmp_path}
    words = [word.format(**places) for word in words]
    assert main(["batch", *words]) in (1, 2)
    lines = capsys.readouterr().err.strip().splitlines()
    assert message in lines[-1]
    assert len([line for line in lines if line.startswith("geounet: error")]) <= 1
    assert not (tmp_path / "out").exists()


def test_a_unit_comes_back_from_its_words(tmp_path):
    """Paths are paths again, tuples tuples, so that a worker's key is that of its parent."""
    options = PredictOptions(
        model=("buildings", tmp_path / "m.onnx"), plan=PlanOptions(tile=64), bands=(1, 2, 3),
        scale=(0.0, 9.0), aoi=tmp_path / "a.gpkg", bbox=(1.0, 2.0, 3.0, 4.0), mask=tmp_path / "m",
        gsd=0.5, resume=True,
    )  # fmt: skip
    unit = Unit(name="a", raster="in/a.tif", out=tmp_path / "a.gpkg", options=options, ours=True)
    back = unit_of_json(unit_as_json(unit))
    assert back.targets == unit.targets
    assert [str(each) for each in back.options.model] == [str(each) for each in options.model]
    plain = {"model": "same"}
    assert changed(back, plain) == changed(unit, plain)


def changed(unit, words):
    """All fields of a unit but its model."""
    return {**vars(unit), "options": {**vars(unit.options), **words}}


def named():
    """Options that a worker can read: a model by its name."""
    return asked(model="otsu")


def crewed(sheets, out, count=2, **words):
    """Carry out a survey by workers."""
    options = SurveyOptions(predict=named())
    hands = workers.hands_of(options.predict, count)
    return survey(find_scenes([str(sheets)]), out, options, hands=hands, **words)


def test_workers_give_what_one_process_gives(sheets, tmp_path):
    """The same files, the same report."""
    crewed(sheets, tmp_path / "many")
    survey(find_scenes([str(sheets)]), tmp_path / "one", SurveyOptions(predict=named()))
    assert contents(tmp_path / "many") == contents(tmp_path / "one")


DYING = """
import os, pathlib
from geounet.survey import serve
real = serve.run_scene
def run_scene(unit, progress):
    mark = pathlib.Path(unit.raster + ".died")
    if unit.name == "2" or unit.name == "3" and not mark.exists():
        with mark.open("a") as file:
            file.write("x")
        os.kill(os.getpid(), 9)
    return real(unit, progress)
serve.run_scene = run_scene
serve.serve()
"""


def test_a_dead_worker_costs_its_scene_alone(sheets, tmp_path, monkeypatch):
    """That is tried once more; the one that kills each process is named so."""
    monkeypatch.setattr(workers, "COMMAND", DYING)
    found = crewed(sheets, tmp_path / "out")
    assert [each.name for each in found.failed] == ["2"]
    assert "was killed (out of memory?)" in found.failed[0].error
    assert (sheets / "2.tif.died").read_text() == "xx"
    assert (sheets / "3.tif.died").read_text() == "x"
    assert len(found.outcomes) == 5


def test_a_model_that_was_handed_in_stays_in_its_process(sheets, tmp_path):
    """Others could not open it, which is said before anything is begun."""
    options = SurveyOptions(predict=asked(model=PaintModel()))
    with pytest.raises(OptionError, match="give its name or its path"):
        survey(
            find_scenes([str(sheets)]), tmp_path / "out", options,
            hands=workers.hands_of(options.predict, 2),
        )  # fmt: skip


def started(words):
    """Run the command, in a session of its own."""
    return subprocess.Popen(
        [GEOUNET, *map(str, words)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip


def children(process):
    """The processes that a process started."""
    task = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return [int(word) for word in task.read_text().split()]


def wait_for(what, seconds=60):
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def lives(pid):
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)]
)
def test_no_worker_outlives_its_parent(sheets, make_raster, tmp_path, number, code):
    """However that ends; what is done is kept, and the same words with --resume do the rest."""
    for seed in range(2, 7):
        make_raster(image(seed, (300, 300)), name=f"in/{seed}.tif")
    out = tmp_path / "out"
    words = ["batch", sheets, "-o", out, *OTSU, "--tile", "32"]
    process = started([*words, "--workers", "2"])
    wait_for(lambda: list(out.glob("*.gpkg")))
    crew = children(process)
    assert len(crew) == 2
    process.send_signal(number)
    if number == signal.SIGINT:
        process.send_signal(number)  # a second one changes nothing
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    wait_for(lambda: not any(map(lives, crew)), 10)
    if code > 0:
        assert f"what is done is kept in {out}, --resume goes on" in said
    assert main([*map(str, words), "--resume"]) == 0
    assert main(["batch", str(sheets), "-o", str(tmp_path / "whole"), *words[4:]]) == 0
    assert contents(out) == contents(tmp_path / "whole")


TALKING = "from geounet.survey import serve; serve.EVERY = 0; serve.serve()"


def test_a_worker_tells_how_far_it_is_and_what_it_warns_of(make_raster, tmp_path, monkeypatch):
    """As the process itself would."""
    monkeypatch.setattr(workers, "COMMAND", TALKING)
    raster = make_raster(image(1, (300, 300)), crs=None, transform=None)
    unit = Unit(name="a", raster=str(raster), out=tmp_path / "a.gpkg", options=named())
    seen = []
    hands = workers.by_workers([unit], lambda *now: seen.append(now), seats=[{}])
    with pytest.warns(GeounetWarning, match="has no CRS"):
        outcomes = list(hands)
    assert [each.error for each in outcomes] == [None]
    assert seen[-1] == (unit, seen[-1][2], seen[-1][2])
