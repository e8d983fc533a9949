"""Losses on logits and soft masks."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

EDGE_REACH = 2


def edge_weights(truth: Tensor, extra: float) -> Tensor:
    """Return 1 everywhere and `1 + extra` within two pixels of an outline, `(batch, 1, h, w)`."""
    size = 2 * EDGE_REACH + 1
    grown = functional.max_pool2d(truth, size, 1, EDGE_REACH)
    shrunk = -functional.max_pool2d(-truth, size, 1, EDGE_REACH)
    return 1 + extra * (grown - shrunk)


def overlap_loss(logits: Tensor, truth: Tensor, valid: Tensor, edge_weight: float) -> Tensor:
    """Return weighted cross-entropy plus the soft Dice loss of the batch.

    Dice after Milletari, Navab and Ahmadi 2016 (arXiv:1606.04797), smoothed by 1, over the
    whole batch so that chips without buildings do not dominate. Where `valid` is 0 nothing counts.
    """
    weights = edge_weights(truth, edge_weight) * valid
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, weights)
    p, t = torch.sigmoid(logits) * valid, truth * valid
    dice = (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
    return entropy + 1 - dice
