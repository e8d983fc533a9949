"""Paint tree crowns and vehicles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.scenes.canvas import FINE, Canvas, View, linear

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.scenes.texture import Array
    from geounet.scenes.things import Tree, Vehicle

_TWIGS = 0.55
_CORNER = 0.3
_CABIN = 0.55
_GLASS = 0.12
# Windscreen and rear window, in half lengths ahead of the middle.
_PANES = ((0.2, 0.45), (-0.8, -0.6))


def paint_tree(canvas: Canvas, tree: Tree) -> None:
    """Paint one crown where it stands above roof and ground."""
    view = canvas.view(tree.x, tree.y, tree.radius * 1.5)
    if view is None:
        return
    crown, inside = _crown(tree, view)
    spot = view.rows, view.cols
    won = inside & (crown > canvas.height[spot])
    if 1 in won.shape:
        return
    slope_south = np.gradient(crown, FINE, axis=0).astype(np.float32)
    slope_east = np.gradient(crown, FINE, axis=1).astype(np.float32)
    softness = np.float32(0.55)
    light = canvas.light(slope_east * softness, slope_south * softness)
    canvas.height[spot][won] = crown[won]
    canvas.facing[spot][won] = light[won]
    tone = 1 + 0.22 * view.noise("fine") + 0.16 * view.noise("clump")
    for band, base in zip(canvas.albedo, linear(tree.colour), strict=True):
        band[spot][won] = base * np.maximum(tone, 0.3)[won]


def _crown(tree: Tree, view: View) -> tuple[Array, NDArray[np.bool_]]:
    """Return the crown's height and where it is."""
    clump, fine = view.noise("clump"), view.noise("fine")
    distance = np.hypot(view.east, view.south) / np.float32(tree.radius)
    ragged = distance + 0.18 * clump + 0.07 * fine
    if tree.kind == "conifer":
        height = tree.height * (1 - 0.75 * np.minimum(ragged, 1)) + 0.2 * fine
        return height.astype(np.float32), ragged < 1
    dome = np.sqrt(np.maximum(1 - np.square(ragged), 0))
    bumps = min(0.8, 0.27 * tree.radius) * clump + 0.2 * fine
    height = 0.35 * tree.height + 0.65 * tree.height * dome * 0.8 + bumps
    inside = ragged < 1
    if tree.kind == "bare":
        inside &= np.abs(clump + 0.7 * fine) < _TWIGS
    return np.maximum(height, 0.4).astype(np.float32), inside


def paint_vehicle(canvas: Canvas, vehicle: Vehicle) -> None:
    """Paint one vehicle: body, glass, rounded corners."""
    view = canvas.view(vehicle.frame.x, vehicle.frame.y, vehicle.long + vehicle.wide)
    if view is None:
        return
    along, across = view.turned(vehicle.frame.angle)
    to_end, to_side = vehicle.long - np.abs(along), vehicle.wide - np.abs(across)
    inside = (to_end > 0) & (to_side > 0) & (to_end + to_side > _CORNER)
    spot = view.rows, view.cols
    won = inside & (canvas.height[spot] < vehicle.height)
    share = along / np.float32(vehicle.long)
    panes = [(share > low) & (share < high) for low, high in _PANES]
    glass = np.logical_or(*panes) & vehicle.windows
    canvas.height[spot][won] = vehicle.height
    canvas.facing[spot][won] = canvas.light(0.0, 0.0)
    bonnet = np.where(np.abs(share + 0.1) > _CABIN, np.float32(0.85), np.float32(1))
    tone = np.where(glass, np.float32(_GLASS), bonnet * np.ones_like(across))
    for band, base in zip(canvas.albedo, linear(vehicle.colour), strict=True):
        band[spot][won] = (base * tone)[won]
