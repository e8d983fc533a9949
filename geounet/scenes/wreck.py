"""Paint what a storm leaves of a building: tarps, bare battens, open roofs, rubble."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from rasterio.features import rasterize
from scipy import ndimage

from geounet.scenes.canvas import FINE, corner_of, linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.scenes.canvas import Canvas, View
    from geounet.scenes.texture import Array, Window
    from geounet.scenes.things import Building, Colour, Roof

    Flags = NDArray[np.bool_]

_WOOD: Colour = (150, 128, 100)
_FELT: Colour = (74, 70, 68)
_DARK: Colour = (58, 52, 48)
_DUST: Colour = (124, 112, 100)
_SLAB: Colour = (158, 152, 144)
_TARPS: tuple[Colour, ...] = ((52, 96, 158), (60, 108, 176), (206, 208, 208), (40, 84, 146))
_RAFTERS = np.float32(0.9)
# Levels of noise beyond which covering is stripped, a roof torn, a rafter fallen, rooms heaped,
# a slab buried, tiles, dark gaps and bright chips seen.
_STRIPPED, _TORN, _FALLEN, _HEAPED = 1.25, 0.1, 0.9, 0.5
_BURIED, _TILES, _GAPS, _CHIPS = 0.25, 0.7, 1.3, 1.6


def paint_wreck(canvas: Canvas, building: Building) -> None:
    """Paint the damage onto a building whose roofs stand on the canvas."""
    left, top, right, bottom = building.outline.bounds
    x, y = (left + right) / 2, (top + bottom) / 2
    view = canvas.view(x, y, max(right - left, bottom - top) / 2)
    if building.damage == "none" or view is None:
        return
    inside = _inside(building, view.window)
    if building.damage == "destroyed":
        _rubble(canvas, view, inside, building.roofs[0].colour)
    elif building.damage == "major":
        _open(canvas, view, inside, building.roofs[0])
    else:
        _patch(canvas, view, inside, building.roofs[0])


def _inside(building: Building, window: Window) -> Flags:
    corner = corner_of(window)
    shape = window.height, window.width
    burnt = rasterize([building.outline], out_shape=shape, transform=corner, dtype="uint8")
    return np.asarray(burnt, bool)


def _dye(
    canvas: Canvas, view: View, where: Flags, colour: Colour, tone: Array | None = None
) -> None:
    """Give pixels another colour."""
    factor = 1 if tone is None else tone[where]
    for band, base in zip(canvas.albedo, linear(colour), strict=True):
        band[view.rows, view.cols][where] = base * factor


def _lay(canvas: Canvas, view: View, where: Flags, height: Array) -> None:
    """Give pixels another height, and the slope that goes with it."""
    south, east = np.gradient(height, np.float32(FINE)) if min(height.shape) > 1 else (0, 0)
    canvas.height[view.rows, view.cols][where] = height[where]
    light = canvas.light(np.asarray(east) * 0.6, np.asarray(south) * 0.6)
    canvas.facing[view.rows, view.cols][where] = np.broadcast_to(light, where.shape)[where]


def _patch(canvas: Canvas, view: View, inside: Flags, roof: Roof) -> None:
    """Strip some covering, nail a tarp over a part."""
    along, across = view.turned(roof.frame.angle)
    blotch = view.noise("clump") + 0.5 * view.noise("drift")
    corner = along / roof.long * np.sign(roof.frame.angle - 1) + across / roof.wide
    stripped = inside & (blotch + 0.6 * corner > _STRIPPED)
    _dye(canvas, view, stripped, _FELT, 1 + 0.2 * view.noise("fine"))
    battens = stripped & (np.mod(across, np.float32(0.6)) < np.float32(0.2))
    _dye(canvas, view, battens, _WOOD)
    number = int(abs(roof.frame.x * 7 + roof.frame.y * 3))
    middle = 0.35 * roof.long * (number % 3 - 1), 0.45 * roof.wide * (-1) ** number
    size = min(0.34 * roof.long + 0.8, 4.0), min(0.42 * roof.wide + 0.3, 2.8)
    crease = 0.12 * view.noise("fine")
    tarp = (np.abs(along - middle[0]) + crease < size[0]) & (
        np.abs(across - middle[1]) + crease < size[1]
    )
    folds = 1 + 0.09 * np.sin(along * 3.1) + 0.08 * view.noise("clump")
    _dye(canvas, view, inside & tarp, _TARPS[number % len(_TARPS)], folds)


def _open(canvas: Canvas, view: View, inside: Flags, roof: Roof) -> None:
    """Take away a good part of the roof: rafters over dark rooms, rubble on their floors."""
    along, _ = view.turned(roof.frame.angle)
    side = 1 if int(roof.frame.x * 5) % 2 else -1
    pull = side * along / np.float32(roof.long)
    torn = inside & (1.1 * pull + 0.5 * view.noise("drift") + 0.35 * view.noise("clump") > _TORN)
    standing = np.mod(along, _RAFTERS) < np.float32(0.22)
    rafters = torn & standing & (view.noise("clump") + 0.5 * pull < _FALLEN)
    floor = np.maximum(0.5 + 0.35 * view.noise("clump") + 0.15 * view.noise("fine"), 0.05)
    hole = torn & ~rafters
    _lay(canvas, view, hole, floor)
    _dye(canvas, view, hole, _DARK, 1 + 0.5 * view.noise("fine"))
    heaps = hole & (view.noise("clump") > _HEAPED)
    _dye(canvas, view, heaps, _SLAB, 1 + 0.35 * view.noise("fine"))
    _dye(canvas, view, rafters, _WOOD)


def _rubble(canvas: Canvas, view: View, inside: Flags, colour: Colour) -> None:
    """Leave a floor slab under heaps of timber, masonry and roof covering."""
    clump, fine, drift = view.noise("clump"), view.noise("fine"), view.noise("drift")
    heap = np.maximum(0.35 + 0.5 * drift + 0.4 * clump + 0.15 * fine, 0.06)
    walls = inside & ~ndimage.binary_erosion(inside, iterations=2) & (drift + clump > 0)
    heap = np.where(walls, 1.6 + 0.4 * clump, heap)
    _lay(canvas, view, inside, heap.astype(np.float32))
    _dye(canvas, view, inside, _SLAB, 1 + 0.12 * fine)
    covered = inside & (heap > _BURIED)
    _dye(canvas, view, covered, _DUST, np.maximum(1 + 0.6 * fine, 0.2))
    red, green, blue = (0.6 * a + 0.4 * b for a, b in zip(colour, _DUST, strict=True))
    tiles = covered & (clump + 0.6 * drift > _TILES)
    _dye(canvas, view, tiles, (red, green, blue), np.maximum(1 + 0.4 * fine, 0.3))
    _dye(canvas, view, covered & (-clump - fine > _GAPS), _DARK)
    _dye(canvas, view, walls, _SLAB, 1 + 0.1 * fine)
    _dye(canvas, view, covered & (fine - 0.5 * clump > _CHIPS), (204, 198, 186))
