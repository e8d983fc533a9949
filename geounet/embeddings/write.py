"""Batches of items → rows of a table, and a picture of each."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet import __version__
from geounet.embeddings.pictures import Pictures, stretch_of
from geounet.embeddings.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from pyproj import CRS

    from geounet.embeddings.embed import Batch
    from geounet.reader import Reader

    Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Writer:
    """A table and its pictures, both open."""

    table: Table
    """Where rows go."""
    pictures: Pictures | None
    """Where pictures go; None = nowhere."""

    def add(self, batches: Iterator[Batch], reader: Reader, ids: Ints | None = None) -> int:
        """Write the items of one raster; return how many.

        Args:
            batches: the items.
            reader: of the grid they lie on.
            ids: of buildings: the number of each in its file, by row.
        """
        stretch = None if self.pictures is None else stretch_of(reader)
        before = self.table.count
        for batch in batches:
            first, count = self.table.count, len(batch.geometry)
            names: list[str | None] = [None] * count
            if self.pictures is not None:
                names = [f"{first + at:08d}.jpg" for at in range(count)]
                for name, box in zip(names, batch.boxes, strict=True):
                    self.pictures.add(str(name), reader, box, stretch)
            texts: dict[str, Sequence[str | None]] = {
                "source": [reader.info.path.name] * count,
                "thumbnail": names,
            }
            self.table.add(batch.geometry, _vectors(batch), texts, _numbers(batch, ids))
        return self.table.count - before


@contextmanager
def writing(
    path: Path, pictures: Path | None, crs: CRS | None, facts: Mapping[str, Any]
) -> Iterator[Writer]:
    """Open a table and its pictures.

    Args:
        path: of the table; the caller stages it.
        pictures: of the ZIP; None = without.
        crs: of the polygons.
        facts: provenance, read when the table is closed.
    """
    with Table(path, crs, facts) as table:
        if pictures is None:
            yield Writer(table, None)
            return
        with Pictures(pictures) as file:
            yield Writer(table, file)


def facts_of(
    model: str, layers: Sequence[str], inputs: Sequence[str], **more: object
) -> dict[str, Any]:
    """Return what a table says of where it comes from.

    Args:
        model: its name.
        layers: whose maps were pooled.
        inputs: identities of the rasters.
        more: gsd, pool, patch or ring, bands and scale as they were asked for.
    """
    return {
        "software": f"geounet {__version__}",
        "model": model,
        "layer": "+".join(layers),
        "gsd": None,
        "inputs": list(inputs),
        **more,
    }


def _vectors(batch: Batch) -> dict[str, NDArray[np.float32]]:
    """The columns of vectors: several layers lie side by side."""
    made = np.hstack(list(batch.vectors.values()))
    if not batch.rings:
        return {"embedding": made}
    rings = np.hstack(list(batch.rings.values()))
    return {"embedding": made, "ring": rings if rings.size else np.full_like(made, np.nan)}


def _numbers(batch: Batch, ids: Ints | None) -> dict[str, NDArray[Any]]:
    if batch.rows is None or batch.valid is None or ids is None:
        return {}
    return {"fid": ids[batch.rows], "valid": batch.valid}
