"""Recipes → a page: every entry with its meaning, and what each recipe changes."""

from __future__ import annotations

from dataclasses import MISSING, Field, fields
from pathlib import Path

import griffe
from prose import cell, join, table

from geounet.training.recipe import Recipe
from geounet.training.recipes import RECIPES

HEAD = """# Recipes and their entries

```sh
geounet models show nuclei
```

Written from the code. [Training](../training.md) says where the published recipes come from and
which values are ours. A recipe of your own is a TOML file for `geounet train --config mine.toml`:
`recipe = "nuclei"` and the entries that differ.

## Entries

Defaults are those of `buildings`.
"""


def page() -> str:
    """Return docs/reference/recipes.md."""
    rows = [
        (f"`{each.name}`", f"`{each.type}`", f"`{_toml(_default(each))}`", _meanings()[each.name])
        for each in fields(Recipe)
    ]
    lines = [HEAD, *table(("entry", "kind", "default", "meaning"), rows), "## What each changes"]
    for name, recipe in RECIPES.items():
        lines += ["", f"### `{name}`", "", "```toml", *_changes(recipe), "```"]
    return join(lines)


def _meanings() -> dict[str, str]:
    root = Path(__file__).parents[1] / "geounet" / "training" / "recipe.py"
    recipe = griffe.visit("recipe", root, root.read_text("utf-8"))["Recipe"]
    texts = ((name, member.docstring) for name, member in recipe.members.items())
    return {name: cell(text.value).replace(r"\|", "|") if text else "" for name, text in texts}


def _default(entry: Field[object]) -> object:
    made = entry.default_factory
    return entry.default if made is MISSING else made()


def _changes(recipe: Recipe) -> list[str]:
    values = {each.name: (getattr(recipe, each.name), _default(each)) for each in fields(Recipe)}
    told = {name: value for name, (value, usual) in values.items() if value not in (usual, None)}
    found = [f"{name} = {_toml(value)}" for name, value in told.items()]
    return found or ["# nothing: these are the defaults"]


def _toml(value: object) -> str:
    """A value as TOML writes it; what TOML has no word for, as `none`."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(each)}" for name, each in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        return f'"{value}"'
    return "none" if value is None else str(value).lower()
