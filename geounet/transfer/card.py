"""The card of a model that comes without one: from its metadata and from what the user says."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from geounet.card import ModelCard
from geounet.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BANDS = {1: ("grey",), 3: ("red", "green", "blue")}
"""What the bands of an input are taken to be, by their number."""
FLAGS = {"gsd": "--gsd", "classes": "--classes", "bands": "--bands", "mean": "--mean",
         "std": "--std"}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a user says of a model; it counts more than what its file says."""

    name: str | None = None
    """Short name; None takes the file's."""
    gsd: float | None = None
    """Ground sample distance it is made for, metres."""
    classes: tuple[str, ...] | None = None
    """Names of what it maps."""
    bands: tuple[str, ...] | None = None
    """Bands of its input, in order."""
    mean: tuple[float, ...] | None = None
    """Mean of each band, of values between 0 and 1."""
    std: tuple[float, ...] | None = None
    """Standard deviation of each band, of values between 0 and 1."""
    input_range: tuple[float, float] | None = None
    """Raw values that are 0 and 1."""
    threshold: float | None = None
    """Probability from which a pixel belongs to the class."""
    licence: str | None = None
    """Licence of the weights."""


def make_card(
    words: Words,
    found: dict[str, Any],
    path: Path,
    needed: Sequence[str],
    **known: Any,  # noqa: ANN401 - fields of a card
) -> ModelCard:
    """Return a card.

    Args:
        words: from the user.
        found: fields the file itself says.
        path: of the file.
        needed: fields that somebody has to say.
        **known: fields that were measured.

    Raises:
        ModelError: something is said by nobody; all of it is named, with its options.
    """
    said = {each.name: getattr(words, each.name) for each in fields(words)}
    values = found | {name: value for name, value in said.items() if value is not None}
    missing = [FLAGS[name] for name in needed if name not in values]
    if missing:
        raise ModelError(
            f"{path}: the file does not say everything; pass also {', '.join(missing)}"
        )
    values.setdefault("name", path.stem)
    values.setdefault("licence", "unknown")
    values.setdefault("layers", tuple(map(_plural, values["classes"])))
    values.setdefault("training", {"imported": path.name})
    return ModelCard(**values | known)


def _plural(name: str) -> str:
    return name if name.endswith("s") else f"{name}s"
