"""Ways to run a network: each turns raw pixels into named maps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from geounet.card import ModelCard


@dataclass(frozen=True)
class Look:
    """Which maps inside a network are wanted."""

    layers: tuple[str, ...] = ()
    """Their names; a step gives them beside the probability."""
    alone: bool = False
    """They alone are wanted: a step may end a pass once it has them."""


NOWHERE = Look()
"""Nothing but the probability is wanted."""


class Model(Protocol):
    """Anything with a card: a `Segmenter`, or a step that needs no backend."""

    @property
    def card(self) -> ModelCard:
        """What it expects and gives."""
        ...


class Step(Protocol):
    """Raw pixels in, named maps out; the only thing the walk knows of a model."""

    @property
    def card(self) -> ModelCard:
        """What the model expects and gives."""
        ...

    @property
    def device(self) -> str:
        """Where it runs."""
        ...

    @property
    def precision(self) -> str:
        """In which precision."""
        ...

    @property
    def backend(self) -> str:
        """With which engine."""
        ...

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Run the model on one batch.

        Args:
            pixels: `(batch, bands, height, width)`, raw dtype.
            valid: `(batch, height, width)`, True = data; what is not is filled here.

        Returns:
            `probability`: `(batch, classes, height, width)` float32, 0–1; and each layer it was
            told to look at: `(batch, channels, height / stride, width / stride)` float32.

        Raises:
            DeviceMemoryError: when the batch is too large for the device.
        """
        ...
