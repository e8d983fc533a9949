"""`geounet vectorize`: a mask or probability raster in, footprints out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .known import files, footprints
from .options import ALLOW_VRT, outlines, tells
from .progress import Bar
from .settings import configured


@click.command("vectorize", short_help="Footprints from a mask or probability raster.")
@click.argument("raster", shell_complete=files)
@click.option(
    "-o",
    "--out",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    shell_complete=footprints,
    help="File to write: .gpkg, .parquet, .fgb, .geojson or .shp; repeat it for several kinds.",
)
@click.option(
    "--threshold",
    type=float,
    default=0.5,
    show_default=True,
    help="Probability of a building; means nothing for a mask.",
)
@click.option("--min-area", type=float, help="Smaller footprints are dropped, m².")
@click.option("--min-pixels", type=click.IntRange(0), help="The same in pixels.")
@outlines
@ALLOW_VRT
@configured
@tells
def command(raster: str, out: tuple[Path, ...], *, as_json: bool, quiet: bool, **rest: Any) -> None:
    """Trace the buildings of a mask or probability raster.

    Example: geounet vectorize probability.tif --out buildings.gpkg --threshold 0.5
    """
    from geounet.vectorize import VectorizeOptions, vectorize

    with Bar(Path(raster).name, "strip", quiet=quiet) as bar:
        count = vectorize(raster, out[0], VectorizeOptions(also=out[1:], **rest), bar)
    if as_json:
        click.echo(json.dumps({"out": [str(path) for path in out], "polygons": count}))
        return
    click.echo("\n".join(map(str, out)))
    if not quiet:
        click.echo(f"geounet: {count:,} footprints", err=True)
