"""The documents say what is there."""

from __future__ import annotations

import re

import pytest
from geounet.cli.main import COMMANDS
from pages import PAGES, ROOT, name_of

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_readme(command):
    """A user who reads finds each command."""
    assert f"geounet {command}" in README


@pytest.mark.parametrize("page", PAGES, ids=name_of)
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
