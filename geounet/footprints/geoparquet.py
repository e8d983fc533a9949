"""Footprints as GeoParquet 1.1: with a box a row, so that a part is read without the rest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from geounet.errors import OutputError
from geounet.footprints.stored import BATCH

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray
    from pyproj import CRS

    from geounet.footprints.stored import Stored

VERSION = "1.1.0"
GEOMETRY = "geometry"
BOX = "bbox"
CORNERS = ("xmin", "ymin", "xmax", "ymax")

PROVENANCE = "geounet"
"""Key of the provenance beside the `geo` of the standard."""


def read_geoparquet_head(path: Path) -> tuple[str | None, int]:
    """Return the provenance in a file, if it has one, and its number of rows."""
    from pyarrow import parquet  # noqa: PLC0415

    head = parquet.read_metadata(path)
    text = (head.metadata or {}).get(PROVENANCE.encode())
    return None if text is None else text.decode(), int(head.num_rows)


def write_geoparquet(rows: Stored, path: Path) -> None:
    """Write a layer in its order, one row group a batch.

    Raises:
        OutputError: not all rows have arrived.
    """
    import pyarrow as pa  # noqa: PLC0415 - optional
    import pyogrio  # noqa: PLC0415
    from pyarrow import parquet  # noqa: PLC0415

    extent = np.array([np.inf, np.inf, -np.inf, -np.inf])
    opened = pyogrio.open_arrow(rows.package, layer=rows.layer, batch_size=BATCH, use_pyarrow=True)
    with opened as (meta, batches):
        name = meta["geometry_name"]
        schema = _schema(batches.schema, name)
        with parquet.ParquetWriter(
            path, schema, compression="zstd", use_dictionary=["class", "source"]
        ) as file:
            for batch in batches:
                bounds = shapely.bounds(shapely.from_wkb(np.asarray(batch[name])))
                boxes = pa.StructArray.from_arrays(list(bounds.T), names=CORNERS)
                file.write_table(pa.Table.from_arrays([*batch.columns, boxes], schema=schema))
                extent[:2] = np.minimum(extent[:2], bounds[:, :2].min(axis=0))
                extent[2:] = np.maximum(extent[2:], bounds[:, 2:].max(axis=0))
            geo = json.dumps(metadata(rows.crs, extent if np.isfinite(extent).all() else None))
            file.add_key_value_metadata({"geo": geo, PROVENANCE: rows.provenance})
    found, expected = parquet.read_metadata(path).num_rows, rows.count
    if found != expected:
        raise OutputError(f"{path}: holds {found} of {expected} rows; check the disk")


def metadata(crs: CRS | None, extent: NDArray[np.float64] | None) -> dict[str, Any]:
    """Return the metadata of the standard.

    Args:
        crs: of the coordinates; None = not known, which the standard writes as null.
        extent: min x, min y, max x, max y; None without a row.
    """
    column = {
        "encoding": "WKB",
        "geometry_types": ["Polygon"],
        "crs": None if crs is None else crs.to_json_dict(),
        "edges": "planar",
        "covering": {"bbox": {corner: [BOX, corner] for corner in CORNERS}},
    }
    if extent is not None:
        column["bbox"] = extent.tolist()
    return {"version": VERSION, "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}


def _schema(found: pa.Schema, geometry: str) -> pa.Schema:
    """Return the columns of a layer, the geometry under its own name, and the boxes."""
    import pyarrow as pa  # noqa: PLC0415

    fields = [
        pa.field(GEOMETRY if each.name == geometry else each.name, each.type) for each in found
    ]
    box = pa.struct([(corner, pa.float64()) for corner in CORNERS])
    return pa.schema([*fields, (BOX, box)])
