"""Which cells are whose: consecutive ones, by how much data they hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from geounet.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.grid import Cell
    from geounet.walk import Walk

DATA, NOTHING = 100, 1
"""What a tile with data weighs, and one without."""


@dataclass(frozen=True)
class Share:
    """One of so many; the first is 1."""

    number: int
    """Which one."""
    of: int
    """How many there are."""

    def __post_init__(self) -> None:
        """Refuse a number that is none of them."""
        if not 1 <= self.number <= self.of:
            raise OptionError(
                f"a shard is I/N with I from 1 to N, got {self.number}/{self.of}; try 1/{self.of}"
                if self.of > 0
                else f"a shard is I/N with N at least 1, got {self.number}/{self.of}; try 1/1"
            )

    @classmethod
    def parse(cls, words: str) -> Share:
        """Return what `I/N` means."""
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", words.strip())
        if found is None:
            raise OptionError(f"a shard is I/N, got {words!r}; try 1/4")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        """Return it as it is typed."""
        return f"{self.number}/{self.of}"

    @property
    def name(self) -> str:
        """Of its part, without a suffix."""
        return f"{self.number}-of-{self.of}"


def cells_of(walk: Walk, share: Share) -> list[Cell]:
    """Return a share of the cells, in the order of work.

    All shares together are all cells, each once; which are whose follows from the raster, the
    plan and the number of shares alone.
    """
    cells = list(walk.plan.grid.cells())
    weights = [_weight(walk, cell) for cell in cells]
    return [
        cell
        for cell, owner in zip(cells, owners(weights, share.of), strict=True)
        if owner == share.number
    ]


def owners(weights: Sequence[int], shares: int) -> list[int]:
    """Return for each of some things in a row the number of the share it belongs to, ascending.

    Args:
        weights: of each, at least 1.
        shares: how many there are; some get nothing where there are more than things.
    """
    total = sum(weights)
    ends = accumulate(weights, initial=0)
    middles = (before + after for before, after in pairwise(ends))  # doubled
    return [middle * shares // (2 * total) + 1 for middle in middles]


def _weight(walk: Walk, cell: Cell) -> int:
    tiles = (walk.plan.grid.at(cell.row, col).core for col in cell.cols)
    return sum(DATA if walk.reader.holds_data(core) else NOTHING for core in tiles)
