"""`geounet models`: what is bundled, what can be trained, what runs without training."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from .known import everything
from .transfer import export_command, import_command

GOLDEN_TOLERANCE = 3


@click.group("models", short_help="Bundled models, baselines, recipes and networks.")
def command() -> None:
    """List, show, export and import models; baselines, recipes and networks are shown too.

    Example: geounet models show buildings
    """


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def list_models(*, as_json: bool) -> None:
    """List bundled models, baselines, training recipes and networks."""
    from geounet.model import BASELINES, bundled_models, read_card
    from geounet.networks.catalogue import NETWORKS
    from geounet.training.recipes import RECIPES

    cards = {name: read_card(path) for name, path in bundled_models().items()}
    if as_json:
        parts = {
            "models": {name: asdict(card) for name, card in cards.items()},
            "baselines": BASELINES,
            "recipes": list(RECIPES),
            "networks": {name: asdict(named) for name, named in NETWORKS.items()},
        }
        click.echo(json.dumps(parts))
        return
    for name, card in cards.items():
        told = f"{card.network}, {card.gsd:g} m, {', '.join(card.classes)}"
        click.echo(f"model    {name:<15} {told}")
    for name, says in BASELINES.items():
        click.echo(f"baseline {name:<15} {says}")
    for name, recipe in RECIPES.items():
        click.echo(
            f"recipe   {name:<15} {recipe.network}, {_figures(name)['parameters']:,} parameters"
        )
    for name, named in NETWORKS.items():
        told = f"{named.parameters:,} parameters, stride {named.stride}, field {named.field}"
        click.echo(f"network  {name:<15} {told}: {named.says}")


@command.command("show")
@click.argument("name", shell_complete=everything)
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
@click.option("--check", is_flag=True, help="Run the golden tile and compare.")
@click.option("--layers", is_flag=True, help="List the layers that `explain --layer` knows.")
def show(name: str, *, as_json: bool, check: bool, layers: bool) -> None:
    """Show the card of a bundled model or a file; a baseline, a recipe or a network."""
    from geounet.model import read_card

    if layers:
        _tell(_layers(name), as_json=as_json)
        return
    found = _untrained(name)
    _tell(asdict(read_card(name)) if found is None else found, as_json=as_json)
    if check:
        _check(name)


def _untrained(name: str) -> dict[str, Any] | None:
    """What there is to say of a name that is no model; None when it may be one."""
    from geounet.model import BASELINES, bundled_models
    from geounet.networks.catalogue import NETWORKS
    from geounet.training.recipes import RECIPES

    if name in bundled_models():
        return None
    if name in BASELINES:
        says = {"bands": "any", "dtype": "any", "gsd": "the raster's", "training": "none"}
        return {"name": name, "says": BASELINES[name], **says}
    if name in RECIPES:
        network = NETWORKS.get(RECIPES[name].network)
        field = {} if network is None else {"field": network.field}
        return {**asdict(RECIPES[name]), **_figures(name), **field}
    return {"name": name, **asdict(NETWORKS[name])} if name in NETWORKS else None


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


def _figures(recipe: str) -> dict[str, int]:
    """Parameters and stride of a recipe's network, built without its weights."""
    import torch

    from geounet.networks.registry import build, parameter_count, total_stride
    from geounet.training.recipes import RECIPES

    with torch.device("meta"):
        network = build(RECIPES[recipe].network, RECIPES[recipe].network_options, fetch=False)
    return {"parameters": parameter_count(network), "stride": total_stride(network)}


def _layers(name: str) -> dict[str, Any]:
    from geounet.model import load_model
    from geounet.networks.layers import list_layers

    model = load_model(name)
    found = list_layers(model.network, len(model.card.bands))
    return {each.name: {"channels": each.channels, "stride": each.stride} for each in found}


command.add_command(export_command)
command.add_command(import_command)


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
