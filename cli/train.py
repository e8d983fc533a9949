"""`geounet train`: labelled imagery in, a model file out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .kinds import NAMES, SHARE
from .known import recipes, trained
from .progress import Bar

RECIPE = "buildings"


@click.command("train", short_help="Train a network on labelled imagery.")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="Model to write (.safetensors); record, curve and examples appear beside it.",
)
@click.option(
    "--manifest", type=click.Path(path_type=Path), help="Sets and splits.  [DATASET/dataset.toml]"
)
@click.option(
    "--labels", type=click.Path(path_type=Path), help="Outlines on DATASET, a raster or several."
)
@click.option(
    "--classes", type=NAMES,
    help="What 1, 2, … of masks stand for; of outlines the order of their classes.",
)  # fmt: skip
@click.option(
    "--class-by", metavar="NAME",
    help="Attribute of outlines whose values are classes.  [a COCO file's category]",
)  # fmt: skip
@click.option(
    "--balance", "balances", type=SHARE, metavar="CLASS=SHARE", multiple=True,
    help="Share of the chips cut around a pixel of a class, such as house=0.5; repeatable.",
)  # fmt: skip
@click.option(
    "--recipe",
    shell_complete=recipes,
    help=f"Network, loss, schedule, augmentation.  [{RECIPE}]",
)
@click.option(
    "--config", type=click.Path(path_type=Path), help="A recipe of your own (.toml or .json)."
)
@click.option(
    "--from",
    "start",
    metavar="MODEL",
    shell_complete=trained,
    help="Start from its weights, a bundled name or a file; without a recipe a short fine-tuning.",
)
@click.option("--steps", type=click.IntRange(1), help="Optimiser steps.  [the recipe's]")
@click.option("--epochs", type=click.IntRange(1), help="Passes over the images.  [the recipe's]")
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
@click.option("--device", default="auto", show_default=True, help="auto, cpu, mps, cuda or cuda:N.")
@click.option(
    "--precision",
    type=click.Choice(["auto", "fp32", "bf16", "fp16"]),
    default="auto",
    show_default=True,
    help="Numbers the network learns with; auto: 16 bits where that is faster.",
)
@click.option(
    "--processes",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Processes that share each batch, one a GPU.",
)
@click.option("--threads", type=click.IntRange(1), help="Threads on a CPU.")
@click.option("--resume", is_flag=True, help="Go on from the state an interrupted run left.")
@click.option("-f", "--overwrite", is_flag=True, help="Replace a model that exists.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Scores of each validation; tracebacks.")
def command(dataset: Path, out: Path, *, quiet: bool, overwrite: bool, **rest: Any) -> None:
    """Train a network on labelled imagery, and write it with its card.

    DATASET is a folder of chips or of images/ and masks/, a COCO, VIA or run-length file, a raster
    with --labels, or whatever a manifest lists.

    Example: geounet train chips --from buildings -o mine.safetensors
    """
    from geounet.training.finetune import held_out_figures, shown_few
    from geounet.training.finish import train
    from geounet.training.shown import Shown
    from geounet.training.state import StateFolder

    from .main import Terminated

    state = StateFolder(out)
    _check(out, state, overwrite=overwrite, resume=rest["resume"])
    recipe, options = _settings(out, rest)
    tuned = _tunes(rest)
    shown = shown_few(Shown.of(recipe)) if tuned else Shown.of(recipe)
    found = _opened(dataset, shown, rest)
    recipe = replace(recipe, classes=found.classes)
    provenance = {"manifest": found.name, "data": found.data, "command": _again(out, rest)}
    before = held_out_figures(options.start, found.sheets) if tuned else {}
    if tuned:
        provenance["tuned"] = {"from": options.start.card.name, "on": found.name, "before": before}
    options = replace(options, provenance=provenance)
    try:
        with Bar("training", "step", quiet=quiet) as bar:
            segmenter = train(found.sheets, recipe, out, options, bar)
    except (KeyboardInterrupt, Terminated) as stop:
        if not state.begun:
            raise
        stop.add_note(f"{state.path} keeps the training; add --resume to go on")
        raise
    click.echo(out)
    if before:
        after = held_out_figures(segmenter, found.sheets)
        for word in ("iou", "f1", "threshold"):
            click.echo(f"geounet: held out: {word} {before[word]} → {after[word]}", err=True)
        for name, iou in after["classes"].items():
            told = f"{name} iou {before['classes'][name]} → {iou}"
            click.echo(f"geounet: held out: {told}", err=True)
    for place, scores in segmenter.card.metrics.items():
        click.echo(f"geounet: {place}: {scores}", err=True)


def _tunes(rest: dict[str, Any]) -> bool:
    """Whether a model is to be tuned, by the recipe its card names."""
    return bool(rest["start"]) and not (rest["recipe"] or rest["config"])


def _check(out: Path, state: Any, *, overwrite: bool, resume: bool) -> None:
    """Refuse what cannot be written, before the images are read."""
    from geounet.outputs import check_target
    from geounet.training.finish import BESIDE

    check_target(out, overwrite=overwrite, suffixes=(".safetensors",))
    for suffix in BESIDE:
        beside = out.with_suffix(suffix)
        check_target(beside, overwrite=overwrite, suffixes=(beside.suffix,))
    if not resume:
        state.check(resume=False)


def _opened(dataset: Path, shown: Any, rest: dict[str, Any]) -> Any:
    """The dataset; each of its faults is told on a line of its own."""
    from geounet.errors import TrainingError
    from geounet.training.dataset import open_dataset
    from geounet.training.listing import FaultyError

    asked = {name: rest[name] for name in ("labels", "manifest", "class_by")}
    try:
        return open_dataset(dataset, shown, **asked, weights=dict(rest["weights"]))
    except FaultyError as error:
        for fault in error.faults:
            click.echo(f"geounet: {' '.join(fault.split())}", err=True)
        raise TrainingError(f"{error.head}; mend what is listed above") from error


def _settings(out: Path, rest: dict[str, Any]) -> tuple[Any, Any]:
    """The recipe and the options of the run."""
    from geounet.model import load_model
    from geounet.training.fit import FitOptions
    from geounet.training.recipefile import changed

    start = load_model(rest["start"]) if rest["start"] else None
    words = ("steps", "epochs", "learning_rate", "classes")
    changes = {name: rest[name] for name in words if rest[name] is not None}
    if rest["balances"]:
        changes["balance"] = dict(rest["balances"])
    if {"steps", "epochs"} <= set(changes):
        raise click.UsageError("--steps and --epochs contradict; give one of them")
    options = FitOptions(
        name=rest["name"] or out.stem,
        start=start,
        **{name: rest[name] for name in ("seed", "device", "precision", "processes")},
        **{name: rest[name] for name in ("threads", "resume")},
    )
    return changed(_recipe(rest, start), changes), options


def _recipe(rest: dict[str, Any], start: Any) -> Any:
    from geounet.training.finetune import tuning
    from geounet.training.recipefile import read_recipe, recipe_of
    from geounet.training.recipes import recipe

    if rest["recipe"] and rest["config"]:
        raise click.UsageError(
            "--recipe and --config contradict; name the recipe in the file: recipe = "
            f'"{rest["recipe"]}"'
        )
    if rest["config"]:
        return read_recipe(rest["config"])
    if _tunes(rest):
        return tuning(recipe_of(start.card))
    return recipe(rest["recipe"] or RECIPE)


def _again(out: Path, rest: dict[str, Any]) -> str:
    """The command that makes the same model, without this machine's paths."""
    words = ["geounet train DATA"]
    if rest["classes"]:
        words.append(f"--classes {','.join(rest['classes'])}")
    if rest["class_by"]:
        words.append(f"--class-by {rest['class_by']}")
    words += [f"--balance {name}={share:g}" for name, share in rest["balances"]]
    for name in ("manifest", "labels", "recipe", "config", "start"):
        if rest[name]:
            option = "from" if name == "start" else name
            words.append(f"--{option} {Path(rest[name]).name}")
    numbers = ("steps", "epochs", "learning_rate", "seed")
    given = [name for name in numbers if rest[name] is not None]
    words += [f"--{name.replace('_', '-')} {rest[name]:g}" for name in given]
    words += [f"--weight {place}={share:g}" for place, share in rest["weights"]]
    return " ".join([*words, "-o", out.name])
