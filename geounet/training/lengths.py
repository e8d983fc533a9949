"""How long a training is: epochs and looks in steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geounet.errors import TrainingError

if TYPE_CHECKING:
    from geounet.training.recipe import Recipe

LOOKS, FARTHEST = 10, 1000
"""Looks there are at least, and steps between two at most, where the recipe counts steps."""


@dataclass(frozen=True)
class Lengths:
    """How long a run is, in steps."""

    total: int
    """Of all."""
    epoch: int
    """Of a pass over the training images; the total where there is no such thing."""
    validate_every: int
    """Between two looks at the validation sheets."""

    @classmethod
    def of(cls, recipe: Recipe, epoch: int | None, validate_every: int | None) -> Lengths:
        """Return the lengths of a recipe.

        Raises:
            TrainingError: when the recipe counts epochs and there are none.
        """
        if recipe.epochs is not None and epoch is None:
            raise TrainingError("the recipe counts epochs, but its chips have none; set steps")
        total = recipe.steps or (recipe.epochs or 0) * (epoch or 0)
        usual = epoch if recipe.epochs and epoch else min(FARTHEST, max(total // LOOKS, 1))
        return cls(total, epoch or total, validate_every or usual)
