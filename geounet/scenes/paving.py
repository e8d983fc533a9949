"""What belongs to a street: carriageway, pavement, markings, repairs, kerb trees, cars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

from geounet.scenes.draws import chance, pick
from geounet.scenes.greenery import car, tree
from geounet.scenes.streets import Frame, Street
from geounet.scenes.things import Filling, Patch, Vehicle

if TYPE_CHECKING:
    from collections.abc import Iterable

_WIDE = 8.0
_MARKED = 6.6


def pave(filling: Filling, streets: list[Street], rng: np.random.Generator) -> None:
    """Add everything that belongs to the streets, crossings first."""
    lines = [street.line for street in streets]
    halves = np.array([street.width / 2 for street in streets])
    for material, wider in (("pavement", 1.9), ("kerb", 0.2)):
        merged = shapely.union_all(shapely.buffer(lines, halves + wider))
        parts = shapely.get_parts(merged)
        filling.patches += [Patch(polygon=part, material=material) for part in parts]
    for street in streets:
        material = pick(("asphalt", "asphalt", "asphalt", "worn"), rng)
        ground = street.line.buffer(street.width / 2, cap_style="flat")
        tint, mix = float(rng.normal(1, 0.09)), float(rng.normal(0, 0.25))
        filling.patches.append(Patch(polygon=ground, material=material, tint=tint, mix=mix))
    for street in streets:
        _repair(filling, street, rng)
        _mark(filling, street)
    for street in streets:
        _line(filling, street, rng)


def _stations(street: Street, step: float, across: float) -> list[Frame]:
    """Return frames along a street, a step apart, off its axis."""
    along = np.arange(8.0, street.line.length - 8.0, step)
    here = shapely.get_coordinates(shapely.line_interpolate_point(street.line, along))
    ahead = shapely.get_coordinates(shapely.line_interpolate_point(street.line, along + 1))
    angles = np.arctan2(ahead[:, 1] - here[:, 1], ahead[:, 0] - here[:, 0])
    pairs = zip(here, angles, strict=True)
    return [Frame(float(x), float(y), float(a)).at(0, across) for (x, y), a in pairs]


def _strip(boxes: Iterable[shapely.Polygon], material: str, tint: float = 1.0) -> list[Patch]:
    """Return one patch of many boxes, none when there are none."""
    parts = list(boxes)
    merged = shapely.MultiPolygon(parts)
    return [Patch(polygon=merged, material=material, tint=tint)] if parts else []


def _repair(filling: Filling, street: Street, rng: np.random.Generator) -> None:
    """Add trenches filled anew, tar seams, wheel tracks."""
    for frame in _stations(street, float(rng.uniform(14, 40)), 0):
        across = float(rng.uniform(-0.3, 0.3)) * street.width
        half = float(rng.uniform(0.6, 7)), float(rng.uniform(0.4, 1.4))
        tint = float(rng.choice([0.84, 0.9, 1.1]))
        trench = frame.at(float(rng.uniform(-5, 5)), across).box(*half)
        filling.patches.append(Patch(polygon=trench, material="asphalt", tint=tint))
    seams = [
        frame.at(0, 0, float(rng.normal(0, 0.15))).box(0.06, street.width / 2 - 0.4)
        for frame in _stations(street, float(rng.uniform(6, 20)), 0)
    ]
    filling.patches += _strip(seams, "asphalt", 0.72)
    for across in (-0.62, -0.3, 0.3, 0.62):
        track = street.line.offset_curve(across * street.width / 2).buffer(0.25)
        if not track.is_empty and chance(0.6, rng):
            tint = float(rng.normal(0.96, 0.03))
            filling.patches.append(Patch(polygon=track, material="asphalt", tint=tint))


def _mark(filling: Filling, street: Street) -> None:
    """Add the dashes of the middle line, the lines at the edges."""
    if street.width > _MARKED:
        filling.patches += _strip((f.box(1.5, 0.07) for f in _stations(street, 8.0, 0)), "paint")
    if street.width > _WIDE:
        for side in (-1, 1):
            line = street.line.offset_curve(side * (street.width / 2 - 0.5)).buffer(0.06)
            filling.patches.append(Patch(polygon=line, material="paint"))


def _line(filling: Filling, street: Street, rng: np.random.Generator) -> None:
    """Add parked cars, passing cars, trees and lamp posts along the kerb."""
    density = float(rng.uniform(0.02, 0.28))
    trees = chance(0.45, rng)
    for side in (-1, 1):
        kerb = street.width / 2
        for frame in _stations(street, 5.6, side * (kerb - 1.0)):
            if chance(density, rng):
                filling.vehicles.append(car(frame, rng))
        for frame in _stations(street, 38.0, side * kerb / 2):
            if chance(0.22, rng):
                turn = np.pi if side < 0 else 0.0
                filling.vehicles.append(car(frame.at(float(rng.uniform(-9, 9)), 0, turn), rng))
        for frame in _stations(street, 31.0, side * (kerb + 0.6)):
            filling.vehicles += _lamp(frame) if side > 0 else []
        for frame in _stations(street, float(rng.uniform(8, 13)), side * (kerb + 1.3)):
            if trees and chance(0.75, rng):
                filling.trees.append(tree(frame.x, frame.y, 2.5, rng))


def _lamp(frame: Frame) -> list[Vehicle]:
    tone = (120.0, 120.0, 120.0)
    post = Vehicle(frame=frame, long=0.1, wide=0.1, height=6.5, colour=tone, windows=False)
    return [post]
