"""Rules of the QGIS styles."""

from __future__ import annotations

import itertools
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from geounet.footprints.style import BLUES, STEPS, buildings_style, coverage_style


def luminance(colour):
    """Return the relative luminance of #rrggbb (WCAG)."""
    share = np.array(list(bytes.fromhex(colour[1:]))) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize("style", [buildings_style(), coverage_style()])
def test_every_rule_has_its_symbol(style):
    """The QML parses, and each rule draws a symbol that is there, old and new options alike."""
    root = ET.fromstring(style)  # noqa: S314  our own text
    symbols = {each.get("name"): each for each in root.iter("symbol")}
    rules = list(root.iter("rule"))
    assert [rule.get("symbol") for rule in rules] == list(symbols)
    assert len({rule.get("key") for rule in rules}) == len(rules)
    for symbol in symbols.values():
        new = {
            each.get("name"): each.get("value") for each in symbol.findall("layer/Option/Option")
        }
        old = {each.get("k"): each.get("v") for each in symbol.findall("layer/prop")}
        assert new == old
        assert {"color", "outline_color", "outline_width", "style"} <= set(new)


def test_blues_grow_darker():
    """The ramp loses light with every step, so that it reads in grey and for the colour-blind."""
    light = [luminance(colour) for colour in BLUES]
    assert all(a > 1.2 * b for a, b in itertools.pairwise(light))
    assert len(BLUES) == len(STEPS) + 1


def test_every_confidence_meets_one_rule():
    """The ranges of confidence leave no gap and do not overlap."""
    filters = [rule.get("filter") for rule in ET.fromstring(buildings_style()).iter("rule")]  # noqa: S314
    starts = [float(text.split(">= ")[1].split(" ")[0]) for text in filters if ">=" in text]
    ends = [float(text.split("< ")[1]) for text in filters if "< " in text]
    assert starts == [0.0, *ends]


def test_styles_are_reproducible():
    """The same style is the same text."""
    assert buildings_style() == buildings_style()
