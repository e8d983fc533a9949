"""What a model says of itself: checked wherever a card comes from."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from typing import Any, get_type_hints

import numpy as np

from geounet.errors import ModelError
from geounet.kinds import is_of, kind_words
from geounet.modelfile import brief

FIXED, SCENE_SCALINGS = "fixed", ("max", "minmax", "l2")
"""How a card may say that raw pixels are scaled: alike everywhere, or by a statistic a scene."""
LONGEST_NAME, ODD = 60, frozenset("\"'`<>&;:\\/|?*%$[]{}")
"""Letters of a class or layer, and those it does not have: it is one of SQL, XML and file names."""
SHOWN = 80
"""Letters of a strange value that a message shows."""
RESERVED = frozenset({"coverage", "layer_styles", "tiles"})
"""Layers that are not a class's."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What a model expects, what it gives, and where it comes from; saved in the model's file."""

    name: str
    """Short name of the model."""
    network: str
    """Name of the network in the registry."""
    network_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the network."""
    bands: tuple[str, ...] = ("red", "green", "blue")
    """Bands of the input, in order."""
    dtype: str = "uint8"
    """Type of the raw pixels the model knows."""
    input_range: tuple[float, float] = (0.0, 255.0)
    """Raw values that are scaled to 0 and 1."""
    scaling: str = FIXED
    """`fixed`: by the range above; `max`, `minmax`, `l2`: the range is that of each scene."""
    mean: tuple[float, ...] = (0.5, 0.5, 0.5)
    """Mean of each band after scaling to 0–1; nodata is filled with it."""
    std: tuple[float, ...] = (0.25, 0.25, 0.25)
    """Standard deviation of each band after scaling to 0–1."""
    gsd: float = 0.3
    """Ground sample distance the model is made for, metres."""
    classes: tuple[str, ...] = ("building",)
    """Names of the classes, one probability map each; the background is none of them."""
    layers: tuple[str, ...] = ("buildings",)
    """Layer each class is written to, its plural."""
    threshold: float = 0.5
    """Probability from which a pixel belongs to the class."""
    min_area_m2: float = 0.0
    """Smaller footprints are dropped, square metres."""
    stride: int = 1
    """Total stride of the network: tile origins are multiples of it."""
    receptive_field: int | None = None
    """Farthest input pixel that can change an output pixel; None for a global context."""
    seams: Mapping[str, float] = field(default_factory=dict)
    """By halo, how far a probability moved on images when context ended there: |Δp|, the largest.

    Measured where a halo that covers the field is not to be had."""
    bytes_per_pixel: int = 0
    """Activations that live at once, for each pixel of a tile, in float32; 0 = not measured."""
    tile: int = 0
    """Edge of the only tile its graph takes; 0 = any multiple of the stride."""
    batch: int = 0
    """The only number of tiles its graph takes at once; 0 = any."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Data with their licences and attributions, recipe, seed, steps, the command."""
    metrics: Mapping[str, Any] = field(default_factory=dict)
    """Figures measured on images the model never saw."""
    licence: str = "Apache-2.0"
    """Licence of the weights."""

    def __post_init__(self) -> None:
        """Refuse a card whose parts are not what they are to be, or do not fit each other."""
        self._check_kinds()
        if not len(self.bands) == len(self.mean) == len(self.std):
            raise ModelError(
                f"model card: {len(self.bands)} bands but {len(self.mean)} means "
                f"and {len(self.std)} standard deviations"
            )
        if self.scaling not in (FIXED, *SCENE_SCALINGS):
            known = ", ".join((FIXED, *SCENE_SCALINGS))
            raise ModelError(f"model card: scaling is {self.scaling!r}; known: {known}")
        if not 0 < self.threshold < 1:
            raise ModelError(
                f"model card: threshold must lie between 0 and 1, got {self.threshold}; try 0.5"
            )
        low, high = self.input_range
        if not (low < high and min(self.std) > 0 and self.gsd > 0):
            raise ModelError("model card: input_range, std and gsd must be positive spans")
        if not 0 < len(self.classes) == len(self.layers) == len({*self.layers} - RESERVED):
            raise ModelError(
                f"model card: {len(self.classes)} classes need as many layers of different names, "
                f"none of them {' or '.join(sorted(RESERVED))}; got {self.layers}"
            )
        if not (self.stride >= 1 and (self.receptive_field or 0) >= 0 <= self.min_area_m2):
            raise ModelError("model card: stride, receptive_field and min_area_m2 must be sizes")
        if self.tile < 0 or self.tile % self.stride or self.batch < 0:
            raise ModelError(
                f"model card: tile must be a multiple of {self.stride} and batch a number, "
                f"got {self.tile}, {self.batch}"
            )
        odd = [halo for halo in self.seams if not halo.isdecimal() or int(halo) % self.stride]
        if odd or min(self.seams.values(), default=0) < 0 or self.bytes_per_pixel < 0:
            raise ModelError(
                f"model card: seams must map halos, multiples of {self.stride}, to differences, "
                f"and bytes_per_pixel be a size; got {dict(self.seams)}, {self.bytes_per_pixel}"
            )

    def _check_kinds(self) -> None:
        """Refuse fields of another type, numbers that are none, and names no layer can have."""
        for name, hint in _hints().items():
            value = getattr(self, name)
            if not is_of(value, hint):
                raise ModelError(
                    f"model card: {name} is {_shown(value)} (expected {kind_words(hint)})"
                )
            parts = value.values() if isinstance(value, Mapping) else value
            listed = parts if isinstance(value, tuple | Mapping) else (value,)
            if any(isinstance(one, float) and not math.isfinite(one) for one in listed):
                raise ModelError(f"model card: {name} is {_shown(value)} (expected finite numbers)")
        for name in (*self.classes, *self.layers):
            if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or set(name) & ODD:
                raise ModelError(
                    f"model card: a class or layer is called {_shown(name)}; rename it"
                )
        if np.dtype(self.dtype).kind not in "iuf":
            raise ModelError(f"model card: dtype is {self.dtype} (expected integers or floats)")

    def to_json(self) -> str:
        """Return the card as JSON text."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> ModelCard:
        """Return the card a JSON text describes.

        Raises:
            ModelError: when the text is no card.
        """
        try:
            values = json.loads(text)
            known = {entry.name for entry in fields(cls)}
            unknown = sorted(set(values) - known)
            if unknown:
                raise ModelError(
                    f"model card: unknown entry {unknown[0]!r}; made by a newer geounet?"
                )
            frozen: dict[str, Any] = {
                key: tuple(value) if isinstance(value, list) else value
                for key, value in values.items()
            }
            return cls(**frozen)
        except (ValueError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(f"model card: cannot be understood ({brief(error)})") from error


@lru_cache
def _hints() -> dict[str, Any]:
    """The types of a card's fields."""
    return get_type_hints(ModelCard)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
