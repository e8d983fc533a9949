"""Building footprints from aerial and satellite rasters too large for memory.

>>> import geounet
>>> result = geounet.predict("big.tif", "buildings.gpkg")
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geounet.card import ModelCard
    from geounet.errors import GeounetError, GeounetWarning
    from geounet.model import Segmenter, load_model
    from geounet.predict import PredictOptions, Result, predict, stream
    from geounet.rle import mask_to_pairs, pairs_to_mask, strings_to_masks
    from geounet.vectorize import vectorize

__version__ = "0.1.0"

_ROOMS = {
    "GeounetError": "errors",
    "GeounetWarning": "errors",
    "ModelCard": "card",
    "PredictOptions": "predict",
    "Result": "predict",
    "Segmenter": "model",
    "load_model": "model",
    "mask_to_pairs": "rle",
    "pairs_to_mask": "rle",
    "predict": "predict",
    "stream": "predict",
    "strings_to_masks": "rle",
    "vectorize": "vectorize",
}

__all__ = [
    "GeounetError",
    "GeounetWarning",
    "ModelCard",
    "PredictOptions",
    "Result",
    "Segmenter",
    "load_model",
    "mask_to_pairs",
    "pairs_to_mask",
    "predict",
    "stream",
    "strings_to_masks",
    "vectorize",
]


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for, so that `import geounet` costs no torch."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'geounet' has no attribute {name!r}")
    value: object = getattr(import_module(f"geounet.{_ROOMS[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return the names of the face."""
    return [*__all__, "__version__"]


class _Face(ModuleType):
    """Keeps `geounet.predict` the function, though a room of that name is imported too."""

    def __setattr__(self, name: str, value: object) -> None:
        """Do not let the import system lay a room over a name of the face."""
        if not (name in _ROOMS and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
