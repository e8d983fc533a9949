"""Write all there is to look at: charts, pictures, the page, the layer, the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.embeddings.charts import draw_elbow, draw_examples, draw_silhouettes
from geounet.embeddings.colours import colour_of
from geounet.embeddings.layer import write_clusters
from geounet.embeddings.metrics import write_metrics
from geounet.embeddings.page import NO_PICTURE, groups, scale, write_scatter
from geounet.embeddings.plots import Shown
from geounet.embeddings.reduce import SHOWN, project
from geounet.embeddings.words import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.embeddings.page import Colouring
    from geounet.embeddings.reduce import Projection
    from geounet.embeddings.report import Report

    Rows = NDArray[np.int64]

PICTURED = 3000
"""Items whose picture is in the page, at most."""

_EXAMPLES = 8


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
    if "activations.png" in paths:
        _draw_activations(report, paths["activations.png"])
    if "clusters.gpkg" in paths:
        named = report.named.names if report.named else None
        write_clusters(paths["clusters.gpkg"], report.items, found, named, facts)
    write_metrics(report, projections, paths["metrics.csv"])
    pictured = _spread(rows, report)
    charts = {
        name: paths[f"{name}.png"].read_bytes()
        for name in ("elbow", "silhouette", "examples", "activations")
        if f"{name}.png" in paths
    }
    write_scatter(
        paths["scatter.html"],
        _shown(report, rows, pictured, projections),
        _colourings(report, rows),
        words_of(report, len(rows), len(pictured), charts),
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
        "cluster": [report.called(label) for label in labels],
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
    colours = {report.called(label): colour_of(label) for label in present}
    choices = [groups("cluster", [report.called(label) for label in labels], colours)]
    choices += [scale(name, values[rows]) for name, values in items.numbers.items()]
    if items.source is not None:
        choices.append(groups("source", [str(each or "") for each in items.source[rows]]))
    return [*choices, scale("silhouette", found.silhouette[rows])]


def _draw_examples(report: Report, path: Path) -> None:
    """Draw the pictures nearest to the centres of the largest clusters."""
    names, usable = report.items.thumbnails, report.pictured() & (report.found.labels >= 0)
    assert names is not None
    rows = report.nearest(usable, _EXAMPLES)
    drawn = [(said, [report.thumbnails.image(names[at]) for at in items]) for said, items in rows]
    draw_examples(drawn, path, "Nearest to each centre")


def _draw_activations(report: Report, path: Path) -> None:
    """Draw the items nearest to the centres, each beside where the network looked in it."""
    assert report.maps is not None
    rows = report.nearest(report.found.labels >= 0, _EXAMPLES // 2)
    pictures = report.maps.pairs(report.items, [at for _, items in rows for at in items])
    drawn, start = [], 0
    for said, items in rows:
        drawn.append((said, pictures[start : start + 2 * len(items)]))
        start += 2 * len(items)
    draw_examples(drawn, path, f"Nearest to each centre, and the {report.maps.words}")
