"""Measure how far an output pixel can see, and on which grid: what exact tiling rests on."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from geounet.networks.registry import total_stride

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor, nn

LIMITS = (128, 256, 512, 1024)
"""Distances that are looked at, one after the other until one holds the whole field."""
STRIP = 4
"""Height of what is probed, in strides: some pooling pyramids want no less."""
SAME = 1e-5
"""Largest difference between two passes, as a share of the largest logit, that is rounding."""


@dataclass(frozen=True)
class Sight:
    """What a network looks at: the ground of exact tiling."""

    field: int | None
    """Largest distance, in pixels, at which an input can change an output (0 for a point-wise
    network); None when there is no such distance within the last of `LIMITS`."""
    stride: int
    """Smallest shift of the input that shifts the output alike; the registry's where unknown."""


def receptive_field(network: nn.Module, bands: int) -> int | None:
    """Return the field of `sight`."""
    return sight(network, bands).field


def sight(network: nn.Module, bands: int) -> Sight:
    """Return the receptive field and the total stride of a network, measured.

    A single NaN is laid into the input: every convolution, pooling, normalisation and attention
    hands it on to each output that reads it, whatever the weights. One probe for each phase of
    the stride; the true stride is the period of what they find. Then it is tried: the network
    over an image, and over the same image without its first columns, must agree where neither
    sees the difference. This refuses a network that swallows NaN, one whose widely dilated kernels
    leap over what was looked at, and one whose grid hangs on the size of its input (bilinear
    up-sampling with aligned corners), which no halo makes exact.

    Args:
        network: in evaluation mode or not; it is probed in evaluation mode.
        bands: bands of its input.
    """
    declared = total_stride(network)
    with _evaluating(network):
        for limit in LIMITS:
            reaches = _reaches(network, bands, limit)
            if len(reaches) < declared:
                continue
            field, stride = max(map(max, reaches)), _period(reaches)
            if _keeps_grid(network, bands, field, stride):
                return Sight(field, stride)
    return Sight(None, declared)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    training = network.training
    network.eval()
    with torch.inference_mode():
        yield
    network.train(training)


def _reaches(network: nn.Module, bands: int, limit: int) -> list[tuple[int, int]]:
    """How far left and right a poisoned pixel reaches, by phase, up to the first beyond `limit`."""
    found: list[tuple[int, int]] = []
    for phase in range(total_stride(network)):
        left, right = _reach(network, bands, limit, phase)
        if max(left, right) > limit:
            break
        found.append((left, right))
    return found


def _reach(network: nn.Module, bands: int, limit: int, phase: int) -> tuple[int, int]:
    """Distance from one poisoned input pixel to the first and last output it reaches."""
    # A strip is enough: kernels are as wide as high, so the poison spreads alike along both axes.
    stride = total_stride(network)
    centre = _multiple(limit + stride, stride)
    at = centre + phase
    pixels = torch.zeros(1, bands, STRIP * stride, 2 * centre)
    pixels[..., at] = torch.nan
    touched = network(pixels).isnan().flatten(0, 2).any(0).nonzero().flatten()
    if touched.numel() == 0:
        return 0, 0
    return int(at - touched.min()), int(touched.max() - at)


def _period(reaches: list[tuple[int, int]]) -> int:
    """The smallest divisor of their number at which the reaches repeat."""
    count = len(reaches)
    return next(
        step
        for step in range(1, count + 1)
        if count % step == 0 and reaches == reaches[:step] * (count // step)
    )


def _keeps_grid(network: nn.Module, bands: int, field: int, shift: int) -> bool:
    """Whether outputs beyond the field are the same when the input begins `shift` pixels later."""
    stride = total_stride(network)
    width = _multiple(2 * field + 2 * LIMITS[-1], stride)
    chance = torch.Generator().manual_seed(0)
    pixels = torch.rand((1, bands, STRIP * stride, width + shift), generator=chance)
    whole: Tensor = network(pixels[..., :width])
    later: Tensor = network(pixels[..., shift:])
    inner, same = slice(field + shift, width - field), slice(field, width - field - shift)
    worst = (whole[..., inner] - later[..., same]).abs().max()
    return bool(worst <= SAME * whole.abs().max())


def _multiple(size: int, of: int) -> int:
    return -(-size // of) * of
