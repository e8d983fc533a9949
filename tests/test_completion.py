"""Rules of completion: a shell is offered what is known, at once, and files where files belong."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from geounet.cli.completion import ASKED, SHELLS
from geounet.cli.main import COMMANDS, geounet, main

from geounet.model import BASELINES, bundled_models
from geounet.training.recipes import RECIPES

FILES = "file"


def offered(*words):
    """What is offered for the last word: names, and `file` where files are."""
    found = ShellComplete(geounet, {}, "geounet", ASKED).get_completions(
        list(words[:-1]), words[-1]
    )
    return [each.value if each.type == "plain" else each.type for each in found]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("pred",), ["predict"]),
        (("predict", "--outl"), ["--outline"]),
        (("predict", "a.tif", "--outline", "s"), ["smooth"]),
        (("predict", "a.tif", "-m", "o"), [FILES, "otsu"]),
        (("verify", "a.tif", "--model", ""), [FILES, *bundled_models(), *BASELINES]),
        (("train", "data", "--recipe", "nuc"), [name for name in RECIPES if name[:3] == "nuc"]),
        (("train", "data", "--from", "b"), [FILES, "buildings"]),
        (("models", "show", "ots"), [FILES, "otsu"]),
        (("models", "export", "ots"), [FILES]),
        (("predict", "a.tif", "-o", "maps/a."), [FILES, *(
            f"maps/a{end}" for end in (".gpkg", ".parquet", ".fgb", ".geojson", ".shp")
        )]),
        (("predict", "a.tif", "-o", "maps/a"), [FILES]),
        (("vectorize", "a.tif", "-o", "a.g"), [FILES, "a.gpkg", "a.geojson"]),
        (("predict", "a.tif", "-o", ""), [FILES]),
        (("predict", "a.tif", "-o", "maps/"), [FILES]),
        (("predict", "a.tif", "-o", "a.tar.gp"), [FILES, "a.tar.gpkg"]),
        (("completion", ""), list(SHELLS)),
    ],
)  # fmt: skip
def test_names_and_files_are_offered(words, expected):
    """In the order of the help; files where a value may be one."""
    assert offered(*words) == expected


@pytest.mark.parametrize("name", COMMANDS)
def test_every_word_that_is_a_file_is_completed(name):
    """An argument of free text says what a shell shall offer for it."""
    command = geounet.get_command(click.Context(geounet), name)
    inside = command.commands.values() if isinstance(command, click.Group) else [command]
    for part in inside:
        for each in part.params:
            if isinstance(each, click.Argument) and isinstance(
                each.type, click.types.StringParamType
            ):
                assert each.shell_complete(click.Context(part), ""), f"{name} {each.name}"


@pytest.mark.parametrize("shell", SHELLS)
def test_the_lines_for_a_shell_are_printed(shell, capsys):
    """They ask by the variable that the command listens to."""
    assert main(["completion", shell]) == 0
    assert ASKED in capsys.readouterr().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_completes_a_model(tmp_path):
    """The printed lines, read by a real shell, complete a real word."""
    lines = (
        "compopt() { :; }; source <(geounet completion bash); "
        "COMP_WORDS=(geounet predict a.tif --model wat); "
        "COMP_CWORD=4; _geounet_completion geounet; echo ${COMPREPLY[@]}"
    )
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", lines],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path},
    )
    assert done.stdout == "watershed\n", done.stderr


def test_completion_needs_no_network_room():
    """A shell waits for it: no torch, no geopandas."""
    code = (
        "import sys; from click.shell_completion import ShellComplete; "
        "from geounet.cli.main import geounet; asked = ShellComplete(geounet, {}, 'geounet', '_'); "
        "assert asked.get_completions(['predict', '-m'], ''); "
        "print([m for m in ('torch', 'geopandas', 'rasterio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
