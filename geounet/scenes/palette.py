"""Roof colours: what towns are covered with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from geounet.scenes.draws import pick, shade

if TYPE_CHECKING:
    import numpy as np

    from geounet.scenes.things import Colour

Cover = Literal["tile", "seam", "sheet", "panel"]

_COLOURS: dict[str, list[Colour]] = {
    "tile": [(150, 104, 86), (164, 116, 94), (136, 92, 78), (172, 130, 108), (132, 106, 92)],
    "slate": [(88, 92, 98), (108, 110, 114), (74, 77, 83), (122, 122, 124)],
    "shingle": [(112, 100, 90), (134, 120, 106), (98, 88, 80), (150, 138, 122), (120, 112, 106)],
    "metal": [(190, 196, 200), (172, 178, 182), (90, 114, 142), (140, 76, 66), (112, 128, 116)],
    "sheet": [(164, 162, 156), (142, 138, 132), (190, 188, 184), (114, 112, 110), (206, 206, 204)],
    "rust": [(140, 108, 92), (150, 146, 142), (124, 112, 104)],
}
COVERS: dict[str, Cover] = {
    "tile": "tile",
    "slate": "tile",
    "shingle": "tile",
    "metal": "seam",
    "sheet": "sheet",
    "rust": "seam",
}
"""How each kind of roof is laid."""


def roof_colour(palette: str, rng: np.random.Generator) -> Colour:
    """Return one colour of a palette, varied."""
    return shade(pick(_COLOURS[palette], rng), 0.09, rng)
