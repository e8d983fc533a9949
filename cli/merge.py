"""`geounet merge`: the parts of a run in, what one process would have written out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .known import files
from .options import ALLOW_VRT, tells
from .progress import Bar

if TYPE_CHECKING:
    from geounet.predict import Result

SOME_FAILED = 3


@click.command("merge", short_help="The parts of --shard runs, joined.")
@click.argument("parts", metavar="PART...", nargs=-1, required=True, shell_complete=files)
@click.option(
    "-o",
    "--out",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="File to write: .gpkg, .parquet, .fgb, .geojson or .shp, repeat it for several kinds.",
)
@click.option(
    "--probability", type=click.Path(path_type=Path),
    help="Also write the probability raster (COG), if the shards were given it.",
)  # fmt: skip
@click.option(
    "--mask", type=click.Path(path_type=Path),
    help="Also write the class raster (COG), if the shards were given pixels to keep.",
)  # fmt: skip
@click.option(
    "--rle", type=click.Path(path_type=Path),
    help="Also write run lengths: .json (COCO) or .csv (Kaggle), likewise.",
)  # fmt: skip
@click.option(
    "--project", type=click.Path(path_type=Path),
    help="Also write a QGIS project (.qgz); needs the raster.",
)  # fmt: skip
@click.option(
    "--report", type=click.Path(path_type=Path),
    help="Also write one page to look at (.html); needs the raster.",
)  # fmt: skip
@ALLOW_VRT
@tells
def command(
    parts: tuple[str, ...],
    out: tuple[Path, ...],
    *,
    overwrite: bool,
    allow_vrt: bool,
    as_json: bool,
    quiet: bool,
    **sides: Any,
) -> int:
    """Join the parts that `geounet predict --shard` wrote: the same result as one process.

    PART is a part, a folder or URL of parts, or the output that they lie beside. The folder of
    `geounet batch --shard` is joined in place: its scenes are there, reports are made of all.

    Example: geounet merge buildings.gpkg.parts --out buildings.gpkg

    Example: geounet merge maps/ --out maps/
    """
    from geounet.shards.merge import MergeOptions, merge
    from geounet.survey.shares import is_shared, join
    from geounet.targets import Targets

    if len(parts) == 1 and is_shared(Path(parts[0])):
        if out != (Path(parts[0]),) or any(sides.values()):
            raise click.UsageError(f"the shards of a survey are joined in place; --out {parts[0]}")
        return _joined(join(out[0]), out[0], as_json=as_json)
    targets = Targets(out[0], also=out[1:], **sides)
    options = MergeOptions(overwrite=overwrite, allow_vrt=allow_vrt)
    with Bar(out[0].name, "strip", quiet=quiet) as bar:
        result = merge(parts, targets, options, bar)
    if as_json:
        click.echo(json.dumps(result.as_dict()))
    else:
        click.echo("\n".join(map(str, result.out)))
    if not quiet and not as_json:
        click.echo(_line(result), err=True)
    if result.failed_pixels:
        share = result.failed_pixels / result.pixels
        told = f"{result.failed_pixels:,} pixels ({share:.2%}) could not be read by the shards"
        click.echo(f"geounet: error: {told}; layer coverage shows them as failed", err=True)
    return SOME_FAILED if result.failed_pixels else 0


def _joined(outcomes: list[Any], folder: Path, *, as_json: bool) -> int:
    """Tell of a survey whose shards are joined; return the exit code."""
    failed = [{"raster": it.raster, "error": it.error} for it in outcomes if it.error is not None]
    out = [it.out for it in outcomes if it.error is None]
    if as_json:
        click.echo(json.dumps({"out": out, "scenes": len(outcomes), "failed": failed}))
    else:
        click.echo("\n".join(out))
        told = f"{len(out):,} of {len(outcomes):,} scenes are done"
        click.echo(f"geounet: {told}; {folder / 'report.html'}", err=True)
    return SOME_FAILED if failed else 0


def _line(result: Result) -> str:
    noun = "footprint" if result.polygons == 1 else "footprints"
    return (
        f"geounet: {result.polygons:,} {noun}; shards and merge took "
        f"{result.seconds['total']:.0f} s in all"
    )
