"""`geounet chips`: rasters and vector labels in, a dataset to train on out."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from .kinds import NAMES, Numbers
from .known import files
from .options import ALLOW_VRT, tells
from .progress import Bar


@click.command("chips", short_help="A training dataset from rasters and vector labels.")
@click.argument("rasters", metavar="RASTER...", nargs=-1, required=True, shell_complete=files)
@click.option(
    "--labels", required=True, type=click.Path(path_type=Path),
    help="Vector file with the outlines, in any CRS.",
)  # fmt: skip
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the dataset."
)
@click.option("--layer", help="Layer of the labels.  [the first]")
@click.option(
    "--class-by", metavar="NAME",
    help="Column whose values are classes; the larger number stands where two overlap.",
)  # fmt: skip
@click.option(
    "--classes", type=NAMES, default=(), help="Names of class 1, 2 and so on.  [its values, sorted]"
)
@click.option(
    "--tile", type=click.IntRange(32), default=512, show_default=True, help="Edge of a chip."
)
@click.option(
    "--block", type=click.IntRange(1), default=4, show_default=True,
    help="Edge of a block of ground in chips; all of a block is of one split.",
)  # fmt: skip
@click.option(
    "--split", type=Numbers(float, count=3), default="0.7,0.15,0.15", show_default=True,
    help="Shares of train, validation and test.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Of who gets which block."
)
@click.option(
    "--min-valid", type=click.FloatRange(0, 1), default=0.5, show_default=True,
    help="Chips with a smaller share of data are left out.",
)  # fmt: skip
@click.option("--bands", type=Numbers(int), help="Bands of the rasters, 1-based.  [all]")
@click.option(
    "--scale", type=Numbers(float, count=2), help="Raw values that become 0 and 255.  [none]"
)
@click.option(
    "--sheet", type=click.Path(path_type=Path),
    help="Also write a contact sheet to look at (.png).",
)  # fmt: skip
@ALLOW_VRT
@tells
def command(
    rasters: tuple[str, ...], labels: Path, out: Path, *, as_json: bool, quiet: bool, **rest: Any
) -> None:
    """Cut rasters into chips with masks, split by place, ready for geounet train.

    Example: geounet chips survey/*.tif --labels buildings.gpkg --out dataset
    """
    from geounet.chips import ChipsOptions, make_chips
    from geounet.inputs import find_rasters

    with Bar(out.name, "tile", quiet=quiet) as bar:
        result = make_chips(find_rasters(rasters), labels, out, ChipsOptions(**rest), bar)
    if as_json:
        click.echo(json.dumps({"out": str(out), **asdict(result)}))
        return
    click.echo(out)
    if not quiet:
        named = ", ".join(f"{count:,} {name}" for name, count in result.chips.items())
        click.echo(f"geounet: {sum(result.chips.values()):,} chips ({named})", err=True)
        for cause, count in result.left_out.items():
            click.echo(f"geounet: {count:,} tiles {cause}: left out", err=True)
