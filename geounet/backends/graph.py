"""What an ONNX graph has to look like to be run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geounet.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.model import ModelCard


def check_graph(card: ModelCard, given: Sequence[Any], made: Sequence[Any], *, inputs: int) -> None:
    """Refuse a graph whose shapes are not those of the card.

    Args:
        card: of the model.
        given: shape of the input; what is no int is free.
        made: shape of the output.
        inputs: how many there are.

    Raises:
        ModelError: with what the card says.
    """
    wanted = (len(card.bands), len(card.classes))
    free = [shape[1] if len(shape) == 4 else None for shape in (given, made)]  # noqa: PLR2004
    fits = [not isinstance(f, int) or f == w for f, w in zip(free, wanted, strict=True)]
    if inputs != 1 or len(given) != 4 or len(made) != 4 or not all(fits):  # noqa: PLR2004
        raise ModelError(
            f"model {card.name}: its graph takes {inputs} inputs, the first {given}, and gives "
            f"{made}; its card says (batch, {wanted[0]}, height, width) and "
            f"(batch, {wanted[1]}, height, width)"
        )
