"""The folder beside an output that a run works in, and that a death leaves: `OUT.state/`.

It is owned by one run at a time. What is in the making stands in `work/` and is never used again;
`run.json` says what the run is, `cells.log` and `q.bin` hold what is done.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

from geounet.errors import GeounetWarning, OptionError, OutputError, TargetError
from geounet.lock import Lock
from geounet.outputs import sync

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SUFFIX = ".state"
LOCK, RUN, CELLS, Q, WORK = "lock", "run.json", "cells.log", "q.bin", "work"
FORMAT = 1
"""Of all that is kept; another one is another run."""


def folder_of(out: Path) -> Path:
    """Return where the state of an output stands."""
    return out.with_name(out.name + SUFFIX)


def is_unfinished(out: Path) -> bool:
    """Return whether finished cells of a run wait beside an output."""
    cells = folder_of(out) / CELLS
    return cells.exists() and cells.stat().st_size > 0


def check_state(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Refuse to begin where finished cells would be lost; changes nothing.

    Raises:
        TargetError: an unfinished run waits and nobody said what is to become of it.
    """
    if is_unfinished(out) and not (resume or overwrite):
        raise TargetError(
            f"{folder_of(out)}: holds what an unfinished run had done; pass --resume to go on "
            "with it, or --overwrite to drop it"
        )


class State:
    """The state folder of one output, claimed for a `with` block.

    What a run has finished stays when the block ends by an exception, all else goes.
    """

    def __init__(self, out: Path) -> None:
        """Claim nothing yet."""
        self.folder, self._out, self._at_it = folder_of(out), out, False
        self.work = self.folder / WORK

    def __enter__(self) -> Self:
        """Make the folder, or take it over.

        Raises:
            OutputError: another run is at it, it is not ours, or cannot be written to.
        """
        self._check_owner()
        try:
            self.folder.mkdir(exist_ok=True)
            self._lock = Lock(self.folder / LOCK)
        except OutputError:
            raise
        except OSError as error:
            raise OutputError(
                f"{self._out}: its folder cannot be written to ({error.strerror})"
            ) from error
        try:
            shutil.rmtree(self.work, ignore_errors=True)
            self.work.mkdir()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            if isinstance(error, OSError):
                raise OutputError(f"{self.folder}: {(error.strerror or '').lower()}") from error
            raise
        return self

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        """Remove the folder, or after an exception all but what is done."""
        try:
            if error is not None and is_unfinished(self._out):
                shutil.rmtree(self.work, ignore_errors=True)
                if self._at_it:
                    told = f"what is done is kept in {self.folder}, --resume goes on from it"
                    error.add_note(told)
            else:
                self._remove()
        finally:
            self._lock.release()

    def settled(self, key: Mapping[str, Any], changing: str | None = None) -> dict[str, Any] | None:
        """Return what the run that left the state had settled; None where none did.

        Args:
            key: what the run is: its input, model, options and version.
            changing: name in it of what may have changed; then there is nothing to go on with.

        Raises:
            OptionError: it was another run, with the difference.
        """
        try:
            text = (self.folder / RUN).read_text(encoding="utf-8")
            run = json.loads(text)
            there: dict[str, Any] = run["key"]
            found: dict[str, Any] = run["settled"]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, RecursionError):
            text = f"{self.folder}: {RUN} is damaged, so what was done is of no use; starting over"
            warnings.warn(text, GeounetWarning, stacklevel=2)
            return None
        changes = differences(there, key)
        loose = {name: value for name, value in key.items() if name == changing}
        if changes and changes == differences({name: there.get(name) for name in loose}, loose):
            return None
        if changes:
            raise OptionError(
                f"{self.folder}: was begun otherwise ({'; '.join(changes)}); --resume wants the "
                "same again, --overwrite starts over"
            )
        self._at_it = True
        return found

    def begin(
        self, key: Mapping[str, Any], settled: Mapping[str, Any], *, kept: bool = True
    ) -> None:
        """Start over: nothing is done, and this is what will be.

        Args:
            key: what the run is.
            settled: how it is carried out.
            kept: what is done will be of use to a run that goes on.
        """
        self._drop()
        if not kept:
            return
        self._at_it = True
        fresh = self.folder / f"{RUN}.new"
        text = json.dumps({"key": key, "settled": settled}, indent=1, ensure_ascii=False)
        fresh.write_text(text, encoding="utf-8")
        sync(fresh)
        fresh.replace(self.folder / RUN)
        sync(self.folder)

    def _check_owner(self) -> None:
        """Refuse a folder of that name that is somebody else's."""
        if not self.folder.exists():
            return
        known = {LOCK, RUN, f"{RUN}.new", CELLS, Q, WORK}
        if not self.folder.is_dir() or not known.issuperset(os.listdir(self.folder)):  # noqa: PTH208
            raise TargetError(
                f"{self.folder}: is in the way and was not made here; move it, or choose another "
                "output"
            )

    def _drop(self) -> None:
        """Forget what was done, first of all what it was."""
        for name in (RUN, f"{RUN}.new", CELLS, Q):
            (self.folder / name).unlink(missing_ok=True)

    def _remove(self) -> None:
        shutil.rmtree(self.work, ignore_errors=True)
        with suppress(OSError):
            self._drop()
            self._lock.remove()
            self.folder.rmdir()


def differences(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return what differs between two runs, field by field."""
    names = dict.fromkeys([*there, *now])
    return [
        f"{name} {_word(there.get(name))}, now {_word(now.get(name))}"
        for name in names
        if there.get(name) != now.get(name)
    ]


def _word(value: object) -> str:
    if value is None:
        return "not given"
    return value if isinstance(value, str) else json.dumps(value)
