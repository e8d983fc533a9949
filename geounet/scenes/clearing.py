"""Drop what stands in the way: buildings on streets, trees in buildings, cars on cars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

if TYPE_CHECKING:
    from geounet.scenes.streets import Street
    from geounet.scenes.things import Building, Filling

Shapes = NDArray[np.object_]
Flags = NDArray[np.bool_]

_SIZES = (1.0, 0.88, 0.74)


def clear(filling: Filling, streets: list[Street], closed: shapely.Geometry) -> None:
    """Drop buildings that stand in the way, then trees and vehicles that stand in buildings."""
    roads = [street.line.buffer(street.width / 2 + 0.5) for street in streets]
    filling.buildings = _apart(filling.buildings, [*roads, closed])
    houses = shapely.STRtree([building.outline for building in filling.buildings])
    ways = shapely.STRtree([street.line.buffer(street.width / 2) for street in streets])
    spots = _shapes([shapely.Point(tree.x, tree.y) for tree in filling.trees])
    blocked = _hit(houses, spots) | _hit(ways, spots) | shapely.intersects(closed, spots)
    filling.trees = [t for t, bad in zip(filling.trees, blocked, strict=True) if not bad]
    bodies = _shapes([v.frame.box(v.long, v.wide) for v in filling.vehicles])
    blocked = _hit(houses, bodies) | (shapely.intersects(closed, bodies) & ~_hit(ways, bodies))
    later, earlier = shapely.STRtree(bodies).query(bodies, predicate="intersects")
    blocked[later[later > earlier]] = True
    filling.vehicles = [v for v, bad in zip(filling.vehicles, blocked, strict=True) if not bad]


def _shapes(geometries: list[shapely.Geometry]) -> Shapes:
    return np.array(geometries, dtype=object)


def _hit(index: shapely.STRtree, things: Shapes) -> Flags:
    """Return which of the things touch anything in the index."""
    hit = np.zeros(len(things), bool)
    hit[index.query(things, predicate="intersects")[0]] = True
    return hit


def _apart(buildings: list[Building], closed: list[shapely.Geometry]) -> list[Building]:
    """Return the buildings that stand clear, some of them shrunk until they do."""
    placed: list[Building] = []
    waiting = buildings
    for size in _SIZES:
        taken = shapely.STRtree([*closed, *(building.outline for building in placed)])
        sized = [building.scaled(size) for building in waiting]
        kept = _free(_shapes([building.outline for building in sized]), taken)
        placed += [building for building, good in zip(sized, kept, strict=True) if good]
        waiting = [building for building, good in zip(waiting, kept, strict=True) if not good]
    return placed


def _free(outlines: Shapes, taken: shapely.STRtree) -> Flags:
    """Return which outlines touch neither what is taken nor an earlier free outline."""
    free = ~_hit(taken, outlines)
    later, earlier = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    order = later > earlier
    for this, other in sorted(zip(later[order].tolist(), earlier[order].tolist(), strict=True)):
        free[this] &= not free[other]
    return free
