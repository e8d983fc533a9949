"""Colours of clusters and sources: apart for every kind of colour vision, on white."""

from __future__ import annotations

COLOURS = (
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9",
    "#cc79a7", "#332288", "#999933", "#882255", "#44aa99",
)  # fmt: skip
"""After Okabe and Ito, and Tol; beyond the last they begin again."""

NOISE = "#9a9a9a"
"""Of what belongs to no cluster, and of what is not known."""

INK, QUIET, LINE, ACCENT = "#1c2126", "#5d6670", "#e1dfd8", "#d55e00"
"""Words, lesser words, lines, and what to look at: as in the page of a prediction."""


def colour_of(cluster: int) -> str:
    """Return the colour of a cluster; -1 = noise."""
    return NOISE if cluster < 0 else COLOURS[cluster % len(COLOURS)]
