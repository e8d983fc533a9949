"""A few labels that somebody gave, by id or by place → the label of each item."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.errors import OptionError
from geounet.footprints.place import reproject
from geounet.gdal import cause

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import geopandas as gpd
    import pandas as pd

    from geounet.embeddings.items import Items

WORDS = ("label", "damage", "class", "name")
"""Columns that hold the label, the first that is there, unless one is named."""


def read_labels(path: Path, items: Items, column: str | None) -> list[str | None]:
    """Return the label of each item, None for those without one.

    A table with a column `id` is matched by it; otherwise, a layer's shapes by the items they
    touch. Of several labels the most frequent counts, of a tie the first in the alphabet.

    Args:
        path: `.csv`, or a vector layer.
        items: what may be labelled.
        column: of the labels; None = the first of `WORDS`.

    Raises:
        OptionError: the file is none, lacks a column, or matches nothing.
    """
    table = _read(path)
    named = _column(path, table, column)
    text = table[named]
    told = text.notna()
    words = text[told].astype(str).tolist()
    if "id" in table.columns:
        where = {int(each): at for at, each in enumerate(items.ids)}
        rows = [where.get(each, -1) for each in _whole(path, table["id"][told])]
        pairs = [(row, word) for row, word in zip(rows, words, strict=True) if row >= 0]
    else:
        pairs = _by_place(path, table[told], words, items)
    if not pairs:
        raise OptionError(
            f"{path}: none of its {len(words):,} labels matches an item; check ids, place and CRS"
        )
    return _voted(pairs, len(items.ids))


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 - they cost a second
    import pyogrio  # noqa: PLC0415
    from pyogrio.errors import DataSourceError  # noqa: PLC0415

    try:
        if path.suffix.lower() == ".csv":
            return pd.read_csv(path)
        layer: pd.DataFrame = pyogrio.read_dataframe(path)
    except (DataSourceError, OSError, ValueError) as error:
        raise OptionError(f"{path}: labels cannot be read ({cause(error)})") from error
    return layer


def _column(path: Path, table: pd.DataFrame, column: str | None) -> str:
    for name in [column] if column else WORDS:
        if name in table.columns:
            return name
    there = ", ".join(str(name) for name in table.columns)
    raise OptionError(
        f"{path}: has no column {column or ' or '.join(WORDS)!r} (got {there}); use --label-by"
    )


def _whole(path: Path, ids: pd.Series) -> list[int]:
    try:
        return [int(each) for each in ids.astype("int64")]
    except (ValueError, TypeError) as error:
        raise OptionError(
            f"{path}: column 'id' must hold whole numbers ({cause(error)})"
        ) from error


def _by_place(
    path: Path, table: pd.DataFrame, words: list[str], items: Items
) -> list[tuple[int, str]]:
    """Pair labels with the items that the middle of their shapes lies in."""
    if items.shapes is None or "geometry" not in table.columns:
        raise OptionError(f"{path}: has no column 'id', and labels or items have no place; add ids")
    layer: gpd.GeoDataFrame = table
    shapes = shapely.point_on_surface(np.asarray(layer.geometry))
    points = reproject(shapes, layer.crs, items.crs)
    tree = shapely.STRtree(items.polygons(np.arange(len(items.ids))))
    label, item = tree.query(points, predicate="intersects")
    return [(int(row), words[at]) for at, row in zip(label, item, strict=True)]


def _voted(pairs: Iterable[tuple[int, str]], count: int) -> list[str | None]:
    votes: dict[int, Counter[str]] = {}
    for row, word in pairs:
        votes.setdefault(row, Counter())[word] += 1
    found: list[str | None] = [None] * count
    for row, counts in votes.items():
        found[row] = min(counts, key=lambda word: (-counts[word], word))
    return found
