"""Recipes by name: our own, and set-ups from the literature with the numbers they published.

Where a source is silent, the value is ours; docs/training.md says which.
"""

from __future__ import annotations

from dataclasses import replace

from geounet.errors import TrainingError
from geounet.training.recipe import Recipe

__all__ = ["RECIPES", "Recipe", "recipe"]

_PLAIN = Recipe(
    size=256,
    mask_filter="nearest",
    scaling="255",
    augment={},
    blank=0.0,
    split="random",
    split_seed=42,
    split_shares=(0.6, 0.2, 0.2),
    steps=None,
    epochs=50,
    optimiser="adam",
    learning_rate=1e-4,
    weight_decay=0.0,
    schedule="constant",
    clip=0.0,
    average=0.0,
    loss="cross-entropy",
    keep="best",
    calibrate=False,
    threshold=0.5,
    metrics=("image_iou", "image_f1", "image_mean_iou"),
    min_area_m2=0.0,
)
"""Whole images, Adam, cross-entropy, no augmentation: what the literature below starts from."""

_WORKSHOP = replace(
    _PLAIN,
    network="workshop",
    learning_rate=1e-3,
    batch_size=32,
    epochs=100,
    split_shares=(0.8, 0.2, 0.0),
)

RECIPES: dict[str, Recipe] = {
    "buildings": Recipe(network_options={"stem": 16, "filters": (32, 64, 128, 256)}),
    "field": Recipe(network="field"),
    "coastal": replace(_PLAIN, network="coastal", size=1024, batch_size=2),
    "nuclei": replace(
        _PLAIN,
        found=("nucleus", "nuclei"),
        network="nuclei",
        epochs=10,
        schedule="plateau",
        patience=20,
    ),
    "nuclei-small": replace(
        _PLAIN,
        found=("nucleus", "nuclei"),
        network="unet",
        network_options={
            "stem": 0,
            "filters": (16, 32, 64, 128, 256),
            "decoder_convolutions": 2,
        },
        gsd=1.0,
        image_filter="lanczos",
        scaling="standard",
        augment={"d4": 1.0, "zoom": 0.4, "rotate": 20.0, "light": 1.0},
        steps=2500,
        epochs=None,
        optimiser="adamw",
        learning_rate=2e-3,
        weight_decay=1e-2,
        schedule="one-cycle",
        clip=1.0,
        average=0.998,
        loss="boundary",
        keep="last",
        calibrate=True,
        threshold=None,
    ),
    "workshop": _WORKSHOP,
    "workshop-grey": replace(_WORKSHOP, network_options={"bands": 1}, batch_size=16, epochs=10),
    "workshop-first": replace(_WORKSHOP, network="workshop-first"),
    "elu": replace(
        _PLAIN,
        network="elu",
        loss="dice-entropy",
        schedule="inverse-time",
        metrics=(*_PLAIN.metrics, "image_recall"),
    ),
    "separable": replace(_PLAIN, network="separable", size=160, batch_size=32),
    "light": replace(
        _PLAIN,
        network="light",
        network_options={"bands": 1},
        size=128,
        image_filter="lanczos",
        learning_rate=1e-3,
        batch_size=16,
        epochs=40,
        schedule="constant-then-tenth",
        split="sorted",
        augment={"rotate": 10.0, "shift": 0.1, "zoom": 0.1},
        threshold=0.1,
    ),
    "unetplusplus": replace(
        _PLAIN, network="unetplusplus", learning_rate=3e-4, loss="boundary", edge_weight=0.0
    ),
}


def recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises:
        TrainingError: when there is none of that name.
    """
    if name not in RECIPES:
        raise TrainingError(f"unknown recipe {name!r}; known: {', '.join(RECIPES)}")
    return RECIPES[name]
