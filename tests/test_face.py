"""Rules of the package's face."""

from __future__ import annotations

import subprocess
import sys

import pytest

import geounet


@pytest.mark.parametrize("name", geounet.__all__)
def test_every_name_is_there(name):
    """What the face lists can be asked for."""
    assert getattr(geounet, name) is not None
    assert name in dir(geounet)


@pytest.mark.parametrize(
    "first",
    ["pass", "import geounet.predict", "from geounet.predict import Result", "geounet.predict"],
)
def test_a_function_stays_a_function(first):
    """Whatever is imported first, geounet.predict can be called."""
    code = f"import geounet\n{first}\nassert callable(geounet.predict), geounet.predict"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_is_not_there_is_an_error():
    """As for any module."""
    with pytest.raises(AttributeError, match="no attribute 'perdict'"):
        _ = geounet.perdict
