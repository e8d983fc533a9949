"""`geounet predict`: rasters in, footprints out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .known import files, footprints
from .options import draws, infers, predict_options, says
from .progress import Bar
from .settings import configured
from .shard import infer_shares, share_of

SOME_FAILED = 3
SHOWN = 5
"""Rasters that a last line names."""


@click.command("predict", short_help="Building footprints from rasters: the main job.")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, shell_complete=files)
@click.option(
    "-o",
    "--out",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    shell_complete=footprints,
    help="File to write: .gpkg, .parquet, .fgb, .geojson or .shp, repeat it for several kinds; "
    "a folder for several inputs.",
)
@draws
@infers
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with what an unfinished run had done; what is finished is left alone.",
)
@click.option(
    "-f",
    "--overwrite",
    is_flag=True,
    help="Replace outputs that exist, drop what an unfinished run had done.",
)
@click.option(
    "--on-error",
    type=click.Choice(["fail", "skip"]),
    default="fail",
    show_default=True,
    help="With a raster, or blocks of one, that cannot be read: stop, or go on without; then "
    "the exit code is 3.",
)
@configured
@click.option(
    "--shard", metavar="I/N",
    help="Infer the I-th of N shares alone, into a part; geounet merge joins the parts.",
)  # fmt: skip
@click.option("--parts", help="Folder or URL of the parts of --shard.  [OUT.parts]")
@says
def command(
    inputs: tuple[str, ...],
    out: tuple[Path, ...],
    *,
    shard: str | None,
    parts: str | None,
    as_json: bool,
    quiet: bool,
    **rest: Any,
) -> int:
    """Predict building footprints.

    Example: geounet predict big.tif --out buildings.gpkg --probability p.tif
    """
    from geounet.errors import RasterError
    from geounet.inputs import find_rasters
    from geounet.predict import predict
    from geounet.result import summed
    from geounet.survey.work import files_of

    rasters = find_rasters(inputs)
    share = share_of(shard, parts)
    options = predict_options({**rest, "also": out[1:]})
    jobs = files_of(rasters, out[0], options)
    if share is not None:
        tasks = [(unit.raster, unit.out, unit.options) for unit in jobs]
        infer_shares(tasks, share, parts, as_json=as_json, quiet=quiet)
        return 0
    results, failed = [], []
    for unit in jobs:
        try:
            with Bar(Path(unit.raster).name, "tile", quiet=quiet) as bar:
                result = predict(unit.raster, unit.out, unit.options, bar)
        except RasterError as error:
            if options.on_error == "fail" or len(rasters) == 1:
                raise
            failed.append({"raster": unit.raster, "error": str(error)})
            click.echo(f"geounet: error: {error}", err=True)
            continue
        results.append(result)
        if result.failed_pixels:
            failed.append({"raster": unit.raster, "error": _lost(result)})
        if not as_json:
            click.echo("\n".join(map(str, result.out)))
        if not quiet and not as_json:
            click.echo(_line(result, unit.out), err=True)
    if as_json:
        click.echo(json.dumps(summed([each.as_dict() for each in results], failed)))
    if failed:
        click.echo(f"geounet: error: {_told(failed, len(rasters))}", err=True)
    return SOME_FAILED if failed else 0


def _told(failed: list[dict[str, str]], scenes: int) -> str:
    if scenes == 1:
        return f"{failed[0]['raster']}: {failed[0]['error']}"
    names = ", ".join(each["raster"] for each in failed[:SHOWN])
    more = f" and {len(failed) - SHOWN} more" if len(failed) > SHOWN else ""
    return f"{len(failed)} of {scenes} rasters failed, wholly or in part: {names}{more}"


def _lost(result: Any) -> str:
    share = result.failed_pixels / result.pixels
    return (
        f"{result.failed_pixels:,} pixels ({share:.2%}) could not be read and were left out; "
        "layer coverage shows them as failed"
    )


def _line(result: Any, target: Path) -> str:
    noun = "footprint" if result.polygons == 1 else "footprints"
    if result.finished_before:
        return f"geounet: {target} was finished before ({result.polygons:,} {noun}); left alone"
    resumed = result.pixels_resumed / result.pixels
    gone_on = f"{resumed:.0%} were done before, " if result.pixels_resumed else ""
    peak = result.peak_memory_bytes
    return (
        f"geounet: {gone_on}{result.polygons:,} {noun} in {result.seconds['total']:.0f} s "
        f"({result.mpix_per_s:.2f} Mpx/s on {result.device}, {result.backend} {result.precision}, "
        f"tile {result.tile}, halo {result.halo})"
        + (f", peak memory {peak / 1e9:.1f} GB" if peak else "")
    )
