"""A survey in shares: each scene belongs to one by its name, and what became of all is joined."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar
from zlib import crc32

from geounet.errors import PartError
from geounet.outputs import staged
from geounet.shards.share import Share
from geounet.state import differences
from geounet.survey.find import KEPT
from geounet.survey.report import write_reports
from geounet.survey.work import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from geounet.survey.find import Scene
    from geounet.survey.work import Unit

    Named = TypeVar("Named", Scene, Unit)
TOLD = "outcomes.json"
"""What became of the scenes of a share, in the folder of its ledger."""


def of_share(scenes: Iterable[Named], share: Share) -> list[Named]:
    """Return the scenes of a share: a scene keeps its share while others come and go."""
    return [scene for scene in scenes if crc32(scene.name.encode()) % share.of == share.number - 1]


def write_share(
    folder: Path, share: Share, outcomes: Sequence[Outcome], facts: dict[str, Any]
) -> None:
    """Write what became of a share, for `join`.

    Args:
        folder: of the survey.
        share: which.
        outcomes: one a scene.
        facts: what a report tells beside; `asked` is the key without its input.

    Raises:
        OutputError: it cannot be written.
    """
    words = {"of": share.of, "facts": facts, "outcomes": [*map(asdict, outcomes)]}
    with staged(folder / KEPT / share.name / TOLD) as path:
        path.write_text(json.dumps(words, ensure_ascii=False), encoding="utf-8")


def is_shared(folder: Path) -> bool:
    """Return whether shares of a survey were done in a folder."""
    return any(folder.glob(f"{KEPT}/*-of-*/{TOLD}"))


def join(folder: Path) -> list[Outcome]:
    """Write the reports of a survey whose shares are all done; return the outcomes, by name.

    Raises:
        PartError: a share is missing or damaged, or was asked for otherwise than another.
        OutputError: a report cannot be written.
    """
    told = {path.parent.name: _read(path) for path in folder.glob(f"{KEPT}/*-of-*/{TOLD}")}
    counts = sorted({words["of"] for words in told.values()})
    if len(counts) > 1:
        raise PartError(
            f"{folder}: holds shares of several surveys (of {', '.join(map(str, counts))}); remove "
            f"those that count no more from {folder / KEPT}"
        )
    wanted = [Share(number, counts[0]).name for number in range(1, counts[0] + 1)]
    missing = [name for name in wanted if name not in told]
    if missing:
        raise PartError(f"{folder}: shards {', '.join(missing)} are missing; do them too")
    for name in wanted[1:]:
        _check_same(folder, wanted[0], name, told)
    outcomes = [outcome for name in wanted for outcome in told[name]["outcomes"]]
    outcomes = sorted((Outcome(**each) for each in outcomes), key=lambda each: each.name)
    facts = [told[name]["facts"] for name in wanted]
    whole = {**facts[0], "seconds": sum(each["seconds"] for each in facts)}
    write_reports(folder, outcomes, whole | {"waiting": sum(each["waiting"] for each in facts)})
    return outcomes


def _check_same(folder: Path, one: str, other: str, told: dict[str, dict[str, Any]]) -> None:
    first, second = ({**told[name]["facts"]["asked"], "aoi": None} for name in (one, other))
    if changes := differences(first, second):  # an area may lie elsewhere on another machine
        raise PartError(
            f"{folder}: shards {one} and {other} were asked for otherwise ({'; '.join(changes)}); "
            "do one of them again, with --overwrite"
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        words: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _ = words["facts"]["asked"]
        return {name: words[name] for name in ("of", "facts", "outcomes")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PartError(f"{path}: is damaged ({error}); do its shard again") from error
