"""Whole numbers on disk in pieces, each sorted into groups; a group comes back from all pieces."""

from __future__ import annotations

from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING

import numpy as np

from geounet.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


class Spool:
    """A temporary file of int64 numbers."""

    def __init__(self, groups: int, folder: Path | None = None) -> None:
        """Open the file.

        Args:
            groups: their number.
            folder: where it lies; None takes the system's place for temporary files.

        Raises:
            OutputError: nothing can be written there.
        """
        self._groups = groups
        self._pieces: list[NDArray[np.int64]] = []
        self.sizes = np.zeros(groups, np.int64)
        try:
            self._file: IO[bytes] = TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close()
        except OSError as error:
            raise OutputError(
                f"{folder or 'temporary folder'}: cannot be written to ({error.strerror})"
            ) from error

    def append(self, numbers: NDArray[np.int64], groups: NDArray[np.int64]) -> None:
        """Write a piece.

        Args:
            numbers: sorted by group.
            groups: the group of each, ascending.

        Raises:
            OutputError: the disk is full.
        """
        sizes = np.bincount(groups, minlength=self._groups)
        self.sizes += sizes
        try:
            start = self._file.seek(0, 2)
            self._file.write(numbers.tobytes())
            self._file.flush()
        except OSError as error:
            raise OutputError(
                f"temporary file: cannot be written ({error.strerror}); free some space"
            ) from error
        self._pieces.append(start + 8 * np.concatenate(([0], np.cumsum(sizes))))

    def read(self, first: int, stop: int) -> NDArray[np.int64]:
        """Return the numbers of groups from `first` up to `stop`, piece after piece."""
        parts = []
        for offsets in self._pieces:
            self._file.seek(int(offsets[first]))
            parts.append(self._file.read(int(offsets[stop] - offsets[first])))
        return np.frombuffer(b"".join(parts), np.int64)

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
