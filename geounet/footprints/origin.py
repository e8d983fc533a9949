"""Read back what a file of footprints says of itself, and how many there are."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from geounet.footprints.geopackage import STANDARD
from geounet.footprints.geoparquet import read_geoparquet_head
from geounet.footprints.stored import count_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEAD = 1 << 22
"""Characters of a GeoJSON among which its provenance is looked for."""

WITHOUT = {"layers": ["buildings"]}
"""What stands for a model's card in what was made of a map."""


def origin_of(path: Path) -> tuple[dict[str, Any], int] | None:
    """Return the provenance in a file of footprints and their number; None without one of ours."""
    read = READERS.get(path.suffix.lower())
    try:
        text, count = (None, 0) if read is None else read(path)
        facts = None if text is None else json.loads(text)
    except (OSError, ValueError, RuntimeError, sqlite3.Error):  # pyogrio's and pyarrow's are these
        return None
    return (facts, count) if isinstance(facts, dict) else None


def _of_package(path: Path) -> tuple[str | None, int]:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
        query = "SELECT metadata FROM gpkg_metadata WHERE md_standard_uri = ?"
        row = file.execute(query, [STANDARD]).fetchone()
        if row is None:
            return None, 0
        layers = json.loads(row[0]).get("model", WITHOUT)["layers"]
        return row[0], sum(count_rows(path, layer) for layer in layers)


def _of_flatgeobuf(path: Path) -> tuple[str | None, int]:
    import pyogrio  # noqa: PLC0415

    metadata = pyogrio.read_info(path)["layer_metadata"] or {}
    return metadata.get("provenance"), count_rows(path)


def _of_geojson(path: Path) -> tuple[str | None, int]:
    with path.open(encoding="utf-8") as file:
        head = file.read(HEAD)
    _, found, rest = head.partition('"provenance": ')
    if not found:
        return None, 0
    return json.dumps(json.JSONDecoder().raw_decode(rest)[0]), count_rows(path)


READERS: dict[str, Callable[[Path], tuple[str | None, int]]] = {
    ".gpkg": _of_package,
    ".parquet": read_geoparquet_head,
    ".fgb": _of_flatgeobuf,
    ".geojson": _of_geojson,
}
