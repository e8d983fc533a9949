"""Valid files changed at random: a result, or one line of ours, and nothing else."""

from __future__ import annotations

import labels as label_files
import models as model_files
import pytest
import settings as setting_files
from fuzzing import fuzz

TARGETS = [*model_files.TARGETS, *label_files.TARGETS, *setting_files.TARGETS]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_any_bytes_are_read_or_refused(target, tmp_path):
    """Some hundred files a parser; `python tests/fuzz/NAME.py --seconds 60` takes more."""
    fuzz(target, tmp_path, rounds=400, seconds=4)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_many_bytes_are_read_or_refused(target, tmp_path):
    """A minute a parser."""
    fuzz(target, tmp_path, seconds=60)
