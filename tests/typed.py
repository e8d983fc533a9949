"""What becomes of the lines that a page tells its reader to type."""

from __future__ import annotations

import re
import sys
import tomllib
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import click
from geounet.cli.main import COMMANDS, geounet, main
from pages import ROOT

SHORTER = {
    "chips": {"--tile": "64", "--block": "1"},
    "sample": {"--size": "256"},
    "train": {"--steps": "2", "--threads": "1"},
}
"""Options of the tests alone, in place of the page's, so that nothing takes minutes."""


class Flat:
    """Stands in for UMAP, which compiles itself for ten seconds."""

    fit_transform = staticmethod(lambda values: values[:, :2])


def stand_in():
    """Return a package of that name with nothing else in it."""
    umap = ModuleType("umap")
    umap.__spec__ = ModuleSpec("umap", None)
    umap.UMAP = lambda **_: Flat
    return umap


def expanded(word):
    """Return the files a pattern matches, as a shell does, else the word."""
    return sorted(map(str, Path().glob(word))) if "*" in word else [word]


def without(words, option):
    """Return the words without an option and its value."""
    at = words.index(option) if option in words else len(words)
    return [*words[:at], *words[at + 2 :]]


def run(line, monkeypatch, capsys):
    """Run one line as the shell would, in this process; return its exit code and all it said."""
    program, *words = line.words
    if program == "cd":
        monkeypatch.chdir(*words)
        return 0, ""
    if program == "mkdir":
        for word in words:
            Path(word).mkdir()
        return 0, ""
    assert program == "geounet", f"{line.text}: say why it is not run, or teach typed.py to run it"
    words = [found for word in words for found in expanded(word)]
    for option, value in SHORTER.get(words[0], {}).items():
        words[:] = [*without(words, option), option, value]
    monkeypatch.setitem(sys.modules, "umap", stand_in())
    code = main(words)
    said = capsys.readouterr()
    return code, said.out + said.err


def parse(line):
    """Check that a line could be typed, without running it."""
    program, *words = line.words
    if program in CHECKS:
        CHECKS[program](line.text, words)
    else:
        assert program in OTHERS, f"{line.text}: {program} is not known to typed.py"


def _geounet(text, words):
    command, context = geounet, None
    while isinstance(command, click.Group):
        known = COMMANDS if command is geounet else command.commands
        assert words[0] in known, f"{text}: there is no command {words[0]}"
        context = click.Context(command, parent=context, info_name=words[0])
        command, words = command.get_command(context, words[0]), words[1:]
    try:
        command.make_context(command.name, list(words), parent=context)
    except click.BadParameter as error:
        if "does not exist" not in error.message:
            raise


def _python(text, words):
    if words[0] in {"-m", "-c"}:
        return
    script = ROOT / words[0]
    assert script.exists(), f"{text}: there is no {words[0]}"
    files = script.rglob("*.py") if script.is_dir() else [script]
    source = "".join(each.read_text("utf-8") for each in files)
    for option in re.findall(r"(?<=\s)\[?(--[a-z-]+)", text):
        assert f'"{option}"' in source, f"{text}: {words[0]} has no {option}"


def _make(text, words):
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert words[0] in targets, f"{text}: there is no target {words[0]}"


def _pip(text, words):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for extras in re.findall(r"\[([a-z,]+)\]", " ".join(words)):
        unknown = set(extras.split(",")) - set(project["optional-dependencies"])
        assert not unknown, f"{text}: there are no extras {unknown}"


CHECKS = {"geounet": _geounet, "python": _python, "make": _make, "pip": _pip}
OTHERS = {"export", "gdal_edit.py", "git"}
"""Programs of others that a page may name; what they are told cannot be checked here."""
