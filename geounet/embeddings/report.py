"""What there is to look at after clustering: charts, pictures, the page, the layer, the figures."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet import __version__
from geounet.embeddings.charts import draw_elbow, draw_examples, draw_silhouettes
from geounet.embeddings.colours import colour_of
from geounet.embeddings.layer import label_of, write_clusters
from geounet.embeddings.page import NO_PICTURE, Words, groups, scale, write_scatter
from geounet.embeddings.plots import Shown
from geounet.embeddings.reduce import SHOWN, TRUSTED, project
from geounet.embeddings.silhouettes import EXACT, REFERENCES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.embeddings.clusters import Clusters
    from geounet.embeddings.items import Items
    from geounet.embeddings.names import Names
    from geounet.embeddings.page import Colouring
    from geounet.embeddings.reduce import Projection
    from geounet.embeddings.thumbnails import Thumbnails

    Rows = NDArray[np.int64]

OUTPUTS = (
    "elbow.png", "silhouette.png", "examples.png", "metrics.csv", "scatter.html", "clusters.gpkg",
)  # fmt: skip
"""Files of a report; `examples.png` needs pictures, `clusters.gpkg` polygons."""

PICTURED = 3000
"""Items whose picture is in the page, at most."""

WEAK = 0.25
"""Mean silhouette up to which there is no structure to speak of (Kaufman and Rousseeuw 1990)."""

_EXAMPLES, _EXAMPLE_ROWS = 8, 10
_WHY = {
    "given": "as asked",
    "silhouette": "highest silhouette of the stable numbers",
    "elbow": "knee of the inertia, its silhouette as good as the highest",
    "both": "highest silhouette, and knee of the inertia",
    "density": "dense places found by HDBSCAN; the charts show K-means",
}


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that a report tells."""

    title: str
    """What the embeddings are of."""
    items: Items
    """The embeddings."""
    found: Clusters
    """Their clusters."""
    named: Names | None
    """Names of the clusters, when some items are labelled."""
    thumbnails: Thumbnails
    """Pictures of the items."""
    seed: int
    """Of the projections."""

    @property
    def names(self) -> list[str]:
        """What each cluster is called."""
        named = self.named.names if self.named else None
        return [label_of(cluster, named) for cluster in range(self.found.k)]

    @property
    def weak(self) -> bool:
        """Whether the clusters are hardly apart."""
        return self.found.k > 1 and bool(np.nanmean(self.found.silhouette) <= WEAK)

    def wanted(self) -> list[str]:
        """Return the files that there is something to write for."""
        left_out = set()
        if self.items.shapes is None:
            left_out.add("clusters.gpkg")
        if self.items.thumbnails is None or not self.pictured().any():
            left_out.add("examples.png")
        return [name for name in OUTPUTS if name not in left_out]

    def pictured(self) -> NDArray[np.bool_]:
        """Return which items have a picture."""
        if self.items.thumbnails is None:
            return np.zeros(len(self.items.ids), bool)
        return self.thumbnails.has(self.items.thumbnails)


def write_report(
    report: Report, paths: Mapping[str, Path], facts: Mapping[str, Any]
) -> tuple[Projection, ...]:
    """Write the files; return the projections.

    Args:
        report: what to tell.
        paths: where each of the wanted `OUTPUTS` goes; hand in staged paths.
        facts: how the clusters were made, for the layer.
    """
    found = report.found
    rows = found.space.order[:SHOWN]
    projections = project(found.space.values[:SHOWN], seed=report.seed)
    draw_elbow(found.choice, paths["elbow.png"])
    draw_silhouettes(found, report.names, paths["silhouette.png"])
    if "examples.png" in paths:
        _draw_examples(report, paths["examples.png"])
    if "clusters.gpkg" in paths:
        named = report.named.names if report.named else None
        write_clusters(paths["clusters.gpkg"], report.items, found, named, facts)
    _write_metrics(report, projections, paths["metrics.csv"])
    pictured = _spread(rows, report)
    charts = {
        name: paths[f"{name}.png"].read_bytes()
        for name in ("elbow", "silhouette", "examples")
        if f"{name}.png" in paths
    }
    write_scatter(
        paths["scatter.html"],
        _shown(report, rows, pictured, projections),
        _colourings(report, rows),
        _words(report, rows, pictured, charts),
    )
    return projections


def _spread(rows: Rows, report: Report) -> set[int]:
    """Return the items whose picture is shown, the same number of every cluster if it can be."""
    there = rows[report.pictured()[rows]]
    labels = report.found.labels[there]
    turn = np.zeros(len(there), np.int64)
    for label in np.unique(labels):
        turn[labels == label] = np.arange(np.count_nonzero(labels == label))
    return set(there[np.argsort(turn, kind="stable")[:PICTURED]].tolist())


def _shown(
    report: Report, rows: Rows, pictured: set[int], projections: tuple[Projection, ...]
) -> Shown:
    items, found = report.items, report.found
    labels = found.labels[rows].tolist()
    columns: dict[str, Any] = {
        "id": [str(each) for each in items.ids[rows].tolist()],  # exact, whatever their size
        "cluster": [_called(report, label) for label in labels],
        "silhouette": found.silhouette[rows].astype(float).round(4).tolist(),
        "colour": [colour_of(label) for label in labels],
        "picture": [
            report.thumbnails.uri(items.thumbnails[row])
            if items.thumbnails is not None and row in pictured
            else NO_PICTURE
            for row in rows.tolist()
        ],
    }
    if items.source is not None:
        columns["source"] = [str(each or "") for each in items.source[rows]]
    numbers = {name: values[rows] for name, values in items.numbers.items() if name.isidentifier()}
    columns = {name: values.tolist() for name, values in numbers.items()} | columns
    told = [name for name in ("source", *numbers) if name in columns]
    return Shown(
        columns=columns,
        told=tuple(told),
        projections=projections,
        polygons=None if items.shapes is None else items.polygons(rows),
        crs=items.crs,
    )


def _colourings(report: Report, rows: Rows) -> list[Colouring]:
    items, found = report.items, report.found
    labels = found.labels[rows].tolist()
    present = sorted(set(labels) - {-1}) + [-1] * (-1 in labels)
    colours = {_called(report, label): colour_of(label) for label in present}
    choices = [groups("cluster", [_called(report, label) for label in labels], colours)]
    choices += [scale(name, values[rows]) for name, values in items.numbers.items()]
    if items.source is not None:
        choices.append(groups("source", [str(each or "") for each in items.source[rows]]))
    return [*choices, scale("silhouette", found.silhouette[rows])]


def _called(report: Report, label: int) -> str:
    return "noise" if label < 0 else report.names[label]


def _words(report: Report, rows: Rows, pictured: set[int], charts: Mapping[str, bytes]) -> Words:
    found, total = report.found, len(report.items.ids)
    choice = found.choice
    mean = _mean(found.silhouette)
    figures = {
        "items": f"{total:,}",
        "clusters": f"{found.k}",
        "mean silhouette": "–" if np.isnan(mean) else f"{mean:.2f}",
        "stability of that number": (
            f"{choice.stability[found.k - 1]:.2f}" if found.k <= len(choice.ks) else "–"
        ),
        "by silhouette / by elbow": f"{choice.by_silhouette} / {choice.by_elbow or '–'}",
    }
    notes = [f"The number of clusters: {found.k}, {_WHY[choice.rule]}."]
    if report.weak:
        notes.append(
            f"A mean silhouette of {mean:.2f} is weak (up to {WEAK}): these clusters are hardly "
            "apart, another number or another seed may part them elsewhere."
        )
    if total > choice.rows:
        notes.append(
            f"The number was chosen on {choice.rows:,} of {total:,} items, drawn at random."
        )
    if total > EXACT:
        notes.append(
            f"Silhouettes are measured against {REFERENCES:,} items, as many of each cluster."
        )
    notes.append(
        f"{len(rows):,} of {total:,} items are drawn, {len(pictured):,} of them with a picture"
        + (", as many of each cluster as there are." if len(pictured) < len(rows) else ".")
    )
    if found.space.explained < 1:
        notes.append(
            f"{found.space.values.shape[1]} principal axes were compared; they keep "
            f"{found.space.explained:.0%} of the variance."
        )
    notes.append(
        f"Trustworthiness is the share of neighbours in a plot that are neighbours indeed, "
        f"measured on {min(TRUSTED, len(rows)):,} items; distances between groups in t-SNE and "
        "UMAP mean little."
    )
    if report.named:
        notes.append(
            f"Names are those of most labelled items of a cluster: {report.named.right} labelled "
            f"items right, {report.named.wrong} wrong, macro precision "
            f"{report.named.precision:.2f}, macro recall {report.named.recall:.2f}."
        )
    return Words(
        title=report.title,
        about="Items lie near each other when the network saw something alike in them. "
        "These are clusters, not grades that anybody surveyed.",
        figures=figures,
        notes=notes,
        charts=charts,
        software=f"geounet {__version__}",
    )


def _mean(silhouette: NDArray[np.float32]) -> float:
    known = silhouette[np.isfinite(silhouette)]
    return float(known.mean(dtype=np.float64)) if len(known) else float("nan")


def _draw_examples(report: Report, path: Path) -> None:
    """Draw the pictures nearest to the centres of the largest clusters."""
    found, space = report.found, report.found.space
    assert report.items.thumbnails is not None
    usable = (report.pictured() & (found.labels >= 0))[space.order]
    labels = found.labels[space.order]
    drawn = []
    for cluster in range(min(found.k, _EXAMPLE_ROWS)):
        members = np.flatnonzero(usable & (labels == cluster))
        far = np.linalg.norm(space.values[members] - found.centres[cluster], axis=1)
        nearest = space.order[members[np.argsort(far, kind="stable")[:_EXAMPLES]]]
        own = found.silhouette[found.labels == cluster]
        heading = f"{report.names[cluster]}\n{len(own):,} items\nsilhouette {_mean(own):.2f}"
        pictures = [report.thumbnails.image(report.items.thumbnails[row]) for row in nearest]
        drawn.append((heading, cluster, pictures))
    draw_examples(drawn, path)


def _write_metrics(report: Report, projections: tuple[Projection, ...], path: Path) -> None:
    """Write every figure as a row: what it is, for which number of clusters, its value."""
    found = report.found
    choice = found.choice
    rows: list[tuple[str, int | str, float | int | str | None]] = [
        (name, k, value)
        for name in ("inertia", "silhouette", "stability")
        for k, value in zip(choice.ks, getattr(choice, name), strict=True)
        if np.isfinite(value)
    ]
    rows += [
        ("k", "", found.k),
        ("k by silhouette", "", choice.by_silhouette),
        ("k by elbow", "", choice.by_elbow),
        ("rule", "", choice.rule),
        ("silhouette of all items", found.k, _mean(found.silhouette)),
        ("noise", found.k, int(np.count_nonzero(found.labels < 0))),
        ("variance kept", "", found.space.explained),
    ]
    rows += [(f"trustworthiness {each.name}", "", each.trustworthiness) for each in projections]
    if report.named:
        rows += [
            (f"labels: {name.replace('_', ' ')}", found.k, getattr(report.named, name))
            for name in ("precision", "recall", "adjusted_rand", "right", "wrong")
        ]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("metric", "k", "value"))
        table.writerows((name, k, "" if value is None else value) for name, k, value in rows)
