"""Measure how far an output pixel can see: the receptive field of any network."""

from __future__ import annotations

import torch
from torch import nn

from geounet.networks.registry import total_stride


def receptive_field(network: nn.Module, bands: int, *, limit: int = 512) -> int | None:
    """Return the largest distance, in pixels, at which an input can change an output.

    A single NaN is laid into the input: every convolution, pooling and normalisation hands it on
    to each output that reads it, whatever the weights. One probe for each phase of the stride.

    Args:
        network: in evaluation mode or not; it is probed in evaluation mode.
        bands: bands of its input.
        limit: farthest distance that is looked for.

    Returns:
        The distance (0 for a point-wise network), or None when it is larger than `limit`, as it
        is for networks with a global context.
    """
    stride = total_stride(network)
    centre = -(-(limit + stride) // stride) * stride
    training, network = network.training, network.eval()
    reach = [_reach(network, bands, centre, phase) for phase in range(stride)]
    network.train(training)
    return max(reach) if max(reach) <= limit else None


def _reach(network: nn.Module, bands: int, centre: int, phase: int) -> int:
    """Distance from one poisoned input pixel to the farthest output it reaches."""
    # A strip is enough: kernels are as wide as high, so the poison spreads alike along both axes.
    at = centre + phase
    pixels = torch.zeros(1, bands, total_stride(network) * 2, 2 * centre)
    pixels[:, :, 0, at] = torch.nan
    with torch.inference_mode():
        touched = network(pixels).isnan().flatten(0, 2).any(0).nonzero().flatten()
    if touched.numel() == 0:
        return 0
    return int(max(at - touched.min(), touched.max() - at))
