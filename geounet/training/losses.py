"""Losses on logits, by name; where `valid` is 0 nothing counts.

Each takes logits `(batch, classes, height, width)`, the truth `(batch, 1, height, width)`: 0 to 1
for one map, else the number of the class, and valid `(batch, 1, height, width)`, 1 or 0.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable

    from geounet.training.recipe import Recipe

    Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

EDGE_REACH = 2
SMOOTH = 1.0
FOCUS, FOCAL_SHARE = 2.0, 0.25
ENTROPY_SHARE = 0.05


def make_loss(recipe: Recipe) -> Loss:
    """Return the recipe's loss."""
    match recipe.loss:
        case "cross-entropy":
            return partial(cross_entropy, positive_weight=recipe.positive_weight)
        case "dice-entropy":
            return partial(dice_entropy, positive_weight=recipe.positive_weight)
        case "boundary":
            return partial(boundary, edge_weight=recipe.edge_weight)
        case plain:
            return {"dice": dice, "jaccard": jaccard, "focal": focal, "lovasz": lovasz}[plain]


def cross_entropy(
    logits: Tensor, truth: Tensor, valid: Tensor, positive_weight: float = 1.0
) -> Tensor:
    """Return the mean cross-entropy of the valid pixels, binary for one map."""
    if logits.shape[1] > 1:
        each = functional.cross_entropy(logits, truth[:, 0].long(), reduction="none")[:, None]
    else:
        weight = torch.as_tensor(positive_weight, dtype=logits.dtype, device=logits.device)
        each = functional.binary_cross_entropy_with_logits(
            logits, truth, pos_weight=weight, reduction="none"
        )
    return _mean(each, valid)


def dice(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Return 1 − the soft Dice coefficient, smoothed by 1, of each map over the batch.

    After Milletari, Navab and Ahmadi 2016 (arXiv:1606.04797).
    """
    p, t = _maps(logits, truth, valid)
    return (1 - _dice(p, t, (0, 2, 3))).mean()


def dice_entropy(
    logits: Tensor, truth: Tensor, valid: Tensor, positive_weight: float = 1.0
) -> Tensor:
    """Return 0.05 × the cross-entropy − the Dice coefficient of each image, smoothed by 1."""
    p, t = _maps(logits, truth, valid)
    entropy = cross_entropy(logits, truth, valid, positive_weight)
    return ENTROPY_SHARE * entropy - _dice(p, t, (2, 3)).mean()


def jaccard(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Return 1 − the soft Jaccard index, smoothed by 1, of each map over the batch.

    After Rahman and Wang 2016 (Optimizing intersection-over-union in deep neural networks).
    """
    p, t = _maps(logits, truth, valid)
    both = (p * t).sum((0, 2, 3))
    either = (p + t).sum((0, 2, 3)) - both
    return (1 - (both + SMOOTH) / (either + SMOOTH)).mean()


def focal(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Return the mean focal loss of the valid pixels, gamma = 2 and alpha = 0.25.

    Of several maps each is a class of its own against the others. After Lin et al. 2017
    (arXiv:1708.02002).
    """
    t = _planes(logits, truth)
    entropy = functional.binary_cross_entropy_with_logits(logits, t, reduction="none")
    p = torch.sigmoid(logits)
    missed = p * (1 - t) + (1 - p) * t
    share = FOCAL_SHARE * t + (1 - FOCAL_SHARE) * (1 - t)
    return _mean(share * missed**FOCUS * entropy, valid.expand_as(t))


def lovasz(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Return the Lovász hinge of one map, the Lovász softmax of several, over the batch.

    After Berman, Triki and Blaschko 2018 (arXiv:1705.08790). Classes that are not there do not
    count.
    """
    shown = valid[:, 0] > 0
    t = (_planes(logits, truth) >= 0.5).float()  # noqa: PLR2004
    if logits.shape[1] == 1:
        hinge = functional.relu(1 - logits * (2 * t - 1))
        return _lovasz(hinge[:, 0][shown], t[:, 0][shown])
    errors = (t - logits.softmax(1)).abs()
    each = [_lovasz(errors[:, c][shown], t[:, c][shown]) for c in range(logits.shape[1])]
    there = [value for c, value in enumerate(each) if t[:, c][shown].any()]
    return torch.stack(there).mean() if there else logits.sum() * 0


def boundary(logits: Tensor, truth: Tensor, valid: Tensor, edge_weight: float) -> Tensor:
    """Return the cross-entropy of one map, heavier at outlines, plus its Dice loss.

    The entropy is summed over valid pixels and divided by all of them: a chip that is cut by the
    edge of the flight counts for less.
    """
    weights = edge_weights(truth, edge_weight) * valid
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, weights)
    return entropy + dice(logits, truth, valid)


def edge_weights(truth: Tensor, extra: float) -> Tensor:
    """Return 1 everywhere and `1 + extra` within two pixels of an outline, `(batch, 1, h, w)`."""
    size = 2 * EDGE_REACH + 1
    grown = functional.max_pool2d(truth, size, 1, EDGE_REACH)
    shrunk = -functional.max_pool2d(-truth, size, 1, EDGE_REACH)
    return 1 + extra * (grown - shrunk)


def _mean(each: Tensor, valid: Tensor) -> Tensor:
    """The mean over valid pixels, 0 of none."""
    return (each * valid).sum() / valid.sum().clamp(min=1)


def _planes(logits: Tensor, truth: Tensor) -> Tensor:
    """The truth with one map a class, as the logits have."""
    classes = logits.shape[1]
    if classes == 1:
        return truth
    return functional.one_hot(truth[:, 0].long(), classes).permute(0, 3, 1, 2).float()


def _maps(logits: Tensor, truth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Probability and truth of each class, 0 where nothing is known."""
    p = logits.softmax(1) if logits.shape[1] > 1 else torch.sigmoid(logits)
    return p * valid, _planes(logits, truth) * valid


def _dice(p: Tensor, t: Tensor, over: tuple[int, ...]) -> Tensor:
    return (2 * (p * t).sum(over) + SMOOTH) / (p.sum(over) + t.sum(over) + SMOOTH)


def _lovasz(errors: Tensor, truth: Tensor) -> Tensor:
    """The Lovász extension of the Jaccard loss at these errors."""
    falling, order = errors.sort(descending=True)
    true = truth[order]
    missed = true.cumsum(0)
    union = true.sum() + (1 - true).cumsum(0)
    loss = 1 - (true.sum() - missed) / union
    return torch.dot(falling, torch.diff(loss, prepend=loss.new_zeros(1)))
