"""Plan → light: paint tile after tile, each with as much surroundings as shadows reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.scenes.canvas import FINE, Canvas, Sun
from geounet.scenes.crowns import paint_tree, paint_vehicle
from geounet.scenes.ground import paint_ground
from geounet.scenes.light import expose
from geounet.scenes.roofs import paint_roof
from geounet.scenes.texture import Array, Window
from geounet.scenes.wreck import paint_wreck

if TYPE_CHECKING:
    from geounet.scenes.plan import Plan

_TILE = 1024
_TALLEST = 19.0


@dataclass(frozen=True)
class _Halo:
    """Fine pixels painted around a tile so that shadows and blur are right."""

    top: int
    left: int
    bottom: int
    right: int


def render(plan: Plan, size: int, sun: Sun) -> Array:
    """Return the light `(3, size, size)` that leaves the town."""
    light = np.empty((3, size, size), np.float32)
    halo = _halo(sun)
    painters = _Index(plan)
    for row in range(0, size, _TILE):
        for col in range(0, size, _TILE):
            rows, cols = min(_TILE, size - row), min(_TILE, size - col)
            window = Window(
                2 * row - halo.top,
                2 * col - halo.left,
                2 * rows + halo.top + halo.bottom,
                2 * cols + halo.left + halo.right,
            )
            canvas = Canvas(window, sun)
            painters.paint(canvas)
            tile = expose(canvas, _TALLEST)
            top, left = halo.top // 2, halo.left // 2
            light[:, row : row + rows, col : col + cols] = tile[
                :, top : top + rows, left : left + cols
            ]
    return light


def _halo(sun: Sun) -> _Halo:
    east, south, up = sun.vector
    reach = _TALLEST / up / FINE

    def pixels(share: float) -> int:
        return 4 * int(np.ceil((max(share, 0.0) * reach + 12) / 4))

    return _Halo(pixels(-south), pixels(-east), pixels(south), pixels(east))


class _Index:
    """Finds what lies in a window, so that a tile costs what it shows."""

    def __init__(self, plan: Plan) -> None:
        """Index the things of a plan."""
        filling = plan.filling
        self._filling = filling
        self._ground = shapely.STRtree([patch.polygon for patch in filling.patches])
        places = np.array([(tree.x, tree.y) for tree in filling.trees]).reshape(-1, 2)
        reach = 1.6 * np.array([[tree.radius] for tree in filling.trees]).reshape(-1, 1)
        crowns = np.asarray(shapely.box(*(places - reach).T, *(places + reach).T))
        self._trees = shapely.STRtree(crowns)
        self._vehicles = shapely.STRtree([v.frame.box(v.long, v.wide) for v in filling.vehicles])
        self._buildings = shapely.STRtree([building.outline for building in filling.buildings])

    def paint(self, canvas: Canvas) -> None:
        """Paint ground, vehicles, roofs, trees, in this order."""
        window, filling = canvas.window, self._filling
        frame = shapely.box(
            window.col * FINE,
            window.row * FINE,
            (window.col + window.width) * FINE,
            (window.row + window.height) * FINE,
        )
        numbers = np.sort(self._ground.query(frame))
        paint_ground(canvas, [filling.patches[number] for number in numbers])
        for number in np.sort(self._vehicles.query(frame)):
            paint_vehicle(canvas, filling.vehicles[number])
        for number in np.sort(self._buildings.query(frame)):
            building = filling.buildings[number]
            for roof in building.roofs:
                paint_roof(canvas, roof)
            paint_wreck(canvas, building)
        for number in np.sort(self._trees.query(frame)):
            paint_tree(canvas, filling.trees[number])
