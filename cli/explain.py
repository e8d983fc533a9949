"""`geounet explain`: where a network looks, as a raster and a picture."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .kinds import Auto
from .known import files
from .options import predict_options, sees, tells
from .progress import Bar

CHANNEL = Auto("mean")


@click.command("explain", short_help="Where a network looks: Grad-CAM and activation maps.")
@click.argument("raster", metavar="INPUT", shell_complete=files)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path),
    help="GeoTIFF to write (COG); its picture is put beside it.",
)  # fmt: skip
@click.option("--overlay", type=click.Path(path_type=Path), help="The picture (.png).  [OUT.png]")
@click.option("--layer", help="Layer that is looked at; a wrong name lists them.  [the bottleneck]")
@click.option(
    "--channel", type=CHANNEL,
    help="Instead of Grad-CAM, what this channel of the layer gives, from 0, or the mean of all.",
)  # fmt: skip
@click.option("--class", "of_class", help="Class that Grad-CAM explains.  [the first]")
@sees
@tells
def command(raster: str, out: Path, *, as_json: bool, quiet: bool, **rest: Any) -> None:
    """Show where a network looks when it finds buildings.

    Example: geounet explain big.tif --out where.tif
    """
    from geounet.explain.job import explain
    from geounet.explain.task import ExplainOptions

    words = ("layer", "channel", "of_class", "overlay")
    options = ExplainOptions(**{word: rest.pop(word) for word in words})
    with Bar(Path(raster).name, "tile", quiet=quiet) as bar:
        done = explain(raster, out, options, predict_options(rest), bar)
    click.echo(json.dumps(done.as_dict()) if as_json else "\n".join(map(str, done.out)))
    if not (quiet or as_json):
        click.echo(
            f"geounet: {done.method} at {done.layer} ({done.channels} channels, a cell is "
            f"{done.stride} pixels), from {done.low:.4g} to {done.high:.4g} over the scene",
            err=True,
        )
