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
    "--labels", type=click.Path(path_type=Path), help="Outlines on DATASET, a raster or several."
)
@click.option("--recipe", help="Network, schedule, augmentation.  [buildings]")
@click.option(
    "--from",
    "start",
    metavar="MODEL",
    help="Start from its weights, a bundled name or a file; without --recipe a short fine-tuning.",
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
    """Train a network on labelled imagery, and write it with its card.

    DATASET is a folder of chips or of images/ and masks/, a COCO, VIA or run-length file, a raster
    with --labels, or whatever a manifest lists.

    Example: geounet train chips --from buildings -o mine.safetensors
    """
    from geounet.outputs import check_target
    from geounet.training.dataset import open_dataset
    from geounet.training.finetune import held_out_figures, shown_few
    from geounet.training.finish import train
    from geounet.training.shown import Shown

    check_target(out, overwrite=overwrite, suffixes=(".safetensors",))
    recipe, options = _settings(out, rest)
    tuned = options.start is not None and not rest["recipe"]
    shown = shown_few(Shown.of(recipe)) if tuned else Shown.of(recipe)
    asked = {name: rest[name] for name in ("labels", "manifest")}
    found = open_dataset(dataset, shown, **asked, weights=dict(rest["weights"]))
    provenance = {
        "manifest": found.name,
        "data": found.data,
        "command": _again(out, rest),
    }
    if tuned:
        before = held_out_figures(options.start, found.sheets)
        provenance["tuned"] = {"from": options.start.card.name, "on": found.name, "before": before}
    with Bar("training", "step", quiet=quiet) as bar:
        options = replace(options, provenance=provenance)
        segmenter = train(found.sheets, recipe, out, options, bar)
    click.echo(out)
    if tuned:
        after = held_out_figures(segmenter, found.sheets)
        for word in ("iou", "f1", "threshold"):
            click.echo(f"geounet: held out: {word} {before[word]} → {after[word]}", err=True)
    for place, scores in segmenter.card.metrics.items():
        click.echo(f"geounet: {place}: {scores}", err=True)


def _settings(out: Path, rest: dict[str, Any]) -> tuple[Any, Any]:
    """The recipe and the options of the run."""
    from geounet.model import load_model
    from geounet.training.finetune import tuning
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
    made = recipe(rest["recipe"] or "buildings")
    if start is not None and not rest["recipe"]:
        made = tuning(made)
    return replace(made, **changes), options


def _again(out: Path, rest: dict[str, Any]) -> str:
    """The command that makes the same model, without this machine's paths."""
    words = ["geounet train DATA"]
    words += [f"--{name} {rest[name].name}" for name in ("manifest", "labels") if rest[name]]
    words += ["--recipe", rest["recipe"]] if rest["recipe"] else []
    if rest["start"]:
        words += ["--from", Path(rest["start"]).name]
    for name in ("steps", "learning_rate", "seed"):
        if rest[name] is not None:
            words += [f"--{name.replace('_', '-')}", f"{rest[name]:g}"]
    words += [f"--weight {place}={share:g}" for place, share in rest["weights"]]
    return " ".join([*words, "-o", out.name])
