"""Rules of `--config`: a file stands for what would be typed, and what is typed wins."""

from __future__ import annotations

import json
import re

import click
import numpy as np
import pytest
from affine import Affine
from geounet.cli.main import COMMANDS, geounet, main
from geounet.cli.options import infers
from geounet.cli.settings import configured
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geounet.footprints.origin import origin_of

CONFIGURED = ("predict", "batch", "vectorize", "verify")

VALUES = {
    "model": st.sampled_from(["otsu", "edges", "a,b.onnx"]),
    "tile": st.one_of(st.just("auto"), st.integers(1, 999)),
    "threshold": st.floats(0, 1),
    "bands": st.lists(st.integers(1, 9), min_size=1, max_size=4),
    "scale": st.one_of(st.just("none"), st.tuples(st.integers(0, 9), st.floats(10, 99)).map(list)),
    "gsd": st.one_of(st.just("native"), st.floats(0.01, 9)),
    "max-memory": st.sampled_from(["2GB", "1500MiB", 5_000_000]),
    "threads": st.integers(1, 64),
    "allow-vrt": st.just(value=True),
    "blend": st.sampled_from(["crop", "hann"]),
}


@click.command("predict")
@infers
@configured
@click.option("--json", "as_json", is_flag=True)
def heard(**rest):
    """Return what was heard."""
    return rest


def hear(words):
    """What the command hears."""
    return heard.main(words, standalone_mode=False)


@pytest.fixture
def told(tmp_path):
    """Write a file of settings, return the words that name it."""

    def write(text):
        path = tmp_path / "geounet.toml"
        path.write_text(text, encoding="utf-8")
        return ["--config", str(path)]

    return write


@pytest.fixture
def mask(make_raster):
    """A mask of three buildings: 4, 40 and 400 pixels."""
    labels = np.zeros((60, 60), np.uint8)
    labels[1:3, 1:3] = labels[10:14, 10:20] = labels[30:50, 30:50] = 1
    return make_raster(labels, transform=Affine(1, 0, 5e5, 0, -1, 5e6))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    drawn=st.fixed_dictionaries({}, optional=VALUES),
    typed=st.sets(st.sampled_from(sorted(VALUES))),
    underscores=st.booleans(),
)
def test_a_file_stands_for_what_would_be_typed(told, drawn, typed, underscores):
    """Whatever is in the file and whatever is typed, a command hears the same values."""
    line, rest = [], {}
    for name, value in drawn.items():
        text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
        words = [f"--{name}"] if value is True else [f"--{name}", text]
        line += words
        if name not in typed:
            rest[name.replace("-", "_") if underscores else name] = value
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in rest.items())
    alone = [word for name in typed & set(drawn) for word in line_of(name, drawn[name])]
    assert hear([*told(text), *alone]) == hear(line)


def line_of(name, value):
    """The words that are typed for a value."""
    if value is True:
        return [f"--{name}"]
    return [f"--{name}", ",".join(map(str, value)) if isinstance(value, list) else str(value)]


def test_what_is_typed_wins(told):
    """Wherever it stands on the line; the rest of the file counts."""
    words = told('tile = 96\nmodel = ["otsu", "edges"]\nthreads = 2')
    for line in ([*words, "--tile", "64"], ["--tile", "64", *words]):
        found = hear([*line, "-m", "watershed"])
        assert (found["tile"], found["model"], found["threads"]) == (64, ("watershed",), 2)


def test_a_table_is_for_the_command_it_names(told):
    """It wins over the top of the file, and others pass it over."""
    words = told('tile = 32\nthreads = 3\n[predict]\ntile = 64\n[vectorize]\nnonsense = "x"')
    found = hear(words)
    assert (found["tile"], found["threads"]) == (64, 3)


def test_several_paths_and_one_are_both_fine(told, mask, tmp_path, monkeypatch, capsys):
    """`out` may be one or many; paths start from where the command is called, as typed ones do."""
    monkeypatch.chdir(tmp_path)
    assert main(["vectorize", str(mask), *told('out = "a.gpkg"'), "-q"]) == 0
    assert main(["vectorize", str(mask), *told('out = ["b.gpkg", "b.fgb"]'), "-q"]) == 0
    assert capsys.readouterr().out.split() == ["a.gpkg", "b.gpkg", "b.fgb"]
    assert (tmp_path / "b.fgb").exists()


def test_no_file_is_read_unless_it_is_named(told, mask, tmp_path, monkeypatch):
    """A geounet.toml that lies about changes nothing."""
    told("nonsense = 1")
    monkeypatch.chdir(tmp_path)
    assert main(["vectorize", str(mask), "-o", "a.gpkg", "-q"]) == 0


def test_what_was_in_force_is_stored(told, mask, tmp_path):
    """Values of the file and of the line, as one."""
    out, words = tmp_path / "a.gpkg", told('min-area = 10\noutline = "pixel"')
    assert main(["vectorize", str(mask), "-o", str(out), *words, "--min-pixels", "50", "-q"]) == 0
    facts, count = origin_of(out)
    asked = facts["options"]
    assert (asked["min_area"], asked["min_pixels"], asked["outline"]) == (10, 50, "pixel")
    assert count == 1


BAD = [
    ("min_aera = 3", r"unknown name 'min_aera'; known: min-area"),
    ("colour = 3", r"unknown name 'colour'; known: .*outline"),
    ("min-area = 'big'", r"min-area: 'big' is not a valid float"),
    ("min-area = true", r"min-area: is true \(expected a value"),
    ("split = 1", r"split: is 1 \(expected true or false\)"),
    ("split = 'yes'", r"split: is 'yes' \(expected true or false\)"),
    ("min-pixels = 2.5", r"min-pixels: '2.5' is not a valid integer"),
    ("min-pixels = -1", r"min-pixels: -1 is not in the range"),
    ("outline = 'round'", r"outline: 'round' is not one of"),
    ("min-area = {m2 = 3}", r"min-area: is or holds a table"),
    ("min-area = [1, 2]", r"min-area: '1,2' is not a valid float"),
    ("crs = 2020-01-01", r"crs: is or holds datetime.date"),
    ("min-area = 1\nmin_area = 2", r"min_area stands there twice"),
    ("min-area 3", r"is no TOML \(.*line 1"),
    ("min-area = 1\nmin-area = 2", r"is no TOML"),
    ("verbose = true", r"verbose counts before a file is read; type --verbose"),
    ("[predit]\ntile = 3", r"unknown name 'predit'"),
    ("\udcff", r"is no TOML"),
]


@pytest.mark.parametrize(("text", "message"), BAD)
def test_bad_settings_are_one_line_with_file_and_name(mask, tmp_path, capsys, text, message):
    """Exit code 2, and nothing is written."""
    path, out = tmp_path / "geounet.toml", tmp_path / "a.gpkg"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert main(["vectorize", str(mask), "-o", str(out), "--config", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"geounet: error: {path}: ")
    assert re.search(message, line), line
    assert not out.exists()


def test_a_file_that_is_not_there_is_one_line(mask, tmp_path, capsys):
    """As any path that does not exist."""
    words = ["vectorize", str(mask), "-o", str(tmp_path / "a.gpkg"), "--config"]
    for path in (tmp_path / "no.toml", tmp_path):
        assert main([*words, str(path)]) == 2
        assert str(path) in capsys.readouterr().err


@pytest.mark.parametrize("name", CONFIGURED)
def test_commands_that_walk_take_a_file(name):
    """And say so in their help."""
    assert name in COMMANDS
    command = geounet.get_command(click.Context(geounet), name)
    assert "--config" in {word for option in command.params for word in option.opts}
