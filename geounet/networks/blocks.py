"""What U-Nets are built of: convolutions, blocks of them, up-sampling, noise."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    from geounet.networks.options import UNetOptions

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "elu": nn.ELU, "gelu": nn.GELU}


class Same(nn.Conv2d):
    """A convolution whose output is as large as its input, divided by the stride.

    An even kernel gets one zero more on the right and below, as Keras pads; the output still
    moves with the input.
    """

    def __init__(
        self, before: int, after: int, kernel: int, *, stride: int = 1, groups: int = 1, bias: bool
    ) -> None:
        """Build the layer."""
        low = (kernel - 1) // 2
        super().__init__(before, after, kernel, stride, low, groups=groups, bias=bias)
        self._more = 1 - kernel % 2

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps."""
        return super().forward(functional.pad(x, (0, self._more) * 2) if self._more else x)


class Residual(nn.Module):
    """A block whose input is added to its output, through 1 × 1 where the filters differ."""

    def __init__(self, body: nn.Module, before: int, after: int) -> None:
        """Wrap a block."""
        super().__init__()
        self.body = body
        self.shortcut = nn.Identity() if before == after else nn.Conv2d(before, after, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the sum."""
        total: Tensor = self.body(x) + self.shortcut(x)
        return total


class Noise(nn.Module):
    """Gaussian noise in training, nothing else."""

    def __init__(self, sigma: float) -> None:
        """Set the standard deviation."""
        super().__init__()
        self.sigma = sigma

    def forward(self, x: Tensor) -> Tensor:
        """Return the noisy maps."""
        return x + self.sigma * torch.randn_like(x) if self.training and self.sigma else x


class Encoding(nn.Module):
    """What a U-Net, plain or nested, says of itself."""

    options: UNetOptions
    """What it is made of."""
    encoder: nn.ModuleList
    """Its blocks on the way down."""

    @property
    def softmax(self) -> bool:
        """The classes exclude each other."""
        return self.options.softmax

    @property
    def stride(self) -> int:
        """Total stride: sizes of the input are multiples of it."""
        return self.options.stride

    @property
    def bottleneck(self) -> nn.Module:
        """The block whose maps are the coarsest."""
        return self.encoder[-1]


def separable(before: int, after: int, kernel: int, *, bias: bool) -> nn.Sequential:
    """Return a convolution a channel, then one across channels (Chollet 2017, arXiv:1610.02357)."""
    return nn.Sequential(
        Same(before, before, kernel, groups=before, bias=False),
        nn.Conv2d(before, after, 1, bias=bias),
    )


def convolution(
    options: UNetOptions,
    before: int,
    after: int,
    *,
    stride: int = 1,
    kernel: int | None = None,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Return a convolution, its normalisation and its activation.

    Args:
        options: of the network.
        before: maps that go in.
        after: maps that come out.
        stride: how much coarser they are; with one above 1 the convolution is a full one.
        kernel: edge of its kernel; None takes the options'.
        dropout: share of the output dropped in training.
    """
    kernel = kernel or options.kernel
    bias = options.bias or not options.normalise
    whole = not options.separable or stride > 1 or before == options.bands
    layers: list[nn.Module] = [
        Same(before, after, kernel, stride=stride, bias=bias)
        if whole
        else separable(before, after, kernel, bias=bias)
    ]
    if options.normalise:
        layers.append(nn.BatchNorm2d(after))
    layers.append(ACTIVATIONS[options.activation]())
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def block(
    options: UNetOptions, before: int, after: int, count: int, dropout: float = 0.0
) -> nn.Module:
    """Return `count` convolutions, with dropout after the first of them."""
    widths = (before, *([after] * count))
    body = nn.Sequential(
        *(
            convolution(options, a, b, dropout=0.0 if at else dropout)
            for at, (a, b) in enumerate(pairwise(widths))
        )
    )
    return Residual(body, before, after) if options.residual else body


def raised(options: UNetOptions, before: int, after: int) -> int:
    """Return how many maps come out of `up`."""
    return after if options.up == "transposed" or options.up_kernel else before


def up(options: UNetOptions, before: int, after: int) -> nn.Module:
    """Return what doubles the resolution."""
    if options.up == "transposed":
        return nn.ConvTranspose2d(before, after, 2, 2)
    larger = nn.Upsample(scale_factor=2, mode=options.up)
    if options.up_kernel == 0:
        return larger
    if options.up_kernel == 1:  # the same as after up-sampling, at a quarter of the work
        return nn.Sequential(nn.Conv2d(before, after, 1), larger)
    return nn.Sequential(larger, convolution(options, before, after, kernel=options.up_kernel))


def initialise(options: UNetOptions, network: nn.Module) -> None:
    """Draw the weights of all convolutions; biases start at zero."""
    for module in network.modules():
        if not isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            continue
        if options.initial == "glorot_uniform":
            nn.init.xavier_uniform_(module.weight)
        elif options.initial == "he_uniform":
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
        else:
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
