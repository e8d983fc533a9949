"""Run lengths read like a raster: windows of the class each pixel belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.reader import Patch, empty_patch
from geounet.rle.painter import STRIP, RunPainter

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.reader import RasterInfo


class RunReader:
    """A `Reader` of one band of uint8: 0 background, else a class; the largest class wins."""

    def __init__(self, info: RasterInfo, folder: Path | None = None) -> None:
        """Begin with nothing set.

        Args:
            info: what the raster is.
            folder: where runs wait; None takes the system's place for temporary files.
        """
        assert info.count == 1
        self._info, self._folder = info, folder
        self._painters: dict[int, RunPainter] = {}
        self._kept: tuple[int, NDArray[np.uint8]] | None = None
        self.disputed = 0

    @property
    def info(self) -> RasterInfo:
        """What the raster is."""
        return self._info

    def add(self, label: int, pieces: Iterable[NDArray[np.int64]]) -> None:
        """Set the pixels of a mask, given by its counts, to a class from 1 to 254.

        Raises:
            OutputError: the disk is full.
        """
        if label not in self._painters:
            self._painters[label] = RunPainter(self.info.shape, self._folder)
        self._painters[label].add(pieces)

    def read(self, window: Window, into: Patch | None = None) -> Patch:
        """Return the classes of a window; all of them are valid."""
        patch = empty_patch(self.info, window) if into is None else into
        patch.data[0], patch.valid[:] = self.labels(window), True
        return patch

    def holds_data(self, window: Window) -> bool:
        """Return True: where there are no runs there is background."""
        return bool(window.width and window.height)

    def labels(self, window: Window) -> NDArray[np.uint8]:
        """Return the classes of a window, `(height, width)`."""
        rows, cols = window.toslices()
        parts = []
        for number in range(rows.start // STRIP, -(-rows.stop // STRIP)):
            top = number * STRIP
            strip = self._strip(number)[max(rows.start - top, 0) : rows.stop - top, cols]
            parts.append(strip)
        return np.concatenate(parts)

    def close(self) -> None:
        """Let go of what waits."""
        for painter in self._painters.values():
            painter.close()

    def _strip(self, number: int) -> NDArray[np.uint8]:
        """Return a strip's classes, and count pixels of several; the last strip is kept."""
        if self._kept is None or self._kept[0] != number:
            height = min(STRIP, self.info.height - number * STRIP)
            labels = np.zeros((height, self.info.width), np.uint8)
            for label, painter in sorted(self._painters.items()):
                mask = painter.strip(number)
                self.disputed += int(np.count_nonzero(labels[mask]))
                labels[mask] = label
            self._kept = number, labels
        return self._kept[1]
