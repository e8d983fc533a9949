"""The documents say what is there, and their commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from geounet.cli.main import COMMANDS, main

from geounet.model import bundled_models

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_readme(command):
    """A user who reads finds each command."""
    assert f"geounet {command}" in README


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    """Relative links and pictures point at files of the project."""
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_no_placeholder_is_left():
    """Every figure was filled in."""
    for page in PAGES:
        assert not re.search(r"\{[a-z_]+\}", page.read_text(encoding="utf-8")), page


def test_make_targets_named_in_the_documents_exist():
    """`make X` in a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        named = re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= targets, f"{page.name}: {set(named) - targets}"


def test_the_readmes_commands_run(tmp_path, monkeypatch, capsys):
    """What the README tells a user to type works on the sample data."""
    assert "buildings" in bundled_models()
    (block,) = re.findall(r"<!-- runs -->\n```\n(.*?)```", README, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    for line in block.strip().splitlines():
        program, *words = shlex.split(line)
        assert program == "geounet"
        assert main(words) == 0, f"{line}: {capsys.readouterr().err}"
