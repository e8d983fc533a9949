"""Settle what a run will do before it starts: no `auto` is left."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from geounet.blend import weights_of
from geounet.errors import GeounetWarning, OptionError
from geounet.grid import BAND_WIDTH
from geounet.halo import settle_halo
from geounet.memory import Room
from geounet.quantise import level
from geounet.tiling import Asked, settle_tiling

if TYPE_CHECKING:
    from geounet.card import ModelCard
    from geounet.grid import TileGrid

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    """What a user may ask of a plan; None and `auto` are settled by it."""

    tile: int | Literal["auto"] = "auto"
    """Edge of the network's input, halo included."""
    halo: int | Literal["auto"] = "auto"
    """Context on each side."""
    blend: str | None = None
    """crop, hann, gaussian or average."""
    threshold: float | None = None
    """Probability from which a pixel is building; None takes the model's own."""
    batch_size: int | Literal["auto"] = "auto"
    """Tiles in a batch."""
    band_width: int = BAND_WIDTH
    """Widest band of columns, in pixels, that is inferred in one go."""
    max_memory: int | None = None
    """Bytes the whole process may take; None aims at two gigabytes and takes more where it must."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything settled: no `auto` is left."""

    grid: TileGrid
    """Where tiles lie."""
    blend: str
    """How overlapping tiles are joined."""
    level: int
    """Smallest quantised probability that is foreground."""
    classes: int
    """Probability maps."""
    batch_size: int
    """Tiles in a batch."""
    bound: float | None = None
    """Largest difference from an untiled pass that is promised; None where nothing is."""
    memory: int = 0
    """Bytes the whole process is expected to take; 0 = not reckoned."""

    @property
    def reach(self) -> int:
        """How many tiles beyond a cell touch it: none when cores alone are kept."""
        return self.grid.reach if weights_of(self.blend) else 0


def make_plan(
    shape: tuple[int, int],
    card: ModelCard,
    options: PlanOptions,
    room: Room | None = None,
) -> Plan:
    """Return the plan of a run.

    Args:
        shape: height and width of the grid that is inferred.
        card: of the model.
        options: what was asked for.
        room: the settled device and engine, whose limit is the options'; None = torch on a CPU.

    Raises:
        GridError: tile and halo do not fit the network.
        OptionError: another option is out of range.
    """
    threshold = card.threshold if options.threshold is None else options.threshold
    if not 0 < threshold <= 1:
        raise OptionError(f"threshold must lie above 0 and up to 1, got {threshold}; try 0.5")
    halo = settle_halo(card, options.halo, options.blend)
    tile = _only("tile", options.tile, card.tile)
    batch = _only("batch-size", options.batch_size, card.batch)
    asked = Asked(tile, batch, options.band_width)
    room = replace(room or Room(), limit=options.max_memory)
    tiling = settle_tiling(shape, card, halo, asked, room)
    if halo.covers:
        log.info("%s", halo.why)
    else:
        warnings.warn(halo.why, GeounetWarning, stacklevel=2)
    log.info("%s", tiling.why)
    return Plan(
        grid=tiling.grid,
        blend=halo.blend,
        level=level(threshold),
        classes=len(card.classes),
        batch_size=tiling.batch_size,
        bound=halo.bound,
        memory=tiling.memory,
    )


def _only(option: str, asked: int | Literal["auto"], only: int) -> int | Literal["auto"]:
    """What was asked for, or what a graph takes alone."""
    if asked not in ("auto", only) and only:
        raise OptionError(f"--{option} must be {only}, its graph takes no other, got {asked}")
    return only or asked
