"""The confusion matrix and the curves of precision by recall, as SVG that stands alone."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.evaluation.pixels import PixelScore

    Floats = NDArray[np.float64]

_STYLE = (
    "<style>text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:#1c2126}"
    ".q{fill:#5d6670;font-size:11px}.l{stroke:#e1dfd8;fill:none}.w{fill:#fff}</style>"
)
_COLOURS = ("#0072b2", "#d55e00")
_CELL, _LEFT, _TOP = 74, 96, 46
_MOST_CLASSES = 12
_PLOT, _SIDE = 300, 46
_POINTS = 500
_DARK = 0.55


def confusion_chart(score: PixelScore, names: Sequence[str]) -> str:
    """Return a confusion matrix: pixels, and their share of the true class.

    Args:
        score: of all images.
        names: of the classes, the background first.
    """
    count = min(len(score.matrix), _MOST_CLASSES)
    matrix = score.matrix[:count, :count]
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = _LEFT + count * _CELL + 12, _TOP + count * _CELL + 12
    parts = [
        f'<text class="q" x="{_LEFT + count * _CELL / 2 - 26}" y="14">predicted</text>',
        f'<text class="q" x="4" y="{_TOP - 8}">truth</text>',
    ]
    for at in range(count):
        middle, name = (at + 0.5) * _CELL, escape(names[at])
        parts.append(f'<text x="{_LEFT + middle}" y="34" text-anchor="middle">{name}</text>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{_TOP + middle + 4}" text-anchor="end">{name}</text>'
        )
        for other in range(count):
            share = float(shares[at, other])
            parts.append(_cell(other, at, share, int(matrix[at, other])))
    return _svg(size, parts, "Confusion matrix: pixels by true and predicted class")


def curves_chart(curves: Sequence[tuple[str, Floats, Floats]]) -> str:
    """Return curves of precision by recall over faint lines of equal F1.

    Args:
        curves: name, recall and precision of each.
    """
    size = _PLOT + 2 * _SIDE, _PLOT + 2 * _SIDE
    parts = [f'<rect class="l" x="{_SIDE}" y="{_SIDE / 2}" width="{_PLOT}" height="{_PLOT}"/>']
    for f1 in (0.2, 0.4, 0.6, 0.8):
        recall = np.geomspace(f1 / (2 - f1), 1, 40)
        precision = f1 * recall / (2 * recall - f1)
        parts.append(f'<polyline class="l" points="{_points(recall, precision)}"/>')
        x, y = _at(1, f1 / (2 - f1))
        parts.append(f'<text class="q" x="{x + 4:.1f}" y="{y + 4:.1f}">F1 {f1:g}</text>')
    for value in (0, 0.5, 1):
        x, y = _at(value, value)
        base = _SIDE / 2 + _PLOT
        parts.append(f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle">{value:g}</text>')
        parts.append(f'<text x="{_SIDE - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    parts.append(f'<text class="q" x="{_SIDE + _PLOT / 2}" y="{size[1] - 24}">recall</text>')
    parts.append(f'<text class="q" x="2" y="{_SIDE / 2 - 8}">precision</text>')
    if not curves:
        x, y = _at(0.05, 0.05)
        parts.append(f'<text class="q" x="{x}" y="{y}">no probability, no confidence</text>')
    for number, (name, recall, precision) in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        some = np.unique(np.linspace(0, len(recall) - 1, _POINTS).astype(int))
        parts.append(
            f'<polyline fill="none" stroke="{colour}" stroke-width="2" '
            f'points="{_points(recall[some], precision[some])}"/>'
        )
        y = _SIDE / 2 + _PLOT - 12 - 18 * number
        parts.append(f'<text style="fill:{colour}" x="{_SIDE + 10}" y="{y}">{escape(name)}</text>')
    return _svg(size, parts, "Precision by recall")


def _cell(col: int, row: int, share: float, pixels: int) -> str:
    x, y = _LEFT + col * _CELL, _TOP + row * _CELL
    ink = ' class="w"' if share > _DARK else ""
    blue = tuple(round(255 + (full - 255) * share) for full in (32, 99, 159))
    return (
        f'<rect x="{x}" y="{y}" width="{_CELL - 2}" height="{_CELL - 2}" '
        f'fill="rgb{blue}" stroke="#e1dfd8"><title>{pixels:,} pixels</title></rect>'
        f'<text{ink} x="{x + _CELL / 2 - 1}" y="{y + 34}" text-anchor="middle">{share:.1%}</text>'
        f'<text{ink} x="{x + _CELL / 2 - 1}" y="{y + 52}" text-anchor="middle" '
        f'style="font-size:10px">{_short(pixels)}</text>'
    )


def _short(pixels: int) -> str:
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if pixels >= unit:
            return f"{pixels / unit:.3g} {name}px"
    return f"{pixels} px"


def _at(recall: float, precision: float) -> tuple[float, float]:
    return _SIDE + _PLOT * recall, _SIDE / 2 + _PLOT * (1 - precision)


def _points(recall: Floats, precision: Floats) -> str:
    pairs = (_at(*pair) for pair in zip(recall.tolist(), precision.tolist(), strict=True))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _svg(size: tuple[float, float], parts: Sequence[str], title: str) -> str:
    width, height = size
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{title}">'
        f'{_STYLE}<rect width="100%" height="100%" fill="#fff"/>{"".join(parts)}</svg>\n'
    )
