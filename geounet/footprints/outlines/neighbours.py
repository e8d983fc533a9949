"""The outlines of a spool's polygons, batch by batch, each batch with its neighbours around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.footprints.outlines.apart import kept_apart
from geounet.footprints.outlines.outline import margin
from geounet.footprints.rings import concatenate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from geounet.footprints.outlines.outline import OutlineOptions
    from geounet.footprints.outlines.workers import Levels
    from geounet.footprints.rings import Footprints
    from geounet.footprints.spool import Spool


class Outliner:
    """Makes outlines that keep apart; what it makes of an object does not depend on the batch."""

    def __init__(
        self,
        spool: Spool,
        drawn: Callable[[Footprints], Footprints],
        options: OutlineOptions,
        levels: Levels,
    ) -> None:
        """Keep what is needed.

        Args:
            spool: all polygons.
            drawn: leaves those that will be seen; others are no neighbours.
            options: what outlines to make.
            levels: makes them, of each object alone.
        """
        self._spool, self._drawn = spool, drawn
        self._options, self._levels = options, levels

    def __call__(self, batch: Footprints) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
        """Return the outlines of a batch in pixels (x = col, y = row), and which are regular."""
        outlines = batch.polygons()
        if not len(batch) or self._options.kind == "pixel":
            return outlines, np.zeros(len(batch), np.bool_)
        others = self._drawn(self._spool.beside(batch, margin(batch, self._options)))
        around = concatenate([batch, others])
        levels = self._levels(around, self._options)
        chosen = kept_apart(around, levels)[: len(batch)]
        for at, made in enumerate(levels):
            outlines = np.where(chosen == at, made[: len(batch)], outlines)
        return outlines, (chosen == 0) & (self._options.kind == "regular")
