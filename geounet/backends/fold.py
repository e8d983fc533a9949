"""Batch normalisation folded into the convolution before it: the same maps with fewer passes."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from geounet.networks.registry import total_stride

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

TOLERANCE = 1e-4
"""How far folded logits may lie from unfolded ones, relative to the largest."""
KINDS = (nn.Conv2d, nn.ConvTranspose2d, nn.BatchNorm2d)


def folded(network: nn.Module, bands: int) -> nn.Module:
    """Return a copy in evaluation mode whose batch normalisation is folded where it can be.

    Which layer follows which is watched on a small input, not read from the code; whether the
    copy still computes the same is then measured, and if not, a plain copy is returned.

    Args:
        network: any network; left as it is.
        bands: of its input.
    """
    plain = copy.deepcopy(network).cpu().float().eval()
    edge = 4 * total_stride(plain)
    noise = torch.randn(1, bands, edge, edge, generator=torch.Generator().manual_seed(0))
    fused = copy.deepcopy(plain)
    with torch.inference_mode():
        before = plain(noise)
    names = {id(module): name for name, module in fused.named_modules()}
    with torch.no_grad():
        for convolution, normalisation in list(_pairs(fused, noise)):
            _fold(convolution, normalisation)
            fused.set_submodule(names[id(normalisation)], nn.Identity())
    with torch.inference_mode():
        apart = float((fused(noise) - before).abs().max())
    if not apart <= TOLERANCE * max(float(before.abs().max()), 1.0):
        log.info("batch normalisation is not folded: the maps would differ by %g", apart)
        return plain
    return fused


def _pairs(network: nn.Module, noise: Tensor) -> Iterator[tuple[nn.Module, nn.BatchNorm2d]]:
    """Convolutions whose output goes straight into a normalisation, each called once."""
    calls: list[tuple[nn.Module, Tensor, Tensor]] = []  # tensors are kept: their ids stay unique
    hooks = [
        module.register_forward_hook(lambda m, given, out: calls.append((m, given[0], out)))
        for module in network.modules()
        if isinstance(module, KINDS)
    ]
    with torch.inference_mode():
        network(noise)
    for hook in hooks:
        hook.remove()
    counts = [module for module, _, _ in calls]
    made = {id(out): module for module, _, out in calls}
    for module, given, _ in calls:
        source = made.get(id(given))
        if not isinstance(module, nn.BatchNorm2d) or module.running_var is None:
            continue
        if isinstance(source, nn.Conv2d | nn.ConvTranspose2d):
            grouped = isinstance(source, nn.ConvTranspose2d) and source.groups > 1
            if not grouped and counts.count(module) == counts.count(source) == 1:
                yield source, module


def _fold(convolution: nn.Module, normalisation: nn.BatchNorm2d) -> None:
    """Put scale and shift of the normalisation into weight and bias, computed in float64."""
    assert isinstance(convolution, nn.Conv2d | nn.ConvTranspose2d)
    mean, variance = normalisation.running_mean, normalisation.running_var
    assert mean is not None
    assert variance is not None
    gain = (variance.double() + normalisation.eps).rsqrt()
    shift = -mean.double() * gain
    if normalisation.affine:
        gain *= normalisation.weight.double()
        shift = normalisation.bias.double() - mean.double() * gain
    over = [1] * 4
    over[1 if isinstance(convolution, nn.ConvTranspose2d) else 0] = -1
    if convolution.bias is not None:
        shift = shift + convolution.bias.double() * gain
    convolution.weight = nn.Parameter((convolution.weight.double() * gain.view(over)).float())
    convolution.bias = nn.Parameter(shift.float())
