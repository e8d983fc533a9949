"""How much context a tile gets, how tiles are joined for it, and what is promised for that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from geounet.blend import weights_of

if TYPE_CHECKING:
    from geounet.card import ModelCard

EXACT = 1e-5
"""Largest difference from an untiled pass where the halo covers the field: rounding, in fp32."""
TOLERANCE = 1 / 255
"""Largest difference from an untiled pass that is tolerated: one step of an 8-bit map."""
MARGIN = 2
"""A measured difference is to be so many times smaller: other images will be seen."""
AFFORDABLE = 256
"""Largest field that is covered unasked; a tile of 1024 pixels then keeps a quarter of itself."""
BLENDED = 128
"""Halo of tiles that are blended."""


@dataclass(frozen=True)
class Halo:
    """Context of a tile, and what it buys."""

    size: int
    """Context on each side, pixels."""
    blend: str
    """How tiles are joined."""
    bound: float | None
    """Largest difference from an untiled pass that is promised; None where nothing is."""
    covers: bool
    """The halo covers the receptive field."""
    why: str
    """The same in words."""


def settle_halo(card: ModelCard, size: int | Literal["auto"], blend: str | None) -> Halo:
    """Return the halo of a run.

    Args:
        card: of the model.
        size: asked for; `auto` covers the field, or takes the smallest halo that was measured to
            serve, or blends.
        blend: asked for; None keeps cores alone where the halo allows it, and blends elsewhere.

    Raises:
        OptionError: there is no such blend.
    """
    size = _auto(card) if size == "auto" else size
    best = _bound(card, size)
    blend = blend or ("hann" if best is None else "crop")
    bound = None if weights_of(blend) else best
    return Halo(size, blend, bound, best == EXACT, _why(card, size, blend, bound))


def tolerated(card: ModelCard) -> int | None:
    """Return the smallest halo from which on every measured difference is small enough."""
    found = None
    for halo, difference in sorted(card.seams.items(), key=lambda pair: -int(pair[0])):
        if difference * MARGIN >= TOLERANCE:
            break
        found = int(halo)
    return found


def covering(card: ModelCard) -> int | None:
    """Return the smallest halo that covers the field; None for a global context."""
    return None if card.receptive_field is None else _aligned(card.receptive_field, card.stride)


def has_room(card: ModelCard, halo: int) -> bool:
    """Return whether a tile, where there is but one, has a core inside such a halo."""
    return not card.tile or card.tile >= 2 * halo + card.stride


def is_affordable(field: int | None) -> bool:
    """Return whether a field is covered unasked."""
    return field is not None and field <= AFFORDABLE


def _auto(card: ModelCard) -> int:
    exact = covering(card)
    if exact is not None and is_affordable(card.receptive_field) and has_room(card, exact):
        return exact
    enough = tolerated(card)
    if enough is not None and has_room(card, enough):
        return enough
    blended = _aligned(BLENDED, card.stride)
    return blended if has_room(card, 2 * blended) else card.tile // 4 // card.stride * card.stride


def _bound(card: ModelCard, size: int) -> float | None:
    exact, enough = covering(card), tolerated(card)
    if exact is not None and size >= exact:
        return EXACT
    return TOLERANCE if enough is not None and size >= enough else None


def _why(card: ModelCard, size: int, blend: str, bound: float | None) -> str:
    field = "the whole tile" if card.receptive_field is None else f"{card.receptive_field} pixels"
    sees = f"model {card.name} looks {field} around"
    if bound == EXACT:
        return f"{sees}, halo {size} covers it: tiles give what one untiled pass gives"
    if bound is not None:
        return (
            f"{sees}; halo {size} keeps what one untiled pass gives within {bound:.4f} "
            f"(measured at {tolerated(card)}: {card.seams[str(tolerated(card))]:.2g})"
        )
    cause = "covers less" if _bound(card, size) is None else "would do with crop"
    return (
        f"{sees}, halo {size} {cause}: "
        f"tiles are joined by {blend}, the result depends a little on the tiles"
    )


def _aligned(size: int, stride: int) -> int:
    return -(-size // stride) * stride
