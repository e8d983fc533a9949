"""The outlines of a spool's polygons, batch by batch, each batch with its neighbours around it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.footprints.outlined import Outlined
from geounet.footprints.outlines.apart import kept_apart
from geounet.footprints.outlines.outline import margin
from geounet.footprints.rings import concatenate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from geounet.footprints.outlines.outline import OutlineOptions
    from geounet.footprints.outlines.workers import Pending
    from geounet.footprints.parts.part import Parter
    from geounet.footprints.rings import Footprints
    from geounet.footprints.spool import Spool

    Begin = Callable[[Footprints, OutlineOptions], Pending]

AHEAD = 2
"""Batches whose outlines are in the making while those of the one before are settled."""


class Outliner:
    """Makes outlines that keep apart; what it makes of an object does not depend on the batch."""

    def __init__(
        self,
        spool: Spool,
        drawn: Callable[[Footprints], Footprints],
        options: OutlineOptions,
        shape: tuple[int, int],
        begin: Begin,
        parter: Parter | None = None,
    ) -> None:
        """Keep what is needed.

        Args:
            spool: all polygons.
            drawn: leaves those that will be seen; others are no neighbours.
            options: what outlines to make.
            shape: height and width of the raster, which no outline leaves.
            begin: has them made, of each object alone.
            parter: parts blobs; None: they stay whole.
        """
        self._spool, self._drawn = spool, drawn
        self._options, self._begin, self._parter = options, begin, parter
        self._raster = shapely.box(0, 0, shape[1], shape[0])

    def __call__(self, batches: Iterable[Footprints]) -> Iterator[tuple[Footprints, Outlined]]:
        """Yield each batch with its outlines, those of its blobs' parts if they are parted."""
        begun: deque[tuple[Footprints, Footprints, Pending]] = deque()
        for batch in batches:
            begun.append((batch, *self._begun(batch)))
            if len(begun) > AHEAD:
                yield self._settled(*begun.popleft())
        while begun:
            yield self._settled(*begun.popleft())

    def _begun(self, batch: Footprints) -> tuple[Footprints, Pending]:
        """Return a batch with all its neighbours after it, and what waits for their outlines."""
        if not len(batch) or self._options.kind == "pixel":
            return batch, list
        others = self._drawn(self._spool.beside(batch, margin(batch, self._options)))
        around = concatenate([batch, others])
        return around, self._begin(around, self._options)

    def _settled(
        self, batch: Footprints, around: Footprints, pending: Pending
    ) -> tuple[Footprints, Outlined]:
        """Return a batch with its outlines, of each object the best that keeps apart."""
        levels, outlines = pending(), batch.polygons()
        chosen = np.zeros(len(batch), np.int64)
        if levels:
            chosen = kept_apart(around, levels)[: len(batch)]
            for at, made in enumerate(levels):
                outlines = np.where(chosen == at, made[: len(batch)], outlines)
            outlines = self._inside(outlines)
        regular = (chosen == 0) & (self._options.kind == "regular")
        whole = Outlined.of(batch, outlines, regular)
        if self._parter is None:
            return batch, whole
        return batch, self._parter(batch, whole, chosen == len(levels))

    def _inside(self, outlines: NDArray[np.object_]) -> NDArray[np.object_]:
        """Return outlines without what a straightened edge has beyond the raster's own edge."""
        over = ~shapely.covers(self._raster, outlines)
        cut = shapely.intersection(outlines[over], self._raster)
        largest = [max(shapely.get_parts(each), key=shapely.area) for each in cut]
        outlines[over] = largest
        return outlines
