"""Climate and season: what all of a town has in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from geounet.scenes.draws import chance, pick
from geounet.scenes.palette import roof_colour

if TYPE_CHECKING:
    import numpy as np

    from geounet.scenes.things import Building, Colour, Filling, Patch, Roof, Tree

_GRASSES = frozenset(("meadow", "lawn", "garden", "bank"))
_BROWN: Colour = (122, 108, 88)
_TALLEST_BOX = 1.3


def settle(filling: Filling, rng: np.random.Generator) -> None:
    """Give the town a season and, now and then, a dry climate."""
    brown = pick((0.0, 0.1, 0.25, 0.5), rng) * float(rng.uniform(0.6, 1.2))
    filling.trees = [_turned(tree, brown) for tree in filling.trees]
    filling.patches = [_faded(patch, brown) for patch in filling.patches]
    if chance(0.15, rng):
        _parch(filling, rng)


def _turned(tree: Tree, brown: float) -> Tree:
    """Return the tree with its leaves turned brown by a share."""
    if tree.kind != "leafy":
        return tree
    red, green, blue = (a + brown * (b - a) for a, b in zip(tree.colour, _BROWN, strict=True))
    return replace(tree, colour=(red, green, blue))


def _faded(patch: Patch, brown: float) -> Patch:
    return replace(patch, mix=patch.mix + 0.8 * brown) if patch.material in _GRASSES else patch


def _parch(filling: Filling, rng: np.random.Generator) -> None:
    """Make it a town of a dry land: flat roofs, sand for grass, few trees."""
    kept, sandy = float(rng.uniform(0.1, 0.4)), float(rng.uniform(0.5, 1))
    filling.trees = [tree for tree in filling.trees if chance(kept, rng)]
    filling.patches = [
        replace(patch, material=pick(("sand", "sand", "earth"), rng))
        if patch.material in _GRASSES and chance(sandy, rng)
        else patch
        for patch in filling.patches
    ]
    filling.buildings = [
        _flattened(building, rng) if chance(0.85, rng) else building
        for building in filling.buildings
    ]


def _flattened(building: Building, rng: np.random.Generator) -> Building:
    """Return the building with flat roofs; what stood on the ridge stands on the terrace."""
    colour = roof_colour("sheet", rng)
    eave = building.roofs[0].eave

    def flat(roof: Roof) -> Roof:
        if roof.shape == "box":
            return replace(roof, eave=min(roof.eave, eave + _TALLEST_BOX))
        return replace(roof, shape="flat", pitch=0.0, colour=colour, cover="sheet")

    return replace(building, roofs=tuple(map(flat, building.roofs)))
