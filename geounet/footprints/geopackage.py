"""Write tables into a GeoPackage that QGIS shows styled, with the story of how they were made.

The file is written in place: whoever calls stages it and renames it when it is whole.
"""

from __future__ import annotations

import json
import sqlite3
import warnings
from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geounet.errors import GeounetError, OutputError
from geounet.gdal import cause

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    import geopandas as gpd

GEOMETRY = "geom"
"""Name of the geometry column."""

MOMENT = "2000-01-01T00:00:00.000Z"
"""Stands wherever the format wants a time, so that equal runs give equal tables."""

STANDARD = "urn:geounet:provenance"
"""What the provenance follows."""

STYLES = """
CREATE TABLE IF NOT EXISTS layer_styles (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    f_table_catalog TEXT(256), f_table_schema TEXT(256), f_table_name TEXT(256),
    f_geometry_column TEXT(256), styleName TEXT(30), styleQML TEXT, styleSLD TEXT,
    useAsDefault BOOLEAN, description TEXT, owner TEXT(30), ui TEXT(30),
    update_time DATETIME DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')))
"""

METADATA = """
CREATE TABLE IF NOT EXISTS gpkg_extensions (
    table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL,
    scope TEXT NOT NULL, CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name));
CREATE TABLE gpkg_metadata (
    id INTEGER CONSTRAINT m_pk PRIMARY KEY ASC NOT NULL,
    md_scope TEXT NOT NULL DEFAULT 'dataset', md_standard_uri TEXT NOT NULL,
    mime_type TEXT NOT NULL DEFAULT 'text/xml', metadata TEXT NOT NULL DEFAULT '');
CREATE TABLE gpkg_metadata_reference (
    reference_scope TEXT NOT NULL, table_name TEXT, column_name TEXT, row_id_value INTEGER,
    timestamp DATETIME NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ','now')),
    md_file_id INTEGER NOT NULL, md_parent_id INTEGER,
    CONSTRAINT crmr_mfi_fk FOREIGN KEY (md_file_id) REFERENCES gpkg_metadata(id),
    CONSTRAINT crmr_mpi_fk FOREIGN KEY (md_parent_id) REFERENCES gpkg_metadata(id));
"""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer to write."""

    name: str
    """Name of its table."""
    chunks: Iterable[gpd.GeoDataFrame]
    """Its rows, polygons, in order; read once."""
    empty: gpd.GeoDataFrame
    """A table without rows, for columns, types and CRS where no chunk comes."""
    title: str = ""
    """What a reader sees as its name."""
    description: str = ""
    """One sentence."""
    style: str | None = None
    """QML that QGIS applies on opening."""


def write_layers(
    path: Path, layers: Sequence[Layer], provenance: Mapping[str, object]
) -> dict[str, int]:
    """Write a new GeoPackage and return the number of rows of each layer.

    Args:
        path: file that does not exist yet.
        layers: layers in the order in which they are listed.
        provenance: what made the file, kept as JSON in its metadata.

    Raises:
        OutputError: when the file cannot be written.
    """
    from pyogrio.errors import DataLayerError, DataSourceError  # noqa: PLC0415

    try:
        counts = {layer.name: _write_layer(path, layer) for layer in layers}
        with closing(sqlite3.connect(path)) as file, file:
            _write_styles(file, layers)
            _write_provenance(file, provenance)
            file.execute("UPDATE gpkg_contents SET last_change = ?", [MOMENT])
    except GeounetError:
        raise
    except (DataSourceError, DataLayerError, sqlite3.Error, OSError) as error:
        raise OutputError(
            f"{path}: cannot be written ({cause(error)}); check free space and permissions"
        ) from error
    return counts


def _write_layer(path: Path, layer: Layer) -> int:
    count, started = 0, False
    for chunk in layer.chunks:
        if len(chunk) or not started:
            _write_chunk(path, layer, chunk, append=started)
            count, started = count + len(chunk), True
    if not started:
        _write_chunk(path, layer, layer.empty, append=False)
    return count


def _write_chunk(path: Path, layer: Layer, chunk: gpd.GeoDataFrame, *, append: bool) -> None:
    import pyogrio  # noqa: PLC0415 - it brings pandas: not before the network has begun

    made = {
        "dataset_options": {"VERSION": "1.3"},  # later ones warn in GDAL up to 3.6
        "layer_options": {
            "GEOMETRY_NAME": GEOMETRY,
            "IDENTIFIER": layer.title or layer.name,
            "DESCRIPTION": layer.description,
            "SPATIAL_INDEX": "YES",
        },
    }
    with warnings.catch_warnings() if chunk.crs is None else nullcontext():
        if chunk.crs is None:  # we know; else the filters, which all threads share, stay alone
            warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        pyogrio.write_dataframe(
            chunk,
            path,
            layer=layer.name,
            driver="GPKG",
            geometry_type="Polygon",
            append=append,
            **({} if append else made),
        )


def _write_styles(file: sqlite3.Connection, layers: Sequence[Layer]) -> None:
    styled = [layer for layer in layers if layer.style is not None]
    if not styled:
        return
    file.execute(STYLES)
    file.execute(
        "INSERT INTO gpkg_contents (table_name, data_type, identifier, description, last_change, "
        "srs_id) VALUES ('layer_styles', 'attributes', 'layer_styles', '', ?, 0)",
        [MOMENT],
    )
    file.executemany(
        "INSERT INTO layer_styles (f_table_catalog, f_table_schema, f_table_name, "
        "f_geometry_column, styleName, styleQML, styleSLD, useAsDefault, description, owner, "
        "update_time) VALUES ('', '', ?, ?, ?, ?, '', 1, ?, '', ?)",  # QGIS asks for schema ''
        [
            (layer.name, GEOMETRY, layer.name[:30], layer.style, "geounet default", MOMENT)
            for layer in styled
        ],
    )


def _write_provenance(file: sqlite3.Connection, provenance: Mapping[str, object]) -> None:
    file.executescript(METADATA)
    text = json.dumps(provenance, sort_keys=True, ensure_ascii=False)
    file.execute(
        "INSERT INTO gpkg_metadata VALUES (1, 'dataset', ?, 'application/json', ?)",
        [STANDARD, text],
    )
    file.execute(
        "INSERT INTO gpkg_metadata_reference VALUES ('geopackage', NULL, NULL, NULL, ?, 1, NULL)",
        [MOMENT],
    )
    defined = "http://www.geopackage.org/spec120/#extension_metadata"
    file.executemany(
        "INSERT INTO gpkg_extensions VALUES (?, NULL, 'gpkg_metadata', ?, 'read-write')",
        [("gpkg_metadata", defined), ("gpkg_metadata_reference", defined)],
    )
