"""`geounet predict`: rasters in, footprints out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .options import infers, predict_options
from .progress import Bar


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
@click.option("-f", "--overwrite", is_flag=True, help="Replace outputs that exist.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="What was chosen and why; tracebacks.")
def command(
    inputs: tuple[str, ...], out: tuple[Path, ...], *, as_json: bool, quiet: bool, **rest: Any
) -> None:
    """Predict building footprints.

    Example: geounet predict big.tif --out buildings.gpkg --probability p.tif
    """
    from geounet.inputs import find_rasters
    from geounet.jobs import targets_of
    from geounet.predict import predict

    rasters = find_rasters(inputs)
    rest.pop("verbose")
    options = predict_options({**rest, "also": out[1:]})
    results = []
    for raster, target, chosen in targets_of(rasters, out[0], options):
        with Bar(Path(raster).name, "tile", quiet=quiet) as bar:
            result = predict(raster, target, chosen, bar)
        results.append(result)
        if not as_json:
            click.echo("\n".join(map(str, result.out)))
        if not quiet and not as_json:
            click.echo(_line(result), err=True)
    if as_json:
        click.echo(json.dumps(_summary(results)))


def _summary(results: list[Any]) -> dict[str, Any]:
    """The JSON object of interface: counts are sums, settings those of the first scene."""
    parts = [result.as_dict() for result in results]
    whole: dict[str, Any] = {"scenes": len(parts), "failed": [], **parts[0]}
    for key in ("pixels", "valid_pixels", "tiles", "tiles_skipped", "polygons"):
        whole[key] = sum(part[key] for part in parts)
    whole["out"] = [path for part in parts for path in part["out"]]
    stages = {stage for part in parts for stage in part["seconds"]}
    seconds = {s: sum(part["seconds"].get(s, 0.0) for part in parts) for s in sorted(stages)}
    whole["seconds"] = {stage: round(spent, 3) for stage, spent in seconds.items()}
    whole["mpix_per_s"] = round(whole["pixels"] / 1e6 / max(seconds["total"], 1e-9), 3)
    whole["peak_memory_bytes"] = max(part["peak_memory_bytes"] for part in parts)
    return whole


def _line(result: Any) -> str:
    noun = "footprint" if result.polygons == 1 else "footprints"
    return (
        f"geounet: {result.polygons:,} {noun} in {result.seconds['total']:.0f} s "
        f"({result.mpix_per_s:.2f} Mpx/s on {result.device}, {result.backend} {result.precision}, "
        f"tile {result.tile}, halo {result.halo}), "
        f"peak memory {result.peak_memory_bytes / 1e9:.1f} GB"
    )
