"""From what a user named to one model: opened, asked together, its scaling changed."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geounet.backends.cache import is_cached
from geounet.backends.combine import Ensemble, ensemble
from geounet.backends.engine import graph_name
from geounet.card import FIXED
from geounet.errors import OptionError
from geounet.model import OnnxModel, Segmenter, open_model

if TYPE_CHECKING:
    from geounet.backends import Model

    Named = str | Path | Model | tuple[str | Path | Model, ...]
    Scale = tuple[float, float] | Literal["auto", "none"]


def load(named: Named, scale: Scale = "auto") -> Model:
    """Return what is run.

    Args:
        named: bundled name, path of a model file, a model; several of them are an ensemble.
        scale: raw values that are black and white; `none`: pixels are 0-1 already; `auto`: the
            card's.

    Raises:
        ModelError: a model is not there, or two of them do not agree.
        OptionError: the scale is no span, or the model scales pixels itself.
    """
    several = named if isinstance(named, tuple) else (named,)
    opened = (_opened(m) if isinstance(m, str | Path) else m for m in several)
    model = ensemble([_weighed(each) for each in opened])
    if scale == "auto":
        return model
    low, high = (0.0, 1.0) if scale == "none" else scale
    if not -math.inf < low < high < math.inf:
        raise OptionError(f"scale needs black below white, got {low:g},{high:g}; try 0,255")
    return _scaled(model, (low, high))


def _opened(name: str | Path) -> Segmenter | OnnxModel:
    """A model whose weights fit: of one that was a graph on this machine before, that is known."""
    model = open_model(name)
    if isinstance(model, Segmenter) and not is_cached(graph_name(model)):
        _ = model.network
    return model


def _weighed(model: Model) -> Model:
    """The model with what its activations take, which an older card does not say."""
    if not isinstance(model, Segmenter) or model.card.bytes_per_pixel:
        return model
    from geounet.networks.memory import bytes_per_pixel  # noqa: PLC0415

    size = bytes_per_pixel(model.network, len(model.card.bands))
    return model.with_card(bytes_per_pixel=size)


def _scaled(model: Model, span: tuple[float, float]) -> Model:
    said: dict[str, Any] = {"input_range": span, "scaling": FIXED}
    if isinstance(model, Ensemble):
        parts = tuple(part.with_card(**said) for part in model.models)
        return Ensemble(parts, replace(model.card, **said))
    if not isinstance(model, Segmenter | OnnxModel):
        raise OptionError(f"model {model.card.name} scales pixels itself; leave --scale out")
    return model.with_card(**said)
