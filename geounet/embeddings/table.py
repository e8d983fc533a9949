"""Embeddings as GeoParquet: a vector and a polygon a row, in batches, always the same bytes."""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import shapely

from geounet.errors import OptionError
from geounet.footprints.geoparquet import GEOMETRY, PROVENANCE, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    import pyarrow as pa
    from numpy.typing import NDArray
    from pyproj import CRS

    Floats = NDArray[np.float32]

SUFFIXES = (".parquet",)


class Table:
    """Owner of a file in the making; its columns are those of the first batch."""

    def __init__(self, path: Path, crs: CRS | None, facts: Mapping[str, Any]) -> None:
        """Name the file, which the first rows make.

        Args:
            path: where to; the caller stages it.
            crs: of the polygons.
            facts: provenance, stored under the key `geounet`.
        """
        self._path, self._crs, self._facts = path, crs, facts
        self._file: Any = None
        self._extent = np.array([np.inf, np.inf, -np.inf, -np.inf])
        self.count = 0

    def add(
        self,
        shapes: NDArray[Any],
        vectors: Mapping[str, Floats],
        texts: Mapping[str, Sequence[str | None]],
        numbers: Mapping[str, NDArray[Any]],
    ) -> None:
        """Write some rows.

        Args:
            shapes: `(n,)` polygons.
            vectors: `(n, d)` by column; one that is not a number throughout is stored as missing.
            texts: by column.
            numbers: `(n,)` by column.
        """
        import pyarrow as pa  # noqa: PLC0415 - optional

        ids = np.arange(self.count, self.count + len(shapes), dtype=np.int64)
        columns: dict[str, Any] = {"id": ids, GEOMETRY: shapely.to_wkb(shapes)}
        columns |= {name: _lists(each) for name, each in vectors.items()}
        columns |= {name: pa.array(each, pa.string()) for name, each in texts.items()}
        columns |= numbers
        rows = pa.table(columns)
        if self._file is None:
            self._file = _opened(self._path, rows.schema)
        self._file.write_table(rows, row_group_size=max(len(rows), 1))
        bounds = np.vstack([self._extent, shapely.bounds(shapes)])
        self._extent = np.concatenate([bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)])
        self.count += len(shapes)

    def __enter__(self) -> Self:
        """Return the table itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write what the file says of itself, and close it."""
        if kind is not None:
            if self._file is not None:
                self._file.close()
            return
        if self._file is None:  # nothing was seen: the columns alone
            empty: dict[str, list[str | None]] = {"source": [], "thumbnail": []}
            self.add(np.empty(0, object), {"embedding": np.empty((0, 1), np.float32)}, empty, {})
        geo = metadata(self._crs, self._extent if np.isfinite(self._extent).all() else None)
        del geo["columns"][GEOMETRY]["covering"]  # there is no column of boxes
        told = json.dumps(self._facts, sort_keys=True, ensure_ascii=False)
        self._file.add_key_value_metadata({"geo": json.dumps(geo), PROVENANCE: told})
        self._file.close()


def check_installed(path: Path) -> None:
    """Refuse to begin without what writes the file.

    Raises:
        OptionError: pyarrow is missing.
    """
    if find_spec("pyarrow") is None:
        raise OptionError(
            f"{path}: pyarrow writes GeoParquet and is not installed; "
            "run: pip install 'geounet[embeddings]'"
        )


def _opened(path: Path, schema: pa.Schema) -> Any:  # noqa: ANN401 - pyarrow has no types
    from pyarrow import parquet  # noqa: PLC0415

    texts = [each.name for each in schema if each.name == "source"]
    return parquet.ParquetWriter(path, schema, compression="zstd", use_dictionary=texts)


def _lists(vectors: Floats) -> pa.Array:
    import pyarrow as pa  # noqa: PLC0415

    values = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
    missing = pa.array(np.isnan(vectors).all(axis=1))
    return pa.FixedSizeListArray.from_arrays(values, vectors.shape[1], mask=missing)
