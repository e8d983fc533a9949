"""What a case is: a folder of inputs, the words that are typed, and the verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OK, WARNING, ERROR, PARTLY = "ok", "warning", "error", "partly"
CODES = {OK: 0, WARNING: 0, ERROR: 2, PARTLY: 3}
PREDICT = ("predict", "{in}/a.tif", "-o", "{out}/o.gpkg", "-m", "{model}", "-q")

Maker = Callable[[Path], object]
"""Puts inputs into a folder."""


@dataclass(frozen=True)
class Case:
    """One hostile input; `{in}`, `{out}`, `{model}` and `{url}` in its words become places."""

    name: str
    """What is hostile about it."""
    make: Maker
    """Puts the inputs into the folder `in`."""
    says: str = ""
    """Expression that is found in the warning or the error."""
    verdict: str = ERROR
    """ok, warning (both exit 0), error (exit 2 unless `code` says) or partly (exit 3)."""
    words: tuple[str, ...] = PREDICT
    """What is typed after `geounet`."""
    code: int | None = None
    """Exit code where it is not that of the verdict."""
    before: Maker = lambda _: None
    """Puts things into the folder `out`."""
    needs_root: bool = False
    """The inputs are somebody else's: run as nobody."""

    @property
    def exit_code(self) -> int:
        """What the command is to end with."""
        return CODES[self.verdict] if self.code is None else self.code


def predict(*more: str, of: str = "a.tif") -> tuple[str, ...]:
    """The words of a prediction of a file, with further words."""
    return ("predict", f"{{in}}/{of}", "-o", "{out}/o.gpkg", "-m", "{model}", "-q", *more)
