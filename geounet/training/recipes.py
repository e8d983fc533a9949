"""Named recipes: what a network is and how it is trained, as plain numbers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from geounet.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything `geounet train` needs beside the data."""

    network: str = "unet"
    """Name of the network in the registry."""
    network_options: Mapping[str, Any] = field(default_factory=dict)
    """Its options."""
    gsd: float = 0.3
    """Ground sample distance the model is made for, metres."""
    gsd_range: tuple[float, float] = (0.2, 0.5)
    """Ground sample distances drawn in training, log-uniform, metres."""
    steps: int = 16_000
    """Optimiser steps."""
    batch_size: int = 8
    """Chips in a step."""
    chip: int = 256
    """Edge of a chip in pixels."""
    learning_rate: float = 2e-3
    """Peak of the one-cycle schedule (Smith and Topin 2017, arXiv:1708.07120)."""
    weight_decay: float = 1e-2
    """Of AdamW (Loshchilov and Hutter 2017, arXiv:1711.05101)."""
    average: float = 0.998
    """Decay of the running average of the weights, which is what is kept."""
    frozen_statistics: bool = False
    """Batch normalisation keeps the statistics it came with, as a short fine-tuning wants."""
    min_area_m2: float = 8.0
    """Smallest footprint the card lets through, square metres."""
    blank: float = 0.15
    """Share of the chips that are cut by an edge beyond which there is nodata."""
    edge_weight: float = 1.0
    """Extra weight of pixels within 2 pixels of an outline."""


RECIPES: dict[str, Recipe] = {
    "buildings": Recipe(network_options={"stem": 16, "filters": (32, 64, 128, 256)}),
}


def recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises:
        TrainingError: when there is none of that name.
    """
    if name not in RECIPES:
        raise TrainingError(f"unknown recipe {name!r}; known: {', '.join(RECIPES)}")
    return RECIPES[name]
