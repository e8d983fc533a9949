"""Owner of what is written pixel by pixel: the rasters of a result, and its run lengths."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Self

import numpy as np

from geounet.cog import CogWriter, class_writer, probability_writer
from geounet.quantise import classify
from geounet.rle.output import RunFile

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.order import Order
    from geounet.walk import Segment


class Pixels:
    """Rasters and runs in the making; what is not finished when the `with` block ends is gone."""

    def __init__(self, order: Order, staged: Mapping[Path, Path], folder: Path) -> None:
        """Make the files.

        Args:
            order: which are wanted, and of what.
            staged: a target → where it is written until everything is whole.
            folder: where run lengths wait.
        """
        self._level, targets = order.plan.level, order.targets
        info, classes = order.info, order.table.classes
        self._probability: CogWriter | None = None
        self._mask: CogWriter | None = None
        self._runs: tuple[RunFile, Path] | None = None
        with ExitStack() as stack:
            self._writers = stack.enter_context(ExitStack())
            enter = self._writers.enter_context
            if targets.probability is not None:
                path = staged[targets.probability]
                self._probability = enter(probability_writer(path, info, classes))
            if targets.mask is not None:
                self._mask = enter(class_writer(staged[targets.mask], info, len(classes)))
            if targets.rle is not None:
                runs = stack.enter_context(closing(RunFile(info, classes, folder)))
                self._runs = runs, staged[targets.rle]
            self._stack = stack.pop_all()

    def __enter__(self) -> Self:
        """Return the writers."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give up what is not finished."""
        self._stack.__exit__(kind, error, trace)

    def add(self, segment: Segment) -> None:
        """Write the pixels of the next cell of its band from the top; bands come in any order."""
        if self._runs is not None:
            self._add_runs(self._runs[0], segment)
        if segment.q is not None and segment.valid_pixels:  # what is never written is nodata
            self._write(segment.q, segment.cell.core)

    def finish(self) -> None:
        """Make whole files of what was written."""
        self._writers.close()
        if self._runs is not None:
            runs, path = self._runs
            runs.write(path)

    def _add_runs(self, runs: RunFile, segment: Segment) -> None:
        window = segment.cell.core
        labels = np.zeros((int(window.height), int(window.width)), np.uint8)
        if segment.q is not None and segment.valid_pixels:
            labels = classify(segment.q, self._level)
        runs.add(labels, window)

    def _write(self, q: NDArray[np.uint8], window: Window) -> None:
        if self._probability is not None:
            self._probability.write(q, window)
        if self._mask is not None:
            labels = classify(q, self._level)
            self._mask.write(np.asarray(labels)[None], window)
