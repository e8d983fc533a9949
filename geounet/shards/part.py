"""A part: one file that holds a share of a run's cells, and what the run is; checked as a whole."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from geounet.errors import PartError
from geounet.journal import packed, unpacked
from geounet.records import Record, Records
from geounet.shards.run import Run
from geounet.shards.share import Share
from geounet.walk import nothing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from geounet.area import Area
    from geounet.grid import Cell
    from geounet.walk import Segment

SUFFIX = ".part"
FORMAT = 1
"""Of the file; another one is no part."""

NOWHERE = 2**32 - 1
"""Row and band of the first record: it is no cell, but says what the part is."""

FASTEST = 1
"""Level of zlib for the probability."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What making a part took."""

    tiles: int
    """Tiles the network saw."""
    skipped: int
    """Tiles without data."""
    pixels: int
    """Pixels of its cells."""
    seconds: dict[str, float]
    """Wall time of each stage."""
    device: str
    """Where the network ran."""


@dataclass(frozen=True)
class Part:
    """A part that was read once, and found whole."""

    path: Path
    """Of the file."""
    share: Share
    """Which one it is."""
    run: Run
    """What it is of."""
    work: Work
    """What it took."""
    records: dict[tuple[int, int], Record]
    """Row and band of each cell, and where it stands in the file."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return a part, each of its bytes checked.

        Raises:
            PartError: it is none, or damaged.
        """
        try:
            with Records(path, finished=True) as file:
                head, *cells = file.all()
                if (head.row, head.band) != (NOWHERE, NOWHERE):
                    raise ValueError("does not begin as one")  # noqa: TRY301
                return cls._of(path, json.loads(file.arrays(head)), cells)
        except OSError as error:
            told = (error.strerror or str(error)).lower()
            raise PartError(f"{path}: cannot be read ({told}); check the path") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PartError(
                f"{path}: is damaged, or no part of a run ({_told(error)}); infer its shard again "
                "with --overwrite"
            ) from error

    @classmethod
    def _of(cls, path: Path, words: dict[str, Any], cells: Iterable[Record]) -> Self:
        if words["format"] != FORMAT:
            raise ValueError(f"format {words['format']}, expected {FORMAT}")
        records = {(each.row, each.band): each for each in cells}
        if len(records) != words["cells"]:
            raise ValueError(f"{len(records)} strips, expected {words['cells']}")
        run, work = Run.of_json(words["run"]), Work(**words["work"])
        return cls(path, Share(*words["share"]), run, work, records)

    def take(self, cell: Cell, classes: int, area: Area | None, *, with_q: bool) -> Segment:
        """Return the segment of one of its cells.

        Args:
            cell: of the grid.
            classes: maps of it.
            area: where a result is wanted.
            with_q: with the quantised probability, which the part has.
        """
        record = self.records[cell.row, cell.band]
        if not record.size:
            return nothing(cell, classes, area)
        with Records(self.path, finished=True) as file:
            stream = BytesIO(file.arrays(record))
        segment = unpacked(cell, record, stream)
        if not with_q:
            return segment
        q = np.frombuffer(zlib.decompress(stream.read()), np.uint8)
        return replace(segment, q=q.reshape(classes, int(cell.core.height), int(cell.core.width)))


def write_part(
    path: Path, share: Share, run: Run, work: Work, segments: Iterable[Segment], count: int
) -> None:
    """Write a part to a file that does not exist yet; the caller stages it.

    Args:
        path: of the file.
        share: which one it is.
        run: what it is of.
        work: what it took.
        segments: of its cells; with their q where pixels are wanted.
        count: of its cells.

    Raises:
        OSError: the disk is full or gone.
    """
    words = {"format": FORMAT, "share": [share.number, share.of], "cells": count}
    words |= {"work": asdict(work), "run": run.as_json()}
    with Records(path) as file:
        head = json.dumps(words, ensure_ascii=False).encode()
        file.append(Record(NOWHERE, NOWHERE, 0, 0, 0), head)
        for segment in segments:
            cell, pixels = segment.cell, (segment.valid_pixels, segment.failed_pixels)
            deflated = b"" if segment.q is None else zlib.compress(segment.q.tobytes(), FASTEST)
            file.append(Record(cell.row, cell.band, *pixels, 0), packed(segment) + deflated)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
