"""Read on where blocks of a raster cannot be read: they hold no data, and are remembered."""

from __future__ import annotations

import logging
import math
import os
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from rasterio.windows import Window

from geounet.errors import RasterError
from geounet.reader import empty_patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from geounet.reader import Patch, RasterInfo, Reader

log = logging.getLogger(__name__)


class Failures:
    """Windows of a raster that could not be read; any thread may add some or ask.

    `to_grid` leads from columns and rows of the raster to those of the grid that is inferred.
    """

    def __init__(self) -> None:
        """Know of none, on a grid that is the raster's own."""
        self.to_grid = Affine.identity()
        self._windows: dict[tuple[int, ...], Window] = {}
        self._lock = Lock()

    def add(self, window: Window, error: RasterError) -> None:
        """Remember a window; the first one is said at once."""
        with self._lock:
            if not self._windows:
                log.warning("%s; going on without what cannot be read", error)
            self._windows[tuple(map(int, window.flatten()))] = window

    def within(self, window: Window) -> NDArray[np.bool_] | None:
        """Return where a window of the inferred grid lies in failed ones; None = nowhere."""
        with self._lock:
            failed = list(self._windows.values())
        mask = np.zeros((int(window.height), int(window.width)), np.bool_)
        for each in failed:
            mask[_seen(each, self.to_grid, window)] = True
        return mask if mask.any() else None


class Forgiving:
    """A reader that goes on, block by block, where another one fails."""

    def __init__(self, reader: Reader, on_failure: Callable[[Window, RasterError], None]) -> None:
        """Wrap a reader.

        Args:
            reader: of a file.
            on_failure: called with each window that cannot be read, and why.
        """
        self._reader, self._on_failure = reader, on_failure

    @property
    def info(self) -> RasterInfo:
        """What the raster is."""
        return self._reader.info

    def read(self, window: Window, into: Patch | None = None) -> Patch:
        """Return the pixels of a window; what cannot be read is 0 and not valid.

        Raises:
            RasterError: the file itself is gone.
        """
        patch = empty_patch(self.info, window) if into is None else replace(into, window=window)
        try:
            return self._reader.read(window, patch)
        except RasterError as error:
            self._check_there(error)
        for part in self._blocks(window):
            self._read_block(patch.part(part))
        return patch

    def holds_data(self, window: Window) -> bool:
        """Return False when a window surely has no data."""
        try:
            return self._reader.holds_data(window)
        except RasterError as error:
            self._check_there(error)
            return True

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()

    def _read_block(self, patch: Patch) -> None:
        try:
            self._reader.read(patch.window, patch)
        except RasterError as error:
            self._check_there(error)
            patch.data[:], patch.valid[:] = 0, False
            self._on_failure(patch.window, error)

    def _check_there(self, error: RasterError) -> None:
        """A file that is gone, or on the network, has no bad blocks: all of it is missing."""
        files = self.info.files
        if not all(map(os.path.exists, files)):
            raise RasterError(
                f"{self.info.path}: is gone or cannot be reached ({error})"
            ) from error

    def _blocks(self, window: Window) -> Iterator[Window]:
        """Yield the parts of a window that lie in one block each."""
        high, wide = self.info.block_shape
        rows, cols = (range(int(part.start), int(part.stop)) for part in window.toslices())
        for top in range(rows.start // high * high, rows.stop, high):
            for left in range(cols.start // wide * wide, cols.stop, wide):
                row, col = max(top, rows.start), max(left, cols.start)
                low, right = min(top + high, rows.stop), min(left + wide, cols.stop)
                yield Window(col, row, right - col, low - row)


def _seen(window: Window, to_grid: Affine, within: Window) -> tuple[slice, slice]:
    """Return where a window of the raster lies in one of the grid, a pixel more if resampled."""
    grown = 0 if to_grid.is_identity else 1
    slices = []
    for start, length, scale, offset, size in (
        (window.row_off, window.height, to_grid.e, within.row_off, within.height),
        (window.col_off, window.width, to_grid.a, within.col_off, within.width),
    ):
        first = math.floor(start * scale - offset) - grown
        last = math.ceil((start + length) * scale - offset) + grown
        slices.append(slice(max(first, 0), max(min(last, int(size)), 0)))
    return slices[0], slices[1]
