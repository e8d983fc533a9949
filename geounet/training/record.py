"""What happened in a training, row by row, as a CSV file that can be continued."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = (
    *("step", "epoch", "seconds", "rate", "loss", "validation_loss", "place", "class", "iou"),
)
"""A row has a training loss, a validation loss, or an IoU: of a place, or of a class there."""


class Record:
    """The file, open for more rows; leave the `with` block to close it."""

    def __init__(self, path: Path, position: int = 0) -> None:
        """Go on at a position of the file; what stands beyond it is cut off."""
        self._file = path.open("r+b" if position else "w+b")
        self._file.truncate(position)
        self._file.seek(position)
        self._text = _Lines()
        if not position:
            self.add(**dict(zip(COLUMNS, COLUMNS, strict=True)))

    @property
    def position(self) -> int:
        """Where the next row will stand, in bytes."""
        return self._file.tell()

    def add(self, **values: Any) -> None:  # noqa: ANN401
        """Append a row, to be seen by whoever watches the file."""
        csv.writer(self._text).writerow([values.get(name, "") for name in COLUMNS])
        self._file.write(self._text.take())
        self._file.flush()

    def __enter__(self) -> Self:
        """Return the record."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()


@dataclass
class _Lines:
    """Text that was written and not yet taken."""

    text: str = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def take(self) -> bytes:
        text, self.text = self.text, ""
        return text.encode()
