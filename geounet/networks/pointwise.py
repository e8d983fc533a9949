"""A network without context: each pixel's logit is a weighted sum of its own bands."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class PointwiseOptions:
    """What a point-wise network is made of."""

    bands: int = 3
    """Bands of the input."""
    classes: int = 1
    """Maps of the output."""


class Pointwise(nn.Module):
    """One 1 × 1 convolution: what the walk itself costs, and an answer one can check by hand."""

    stride = 1

    def __init__(self, options: PointwiseOptions) -> None:
        """Build the layer."""
        super().__init__()
        self.options = options
        self.head = nn.Conv2d(options.bands, options.classes, 1)

    @property
    def bottleneck(self) -> nn.Module:
        """Its only layer."""
        return self.head

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits `(batch, classes, height, width)`."""
        logits: Tensor = self.head(pixels)
        return logits
