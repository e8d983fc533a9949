"""Rules of the command line: exit codes, one-line errors, what lands on stdout and stderr."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas
import numpy as np
import pytest
import torch
from affine import Affine
from geounet.cli.main import COMMANDS, SOON, geounet, main

from geounet.card import ModelCard
from geounet.model import Segmenter, save_model
from geounet.networks.registry import build

GEOUNET = Path(sys.executable).with_name("geounet")
TREE = Path(__file__).parents[1]


@pytest.fixture
def model(tmp_path):
    """A point-wise model on disk: bright pixels are buildings."""
    network = build("pointwise", {})
    torch.nn.init.constant_(network.head.weight, 4.0)
    torch.nn.init.constant_(network.head.bias, 0.0)
    path = tmp_path / "bright.safetensors"
    card = ModelCard(name="bright", network="pointwise", receptive_field=0)
    save_model(path, Segmenter(card, network))
    return path


@pytest.fixture
def scene(make_raster):
    """A dark RGB scene with two bright houses."""
    image = np.full((3, 90, 120), 40, np.uint8)
    image[:, 10:40, 10:50] = 220
    image[:, 60:80, 70:110] = 230
    return make_raster(image, transform=Affine(0.3, 0, 5e5, 0, -0.3, 5e6), name="scene.tif")


def said(capsys):
    """The lines of stderr that begin with the program's name."""
    captured = capsys.readouterr()
    return captured.out, [line for line in captured.err.splitlines() if line.startswith("geounet:")]


def test_predict_prints_what_it_wrote(scene, model, tmp_path, capsys):
    """Stdout carries the paths, stderr the summary, the exit code is 0."""
    out = tmp_path / "out.gpkg"
    assert main(["predict", str(scene), "-o", str(out), "-m", str(model)]) == 0
    stdout, lines = said(capsys)
    assert stdout == f"{out}\n"
    assert lines[0].startswith("geounet: 2 footprints in ")
    assert len(geopandas.read_file(out, layer="buildings")) == 2


def test_json_says_what_was_done(scene, model, tmp_path, capsys):
    """One object with the keys of the contract."""
    words = [
        "predict",
        str(scene),
        "-o",
        str(tmp_path / "o.gpkg"),
        "-m",
        str(model),
        "--json",
        "-q",
    ]
    assert main([*words, "--mask", str(tmp_path / "m.tif")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {
        "out", "scenes", "failed", "pixels", "valid_pixels", "tiles", "tiles_skipped", "polygons",
        "seconds", "mpix_per_s", "device", "precision", "backend", "tile", "halo",
        "receptive_field", "peak_memory_bytes", "model", "failed_pixels", "pixels_resumed",
        "finished_before",
    }  # fmt: skip
    stages = {"total", "read", "infer", "blend", "trace", "regularize", "write"}
    assert set(found["seconds"]) == stages
    assert (found["scenes"], found["polygons"], found["model"]) == (1, 2, "bright")
    assert found["pixels"] == found["valid_pixels"] == 90 * 120
    assert found["out"] == [str(tmp_path / "o.gpkg"), str(tmp_path / "m.tif")]
    assert found["peak_memory_bytes"] > 1e8


def test_a_folder_of_rasters_becomes_a_folder_of_maps(scene, model, tmp_path, capsys):
    """Hidden files are left alone, each raster gets its map."""
    folder = tmp_path / "survey"
    folder.mkdir()
    for name in ("a.tif", "b.tif", "._a.tif"):
        (folder / name).write_bytes(scene.read_bytes())
    assert main(["predict", str(folder), "-o", str(tmp_path / "maps"), "-m", str(model)]) == 0
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == ["a.gpkg", "b.gpkg"]
    assert len(capsys.readouterr().out.splitlines()) == 2


BAD = [
    (["{missing}", "-o", "{out}"], 2, r"missing\.tif"),
    (["{empty}", "-o", "{out}"], 2, r"empty\.tif"),
    (["{cut}", "-o", "{out}"], 2, r"cut\.tif"),
    (["{text}", "-o", "{out}"], 2, r"text\.tif"),
    (["{tmp}/void", "-o", "{out}"], 2, "no raster there"),
    (["{scene}", "-o", "{existing}"], 2, "exists already; pass --overwrite"),
    (["{scene}", "-o", "{scene}", "-f"], 2, "unknown kind of output|is the input"),
    (["{scene}", "-o", "{out}", "--mask", "{scene}", "-f"], 2, "is the input"),
    (
        ["{scene}", "-o", "{out}", "--mask", "{out}.tif", "--probability", "{out}.tif"],
        2,
        "same path",
    ),
    (["{scene}", "-o", "{tmp}/no/such/out.gpkg"], 2, "folder does not exist"),
    (["{scene}", "-o", "{tmp}/out.xyz"], 2, "unknown kind of output"),
    (["{scene}", "-o", "{out}", "-m", "housez"], 2, "no model 'housez'"),
    (["{scene}", "-o", "{out}", "-m", "{text}"], 2, "no model"),
    (["{scene}", "-o", "{out}", "--tile", "0"], 2, "tile must be a positive multiple of 1, got 0"),
    (["{scene}", "-o", "{out}", "--tile", "many"], 2, "neither a whole number nor 'auto'"),
    (["{scene}", "-o", "{out}", "--threshold", "7"], 2, "threshold must lie"),
    (["{scene}", "-o", "{out}", "--bands", "1,2"], 2, "names 2 bands.*expects 3"),
    (["{scene}", "-o", "{out}", "--bands", "1,2,9"], 2, "has no band 9"),
    (["{scene}", "-o", "{out}", "--scale", "9,1"], 2, "black below white"),
    (["{scene}", "-o", "{out}", "--gsd", "-3"], 2, "above 0"),
    (["{scene}", "-o", "{out}", "--crs", "EPSG:0"], 2, "EPSG:0"),
    (["{scene}", "-o", "{out}", "--device", "cuda:77"], 2, "not available here"),
    (["{deep}", "-o", "{out}"], 2, r"uint16.*--scale \d+"),
    (["{scene}", "{deep}", "-o", "{out}"], 2, "2 inputs need a folder"),
    (["{scene}"], 2, "Missing option"),
    (["{scene}", "-o", "{out}", "--colour", "red"], 2, "No such option"),
]


@pytest.mark.parametrize(("words", "code", "message"), BAD)
def test_bad_input_is_one_line(scene, model, make_raster, tmp_path, capsys, words, code, message):
    """One line, the documented exit code, nothing left behind, the input untouched."""
    import re  # noqa: PLC0415

    places = {
        "tmp": tmp_path,
        "scene": scene,
        "out": tmp_path / "out.gpkg",
        "missing": tmp_path / "missing.tif",
        "existing": tmp_path / "existing.gpkg",
        "deep": make_raster(np.full((3, 9, 9), 900, np.uint16), name="deep.tif"),
    }
    for name, content in (("empty", b""), ("text", b"hello"), ("cut", scene.read_bytes()[:-9000])):
        places[name] = tmp_path / f"{name}.tif"
        places[name].write_bytes(content)
    places["existing"].write_text("mine")
    (tmp_path / "void").mkdir()
    before = {path: path.stat() for path in tmp_path.iterdir()}
    arguments = [word.format(**places) for word in words]
    if "-m" not in arguments:
        arguments += ["-m", str(model)]
    assert main(["predict", *arguments]) == code
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if "warning" not in line]
    assert len(lines) == 1, captured.err
    assert lines[0].startswith("geounet: error: ")
    assert re.search(message, lines[0]), lines[0]
    assert captured.out == ""
    after = {path: path.stat() for path in tmp_path.iterdir()}
    assert {p: (s.st_size, s.st_mtime_ns) for p, s in before.items() if p.is_file()} == {
        p: (s.st_size, s.st_mtime_ns) for p, s in after.items() if p.is_file()
    }


@pytest.mark.skipif(getattr(os, "geteuid", int)() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_refused(scene, model, tmp_path, capsys):
    """Before anything is computed."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    assert main(["predict", str(scene), "-o", str(folder / "o.gpkg"), "-m", str(model)]) == 2
    assert "not writable" in capsys.readouterr().err


def test_no_crs_is_one_warning_and_a_map_in_pixels(model, make_raster, tmp_path, capsys):
    """A bare raster is predicted in its own coordinates."""
    image = np.full((3, 50, 60), 30, np.uint8)
    image[:, 5:20, 5:30] = 250
    raster = make_raster(image, transform=None, crs=None)
    out = tmp_path / "out.gpkg"
    assert main(["predict", str(raster), "-o", str(out), "-m", str(model), "-q"]) == 0
    warnings = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert len(warnings) == 1
    table = geopandas.read_file(out, layer="buildings")
    assert tuple(np.abs(table.total_bounds)) == pytest.approx((5, 5, 30, 20), abs=1e-6)
    assert table["regularized"].all()


@pytest.mark.skipif(os.name == "nt", reason="needs a POSIX shell")
def test_closed_streams_do_not_stop_a_run(scene, model, tmp_path):
    """Under a service manager stdout and stderr may not exist; the map does."""
    out = tmp_path / "out.gpkg"
    line = f"{GEOUNET} predict {scene} -o {out} -m {model} <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", line], check=False).returncode == 0
    assert len(geopandas.read_file(out, layer="buildings")) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_stdout_is_one_line(scene, model, tmp_path):
    """What the system cannot do is no bug of ours."""
    line = f"{GEOUNET} predict {scene} -o {tmp_path / 'out.gpkg'} -m {model} -q >/dev/full"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("geounet: error: no space left on device; ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("values", [(2e8, 2e8 + 190), (-1e-5, 3e-5), (-300, 40), (7, 7)])
def test_the_scale_that_is_offered_works_as_it_stands(make_raster, model, tmp_path, capsys, values):
    """Pasted from the message, it lets the same run pass."""
    image = np.linspace(*values, 3 * 40 * 50).reshape(3, 40, 50)
    raster = make_raster(image, transform=Affine(0.3, 0, 5e5, 0, -0.3, 5e6))
    words = ["predict", str(raster), "-o", str(tmp_path / "o.gpkg"), "-m", str(model), "-q"]
    assert main(words) == 2
    offered = capsys.readouterr().err.split("such as ")[1].split()
    assert main([*words, *offered]) == 0


def test_one_band_may_stand_for_three(make_raster, model, tmp_path, capsys):
    """A panchromatic raster is refused with the words that let it pass."""
    raster = make_raster(np.full((40, 50), 200, np.uint8), transform=Affine(0.3, 0, 0, 0, -0.3, 0))
    words = ["predict", str(raster), "-o", str(tmp_path / "o.gpkg"), "-m", str(model), "-q"]
    assert main(words) == 2
    message = capsys.readouterr().err
    assert "has 1 band, model" in message
    assert main([*words, *message.split("pass ")[1].split()]) == 0


@pytest.mark.parametrize("scale", ["-inf,inf", "nan,1", "5,5"])
def test_a_scale_without_a_span_is_refused(scene, model, tmp_path, capsys, scale):
    """Black lies below white, and both are numbers."""
    words = ["predict", str(scene), "-o", str(tmp_path / "o.gpkg"), "-m", str(model)]
    assert main([*words, "--scale", scale]) == 2
    assert "black below white" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux only")
def test_a_name_that_is_no_text_is_refused_at_once(scene, model, tmp_path, capsys):
    """GDAL wants UTF-8; said before the work, and not called damage."""
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.tif")
    Path(strange).write_bytes(scene.read_bytes())
    good = ["-o", str(tmp_path / "o.gpkg"), "-m", str(model)]
    assert main(["predict", strange, *good]) == 2
    assert "not UTF-8; rename it" in capsys.readouterr().err
    assert main(["predict", str(scene), *good, "--mask", strange]) == 2
    assert "not UTF-8; choose another" in capsys.readouterr().err


def test_no_words_print_the_help(capsys):
    """All of it, on lines of its own."""
    assert main([]) == 2
    assert "\nCommands:\n" in capsys.readouterr().err


def test_v_may_stand_with_other_letters(scene, tmp_path, capsys):
    """`-fv` is `-f -v`: it prints tracebacks."""
    words = ["predict", str(scene), "-o", str(tmp_path / "out.gpkg"), "-m", "nope"]
    assert main([*words, "-fv"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_vectorize_prints_its_file(tmp_path, make_raster, capsys):
    """A mask in, its outlines out."""
    mask = np.zeros((40, 50), np.uint8)
    mask[3:9, 4:20] = 255
    out = tmp_path / "v.gpkg"
    assert main(["vectorize", str(make_raster(mask)), "-o", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"out": [str(out)], "polygons": 1}


def test_several_kinds_at_once(scene, model, tmp_path, capsys):
    """`--out` may be repeated, for predict and vectorize; every path is printed, once."""
    paths = [str(tmp_path / f"out{kind}") for kind in (".geojson", ".gpkg", ".fgb")]
    outs = [word for path in paths for word in ("-o", path)]
    sides = ["--probability", str(tmp_path / "p.tif"), "--project", str(tmp_path / "all.qgz")]
    assert main(["predict", str(scene), *outs, *sides, "-m", str(model), "-q"]) == 0
    assert said(capsys)[0].split() == [*paths, str(tmp_path / "p.tif"), str(tmp_path / "all.qgz")]
    again = [word for path in paths for word in ("-o", path.replace("out.", "again."))]
    assert main(["vectorize", str(tmp_path / "p.tif"), *again, "--json", "-q"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"out": again[1::2], "polygons": 2}
    for path in again[1::2]:
        assert len(geopandas.read_file(path, layer="buildings" if "gpkg" in path else None)) == 2


def test_a_shapefile_is_one_line_of_warning(scene, model, tmp_path, capsys):
    """Its limits are told, the exit code is 0."""
    assert main(["predict", str(scene), "-o", str(tmp_path / "o.shp"), "-m", str(model)]) == 0
    warned = [line for line in said(capsys)[1] if line.startswith("geounet: warning: ")]
    assert len(warned) == 1
    assert "a shapefile cuts names of columns" in warned[0]


def test_models_and_recipes_are_listed_and_shown(model, capsys):
    """A card in words, and as JSON."""
    assert main(["models", "list"]) == 0
    listed = capsys.readouterr().out
    for words in ("recipe   buildings", "baseline otsu", "network  coastal         13,775,489"):
        assert words in listed
    assert main(["models", "list", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)) == {
        "models", "baselines", "recipes", "networks",
    }  # fmt: skip
    for name, figures in (
        ("buildings", {"name": "buildings", "network": "unet"}),
        ("otsu", {"bands": "any", "training": "none"}),
        ("light", {"parameters": 902_593, "stride": 4, "field": 16}),
    ):
        assert main(["models", "show", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out).items() >= figures.items()
    assert main(["models", "show", "otsu", "--check"]) == 2
    assert "baseline without weights" in capsys.readouterr().err
    assert main(["models", "show", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "bright"
    assert main(["models", "show", "nothing"]) == 2
    assert main(["models", "show", str(model), "--check"]) == 2


def test_sample_writes_five_files(tmp_path, capsys):
    """The town, its truth, and the storm."""
    assert main(["sample", str(tmp_path / "s"), "--size", "256", "--seed", "3"]) == 0
    names = [Path(line).name for line in capsys.readouterr().out.splitlines()]
    assert set(names) == {
        "town.tif", "town_truth.gpkg", "storm_pre.tif", "storm_post.tif", "storm_truth.gpkg",
    }  # fmt: skip


def test_doctor_names_versions_and_device(capsys):
    """Everything a bug report needs."""
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {"python", "torch", "GDAL of rasterio", "device", "models"} <= set(found)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command, capsys):
    """In plain words, with a line one can copy."""
    assert main([command, "--help"]) == 0
    assert f"Example: geounet {command}" in capsys.readouterr().out


def test_help_lists_the_commands_at_once():
    """The installed script answers in well under a second, importing neither torch nor GDAL."""
    code = "import sys; from geounet.cli.main import main; main(['--help'])"
    code += "; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("torch", "rasterio", "geopandas", "numpy"):
        assert f"'{heavy}'" not in done.stdout
    shown = subprocess.run([GEOUNET, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(command in shown for command in COMMANDS)


@pytest.fixture
def begun(model, make_raster, tmp_path):
    """A prediction that is well under way, and the folder its outputs go to."""
    image = np.random.default_rng(0).integers(0, 255, (3, 1500, 1500), dtype=np.uint8)
    raster = make_raster(image, transform=Affine(0.3, 0, 5e5, 0, -0.3, 5e6))
    out = tmp_path / "maps"
    (out / "side").mkdir(parents=True)
    words = ["predict", raster, "-o", out / "o.gpkg", "-m", model, "--tile", "16"]
    words += ["--probability", out / "o.tif", "--mask", out / "side" / "m.tif"]
    running = subprocess.Popen([GEOUNET, *words], stderr=subprocess.PIPE, text=True)
    for _ in range(600):
        if any(out.glob("*.state/*")):
            break
        time.sleep(0.05)
    time.sleep(0.3)
    return running, out


def only_state_is_left(out, err):
    """Whether a stopped run left one line, and at most the state that the line speaks of."""
    assert err.strip().count("\n") == 0
    state = out / "o.gpkg.state"
    left = {path.name for path in out.rglob("*")} - {"side"}
    if state.exists():
        assert f"what is done is kept in {state}, --resume goes on from it" in err
        assert left == {state.name, "cells.log", "lock", "q.bin", "run.json"}
    else:
        assert "nothing was left behind" in err
        assert left == set()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_an_interrupt_is_clean(begun, number, code):
    """Stopped in the middle: the documented code, one line, nothing left but what is done."""
    running, out = begun
    running.send_signal(number)
    _, err = running.communicate(timeout=30)
    assert running.returncode == code, err
    only_state_is_left(out, err)


class Dying:
    """Something whose destructor does what it is told."""

    def __init__(self, last):
        """Be told."""
        self.last = last

    def __del__(self):
        """Do it."""
        self.last()
        time.sleep(0)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_no_interrupt_is_lost_in_a_destructor(monkeypatch, capsys, number, code):
    """What a signal raises there Python drops: the command stops a moment later all the same."""

    def slow(*_, **__):
        Dying(lambda: signal.raise_signal(number))
        time.sleep(20)

    monkeypatch.setattr(geounet, "main", slow)
    begun = time.monotonic()
    assert main(["doctor"]) == code
    assert time.monotonic() - begun < 10
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_signal_lost_at_the_very_end_changes_nothing(monkeypatch):
    """A command that has come to its end is not stopped afterwards, nor is who called it."""

    def brief(*_, **__):
        Dying(lambda: signal.raise_signal(signal.SIGINT))

    monkeypatch.setattr(geounet, "main", brief)
    assert main(["doctor"]) == 0
    time.sleep(10 * SOON)


def test_other_errors_of_destructors_are_told(monkeypatch):
    """Whoever listens for what Python drops hears of all but the signals."""
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", lambda lost: heard.append(lost.exc_type))

    def failing(*_, **__):
        Dying(lambda: 1 // 0)

    monkeypatch.setattr(geounet, "main", failing)
    assert main(["doctor"]) == 0
    assert heard == [ZeroDivisionError]


def test_a_second_interrupt_changes_nothing(begun):
    """An impatient Ctrl-C, Ctrl-C still ends with one line and the folder clean."""
    running, out = begun
    for _ in range(20):
        running.send_signal(signal.SIGINT)
        time.sleep(0.02)
    _, err = running.communicate(timeout=30)
    assert running.returncode == 130, err
    only_state_is_left(out, err)


def test_a_killed_run_leaves_only_its_state(begun):
    """After kill -9 there stand folders named after the outputs, and nothing else."""
    running, out = begun
    running.kill()
    running.communicate(timeout=30)
    assert all(path.name == "side" or path.suffix == ".state" for path in out.iterdir())
    assert all(path.suffix == ".state" for path in (out / "side").iterdir())
    assert {path.name.partition(".")[0] for path in out.rglob("*.state")} == {"o", "m"}


def test_the_tree_is_clean_of_installed_names():
    """The command line is installed as geounet.cli, no package called cli lands anywhere."""
    code = "import geounet.cli.main as m; print(m.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.strip() == "geounet.cli.main"


@pytest.mark.parametrize("outline", ["regular", "smooth", "pixel"])
def test_the_outline_is_chosen(make_raster, tmp_path, outline):
    """Every kind of outline draws the same footprints, and says which are regular."""
    mask = np.zeros((60, 60), np.uint8)
    mask[10:30, 10:50] = mask[40:52, 12:30] = 1
    mask[12, 10] = mask[30, 20:23] = mask[44, 30] = 1 - mask[12, 10]
    out = tmp_path / "out.gpkg"
    line = ["vectorize", str(make_raster(mask)), "-o", str(out), "--outline", outline, "-q"]
    assert main(line) == 0
    table = geopandas.read_file(out, layer="buildings")
    assert len(table) == 2
    assert table["regularized"].tolist() == [outline == "regular"] * 2
    assert (table["vertices"] == 4).all() == (outline == "regular")


def test_a_tolerance_needs_outlines_that_move(make_raster, tmp_path, capsys):
    """A tolerance for pixel edges is refused in one line, and nothing is written."""
    raster = make_raster(np.ones((9, 9), np.uint8))
    line = ["vectorize", str(raster), "-o", str(tmp_path / "o.gpkg"), "--outline", "pixel"]
    assert main([*line, "--tolerance", "1"]) == 2
    assert "leave it out" in capsys.readouterr().err
    assert not (tmp_path / "o.gpkg").exists()
