"""One configurable U-Net (Ronneberger, Fischer and Brox 2015, arXiv:1505.04597)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from geounet.errors import ModelError

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "elu": nn.ELU, "gelu": nn.GELU}


@dataclass(frozen=True, kw_only=True)
class UNetOptions:
    """What a U-Net is made of."""

    bands: int = 3
    """Bands of the input."""
    classes: int = 1
    """Maps of the output."""
    stem: int = 16
    """Filters of a 3 × 3 stem at half resolution; 0 starts at full resolution."""
    filters: tuple[int, ...] = (32, 64, 128, 256)
    """Filters of each level, from the finest to the bottleneck."""
    convolutions: int = 2
    """3 × 3 convolutions of each encoder block."""
    decoder_convolutions: int = 1
    """3 × 3 convolutions of each decoder block; fewer make the receptive field smaller."""
    activation: Literal["relu", "elu", "gelu"] = "relu"
    """Non-linearity after each convolution."""
    normalise: bool = True
    """Batch normalisation after each convolution."""
    up: Literal["transposed", "nearest"] = "transposed"
    """Up-sampling: a 2 × 2 transposed convolution, or nearest neighbour and 1 × 1."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        counts = (
            *(self.bands, self.classes, self.convolutions, self.decoder_convolutions),
            *self.filters,
        )
        if not self.filters or min(counts) < 1 or self.stem < 0:
            raise ModelError(f"every count of a U-Net must be at least 1, got {self}")
        if self.activation not in ACTIVATIONS:
            raise ModelError(f"activation is {self.activation!r}; known: {', '.join(ACTIVATIONS)}")


class UNet(nn.Module):
    """Encoder and decoder joined by skips; the head gives logits at full resolution.

    Input `(batch, bands, height, width)` float32, height and width multiples of `stride`;
    output `(batch, classes, height, width)` logits.
    """

    def __init__(self, options: UNetOptions) -> None:
        """Build the layers with He-normal weights (He et al. 2015, arXiv:1502.01852)."""
        super().__init__()
        self.options = options
        self.stem = _convolution(options, options.bands, options.stem, 2) if options.stem else None
        widths = (options.stem or options.bands, *options.filters)
        self.encoder = nn.ModuleList(
            _block(options, a, b, options.convolutions) for a, b in pairwise(widths)
        )
        self.pool = nn.MaxPool2d(2)
        deep_to_fine = options.filters[::-1]
        pairs = list(pairwise(deep_to_fine))
        self.ups = nn.ModuleList(_up(options, a, b) for a, b in pairs)
        self.decoder = nn.ModuleList(
            _block(options, 2 * b, b, options.decoder_convolutions) for _, b in pairs
        )
        self.sharpen = _sharpen(options) if options.stem else None
        self.head = nn.Conv2d(options.stem or options.filters[0], options.classes, 1)
        self.apply(_initialise)

    @property
    def stride(self) -> int:
        """Total stride: sizes of the input are multiples of it."""
        return int(2 ** (len(self.options.filters) - 1 + bool(self.options.stem)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits at the input's resolution."""
        x = self.stem(pixels) if self.stem is not None else pixels
        skips: list[Tensor] = []
        for level, block in enumerate(self.encoder):
            x = block(self.pool(x) if level else x)
            skips.append(x)
        for up, block, skip in zip(self.ups, self.decoder, skips[-2::-1], strict=True):
            x = block(torch.cat([skip, up(x)], 1))
        x = self.sharpen(x) if self.sharpen is not None else x
        logits: Tensor = self.head(x)
        return logits


def _convolution(options: UNetOptions, before: int, after: int, stride: int = 1) -> nn.Sequential:
    layers: list[nn.Module] = [
        nn.Conv2d(before, after, 3, stride, padding=1, bias=not options.normalise)
    ]
    if options.normalise:
        layers.append(nn.BatchNorm2d(after))
    layers.append(ACTIVATIONS[options.activation]())
    return nn.Sequential(*layers)


def _block(options: UNetOptions, before: int, after: int, count: int) -> nn.Sequential:
    widths = (before, *([after] * count))
    return nn.Sequential(*(_convolution(options, a, b) for a, b in pairwise(widths)))


def _up(options: UNetOptions, before: int, after: int) -> nn.Module:
    if options.up == "transposed":
        return nn.ConvTranspose2d(before, after, 2, 2)
    return nn.Sequential(nn.Conv2d(before, after, 1), nn.Upsample(scale_factor=2, mode="nearest"))


def _sharpen(options: UNetOptions) -> nn.Sequential:
    """From half to full resolution: one up-sampling and one convolution."""
    return nn.Sequential(
        _up(options, options.filters[0], options.stem),
        _convolution(options, options.stem, options.stem),
    )


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
