"""`geounet train`: labelled imagery in, a model file out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

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
    "--recipe", "recipe_name", default="buildings", show_default=True, help="Network and schedule."
)
@click.option("--steps", type=click.IntRange(1), help="Optimiser steps.  [the recipe's]")
@click.option(
    "--leave-out", multiple=True, metavar="PLACE", help="Do not train on this set; repeatable."
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
def command(
    dataset: Path, out: Path, *, manifest: Path | None, recipe_name: str, steps: int | None,
    leave_out: tuple[str, ...], name: str | None, seed: int, device: str, threads: int | None,
    overwrite: bool, quiet: bool, verbose: bool,
) -> None:  # fmt: skip
    """Train a network on the sets of a manifest, and write it with its card.

    Example: geounet train data --manifest docs/models/buildings.toml -o mine.safetensors
    """
    from geounet.outputs import check_target
    from geounet.training.dataset import load_sheets, read_manifest
    from geounet.training.finish import train
    from geounet.training.fit import FitOptions
    from geounet.training.recipes import recipe

    del verbose
    check_target(out, overwrite=overwrite, suffixes=(".safetensors",))
    chosen = recipe(recipe_name)
    chosen = replace(chosen, steps=steps) if steps else chosen
    listing = manifest or dataset / "dataset.toml"
    options = FitOptions(name=name or out.stem, seed=seed, device=device, threads=threads)
    sets = read_manifest(listing)
    sheets = list(load_sheets(dataset, sets, without=leave_out))
    left_out = "".join(f" --leave-out {place}" for place in leave_out)
    again = (
        f"geounet train DATA --manifest {sets.name} --recipe {recipe_name} "
        f"--steps {chosen.steps} --seed {seed}{left_out} -o {out.name}"
    )
    provenance = {"manifest": sets.name, "data": sets.data, "command": again}
    with Bar("training", "step", quiet=quiet) as bar:
        segmenter = train(sheets, chosen, out, replace(options, provenance=provenance), bar)
    click.echo(out)
    for place, scores in segmenter.card.metrics.items():
        click.echo(f"geounet: {place}: {scores}", err=True)
