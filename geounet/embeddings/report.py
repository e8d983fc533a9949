"""What clusters are called, and what speaks against them: all that a report tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geounet.embeddings.choose import STABLE
from geounet.embeddings.layer import label_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.embeddings.clusters import Clusters
    from geounet.embeddings.items import Items
    from geounet.embeddings.names import Names
    from geounet.embeddings.thumbnails import Thumbnails

OUTPUTS = (
    "elbow.png", "silhouette.png", "examples.png", "activations.png", "metrics.csv", "scatter.html",
    "clusters.gpkg",
)  # fmt: skip
"""Files of a report; `examples.png` needs pictures, `activations.png` the rasters, `clusters.gpkg`
polygons."""

CLUSTERS = 10
"""Clusters that have a row of pictures, at most."""

WEAK = 0.25
"""Mean silhouette up to which there is no structure to speak of (Kaufman and Rousseeuw 1990)."""


class Maps(Protocol):
    """What shows where the network looked in some items."""

    @property
    def words(self) -> str:
        """What the maps are."""
        ...

    def pairs(self, items: Items, rows: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Return the picture of each item, then the same with the map over it, item by item."""
        ...


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
    maps: Maps | None = None
    """Where the network looked; None = nobody asked."""

    @property
    def names(self) -> list[str]:
        """What each cluster is called."""
        named = self.named.names if self.named else None
        return [label_of(cluster, named) for cluster in range(self.found.k)]

    def doubts(self) -> list[str]:
        """Return what speaks against the clusters, a clause each."""
        found, said = self.found, []
        if self.mean <= WEAK:
            said.append(
                f"they are hardly apart (mean silhouette {self.mean:.2f}, expected above {WEAK:g})"
            )
        stability = found.choice.stability[found.k - 1 : found.k]
        if found.choice.rule != "density" and min(stability) < STABLE:
            said.append(
                f"other starts part the items otherwise (stability {min(stability):.2f}, "
                f"expected from {STABLE:g})"
            )
        return said

    def wanted(self) -> list[str]:
        """Return the files that there is something to write for."""
        left_out = set()
        if self.items.shapes is None:
            left_out.add("clusters.gpkg")
        if self.items.thumbnails is None or not self.pictured().any():
            left_out.add("examples.png")
        if self.maps is None:
            left_out.add("activations.png")
        return [name for name in OUTPUTS if name not in left_out]

    def pictured(self) -> NDArray[np.bool_]:
        """Return which items have a picture."""
        if self.items.thumbnails is None:
            return np.zeros(len(self.items.ids), bool)
        return self.thumbnails.has(self.items.thumbnails)

    def nearest(self, usable: NDArray[np.bool_], count: int) -> list[tuple[str, NDArray[np.int64]]]:
        """Return a heading for each of the largest clusters, and the items nearest its centre.

        Args:
            usable: `(n,)` items that may be shown.
            count: of items, at most.
        """
        found, space = self.found, self.found.space
        usable, labels = usable[space.order], found.labels[space.order]
        rows = []
        for cluster in range(min(found.k, CLUSTERS)):
            members = np.flatnonzero(usable & (labels == cluster))
            far = np.linalg.norm(space.values[members] - found.centres[cluster], axis=1)
            own = found.silhouette[found.labels == cluster]
            heading = f"{self.names[cluster]}\n{len(own):,} items\nsilhouette {mean_of(own):z.2f}"
            rows.append((heading, space.order[members[np.argsort(far, kind="stable")[:count]]]))
        return rows

    def called(self, label: int) -> str:
        """Return what a cluster, or noise, is called."""
        return "noise" if label < 0 else self.names[label]

    @property
    def mean(self) -> float:
        """Mean silhouette of all items; nan where they have none."""
        return mean_of(self.found.silhouette)


def mean_of(silhouette: NDArray[np.float32]) -> float:
    """Return the mean of what is known; nan of nothing."""
    known = silhouette[np.isfinite(silhouette)]
    return float(known.mean(dtype=np.float64)) if len(known) else float("nan")
