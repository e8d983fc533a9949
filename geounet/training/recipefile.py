"""Recipes that stand in a file: TOML or JSON with the names of a recipe's entries."""

from __future__ import annotations

import json
import tomllib
from dataclasses import fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from geounet.errors import TrainingError
from geounet.training.recipes import Recipe, recipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from geounet.card import ModelCard


def read_recipe(path: Path) -> Recipe:
    """Return the recipe of a TOML or JSON file.

    Its entry `recipe` names one whose values stand where the file says nothing.

    Raises:
        TrainingError: when the file cannot be read, or an entry is unknown or out of bounds.
    """
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # both decoders' errors are one, and UTF-8's
        raise TrainingError(f"{path}: neither TOML nor JSON ({error}); correct it") from error
    except RecursionError as error:
        raise TrainingError(f"{path}: of unreasonable depth; it is damaged") from error
    if not isinstance(values, dict):
        raise TrainingError(
            f"{path}: is a list or a value (expected a table of a recipe's entries)"
        )
    try:
        return changed(recipe(str(values.pop("recipe", "buildings"))), values)
    except TrainingError as error:
        raise TrainingError(f"{path}: {error}") from error


def recipe_of(card: ModelCard) -> Recipe:
    """Return the recipe a model was trained by, as its card tells.

    Raises:
        TrainingError: when the card has none that we know.
    """
    try:
        return changed(Recipe(), {**card.training["recipe"]})
    except (KeyError, TypeError, TrainingError) as error:
        raise TrainingError(
            f"model {card.name} does not say how it was trained ({error}); add --recipe"
        ) from error


def changed(start: Recipe, values: Mapping[str, Any]) -> Recipe:
    """Return a recipe with some entries changed; of steps and epochs the newer counts.

    Raises:
        TrainingError: when an entry is unknown or out of bounds.
    """
    known = {entry.name for entry in fields(Recipe)}
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, 1) or sorted(known)
            raise TrainingError(f"recipe: unknown entry {name!r}; known: {', '.join(near)}")
    entries: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in values.items()
    }
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if entries.get(one) is not None and other not in entries:
            entries[other] = None
    return replace(start, **entries)
