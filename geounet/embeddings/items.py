"""Embeddings as they lie in a file: vectors beside what each of them is of."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import CRS

from geounet.embeddings.prepare import forget
from geounet.errors import OptionError
from geounet.gdal import cause

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa
    from numpy.typing import NDArray
    from pyarrow import parquet

SUFFIXES = (".parquet", ".npy")

VECTORS = "embedding"
"""Column that is read unless another is asked for."""

PARTS = {"geometry", "id", "source", "thumbnail", "bbox", "cluster", "silhouette", "name"}
"""Columns with a meaning of their own; further columns of numbers are shown as they are."""

IN_MEMORY = 2**29
"""Bytes of vectors that are held; more are laid in a file and mapped."""

_BATCH = 4096


@dataclass(frozen=True, kw_only=True)
class Items:
    """What there is to cluster, row by row."""

    vectors: NDArray[np.float32]
    """`(n, d)`, in memory or mapped."""
    ids: NDArray[np.int64]
    """`(n,)`"""
    shapes: pa.ChunkedArray | None = None
    """Polygons as WKB; None = items without a place."""
    crs: CRS | None = None
    """Of the polygons."""
    source: NDArray[np.object_] | None = None
    """`(n,)` text: the raster each item is of."""
    thumbnails: NDArray[np.object_] | None = None
    """`(n,)` names of pictures, None where an item has none."""
    numbers: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Further columns, `(n,)` each."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """How the embeddings were made."""

    def polygons(self, rows: NDArray[np.int64]) -> NDArray[np.object_]:
        """Return the polygons of some items.

        Raises:
            OptionError: one is missing, or no polygon.
        """
        assert self.shapes is not None
        found = np.asarray(shapely.from_wkb(self.shapes.take(rows).to_numpy(zero_copy_only=False)))
        bad = shapely.get_type_id(found) != shapely.GeometryType.POLYGON
        if bad.any():
            row = int(rows[bad.argmax()])
            raise OptionError(
                f"item {self.ids[row]} must be a polygon, got {found[bad.argmax()]!r:.40}"
            )
        return found


def read_items(path: Path, columns: Sequence[str], spool: Path) -> Items:
    """Return the items of a file.

    Args:
        path: GeoParquet of `geounet embed`, or `.npy` of vectors alone.
        columns: of vectors, laid side by side.
        spool: a folder for vectors that are too many for memory.

    Raises:
        OptionError: the file is none, or lacks a column.
    """
    try:
        if path.suffix.lower() == ".npy":
            return _read_plain(path)
        return _read_parquet(path, columns, spool)
    except (OSError, ValueError) as error:
        if isinstance(error, OptionError):
            raise
        raise OptionError(
            f"{path}: cannot be read as {path.suffix[1:].lower()} ({cause(error)}); it is damaged, "
            "cut off, or another kind of file"
        ) from error


def _read_plain(path: Path) -> Items:
    vectors = np.load(path, mmap_mode="r")
    if vectors.ndim < 2 or vectors.dtype.kind not in "fiu":  # noqa: PLR2004
        raise OptionError(
            f"{path}: holds {vectors.dtype} of shape {vectors.shape}, expected a row an item"
        )
    flat = vectors.reshape(len(vectors), -1)
    return Items(vectors=flat, ids=np.arange(len(flat)))


def _read_parquet(path: Path, columns: Sequence[str], spool: Path) -> Items:
    from pyarrow import parquet  # noqa: PLC0415 - optional

    with parquet.ParquetFile(path, pre_buffer=False) as file:  # else it is held whole
        schema, told = file.schema_arrow, file.metadata.metadata or {}
        widths = [_width(path, schema, name) for name in columns]
        if not file.metadata.num_rows:
            raise OptionError(f"{path}: holds no items; nothing to cluster")
        numbers = [each.name for each in schema if _is_number(each) and each.name not in PARTS]
        known = [name for name in ("id", "geometry", "source", "thumbnail") if name in schema.names]
        table = file.read(columns=[*known, *numbers])
        vectors = _read_vectors(file, dict(zip(columns, widths, strict=True)), spool)
    crs, facts = _facts(told)
    return Items(
        vectors=vectors,
        ids=_ids(path, table),
        shapes=table["geometry"] if "geometry" in known else None,
        crs=crs,
        source=_text(table, "source"),
        thumbnails=_text(table, "thumbnail"),
        numbers={name: table[name].to_numpy().astype(np.float64) for name in numbers},
        facts=facts,
    )


def _width(path: Path, schema: pa.Schema, name: str) -> int:
    """Return how long the vectors of a column are."""
    import pyarrow as pa  # noqa: PLC0415

    if name not in schema.names:
        lists = [each.name for each in schema if pa.types.is_fixed_size_list(each.type)]
        raise OptionError(
            f"{path}: has no column {name!r} (vectors: {', '.join(lists) or 'none'}; expected what "
            "geounet embed writes)"
        )
    kind = schema.field(name).type
    if not pa.types.is_fixed_size_list(kind) or not pa.types.is_floating(kind.value_type):
        raise OptionError(
            f"{path}: column {name!r} is {kind}, expected lists of floats of one size"
        )
    return int(kind.list_size)


def _is_number(column: pa.Field) -> bool:
    import pyarrow as pa  # noqa: PLC0415

    kind = column.type
    return any(is_one(kind) for is_one in (pa.types.is_floating, pa.types.is_integer))


def _ids(path: Path, table: pa.Table) -> NDArray[np.int64]:
    if "id" not in table.column_names:
        return np.arange(table.num_rows)
    ids = table["id"].to_numpy()
    if ids.dtype.kind not in "iu" or len(np.unique(ids)) != len(ids):
        raise OptionError(f"{path}: column 'id' must hold whole numbers, each once")
    return np.asarray(ids, np.int64)


def _read_vectors(
    file: parquet.ParquetFile, widths: dict[str, int], spool: Path
) -> NDArray[np.float32]:
    """Read lists of floats batch by batch; a missing one is no number."""
    shape = file.metadata.num_rows, sum(widths.values())
    if shape[0] * shape[1] * 4 <= IN_MEMORY:
        vectors = np.empty(shape, np.float32)
    else:
        vectors = np.lib.format.open_memmap(spool / "vectors.npy", "w+", np.float32, shape)
    row = 0
    few = max(min(_BATCH, 2**24 // shape[1]), 1)
    for batch in file.iter_batches(batch_size=few, columns=list(widths)):
        left = 0
        for name, width in widths.items():
            into = vectors[row : row + len(batch), left : left + width]
            column = batch.column(batch.schema.get_field_index(name))
            there = np.asarray(column.is_valid())
            into[~there] = np.nan
            into[there] = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, width)
            left += width
        row += len(batch)
        forget(vectors)
    return vectors


def _text(table: pa.Table, name: str) -> NDArray[np.object_] | None:
    if name not in table.column_names:
        return None
    found: NDArray[np.object_] = table[name].to_numpy()
    return found


def _facts(metadata: Mapping[bytes, bytes]) -> tuple[CRS | None, Mapping[str, Any]]:
    """Return the CRS and the provenance that a file names; GeoParquet's default without one."""
    column = json.loads(metadata.get(b"geo", b"{}")).get("columns", {}).get("geometry", {})
    named = column.get("crs", "OGC:CRS84")
    facts = json.loads(metadata.get(b"geounet", b"{}"))
    return None if named is None else CRS.from_user_input(named), facts
