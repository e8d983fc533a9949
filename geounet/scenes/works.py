"""Blocks of halls and yards, and blocks of flats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.scenes.draws import chance, pick, sign
from geounet.scenes.greenery import car_park, clutter, scatter, truck
from geounet.scenes.large import hall, slab
from geounet.scenes.things import Filling, Patch

if TYPE_CHECKING:
    from geounet.scenes.streets import Block, Frame

_SHALLOW = 3.0


def yards(block: Block, rng: np.random.Generator) -> Filling:
    """Return halls side by side, with car parks and lorries before them."""
    ground = pick(("asphalt", "worn", "gravel", "concrete"), rng)
    frame = block.warp.frame(*block.middle)
    filling = Filling(
        patches=[Patch(polygon=block.polygon, material=ground, angle=frame.angle, tint=0.95)]
    )
    room, deep = (block.right - block.left) - 18, (block.bottom - block.top) - 17
    along = -room / 2
    while along < room / 2 - 9:
        length = min(float(rng.uniform(15, 62)), room / 2 - along)
        spot = frame.at(along + length / 2, 0)
        if chance(0.85, rng):
            half = 0.5 * length - 1.5, float(rng.uniform(0.26, 0.46)) * deep
            shift = sign(rng) * (deep / 2 - half[1])
            filling.buildings.append(hall(spot.at(0, shift), half, rng))
            free = half[0], deep / 2 - half[1] - 1
            _forecourt(filling, spot.at(0, -np.sign(shift) * half[1]), free, rng)
        else:
            filling.add(car_park(spot, (length / 2 - 2, deep / 2 - 2), rng))
        along += length
    filling.trees += scatter(block.polygon.buffer(-4), 0.0015, 2.4, rng)
    filling.vehicles += clutter(block.polygon.buffer(-8), 0.01, rng)
    return filling


def _forecourt(
    filling: Filling, frame: Frame, half: tuple[float, float], rng: np.random.Generator
) -> None:
    """Add a car park, lorries or containers in front of a hall."""
    if half[1] < _SHALLOW:
        return
    if chance(0.4, rng):
        filling.add(car_park(frame, half, rng))
        return
    turn = pick((0.0, np.pi / 2), rng)
    for along in np.arange(-half[0], half[0], 3.4 if turn else 14.5):
        if chance(0.45, rng):
            spot = frame.at(float(along), float(rng.normal(0, 0.5)), turn)
            filling.vehicles.append(truck(spot, rng))


def flats(block: Block, rng: np.random.Generator) -> Filling:
    """Return blocks of flats among lawns and car parks."""
    filling = Filling(patches=[Patch(polygon=block.polygon, material="lawn", tint=1.05)])
    frame = block.warp.frame(*block.middle)
    room, deep = (block.right - block.left) - 18, (block.bottom - block.top) - 17
    upright = chance(0.5, rng)
    step = 22.0 if upright else 44.0
    count = max(int(room / step), 1)
    for number in range(count):
        along = (number + 0.5) / count * room - room / 2
        half = (deep / 2 - 1, 5.5) if upright else (18.0, float(rng.uniform(5, 7)))
        shift = 0.0 if upright else sign(rng) * (deep / 2 - half[1])
        spot = frame.at(along, shift, np.pi / 2 if upright else 0.0)
        filling.patches.append(
            Patch(polygon=spot.box(half[0] + 2, half[1] + 2), material="pavement")
        )
        filling.buildings.append(slab(spot, half, rng))
        if not upright:
            filling.add(car_park(frame.at(along, -shift * 0.7), (16, 6.4), rng))
    filling.trees += scatter(block.polygon.buffer(-5), 0.009, 3.2, rng)
    filling.trees += scatter(block.polygon.buffer(-5), 0.01, 1.0, rng)
    filling.vehicles += clutter(block.polygon.buffer(-6), 0.003, rng)
    return filling
