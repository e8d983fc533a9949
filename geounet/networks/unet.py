"""One configurable U-Net (Ronneberger, Fischer and Brox 2015, arXiv:1505.04597)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from geounet.networks.blocks import Encoding, Noise, block, convolution, initialise, raised, up

if TYPE_CHECKING:
    from geounet.networks.options import UNetOptions


class UNet(Encoding):
    """Encoder and decoder joined by skips; the head gives logits at full resolution.

    Input `(batch, bands, height, width)` float32, height and width multiples of `stride`;
    output `(batch, classes, height, width)` logits. In training with deep supervision a tuple of
    them, the final one first.
    """

    def __init__(self, options: UNetOptions) -> None:
        """Build the layers and draw their weights."""
        super().__init__()
        self.options = options
        self.noise = Noise(options.noise)
        self.stem = _stem(options)
        widths = (options.stem or options.bands, *options.filters)
        self.encoder = nn.ModuleList(
            block(options, a, b, options.convolutions, options.drops(level))
            for level, (a, b) in enumerate(pairwise(widths))
        )
        self.pool = nn.MaxPool2d(2)
        self.ups, self.decoder, decoded = _decoder(options)
        sharpens = options.stem and options.sharpen
        self.sharpen = _sharpen(options, decoded[-1]) if sharpens else None
        self.drop = nn.Dropout(options.head_dropout)
        self.head = _head(options, decoded[-1])
        coarser = decoded[:-1] if options.deep_supervision else ()
        self.sides = nn.ModuleList(nn.Conv2d(width, options.classes, 1) for width in coarser)
        initialise(options, self)

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return logits at the input's resolution."""
        decoded = self._decoded(self._encoded(self.noise(pixels)))
        x = self.sharpen(decoded[-1]) if self.sharpen is not None else decoded[-1]
        logits: Tensor = self.head(self.drop(x))
        if not (self.training and self.options.deep_supervision):
            return logits
        sides = (side(x) for side, x in zip(self.sides, decoded, strict=False))
        coarse = [functional.interpolate(side, logits.shape[-2:]) for side in sides]
        return logits, *coarse[::-1]

    def _encoded(self, pixels: Tensor) -> list[Tensor]:
        """The maps of each level, from the finest to the bottleneck."""
        x = self.stem(pixels) if self.stem is not None else pixels
        factors, found = (1, *self.options.factors), []
        for factor, each in zip(factors, self.encoder, strict=True):
            x = each(self.pool(x) if factor > 1 else x)
            found.append(x)
        return found

    def _decoded(self, skips: list[Tensor]) -> list[Tensor]:
        """The maps of each level on the way back, the finest last."""
        found = [skips[-1]] if len(skips) == 1 else []
        x = skips[-1]
        for larger, each, skip in zip(self.ups, self.decoder, skips[-2::-1], strict=True):
            x = each(torch.cat([skip, larger(x)], 1))
            found.append(x)
        return found


def _stem(options: UNetOptions) -> nn.Sequential | None:
    if not options.stem:
        return None
    return convolution(options, options.bands, options.stem, stride=2, kernel=3)


def _decoder(options: UNetOptions) -> tuple[nn.ModuleList, nn.ModuleList, list[int]]:
    """What raises the maps to each level, what joins them with the skip, how many come out."""
    ups, blocks, widths = nn.ModuleList(), nn.ModuleList(), [options.filters[-1]]
    count = options.decoder_convolutions
    for level in range(len(options.filters) - 2, -1, -1):
        coarser, finer = widths[-1], options.filters[level]
        doubles = options.factors[level] > 1
        ups.append(up(options, coarser, finer) if doubles else nn.Identity())
        joined = finer + (raised(options, coarser, finer) if doubles else coarser)
        blocks.append(block(options, joined, finer, count, options.drops(level)))
        widths.append(finer if count else joined)
    return ups, blocks, widths[1:] or widths


def _sharpen(options: UNetOptions, before: int) -> nn.Sequential:
    """From half to full resolution: one up-sampling and one convolution."""
    return nn.Sequential(
        up(options, before, options.stem),
        convolution(options, raised(options, before, options.stem), options.stem),
    )


def _head(options: UNetOptions, before: int) -> nn.Module:
    """Logits at full resolution."""
    if options.stem and not options.sharpen:
        return nn.ConvTranspose2d(before, options.classes, 2, 2)
    return nn.Conv2d(options.stem or before, options.classes, 1)
