"""Rules of losses: what they are worth, what is least, what does not count."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from segmentation_models_pytorch import losses as smp
from torch.nn import functional

from geounet.training.losses import (
    boundary,
    cross_entropy,
    dice,
    dice_entropy,
    edge_weights,
    focal,
    jaccard,
    lovasz,
    make_loss,
)
from geounet.training.recipe import LossName, Recipe

NAMES = get_args(LossName)
SEVERAL = ("cross-entropy", "dice", "dice-entropy", "jaccard", "lovasz")
SHARE = st.floats(0, 1)


def loss_of(name, maps=1, **changes):
    """A loss by its name; of several maps that of a softmax over them."""
    several = {"network": "separable", "classes": tuple("abc"[: maps - 1])} if maps > 1 else {}
    return make_loss(replace(Recipe(), loss=name, **several, **changes))


def scene(seed, *, classes=1, invalid=0.3):
    """Logits, truth and valid, drawn."""
    torch.manual_seed(seed)
    batch, height, width = 2, 9, 12
    logits = 3 * torch.randn(batch, classes, height, width)
    truth = torch.randint(0, max(classes, 2), (batch, 1, height, width)).float()
    valid = (torch.rand(batch, 1, height, width) >= invalid).float()
    valid[:, :, 0, 0] = 1
    return logits, truth, valid


def perfect(truth, classes):
    """Logits that are sure and right."""
    if classes == 1:
        return (truth - 0.5) * 80
    there = functional.one_hot(truth[:, 0].long(), classes).permute(0, 3, 1, 2)
    return 80 * there.float() - 40


@pytest.mark.parametrize("seed", range(5))
def test_losses_of_one_map_are_those_of_others(seed):
    """With all pixels valid each equals an independent implementation to 1e-6."""
    logits, truth, valid = scene(seed, invalid=0)
    theirs = {
        cross_entropy: smp.SoftBCEWithLogitsLoss()(logits, truth),
        dice: smp.DiceLoss("binary", smooth=0.5, eps=0.0)(logits, truth),  # they double it
        focal: smp.FocalLoss("binary", alpha=0.25, gamma=2.0)(logits, truth),
        lovasz: smp.LovaszLoss("binary", per_image=False)(logits, truth[:, 0]),
        jaccard: smp.JaccardLoss("binary", smooth=1.0, eps=0.0)(logits, truth),
    }
    for ours, expected in theirs.items():
        assert float(ours(logits, truth, valid)) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_losses_of_several_maps_are_those_of_others(seed):
    """The same with four classes."""
    logits, truth, valid = scene(seed, classes=4, invalid=0)
    labels = truth[:, 0].long()
    theirs = {
        cross_entropy: functional.cross_entropy(logits, labels),
        dice: smp.DiceLoss("multiclass", smooth=0.5, eps=0.0)(logits, labels),
        lovasz: smp.LovaszLoss("multiclass", per_image=False)(logits, labels),
        jaccard: smp.JaccardLoss("multiclass", smooth=1.0, eps=0.0)(logits, labels),
    }
    for ours, expected in theirs.items():
        assert float(ours(logits, truth, valid)) == pytest.approx(float(expected), abs=1e-6)


def test_dice_entropy_is_the_published_formula():
    """0.05 × cross-entropy − Dice of each image with smooth 1, by hand on two images."""
    p = torch.tensor([[0.8, 0.4], [0.1, 0.5]])
    truth = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    entropy = (-truth * p.log() - (1 - truth) * (1 - p).log()).mean()
    scores = [(2 * 0.8 + 1) / (1.2 + 1 + 1), 1 / (0.6 + 0 + 1)]
    logits = torch.logit(p)[:, None, None]
    got = dice_entropy(logits, truth[:, None, None], torch.ones(2, 1, 1, 2))
    assert float(got) == pytest.approx(0.05 * float(entropy) - sum(scores) / 2, abs=1e-6)


def test_foreground_weighs_what_it_is_told():
    """A positive weight multiplies the entropy of foreground pixels alone."""
    logits, truth, valid = scene(1)
    here, there = truth * valid, (1 - truth) * valid
    whole = valid.sum()
    plain = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    expected = (plain * (5 * here + there)).sum() / whole
    found = loss_of("cross-entropy", positive_weight=5.0)(logits, truth, valid)
    assert float(found) == pytest.approx(float(expected), abs=1e-6)


def test_a_class_weighs_what_it_is_told():
    """Weights multiply the entropy of each class's pixels, of softmax maps and of single ones."""
    logits, truth, valid = scene(2, classes=3)
    weights = {"a": 2.0, "b": 5.0}
    pixels = torch.tensor([1.0, 2.0, 5.0])[truth[:, 0].long()]
    plain = functional.cross_entropy(logits, truth[:, 0].long(), reduction="none")
    expected = (plain * pixels * valid[:, 0]).sum() / valid.sum()
    found = loss_of("cross-entropy", 3, class_weights=weights)(logits, truth, valid)
    assert float(found) == pytest.approx(float(expected), abs=1e-6)
    single = replace(Recipe(), loss="cross-entropy", classes=("a", "b"), class_weights=weights)
    each = [
        cross_entropy(logits[:, at : at + 1], (truth == at + 1).float(), valid, [weight])
        for at, weight in enumerate(weights.values())
    ]
    found = make_loss(single)(logits[:, :2], truth, valid)
    assert float(found) == pytest.approx(float(sum(each)) / 2, abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_maps_that_do_not_exclude_each_other_are_learnt_one_by_one(name):
    """The loss of two classes is the mean of the binary losses of each against all else."""
    logits, truth, valid = scene(4, classes=3)
    recipe = replace(Recipe(), loss=name, classes=("a", "b"))
    one = loss_of(name)
    each = [one(logits[:, c : c + 1], (truth == c + 1).float(), valid) for c in (0, 1)]
    found = make_loss(recipe)(logits[:, :2], truth, valid)
    assert float(found) == pytest.approx(float(sum(each)) / 2, abs=1e-6)


def test_edges_weigh_more():
    """Pixels within two of an outline carry the extra weight, others one."""
    truth = torch.zeros(1, 1, 9, 12)
    truth[..., 6:] = 1
    assert edge_weights(truth, 3.0)[0, 0, 4].tolist() == [1] * 4 + [4] * 4 + [1] * 4
    logits, valid = torch.zeros_like(truth), torch.ones_like(truth)
    step = boundary(logits, truth, valid, 3.0) - boundary(logits, truth, valid, 0.0)
    assert float(step) == pytest.approx(3 * (4 / 12) * 0.693147, abs=1e-5)


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000), wrong=st.floats(0.5, 8))
@settings(max_examples=8, deadline=None)
def test_no_answer_is_better_than_the_right_one(name, seed, wrong):
    """A sure and right answer has the least loss there is, of one map and of several."""
    for classes in (1, 3) if name in SEVERAL else (1,):
        _, truth, valid = scene(seed, classes=classes)
        best = perfect(truth, classes)
        loss = loss_of(name, classes)
        least = {"dice-entropy": -1.0}.get(name, 0.0)
        assert float(loss(best, truth, valid)) == pytest.approx(least, abs=1e-4)
        worse = best / 40 + wrong * torch.randn_like(best)
        assert float(loss(worse, truth, valid)) >= float(loss(best, truth, valid)) - 1e-6


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_what_is_not_valid_counts_for_nothing(name, seed):
    """Neither loss nor gradient knows what the network says, or the truth is, on nodata."""
    for classes in (1, 3) if name in SEVERAL else (1,):
        logits, truth, valid = scene(seed, classes=classes)
        logits.requires_grad_()
        loss = loss_of(name, classes, edge_weight=0.0)
        mine = loss(logits, truth, valid)
        (gradient,) = torch.autograd.grad(mine, logits)
        assert not (gradient * (1 - valid)).any()
        mine, logits = mine.detach(), logits.detach()
        other = torch.where(valid > 0, logits, -5 * logits - 1)
        flipped = torch.where(valid > 0, truth, max(classes, 2) - 1 - truth)
        assert float(loss(other, flipped, valid)) == pytest.approx(float(mine), abs=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "boundary"])
def test_nodata_is_as_if_it_were_not_there(name):
    """The loss of an image with nodata beside it is that of the image alone."""
    logits, truth, _ = scene(3, invalid=0)
    valid = torch.ones_like(truth)
    valid[..., 7:] = 0
    loss = loss_of(name)
    alone = loss(logits[..., :7], truth[..., :7], valid[..., :7])
    assert float(loss(logits, truth, valid)) == pytest.approx(float(alone), abs=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_a_step_downhill_makes_it_smaller(name):
    """Its gradient is finite, on nodata alone too, and leads down."""
    logits, truth, valid = scene(7)
    logits.requires_grad_()
    loss = loss_of(name)
    (gradient,) = torch.autograd.grad(loss(logits, truth, valid), logits)
    assert loss(logits - 0.1 * gradient, truth, valid) < loss(logits, truth, valid)
    (nothing,) = torch.autograd.grad(loss(logits, truth, 0 * valid), logits)
    assert not nothing.any()
