"""Hostile rasters, options, outputs, models and labels: each gets its verdict, and leaves nothing."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from torture import labels, models, names, options, outputs, rasters, surveys, vrts
from torture.run import run

CASES = [
    pytest.param(case, id=f"{room.__name__.partition('.')[2]}: {case.name}")
    for room in (rasters, names, vrts, options, outputs, models, labels, surveys)
    for case in room.CASES
]


@pytest.mark.parametrize("case", CASES)
def test_the_verdict(case, tiny_model, loopback, capfd, monkeypatch):
    """The right exit code and words on one line, nothing left, no input touched, nothing asked for."""
    if case.needs_root and os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    with tempfile.TemporaryDirectory(prefix="torture-", ignore_cleanup_errors=True) as home:
        folder = Path(home)
        if case.needs_root:
            folder.chmod(0o755)
        monkeypatch.chdir(folder)
        places = {"model": tiny_model, "url": loopback.url}
        asked = loopback.hits
        faults = run(case, folder, places, capfd.readouterr)
        assert not faults, "\n".join(faults)
        assert loopback.hits == asked, "something was asked for on the network"


def test_there_are_enough_of_them():
    """At least 150 cases, each with a name of its own."""
    ids = [case.id for case in CASES]
    assert len(ids) >= 150
    assert len(set(ids)) == len(ids)
