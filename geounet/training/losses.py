"""Losses on logits, by name; where `valid` is 0 nothing counts.

Each takes logits `(batch, maps, height, width)`, the truth `(batch, 1, height, width)`: 0 to 1
for one map, else the number of the class, and valid `(batch, 1, height, width)`, 1 or 0. Several
maps exclude each other, the first is the background; where they do not, each is one map by itself.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geounet.training.recipe import Recipe

    Loss = Callable[[Tensor, Tensor, Tensor], Tensor]

EDGE_REACH = 2
SMOOTH = 1.0
FOCUS, FOCAL_SHARE = 2.0, 0.25
ENTROPY_SHARE = 0.05


def make_loss(recipe: Recipe) -> Loss:
    """Return the recipe's loss."""
    if recipe.exclusive:
        return _named(recipe, (1.0, *recipe.weights))
    each = [_named(recipe, (weight,)) for weight in recipe.weights]
    return each[0] if len(each) == 1 else partial(apart, each)


def _named(recipe: Recipe, weights: Sequence[float]) -> Loss:
    """The recipe's loss of maps whose pixels weigh so much."""
    match recipe.loss:
        case "cross-entropy":
            return partial(cross_entropy, weights=weights)
        case "dice-entropy":
            return partial(dice_entropy, weights=weights)
        case "boundary":
            return partial(boundary, edge_weight=recipe.edge_weight)
        case plain:
            return {"dice": dice, "jaccard": jaccard, "focal": focal, "lovasz": lovasz}[plain]


def apart(losses: Sequence[Loss], logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Return the mean of the losses of each class by itself; the truth has its number."""
    each = [
        loss(logits[:, at : at + 1], (truth == at + 1).to(truth.dtype), valid)
        for at, loss in enumerate(losses)
    ]
    return torch.stack(each).mean()


def cross_entropy(
    logits: Tensor, truth: Tensor, valid: Tensor, weights: Sequence[float] = ()
) -> Tensor:
    """Return the mean cross-entropy of the valid pixels, binary for one map.

    Args:
        logits: see above.
        truth: see above.
        valid: see above.
        weights: of the foreground of one map; of several, of the pixels of each.
    """
    of = torch.as_tensor(weights or [1.0], dtype=logits.dtype, device=logits.device)
    if logits.shape[1] > 1:
        each = functional.cross_entropy(
            logits, truth[:, 0].long(), of if weights else None, reduction="none"
        )[:, None]
    else:
        each = functional.binary_cross_entropy_with_logits(
            logits, truth, pos_weight=of[0], reduction="none"
        )
    return _mean(each, valid)


def dice(logits: Tensor, truth: Tensor, valid: Tensor) -> Tensor:
    """Return 1 − the soft Dice coefficient, smoothed by 1, of each map over the batch.

    After Milletari, Navab and Ahmadi 2016 (arXiv:1606.04797).
    """
    p, t = _maps(logits, truth, valid)
    return (1 - _dice(p, t, (0, 2, 3))).mean()


def dice_entropy(
    logits: Tensor, truth: Tensor, valid: Tensor, weights: Sequence[float] = ()
) -> Tensor:
    """Return 0.05 × the cross-entropy − the Dice coefficient of each image, smoothed by 1."""
    p, t = _maps(logits, truth, valid)
    entropy = cross_entropy(logits, truth, valid, weights)
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
    """Return the mean focal loss of the valid pixels of one map, gamma = 2 and alpha = 0.25.

    After Lin et al. 2017 (arXiv:1708.02002).
    """
    entropy = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    p = torch.sigmoid(logits)
    missed = p * (1 - truth) + (1 - p) * truth
    share = FOCAL_SHARE * truth + (1 - FOCAL_SHARE) * (1 - truth)
    return _mean(share * missed**FOCUS * entropy, valid)


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
