"""Small holes are filled once outlines are drawn, so that no wall moves on their account.

A hole stays, however small, where another footprint stands in it, or where the raster has no data:
what is filled is claimed, and nobody may claim these.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.footprints.measure import measure
from geounet.footprints.place import place

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from geounet.footprints.outlined import Outlined
    from geounet.footprints.rings import Footprints, Ints
    from geounet.footprints.spool import Spool
    from geounet.footprints.table import TableOptions
    from geounet.reader import RasterInfo

    Flags = NDArray[np.bool_]
    Polygons = NDArray[np.object_]

SLIVER = 1e-6
"""Pixels of common ground that are rounding."""


@dataclass(frozen=True, kw_only=True)
class Filler:
    """Fills holes; what it makes of a footprint does not depend on the batch."""

    spool: Spool
    """All footprints."""
    coverage: Spool
    """What became of every part of the input: class 0 was predicted, others were not."""
    drawn: Callable[[Footprints], Footprints]
    """Leaves those that will be seen; others may be built over."""
    info: RasterInfo
    """Of the raster."""
    options: TableOptions
    """Which holes are small."""

    def __call__(self, batch: Footprints, made: Outlined) -> Outlined:
        """Return the outlines of a batch without their small holes."""
        if not (self.options.min_hole_m2 or self.options.min_hole_pixels):
            return made
        rings, owner = shapely.get_rings(made.polygons, return_index=True)
        inner = np.flatnonzero(owner[1:] == owner[:-1]) + 1
        inner = inner[self._small(_polygons(rings[inner]))]
        if not len(inner):
            return made
        taken = _shared(_polygons(rings[inner]), owner[inner], self._things(batch, made))
        kept = np.ones(len(rings), np.bool_)
        kept[inner[~taken]] = False
        return replace(made, polygons=_polygons(rings[kept], owner[kept]))

    def _small(self, holes: Polygons) -> Flags:
        """Return which holes are too small to stay; an area without a CRS is not a number."""
        area, _ = measure(place(holes, self.info.transform), self.info.crs)
        few = shapely.area(holes) < self.options.min_hole_pixels
        return np.asarray(few | (area < self.options.min_hole_m2))

    def _things(self, batch: Footprints, made: Outlined) -> Polygons:
        """Return what may stand in a hole: the outlines themselves first, as they may be parts."""
        others = self.drawn(self.spool.enclosed(batch))
        found = self.coverage.enclosed(batch)
        blank = found.take(np.flatnonzero(found.class_index > 0))
        return np.concatenate([made.polygons, others.polygons(), blank.polygons()])


def _polygons(rings: Polygons, owner: Ints | None = None) -> Polygons:
    """Return polygons of rings, each of its own or of all of an owner, the exterior first."""
    return np.asarray(shapely.polygons(rings, indices=owner), object)


def _shared(holes: Polygons, owner: Ints, things: Polygons) -> Flags:
    """Return which holes share ground with a thing that is not the hole's owner."""
    hole, thing = shapely.STRtree(things).query(holes)
    strange = thing != owner[hole]
    hole, thing = hole[strange], thing[strange]
    shapely.prepare(things[thing])  # one may have many corners, and many holes near it
    near = shapely.intersects(things[thing], holes[hole])
    hole, thing = hole[near], thing[near]
    ground = shapely.area(shapely.intersection(things[thing], holes[hole]))
    taken = np.zeros(len(holes), np.bool_)
    taken[hole[ground > SLIVER]] = True
    return taken
