"""Every figure of a report as a row."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from geounet.embeddings.reduce import Projection
    from geounet.embeddings.report import Report


def write_metrics(report: Report, projections: tuple[Projection, ...], path: Path) -> None:
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
        ("silhouette of all items", found.k, report.mean),
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
