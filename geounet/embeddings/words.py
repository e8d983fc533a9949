"""What the page says in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet import __version__
from geounet.embeddings.page import Words
from geounet.embeddings.reduce import TRUSTED
from geounet.embeddings.silhouettes import EXACT, REFERENCES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from geounet.embeddings.report import Report

_WHY = {
    "given": "as asked",
    "silhouette": "highest silhouette of the stable numbers",
    "elbow": "knee of the inertia, its silhouette as good as the highest",
    "both": "highest silhouette, and knee of the inertia",
    "density": "dense places found by HDBSCAN; the charts show K-means",
}


def words_of(report: Report, drawn: int, pictured: int, charts: Mapping[str, bytes]) -> Words:
    """Return what stands in the page around the plots.

    Args:
        report: what to tell.
        drawn: items in the plots.
        pictured: items of these with a picture.
        charts: PNGs by what they show.
    """
    found, choice = report.found, report.found.choice
    figures = {
        "items": f"{len(report.items.ids):,}",
        "clusters": f"{found.k}",
        "mean silhouette": "–" if np.isnan(report.mean) else f"{report.mean:.2f}",
        "stability of that number": (
            "–" if choice.rule == "density" else f"{choice.stability[found.k - 1]:.2f}"
        ),
        "by silhouette / by elbow": f"{choice.by_silhouette} / {choice.by_elbow or '–'}",
    }
    return Words(
        title=report.title,
        about="Items lie near each other when the network saw something alike in them. "
        "These are clusters, not grades that anybody surveyed.",
        figures=figures,
        notes=_notes(report, drawn, pictured),
        charts=charts,
        software=f"geounet {__version__}",
    )


def _notes(report: Report, drawn: int, pictured: int) -> list[str]:
    """Return how the number came about, and what was sampled or left out."""
    found, choice, total = report.found, report.found.choice, len(report.items.ids)
    notes = [f"The number of clusters: {found.k}, {_WHY[choice.rule]}."]
    if doubts := report.doubts():
        notes.append(f"Do not read much into these clusters: {'; and '.join(doubts)}.")
    if total > choice.rows:
        notes.append(
            f"The number was chosen on {choice.rows:,} of {total:,} items, drawn at random."
        )
    if total > EXACT:
        notes.append(
            f"Silhouettes are measured against {REFERENCES:,} items, as many of each cluster."
        )
    notes.append(
        f"{drawn:,} of {total:,} items are drawn, {pictured:,} of them with a picture"
        + (", as many of each cluster as there are." if pictured < drawn else ".")
    )
    if found.space.explained < 1:
        notes.append(
            f"{found.space.values.shape[1]} principal axes were compared; they keep "
            f"{found.space.explained:.0%} of the variance."
        )
    notes.append(
        f"Trustworthiness is the share of neighbours in a plot that are neighbours indeed, "
        f"measured on {min(TRUSTED, drawn):,} items; distances between groups in t-SNE and "
        "UMAP mean little."
    )
    if report.named:
        notes.append(
            f"Names are those of most labelled items of a cluster: {report.named.right} labelled "
            f"items right, {report.named.wrong} wrong, macro precision "
            f"{report.named.precision:.2f}, macro recall {report.named.recall:.2f}."
        )
    return notes
