"""`geounet models`: what is bundled, and what a model's card says."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from .transfer import export_command, import_command

GOLDEN_TOLERANCE = 3


@click.group("models", short_help="Bundled models and recipes.")
def command() -> None:
    """List, show, export and import models.

    Example: geounet models show buildings
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_models(*, as_json: bool) -> None:
    """List bundled models and training recipes."""
    from geounet.model import bundled_models, read_card
    from geounet.training.recipes import RECIPES

    cards = {name: read_card(path) for name, path in bundled_models().items()}
    if as_json:
        parts = {"models": {n: asdict(c) for n, c in cards.items()}, "recipes": list(RECIPES)}
        click.echo(json.dumps(parts))
        return
    for name, card in cards.items():
        click.echo(f"model   {name:<14} {card.network}, {card.gsd:g} m, {', '.join(card.classes)}")
    for name in RECIPES:
        click.echo(f"recipe  {name:<14} {_parameters(name):,} parameters")


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
@click.option("--check", is_flag=True, help="Run the golden tile and compare.")
@click.option("--layers", is_flag=True, help="List the layers that `explain --layer` knows.")
def show(name: str, *, as_json: bool, check: bool, layers: bool) -> None:
    """Show the card of a bundled model or a .safetensors file, or a recipe."""
    from geounet.errors import ModelError
    from geounet.model import read_card
    from geounet.training.recipes import RECIPES

    if layers:
        _tell(_layers(name), as_json=as_json)
        return
    try:
        card = read_card(name)
    except ModelError:
        if name not in RECIPES:
            raise
        _tell({**asdict(RECIPES[name]), "parameters": _parameters(name)}, as_json=as_json)
        return
    _tell(asdict(card), as_json=as_json)
    if check:
        _check(name)


command.add_command(export_command)
command.add_command(import_command)


def _check(name: str) -> None:
    from geounet.backends.golden import golden_difference
    from geounet.errors import ModelError

    worst = golden_difference(name)
    if worst > GOLDEN_TOLERANCE:
        raise ModelError(
            f"{name}: golden tile differs by {worst} of 254 steps (at most {GOLDEN_TOLERANCE}); "
            "this machine computes something else than the one that made the model"
        )
    click.echo(f"golden tile: within {worst} of 254 steps", err=True)


def _layers(name: str) -> dict[str, Any]:
    from geounet.explain.layers import layers
    from geounet.model import load_model

    model = load_model(name)
    found = layers(model.network, len(model.card.bands))
    return {each.name: {"channels": each.channels, "stride": each.stride} for each in found}


def _parameters(recipe: str) -> int:
    from geounet.networks.registry import build, parameter_count
    from geounet.training.recipes import RECIPES

    return parameter_count(build(RECIPES[recipe].network, RECIPES[recipe].network_options))


def _tell(values: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(values, ensure_ascii=False))
        return
    for key, value in values.items():
        click.echo(f"{key}: {_words(value, '  ')}")


def _words(value: Any, indent: str) -> str:
    if isinstance(value, dict):
        lines = [f"\n{indent}{key}: {_words(each, indent + '  ')}" for key, each in value.items()]
        return "".join(lines)
    if isinstance(value, list | tuple):
        return ", ".join(_words(each, indent) for each in value)
    return str(value)
