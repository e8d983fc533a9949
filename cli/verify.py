"""`geounet verify`: is the tiled result what one untiled pass gives?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .known import files
from .options import infers, predict_options, says
from .progress import Bar
from .settings import configured


@click.command("verify", short_help="Measure the difference between tiled and untiled.")
@click.argument("raster", metavar="INPUT", shell_complete=files)
@click.option(
    "--windows",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Windows to compare: at edges, across seams, anywhere.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Another seed, other windows.",
)
@infers
@configured
@says
def command(raster: str, *, as_json: bool, quiet: bool, **rest: Any) -> None:
    """Compare the tiled result with one untiled pass, on random windows of a raster.

    The exit code is 0 when the largest difference lies within the bound, else 1.

    Example: geounet verify big.tif --windows 16
    """
    from geounet.verify import verify

    windows, seed = rest.pop("windows"), rest.pop("seed")
    options = predict_options(rest)
    with Bar(Path(raster).name, "window", quiet=quiet) as bar:
        verdict = verify(raster, options, windows=windows, seed=seed, progress=bar)
    click.echo(json.dumps(verdict.as_dict()) if as_json else _report(verdict))
    if not verdict.holds:
        raise click.exceptions.Exit(1)


def _report(verdict: Any) -> str:
    field = verdict.receptive_field
    place = f"row {verdict.row}, col {verdict.col} (x {verdict.x:.10g}, y {verdict.y:.10g})"
    facts = {
        "largest difference": f"{verdict.max_difference:.3g} at {place}",
        "uint8 values": f"{verdict.uint8_share:.3%} differ",
        "mask pixels": f"{verdict.mask_share:.3%} flip",
        "compared": f"{verdict.windows} windows, {verdict.pixels:,} pixels with data",
        "tile, halo, blend": f"{verdict.tile}, {verdict.halo}, {verdict.blend}",
        "receptive field": "everything" if field is None else field,
    }
    return "\n".join([f"{name:<20}{said}" for name, said in facts.items()] + [verdict.sentence])
