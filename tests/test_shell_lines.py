"""Every line of shell in the documents is typed here, or its page says why it cannot be."""

from __future__ import annotations

import ast
import importlib
import json
import shutil
import tomllib
from collections import Counter

import pytest
from furnished import furnish
from pages import PAGES, SHELL, blocks, name_of
from typed import parse, run

KINDS = {
    "install": "changes the packages of the machine",
    "hours": "trains or measures for longer than a test may",
    "network": "asks a server",
    "cluster": "needs several machines, or a scheduler",
    "data": "needs imagery, weights or labels that do not come with the project",
    "programs": "is the business of another program",
}
"""Why a line may be left out."""

NOT_RUN = {"cluster": 3, "data": 7, "hours": 26, "install": 10, "network": 7, "programs": 1}
"""Lines that are left out, by kind: a new one is counted here, or finds a way to be run."""

LANGUAGES = {*SHELL, "json", "python", "text", "toml"}
BLOCKS = [block for page in PAGES for block in blocks(page)]
TYPED = sorted({b.page for b in BLOCKS if b.language in SHELL and not b.kind})


@pytest.fixture(scope="session")
def furnished(tmp_path_factory):
    """Return a folder with what the pages take for the reader's own files."""
    folder = tmp_path_factory.mktemp("reader")
    furnish(folder)
    return folder


@pytest.mark.parametrize("page", TYPED, ids=name_of)
def test_lines_run(page, furnished, tmp_path, monkeypatch, capsys):
    """A page's lines run one after the other, and print what it says they print."""
    here = tmp_path / "here"
    shutil.copytree(furnished, here, symlinks=True)
    monkeypatch.chdir(here)
    for block in blocks(page):
        for line in block.lines if block.language in SHELL and not block.kind else ():
            code, said = run(line, monkeypatch, capsys)
            refused = any(": error: " in each for each in line.shown)
            assert (code == 0) != refused, f"{line.text} ended with {code}: {said}"
            for each in line.shown:
                assert " ".join(each.split()) in " ".join(said.split()), f"{line.text}: {said}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_lines_that_do_not_run_could_be_typed(page):
    """Commands, options, extras, scripts and targets of a line that is left out do exist."""
    for block in blocks(page):
        if block.kind:
            assert block.language in SHELL, f"{page.name}: a block of {block.language} is never run"
            for line in block.lines:
                parse(line)


def test_what_is_left_out_is_counted():
    """No line is left out in silence: each has a reason of some kind, and they are counted."""
    left = [(block.kind, block.lines) for block in BLOCKS if block.kind]
    assert {kind for kind, _ in left} <= set(KINDS)
    assert Counter(kind for kind, lines in left for _ in lines) == NOT_RUN


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_block_says_what_it_holds(page):
    """A fence names its language, so that no command hides in one that is not looked at."""
    text = page.read_text("utf-8")
    assert text.count("\n```") == 2 * len(blocks(page)), f"{page.name}: a fence is not closed"
    for block in blocks(page):
        assert block.language in LANGUAGES, f"{page.name}: ```{block.language} before {block.text}"
        lines = block.text.splitlines() if block.language == "text" else []
        assert not [line for line in lines if line.startswith(("geounet ", "make ", "pip "))]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_settings_can_be_read(page):
    """A block of TOML or JSON is a file that a reader could save."""
    reads = {"toml": tomllib.loads, "json": json.loads}
    for block in blocks(page):
        if block.language in reads:
            assert reads[block.language](block.text) is not None


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_of_the_pages_names_what_is_there(page):
    """Examples in Python parse, and what they import of geounet is there."""
    for block in blocks(page):
        if block.language != "python":
            continue
        for node in ast.walk(ast.parse(block.text)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("geounet"):
                room = importlib.import_module(node.module)
                assert all(hasattr(room, each.name) for each in node.names), ast.unparse(node)
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) == "geounet":
                assert hasattr(importlib.import_module("geounet"), node.attr), node.attr
