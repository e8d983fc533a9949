"""The layers of a damage map: buildings and tiles, coloured by how much changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np

from geounet.embeddings.colours import colour_of
from geounet.footprints.geopackage import Layer
from geounet.footprints.style import OUTLINE, Rule, qml

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pyproj import CRS

    Floats = NDArray[np.float64]

RAMP = ("#ffffd4", "#fee391", "#fec44f", "#fe9929", "#d95f0e", "#993404")
"""Fill by change, least first: pale to dark in order for every kind of colour vision
(ColorBrewer's YlOrBr)."""

SAYS = "These are clusters of what a network sees, not surveyed grades of damage."
"""The first sentence of everything that is told."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found of places, row by row."""

    ids: NDArray[np.int64]
    """`(n,)`"""
    shapes: NDArray[np.object_]
    """`(n,)` polygons."""
    crs: CRS | None
    """Of the polygons."""
    cluster: NDArray[np.int32]
    """`(n,)` by falling size from 0."""
    silhouette: NDArray[np.float32]
    """`(n,)` -1 to 1."""
    change: Floats | None
    """`(n,)` 0-1; None without an earlier image."""
    rank: NDArray[np.int64]
    """`(n,)` 1 = look here first."""
    damage: NDArray[np.object_] | None = None
    """`(n,)` grades; None without labels."""
    probability: Floats | None = None
    """`(n,)` of the grades."""

    def table(self) -> gpd.GeoDataFrame:
        """Return the rows of the layer, those to look at first in front."""
        unknown = np.full(len(self.ids), np.nan)
        columns: dict[str, object] = {
            "id": self.ids,
            "rank": self.rank,
            "change": unknown if self.change is None else self.change,
            "cluster": self.cluster,
            "silhouette": self.silhouette,
        }
        if self.damage is not None:
            columns |= {"damage": self.damage, "probability": self.probability}
        table = gpd.GeoDataFrame(columns, geometry=self.shapes, crs=self.crs)
        return table.sort_values("rank", ignore_index=True)

    def style(self) -> str:
        """Return how QGIS shows it: by change, or by cluster where there is none."""
        if self.change is None:
            present = np.unique(self.cluster).tolist()
            rules = [_rule(f"cluster {at}", f'"cluster" = {at}', colour_of(at)) for at in present]
            return qml(rules)
        edges = np.linspace(0, 1, len(RAMP) + 1)
        edges[-1] = 2  # the last step holds 1 as well
        return qml(
            [
                _rule(
                    f"change {low:.2f}-{min(high, 1):.2f}",
                    f'"change" >= {low:.6f} AND "change" < {high:.6f}',
                    colour,
                )
                for low, high, colour in zip(edges[:-1], edges[1:], RAMP, strict=True)
            ]
        )


def layer(name: str, title: str, found: Found) -> Layer:
    """Return a layer to write."""
    table = found.table()
    return Layer(
        name=name,
        chunks=[table],
        empty=table.iloc[:0],
        title=title,
        description=SAYS,
        style=found.style(),
    )


def _rule(label: str, filter_: str, fill: str) -> Rule:
    return Rule(label=label, filter=filter_, fill=fill, outline=OUTLINE, opacity=0.75)
