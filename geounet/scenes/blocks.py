"""Fill a block: what stands on it depends on its part of the town."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geounet.scenes import farms, old_town, open_land, suburb, works

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from geounet.scenes.streets import Block
    from geounet.scenes.things import Filling, Zone

_FILLERS: dict[Zone, Callable[[Block, np.random.Generator], Filling]] = {
    "suburb": suburb.gardens,
    "old": old_town.rows,
    "industry": works.yards,
    "slabs": works.flats,
    "village": farms.fields,
    "park": open_land.park,
}


def fill(block: Block, zone: Zone, rng: np.random.Generator) -> Filling:
    """Return buildings, trees, vehicles and ground of one block."""
    return _FILLERS[zone](block, rng)
