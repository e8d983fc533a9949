"""The benchmark of peers: what it judges and what it prints, without running a peer."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "benchmarks" / "peers"


@pytest.fixture
def module(monkeypatch):
    """Import one of the benchmark's modules by name."""
    monkeypatch.syspath_prepend(PEERS)
    return importlib.import_module


@pytest.mark.parametrize("script", [PEERS, PEERS / "tables.py"], ids=["peers", "tables"])
def test_help_is_there(script):
    """Each command says what it does."""
    done = subprocess.run(
        [sys.executable, script, "--help"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "python benchmarks/peers" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mode", "null", "--only", "nobody"], "unknown contestant nobody"),
        (["--mode", "polygons", "--source", "absent.tif"], "no such raster"),
        ([], "say --mode"),
    ],
)
def test_wrong_words_are_told(tmp_path, words, said):
    """What cannot run is refused before anything is drawn."""
    command = [sys.executable, PEERS, "--environments", tmp_path / "none", *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert said in done.stderr
    assert not (tmp_path / "none").exists()


def test_every_peer_has_a_module(module):
    """What is installed is run, and has a line in the README."""
    readme = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for peer in module("environments").PINS:
        assert (PEERS / "contestants" / f"{peer}.py").is_file(), peer
        assert f"| {peer} |" in readme, peer


def test_a_peer_that_cannot_be_installed_says_why(module, tmp_path, monkeypatch):
    """The installer's error is kept as one line, until the peer can be had."""
    environments = module("environments")
    for code, said in ((1, "ERROR: no such version"), (0, None)):
        done = subprocess.CompletedProcess([], code, "", f"WARNING: slow\n{said}\n")
        monkeypatch.setattr(environments.subprocess, "run", lambda *_, done=done, **__: done)
        assert environments.prepare(tmp_path, "monai") == said
        assert (tmp_path / "monai" / "failed.txt").exists() == bool(said)
    assert environments.python_of(tmp_path, "monai").exists()
    assert environments.python_of(tmp_path, "naive") == Path(sys.executable)


def test_a_job_survives_its_journey(module):
    """A job is the same after JSON."""
    job = module("job").Job(
        contestant="naive", mode="null", raster="r", model="m", folder="f",
        tile=512, halo=64, batch=1, threads=2, flags=("--halo", "96"),
    )  # fmt: skip
    assert module("job").Job.from_json(job.to_json()) == job


def test_wrong_pixels_are_counted(module, tmp_path):
    """The known answer has none, one column moved by a pixel has its height."""
    rasters, size = module("rasters"), 600
    raster, result = tmp_path / "raster.tif", tmp_path / "result.tif"
    rasters.draw_null(raster, size)
    with rasterio.open(raster) as file:
        pixels, profile = file.read(), file.profile
    weights = np.array(rasters.NULL_WEIGHTS)[:, None, None]
    p = 1 / (1 + np.exp(-(weights * pixels / 255).sum(0) - rasters.NULL_BIAS))
    profile |= {"count": 1, "photometric": "minisblack"}
    for moved, wrong in ((p, 0), (np.where(np.arange(size) == 7, 1 - p, p), size)):
        with rasterio.open(result, "w", **profile) as file:
            file.write((moved * 254 + 0.5).astype(np.uint8), 1)
        found = rasters.wrong_pixels(raster, result, 1 / 254)
        assert found == pytest.approx(wrong, rel=0.05), "but where p is a half"
    assert rasters.wrong_pixels(raster, result, 1) > size * size * 0.9


RUNS = [
    {"benchmark": "peers null", "machine": "old"},
    {"contestant": "block copy", "round": 0, "cpu_s": 100.0},
    {"benchmark": "peers null", "machine": "M", "cores": 2},
    {"contestant": "block copy", "round": 0, "cpu_s": 1.0, "versions": {"rasterio": "1"}},
    {"contestant": "a", "round": 0, "cpu_s": 3.0, "wrong_pixels": 5, "note": "how"},
    {"contestant": "b", "round": 0, "failed": "ImportError: no | b"},
    {"contestant": "block copy", "round": 1, "cpu_s": 2.0},
    {"contestant": "a", "round": 1, "cpu_s": 4.0, "wrong_pixels": 5, "note": "how"},
]
SHARED = {"benchmark": "peers null", "wall_s": 1.0, "tile": 512, "batch": 1}
LINES = [run if "machine" in run else SHARED | run for run in RUNS]


def test_ratios_are_taken_within_a_round(module):
    """3/1 and 4/2 have the median 2.5; the runs of another machine do not count."""
    table = module("tables").table_of(LINES, "peers null")
    (row,) = [line for line in table.splitlines() if line.startswith("| a |")]
    assert "| 3.5 | 2.50 |" in row
    assert row.endswith("| 5 | how |")
    assert table.endswith("machine M, cores 2; rasterio 1.")


def test_a_peer_that_fails_keeps_its_row(module):
    """A reason stands where figures would, and cannot break the table."""
    table = module("tables").table_of(LINES, "peers null")
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert any("did not run: ImportError: no / b" in row for row in rows)
    assert len({row.count("|") for row in rows}) == 1


def test_a_table_replaces_what_stands_between_its_marks(module):
    """Nothing else of the document changes, and a document without marks is refused."""
    text = "a\n<!-- peers null -->\nold\n<!-- end -->\nb\n<!-- peers polygons -->\n<!-- end -->\n"
    found = module("tables").filled(text, "peers null", "T")
    assert found == text.replace("old", "T")
    with pytest.raises(AssertionError, match="no mark"):
        module("tables").filled("nothing", "peers null", "T")


def test_every_table_has_its_place(module):
    """The document has the marks of each table."""
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    for name in module("tables").COLUMNS:
        assert module("tables").filled(text, name, "T") != text
