"""Go on from a model on a few labelled images of a new place, and say what that gained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from geounet.training.score import probability
from geounet.training.sheet import held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.model import Segmenter
    from geounet.training.recipes import Recipe
    from geounet.training.sheet import Labelled
    from geounet.training.shown import Shown

SHARES = (0.75, 0.25, 0.0)
"""Of train and validation: a handful of images leaves none to test on."""


def tuning(recipe: Recipe) -> Recipe:
    """Return the recipe that goes on from its own model: minutes on two cores, a small rate.

    The statistics of its normalisation stay: those of a few chips would be worse (docs/adr/0018).
    """
    few: dict[str, Any] = {"steps": 300, "epochs": None, "learning_rate": 5e-4, "average": 0.98}
    return replace(recipe, **few, frozen_statistics=True)


def shown_few(shown: Shown) -> Shown:
    """Return how a handful of images is shown: a quarter is held out, by place."""
    return replace(shown, split_shares=SHARES)


def held_out_figures(segmenter: Segmenter, sheets: Sequence[Labelled]) -> dict[str, Any]:
    """Return IoU and F1 of buildings over the pixels of the validation sheets, at its threshold."""
    both = found = true = 0
    for sheet in held(sheets, "validation"):
        seen = (probability(segmenter, sheet) >= segmenter.card.threshold) & sheet.valid
        truth = sheet.mask & sheet.valid
        both += int((seen & truth).sum())
        found, true = found + int(seen.sum()), true + int(truth.sum())
    either = found + true - both
    return {
        "iou": round(both / either, 4) if either else 1.0,
        "f1": round(2 * both / (found + true), 4) if either else 1.0,
        "threshold": segmenter.card.threshold,
    }
