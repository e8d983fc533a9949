"""A nested U-Net (UNet++, Zhou et al. 2018, arXiv:1807.10165)."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from geounet.errors import ModelError
from geounet.networks.blocks import Encoding, Noise, block, initialise, raised, up

if TYPE_CHECKING:
    from geounet.networks.options import UNetOptions


class UNetPlusPlus(Encoding):
    """A block of the nest joins all blocks before it on its level, and the last one below.

    Input and output as of `UNet`; with deep supervision the finest level's blocks each give a
    map in training, the last one first.
    """

    def __init__(self, options: UNetOptions) -> None:
        """Build the layers and draw their weights."""
        super().__init__()
        if options.stem or not options.pool_last or len(options.filters) < 2:  # noqa: PLR2004 - a nest has a skip
            raise ModelError("a nested U-Net has no stem, pools each level, and has two at least")
        self.options = options
        self.noise = Noise(options.noise)
        self.encoder = nn.ModuleList(
            block(options, a, b, options.convolutions, options.drops(level))
            for level, (a, b) in enumerate(pairwise((options.bands, *options.filters)))
        )
        self.pool = nn.MaxPool2d(2)
        self.ups, self.nest = nn.ModuleDict(), nn.ModuleDict()
        depth = len(options.filters)
        for column in range(1, depth):
            for level in range(depth - column):
                self._add(level, column)
        self.drop = nn.Dropout(options.head_dropout)
        heads = range(1, depth) if options.deep_supervision else [depth - 1]
        self.heads = nn.ModuleDict(
            {str(column): nn.Conv2d(options.filters[0], options.classes, 1) for column in heads}
        )
        initialise(options, self)

    def _add(self, level: int, column: int) -> None:
        """Add a block of the nest, with what raises the next level to it."""
        options, name = self.options, f"{level}-{column}"
        finer, coarser = options.filters[level : level + 2]
        self.ups[name] = up(options, coarser, finer)
        before = column * finer + raised(options, coarser, finer)
        count = max(options.decoder_convolutions, 1)
        self.nest[name] = block(options, before, finer, count, options.drops(level))

    def forward(self, pixels: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Return logits at the input's resolution."""
        x, rows = self.noise(pixels), []
        for level, each in enumerate(self.encoder):
            x = each(self.pool(x) if level else x)
            rows.append([x])
        for column in range(1, len(rows)):
            for level in range(len(rows) - column):
                name = f"{level}-{column}"
                larger = self.ups[name](rows[level + 1][column - 1])
                rows[level].append(self.nest[name](torch.cat([*rows[level], larger], 1)))
        if not (self.training and self.options.deep_supervision):
            return self._logits(rows[0], len(rows) - 1)
        return tuple(self._logits(rows[0], column) for column in range(len(rows) - 1, 0, -1))

    def _logits(self, finest: list[Tensor], column: int) -> Tensor:
        logits: Tensor = self.heads[str(column)](self.drop(finest[column]))
        return logits
