"""Blocks of houses in gardens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.scenes.draws import chance, pick, sign
from geounet.scenes.greenery import car, clutter, hedge, scatter, wall
from geounet.scenes.houses import house, shed
from geounet.scenes.things import Filling, Patch

if TYPE_CHECKING:
    from geounet.scenes.streets import Block, Frame

_KERB = 5.0
_GRASS = ("lawn", "lawn", "garden", "meadow")
_DRIVES = ("concrete", "pavement", "worn", "gravel", "garden")


def gardens(block: Block, rng: np.random.Generator) -> Filling:
    """Return two rows of lots, back to back."""
    filling = Filling(patches=[Patch(polygon=block.polygon, material="lawn")])
    palette = pick(("tile", "tile", "slate", "shingle"), rng)
    green = float(rng.uniform(0.005, 0.02))
    for edge in ("top", "bottom"):
        width = float(rng.uniform(13, 20))
        setback = float(rng.uniform(8.0, 12))
        room = block.right - block.left - 2 * _KERB
        count = max(int(room / width), 1)
        for number in range(count):
            along = block.left + _KERB + (number + 0.5) * room / count
            front = block.edge(edge, along, setback)
            size = room / count, (block.bottom - block.top) / 2
            mixed = palette if chance(0.7, rng) else pick(("tile", "slate", "metal"), rng)
            filling.add(_lot(front, size, mixed, rng))
    filling.trees += scatter(block.polygon.buffer(-_KERB), green, 3.0, rng)
    return filling


def _lot(
    front: Frame, size: tuple[float, float], palette: str, rng: np.random.Generator
) -> Filling:
    """Return one garden lot: house, drive, shed, pool, hedges, trees."""
    width, depth = size
    ground = front.at(0, depth / 2 - 5).box(width / 2, depth / 2)
    mix, tint = float(rng.normal(0, 0.3)), float(rng.normal(1, 0.08))
    filling = Filling(
        patches=[Patch(polygon=ground, material=pick(_GRASS, rng), tint=tint, mix=mix)]
    )
    _home(filling, front, size, palette, rng)
    edge = sign(rng) * (width / 2 - 2)
    _drive(filling, front.at(edge, 0), rng)
    _backyard(filling, front, (edge, *size), rng)
    for border in (-width / 2, width / 2):
        kind = pick(("hedge", "hedge", "fence", "fence", "none"), rng)
        if kind == "hedge":
            filling.trees += hedge(front.at(border, 0, np.pi / 2), depth * 0.7, rng)
        elif kind == "fence":
            middle = front.at(border + 0.2, depth / 2 - 3, np.pi / 2)
            filling.vehicles.append(wall(middle, depth / 2 - 3, rng))
    filling.trees += scatter(ground, 0.006, 2.3, rng)
    filling.trees += scatter(ground, 0.025, 0.9, rng)
    filling.vehicles += clutter(ground, 0.008, rng)
    return filling


def _home(
    filling: Filling,
    front: Frame,
    size: tuple[float, float],
    palette: str,
    rng: np.random.Generator,
) -> None:
    """Add the house and the terrace around it."""
    half = float(rng.uniform(0.27, 0.39)) * size[0], float(rng.uniform(3.8, 5.8))
    turn = float(rng.normal(0, 0.06)) + (np.pi / 2 if chance(0.3, rng) else 0)
    spot = front.at(float(rng.normal(0, 0.6)), half[1] + float(rng.uniform(-1, 2.5)), turn)
    filling.buildings.append(house(spot, half, palette, rng))
    material = pick(("worn", "garden", "pavement", "gravel", "lawn"), rng)
    terrace = spot.at(float(rng.normal(0, 1)), half[1]).box(0.6 * half[0], 3.2)
    filling.patches.append(Patch(polygon=terrace, material=material, tint=1.05))


def _drive(filling: Filling, frame: Frame, rng: np.random.Generator) -> None:
    length = float(rng.uniform(4, 12))
    drive = frame.at(0, length / 2 - 5).box(1.5, length / 2 + 4)
    tint = float(rng.normal(1, 0.08))
    filling.patches.append(Patch(polygon=drive, material=pick(_DRIVES, rng), tint=tint))
    if chance(0.5, rng):
        filling.vehicles.append(car(frame.at(0, length - 5, np.pi / 2), rng))


def _backyard(
    filling: Filling,
    front: Frame,
    lot: tuple[float, float, float],
    rng: np.random.Generator,
) -> None:
    """Add a pool, a shed or a vegetable bed."""
    edge, width, depth = lot
    share = float(rng.uniform(0.45, 0.6))
    rear = front.at(float(rng.uniform(-0.3, 0.3)) * width, depth * share)
    kind = pick(("pool", "shed", "shed", "shed", "bed", "bed", "none", "none"), rng)
    if kind == "pool":
        basin = rear.box(float(rng.uniform(2.2, 4.5)), float(rng.uniform(1.4, 2.2)))
        filling.patches.append(Patch(polygon=basin.buffer(1.2), material="pavement"))
        filling.patches.append(Patch(polygon=basin.buffer(0.4), material="pool"))
    elif kind == "shed":
        corner = front.at(edge * 0.75, depth - 11, float(rng.normal(0, 0.1)))
        filling.buildings.append(shed(corner, rng))
    elif kind == "bed":
        bed = rear.box(float(rng.uniform(2, 5)), float(rng.uniform(1.5, 4)))
        filling.patches.append(Patch(polygon=bed, material="ploughed", angle=rear.angle))
