"""The same town before and after a storm, as two flights would see it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import shapely
from scipy import ndimage

from geounet.scenes.light import develop
from geounet.scenes.plan import plan_town
from geounet.scenes.render import render
from geounet.scenes.strike import strike
from geounet.scenes.town import GSD, clip, draw_camera, draw_sun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.scenes.texture import Array
    from geounet.scenes.things import Damage

GSD_AFTER = 0.5
"""Edge of a pixel of the second flight, metres."""
_STREAM = 1


@dataclass(frozen=True)
class StormPair:
    """Two pictures of one town, and what the storm did to each building."""

    before: NDArray[np.uint8]
    """`(3, size, size)`, 0.3 m."""
    after: NDArray[np.uint8]
    """`(3, height, width)`, 0.5 m, from the same corner; 0 is nodata."""
    buildings: list[shapely.Polygon]
    """Roof outlines before the storm, in pixels of `before`."""
    damage: list[Damage]
    """Grade of each building."""
    shift_m: tuple[float, float]
    """How far `after` shows everything off its place: metres east and south."""


def storm(size: int, seed: int) -> StormPair:
    """Return a storm pair of `size` x `size` pixels before; the same for the same arguments."""
    rng = np.random.default_rng([seed, size, _STREAM])
    plan = plan_town(size * GSD, rng)
    sun, camera = draw_sun(rng), draw_camera(rng)
    before = develop(render(plan, size, sun), camera, rng)
    wrecked = strike(plan, rng)
    later_sun = replace(sun, azimuth=360 - sun.azimuth, elevation=float(rng.uniform(30, 58)))
    later_camera = replace(
        draw_camera(rng),
        haze=float(rng.uniform(0.05, 0.1)),
        balance=(1.05, 1.0, 0.93) if camera.balance[0] < 1 else (0.95, 1.0, 1.06),
    )
    distance, direction = float(rng.uniform(1.2, 2.8)), float(rng.uniform(0, 2 * np.pi))
    shift = distance * float(np.cos(direction)), distance * float(np.sin(direction))
    light, valid = _second_flight(render(wrecked, size, later_sun), shift)
    after = develop(light, later_camera, rng) * valid
    frame = shapely.box(0, 0, size, size)
    shown = [(clip([b.outline], frame), b.damage) for b in wrecked.filling.buildings]
    parts = [(part, grade) for outlines, grade in shown for part in outlines]
    outlines, grades = [part for part, _ in parts], [grade for _, grade in parts]
    return StormPair(before, after, outlines, grades, shift)


def _second_flight(light: Array, shift: tuple[float, float]) -> tuple[Array, NDArray[np.bool_]]:
    """Return coarser light, everything moved by `shift` metres, and its valid mask."""
    size = light.shape[-1]
    count = int(size * GSD / GSD_AFTER)
    ratio = GSD_AFTER / GSD
    east, south = shift
    rows = (np.arange(count) + 0.5) * ratio - south / GSD
    cols = (np.arange(count) + 0.5) * ratio - east / GSD
    offset = rows[0] - 0.5, cols[0] - 0.5
    moved = np.empty((len(light), count, count), np.float32)
    for band, target in zip(light, moved, strict=True):
        soft = ndimage.gaussian_filter(band, 0.55)
        ndimage.affine_transform(
            soft, (ratio, ratio), offset, output=target, order=1, mode="nearest"
        )
    inside = ((rows >= 0) & (rows <= size))[:, None] & ((cols >= 0) & (cols <= size))[None]
    return moved, inside
