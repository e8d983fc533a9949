"""Rules of figures: behind each that is published stands a command that can be typed."""

from __future__ import annotations

import argparse
import re
import runpy
import shlex
import sys
from pathlib import Path

import click
import pytest
from geounet.cli.main import geounet

ROOT = Path(__file__).parents[1]
BENCHMARKS = ROOT / "benchmarks"
PAGES = {
    path.name: path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), BENCHMARKS / "README.md")
}
PERFORMANCE = PAGES["performance.md"]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CLAIMS = runpy.run_path(str(BENCHMARKS / "claims.py"))["claims"]()


def lines_of(page):
    """What a page says to run of the benchmarks, with what is optional typed."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    found = [line.strip() for block in blocks for line in block.splitlines()]
    return [re.sub(r"[\[\]]", "", line) for line in found if "benchmarks/" in line]


NAMED = sorted(
    {name for page in PAGES.values() for name in re.findall(r"benchmarks/\w+\.py", page)}
)
TYPED = sorted(
    {line for page in PAGES.values() for line in lines_of(page)}
    | {command for claim in CLAIMS for command in (*claim.commands, *claim.quick)}
)


class Parsed(BaseException):
    """The words were understood; nothing is to be done."""


@pytest.fixture
def only_parsed(monkeypatch):
    """Scripts end once they have understood their words."""
    real = argparse.ArgumentParser.parse_args

    def parse(self, *words):
        real(self, *words)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse)
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])


@pytest.mark.parametrize("line", TYPED)
def test_every_command_can_be_typed(line, only_parsed, monkeypatch):
    """The script is there and knows the words, or geounet does."""
    words = shlex.split(line)
    words = words[1:] if Path(words[0]).name.startswith("python") else words
    if words[0] == "geounet":
        command = geounet.get_command(click.Context(geounet), words[1])
        command.make_context(words[1], words[2:])
        return
    script = ROOT / words[0]
    assert script.exists(), line
    monkeypatch.setattr(sys, "argv", [str(script), *words[1:]])
    if script.is_dir():
        monkeypatch.setattr(sys, "path", [str(script), *sys.path])
    with pytest.raises(Parsed):
        runpy.run_path(str(script), run_name="__main__")


@pytest.mark.parametrize("name", NAMED)
def test_every_script_that_is_named_explains_itself(name, monkeypatch, capsys):
    """A document names no script that is not there; `--help` says what it does."""
    if "from qgis" in (ROOT / name).read_text(encoding="utf-8"):
        return  # it runs in QGIS's own Python
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(ROOT / name), run_name="__main__")
    assert done.value.code in {0, None}
    assert "usage" in capsys.readouterr().out


def test_every_row_of_the_readme_is_claimed_once():
    """The table of speed and memory, row by row, in its order."""
    (table,) = re.findall(
        r"^## How fast, how much memory\n(.*?)^## ", README, re.DOTALL | re.MULTILINE
    )
    rows = [line[2:] for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(CLAIMS)
    for row, claim in zip(rows, CLAIMS, strict=True):
        assert row.startswith(claim.row), row
        assert claim.told in f"| {row}"


def test_every_table_of_performance_has_its_command():
    """A part with a table has a block that says how it was filled."""
    for part in re.split(r"^## ", PERFORMANCE, flags=re.MULTILINE)[1:]:
        if re.search(r"^\|", part, re.MULTILINE):
            assert lines_of(part), part.splitlines()[0]


def test_what_make_bench_runs_needs_no_data():
    """A quick form names no file that only its maker has."""
    for claim in CLAIMS:
        for command in claim.quick:
            assert not re.search(r"\b[A-Z]{4,}\b", command), command
