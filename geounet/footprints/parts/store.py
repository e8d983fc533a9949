"""The quantised probability of a raster, on disk while the run goes on, for a second look at it."""

from __future__ import annotations

import os
from io import FileIO
from typing import TYPE_CHECKING, Self

import numpy as np

from geounet.errors import OutputError
from geounet.outputs import write_whole
from geounet.quantise import NODATA

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from rasterio.windows import Window

FRESH = np.uint8(0x100 - NODATA)
"""What is added to q, so that a hole of the file, where nothing was written, reads as nodata."""


class Store:
    """A file of one byte a pixel and class; what lies outside the raster reads as nodata."""

    def __init__(self, path: Path, classes: int, shape: tuple[int, int]) -> None:
        """Make a file of holes, or go on with one.

        Args:
            path: file to make.
            classes: planes of it.
            shape: height and width of the raster.

        Raises:
            OutputError: it cannot be made.
        """
        self._shape = shape
        try:
            self._file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
            self._file.truncate(classes * shape[0] * shape[1])
        except OSError as error:
            raise OutputError(f"{path}: cannot be made ({error.strerror})") from error

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; it stays."""
        self._file.close()

    def write(self, q: NDArray[np.uint8], window: Window) -> None:
        """Keep the q of a window, `(classes, height, width)`.

        Raises:
            OSError: the disk is full or gone.
        """
        top, left = int(window.row_off), int(window.col_off)
        for plane, rows in enumerate(q + FRESH):
            whole = rows.shape[1] == self._shape[1]  # then rows follow each other in the file
            for row, values in enumerate([rows] if whole else rows, start=top):
                self._file.seek(self._at(plane, row, left))
                write_whole(self._file, values.data.cast("B"))

    def read(self, plane: int, top: int, left: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """Return the q of a class in a window that may overhang the raster."""
        height, width = self._shape
        found = np.zeros(shape, np.uint8)
        first, last = max(left, 0), min(left + shape[1], width)
        for row in range(max(top, 0), min(top + shape[0], height) if first < last else 0):
            self._file.seek(self._at(plane, row, first))
            line = np.frombuffer(self._file.read(last - first), np.uint8)
            found[row - top, first - left : last - left] = line
        return found - FRESH

    def sync(self) -> None:
        """Have the system put what was written on the disk now."""
        os.fsync(self._file.fileno())

    def _at(self, plane: int, row: int, col: int) -> int:
        height, width = self._shape
        return (plane * height + row) * width + col
