"""Building footprints from aerial and satellite rasters too large for memory.

>>> import geounet
>>> result = geounet.predict("big.tif", "buildings.gpkg")
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geounet.errors import GeounetError, GeounetWarning
    from geounet.model import ModelCard, Segmenter, load_model
    from geounet.predict import PredictOptions, Result, predict, stream
    from geounet.vectorize import vectorize

__version__ = "0.1.0"

_ROOMS = {
    "GeounetError": "errors",
    "GeounetWarning": "errors",
    "ModelCard": "model",
    "PredictOptions": "predict",
    "Result": "predict",
    "Segmenter": "model",
    "load_model": "model",
    "predict": "predict",
    "stream": "predict",
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
    "predict",
    "stream",
    "vectorize",
]


def __getattr__(name: str) -> object:
    """Import a name when it is first asked for, so that `import geounet` costs no torch."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'geounet' has no attribute {name!r}")
    value: object = getattr(import_module(f"geounet.{_ROOMS[name]}"), name)
    globals()[name] = value  # a room of the same name stood here until now
    return value


def __dir__() -> list[str]:
    """Return the names of the face."""
    return [*__all__, "__version__"]
