"""Single buildings: wings as overlapping roofs (L, T, U), and what stands on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import shapely

from geounet.scenes.streets import Frame
from geounet.scenes.things import Building, Colour, Roof

_TERRACOTTA = [(158, 98, 76), (172, 110, 84), (142, 84, 66), (180, 126, 98), (132, 98, 82)]
_SLATE = [(88, 92, 98), (108, 110, 114), (72, 75, 82), (122, 122, 124)]
_SHINGLE = [(112, 98, 86), (134, 118, 102), (96, 84, 76), (150, 138, 122), (120, 112, 106)]
_METAL = [(190, 196, 200), (172, 178, 182), (84, 112, 146), (146, 66, 56), (112, 128, 116)]
_SHEET = [(164, 162, 156), (142, 138, 132), (196, 194, 190), (114, 112, 110), (214, 214, 212)]
_RUST = [(140, 104, 84), (150, 146, 142), (124, 112, 104)]
PALETTES = {
    "tile": _TERRACOTTA,
    "slate": _SLATE,
    "shingle": _SHINGLE,
    "metal": _METAL,
    "sheet": _SHEET,
    "rust": _RUST,
}
_HALF_FLAT = 0.55
_COVERS: dict[str, Literal["tile", "seam", "sheet", "panel"]] = {
    "tile": "tile",
    "slate": "tile",
    "shingle": "tile",
    "metal": "seam",
    "sheet": "sheet",
    "rust": "seam",
}


def shade(colour: Colour, spread: float, rng: np.random.Generator) -> Colour:
    """Return a colour of about this one: brighter or darker, a little warmer or colder."""
    factor = 1 + rng.normal(0, spread) + rng.normal(0, spread / 4, 3)
    red, green, blue = (float(np.clip(c * f, 12, 250)) for c, f in zip(colour, factor, strict=True))
    return red, green, blue


def roof_colour(palette: str, rng: np.random.Generator) -> Colour:
    """Return one colour of a palette, varied."""
    colours = PALETTES[palette]
    return shade(colours[int(rng.integers(len(colours)))], 0.08, rng)


def building(roofs: Sequence[Roof], fittings: Sequence[Roof] = ()) -> Building:
    """Return the building of some wings; its outline is their union."""
    boxes = [roof.frame.box(roof.long, roof.wide) for roof in roofs]
    outline = shapely.union_all(boxes)
    if isinstance(outline, shapely.MultiPolygon):
        outline = max(outline.geoms, key=lambda part: part.area)
    return Building(roofs=(*roofs, *fittings), outline=shapely.Polygon(outline.exterior))


def house(
    frame: Frame, half: tuple[float, float], palette: str, rng: np.random.Generator
) -> Building:
    """Return a house with a ridge along the frame, mostly with a wing or two."""
    long, wide = half
    shape: Literal["gable", "hip"] = "hip" if rng.random() < _HALF_FLAT else "gable"
    eave, pitch = float(rng.uniform(2.8, 5.2)), float(rng.uniform(0.35, 0.85))
    look = {"colour": roof_colour(palette, rng), "cover": _COVERS[palette]}
    main = Roof(frame=frame, long=long, wide=wide, shape=shape, eave=eave, pitch=pitch, **look)
    roofs = [main]
    for _ in range(int(rng.choice([0, 1, 1, 2]))):
        roofs.append(_wing(main, rng))
    if rng.random() < 0.35:
        roofs.append(_annex(main, rng))
    return building(roofs, _house_fittings(main, rng))


def _wing(main: Roof, rng: np.random.Generator) -> Roof:
    """Return a wing across the ridge: an L at an end, a T in the middle."""
    wide = float(main.wide * rng.uniform(0.5, 0.85))
    spot = float(rng.choice([-1, 0.2, 1]) * (main.long - wide))
    side = float(rng.choice([-1, 1]))
    reach = float(main.wide * rng.uniform(0.9, 1.6))
    frame = main.frame.at(spot, side * (main.wide + reach) / 2, np.pi / 2)
    return Roof(
        frame=frame,
        long=(main.wide + reach) / 2,
        wide=wide,
        shape=main.shape,
        eave=main.eave,
        pitch=main.pitch,
        colour=main.colour,
        cover=main.cover,
    )


def _annex(main: Roof, rng: np.random.Generator) -> Roof:
    """Return a low porch, garage or winter garden against a long wall."""
    long, wide = float(rng.uniform(1.5, 3.2)), float(rng.uniform(1.2, 2.2))
    spot = float(rng.uniform(-1, 1) * max(main.long - long, 0))
    side = float(rng.choice([-1, 1]))
    flat = rng.random() < _HALF_FLAT
    return Roof(
        frame=main.frame.at(spot, side * (main.wide + wide - 0.3), 0 if side < 0 else np.pi),
        long=long,
        wide=wide,
        shape="flat" if flat else "shed",
        eave=2.4,
        pitch=0.12,
        colour=roof_colour("sheet", rng) if flat else main.colour,
        cover="sheet" if flat else main.cover,
    )


def _house_fittings(main: Roof, rng: np.random.Generator) -> list[Roof]:
    """Return chimneys, skylights and solar panels."""
    fittings = []
    ridge = main.eave + main.pitch * main.wide
    for _ in range(int(rng.choice([0, 1, 1, 2]))):
        spot = main.frame.at(float(rng.uniform(-0.6, 0.6)) * main.long, float(rng.normal(0, 0.6)))
        size = float(rng.uniform(0.3, 0.5))
        colour = shade((134, 112, 102), 0.15, rng)
        fittings.append(box(spot, (size, size), ridge + 0.8, colour))
    if rng.random() < 0.22:
        fittings.append(_solar(main, rng))
    for _ in range(int(rng.choice([0, 0, 1, 2, 3]))):
        fittings.append(_skylight(main, rng))
    return fittings


def _skylight(main: Roof, rng: np.random.Generator) -> Roof:
    across = float(rng.choice([-1, 1]) * rng.uniform(0.4, 0.6) * main.wide)
    along = float(rng.uniform(-0.6, 0.6) * main.long)
    height = main.eave + main.pitch * (main.wide - abs(across)) + 0.25
    return box(main.frame.at(along, across), (0.4, 0.55), height, shade((92, 104, 122), 0.2, rng))


def _solar(main: Roof, rng: np.random.Generator) -> Roof:
    across = float(rng.choice([-1, 1]) * 0.5 * main.wide)
    half = float(rng.uniform(0.3, 0.6) * main.long), 0.3 * main.wide
    height = main.eave + main.pitch * main.wide * 0.8 + 0.1
    spot = main.frame.at(float(rng.uniform(-0.2, 0.2) * main.long), across)
    return box(spot, half, height, (38, 44, 66), "panel")


def box(
    frame: Frame,
    half: tuple[float, float],
    height: float,
    colour: Colour,
    cover: Literal["sheet", "panel"] = "sheet",
) -> Roof:
    """Return a small flat-topped thing on a roof."""
    return Roof(
        frame=frame,
        long=half[0],
        wide=half[1],
        shape="box",
        eave=height,
        colour=colour,
        cover=cover,
    )


def row_house(
    frame: Frame, half: tuple[float, float], palette: str, rng: np.random.Generator
) -> Building:
    """Return one house of an attached row: ridge along the street, perhaps a rear wing."""
    long, wide = half
    eave = float(rng.uniform(5.5, 10.5))
    flat = rng.random() < 0.18
    colour = roof_colour("sheet" if flat else palette, rng)
    main = Roof(
        frame=frame,
        long=long - 0.01,
        wide=wide,
        shape="flat" if flat else "gable",
        eave=eave,
        pitch=float(rng.uniform(0.45, 0.8)),
        colour=colour,
        cover="sheet" if flat else _COVERS[palette],
    )
    if flat:
        return building([main], flat_fittings(main, rng))
    roofs = [main]
    if rng.random() < 0.5:
        roofs.append(_rear_wing(main, rng))
    return building(roofs, _house_fittings(main, rng))


def _rear_wing(main: Roof, rng: np.random.Generator) -> Roof:
    """Return a wing into the yard (positive across), along one party wall."""
    wide = float(main.long * rng.uniform(0.45, 0.6))
    reach = float(rng.uniform(2.5, 6.0))
    spot = float(rng.choice([-1, 1])) * (main.long - wide)
    return Roof(
        frame=main.frame.at(spot, main.wide + reach / 2 - 0.5, np.pi / 2),
        long=reach / 2 + 0.5,
        wide=wide,
        shape="shed" if rng.random() < _HALF_FLAT else "gable",
        eave=main.eave * float(rng.uniform(0.5, 0.8)),
        pitch=float(rng.uniform(0.15, 0.4)),
        colour=shade(main.colour, 0.1, rng),
        cover=main.cover,
    )


def hall(frame: Frame, half: tuple[float, float], rng: np.random.Generator) -> Building:
    """Return a warehouse or factory: flat, low gable, or a comb of shed roofs."""
    long, wide = half
    eave = float(rng.uniform(5, 10))
    style = float(rng.random())
    if style < 0.45:
        main = _big_flat(frame, half, eave, rng)
        wings = [main, *_side_office(main, rng)]
        return building(wings, flat_fittings(main, rng))
    colour = roof_colour(str(rng.choice(["metal", "metal", "rust", "sheet"])), rng)
    bays = 1 if style < 0.7 else int(rng.integers(2, 5))
    step = 2 * wide / bays
    roofs = [
        Roof(
            frame=frame.at(0, -wide + step * (bay + 0.5)),
            long=long,
            wide=step / 2 + 0.01,
            shape="gable" if style < 0.88 else "shed",
            eave=eave,
            pitch=float(0.12 if style < 0.88 else 0.3),
            colour=shade(colour, 0.02, rng),
            cover="seam",
        )
        for bay in range(bays)
    ]
    return building(roofs, _vents(roofs[0], rng))


def _vents(main: Roof, rng: np.random.Generator) -> list[Roof]:
    """Return translucent strips and ridge vents of a hall."""
    strips = []
    height = main.eave + main.pitch * main.wide + 0.15
    tone = shade((206, 212, 210), 0.06, rng)
    for along in np.arange(-main.long + 4, main.long - 4, float(rng.uniform(5, 9))):
        spot = main.frame.at(float(along), float(0.5 * main.wide))
        strips.append(box(spot, (0.5, 0.3 * main.wide), height, tone))
    return strips


def _big_flat(
    frame: Frame, half: tuple[float, float], eave: float, rng: np.random.Generator
) -> Roof:
    return Roof(
        frame=frame,
        long=half[0],
        wide=half[1],
        shape="flat",
        eave=eave,
        colour=roof_colour("sheet", rng),
        cover="sheet",
    )


def _side_office(main: Roof, rng: np.random.Generator) -> list[Roof]:
    if rng.random() < _HALF_FLAT:
        return []
    half = float(rng.uniform(4, 7)), float(rng.uniform(3, 5))
    side = float(rng.choice([-1, 1]))
    spot = float(rng.uniform(-0.6, 0.6) * main.long)
    frame = main.frame.at(spot, side * (main.wide + half[1] - 0.5))
    return [_big_flat(frame, half, main.eave * 0.6, rng)]


def slab(frame: Frame, half: tuple[float, float], rng: np.random.Generator) -> Building:
    """Return a flat-roofed block of flats, perhaps with a second wing (L)."""
    eave = float(rng.uniform(10, 17))
    main = _big_flat(frame, half, eave, rng)
    wings = [main]
    if rng.random() < 0.4:
        end = float(rng.choice([-1, 1])) * (half[0] - half[1])
        spot = frame.at(end, half[1] + 4, np.pi / 2)
        wings.append(_big_flat(spot, (half[1] + 6, half[1]), eave, rng))
    return building(wings, flat_fittings(main, rng))


def flat_fittings(main: Roof, rng: np.random.Generator) -> list[Roof]:
    """Return air conditioners, stair heads and skylights of a flat roof."""
    area = 4 * main.long * main.wide
    count = int(rng.poisson(min(1 + area / 90, 14)))
    things = []
    for _ in range(count):
        along = float(rng.uniform(-0.8, 0.8) * main.long)
        across = float(rng.uniform(-0.7, 0.7) * main.wide)
        half = float(rng.uniform(0.35, 1.2)), float(rng.uniform(0.35, 0.9))
        height = main.eave + float(rng.uniform(0.5, 1.6))
        colour = shade((176, 178, 178), 0.2, rng)
        things.append(box(main.frame.at(along, across), half, height, colour))
    if rng.random() < 0.3 and main.wide > 4:
        spot = main.frame.at(float(rng.uniform(-0.4, 0.4) * main.long), 0)
        half = 0.35 * main.long, 0.55 * main.wide
        things.append(box(spot, half, main.eave + 0.35, (40, 46, 66), "panel"))
    return things


def shed(frame: Frame, rng: np.random.Generator) -> Building:
    """Return a garden shed or a garage."""
    half = float(rng.uniform(1.5, 3.4)), float(rng.uniform(1.4, 2.8))
    shape: Literal["gable", "shed", "flat"] = (
        "gable" if rng.random() < 0.4 else "shed" if rng.random() < 0.5 else "flat"
    )
    palette = str(rng.choice(["shingle", "metal", "rust", "sheet", "slate"]))
    return building(
        [
            Roof(
                frame=frame,
                long=half[0],
                wide=half[1],
                shape=shape,
                eave=float(rng.uniform(2.0, 2.8)),
                pitch=float(rng.uniform(0.1, 0.35)),
                colour=roof_colour(palette, rng),
                cover=_COVERS[palette],
            )
        ]
    )
