"""Paint roofs: height, slope towards the sun, cover."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.scenes.canvas import Canvas, View, linear

if TYPE_CHECKING:
    from geounet.scenes.texture import Array
    from geounet.scenes.things import Roof

_EDGE = 0.3
_RIDGE = 0.15
_GUTTER = 0.2


def paint_roof(canvas: Canvas, roof: Roof) -> None:
    """Paint one roof where it is higher than what stands there."""
    radius = float(np.hypot(roof.long, roof.wide)) + 0.3
    view = canvas.view(roof.frame.x, roof.frame.y, radius)
    if view is None:
        return
    along, across = view.turned(roof.frame.angle)
    to_end, to_eave = roof.long - np.abs(along), roof.wide - np.abs(across)
    rise, slope_along, slope_across = _surface(roof, along, across)
    height = roof.eave + rise
    spot = view.rows, view.cols
    won = (to_end > 0) & (to_eave > 0) & (height > canvas.height[spot])
    angle = roof.frame.angle
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    light = canvas.light(
        slope_along * cosine - slope_across * sine, slope_along * sine + slope_across * cosine
    )
    canvas.height[spot][won] = height[won]
    canvas.facing[spot][won] = np.broadcast_to(light, won.shape)[won]
    tone = _cover(roof, view, along, across) * _edges(roof, to_end, to_eave)
    for band, base in zip(canvas.albedo, linear(roof.colour), strict=True):
        band[spot][won] = base * tone[won]


def _surface(roof: Roof, along: Array, across: Array) -> tuple[Array, Array, Array]:
    """Return the rise above the eave and the slopes along and across the ridge."""
    to_end, to_eave = roof.long - np.abs(along), roof.wide - np.abs(across)
    pitch = np.float32(roof.pitch)
    zero = np.zeros_like(to_eave)
    if roof.shape == "gable":
        return pitch * to_eave, zero, -pitch * np.sign(across)
    if roof.shape == "hip":
        hipped = to_end < to_eave
        rise = pitch * np.minimum(to_end, to_eave)
        slope_along = np.where(hipped, -pitch * np.sign(along), 0)
        return rise, slope_along, np.where(hipped, 0, -pitch * np.sign(across))
    if roof.shape == "shed":
        return pitch * (across + roof.wide), zero, zero + pitch
    parapet = (np.minimum(to_end, to_eave) < _EDGE) & (roof.shape == "flat")
    return parapet * np.float32(0.6), zero, zero


def _cover(roof: Roof, view: View, along: Array, across: Array) -> Array:
    """Return the brightness pattern of the cover, around 1."""
    stain = 1 + 0.08 * view.noise("drift") + 0.06 * view.noise("clump")
    grain = 0.08 * view.noise("fine")
    if roof.cover == "tile":
        courses = 0.05 * np.sin(across * np.float32(2 * np.pi / 0.62))
        return np.asarray(stain + 1.2 * grain + courses, np.float32)
    if roof.cover == "seam":
        seams = np.mod(along, np.float32(0.9)) < FINE_SEAM
        rust = 0.06 * np.maximum(view.noise("drift") - 0.8, 0)
        return np.asarray(stain + 0.4 * grain - 0.13 * seams - rust, np.float32)
    if roof.cover == "panel":
        lines = (np.mod(along, np.float32(1.0)) < FINE_SEAM) | (np.mod(across, 1.6) < FINE_SEAM)
        return np.asarray(1 + 0.9 * lines + grain, np.float32)
    lanes = np.mod(across, np.float32(4.5)) < FINE_SEAM
    puddles = 0.14 * np.clip(view.noise("clump") + view.noise("drift") - 1.2, 0, 1.5)
    return np.asarray(stain + 0.8 * grain - 0.08 * lanes - puddles, np.float32)


FINE_SEAM = np.float32(0.16)


def _edges(roof: Roof, to_end: Array, to_eave: Array) -> Array:
    """Return what ridge, hips, eaves and parapets do to the brightness."""
    nearest = np.minimum(to_end, to_eave)
    if roof.shape == "flat":
        return np.where(nearest < _EDGE, np.float32(1.25), np.float32(1))
    if roof.shape == "box":
        return np.ones_like(nearest)
    ridge = (
        roof.wide - to_eave < _RIDGE if roof.shape == "gable" else np.abs(to_end - to_eave) < _RIDGE
    )
    gutter = to_eave < _GUTTER
    return (1 + 0.16 * ridge - 0.22 * gutter).astype(np.float32)
