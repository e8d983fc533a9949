"""The kinds of vector files: which there are, what each needs, how it is made from a GeoPackage.

Footprints are written once, as a GeoPackage; every other kind is copied from it, batch by batch,
so that all hold the same rows.
"""

from __future__ import annotations

import sqlite3
import warnings
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from geounet.errors import GeounetWarning, OptionError, OutputError
from geounet.footprints.geojson import LONLAT, write_geojson
from geounet.footprints.geopackage import GEOMETRY
from geounet.footprints.geoparquet import write_geoparquet
from geounet.footprints.stored import BATCH, count_rows
from geounet.gdal import cause

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pyproj import CRS

    from geounet.footprints.stored import Stored

SUFFIXES = (".gpkg", ".parquet", ".fgb", ".geojson", ".shp")
"""Kinds of vector files, by their suffix; the first is the default."""

NAME_LIMIT = 10
"""Characters of a column's name in a shapefile."""

GDAL_KINDS = {
    ".fgb": ("FlatGeobuf", {"SPATIAL_INDEX": "YES"}),
    ".shp": ("ESRI Shapefile", {"ENCODING": "UTF-8", "2GB_LIMIT": "YES"}),
}
"""Driver and options of what GDAL copies alone."""

WRITERS = {".parquet": write_geoparquet, ".geojson": write_geojson}
"""What copies the others."""


def check_formats(paths: Sequence[Path], crs: CRS | None, *, asked: bool) -> None:
    """Refuse kinds of files that could not hold the rows; warn of what a shapefile leaves out.

    Args:
        paths: vector files to be written.
        crs: of the rows.
        asked: whether the user chose that CRS.

    Raises:
        OptionError: GeoJSON without a CRS, or in another than its own; a package is missing.
    """
    kinds = {path.suffix.lower(): path for path in paths}
    if ".parquet" in kinds and find_spec("pyarrow") is None:
        raise OptionError(
            f"{kinds['.parquet']}: pyarrow writes GeoParquet and is not installed; "
            "run: pip install 'geounet[parquet]'"
        )
    if ".geojson" in kinds:
        _check_geojson(kinds[".geojson"], crs, asked=asked and len(kinds) == 1)
    if ".shp" in kinds:
        warnings.warn(
            f"{kinds['.shp']}: a shapefile cuts names of columns to {NAME_LIMIT} characters, ends "
            "at 2 GB and holds no style, coverage or provenance; .gpkg has no such limits",
            GeounetWarning,
            stacklevel=4,
        )


def convert(stored: Sequence[Stored], path: Path) -> None:
    """Write footprints as another kind of file, chosen by its suffix.

    Args:
        stored: layers of a GeoPackage, which become the one layer of the file.
        path: file that does not exist yet; the caller stages it.

    Raises:
        OutputError: when the file cannot be written.
    """
    from pyogrio.errors import DataLayerError, DataSourceError  # noqa: PLC0415

    try:
        with _joined(stored, path) as rows:
            WRITERS.get(path.suffix.lower(), _copy)(rows, path)
    except (DataSourceError, DataLayerError, sqlite3.Error, OSError) as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{path}: cannot be written ({cause(error)}); check free space and permissions"
        ) from error


def _check_geojson(path: Path, crs: CRS | None, *, asked: bool) -> None:
    if crs is None:
        raise OptionError(
            f"{path}: GeoJSON holds longitudes and latitudes, the raster has no CRS; write .gpkg"
        )
    if asked and not crs.equals(LONLAT, ignore_axis_order=True):
        raise OptionError(
            f"{path}: GeoJSON is always in EPSG:4326 (got --crs {crs.name}); "
            "leave --crs out, or write .gpkg"
        )


@contextmanager
def _joined(stored: Sequence[Stored], path: Path) -> Iterator[Stored]:
    """Yield the one layer, or all in one beside the file, with ids that count through."""
    if len(stored) == 1:
        yield stored[0]
        return
    one = replace(stored[0], package=path.with_suffix(".joined.gpkg"), layer="footprints")
    try:
        options = {"driver": "GPKG", "layer": one.layer, "SPATIAL_INDEX": "NO"}
        for each in stored:  # an index would be kept by functions that only GDAL has
            _stream(each, one.package, append=each != stored[0], **options)
        with closing(sqlite3.connect(one.package)) as file, file:
            file.execute("UPDATE footprints SET id = fid - 1")
        yield one
    finally:
        one.package.unlink(missing_ok=True)


def _copy(rows: Stored, path: Path) -> None:
    """Have GDAL copy a layer, and look whether all of it has arrived."""
    driver, options = GDAL_KINDS[path.suffix.lower()]
    extras: dict[str, Any] = {}
    if driver == "FlatGeobuf":
        extras = {"layer": rows.layer, "layer_metadata": {"provenance": rows.provenance}}
    _stream(rows, path, driver=driver, layer_options=options, **extras)
    found, expected = count_rows(path), rows.count
    if found != expected:
        raise OutputError(f"{path}: holds {found} of {expected} rows; check the disk")


def _stream(rows: Stored, path: Path, **options: Any) -> None:  # noqa: ANN401  pyogrio's own
    """Let the batches of a layer pass from GDAL to GDAL."""
    import pyogrio  # noqa: PLC0415 - it brings pandas: not before the network has begun

    with (
        pyogrio.open_arrow(rows.package, layer=rows.layer, batch_size=BATCH) as (_, batches),
        warnings.catch_warnings(),
    ):
        warnings.filterwarnings("ignore", "Normalized/laundered field name", RuntimeWarning)
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        crs = None if rows.crs is None else rows.crs.to_wkt()
        pyogrio.write_arrow(
            batches, path, geometry_name=GEOMETRY, geometry_type="Polygon", crs=crs, **options
        )
