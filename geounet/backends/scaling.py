"""Raw pixels to what a network sees, in numpy: one multiplication, one addition, the fill."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.card import ModelCard


class Scaling:
    """Scales and standardises a batch; what is not valid becomes 0, which is the card's mean.

    The array it returns is used again by the next call.
    """

    def __init__(self, card: ModelCard) -> None:
        """Work out `((x - low) / (high - low) - mean) / std` as `x * gain + shift`."""
        low, high = card.input_range
        gain = 1 / (np.asarray(card.std) * (high - low))
        shift = -low * gain - np.asarray(card.mean) / np.asarray(card.std)
        self.gain, self.shift = (
            values.astype(np.float32).reshape(1, -1, 1, 1) for values in (gain, shift)
        )
        self._out = np.empty((0, 0, 0, 0), np.float32)

    def __call__(self, pixels: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return `(batch, bands, height, width)` standardised.

        Args:
            pixels: `(batch, bands, height, width)`, raw dtype.
            valid: `(batch, height, width)`, True = data.
        """
        if self._out.shape != pixels.shape:
            self._out = np.empty(pixels.shape, np.float32)
        x = self._out
        np.copyto(x, pixels, casting="unsafe")
        x *= self.gain
        x += self.shift
        if not valid.all():
            np.copyto(x, np.float32(0), where=~valid[:, None])
        return x
