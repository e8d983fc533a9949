"""What a survey has done, scene by scene, in `.survey/` of its folder.

The ledger only grows while a survey runs, a line of JSON an event, synced; a torn end is cut off.
It stays when the survey is over, so that the next run does only what is new or changed.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from geounet.errors import GeounetError, OptionError, OutputError, TargetError
from geounet.lock import Lock
from geounet.outputs import DATABASE_SIDES, RASTER_SIDES, make_folder, staged, write_whole
from geounet.state import State, differences, folder_of
from geounet.survey.find import KEPT
from geounet.survey.picture import picture_beside
from geounet.survey.work import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from geounet.survey.work import Unit

LOCK, LEDGER = "lock", "ledger.jsonl"
FORMAT = {"ledger": 1}
"""Of the lines; another one is another survey."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One scene that is done."""

    identity: str
    """Of the files that were read."""
    files: tuple[str, ...]
    """All that was written, from the survey's folder."""
    outcome: Outcome
    """What became of it."""


class Ledger:
    """Owner of what is done, and of the right to write into the folder, for a `with` block."""

    def __init__(self, folder: Path, share: str = "") -> None:
        """Claim nothing yet.

        Args:
            folder: of the survey.
            share: of its scenes, which has a ledger of its own; all when empty.
        """
        self._out, self._home = folder, folder / KEPT / share
        self.entries: dict[str, Entry] = {}
        """What is done, by the name of the scene."""
        self._begun: dict[str, Sequence[str]] = {}
        self._key: dict[str, Any] | None = None
        self._died = False
        self._file: FileIO | None = None

    def __enter__(self) -> Self:
        """Take the folder and read what is there; the first line that is torn is the end.

        Raises:
            OutputError: another run is at it, or it cannot be written to.
        """
        places = (self._home, *self._home.parents)
        self._made = [folder for folder in places if not folder.exists()]
        make_folder(self._home)
        try:
            self._lock = Lock(self._home / LOCK)
        except OSError as error:
            if isinstance(error, OutputError):
                raise
            raise OutputError(f"{self._out}: cannot be written to ({error.strerror})") from error
        path = self._home / LEDGER
        with suppress(ValueError, KeyError, TypeError):
            for line in path.read_bytes().splitlines() if path.exists() else ():
                self._take(json.loads(line))
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        """Let go of the folder; what is done stays, and whom it was taken from is told."""
        if error is not None and self._file is not None and not hasattr(error, "__notes__"):
            error.add_note(f"what is done is kept in {self._out}, --resume goes on with the rest")
        if self._file is not None:
            self._file.close()
        if self._key is None:  # nothing was ever done here
            with suppress(OSError):
                (self._home / LOCK).unlink()
                for folder in self._made:
                    folder.rmdir()
        self._lock.release()

    @property
    def names(self) -> set[str]:
        """The scenes whose outputs are ours to replace or remove: done, or begun."""
        return {*self.entries, *self._begun}

    @property
    def folder(self) -> Path:
        """The survey's folder."""
        return self._out

    def check(self, key: Mapping[str, Any], *, resume: bool, overwrite: bool) -> None:
        """Refuse to go on where what is there is of another survey, or of a run that died.

        Args:
            key: model, options and version.
            resume: the last run may have died.
            overwrite: what is there is done again, whatever it was.

        Raises:
            OptionError: it was begun otherwise, with the difference.
            TargetError: the last run died, and nobody said that this one goes on.
        """
        if self._key is None or overwrite:
            return
        changes = differences(self._key, {**FORMAT, **key})
        if changes:
            raise OptionError(
                f"{self._out}: holds a survey that was made otherwise ({'; '.join(changes)}); "
                "choose another folder, or pass --overwrite to do all again"
            )
        if self._died and self.entries and not resume:
            raise TargetError(
                f"{self._out}: holds an unfinished survey ({len(self.entries):,} scenes are "
                "done); pass --resume to go on with it, or --overwrite to do all again"
            )

    def open(self, key: Mapping[str, Any], *, again: bool) -> None:
        """Begin to write.

        Args:
            key: model, options and version.
            again: what is done shall be done again.
        """
        self._key = {**FORMAT, **key}
        if again:
            self._begun |= {name: entry.files for name, entry in self.entries.items()}
        with staged(self._home / LEDGER) as fresh:
            events: list[dict[str, Any]] = [{"survey": self._key}]
            events += [_line(name, entry) for name, entry in self.entries.items()]
            events += [{"begun": name, "files": files} for name, files in self._begun.items()]
            fresh.write_bytes(b"".join(map(_packed, events)))
        self._file = FileIO(str(self._home / LEDGER), "a")

    def is_done(self, unit: Unit, identity: str) -> bool:
        """Return whether a scene needs no work: same files read, all that was written stands."""
        entry = self.entries.get(unit.name)
        if entry is None or unit.name in self._begun or entry.identity != identity:
            return False
        return entry.files == self._files(unit) and all(map(Path.exists, unit.targets.paths))

    def begin(self, unit: Unit) -> None:
        """Note that a scene is begun, before anything of it is written.

        From now on what stands at its outputs is ours, unless somebody else's stood there.
        """
        if not unit.ours:
            return
        self._begun[unit.name] = self._files(unit)
        self._append({"begun": unit.name, "files": self._files(unit)})

    def done(self, unit: Unit, identity: str, outcome: Outcome) -> None:
        """Note that a scene is done; what an earlier run wrote elsewhere for it is removed."""
        files, before = self._files(unit), self.entries.get(unit.name)
        entry = Entry(identity=identity, files=files, outcome=outcome)
        self._append(_line(unit.name, entry))
        self.entries[unit.name] = entry
        self._begun.pop(unit.name, None)
        if before is not None:
            self._remove(set(before.files) - set(files))

    def drop(self, name: str) -> None:
        """Remove what was written for a scene that is gone, or whose raster is of no use now."""
        entry = self.entries.pop(name, None)
        self._remove({*self._begun.pop(name, ()), *(() if entry is None else entry.files)})
        self._append({"gone": name})

    def over(self) -> None:
        """Note that all scenes had their turn."""
        self._append({"over": True})

    def _take(self, event: dict[str, Any]) -> None:
        """Let an event have happened."""
        if "survey" in event:
            self._key, self._died = event["survey"], True
        elif "begun" in event:
            self._begun[event["begun"]] = tuple(event["files"])
        elif "done" in event:
            entry = Entry(
                identity=event["identity"],
                files=tuple(event["files"]),
                outcome=Outcome(**event["outcome"]),
            )
            self.entries[event["done"]] = entry
            self._begun.pop(event["done"], None)
        elif "gone" in event:
            self.entries.pop(event["gone"], None)
            self._begun.pop(event["gone"], None)
        elif "over" in event:
            self._died = False

    def _append(self, event: dict[str, Any]) -> None:
        assert self._file is not None
        try:
            write_whole(self._file, _packed(event))
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(
                f"{self._home / LEDGER}: cannot be written ({(error.strerror or '').lower()}); "
                "make room, then --resume goes on"
            ) from error

    def _files(self, unit: Unit) -> tuple[str, ...]:
        """What a unit writes, from the survey's folder where it lies in it: that may move."""
        home = self._out.absolute()
        paths = [path.absolute() for path in unit.targets.paths]
        return tuple(
            str(path.relative_to(home) if path.is_relative_to(home) else path) for path in paths
        )

    def _remove(self, files: Iterable[str]) -> None:
        for path in (self._out.absolute() / file for file in files):
            for suffix in ("", *DATABASE_SIDES, *RASTER_SIDES):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
            picture_beside(path).unlink(missing_ok=True)
            if folder_of(path).is_dir():
                with suppress(GeounetError), State(path):
                    pass


def _line(name: str, entry: Entry) -> dict[str, Any]:
    return {"done": name, **asdict(entry)}


def _packed(event: dict[str, Any]) -> bytes:
    return json.dumps(event, ensure_ascii=False).encode() + b"\n"
