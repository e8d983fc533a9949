"""`geounet evaluate`: a prediction and the truth in, scores and a report out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .options import ALLOW_VRT, tells
from .progress import Bar


@click.command("evaluate", short_help="A prediction against the truth: every score, one report.")
@click.argument("prediction", type=click.Path(path_type=Path, exists=True))
@click.argument("truth", type=click.Path(path_type=Path, exists=True))
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the report."
)
@click.option(
    "--images", type=click.Path(path_type=Path, exists=True),
    help="The image, or a folder of them: shown in the report; the grid of vector layers.",
)  # fmt: skip
@click.option(
    "--values",
    type=click.Choice(["mask", "classes", "damage"]),
    default="mask",
    show_default=True,
    help="What pixels but 0 are: set, a class's number, or damage from 1 to 4 (xView2).",
)
@click.option(
    "--class-by", metavar="NAME",
    help="Column of a vector layer that holds the class.  [class, or damage]",
)  # fmt: skip
@click.option(
    "--threshold", type=float, default=0.5, show_default=True,
    help="Probability from which a pixel is a building.",
)  # fmt: skip
@click.option("--layer", help="Layer of the prediction.  [the first]")
@click.option("--truth-layer", help="Layer of the truth.  [the first]")
@click.option(
    "--gsd", type=float, default=0.5, show_default=True,
    help="Metres a pixel where two vector layers are compared without images.",
)  # fmt: skip
@click.option(
    "--boundary", type=click.IntRange(1), default=2, show_default=True,
    help="Pixels from an edge that count for the boundary IoU.",
)  # fmt: skip
@click.option("--boundary-m", type=float, help="The same in metres.")
@click.option(
    "--stride", type=click.IntRange(1),
    help="Pixels from seam to seam of the prediction's tiles, tile - 2 halo: F1 by distance.",
)  # fmt: skip
@ALLOW_VRT
@tells
def command(
    prediction: Path, truth: Path, out: Path, *, as_json: bool, quiet: bool, **rest: Any
) -> None:
    """Compare rasters, folders of rasters or vector layers, in any mix and any CRS.

    Example: geounet evaluate buildings.gpkg truth.gpkg --images town.tif --out report
    """
    from geounet.evaluate import OUTPUTS, EvaluateOptions, evaluate

    with Bar(prediction.name, "row", quiet=quiet) as bar:
        said = evaluate(prediction, truth, out, EvaluateOptions(**rest), bar)
    if as_json:
        click.echo(json.dumps(said))
        return
    click.echo("\n".join(str(out / name) for name in OUTPUTS))
    if not quiet:
        pixels, objects = said["pixels"]["of_all_pixels"], said["objects"]
        click.echo(
            f"geounet: pixel IoU {pixels['iou']:.3f}, F1 {pixels['f1']:.3f}; object F1 "
            f"{objects['f1']:.3f} at IoU 0.5 ({objects['true_positives']:,} found, "
            f"{objects['false_positives']:,} false, {objects['false_negatives']:,} missed)",
            err=True,
        )
