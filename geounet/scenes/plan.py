"""Plan a whole town: streets, zones, water, railway; then drop what stands in the way."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely

from geounet.scenes.blocks import fill
from geounet.scenes.greenery import car, tree
from geounet.scenes.streets import Block, Frame, Street, lay_streets
from geounet.scenes.things import Building, Filling, Patch, Zone

_ZONES: list[Zone] = ["suburb", "old", "industry", "suburb", "slabs", "village", "park"]
_CELL = 130.0


@dataclass(frozen=True)
class Plan:
    """Everything there is to paint."""

    side: float
    """Edge of the scene, metres."""
    filling: Filling
    """Buildings, trees, vehicles, ground."""
    water: shapely.Geometry
    """Rivers and ponds, metres."""


def plan_town(side: float, rng: np.random.Generator) -> Plan:
    """Return a town for a square scene of the given side in metres."""
    streets, blocks = lay_streets(side, rng)
    filling = Filling(
        patches=[Patch(polygon=shapely.box(0, 0, side, side).buffer(200), material="meadow")]
    )
    for block, zone in zip(blocks, _zones(side, blocks, rng), strict=True):
        filling.add(fill(block, zone, rng))
    river = _river(side, rng) if rng.random() < 0.45 else shapely.Polygon()
    if not river.is_empty:
        filling.patches.append(Patch(polygon=river.buffer(3.5), material="bank"))
        filling.patches.append(Patch(polygon=river, material="water"))
    _pave(filling, streets, rng)
    railway = _railway(filling, side, rng) if rng.random() < 0.25 else shapely.Polygon()
    ponds = [patch.polygon for patch in filling.patches if patch.material == "water"]
    water = shapely.union_all(ponds)
    _clear(filling, streets, shapely.union_all([water.buffer(1.5), railway]))
    return Plan(side, filling, water)


def _zones(side: float, blocks: list[Block], rng: np.random.Generator) -> list[Zone]:
    """Return the zone of each block: that of the nearest of some strewn seeds."""
    count = max(5, round((side / _CELL) ** 2))
    seeds = rng.uniform(0, side, (count, 2))
    order = np.concatenate([rng.permutation(len(_ZONES)) for _ in range(count // 7 + 1)])
    zones: list[Zone] = []
    for block in blocks:
        frame = block.warp.frame(*block.middle)
        nearest = int(np.argmin(np.hypot(*(seeds - (frame.x, frame.y)).T)))
        zones.append(_ZONES[int(order[nearest])])
    return zones


def _wander(side: float, swing: float, rng: np.random.Generator) -> shapely.LineString:
    """Return a winding line right across the scene."""
    along = np.linspace(-0.8 * side - 60, 0.8 * side + 60, 200)
    offset = float(rng.uniform(-0.3, 0.3) * side)
    waves = [
        swing * rng.uniform(0.3, 1) * np.sin(along / length + rng.uniform(0, 6))
        for length in (28.0, 47.0, 83.0)
    ]
    frame = Frame(side / 2, side / 2, float(rng.uniform(0, np.pi)))
    points = [frame.at(float(a), float(b) + offset) for a, b in zip(along, sum(waves), strict=True)]
    return shapely.LineString([(point.x, point.y) for point in points])


def _river(side: float, rng: np.random.Generator) -> shapely.Polygon:
    return _wander(side, 7.0, rng).buffer(float(rng.uniform(4, 10)))


def _railway(filling: Filling, side: float, rng: np.random.Generator) -> shapely.Polygon:
    line = _wander(side, 1.2, rng)
    filling.patches.append(Patch(polygon=line.buffer(4.5), material="ballast"))
    for offset in (-2.8, -1.3, 1.3, 2.8):
        rail = line.offset_curve(offset).buffer(0.09)
        filling.patches.append(Patch(polygon=rail, material="rail", tint=1.2))
    bed: shapely.Polygon = line.buffer(5.5)
    return bed


def _pave(filling: Filling, streets: list[Street], rng: np.random.Generator) -> None:
    """Add pavements, carriageways, markings, street trees and cars."""
    lines = [street.line for street in streets]
    halves = np.array([street.width / 2 for street in streets])
    walks = shapely.union_all(shapely.buffer(lines, halves + 1.9))
    filling.patches.append(Patch(polygon=walks, material="pavement"))
    filling.patches.append(
        Patch(polygon=shapely.union_all(shapely.buffer(lines, halves + 0.15)), material="concrete")
    )
    for street in streets:
        material = "asphalt" if rng.random() < 0.75 else "worn"
        ground = street.line.buffer(street.width / 2, cap_style="flat")
        tint = float(rng.normal(1, 0.06))
        filling.patches.append(Patch(polygon=ground, material=material, tint=tint))
    for street in streets:
        _mark(filling, street)
        _line_street(filling, street, rng)


def _stations(street: Street, step: float, across: float) -> list[Frame]:
    """Return frames along a street, a step apart, off its axis."""
    length = street.line.length
    along = np.arange(8.0, length - 8.0, step)
    here = shapely.get_coordinates(shapely.line_interpolate_point(street.line, along))
    ahead = shapely.get_coordinates(shapely.line_interpolate_point(street.line, along + 1))
    angles = np.arctan2(ahead[:, 1] - here[:, 1], ahead[:, 0] - here[:, 0])
    pairs = zip(here, angles, strict=True)
    return [Frame(float(x), float(y), float(a)).at(0, across) for (x, y), a in pairs]


def _mark(filling: Filling, street: Street) -> None:
    """Add the dashes of the middle line."""
    wide = street.width > 8
    if wide or street.width > 6.6:
        dashes = [frame.box(1.5, 0.07) for frame in _stations(street, 8.0, 0)]
        filling.patches.append(Patch(polygon=shapely.MultiPolygon(dashes), material="paint"))
    if wide:
        for side in (-1, 1):
            line = street.line.offset_curve(side * (street.width / 2 - 0.5)).buffer(0.06)
            filling.patches.append(Patch(polygon=line, material="paint"))


def _line_street(filling: Filling, street: Street, rng: np.random.Generator) -> None:
    """Add parked cars, passing cars, trees along the kerb."""
    density = float(rng.uniform(0.05, 0.5))
    for side in (-1, 1):
        for frame in _stations(street, 5.6, side * (street.width / 2 - 1.0)):
            if rng.random() < density:
                filling.vehicles.append(car(frame, rng))
        for frame in _stations(street, 34.0, side * street.width / 4):
            if rng.random() < 0.22:
                turn = np.pi if side < 0 else 0.0
                filling.vehicles.append(car(frame.at(float(rng.uniform(-9, 9)), 0, turn), rng))
        if rng.random() < 0.4:
            for frame in _stations(
                street, float(rng.uniform(8, 13)), side * (street.width / 2 + 1.4)
            ):
                if rng.random() < 0.75:
                    filling.trees.append(tree(frame.x, frame.y, 2.3, rng))


def _clear(filling: Filling, streets: list[Street], closed: shapely.Geometry) -> None:
    """Drop buildings that stand in the way, then trees and cars that stand in buildings."""
    roads = [street.line.buffer(street.width / 2 + 1.0) for street in streets]
    filling.buildings = _apart(filling.buildings, [*roads, closed])
    tree_index = shapely.STRtree([building.outline for building in filling.buildings])
    ways = shapely.STRtree([street.line.buffer(street.width / 2) for street in streets])
    spots = shapely.points([(t.x, t.y) for t in filling.trees])
    blocked = _hit(tree_index, spots) | _hit(ways, spots)
    blocked |= shapely.intersects(closed, spots)
    filling.trees = [t for t, bad in zip(filling.trees, blocked, strict=True) if not bad]
    bodies = np.array([v.frame.box(v.long, v.wide) for v in filling.vehicles])
    blocked = _hit(tree_index, bodies)
    pairs = shapely.STRtree(bodies).query(bodies, predicate="intersects")
    blocked[pairs[0][pairs[0] > pairs[1]]] = True
    filling.vehicles = [v for v, bad in zip(filling.vehicles, blocked, strict=True) if not bad]


def _hit(tree_index: shapely.STRtree, things: np.ndarray) -> np.ndarray:
    """Return which of the things touch anything in the index."""
    hit = np.zeros(len(things), bool)
    hit[tree_index.query(things, predicate="intersects")[0]] = True
    return hit


def _apart(buildings: list[Building], closed: list[shapely.Geometry]) -> list[Building]:
    """Return the buildings that stand clear of closed ground and of earlier buildings."""
    outlines = np.array([building.outline for building in buildings])
    kept = ~_hit(shapely.STRtree(closed), outlines)
    later, earlier = shapely.STRtree(outlines).query(outlines, predicate="intersects")
    order = later > earlier
    for this, other in sorted(zip(later[order], earlier[order], strict=True)):
        kept[this] &= not kept[other]
    return [building for building, good in zip(buildings, kept, strict=True) if good]
