"""Clusters as a layer that QGIS shows in the colours of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np

from geounet.embeddings.colours import colour_of
from geounet.footprints.geopackage import Layer, write_layers
from geounet.footprints.style import OUTLINE, Rule, qml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from geounet.embeddings.clusters import Clusters
    from geounet.embeddings.items import Items

_BATCH = 10_000

_OWN = {"fid": "source_fid"}
"""Columns whose names a GeoPackage keeps for itself."""


def write_clusters(
    path: Path,
    items: Items,
    found: Clusters,
    names: Sequence[str | None] | None,
    facts: Mapping[str, object],
) -> None:
    """Write the items with their clusters.

    Args:
        path: GeoPackage to write.
        items: with polygons.
        found: their clusters.
        names: of the clusters; None = they have none.
        facts: how they were made.

    Raises:
        OutputError: the file cannot be written.
    """
    rows = np.arange(len(items.ids))
    layer = Layer(
        name="clusters",
        chunks=_chunks(items, found, names),
        empty=_chunk(items, found, names, rows[:0]),
        title="Clusters",
        description="Items whose embeddings are alike; no grades that anybody surveyed.",
        style=qml(_rules(found, names)),
    )
    write_layers(path, [layer], facts)


def _chunks(
    items: Items, found: Clusters, names: Sequence[str | None] | None
) -> Iterator[gpd.GeoDataFrame]:
    for start in range(0, len(items.ids), _BATCH):
        yield _chunk(items, found, names, np.arange(start, min(start + _BATCH, len(items.ids))))


def _chunk(
    items: Items,
    found: Clusters,
    names: Sequence[str | None] | None,
    rows: np.ndarray[tuple[int], np.dtype[np.int64]],
) -> gpd.GeoDataFrame:
    labels = found.labels[rows]
    columns: dict[str, object] = {
        "id": items.ids[rows],
        "cluster": labels,
        "silhouette": found.silhouette[rows],
    }
    if names is not None:
        called = np.array([*names, None], object)  # the last one is that of noise
        columns["name"] = called[labels]
    columns |= {_OWN.get(name, name): values[rows] for name, values in items.numbers.items()}
    if items.source is not None:
        columns["source"] = items.source[rows]
    return gpd.GeoDataFrame(columns, geometry=items.polygons(rows), crs=items.crs)


def _rules(found: Clusters, names: Sequence[str | None] | None) -> list[Rule]:
    noise = [-1] if (found.labels < 0).any() else []
    return [
        Rule(
            label="noise" if cluster < 0 else label_of(cluster, names),
            filter=f'"cluster" = {cluster}',
            fill=colour_of(cluster),
            outline=OUTLINE,
        )
        for cluster in [*range(found.k), *noise]
    ]


def label_of(cluster: int, names: Sequence[str | None] | None) -> str:
    """Return what a cluster is called: its number, and its name where it has one."""
    name = names[cluster] if names is not None else None
    return f"{cluster}: {name}" if name else f"cluster {cluster}"
