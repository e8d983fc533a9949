"""The outlines of a spool's polygons, batch by batch, each batch with its neighbours around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.footprints.outlined import Outlined
from geounet.footprints.outlines.apart import kept_apart
from geounet.footprints.outlines.outline import margin
from geounet.footprints.rings import concatenate

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from geounet.footprints.outlines.outline import OutlineOptions
    from geounet.footprints.outlines.workers import Levels
    from geounet.footprints.parts.part import Parter
    from geounet.footprints.rings import Footprints
    from geounet.footprints.spool import Spool


class Outliner:
    """Makes outlines that keep apart; what it makes of an object does not depend on the batch."""

    def __init__(
        self,
        spool: Spool,
        drawn: Callable[[Footprints], Footprints],
        options: OutlineOptions,
        shape: tuple[int, int],
        levels: Levels,
        parter: Parter | None = None,
    ) -> None:
        """Keep what is needed.

        Args:
            spool: all polygons.
            drawn: leaves those that will be seen; others are no neighbours.
            options: what outlines to make.
            shape: height and width of the raster, which no outline leaves.
            levels: makes them, of each object alone.
            parter: parts blobs; None: they stay whole.
        """
        self._spool, self._drawn = spool, drawn
        self._options, self._levels, self._parter = options, levels, parter
        self._raster = shapely.box(0, 0, shape[1], shape[0])

    def __call__(self, batch: Footprints) -> Outlined:
        """Return the outlines of a batch, and those of its blobs' parts if they are parted."""
        outlines, regular, exact = self._whole(batch)
        whole = Outlined.of(batch, outlines, regular)
        return whole if self._parter is None else self._parter(batch, whole, exact)

    def _whole(
        self, batch: Footprints
    ) -> tuple[NDArray[np.object_], NDArray[np.bool_], NDArray[np.bool_]]:
        """Return the outlines of a batch, which are regular, and which are pixel edges."""
        outlines = batch.polygons()
        if not len(batch) or self._options.kind == "pixel":
            return outlines, np.zeros(len(batch), np.bool_), np.ones(len(batch), np.bool_)
        others = self._drawn(self._spool.beside(batch, margin(batch, self._options)))
        around = concatenate([batch, others])
        levels = self._levels(around, self._options)
        chosen = kept_apart(around, levels)[: len(batch)]
        for at, made in enumerate(levels):
            outlines = np.where(chosen == at, made[: len(batch)], outlines)
        regular = (chosen == 0) & (self._options.kind == "regular")
        return self._inside(outlines), regular, chosen == len(levels)

    def _inside(self, outlines: NDArray[np.object_]) -> NDArray[np.object_]:
        """Return outlines without what a straightened edge has beyond the raster's own edge."""
        over = ~shapely.covers(self._raster, outlines)
        cut = shapely.intersection(outlines[over], self._raster)
        largest = [max(shapely.get_parts(each), key=shapely.area) for each in cut]
        outlines[over] = largest
        return outlines
