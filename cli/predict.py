"""`geounet predict`: rasters in, footprints out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .options import BBOX, infers, predict_options
from .progress import Bar
from .shard import shards

SOME_FAILED = 3
SHOWN = 5
"""Rasters that a last line names."""


@click.command("predict", short_help="Building footprints from rasters: the main job.")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True)
@click.option(
    "-o",
    "--out",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="File to write: .gpkg, .parquet, .fgb, .geojson or .shp, repeat it for several kinds; "
    "a folder for several inputs.",
)
@click.option(
    "--probability",
    type=click.Path(path_type=Path),
    help="Also write the probability raster (COG).",
)
@click.option("--mask", type=click.Path(path_type=Path), help="Also write the class raster (COG).")
@click.option(
    "--rle", type=click.Path(path_type=Path),
    help="Also write run lengths: .json (COCO) or .csv (Kaggle).",
)  # fmt: skip
@click.option(
    "--embeddings", type=click.Path(path_type=Path),
    help="Also write what the network sees in squares of the ground (.parquet).",
)  # fmt: skip
@click.option(
    "--project",
    type=click.Path(path_type=Path),
    help="Also write a QGIS project with everything loaded and styled (.qgz).",
)
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    help="Also write one self-contained page to look at (.html).",
)
@click.option(
    "--aoi",
    type=click.Path(path_type=Path),
    help="Vector file of polygons, in any CRS: a result only there.",
)
@click.option("--bbox", type=BBOX, help="The same as a box in the raster's CRS.")
@click.option(
    "--min-area", type=float, help="Smaller footprints are dropped, m².  [the model's own]"
)
@click.option(
    "--min-pixels", type=click.IntRange(0), help="The same in pixels, for rasters without a CRS."
)
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
@click.option(
    "--shard", metavar="I/N",
    help="Infer the I-th of N shares alone, into a part; geounet merge joins the parts.",
)  # fmt: skip
@click.option("--parts", help="Folder or URL of the parts of --shard.  [OUT.parts]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="What was chosen and why; tracebacks.")
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
    from geounet.jobs import targets_of
    from geounet.predict import predict

    rasters = find_rasters(inputs)
    rest.pop("verbose")
    options = predict_options({**rest, "also": out[1:]})
    jobs = targets_of(rasters, out[0], options)
    if shards(jobs, shard, parts, as_json=as_json, quiet=quiet):
        return 0
    results, failed = [], []
    for raster, target, chosen in jobs:
        try:
            with Bar(Path(raster).name, "tile", quiet=quiet) as bar:
                result = predict(raster, target, chosen, bar)
        except RasterError as error:
            if options.on_error == "fail" or len(rasters) == 1:
                raise
            failed.append({"raster": raster, "error": str(error)})
            click.echo(f"geounet: error: {error}", err=True)
            continue
        results.append(result)
        if result.failed_pixels:
            failed.append({"raster": raster, "error": _lost(result)})
        if not as_json:
            click.echo("\n".join(map(str, result.out)))
        if not quiet and not as_json:
            click.echo(_line(result, target), err=True)
    if as_json:
        click.echo(json.dumps(_summary(results, failed)))
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


def _summary(results: list[Any], failed: list[dict[str, str]]) -> dict[str, Any]:
    """The JSON object of interface: counts are sums, settings those of the first scene."""
    parts = [result.as_dict() for result in results]
    whole: dict[str, Any] = {"scenes": len(parts), "failed": failed, **(parts or [{}])[0]}
    counts = ("pixels", "valid_pixels", "failed_pixels", "pixels_resumed", "finished_before")
    for key in (*counts, "tiles", "tiles_skipped", "polygons"):
        whole[key] = sum(part[key] for part in parts)
    whole["out"] = [path for part in parts for path in part["out"]]
    stages = {stage for part in parts for stage in part["seconds"]}
    seconds = {s: sum(part["seconds"].get(s, 0.0) for part in parts) for s in sorted(stages)}
    whole["seconds"] = {stage: round(spent, 3) for stage, spent in seconds.items()}
    done = whole["pixels"] - whole["pixels_resumed"]
    whole["mpix_per_s"] = round(done / 1e6 / max(seconds.get("total", 0.0), 1e-9), 3)
    whole["peak_memory_bytes"] = max((part["peak_memory_bytes"] for part in parts), default=0)
    return whole


def _line(result: Any, target: Path) -> str:
    noun = "footprint" if result.polygons == 1 else "footprints"
    if result.finished_before:
        return f"geounet: {target} was finished before ({result.polygons:,} {noun}); left alone"
    resumed = result.pixels_resumed / result.pixels
    gone_on = f"{resumed:.0%} were done before, " if result.pixels_resumed else ""
    return (
        f"geounet: {gone_on}{result.polygons:,} {noun} in {result.seconds['total']:.0f} s "
        f"({result.mpix_per_s:.2f} Mpx/s on {result.device}, {result.backend} {result.precision}, "
        f"tile {result.tile}, halo {result.halo}), "
        f"peak memory {result.peak_memory_bytes / 1e9:.1f} GB"
    )
