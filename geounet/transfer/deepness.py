"""The metadata by which the QGIS plugin Deepness knows an ONNX model, from and to a card.

Each value is JSON. The plugin divides bytes by 255, subtracts the mean and divides by the standard
deviation, and expects probabilities; of several channels the largest counts, the first is the
background.
"""

from __future__ import annotations

import ast
import json
import math
from typing import TYPE_CHECKING, Any

from geounet.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from geounet.card import ModelCard

KIND = "Segmentor"
BACKGROUND = "background"
WHITE = 255.0


def keys(card: ModelCard, tile: int, halo: int) -> dict[str, str]:
    """Return the entries that describe a graph of one tile size.

    Args:
        card: of the model.
        tile: edge of the graph's input.
        halo: context a tile wants on each side; the plugin cuts half of its overlap off.
    """
    low, high = card.input_range
    span = (high - low) / WHITE
    values = {
        "model_type": KIND,
        "class_names": {str(at): name for at, name in enumerate((BACKGROUND, *card.classes))},
        "resolution": round(100 * card.gsd, 6),
        "tile_size": tile,  # what the plugin reads
        "tiles_size": tile,  # what its documentation says
        "tiles_overlap": math.ceil(200 * halo / tile),
        "standardization_mean": [round(mean * span + low / WHITE, 9) for mean in card.mean],
        "standardization_std": [round(std * span, 9) for std in card.std],
        "seg_thresh": card.threshold,
        "seg_small_segment": 0,
    }
    return {key: json.dumps(value) for key, value in values.items()}


def words(entries: Mapping[str, str], channels: int, path: Path) -> dict[str, Any]:
    """Return the fields of a card that the entries of a file say; what they don't is not there.

    Args:
        entries: metadata of the file.
        channels: of the graph's output.
        path: of the file, for messages.

    Raises:
        ModelError: an entry cannot be understood, or the model is none that segments.
    """
    values = {key: _value(entries, key, path) for key in KEYS if key in entries}
    kind = str(values.get("model_type", KIND))
    if kind.lower() != KIND.lower():
        raise ModelError(f"{path}: is a {kind}, expected a {KIND}; only segmentation is run here")
    found: dict[str, Any] = {}
    try:
        names = values.get("class_names", values.get("names"))
        if names is not None:
            found["classes"] = _classes(names, channels)
        if "resolution" in values:
            found["gsd"] = float(values["resolution"]) / 100
        if "seg_thresh" in values:
            found["threshold"] = float(values["seg_thresh"])
        for field, key in (("mean", "standardization_mean"), ("std", "standardization_std")):
            if key in values:
                found[field] = tuple(map(float, values[key]))
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{path}: its metadata cannot be understood ({error}); correct it, or "
            "say it with the options of models import"
        ) from error
    return found


KEYS = (
    *("model_type", "class_names", "names", "resolution", "seg_thresh"),
    *("standardization_mean", "standardization_std"),
)
"""Entries that a card is made from."""


def _value(entries: Mapping[str, str], key: str, path: Path) -> Any:  # noqa: ANN401 - JSON
    """An entry as JSON, or, as some write it, as a Python literal."""
    try:
        return json.loads(entries[key])
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(entries[key])
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        told = entries[key][:40]
        raise ModelError(f"{path}: metadata {key} is {told!r}, expected JSON") from error


def _classes(names: Any, channels: int) -> tuple[str, ...]:  # noqa: ANN401 - JSON
    """The names of what is mapped, without the background.

    Raises:
        ValueError: there are not as many as the graph has channels.
    """
    if isinstance(names, list):  # of several outputs
        (names,) = names
    numbered = sorted((int(number), str(name)) for number, name in names.items())
    if [number for number, _ in numbered] != list(range(len(numbered))):
        raise ValueError("class_names must be numbered from 0")
    ordered = [name for _, name in numbered]
    if len(ordered) > 1 and (channels == 1 or ordered[0].strip("_ ").lower() == BACKGROUND):
        ordered = ordered[1:]
    if channels not in (len(ordered), len(ordered) + 1):
        raise ValueError(f"{len(numbered)} class_names, but the graph has {channels} channels")
    return tuple(ordered)
