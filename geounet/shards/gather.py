"""Parts that were named → those of one run, each of its cells once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geounet.errors import PartError
from geounet.prepare import Settled
from geounet.shards.infer import place_of
from geounet.shards.part import SUFFIX, Part
from geounet.shards.shelf import AGREED, shelf_of
from geounet.state import SUFFIX as STATE
from geounet.state import differences

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from geounet.area import Area
    from geounet.grid import Cell, TileGrid
    from geounet.plan import Plan
    from geounet.shards.run import Run
    from geounet.shards.shelf import Shelf
    from geounet.walk import Segment

SHOWN = 6
"""Parts that a message names."""


@dataclass(frozen=True)
class Whole:
    """All cells of a run, each in one part."""

    run: Run
    """What the parts are of."""
    parts: tuple[Part, ...]
    """In the order of their shares."""
    plan: Plan
    """Of the run."""
    area: Area | None
    """Where a result is wanted."""
    owners: dict[tuple[int, int], Part]
    """Row and band of each cell, and the part that holds it."""

    @property
    def grid(self) -> TileGrid:
        """Whose cells they are."""
        return self.plan.grid

    def take(self, cell: Cell, *, with_q: bool = False) -> Segment:
        """Return the segment of a cell."""
        part = self.owners[cell.row, cell.band]
        return part.take(cell, self.plan.classes, self.area, with_q=with_q)


def gather(words: Sequence[str], folder: Path) -> Whole:
    """Return the cells of the parts that were named.

    Args:
        words: parts, folders or URLs of parts, or the output that parts lie beside.
        folder: for those that must be brought here.

    Raises:
        PartError: one is missing, damaged, there twice, or of another run.
    """
    found = [place for word in words for place in _found(word)]
    if not found:
        raise PartError(f"{words[0]}: is no part; name PARTS/*{SUFFIX}, or their folder")
    parts = [Part.read(_brought(*place, folder / str(at))) for at, place in enumerate(found)]
    first = parts[0]
    for other in parts[1:]:
        _check_same(first, other)
    plan = Settled.of_json(first.run.settled).plan
    owners = _owners(parts)
    _check_all(parts, plan.grid, owners)
    ordered = tuple(sorted(parts, key=lambda part: part.share.number))
    return Whole(first.run, ordered, plan, first.run.where, owners)


def _found(word: str) -> list[tuple[Shelf, str]]:
    """Return the parts that a word names, each with the shelf it lies on."""
    place = word
    if "://" not in word:
        path = Path(word)
        if path.is_file() and path.name.endswith(SUFFIX):
            return [(shelf_of(path.parent), path.name)]
        if path.exists() and (path.name == AGREED or path.name.endswith(SUFFIX + STATE)):
            return []  # it lies among them: PARTS/*
        if not path.is_dir():
            place = place_of(path)
    elif word.endswith(SUFFIX):
        place, _, name = word.rpartition("/")
        return [(shelf_of(place), name)]
    shelf = shelf_of(place)
    names = [each for each in shelf.names() if each.endswith(SUFFIX) and each[0] != "."]
    if not names:
        raise PartError(
            f"{word}: holds no part (expected what geounet predict --shard wrote: FILE{SUFFIX}, or "
            "the folder of them); check the path"
        )
    return [(shelf, name) for name in names]


def _brought(shelf: Shelf, name: str, folder: Path) -> Path:
    folder.mkdir()
    return shelf.fetch(name, folder)


def _check_same(first: Part, other: Part) -> None:
    """Refuse a part of another run, with the difference."""
    one, two = first.run, other.run
    changes = differences(one.key, two.key)
    if changes:
        raise PartError(
            f"{other.path}: is of another run than {first.path.name} ({'; '.join(changes)}); "
            "merge the parts of one run"
        )
    changes = differences(_flat(one.settled), _flat(two.settled))
    if changes:
        raise PartError(
            f"{other.path}: was settled otherwise than {first.path.name} ({'; '.join(changes)}); "
            "give all shards one --parts, or the same --backend, --precision, --device, --tile, "
            "--halo and --batch-size"
        )
    changes = differences(_flat(one.as_json()), _flat(two.as_json()))
    if changes:
        raise PartError(f"{other.path}: differs from {first.path.name} ({'; '.join(changes)})")


def _flat(words: dict[str, Any], group: str = "") -> dict[str, Any]:
    """Return words of words as one, each by its group and its name."""
    flat: dict[str, Any] = {}
    for name, word in words.items():
        at = f"{group}{name}"
        flat |= _flat(word, f"{at}.") if isinstance(word, dict) else {at: word}
    return flat


def _owners(parts: Iterable[Part]) -> dict[tuple[int, int], Part]:
    owners: dict[tuple[int, int], Part] = {}
    for part in parts:
        for at in part.records:
            if at in owners:
                raise PartError(
                    f"{part.path}: holds what {owners[at].path} holds too (row {at[0]} of tiles); "
                    "leave one of them out"
                )
            owners[at] = part
    return owners


def _check_all(parts: Sequence[Part], grid: TileGrid, owners: dict[tuple[int, int], Part]) -> None:
    """Refuse to go on without a cell; the shards that are missing are named."""
    absent = [cell for cell in grid.cells() if (cell.row, cell.band) not in owners]
    if not absent:
        return
    shards = list(_missing(parts))
    named = ", ".join(shards[:SHOWN]) + (f" and {len(shards) - SHOWN} more" * (len(shards) > SHOWN))
    of = f"shard{'s' * (len(shards) > 1)} {named} " if shards else ""
    raise PartError(
        f"{len(absent)} of {grid.rows * len(grid.bands)} strips are in no part, {of}missing; "
        "infer and name them too"
    )


def _missing(parts: Sequence[Part]) -> Iterator[str]:
    """Yield the shards that are not there, where all are of one number of shards."""
    count = {part.share.of for part in parts}
    if len(count) == 1:
        there = {part.share.number for part in parts}
        of = count.pop()
        yield from (f"{number}/{of}" for number in range(1, of + 1) if number not in there)
