"""What an ONNX graph has to look like to be run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.card import ModelCard


AXES = 4
"""Batch, channels, height, width."""


def check_graph(card: ModelCard, given: Sequence[Any], made: Sequence[Any], *, inputs: int) -> None:
    """Refuse a graph whose shapes are not those of the card.

    One channel more than there are classes is the background, the first; a single class may do
    without the axis of channels.

    Args:
        card: of the model.
        given: shape of the input; what is no int is free.
        made: shape of the output.
        inputs: how many there are.

    Raises:
        ModelError: with what the card says.
    """
    bands, classes = len(card.bands), len(card.classes)
    fits = inputs == 1 and len(given) == AXES and _is(given[1], bands)
    fits = fits and all(_is(extent, card.tile) for extent in given[2:])
    if len(made) == AXES:
        fits = fits and any(_is(made[1], count) for count in (classes, classes + 1))
    else:
        fits = fits and len(made) == AXES - 1 and classes == 1
    if not fits:
        raise ModelError(
            f"model {card.name}: its graph takes {inputs} inputs, the first {given}, and gives "
            f"{made}; its card says (batch, {bands}, height, width) and "
            f"(batch, {classes}, height, width)"
        )


def class_maps(card: ModelCard, made: NDArray[Any]) -> NDArray[np.float32]:
    """Return `(batch, classes, height, width)` of what a graph gave, without its background."""
    maps = made if made.ndim == AXES else made[:, None]
    return maps[:, -len(card.classes) :].astype(np.float32, copy=False)


def _is(extent: object, wanted: int) -> bool:
    """Whether an extent is as wanted, or left free."""
    return not isinstance(extent, int) or extent == wanted
