"""Fill a block: what stands on it depends on its part of the town."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from geounet.scenes import open_land
from geounet.scenes.buildings import hall, house, row_house, shed, slab
from geounet.scenes.greenery import car, car_park, hedge, scatter, tree, truck
from geounet.scenes.streets import Block, Frame
from geounet.scenes.things import Filling, Patch, Zone

_KERB = 6.0


def fill(block: Block, zone: Zone, rng: np.random.Generator) -> Filling:
    """Return buildings, trees, vehicles and ground of one block."""
    return _FILLERS[zone](block, rng)


def _edge(block: Block, side: str, along: float, inward: float) -> Frame:
    """Return a frame on a block's edge: first axis along the street, second into the block."""
    if side == "top":
        return block.warp.frame(along, block.top + inward)
    if side == "bottom":
        return block.warp.frame(along, block.bottom - inward).at(0, 0, np.pi)
    if side == "left":
        return block.warp.frame(block.left + inward, along).at(0, 0, -np.pi / 2)
    return block.warp.frame(block.right - inward, along).at(0, 0, np.pi / 2)


def _suburb(block: Block, rng: np.random.Generator) -> Filling:
    filling = Filling(patches=[Patch(polygon=block.polygon, material="lawn")])
    palette = str(rng.choice(["tile", "tile", "slate", "shingle"]))
    setback = float(rng.uniform(9.5, 13))
    for side in ("top", "bottom"):
        start, end = block.left + _KERB, block.right - _KERB
        width = float(rng.uniform(15, 23))
        count = max(int((end - start) / width), 1)
        width = (end - start) / count
        for number in range(count):
            along = start + (number + 0.5) * width
            mixed = palette if rng.random() < 0.7 else str(rng.choice(["tile", "slate", "metal"]))
            lot = _edge(block, side, along, setback), width, (block.bottom - block.top) / 2
            filling.add(_lot(*lot, mixed, rng))
    return filling


def _lot(
    front: Frame, width: float, depth: float, palette: str, rng: np.random.Generator
) -> Filling:
    """Return one garden lot: house, drive, shed, pool, hedges, trees."""
    filling = Filling()
    ground = front.at(0, depth / 2 - 5)
    tint = float(rng.normal(1, 0.1))
    material = str(rng.choice(["lawn", "lawn", "garden", "meadow"]))
    filling.patches.append(
        Patch(polygon=ground.box(width / 2, depth / 2), material=material, tint=tint)
    )
    half = float(rng.uniform(0.27, 0.38) * width), float(rng.uniform(3.6, 5.6))
    turn = float(rng.normal(0, 0.06)) + (np.pi / 2 if rng.random() < 0.3 else 0)
    spot = front.at(float(rng.normal(0, 0.7)), half[1] + float(rng.uniform(-1, 2.5)), turn)
    filling.buildings.append(house(spot, half, palette, rng))
    filling.patches.append(
        Patch(polygon=spot.box(half[0] + 1.5, half[1] + 2), material="worn", tint=1.1)
    )
    side = float(rng.choice([-1, 1])) * (width / 2 - 2)
    _drive(filling, front.at(side, 0), rng)
    rear = front.at(float(rng.uniform(-0.3, 0.3)) * width, depth * float(rng.uniform(0.45, 0.6)))
    draw = float(rng.random())
    if draw < 0.16:
        basin = rear.box(float(rng.uniform(2.2, 4.5)), float(rng.uniform(1.6, 2.4)))
        filling.patches.append(Patch(polygon=basin.buffer(1.2), material="pavement"))
        filling.patches.append(Patch(polygon=basin.buffer(0.4), material="pool"))
    elif draw < 0.62:
        corner = front.at(side * 0.75, depth - 11, float(rng.normal(0, 0.1)))
        filling.buildings.append(shed(corner, rng))
    for edge in (-width / 2, width / 2):
        if rng.random() < 0.4:
            filling.trees += hedge(front.at(edge, 0, np.pi / 2), depth * 0.7, rng)
    filling.trees += scatter(ground.box(width / 2, depth / 2), 0.011, 2.6, rng)
    filling.trees += scatter(ground.box(width / 2, depth / 2), 0.02, 0.9, rng)
    return filling


def _drive(filling: Filling, frame: Frame, rng: np.random.Generator) -> None:
    length = float(rng.uniform(4, 12))
    material = str(rng.choice(["concrete", "pavement", "worn", "gravel"]))
    drive = frame.at(0, length / 2 - 5).box(1.5, length / 2 + 4)
    filling.patches.append(Patch(polygon=drive, material=material))
    if rng.random() < 0.55:
        filling.vehicles.append(car(frame.at(0, length - 5, np.pi / 2), rng))


def _old(block: Block, rng: np.random.Generator) -> Filling:
    """Return attached rows around a yard."""
    yard = str(rng.choice(["pavement", "worn", "garden", "gravel"]))
    filling = Filling(patches=[Patch(polygon=block.polygon, material="pavement", tint=0.95)])
    filling.patches.append(Patch(polygon=block.polygon.buffer(-16), material=yard))
    palette = str(rng.choice(["tile", "tile", "tile", "slate"]))
    kerb = float(rng.uniform(5.6, 7))
    depth = float(rng.uniform(4.2, 5.8))
    for side in ("top", "bottom", "left", "right"):
        upright = side in ("left", "right")
        start = (block.top if upright else block.left) + kerb
        end = (block.bottom if upright else block.right) - kerb
        if upright:
            start, end = start + 2 * depth + 1, end - 2 * depth - 1
        _row(filling, (block, side), (start, end, kerb, depth), palette, rng)
    filling.trees += scatter(block.polygon.buffer(-18), 0.008, 2.6, rng)
    middle = block.warp.frame(*block.middle)
    for _ in range(int(rng.integers(0, 6))):
        spot = middle.at(float(rng.normal(0, 12)), float(rng.normal(0, 5)))
        filling.buildings.append(shed(spot, rng))
    for _ in range(int(rng.integers(0, 8))):
        spot = middle.at(float(rng.normal(0, 14)), float(rng.normal(0, 6)), float(rng.normal()))
        filling.vehicles.append(car(spot, rng))
    return filling


def _row(
    filling: Filling,
    edge: tuple[Block, str],
    extent: tuple[float, float, float, float],
    palette: str,
    rng: np.random.Generator,
) -> None:
    """Add attached houses; a row is straight for a few houses, then takes the next bend."""
    start, end, kerb, depth = extent
    while end - start > 8:
        length = min(float(rng.uniform(22, 42)), end - start)
        frame = _edge(*edge, start + length / 2, kerb + depth)
        cuts = np.linspace(
            -length / 2, length / 2, max(int(length / rng.uniform(6.5, 10.5)), 1) + 1
        )
        cuts[1:-1] += rng.uniform(-0.8, 0.8, len(cuts) - 2)
        for left, right in zip(cuts[:-1], cuts[1:], strict=True):
            if rng.random() < 0.06:
                continue
            wide = depth + float(rng.choice([0, 0, 0.4, 0.8]))
            spot = frame.at(float(left + right) / 2, wide - depth)
            mixed = (
                palette if rng.random() < 0.75 else str(rng.choice(["slate", "shingle", "metal"]))
            )
            filling.buildings.append(row_house(spot, (float(right - left) / 2, wide), mixed, rng))
        start += length + (0.05 if rng.random() < 0.6 else float(rng.uniform(2, 6)))


def _industry(block: Block, rng: np.random.Generator) -> Filling:
    ground = str(rng.choice(["asphalt", "worn", "gravel", "concrete"]))
    frame = block.warp.frame(*block.middle)
    filling = Filling(
        patches=[Patch(polygon=block.polygon, material=ground, angle=frame.angle, tint=0.95)]
    )
    room, deep = (block.right - block.left) - 16, (block.bottom - block.top) - 16
    along = -room / 2
    while along < room / 2 - 12:
        length = min(float(rng.uniform(18, 62)), room / 2 - along)
        spot = frame.at(along + length / 2, 0)
        if rng.random() < 0.72:
            half = 0.5 * length - 2, float(rng.uniform(0.26, 0.46)) * deep
            shift = float(rng.choice([-1, 1])) * (deep / 2 - half[1])
            filling.buildings.append(hall(spot.at(0, shift), half, rng))
            _yard(filling, spot.at(0, -shift * 0.9), (half[0], deep / 2 - half[1] - 2), rng)
        else:
            filling.add(car_park(spot, (length / 2 - 2, deep / 2 - 2), rng))
        along += length
    filling.trees += scatter(block.polygon.buffer(-4), 0.0012, 2.4, rng)
    return filling


def _yard(
    filling: Filling, frame: Frame, half: tuple[float, float], rng: np.random.Generator
) -> None:
    """Add a car park, lorries or containers in front of a hall."""
    if half[1] < 3:
        return
    if rng.random() < 0.45:
        filling.add(car_park(frame, half, rng))
        return
    turn = float(rng.choice([0, np.pi / 2]))
    for along in np.arange(-half[0], half[0], 3.4 if turn else 14.5):
        if rng.random() < 0.4:
            spot = frame.at(float(along), float(rng.normal(0, 0.5)), turn)
            filling.vehicles.append(truck(spot, rng))


def _slabs(block: Block, rng: np.random.Generator) -> Filling:
    """Return blocks of flats among lawns and car parks."""
    filling = Filling(patches=[Patch(polygon=block.polygon, material="lawn", tint=1.05)])
    frame = block.warp.frame(*block.middle)
    room, deep = (block.right - block.left) - 18, (block.bottom - block.top) - 16
    upright = rng.random() < 0.5
    step = 24.0 if upright else 48.0
    for along in np.arange(-room / 2 + step / 2, room / 2 - step / 2 + 1, step):
        half = (deep / 2 - 1, 5.5) if upright else (20.0, float(rng.uniform(5, 7)))
        turn = np.pi / 2 if upright else 0.0
        shift = 0.0 if upright else float(rng.choice([-1, 1])) * (deep / 2 - half[1])
        filling.buildings.append(slab(frame.at(float(along), shift, turn), half, rng))
        if not upright:
            filling.add(car_park(frame.at(float(along), -shift * 0.7), (17, 6.4), rng))
    filling.trees += scatter(block.polygon.buffer(-5), 0.006, 3.2, rng)
    return filling


def _village(block: Block, rng: np.random.Generator) -> Filling:
    """Return fields with a few farms along the road."""
    filling = open_land.fields(block, rng)
    along = block.left + 16
    while along < block.right - 16:
        if rng.random() < 0.55:
            front = _edge(block, str(rng.choice(["top", "bottom"])), along, 12)
            yard = front.at(0, 8).box(11, 13)
            filling.patches.append(Patch(polygon=yard, material="gravel"))
            palette = str(rng.choice(["tile", "shingle", "rust"]))
            half = float(rng.uniform(5, 7.5)), float(rng.uniform(3.5, 5))
            filling.buildings.append(house(front.at(-4, 4), half, palette, rng))
            barn = front.at(5, 17, float(rng.choice([0, np.pi / 2])))
            filling.buildings.append(hall(barn, (float(rng.uniform(6, 11)), 4.5), rng))
            filling.buildings.append(shed(front.at(10, 6), rng))
            filling.trees += [tree(front.at(-11, 9).x, front.at(-11, 9).y, 3.4, rng)]
            filling.trees += scatter(yard.buffer(7), 0.008, 2.6, rng)
        along += float(rng.uniform(26, 46))
    return filling


_FILLERS: dict[Zone, Callable[[Block, np.random.Generator], Filling]] = {
    "suburb": _suburb,
    "old": _old,
    "industry": _industry,
    "slabs": _slabs,
    "village": _village,
    "park": open_land.park,
}
