"""`geounet train`: labelled imagery in, a model file out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .options import SHARE
from .progress import Bar


@click.command("train", short_help="Train a network on labelled imagery.")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Model to write (.safetensors).",
)
@click.option(
    "--manifest", type=click.Path(path_type=Path), help="Sets and splits.  [DATASET/dataset.toml]"
)
@click.option(
    "--recipe", default="buildings", show_default=True, help="Network, schedule, augmentation."
)
@click.option(
    "--from", "start", metavar="MODEL", help="Start from its weights: a bundled name or a file."
)
@click.option("--steps", type=click.IntRange(1), help="Optimiser steps.  [the recipe's]")
@click.option("--learning-rate", type=float, help="Peak of the schedule.  [the recipe's]")
@click.option(
    "--weight",
    "weights",
    type=SHARE,
    multiple=True,
    help="Share of a set's chips in place of the manifest's, 0 leaves it out; repeatable.",
)
@click.option("--name", help="Name on the model's card.  [the file's]")
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights and chips."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--threads", type=click.IntRange(1), help="Threads on a CPU.")
@click.option("-f", "--overwrite", is_flag=True, help="Replace a model that exists.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Scores of each validation; tracebacks.")
def command(dataset: Path, out: Path, *, quiet: bool, overwrite: bool, **rest: Any) -> None:
    """Train a network on the sets of a manifest, and write it with its card.

    Example: geounet train data --manifest docs/models/buildings.toml -o mine.safetensors
    """
    from geounet.outputs import check_target
    from geounet.training.dataset import load_sheets, read_manifest
    from geounet.training.finish import train
    from geounet.training.shown import Shown

    check_target(out, overwrite=overwrite, suffixes=(".safetensors",))
    manifest = read_manifest(rest["manifest"] or dataset / "dataset.toml")
    recipe, options = _settings(out, rest)
    provenance = {
        "manifest": manifest.name,
        "data": manifest.data,
        "command": _again(out, manifest.name, rest),
    }
    sheets = load_sheets(dataset, manifest, dict(rest["weights"]), Shown.of(recipe))
    with Bar("training", "step", quiet=quiet) as bar:
        segmenter = train(sheets, recipe, out, replace(options, provenance=provenance), bar)
    click.echo(out)
    for place, scores in segmenter.card.metrics.items():
        click.echo(f"geounet: {place}: {scores}", err=True)


def _settings(out: Path, rest: dict[str, Any]) -> tuple[Any, Any]:
    """The recipe and the options of the run."""
    from geounet.model import load_model
    from geounet.training.fit import FitOptions
    from geounet.training.recipes import recipe

    changes = {name: rest[name] for name in ("steps", "learning_rate") if rest[name]}
    start = load_model(rest["start"]) if rest["start"] else None
    options = FitOptions(
        name=rest["name"] or out.stem,
        start=start,
        seed=rest["seed"],
        device=rest["device"],
        threads=rest["threads"],
    )
    return replace(recipe(rest["recipe"]), **changes), options


def _again(out: Path, manifest: str, rest: dict[str, Any]) -> str:
    """The command that makes the same model, without this machine's paths."""
    words = ["geounet train DATA --manifest", manifest, "--recipe", rest["recipe"]]
    if rest["start"]:
        words += ["--from", Path(rest["start"]).name]
    for name in ("steps", "learning_rate", "seed"):
        if rest[name] is not None:
            words += [f"--{name.replace('_', '-')}", f"{rest[name]:g}"]
    words += [f"--weight {place}={share:g}" for place, share in rest["weights"]]
    return " ".join([*words, "-o", out.name])
