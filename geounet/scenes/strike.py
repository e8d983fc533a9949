"""A storm goes over a plan: a torn swath, debris, fallen trees, flooded ground."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from geounet.scenes.draws import chance, pick, shade
from geounet.scenes.open_land import pond
from geounet.scenes.plan import Plan, wander
from geounet.scenes.streets import Frame
from geounet.scenes.things import Building, Damage, Filling, Patch, Tree, Vehicle

if TYPE_CHECKING:
    from geounet.scenes.things import Colour

Floats = NDArray[np.float64]

# Shares of the buildings, from the storm's track outwards.
_SHARES: tuple[tuple[Damage, float], ...] = (("destroyed", 0.12), ("major", 0.14), ("minor", 0.18))
_WET = 0.3
_FORCE = 0.45
_SCRAPS: tuple[Colour, ...] = ((196, 188, 176), (150, 128, 100), (96, 84, 74), (214, 212, 208))


def strike(plan: Plan, rng: np.random.Generator) -> Plan:
    """Return the plan after a storm; every grade occurs in all but the smallest towns."""
    track = wander(plan.side, 6.0, rng, spread=0.12)
    reach = max(0.11 * plan.side, 18.0)
    before = plan.filling
    places = np.array([(b.outline.centroid.x, b.outline.centroid.y) for b in before.buildings])
    force = _force(track, reach, places) + rng.normal(0, 0.1, len(places))
    flood = _flood(plan, rng)
    seen = shapely.box(0, 0, plan.side, plan.side)
    buildings = _graded(before.buildings, force, flood, seen)
    after = Filling(buildings=buildings, patches=list(before.patches))
    after.trees = _felled(before.trees, track, reach, rng)
    after.vehicles = [v for v in before.vehicles if chance(0.55, rng) and _dry(v, flood)]
    _litter(after, rng)
    after.patches += [Patch(polygon=part, material="flood") for part in shapely.get_parts(flood)]
    return Plan(plan.side, after, plan.water)


def _force(track: shapely.LineString, reach: float, places: Floats) -> Floats:
    """Return 1 on the track, falling to 0 within a few reaches, at places `(n, 2)`."""
    distance = shapely.distance(track, shapely.points(places))
    return np.exp(-np.square(distance / reach))


def _flood(plan: Plan, rng: np.random.Generator) -> shapely.Geometry:
    """Return where water stands: around rivers and ponds, else in a hollow."""
    seen = shapely.box(0, 0, plan.side, plan.side).buffer(30)
    water = shapely.intersection(plan.water, seen)
    if water.is_empty:
        x, y = rng.uniform(0.1, 0.9, 2) * plan.side
        hollow = Frame(float(x), float(y), 0.0)
        return pond(hollow, max(0.12 * plan.side, 16.0), rng)[1].polygon
    flood: shapely.Geometry = shapely.intersection(
        shapely.buffer(water, float(rng.uniform(9, 16))), seen
    )
    return flood


def _graded(
    buildings: list[Building], force: Floats, flood: shapely.Geometry, seen: shapely.Polygon
) -> list[Building]:
    """Return the buildings with grades by rank of force; standing in water is at least minor."""
    outlines = np.array([building.outline for building in buildings], dtype=object)
    shown = shapely.area(shapely.intersection(outlines, seen)) > 0.8 * shapely.area(outlines)
    order = np.argsort(-np.where(shown, force, force - 2), kind="stable")
    wet = shapely.area(shapely.intersection(outlines, flood)) > _WET * shapely.area(outlines)
    grades: list[Damage] = ["minor" if under else "none" for under in wet]
    first = 0
    for grade, share in _SHARES:
        count = max(1, round(share * int(shown.sum())))
        for number in order[first : first + count]:
            grades[number] = grade
        first += count
    pairs = zip(buildings, grades, strict=True)
    return [replace(building, damage=grade) for building, grade in pairs]


def _felled(
    trees: list[Tree], track: shapely.LineString, reach: float, rng: np.random.Generator
) -> list[Tree]:
    """Return the trees, most of them gone or stripped where the storm went."""
    places = np.array([(tree.x, tree.y) for tree in trees]).reshape(-1, 2)
    left: list[Tree] = []
    for tree, force in zip(trees, _force(track, reach, places), strict=True):
        if force < _FORCE or chance(0.25, rng):
            left.append(tree)
        elif chance(0.6, rng):
            left.append(
                replace(tree, kind="bare", height=1.2, radius=0.8 * tree.radius, colour=_SCRAPS[2])
            )
    return left


def _dry(vehicle: Vehicle, flood: shapely.Geometry) -> bool:
    return not shapely.contains_xy(flood, vehicle.frame.x, vehicle.frame.y)


def _litter(filling: Filling, rng: np.random.Generator) -> None:
    """Strew debris around the wrecked buildings."""
    amounts = {"major": (5.0, 0.05), "destroyed": (8.0, 0.13)}
    for building in filling.buildings:
        if building.damage not in amounts:
            continue
        reach, density = amounts[building.damage]
        field = building.outline.buffer(reach * float(rng.uniform(0.7, 1.3)))
        if building.damage == "destroyed":
            heap = building.outline.buffer(float(rng.uniform(0.8, 2.5)))
            filling.patches.append(Patch(polygon=heap, material="debris"))
        left, top, right, bottom = field.bounds
        count = int(rng.poisson(density * (right - left) * (bottom - top)))
        spots = rng.uniform((left, top), (right, bottom), (count, 2))
        for x, y in spots[shapely.contains_xy(field, spots[:, 0], spots[:, 1])]:
            filling.vehicles.append(_scrap(float(x), float(y), building.roofs[0].colour, rng))


def _scrap(x: float, y: float, roof: Colour, rng: np.random.Generator) -> Vehicle:
    """Return a plank, a sheet of roof, a lump of wall."""
    plank = chance(0.4, rng)
    half = (rng.uniform(0.8, 2), 0.12) if plank else rng.uniform(0.15, 0.8, 2)
    colour = roof if chance(0.3, rng) else pick(_SCRAPS, rng)
    return Vehicle(
        frame=Frame(x, y, float(rng.uniform(0, np.pi))),
        long=float(half[0]),
        wide=float(half[1]),
        height=float(rng.uniform(0.1, 0.7)),
        colour=shade(colour, 0.2, rng),
        windows=False,
    )
