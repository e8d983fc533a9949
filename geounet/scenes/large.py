"""Large and attached buildings: row houses, halls, blocks of flats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.scenes.draws import chance, pick, shade, sign
from geounet.scenes.houses import box, building, house_fittings
from geounet.scenes.palette import COVERS, roof_colour
from geounet.scenes.things import Building, Roof

if TYPE_CHECKING:
    from geounet.scenes.streets import Frame

_ROOMY = 4.0


def row_house(
    frame: Frame, half: tuple[float, float], palette: str, rng: np.random.Generator
) -> Building:
    """Return one house of an attached row: ridge along the street, perhaps a rear wing."""
    long, wide = half
    eave = float(rng.uniform(5.5, 10.5))
    flat = chance(0.18, rng)
    colour = roof_colour("sheet" if flat else palette, rng)
    main = Roof(
        frame=frame,
        long=long - 0.01,
        wide=wide,
        shape="flat" if flat else "gable",
        eave=eave,
        pitch=float(rng.uniform(0.45, 0.8)),
        colour=colour,
        cover="sheet" if flat else COVERS[palette],
    )
    if flat:
        return building([main], flat_fittings(main, rng))
    roofs = [main]
    if chance(0.5, rng):
        roofs.append(_rear_wing(main, rng))
    return building(roofs, house_fittings(main, rng))


def _rear_wing(main: Roof, rng: np.random.Generator) -> Roof:
    """Return a wing into the yard (positive across), along one party wall."""
    wide = float(main.long * rng.uniform(0.45, 0.6))
    reach = float(rng.uniform(2.5, 6.0))
    spot = sign(rng) * (main.long - wide)
    return Roof(
        frame=main.frame.at(spot, main.wide + reach / 2 - 0.5, np.pi / 2),
        long=reach / 2 + 0.5,
        wide=wide,
        shape="shed" if chance(0.55, rng) else "gable",
        eave=main.eave * float(rng.uniform(0.5, 0.8)),
        pitch=float(rng.uniform(0.15, 0.4)),
        colour=shade(main.colour, 0.1, rng),
        cover=main.cover,
    )


def hall(frame: Frame, half: tuple[float, float], rng: np.random.Generator) -> Building:
    """Return a warehouse or factory: flat, low gable, bays of gables, or a comb of sheds."""
    long, wide = half
    eave = float(rng.uniform(5, 10))
    style = pick(("flat", "flat", "flat", "low", "low", "bays", "comb"), rng)
    if style == "flat":
        main = _big_flat(frame, half, eave, rng)
        wings = [main, *_side_office(main, rng)]
        return building(wings, flat_fittings(main, rng))
    palette = pick(("metal", "metal", "rust", "sheet"), rng)
    colour = roof_colour(palette, rng)
    bays = 1 if style == "low" else int(rng.integers(2, 5))
    step = 2 * wide / bays
    roofs = [
        Roof(
            frame=frame.at(0, -wide + step * (bay + 0.5)),
            long=long,
            wide=step / 2 + 0.01,
            shape="shed" if style == "comb" else "gable",
            eave=eave,
            pitch=0.3 if style == "comb" else 0.12,
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
    if chance(0.55, rng):
        return []
    half = float(rng.uniform(4, 7)), float(rng.uniform(3, 5))
    side = sign(rng)
    spot = float(rng.uniform(-0.6, 0.6) * main.long)
    frame = main.frame.at(spot, side * (main.wide + half[1] - 0.5))
    return [_big_flat(frame, half, main.eave * 0.6, rng)]


def slab(frame: Frame, half: tuple[float, float], rng: np.random.Generator) -> Building:
    """Return a flat-roofed block of flats, perhaps with a second wing (L)."""
    eave = float(rng.uniform(10, 17))
    main = _big_flat(frame, half, eave, rng)
    wings = [main]
    if chance(0.4, rng):
        end = sign(rng) * (half[0] - half[1])
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
    if chance(0.3, rng) and main.wide > _ROOMY:
        spot = main.frame.at(float(rng.uniform(-0.4, 0.4) * main.long), 0)
        half = 0.35 * main.long, 0.55 * main.wide
        things.append(box(spot, half, main.eave + 0.35, (40, 46, 66), "panel"))
    return things
