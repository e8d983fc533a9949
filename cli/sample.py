"""`geounet sample`: the sample scenes with their truth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import OVERWRITE


@click.command("sample", short_help="Write the sample scenes with their truth.")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option(
    "--size",
    type=click.IntRange(256, 8192),
    default=2048,
    show_default=True,
    help="Edge of the town in pixels of 0.3 m.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Another seed, another town.",
)
@OVERWRITE
def command(folder: Path, **options: Any) -> None:
    """Write an aerial town, the same town before and after a storm, and their true buildings.

    Example: geounet sample demo --size 2048 --seed 7
    """
    from geounet.outputs import make_folder
    from geounet.scenes import write_samples

    make_folder(folder)
    for path in write_samples(folder, **options):
        click.echo(path)
