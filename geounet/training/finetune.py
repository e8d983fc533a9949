"""Go on from a model on a few labelled images of a new place, and say what that gained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from geounet.training.score import figures, probability
from geounet.training.sheet import held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.model import Segmenter
    from geounet.training.recipes import Recipe
    from geounet.training.sheet import Labelled
    from geounet.training.shown import Shown

CHIP, BATCH = 256, 8
"""Largest chip and fewest of them in a step: labelled images are often no larger."""
SHARES = (0.75, 0.25, 0.0)
"""Of train and validation: a handful of images leaves none to test on."""


def tuning(recipe: Recipe) -> Recipe:
    """Return the recipe that goes on from its own model: minutes on two cores, a small rate.

    The statistics of its normalisation stay: those of a few chips would be worse (docs/adr/0018).
    """
    few: dict[str, Any] = {"steps": 300, "epochs": None, "learning_rate": 5e-4, "average": 0.98}
    few |= {"chip": min(recipe.chip, CHIP), "batch_size": max(recipe.batch_size, BATCH)}
    return replace(recipe, **few, frozen_statistics=True, start_share=0.0)


def shown_few(shown: Shown) -> Shown:
    """Return how a handful of images is shown: a quarter is held out, by place."""
    return replace(shown, split_shares=SHARES)


def held_out_figures(segmenter: Segmenter, sheets: Sequence[Labelled]) -> dict[str, Any]:
    """Return IoU and F1 over the pixels of the validation sheets, at the model's threshold.

    Nothing where no sheet is held out.
    Of several classes they are means over them; under `classes` stands the IoU of each.
    """
    card = segmenter.card
    scored = [(sheet, probability(segmenter, sheet)) for sheet in held(sheets, "validation")]
    if not scored:
        return {}
    found = figures(scored, card.threshold, ("pixel_iou", "pixel_f1"), card.classes)
    return {
        "iou": found["pixel_iou"],
        "f1": found["pixel_f1"],
        "threshold": card.threshold,
        "classes": {name: each["pixel_iou"] for name, each in found.get("classes", {}).items()},
    }
