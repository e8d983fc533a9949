"""Ground without houses: parks, courts, bare plots, ponds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.scenes.draws import chance, pick
from geounet.scenes.greenery import scatter
from geounet.scenes.things import Filling, Patch

if TYPE_CHECKING:
    from geounet.scenes.streets import Block, Frame

_GROUNDS = ("gravel", "concrete", "tent", "worn", "meadow")


def park(block: Block, rng: np.random.Generator) -> Filling:
    """Return a park, a sports ground or a bare plot with a tent."""
    frame = block.warp.frame(*block.middle)
    kind = pick(("green", "green", "sports", "bare"), rng)
    if kind == "sports":
        return _sports(block, frame, rng)
    if kind == "bare":
        return _bare(block, frame, rng)
    filling = Filling(patches=[Patch(polygon=block.polygon, material="lawn", tint=0.95)])
    ends = [(rng.uniform(-60, 60), side * 50) for side in (-1, 1)]
    bend = frame.at(float(rng.normal(0, 15)), float(rng.normal(0, 8)))
    for along, across in (*ends, (-60, 0), (60, 0)):
        spot = frame.at(float(along), float(across))
        path = shapely.LineString([(bend.x, bend.y), (spot.x, spot.y)]).buffer(1.2)
        inside = shapely.get_parts(path.intersection(block.polygon))
        filling.patches += [Patch(polygon=p, material="gravel", tint=1.1) for p in inside]
    if chance(0.5, rng):
        filling.patches += pond(frame.at(12, 4), float(rng.uniform(8, 15)), rng)
    filling.trees += scatter(block.polygon.buffer(-5), 0.02, 3.8, rng)
    return filling


def pond(frame: Frame, radius: float, rng: np.random.Generator) -> list[Patch]:
    """Return a pond with its bank."""
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    reach = np.full_like(turn, radius)
    for lobes in (1, 2, 3, 5, 7):
        reach += radius * rng.uniform(-0.1, 0.1) * np.cos(lobes * turn + rng.uniform(0, 6))
    ring = [
        (frame.x + r * np.cos(t), frame.y + r * np.sin(t)) for r, t in zip(reach, turn, strict=True)
    ]
    shore = shapely.Polygon(ring)
    return [
        Patch(polygon=shore.buffer(2), material="bank"),
        Patch(polygon=shore, material="water"),
    ]


def _sports(block: Block, frame: Frame, rng: np.random.Generator) -> Filling:
    filling = Filling(patches=[Patch(polygon=block.polygon, material="lawn")])
    room, deep = block.right - block.left - 20, block.bottom - block.top - 18
    half = min(0.3 * room, 32.0), min(deep / 2, 20.0)
    pitch = frame.at(-0.17 * room, 0)
    filling.patches.append(
        Patch(polygon=pitch.box(*half), material="pitch", angle=pitch.angle + np.pi / 2)
    )
    filling.patches += _lines(pitch, (half[0] - 1.5, half[1] - 1.5), 0.0)
    for number in range(2):
        court = frame.at(0.34 * room, (number - 0.5) * 19)
        material = pick(("court", "green court"), rng)
        filling.patches.append(Patch(polygon=court.box(14, 8.5), material=material))
        filling.patches += _lines(court, (11.9, 5.5), 6.4)
    filling.trees += scatter(block.polygon.buffer(-4), 0.002, 3, rng)
    return filling


def _lines(frame: Frame, half: tuple[float, float], cross: float) -> list[Patch]:
    """Return the painted lines of a court."""
    lines = [frame.box(*half).exterior.buffer(0.08), frame.box(0.08, half[1])]
    if cross:
        lines += [frame.at(side * cross, 0).box(0.06, half[1] * 0.75) for side in (-1, 1)]
    return [Patch(polygon=line, material="paint") for line in lines]


def _bare(block: Block, frame: Frame, rng: np.random.Generator) -> Filling:
    """Return building plots not yet built on: earth, slabs, a white tent."""
    filling = Filling(patches=[Patch(polygon=block.polygon, material="earth")])
    for _ in range(int(rng.integers(2, 6))):
        along, across = float(rng.uniform(-30, 30)), float(rng.uniform(-14, 14))
        half = float(rng.uniform(3, 9)), float(rng.uniform(3, 7))
        material = pick(_GROUNDS, rng)
        plot = frame.at(along, across, float(rng.normal(0, 0.1)))
        filling.patches.append(Patch(polygon=plot.box(*half), material=material))
    filling.trees += scatter(block.polygon.buffer(-4), 0.003, 1.6, rng)
    return filling
