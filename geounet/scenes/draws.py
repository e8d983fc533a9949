"""Small random decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.scenes.things import Colour

Item = TypeVar("Item")


def chance(share: float, rng: np.random.Generator) -> bool:
    """Return True in the given share of cases."""
    return bool(rng.random() < share)


def pick(items: Sequence[Item], rng: np.random.Generator) -> Item:
    """Return one of the items; name one twice to draw it twice as often."""
    return items[int(rng.integers(len(items)))]


def sign(rng: np.random.Generator) -> float:
    """Return -1 or 1."""
    return -1.0 if chance(0.5, rng) else 1.0


def shade(colour: Colour, spread: float, rng: np.random.Generator) -> Colour:
    """Return a colour of about this one: brighter or darker, a little warmer or colder."""
    factor = 1 + rng.normal(0, spread) + rng.normal(0, spread / 6, 3)
    red, green, blue = (float(np.clip(c * f, 12, 250)) for c, f in zip(colour, factor, strict=True))
    return red, green, blue
