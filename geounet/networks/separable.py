"""Separable residual blocks down and up, without skips (after Chollet 2017, arXiv:1610.02357)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn

from geounet.errors import ModelError
from geounet.networks.blocks import separable


@dataclass(frozen=True, kw_only=True)
class SeparableOptions:
    """What such a network is made of."""

    bands: int = 3
    """Bands of the input."""
    classes: int = 3
    """Maps of the output, at least two: they exclude each other, the background is one of them."""
    stem: int = 32
    """Filters of the stem at half resolution."""
    down: tuple[int, ...] = (64, 128, 256)
    """Filters of the blocks on the way down, each at half the resolution of the one before."""
    up: tuple[int, ...] = (256, 128, 64, 32)
    """Filters of the blocks on the way up."""

    def __post_init__(self) -> None:
        """Refuse what cannot be built."""
        if min(self.bands, self.stem, *self.down, *self.up) < 1 or self.classes < 2:  # noqa: PLR2004 - one class is always certain
            raise ModelError(
                f"a separable network needs 2 classes and 1 of all else at least, got {self}"
            )
        if len(self.up) != len(self.down) + 1:
            raise ModelError(
                f"a separable network goes up once more than down, got {len(self.down)} blocks "
                f"down and {len(self.up)} up"
            )


class Separable(nn.Module):
    """Input and output as of `UNet`; the logits are those of a softmax."""

    softmax = True

    def __init__(self, options: SeparableOptions) -> None:
        """Build the layers."""
        super().__init__()
        self.options = options
        self.stem = nn.Sequential(
            nn.Conv2d(options.bands, options.stem, 3, 2, padding=1),
            nn.BatchNorm2d(options.stem),
            nn.ReLU(),
        )
        widths = options.stem, *options.down
        self.down = nn.Sequential(*(_Down(a, b) for a, b in pairwise(widths)))
        self.up = nn.Sequential(*(_Up(a, b) for a, b in pairwise((widths[-1], *options.up))))
        self.head = nn.Conv2d(options.up[-1], options.classes, 3, padding=1)

    @property
    def stride(self) -> int:
        """Total stride: sizes of the input are multiples of it."""
        return int(2 ** len(self.options.up))

    @property
    def bottleneck(self) -> nn.Module:
        """The block whose maps are the coarsest."""
        return self.down[-1]

    def forward(self, pixels: Tensor) -> Tensor:
        """Return logits at the input's resolution."""
        logits: Tensor = self.head(self.up(self.down(self.stem(pixels))))
        return logits


class _Down(nn.Module):
    """Two separable convolutions and a pooling, beside a strided 1 × 1."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(),
            separable(before, after, 3, bias=True),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            separable(after, after, 3, bias=True),
            nn.BatchNorm2d(after),
            nn.MaxPool2d(3, 2, padding=1),
        )
        self.shortcut = nn.Conv2d(before, after, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.body(x) + self.shortcut(x)
        return total


class _Up(nn.Module):
    """Two transposed convolutions, beside a 1 × 1; then twice the resolution.

    Both ways are joined before they are enlarged: nearest neighbours of a sum are the sum of
    nearest neighbours.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.ReLU(),
            nn.ConvTranspose2d(before, after, 3, padding=1),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.ConvTranspose2d(after, after, 3, padding=1),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Conv2d(before, after, 1)
        self.larger = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.larger(self.body(x) + self.shortcut(x))
        return total
