"""Make a network as sure as it may be: one temperature for its logits, from validation images."""

from __future__ import annotations

import math
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch import nn

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.model import Segmenter
    from geounet.training.score import Scored

COLDEST, HOTTEST = 0.25, 4.0
_SURE = 1e-6
_MOST = 200_000
"""Pixels of a sheet that are looked at, spread evenly."""


def temperature(scored: Scored) -> float:
    """Return by what logits are to be divided, for the smallest cross-entropy, places alike.

    After Guo et al. 2017 (arXiv:1706.04599); 1 without sheets, or where it is not settled.

    Args:
        scored: validation sheets with the probability of one map, `(1, height, width)`.
    """
    places: dict[str, list[tuple[NDArray[np.float64], NDArray[np.bool_]]]] = {}
    for sheet, p in scored:
        places.setdefault(sheet.place, []).append(
            _logits(p[0][sheet.valid], sheet.mask[sheet.valid] > 0)
        )
    known = [tuple(map(np.concatenate, zip(*each, strict=True))) for each in places.values()]
    known = [pair for pair in known if pair[1].any() and not pair[1].all()]
    if not known:
        return 1.0

    def entropy(log_temperature: float) -> float:
        factor = np.exp(-log_temperature)
        return float(np.mean([np.mean(np.logaddexp(0, z * factor) - t * z * factor)
                              for z, t in known]))  # fmt: skip

    bounds = math.log(COLDEST), math.log(HOTTEST)
    found = minimize_scalar(entropy, bounds=bounds, method="bounded")
    return round(math.exp(found.x), 3)


def tempered(segmenter: Segmenter, by: float) -> Segmenter:
    """Return the segmenter with the logits of its network divided by a temperature.

    The last layer's weights are divided, so the file needs no word of it and every engine obeys.

    Args:
        segmenter: stays as it is.
        by: the temperature.
    """
    network = deepcopy(segmenter.network)
    with torch.no_grad():
        for layer in last_layers(network):
            for values in layer.parameters():
                values.div_(by)
    return replace(segmenter, module=network)


def last_layers(network: nn.Module) -> list[nn.Module]:
    """Return the layers that give logits; those of the outputs of training among them."""
    for name in ("head", "heads", "segmentation_head"):
        head = getattr(network, name, None)
        if head is not None:
            return [each for each in head.modules() if isinstance(each, _LINEAR)]
    return []


_LINEAR = (nn.Conv2d, nn.ConvTranspose2d)


def _logits(
    p: NDArray[np.float32], truth: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    step = max(p.size // _MOST, 1)
    sure = np.clip(p[::step].astype(np.float64), _SURE, 1 - _SURE)
    return np.log(sure / (1 - sure)), truth[::step]
