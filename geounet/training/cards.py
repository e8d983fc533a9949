"""The card of a model in training: what holds from the first step on, and the step."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict
from functools import cached_property
from typing import TYPE_CHECKING

import torch

from geounet.card import ModelCard
from geounet.model import Segmenter
from geounet.networks.field import receptive_field
from geounet.networks.memory import bytes_per_pixel
from geounet.networks.registry import total_stride
from geounet.training.shown import Shown

if TYPE_CHECKING:
    from torch import nn

    from geounet.training.fit import FitOptions
    from geounet.training.recipe import Recipe

COLOURS = ("red", "green", "blue")


class CardMaker:
    """Puts a network under its card; what a network sees is measured once."""

    def __init__(self, recipe: Recipe, options: FitOptions, network: nn.Module) -> None:
        """Measure nothing yet.

        Args:
            recipe: of the training.
            options: name, seed, provenance.
            network: that learns.
        """
        self._recipe, self._options, self._network = recipe, options, network

    @cached_property
    def card(self) -> ModelCard:
        """The card, but for the step."""
        recipe, bands = self._recipe, self._recipe.bands
        network = _copied(self._network)
        return ModelCard(
            name=self._options.name,
            network=recipe.network,
            network_options=recipe.built,
            bands=COLOURS
            if bands == len(COLOURS)
            else tuple(f"band {n + 1}" for n in range(bands)),
            classes=recipe.names,
            layers=recipe.layers,
            **Shown.of(recipe).card,
            gsd=recipe.gsd,
            threshold=recipe.threshold or 0.5,
            min_area_m2=recipe.min_area_m2,
            stride=total_stride(network),
            receptive_field=receptive_field(network, bands),
            bytes_per_pixel=bytes_per_pixel(network, bands),
        )

    def segmenter(self, network: nn.Module, step: int) -> Segmenter:
        """Return a copy of a network, on the CPU, under the card of a step."""
        training = {
            **(self._options.provenance or {}),
            "recipe": asdict(self._recipe),
            "seed": self._options.seed,
            "precision": self._options.precision,
            "step": step,
        }
        return Segmenter(self.card, _copied(network)).with_card(training=training)


def _copied(network: nn.Module) -> nn.Module:
    """The network on the CPU, as it is saved."""
    return deepcopy(network).cpu().to(memory_format=torch.contiguous_format).eval()
