"""Footprints in a GeoPackage, read back some at a time, to be copied into other kinds of files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import geopandas as gpd
    from pyproj import CRS

BATCH = 10_000
"""Rows that are copied at a time."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A layer of footprints that was written, to be copied into another kind of file."""

    package: Path
    """The GeoPackage."""
    layer: str
    """Name of its table."""
    crs: CRS | None
    """Of the geometry, as exactly as it is known."""
    facts: Mapping[str, object]
    """Provenance."""

    @property
    def provenance(self) -> str:
        """The facts as one line of JSON."""
        return json.dumps(self.facts, sort_keys=True, ensure_ascii=False)

    @property
    def count(self) -> int:
        """Number of its rows."""
        return count_rows(self.package, self.layer)

    def tables(self) -> Iterator[gpd.GeoDataFrame]:
        """Yield the rows in order, some at a time."""
        import pyogrio  # noqa: PLC0415

        for start in range(0, self.count, BATCH):
            part = f"fid > {start} AND fid <= {start + BATCH}"  # fids count from 1
            yield pyogrio.read_dataframe(self.package, layer=self.layer, where=part)


def count_rows(path: Path, layer: str | None = None) -> int:
    """Return the number of rows of a layer of any vector file, counted."""
    import pyogrio  # noqa: PLC0415

    return int(pyogrio.read_info(path, layer=layer, force_feature_count=True)["features"])
