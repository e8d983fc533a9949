"""A town as a picture and its truth."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import shapely
from rasterio.features import rasterize

from geounet.scenes.canvas import Sun
from geounet.scenes.draws import chance
from geounet.scenes.light import Camera, develop
from geounet.scenes.plan import plan_town
from geounet.scenes.render import render

if TYPE_CHECKING:
    from numpy.typing import NDArray

GSD = 0.3
"""Edge of a pixel in metres."""
# Parts of roofs that the edge of the picture leaves smaller than 4 m² are nobody's building.
_SLIVER = 4.0 / GSD**2
# Roofs closer than this many pixels are one footprint: 0.9 m cannot be told apart at 0.3 m.
_GAP = 3.0
# Least depth of the nodata edge, as a share of the picture.
_LEAST = 0.006


@dataclass(frozen=True)
class Town:
    """An aerial picture of a town, and where its buildings are."""

    image: NDArray[np.uint8]
    """`(3, height, width)`; 0 in all bands is nodata, valid pixels are 1-255."""
    valid: NDArray[np.bool_]
    """`(height, width)`, True = data."""
    buildings: list[shapely.Polygon]
    """Roof outlines in pixels (x = column, y = row), clipped to the data; none overlap, and houses
    that share a wall, or stand closer than a labeller could tell, are one."""
    mask: NDArray[np.bool_]
    """`(height, width)`, True = building."""


def town(size: int, seed: int) -> Town:
    """Return a town of `size` x `size` pixels of 0.3 m; the same for the same arguments."""
    rng = np.random.default_rng([seed, size])
    plan = plan_town(size * GSD, rng)
    sun, camera = draw_sun(rng), draw_camera(rng)
    image = develop(render(plan, size, sun), camera, rng)
    data = ragged(size, rng)
    valid = burn([data], size)
    image *= valid
    houses = clip([building.outline for building in plan.filling.buildings], data)
    buildings = blocks(houses, data)
    return Town(image, valid, buildings, burn(buildings, size))


def draw_sun(rng: np.random.Generator) -> Sun:
    """Return a sun as on a flying day."""
    return Sun(float(rng.uniform(95, 265)), float(rng.uniform(32, 56)))


def draw_camera(rng: np.random.Generator) -> Camera:
    """Return a camera with its own exposure, colours and noise."""
    warmth = float(rng.normal(0, 0.04))
    return Camera(
        exposure=float(rng.uniform(0.92, 1.35)),
        balance=(1 + warmth, 1.0, 1 - warmth),
        haze=float(rng.uniform(0.0, 0.03)),
        noise=float(rng.uniform(1.0, 3.2)),
        saturation=float(rng.uniform(0.6, 1.0)),
        gamma=float(rng.uniform(1.7, 2.1)),
    )


def ragged(size: int, rng: np.random.Generator) -> shapely.Polygon:
    """Return the part of the picture that was flown, in pixels: a tilted, stepped edge."""
    depth = float(rng.uniform(0.012, 0.05))
    fall = float(rng.uniform(-0.03, 0.05))
    stops = np.concatenate([[-0.01], np.sort(rng.uniform(0, 1, 5)), [1.01]])
    edge = [(stops[0], -1.0)]
    for left, right in pairwise(stops):
        edge += [(x, max(depth + fall * x, _LEAST)) for x in (left, right)]
        depth += float(rng.normal(0, 0.012))
    edge = [(size * x, size * y) for x, y in (*edge, (stops[-1], -1.0))]
    lost = shapely.Polygon(edge).buffer(0)
    if chance(0.5, rng):
        lost = shapely.transform(lost, lambda points: points[:, ::-1])
    if chance(0.5, rng):
        lost = shapely.transform(lost, lambda points: size - points)
    data = shapely.box(0, 0, size, size).difference(lost)
    largest: shapely.Polygon = max(shapely.get_parts(data), key=lambda part: part.area)
    return largest


def clip(outlines: list[shapely.Polygon], data: shapely.Polygon) -> list[shapely.Polygon]:
    """Return outlines (metres) in pixels, cut to the data; slivers are left out."""
    pixels = [shapely.transform(outline, lambda points: points / GSD) for outline in outlines]
    cut = shapely.intersection(pixels, data)
    return [part for part in shapely.get_parts(cut) if part.area >= _SLIVER]


def blocks(houses: list[shapely.Polygon], data: shapely.Polygon) -> list[shapely.Polygon]:
    """Return footprints: houses as they are, rows and clusters of them joined."""
    roofs = np.array(houses, object)
    half = _GAP / 2
    grown = shapely.get_parts(shapely.union_all(shapely.buffer(roofs, half, join_style="mitre")))
    group, member = shapely.STRtree(roofs).query(grown, predicate="contains")
    lone = np.bincount(group, minlength=len(grown)) == 1
    joined = shapely.buffer(grown[~lone], -half, join_style="mitre")
    parts = shapely.get_parts(shapely.intersection(joined, data))
    return [*roofs[member[lone[group]]], *parts[shapely.area(parts) >= _SLIVER]]


def burn(polygons: list[shapely.Polygon], size: int) -> NDArray[np.bool_]:
    """Return the pixels whose middle lies in a polygon, True inside."""
    if not polygons:
        return np.zeros((size, size), bool)
    inside: NDArray[np.uint8] = rasterize(polygons, out_shape=(size, size), dtype="uint8")
    return inside.astype(bool)
