"""Plan a whole town: streets, zones, water, railway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.scenes.blocks import fill
from geounet.scenes.clearing import clear
from geounet.scenes.climate import settle
from geounet.scenes.draws import chance
from geounet.scenes.paving import pave
from geounet.scenes.streets import Frame, lay_streets
from geounet.scenes.things import Filling, Patch, Zone

if TYPE_CHECKING:
    from geounet.scenes.streets import Block

_ZONES: tuple[Zone, ...] = (
    "suburb", "old", "industry", "suburb", "slabs", "old", "suburb", "village", "park",
)  # fmt: skip
_CELL = 110.0


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
    everywhere = shapely.box(0, 0, side, side).buffer(200)
    filling = Filling(patches=[Patch(polygon=everywhere, material="meadow")])
    for block, zone in zip(blocks, _zones(side, blocks, rng), strict=True):
        filling.add(fill(block, zone, rng))
    if chance(0.4, rng):
        _dig(filling, wander(side, 7.0, rng).buffer(float(rng.uniform(4, 10))), rng)
    pave(filling, streets, rng)
    railway = _railway(filling, side, rng) if chance(0.25, rng) else shapely.Polygon()
    water = shapely.union_all([p.polygon for p in filling.patches if p.material == "water"])
    settle(filling, rng)
    clear(filling, streets, shapely.union_all([water.buffer(1.5), railway]))
    return Plan(side, filling, water)


def _zones(side: float, blocks: list[Block], rng: np.random.Generator) -> list[Zone]:
    """Return the zone of each block: that of the nearest of some strewn seeds."""
    count = max(5, round((side / _CELL) ** 2))
    seeds = rng.uniform(0, side, (count, 2))
    rounds = count // len(_ZONES) + 1
    order = np.concatenate([rng.permutation(len(_ZONES)) for _ in range(rounds)])
    zones: list[Zone] = []
    for block in blocks:
        frame = block.warp.frame(*block.middle)
        nearest = int(np.argmin(np.hypot(*(seeds - (frame.x, frame.y)).T)))
        zones.append(_ZONES[int(order[nearest])])
    return zones


def wander(
    side: float, swing: float, rng: np.random.Generator, spread: float = 0.3
) -> shapely.LineString:
    """Return a winding line right across the scene, off its middle by a share of its side."""
    along = np.linspace(-0.8 * side - 60, 0.8 * side + 60, 40 + int(side / 2))
    across = np.full_like(along, rng.uniform(-spread, spread) * side)
    for length in (28.0, 47.0, 83.0):
        phase = along / length + rng.uniform(0, 6)
        across += swing * rng.uniform(0.3, 1) * np.sin(phase)
    frame = Frame(side / 2, side / 2, float(rng.uniform(0, np.pi)))
    points = [frame.at(float(a), float(b)) for a, b in zip(along, across, strict=True)]
    return shapely.LineString([(point.x, point.y) for point in points])


def _dig(filling: Filling, river: shapely.Polygon, rng: np.random.Generator) -> None:
    """Add a river with its banks."""
    filling.patches.append(Patch(polygon=river.buffer(float(rng.uniform(2, 5))), material="bank"))
    filling.patches.append(Patch(polygon=river, material="water"))


def _railway(filling: Filling, side: float, rng: np.random.Generator) -> shapely.Polygon:
    """Add a railway; return its bed."""
    line = wander(side, 1.2, rng)
    filling.patches.append(Patch(polygon=line.buffer(4.5), material="ballast"))
    for offset in (-2.8, -1.3, 1.3, 2.8):
        rail = line.offset_curve(offset).buffer(0.09)
        filling.patches.append(Patch(polygon=rail, material="rail", tint=1.2))
    return line.buffer(5.5)
