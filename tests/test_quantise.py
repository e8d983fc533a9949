"""Rules of the uint8 steps."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geounet.quantise import NODATA, STEPS, classify, level, quantise


def test_every_step_survives_float32():
    """A probability of k/254 in float32 becomes k."""
    steps = np.arange(STEPS + 1)
    assert np.array_equal(quantise((steps / STEPS).astype(np.float32)), steps)


@given(st.floats(0, 1, width=32))
def test_quantise_is_the_formula(p):
    """A probability becomes floor(254·p + 2⁻¹⁰) in float32, at most 254."""
    expected = math.floor(np.float32(p) * np.float32(254) + np.float32(2**-10))
    assert quantise(np.array([p], np.float32))[0] == min(expected, STEPS)


def test_quantise_never_makes_nodata():
    """What lies outside 0-1, and what is no number, is clipped into the steps."""
    odd = np.array([-1, -0.0, 1.5, np.inf, -np.inf, np.nan], np.float32)
    assert quantise(odd).tolist() == [0, 0, 254, 254, 0, 0]


def test_quantise_leaves_its_input_alone():
    """The probabilities that come in are not changed."""
    p = np.array([2.0, 0.5], np.float32)
    quantise(p)
    assert p.tolist() == [2.0, 0.5]


@pytest.mark.parametrize(
    ("threshold", "expected"), [(0, 0), (0.5, 127), (0.501, 128), (1, 254), (1.1, 280)]
)
def test_level_rounds_up(threshold, expected):
    """The level of a threshold is ceil(254·threshold)."""
    assert level(threshold) == expected


def test_level_of_a_step_is_the_step():
    """A threshold of exactly k/254 lets step k through."""
    assert [level(k / STEPS) for k in range(STEPS + 1)] == list(range(STEPS + 1))


def test_classify_one_class():
    """With one class a pixel is 1 from the level up and 255 where there is no data."""
    q = np.array([[[0, 126, 127, 254, NODATA]]], np.uint8)
    assert classify(q, 127).tolist() == [[0, 0, 1, 1, 255]]


def test_classify_takes_the_largest_and_the_first_of_equals():
    """The largest class at or above the level wins, the first of equals, nodata beats all."""
    q = np.array([[[10, 200, 150, 90, NODATA, 0]], [[20, 210, 150, 99, 0, NODATA]]], np.uint8)
    assert classify(q, 100).tolist() == [[0, 2, 1, 0, 255, 255]]


def test_classify_above_every_step():
    """A threshold above 1 leaves nothing but background and nodata."""
    q = np.array([[[254, NODATA]]], np.uint8)
    assert classify(q, level(1.1)).tolist() == [[0, 255]]
