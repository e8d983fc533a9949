"""Trees, shrubs, hedges and vehicles: singly, in rows, in woods and car parks."""

from __future__ import annotations

import numpy as np
import shapely

from geounet.scenes.draws import chance, pick, shade, sign
from geounet.scenes.streets import Frame
from geounet.scenes.things import Colour, Filling, Patch, Tree, TreeKind, Vehicle

_LEAVES = [
    (76, 92, 60), (86, 102, 66), (68, 84, 58), (96, 106, 72), (82, 92, 66), (106, 106, 76),
    (60, 76, 54), (92, 98, 78),
]  # fmt: skip
_NEEDLES = [(52, 72, 52), (60, 78, 58)]
_TWIGS = [(116, 106, 96), (128, 118, 108), (104, 98, 88)]
_PAINTS = [
    (226, 226, 226), (198, 200, 202), (150, 152, 156), (62, 64, 68), (40, 42, 46),
    (120, 40, 36), (50, 70, 110), (176, 170, 158), (90, 94, 98), (234, 234, 232),
]  # fmt: skip
_BAY = 2.6
_KINDS: tuple[TreeKind, ...] = ("leafy",) * 7 + ("conifer", "bare")


def tree(x: float, y: float, radius: float, rng: np.random.Generator) -> Tree:
    """Return a tree of about this radius."""
    kind = pick(_KINDS, rng)
    palette = {"leafy": _LEAVES, "conifer": _NEEDLES, "bare": _TWIGS}[kind]
    colour = shade(pick(palette, rng), 0.09, rng)
    size = radius * float(rng.uniform(0.7, 1.3))
    height = min(1.2 * size + float(rng.uniform(1, 5)), 17.0) if size > 1 else 1.4 * size
    if kind == "conifer":
        size, height = 0.65 * size, min(2.2 * size + 2, 17.0)
    return Tree(x=x, y=y, radius=size, height=height, colour=colour, kind=kind)


def scatter(
    polygon: shapely.Polygon, per_m2: float, radius: float, rng: np.random.Generator
) -> list[Tree]:
    """Return trees strewn over a polygon, in clusters."""
    left, top, right, bottom = polygon.bounds
    count = int(rng.poisson(per_m2 * (right - left) * (bottom - top)))
    middles = rng.uniform((left, top), (right, bottom), (max(count // 4, 1), 2))
    spots = middles[rng.integers(len(middles), size=count)] + rng.normal(0, 6, (count, 2))
    inside = shapely.contains_xy(polygon, spots[:, 0], spots[:, 1])
    return [tree(float(x), float(y), radius, rng) for x, y in spots[inside]]


def hedge(start: Frame, length: float, rng: np.random.Generator) -> list[Tree]:
    """Return shrubs in a row along a frame."""
    colour = shade(pick(_LEAVES, rng), 0.1, rng)
    shrubs = []
    for along in np.arange(0, length, 1.1):
        spot = start.at(float(along), float(rng.normal(0, 0.15)))
        size = float(rng.uniform(0.75, 1.15))
        shrubs.append(
            Tree(x=spot.x, y=spot.y, radius=size, height=1.6 * size, colour=colour, kind="leafy")
        )
    return shrubs


def car(frame: Frame, rng: np.random.Generator) -> Vehicle:
    """Return a parked car, give or take a van."""
    colour: Colour = shade(pick(_PAINTS, rng), 0.08, rng)
    van = chance(0.12, rng)
    return Vehicle(
        frame=frame.at(0, 0, float(rng.normal(0, 0.03))),
        long=float(rng.uniform(2.6, 3.1) if van else rng.uniform(1.95, 2.4)),
        wide=float(rng.uniform(0.85, 0.98)),
        height=2.2 if van else 1.45,
        colour=colour,
        windows=not van,
    )


def truck(frame: Frame, rng: np.random.Generator) -> Vehicle:
    """Return a lorry's box or a container."""
    colours = [(224, 224, 222), (70, 96, 130), (150, 72, 52), (188, 184, 176), (92, 112, 92)]
    return Vehicle(
        frame=frame,
        long=pick((3.05, 6.1, 6.8), rng),
        wide=1.25,
        height=float(rng.uniform(2.6, 3.9)),
        colour=shade(pick(colours, rng), 0.1, rng),
        windows=False,
    )


def car_park(frame: Frame, half: tuple[float, float], rng: np.random.Generator) -> Filling:
    """Return a car park: asphalt, bays, cars in rows."""
    material = pick(["asphalt", "worn"], rng)
    filling = Filling(patches=[Patch(polygon=frame.box(*half), material=material)])
    share = float(rng.uniform(0.25, 0.85))
    for across in np.arange(-half[1] + 2.6, half[1] - 2.4, 8.0):
        bays = np.arange(-half[0] + 1.5, half[0] - 1.5, _BAY)
        for along in bays:
            line = frame.at(float(along) - _BAY / 2, float(across)).box(0.06, 2.4)
            filling.patches.append(Patch(polygon=line, material="paint"))
            if chance(share, rng):
                spot = frame.at(float(along), float(across), np.pi / 2 * sign(rng))
                filling.vehicles.append(car(spot, rng))
    return filling


def wall(frame: Frame, half: float, rng: np.random.Generator) -> Vehicle:
    """Return a fence or a garden wall."""
    colours: tuple[Colour, ...] = ((118, 104, 88), (150, 142, 130), (92, 84, 76))
    return Vehicle(
        frame=frame,
        long=half,
        wide=0.12,
        height=float(rng.uniform(1.1, 2.0)),
        colour=shade(pick(colours, rng), 0.12, rng),
        windows=False,
    )


def clutter(polygon: shapely.Polygon, per_m2: float, rng: np.random.Generator) -> list[Vehicle]:
    """Return odds and ends: bins, crates, garden furniture, heaps, and a few poles."""
    left, top, right, bottom = polygon.bounds if not polygon.is_empty else (0, 0, 0, 0)
    count = int(rng.poisson(per_m2 * (right - left) * (bottom - top)))
    spots = rng.uniform((left, top), (right, bottom), (count, 2))
    inside = shapely.contains_xy(polygon, spots[:, 0], spots[:, 1])
    things = []
    for x, y in spots[inside]:
        pole = chance(0.08, rng)
        half = (0.13, 0.13) if pole else rng.uniform(0.25, 0.9, 2)
        colour = pick(_PAINTS, rng) if chance(0.4, rng) else (124, 108, 92)
        things.append(
            Vehicle(
                frame=Frame(float(x), float(y), float(rng.uniform(0, np.pi))),
                long=float(half[0]),
                wide=float(half[1]),
                height=7.0 if pole else float(rng.uniform(0.3, 1.4)),
                colour=shade(colour, 0.2, rng),
                windows=False,
            )
        )
    return things
