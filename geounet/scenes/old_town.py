"""Blocks of attached houses around a yard."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from geounet.scenes.draws import chance, pick
from geounet.scenes.greenery import car, clutter, scatter
from geounet.scenes.houses import house, shed
from geounet.scenes.large import row_house
from geounet.scenes.things import Filling, Patch

if TYPE_CHECKING:
    from geounet.scenes.streets import Block

_SHORTEST = 8.0
_PLOTS = ("garden", "lawn", "earth", "concrete", "worn", "meadow")
_YARDS = ("pavement", "worn", "garden", "gravel", "earth")


def rows(block: Block, rng: np.random.Generator) -> Filling:
    """Return attached rows along all four streets, and a yard."""
    filling = Filling(patches=[Patch(polygon=block.polygon, material="pavement", tint=0.95)])
    yard = block.polygon.buffer(-15)
    filling.patches.append(Patch(polygon=yard, material=pick(_YARDS, rng)))
    palette = pick(("tile", "tile", "tile", "slate"), rng)
    kerb, depth = float(rng.uniform(5.4, 6.6)), float(rng.uniform(4.2, 5.8))
    for edge in ("top", "bottom", "left", "right"):
        upright = edge in {"left", "right"}
        start = (block.top if upright else block.left) + kerb
        end = (block.bottom if upright else block.right) - kerb
        if upright:
            start, end = start + 2 * depth + 1, end - 2 * depth - 1
        while end - start > _SHORTEST:
            length = min(float(rng.uniform(24, 60)), end - start)
            _row(filling, (block, edge), (start, length, kerb, depth), palette, rng)
            start += length + (0.4 if chance(0.7, rng) else float(rng.uniform(2, 5)))
    _yard(filling, block, rng)
    return filling


def _row(
    filling: Filling,
    edge: tuple[Block, str],
    extent: tuple[float, float, float, float],
    palette: str,
    rng: np.random.Generator,
) -> None:
    """Add a straight row of attached houses; the next row takes the street's bend."""
    start, length, kerb, depth = extent
    frame = edge[0].edge(edge[1], start + length / 2, kerb + depth)
    count = max(int(length / rng.uniform(6.5, 11)), 1)
    cuts = np.linspace(-length / 2, length / 2, count + 1)
    cuts[1:-1] += rng.uniform(-0.9, 0.9, count - 1)
    for left, right in pairwise(cuts):
        if chance(0.05, rng):
            continue
        wide = depth + pick((0.0, 0.0, 0.4, 0.8), rng)
        spot = frame.at(float(left + right) / 2, wide - depth)
        mixed = palette if chance(0.75, rng) else pick(("slate", "shingle", "metal"), rng)
        filling.buildings.append(row_house(spot, (float(right - left) / 2, wide), mixed, rng))


def _yard(filling: Filling, block: Block, rng: np.random.Generator) -> None:
    """Add sheds, cars, trees and odds and ends behind the rows."""
    middle = block.warp.frame(*block.middle)
    reach = (block.right - block.left) / 4
    for _ in range(int(rng.integers(4, 12))):
        spot = middle.at(float(rng.uniform(-2, 2) * reach), float(rng.normal(0, 6)))
        half = float(rng.uniform(2.5, 7)), float(rng.uniform(2, 6))
        plot = Patch(polygon=spot.box(*half), material=pick(_PLOTS, rng), mix=rng.normal(0, 0.2))
        filling.patches.append(plot)
    for _ in range(int(rng.integers(3, 11))):
        turn = pick((0.0, np.pi / 2), rng)
        spot = middle.at(float(rng.uniform(-1.8, 1.8) * reach), float(rng.normal(0, 5)), turn)
        half = float(rng.uniform(2.6, 5.5)), float(rng.uniform(2.4, 3.4))
        back = house(spot, half, pick(("tile", "rust", "shingle", "sheet"), rng), rng)
        filling.buildings.append(back if chance(0.5, rng) else shed(spot, rng))
    for _ in range(int(rng.integers(0, 8))):
        turn = float(rng.normal())
        spot = middle.at(float(rng.normal(0, reach)), float(rng.normal(0, 6)), turn)
        filling.vehicles.append(car(spot, rng))
    yard = block.polygon.buffer(-15)
    filling.trees += scatter(yard, 0.012, 2.6, rng)
    filling.trees += scatter(yard, 0.02, 1.0, rng)
    filling.vehicles += clutter(yard, 0.02, rng)
