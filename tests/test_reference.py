"""What the documents take from the code is what the code says now, and the site can be built."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib

import pytest
from pages import ROOT

SITE = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]


def listed(nav):
    """Return every page that a navigation names."""
    for entry in nav:
        for target in entry.values() if isinstance(entry, dict) else [entry]:
            yield from listed(target) if isinstance(target, list) else [target]


def test_the_reference_is_what_the_code_says():
    """Commands, Python, recipes and plan are written anew whenever they change: `make docs`."""
    pytest.importorskip("griffe")
    command = [sys.executable, ROOT / "reference", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"run `make docs`, these say what was: {done.stdout}{done.stderr}"


def test_every_page_stands_in_the_navigation():
    """A page nobody can find is not written; nor is one named that is not there."""
    there = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert sorted(listed(SITE["nav"])) == sorted(there)


def test_the_site_is_built_strictly_and_asks_nobody(tmp_path):
    """No link is dead, and a reader's browser loads nothing from a third party."""
    pytest.importorskip("zensical")
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    built = sorted((tmp_path / "site").rglob("*.html"))
    assert len(built) > len(list(listed(SITE["nav"])))
    for page in built:
        loaded = re.findall(
            r"<(?:script|link|img|iframe)[^>]*https?://[^>]*>", page.read_text("utf-8")
        )
        assert not [each for each in loaded if "canonical" not in each], page
