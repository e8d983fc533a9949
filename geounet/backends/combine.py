"""Steps that wrap steps: the mean over mirrored views of a tile, and over several models."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.card import FIXED
from geounet.errors import ModelError
from geounet.model import OnnxModel, Segmenter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from geounet.backends import Model, Step
    from geounet.card import ModelCard

View = tuple[bool, int]
"""Whether the columns are mirrored, then how many quarter turns follow."""

VIEWS: dict[str, tuple[View, ...]] = {
    "none": ((False, 0),),
    "flips": ((False, 0), (True, 0), (False, 2), (True, 2)),
    "d4": tuple((mirrored, turns) for mirrored in (False, True) for turns in range(4)),
}
AGREE = ("bands", "classes", "layers", "dtype", "gsd", "tile", "batch")
"""What the cards of an ensemble have in common; scaling is each model's own."""


@dataclass(frozen=True)
class Ensemble:
    """Several models that are asked together."""

    models: tuple[Segmenter | OnnxModel, ...]
    """At least two; their cards agree."""
    card: ModelCard
    """What they expect and give as one."""


class ViewsStep:
    """The mean probability over views of each tile; tiles are square, so their grid stays."""

    def __init__(self, step: Step, tta: str) -> None:
        """Wrap a step.

        Args:
            step: what sees each view.
            tta: a name of `VIEWS`.
        """
        self._step, self._views = step, VIEWS[tta]
        self.card, self.device = step.card, step.device
        self.precision, self.backend = step.precision, step.backend

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return the probability maps of one batch."""
        maps = (self._seen(pixels, valid, view) for view in self._views)
        return {"probability": _mean(maps, len(self._views))}

    def _seen(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_], view: View
    ) -> NDArray[np.float32]:
        given = (np.ascontiguousarray(_turned(each, view)) for each in (pixels, valid))
        return _turned_back(self._step(*given)["probability"], view)


class EnsembleStep:
    """The mean probability of several models."""

    def __init__(self, steps: Sequence[Step], card: ModelCard) -> None:
        """Wrap steps that run on one device with one engine.

        Args:
            steps: one a model.
            card: of all of them.
        """
        self._steps, self.card = tuple(steps), card
        first = self._steps[0]
        self.device, self.precision, self.backend = first.device, first.precision, first.backend

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return the probability maps of one batch."""
        maps = (step(pixels, valid)["probability"] for step in self._steps)
        return {"probability": _mean(maps, len(self._steps))}


def ensemble(models: Sequence[Model]) -> Model:
    """Return several models as one, or the only one.

    The threshold and the smallest area are the means of the models' own, the stride is their
    least common multiple, the receptive field the largest.

    Raises:
        ModelError: when two cards do not agree on what goes in and out.
    """
    first, *others = [model.card for model in models]
    if not others:
        return models[0]
    for card, name in ((card, name) for card in others for name in AGREE):
        if getattr(card, name) != getattr(first, name):
            raise ModelError(
                f"models {first.name} and {card.name} cannot be asked together: {name} is "
                f"{getattr(first, name)} in one and {getattr(card, name)} in the other"
            )
    parts = tuple(model for model in models if isinstance(model, Segmenter | OnnxModel))
    if len(parts) < len(models):
        raise ModelError("an ensemble is made of models, got a step among them; leave it out")
    return Ensemble(parts, _common(first, others))


def _common(first: ModelCard, others: Sequence[ModelCard]) -> ModelCard:
    cards = [first, *others]
    fields = [card.receptive_field for card in cards]
    return replace(
        first,
        name="+".join(card.name for card in cards),
        scaling=FIXED if any(card.scaling == FIXED for card in cards) else first.scaling,
        threshold=sum(card.threshold for card in cards) / len(cards),
        min_area_m2=sum(card.min_area_m2 for card in cards) / len(cards),
        stride=math.lcm(*(card.stride for card in cards)),
        receptive_field=None if None in fields else max(f for f in fields if f is not None),
        seams={},
        bytes_per_pixel=max(card.bytes_per_pixel for card in cards),
        training={card.name: card.training for card in cards},
        metrics={},
        licence=" and ".join(dict.fromkeys(card.licence for card in cards)),
    )


def _mean(maps: Any, count: int) -> NDArray[np.float32]:  # noqa: ANN401 - an iterable of arrays
    """The mean, summed in the order the maps come."""
    total: NDArray[np.float32] = np.array(next(maps))
    for each in maps:
        total += each
    total *= np.float32(1 / count)
    return total


def _turned(array: NDArray[Any], view: View) -> NDArray[Any]:
    mirrored, turns = view
    return np.rot90(array[..., ::-1] if mirrored else array, turns, (-2, -1))


def _turned_back(array: NDArray[Any], view: View) -> NDArray[Any]:
    mirrored, turns = view
    back = np.rot90(array, -turns, (-2, -1))
    return back[..., ::-1] if mirrored else back
