"""What a run takes of its disks, reckoned before it starts."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import dataclass, replace
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


@dataclass(frozen=True)
class Disk:
    """What a run takes of one disk."""

    path: Path
    """The first output there."""
    free: int
    """Bytes that are free."""
    need: int = 0
    """Bytes that the run may take while it goes on."""
    files: int = 0
    """Outputs there."""


def check_space(needed: Iterable[tuple[Path, int]]) -> None:
    """Refuse to start where not even an empty result has room; warn where it may get short.

    Args:
        needed: outputs, and the bytes that each takes.

    Raises:
        OutputError: a disk is full.
    """
    for disk in disks(needed):
        if disk.free < LEAST * disk.files:
            raise OutputError(
                f"{disk.path}: its disk is full ({disk.free / 1e6:.1f} MB are free, about "
                f"{amount(disk.need)} are needed); free some space or choose another place"
            )
        if disk.free < disk.need:
            warnings.warn(
                f"{disk.path}: the run may need {amount(disk.need)} on this disk while it goes on, "
                f"{amount(disk.free)} are free; should it end there, make room and --resume",
                GeounetWarning,
                stacklevel=3,
            )


def disks(needed: Iterable[tuple[Path, int]]) -> list[Disk]:
    """Return what a run takes of each disk it writes to.

    Args:
        needed: outputs, and the bytes that each takes.
    """
    found: dict[int, Disk] = {}
    for path, need in needed:
        number = path.parent.stat().st_dev
        disk = found.get(number) or Disk(path, shutil.disk_usage(path.parent).free)
        found[number] = replace(disk, need=disk.need + need, files=disk.files + 1)
    return list(found.values())


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


def amount(size: float) -> str:
    """Return bytes in words."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"  # noqa: PLR2004
