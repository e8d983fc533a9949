"""`geounet embed`: rasters in, what the network sees out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .known import files
from .options import inference, infers, tells
from .progress import Bar


@click.command("embed", short_help="What the network sees, as vectors of tiles or buildings.")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, shell_complete=files)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path),
    help="GeoParquet to write; pictures go to a ZIP beside it.",
)  # fmt: skip
@click.option(
    "--buildings", type=click.Path(path_type=Path),
    help="Vector file: embeddings of these buildings instead of tiles, in any CRS.",
)  # fmt: skip
@click.option(
    "--layer", "layers", multiple=True, default=("bottleneck",), show_default=True,
    help="Layer of the network; repeat it, and they lie side by side.",
)  # fmt: skip
@click.option(
    "--pool", type=click.Choice(["mean", "max", "gem", "flat"]), default="mean", show_default=True,
    help="How a map becomes a vector; flat: the whole maps of many images of one size.",
)  # fmt: skip
@click.option(
    "--patch", type=click.IntRange(1), default=256, show_default=True,
    help="Edge of the squares, pixels of the inferred grid, from the raster's origin.",
)  # fmt: skip
@click.option(
    "--ring", type=click.FloatRange(0), default=5.0, show_default=True,
    help="Width of the ring around a building, m; 0 = none.",
)  # fmt: skip
@click.option(
    "--thumbnails/--no-thumbnails", default=True, show_default=True,
    help="Write a picture of each item.",
)  # fmt: skip
@infers
@tells
def command(inputs: tuple[str, ...], out: Path, *, as_json: bool, quiet: bool, **rest: Any) -> None:
    """Write what the network sees in squares of ground, or at buildings.

    Example: geounet embed post.tif --buildings houses.gpkg --out houses.parquet
    """
    from geounet.embeddings.job import JobOptions, embed
    from geounet.inputs import find_rasters

    flat = rest["pool"] == "flat"
    options = JobOptions(**inference({**rest, "pool": "mean" if flat else rest["pool"]}), flat=flat)
    with Bar(out.name, "tile", quiet=quiet) as bar:
        result = embed(find_rasters(inputs), out, options, bar)
    if as_json:
        click.echo(json.dumps(result.as_dict()))
        return
    click.echo("\n".join(map(str, result.out)))
    if not quiet:
        noun = "vector" if result.items == 1 else "vectors"
        click.echo(f"geounet: {result.items:,} {noun} in {result.seconds:.0f} s", err=True)


UNUSED = {"threshold", "blend", "tta"}
command.params = [option for option in command.params if option.name not in UNUSED]
"""Options of inference that concern the probability alone are not offered."""
