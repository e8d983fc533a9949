"""`geounet vectorize`: a mask or probability raster in, footprints out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .known import files, footprints
from .options import fills
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
@fills
@click.option(
    "--outline",
    type=click.Choice(["regular", "smooth", "pixel"]),
    default="regular",
    show_default=True,
    help="Right-angled, simplified, or exact pixel edges.",
)
@click.option("--tolerance", type=float, help="How far an outline may move, m.  [four pixels]")
@click.option("--split", is_flag=True, help="Part blobs that are several buildings.")
@click.option("--crs", help="CRS of the output; GeoJSON has its own.  [the raster's]")
@click.option("-f", "--overwrite", is_flag=True, help="Replace an output that exists.")
@click.option("--allow-vrt", is_flag=True, help="Open a VRT with sources outside its folder.")
@configured
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="Tracebacks.")
def command(raster: str, out: tuple[Path, ...], *, as_json: bool, quiet: bool, **rest: Any) -> None:
    """Trace the buildings of a mask or probability raster.

    Example: geounet vectorize probability.tif --out buildings.gpkg --threshold 0.5
    """
    from geounet.vectorize import VectorizeOptions, vectorize

    rest.pop("verbose")
    with Bar(Path(raster).name, "strip", quiet=quiet) as bar:
        count = vectorize(raster, out[0], VectorizeOptions(also=out[1:], **rest), bar)
    if as_json:
        click.echo(json.dumps({"out": [str(path) for path in out], "polygons": count}))
        return
    click.echo("\n".join(map(str, out)))
    if not quiet:
        click.echo(f"geounet: {count:,} footprints", err=True)
