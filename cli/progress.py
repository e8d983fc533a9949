"""Progress on stderr: a bar on a terminal, elsewhere one line a minute."""

from __future__ import annotations

import sys
import time
from typing import Any, Self

from tqdm import tqdm

LINE_EVERY = 60.0


class Bar:
    """Call it with what is done, the total, and a note; leave the `with` block to end it."""

    def __init__(self, title: str, unit: str, *, quiet: bool) -> None:
        """Show nothing yet."""
        self._title, self._unit, self._quiet = title, unit, quiet
        self._bar: Any = None
        self._started = self._said = time.monotonic()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show how far it is."""
        if self._quiet:
            return
        if sys.stderr.isatty():
            self._draw(done, total, note)
        elif time.monotonic() - self._said >= LINE_EVERY:
            self._write(done, total, note)

    def __enter__(self) -> Self:
        """Return the bar itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the bar's line."""
        if self._bar is not None:
            self._bar.close()

    def _draw(self, done: int, total: int, note: str) -> None:
        if self._bar is None:
            self._bar = tqdm(total=total, desc=self._title, unit=self._unit, file=sys.stderr)
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)

    def _write(self, done: int, total: int, note: str) -> None:
        self._said = time.monotonic()
        left = (self._said - self._started) * (total - done) / max(done, 1)
        words = [f"{done / max(total, 1):.0%} done", f"{left / 60:.0f} min left", note]
        sys.stderr.write(f"geounet: {self._title}: {', '.join(filter(None, words))}\n")
        sys.stderr.flush()
