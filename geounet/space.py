"""What a run takes of its disks, reckoned before it starts."""

from __future__ import annotations

import shutil
import warnings
from collections import defaultdict
from typing import TYPE_CHECKING

from geounet.errors import GeounetWarning, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from geounet.order import Order

CELLS = 0.06
"""Bytes a pixel that finished cells take in the state; q takes one a class beside."""

PROBABILITY, MASK, RUNS = 1.4, 0.1, 0.1
"""Bytes a pixel of an output that is wanted, with what it is made of; a class, the first."""

VECTORS = 0.06
"""Bytes a pixel of each file of footprints, with what waits for it."""

LEAST = 200_000
"""Bytes of the smallest output: nothing fits into less."""


def check_space(needed: Iterable[tuple[Path, int]]) -> None:
    """Refuse to start where not even an empty result has room; warn where it may get short.

    Args:
        needed: outputs, and the bytes that each takes.

    Raises:
        OutputError: a disk is full.
    """
    needs: dict[int, int] = defaultdict(int)
    counts: dict[int, int] = defaultdict(int)
    places: dict[int, Path] = {}
    for path, need in needed:
        disk = path.parent.stat().st_dev
        places.setdefault(disk, path)
        needs[disk], counts[disk] = needs[disk] + need, counts[disk] + 1
    for disk, path in places.items():
        free = shutil.disk_usage(path.parent).free
        if free < LEAST * counts[disk]:
            raise OutputError(
                f"{path}: its disk is full ({free / 1e6:.1f} MB are free, about "
                f"{_words(needs[disk])} are needed); free some space or choose another place"
            )
        if free < needs[disk]:
            warnings.warn(
                f"{path}: the run may need {_words(needs[disk])} on this disk while it goes on, "
                f"{_words(free)} are free; should it end there, make room and --resume",
                GeounetWarning,
                stacklevel=3,
            )


def needs(order: Order) -> Iterator[tuple[Path, int]]:
    """Yield each output with the bytes it takes; what waits is counted with the footprints."""
    targets, classes = order.targets, order.plan.classes
    share = 1.0 if order.info.sheets is None else order.info.sheets.share
    pixels = order.info.height * order.info.width * share
    waiting = CELLS + (classes if order.wants_q else 0)
    yield targets.footprints, round(pixels * (waiting + VECTORS))
    for path in targets.also:
        yield path, round(pixels * VECTORS)
    sides = (
        (targets.probability, PROBABILITY * classes),
        (targets.mask, MASK),
        (targets.rle, RUNS),
    )
    for side, share in sides:
        if side is not None:
            yield side, round(pixels * share)


def _words(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"  # noqa: PLR2004
