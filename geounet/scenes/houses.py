"""Houses and sheds: wings as overlapping roofs (L, T, U), and what stands on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import shapely

from geounet.scenes.draws import chance, pick, shade, sign
from geounet.scenes.palette import COVERS, roof_colour
from geounet.scenes.things import Building, Colour, Roof

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.scenes.streets import Frame


def building(roofs: Sequence[Roof], fittings: Sequence[Roof] = ()) -> Building:
    """Return the building of some wings; its outline is their union."""
    boxes = [roof.frame.box(roof.long, roof.wide) for roof in roofs]
    wings = shapely.get_parts(shapely.union_all(boxes))
    largest = max(wings, key=lambda wing: wing.area)
    return Building(roofs=(*roofs, *fittings), outline=shapely.Polygon(largest.exterior))


def house(
    frame: Frame, half: tuple[float, float], palette: str, rng: np.random.Generator
) -> Building:
    """Return a house with a ridge along the frame, mostly with a wing or two."""
    long, wide = half
    shape: Literal["gable", "hip"] = "hip" if chance(0.55, rng) else "gable"
    eave, pitch = float(rng.uniform(2.8, 5.2)), float(rng.uniform(0.35, 0.85))
    main = Roof(
        frame=frame,
        long=long,
        wide=wide,
        shape=shape,
        eave=eave,
        pitch=pitch,
        colour=roof_colour(palette, rng),
        cover=COVERS[palette],
    )
    roofs = [main, *(_wing(main, rng) for _ in range(pick((0, 1, 1, 2), rng)))]
    if chance(0.35, rng):
        roofs.append(_annex(main, rng))
    return building(roofs, house_fittings(main, rng))


def _wing(main: Roof, rng: np.random.Generator) -> Roof:
    """Return a wing across the ridge: an L at an end, a T in the middle."""
    wide = float(main.wide * rng.uniform(0.5, 0.85))
    spot = float(pick((-1.0, 0.2, 1.0), rng) * (main.long - wide))
    side = sign(rng)
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
    side = sign(rng)
    flat = chance(0.55, rng)
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


def house_fittings(main: Roof, rng: np.random.Generator) -> list[Roof]:
    """Return chimneys, skylights and solar panels."""
    fittings = []
    ridge = main.eave + main.pitch * main.wide
    for _ in range(pick((0, 1, 1, 2), rng)):
        spot = main.frame.at(float(rng.uniform(-0.6, 0.6)) * main.long, float(rng.normal(0, 0.6)))
        size = float(rng.uniform(0.3, 0.5))
        colour = shade((134, 112, 102), 0.15, rng)
        fittings.append(box(spot, (size, size), ridge + 0.8, colour))
    if chance(0.12, rng):
        fittings.append(_solar(main, rng))
    fittings += [_skylight(main, rng) for _ in range(pick((0, 0, 1, 2, 3), rng))]
    return fittings


def _skylight(main: Roof, rng: np.random.Generator) -> Roof:
    across = float(sign(rng) * rng.uniform(0.4, 0.6) * main.wide)
    along = float(rng.uniform(-0.6, 0.6) * main.long)
    height = main.eave + main.pitch * (main.wide - abs(across)) + 0.25
    return box(main.frame.at(along, across), (0.4, 0.55), height, shade((92, 104, 122), 0.2, rng))


def _solar(main: Roof, rng: np.random.Generator) -> Roof:
    across = float(sign(rng) * 0.5 * main.wide)
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


def shed(frame: Frame, rng: np.random.Generator) -> Building:
    """Return a garden shed or a garage."""
    half = float(rng.uniform(1.5, 3.4)), float(rng.uniform(1.4, 2.8))
    shape: Literal["gable", "shed", "flat"] = (
        "gable" if chance(0.4, rng) else "shed" if chance(0.5, rng) else "flat"
    )
    palette = pick(["shingle", "metal", "rust", "sheet", "slate"], rng)
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
                cover=COVERS[palette],
            )
        ]
    )
