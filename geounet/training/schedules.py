"""Optimisers, and how their rate goes from step to step."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch.nn import Parameter

    from geounet.training.recipe import Recipe

RISE = 0.1
"""Share of the steps in which one cycle rises."""
PLATEAU_FACTOR, PLATEAU_PATIENCE, PLATEAU_LEAST = 0.1, 5, 1e-7
"""On a plateau of so many validations the rate falls by the factor, down to the least."""
INVERSE = 1e-6
"""Inverse time: the rate is divided by 1 + this × step."""
CONSTANT_EPOCHS, TENTH = 20, 0.1
"""Constant through so many epochs, then multiplied once an epoch."""


def make_optimiser(recipe: Recipe, parameters: Iterable[Parameter]) -> Optimizer:
    """Return the recipe's optimiser."""
    kind: type[Adam] = {"adam": Adam, "adamw": AdamW}[recipe.optimiser]
    return kind(parameters, recipe.learning_rate, weight_decay=recipe.weight_decay)


def make_schedule(
    recipe: Recipe, optimiser: Optimizer, steps: int, steps_per_epoch: int
) -> LRScheduler:
    """Return the recipe's schedule: it steps after each step, `plateau` after each validation.

    One cycle after Smith and Topin 2017 (arXiv:1708.07120), cosine after Loshchilov and Hutter
    2016 (arXiv:1608.03983).
    """
    match recipe.schedule:
        case "one-cycle":
            # a rise of a single step has no length, by which torch divides
            rise = RISE if RISE * steps != 1 else 2 * RISE
            return OneCycleLR(optimiser, recipe.learning_rate, total_steps=steps, pct_start=rise)
        case "cosine":
            return CosineAnnealingLR(optimiser, steps)
        case "plateau":
            return ReduceLROnPlateau(
                optimiser,
                factor=PLATEAU_FACTOR,
                patience=PLATEAU_PATIENCE,
                min_lr=PLATEAU_LEAST,
            )
        case "inverse-time":
            return LambdaLR(optimiser, _inverse_time)
        case "constant-then-tenth":
            return LambdaLR(optimiser, partial(_tenth, steps_per_epoch))
        case "constant":
            return LambdaLR(optimiser, _constant)


def _constant(_: int) -> float:
    return 1.0


def _inverse_time(step: int) -> float:
    return 1 / (1 + INVERSE * step)


def _tenth(steps_per_epoch: int, step: int) -> float:
    return float(TENTH ** max(0, step // steps_per_epoch + 1 - CONSTANT_EPOCHS))
