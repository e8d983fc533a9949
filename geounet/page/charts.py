"""Histograms as inline SVG."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEVELS = (0.6, 0.7, 0.8, 0.9)
"""Confidence where the colour changes; the page's styles name the colours `--c0` to `--c4`."""

_WIDTH, _HEIGHT, _TOP, _FOOT = 480, 168, 16, 22


@dataclass(frozen=True)
class Bars:
    """A histogram in words."""

    title: str
    """What is counted, for those who cannot see it."""
    counts: Sequence[int]
    """Height of each bar."""
    names: Sequence[str]
    """What each bar holds."""
    ticks: Sequence[str]
    """Text under each edge, one more than bars; may be empty."""
    colours: Sequence[int]
    """Level of each bar's colour, -1 for the plain one."""


def area_bars(areas: Floats, unit: str) -> Bars:
    """Return how many footprints there are of each size, in steps of 1, 2, 5, 10."""
    known = areas[np.isfinite(areas) & (areas > 0)]
    edges = _series(known.min(), known.max()) if len(known) else np.array([1.0, 2.0])
    counts = np.histogram(known, edges)[0].tolist()
    ticks = [f"{edge:,.0f}" if edge >= 1 else f"{edge:g}" for edge in edges.tolist()]
    names = [f"{low} to {high} {unit}" for low, high in pairwise(ticks)]
    short = [tick.replace(",000,000", "M").replace(",000", "k") for tick in ticks]
    thinned = [tick if len(ticks) <= 14 or at % 2 == 0 else "" for at, tick in enumerate(short)]  # noqa: PLR2004
    return Bars(f"Footprints by area in {unit}", counts, names, thinned, [-1] * len(counts))


def confidence_bars(confidence: Floats) -> Bars:
    """Return how many footprints there are of each confidence, in steps of 2 %."""
    known = confidence[np.isfinite(confidence)]
    low = int(known.min() * 10) * 5 if len(known) else 25
    low = min(low, 45)
    steps = np.arange(low, 51)
    at = np.clip((known * 50 + 1e-9).astype(int), low, 49)
    counts = np.bincount(at - low, minlength=len(steps) - 1).tolist()
    ticks = [f"{2 * step} %" if step % 5 == 0 else "" for step in steps.tolist()]
    names = [f"{2 * step} to {2 * step + 2} %" for step in steps[:-1].tolist()]
    colours = [level_of((step + 0.5) / 50) for step in steps[:-1].tolist()]
    return Bars("Footprints by confidence", counts, names, ticks, colours)


def level_of(confidence: float) -> int:
    """Return the index of a confidence's colour."""
    return int(np.searchsorted(LEVELS, confidence, side="right"))


def draw(bars: Bars) -> str:
    """Return the histogram as SVG."""
    foot, most = _HEIGHT - _FOOT, max(*bars.counts, 1, 1)
    step = _WIDTH / len(bars.counts)
    parts = [f'<line class="axis" x1="0" x2="{_WIDTH}" y1="{foot}" y2="{foot}"/>']
    for at, (count, name, colour) in enumerate(
        zip(bars.counts, bars.names, bars.colours, strict=True)
    ):
        tall = (foot - _TOP) * count / most
        tall = max(tall, 1.5) if count else 0
        fill = "bar" if colour < 0 else f"bar c{colour}"
        x, wide = at * step + 1, max(step - 2, 1)
        parts.append(
            f'<g><title>{escape(name)}: {count:,}</title><rect class="hit" x="{x:.1f}" y="{_TOP}" '
            f'width="{wide:.1f}" height="{foot - _TOP}"/><rect class="{fill}" x="{x:.1f}" '
            f'y="{foot - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}"/></g>'
        )
    top = int(np.argmax(bars.counts))
    if bars.counts[top]:
        x = min(max((top + 0.5) * step, 24), _WIDTH - 24)
        parts.append(f'<text class="peak" x="{x:.1f}" y="{_TOP - 5}">{bars.counts[top]:,}</text>')
    last = len(bars.ticks) - 1
    for at, tick in enumerate(bars.ticks):
        anchor = {0: "start", last: "end"}.get(at, "middle")
        parts.append(
            f'<text x="{at * step:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{tick}</text>'
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(bars.title)}">'
        f"{''.join(parts)}</svg>"
    )


def _series(low: float, high: float) -> Floats:
    """Return 1, 2, 5, 10, ... from the last one below `low` to the first above `high`."""
    powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 2)
    series = np.round(np.multiply.outer(powers, [1, 2, 5]).ravel(), 12)
    first = np.searchsorted(series, low, side="right") - 1
    return np.asarray(series[first : np.searchsorted(series, high, side="right") + 1])
