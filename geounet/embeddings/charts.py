"""Charts of a choice: elbow, stability, silhouettes; and the items nearest each centre."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.embeddings.choose import STABLE
from geounet.embeddings.colours import ACCENT, COLOURS, INK, LINE, QUIET, colour_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray
    from PIL.Image import Image

    from geounet.embeddings.choose import Choice
    from geounet.embeddings.clusters import Clusters

_STEPS = 400
"""Heights at which the silhouettes of a cluster are drawn, at most."""

_GAP, _GAPS = 0.012, 0.25
"""Of the height of a chart, between clusters."""

_MOST_NAMED = 20
"""Clusters that have a label of their own in a chart."""


def draw_elbow(choice: Choice, path: Path) -> None:
    """Draw inertia by number of clusters with its knee, and the stability of each number."""
    figure, (left, right) = _figure("How many clusters: the elbow, and how stable each number is")
    shares = np.array(choice.inertia) / choice.inertia[0]
    for axes in (left, right):
        _numbers(axes, choice)
    left.plot(choice.ks, shares, "-o", color=COLOURS[0], lw=2, ms=6, zorder=3)
    _words(left, "Inertia", "share of that of one cluster")
    left.set_ylim(0, 1.08)
    if choice.by_elbow is not None:
        at = choice.by_elbow - 1
        ends = (choice.ks[0], choice.ks[-1]), (shares[0], shares[-1])
        left.plot(*ends, "--", color=QUIET, lw=1)
        straight = np.interp(choice.by_elbow, *ends)
        left.plot([choice.by_elbow] * 2, [shares[at], straight], color=ACCENT, lw=1.5)
        left.plot(choice.by_elbow, shares[at], "o", ms=13, mfc="none", mec=ACCENT, mew=2, zorder=4)
        left.annotate(
            f"knee at k = {choice.by_elbow}", (choice.by_elbow, straight), (8, 4),
            textcoords="offset points", color=ACCENT,
        )  # fmt: skip
    stability = np.array(choice.stability[1:])
    colours = [COLOURS[0] if each >= STABLE else "#b5c7d3" for each in stability]
    right.bar(choice.ks[1:], stability.clip(0.004), color=colours, width=0.62, zorder=2)
    right.axhline(STABLE, color=QUIET, lw=1, ls="--")
    right.annotate(
        f"stable\nfrom {STABLE:g}", (1, STABLE), (5, 0), xycoords=("axes fraction", "data"),
        textcoords="offset points", color=QUIET, fontsize=8, va="center", annotation_clip=False,
    )  # fmt: skip
    right.set_ylim(0, 1.08)
    _words(right, "Stability", "mean adjusted Rand index between starts")
    figure.savefig(path)


def draw_silhouettes(found: Clusters, names: Sequence[str], path: Path) -> None:
    """Draw the mean silhouette of each number, and of the clusters every item's.

    Args:
        found: the clusters.
        names: what each is called.
        path: of the PNG.
    """
    figure, (left, right) = _figure("How well items lie in their clusters: silhouettes")
    choice = found.choice
    _numbers(left, choice)
    left.axhline(0, color=LINE, lw=1)
    left.plot(choice.ks[1:], choice.silhouette[1:], "-o", color=COLOURS[0], lw=2, ms=6, zorder=3)
    best = choice.by_silhouette
    top = choice.silhouette[best - 1]
    left.plot(best, top, "o", ms=13, mfc="none", mec=ACCENT, mew=2, zorder=4)
    left.annotate(
        f"highest at k = {best}: {top:.2f}", (best, top), (0, 11),
        textcoords="offset points", color=ACCENT,
        ha="left" if best < len(choice.ks) / 2 else "right",
    )  # fmt: skip
    low, high = np.nanmin(choice.silhouette), np.nanmax(choice.silhouette)
    left.set_ylim(min(low, 0) - 0.05, high + 0.16 * (high - min(low, 0)) + 0.02)
    _words(left, "Mean silhouette", "1 = far from other clusters, 0 = between two")
    _bars(right, found, names)
    figure.savefig(path)


def draw_examples(
    rows: Sequence[tuple[str, Sequence[Image | NDArray[np.uint8]]]], path: Path, title: str
) -> None:
    """Draw pictures of items, a row a cluster.

    Args:
        rows: heading and pictures of each cluster, in order.
        path: of the PNG.
        title: above them.
    """
    from matplotlib.figure import Figure  # noqa: PLC0415

    wide = max(len(pictures) for _, pictures in rows)
    figure = Figure((1.75 + 1.02 * wide, 0.55 + 1.04 * len(rows)), dpi=120)
    width, height = figure.get_size_inches()
    figure.text(0.12 / width, 1 - 0.3 / height, title, color=INK, size=11,
                weight="bold")  # fmt: skip
    for cluster, (heading, pictures) in enumerate(rows):
        bottom = (height - 0.5 - 1.04 * (cluster + 1)) / height
        figure.text(0.12 / width, bottom + 0.52 / height, heading, color=INK, size=8.5,
                    va="center", linespacing=1.45)  # fmt: skip
        for at, picture in enumerate(pictures):
            box = ((1.65 + 1.02 * at) / width, bottom, 0.98 / width, 0.98 / height)
            axes = figure.add_axes(box, xticks=[], yticks=[])
            axes.imshow(picture, aspect="equal")
            axes.spines[:].set(color=colour_of(cluster), linewidth=2)
    figure.savefig(path)


def _bars(axes: Axes, found: Clusters, names: Sequence[str]) -> None:
    """Draw the silhouettes of each cluster, highest on top, one block above the other."""
    total = np.count_nonzero(np.isfinite(found.silhouette))
    top, gap = 1.0, min(_GAP, _GAPS / found.k)
    for cluster in range(found.k):
        scores = np.sort(found.silhouette[found.labels == cluster])
        scores = scores[np.isfinite(scores)]
        if not len(scores):
            continue
        tall = len(scores) / total * (1 - gap * (found.k - 1))
        drawn = np.quantile(scores, np.linspace(0, 1, min(len(scores), _STEPS) + 1))
        heights = np.linspace(top - tall, top, len(drawn))
        axes.fill_betweenx(heights, 0, drawn, color=colour_of(cluster), lw=0, step="mid")
        if cluster < _MOST_NAMED:
            axes.annotate(
                f"{names[cluster]} ({len(scores):,})", (0, top - tall / 2), (-5, 0),
                xycoords=("axes fraction", "data"), textcoords="offset points", ha="right",
                va="center", fontsize=8, color=INK, annotation_clip=False,
            )  # fmt: skip
        top -= tall + gap
    axes.axvline(0, color=QUIET, lw=0.8)
    if total:
        mean = float(np.nanmean(found.silhouette))
        axes.axvline(mean, color=INK, lw=1, ls="--")
        axes.annotate(f"mean {mean:.2f}", (mean, 0), (4, 5), xycoords=("data", "axes fraction"),
                      textcoords="offset points", fontsize=8, color=INK)  # fmt: skip
    axes.set(xlim=(min(-0.1, float(np.nanmin(found.silhouette, initial=0)) - 0.05), 1), yticks=[])
    axes.set_ylim(-0.02, 1.02)
    noise = np.count_nonzero(found.labels < 0)
    axes.set_xlabel("silhouette of each item" + (f"; {noise:,} are noise" if noise else ""))
    _words(axes, f"The {found.k} clusters" if found.k > 1 else "One cluster has no silhouette", "")


def _figure(title: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure  # noqa: PLC0415 - half a second

    figure = Figure((11, 4.6), dpi=120, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.08, wspace=0.06)
    figure.suptitle(title, x=0.012, ha="left", color=INK, fontsize=12, fontweight="bold")
    return figure, figure.subplots(1, 2)


def _numbers(axes: Axes, choice: Choice) -> None:
    """Lay out an axis of numbers of clusters, the one taken on a band."""
    step = -(-len(choice.ks) // _MOST_NAMED)
    axes.set_xticks(choice.ks[::step])
    axes.set_xlim(0.4, choice.ks[-1] + 0.6)
    axes.set_xlabel(f"number of clusters k; taken: {choice.k}")
    if choice.k <= choice.ks[-1]:
        axes.axvspan(choice.k - 0.4, choice.k + 0.4, color="#f3efe2", zorder=0)


def _words(axes: Axes, title: str, beside: str) -> None:
    axes.set_title(title, loc="left", color=INK, fontsize=10, fontweight="bold", pad=18)
    axes.annotate(beside, (0, 1), (0, 5), xycoords="axes fraction", textcoords="offset points",
                  color=QUIET, fontsize=8.5)  # fmt: skip
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(LINE)
    axes.tick_params(colors=QUIET, length=0)
    axes.xaxis.label.set_color(QUIET)
