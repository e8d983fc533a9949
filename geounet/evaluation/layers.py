"""Found, false and missed objects as the layers of a GeoPackage that QGIS shows styled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import numpy as np
import pandas as pd

from geounet.evaluation.examples import FALSE, FOUND, MISSED
from geounet.footprints.geopackage import Layer, write_layers
from geounet.footprints.place import place, reproject
from geounet.footprints.style import OUTLINE, Rule, qml

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pyproj import CRS

    from geounet.evaluation.scores import Group, ImageScore

NAMES = {
    "true_positives": ("Found", "Predicted, and true", FOUND),
    "false_positives": ("False", "Predicted, but not true", FALSE),
    "false_negatives": ("Missed", "True, but not predicted", MISSED),
}
"""Layers with their title, what they hold, and their colour."""


def write_objects(path: Path, images: Sequence[ImageScore], facts: Mapping[str, object]) -> None:
    """Write the three layers, in the CRS of the first image that has one.

    Raises:
        OutputError: the file cannot be written.
    """
    crs = next((each.grid.crs for each in images if each.grid.crs is not None), None)
    empty = _table([], crs)
    layers = []
    for name, (title, words, colour) in NAMES.items():
        found = [_rows(name, image, crs) for image in images]
        fill = f"#{bytes(colour).hex()}"
        style = qml([Rule(label=title.lower(), filter="TRUE", fill=fill, outline=OUTLINE)])
        layers.append(
            Layer(
                name=name,
                chunks=[_table(found, crs)],
                empty=empty,
                title=title,
                description=words,
                style=style,
            )
        )
    write_layers(path, layers, facts)


def _rows(name: str, image: ImageScore, crs: CRS | None) -> gpd.GeoDataFrame:
    group = image.theirs if name == "false_negatives" else image.ours
    rows = np.flatnonzero(group.matched == (name == "true_positives"))
    columns = _columns(image, group, rows)
    if name == "true_positives":
        columns |= {key: values for key, values in image.shapes.items() if key != "iou"}
    polygons = place(group.polygons[rows], image.grid.transform)
    moved = reproject(polygons, image.grid.crs, crs)
    table = gpd.GeoDataFrame(columns, geometry=moved, crs=crs)
    return table.explode(index_parts=False, ignore_index=True)  # a layer holds plain polygons


def _columns(image: ImageScore, group: Group, rows: np.ndarray) -> dict[str, object]:
    unit = "px" if image.grid.crs is None else "m2"
    scores = group.scores
    return {
        "image": np.full(len(rows), image.name, object),
        "iou": group.iou[rows],
        "confidence": np.full(len(rows), np.nan) if scores is None else scores[rows],
        f"area_{unit}": group.area[rows],
    }


def _table(found: Sequence[gpd.GeoDataFrame], crs: CRS | None) -> gpd.GeoDataFrame:
    some = [table for table in found if len(table)]
    if not some:
        text, number = np.zeros(0, object), np.zeros(0)
        columns = {"image": text, "iou": number, "confidence": number, "area_m2": number}
        return gpd.GeoDataFrame(columns, geometry=[], crs=crs)
    return gpd.GeoDataFrame(pd.concat(some, ignore_index=True), crs=crs)
