"""Fields with hedges, woods and a few farms along the road."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.scenes.draws import chance, pick
from geounet.scenes.greenery import clutter, hedge, scatter, tree
from geounet.scenes.houses import house, shed
from geounet.scenes.large import hall
from geounet.scenes.things import Filling, Patch

if TYPE_CHECKING:
    from geounet.scenes.streets import Block, Frame

_CROPS = ("crop", "ripe", "ploughed", "meadow", "orchard", "earth")


def fields(block: Block, rng: np.random.Generator) -> Filling:
    """Return strips of crops, with farms on one side."""
    filling = _strips(block, rng)
    along = block.left + 16
    while along < block.right - 16:
        if chance(0.6, rng):
            _farm(filling, block.edge(pick(("top", "bottom"), rng), along, 10), rng)
        along += float(rng.uniform(24, 42))
    return filling


def _strips(block: Block, rng: np.random.Generator) -> Filling:
    filling = Filling(patches=[Patch(polygon=block.polygon, material="meadow")])
    frame = block.warp.frame(*block.middle)
    room, deep = block.right - block.left - 9, block.bottom - block.top - 9
    along = -room / 2
    while along < room / 2:
        width = min(float(rng.uniform(18, 60)), room / 2 - along)
        _strip(filling, frame.at(along + width / 2, 0), (width / 2, deep / 2), rng)
        along += width
    return filling


def _strip(
    filling: Filling, frame: Frame, half: tuple[float, float], rng: np.random.Generator
) -> None:
    """Add one field, and perhaps a hedge or a wood."""
    material = pick(_CROPS, rng)
    strip = frame.box(half[0] - 0.7, half[1])
    angle = frame.angle + (np.pi / 2 if chance(0.6, rng) else float(rng.normal(0, 0.4)))
    mix, tint = float(rng.normal(0, 0.2)), float(rng.normal(1, 0.1))
    filling.patches.append(Patch(polygon=strip, material=material, angle=angle, tint=tint, mix=mix))
    if material == "orchard":
        _orchard(filling, frame, half, rng)
    border = pick(("hedge", "hedge", "wood", "none", "none", "none"), rng)
    if border == "hedge":
        filling.trees += hedge(frame.at(half[0], -half[1], np.pi / 2), 2 * half[1], rng)
    elif border == "wood":
        filling.trees += scatter(strip, 0.05, 3.6, rng)


def _orchard(
    filling: Filling, frame: Frame, half: tuple[float, float], rng: np.random.Generator
) -> None:
    for along in np.arange(-half[0] + 3, half[0] - 2, 6.0):
        for across in np.arange(-half[1] + 3, half[1] - 2, 5.0):
            if chance(0.85, rng):
                spot = frame.at(float(along), float(across))
                filling.trees += hedge(spot, 0.5, rng)


def _farm(filling: Filling, front: Frame, rng: np.random.Generator) -> None:
    """Add a farmhouse, a barn and a shed around a yard."""
    yard = front.at(0, 8).box(11, 13)
    filling.patches.append(Patch(polygon=yard, material=pick(("gravel", "earth", "garden"), rng)))
    palette = pick(("tile", "shingle", "rust"), rng)
    half = float(rng.uniform(5, 7.5)), float(rng.uniform(3.5, 5))
    filling.buildings.append(house(front.at(-4, 4), half, palette, rng))
    barn = front.at(5, 18, pick((0.0, np.pi / 2), rng))
    filling.buildings.append(hall(barn, (float(rng.uniform(6, 11)), 4.5), rng))
    filling.buildings.append(shed(front.at(10, 6), rng))
    corner = front.at(-11, 9)
    filling.trees.append(tree(corner.x, corner.y, 3.6, rng))
    filling.trees += scatter(yard.buffer(7), 0.01, 2.6, rng)
    filling.vehicles += clutter(yard, 0.02, rng)
