"""`geounet masks`: annotations in, mask rasters out."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from .options import tells
from .progress import Bar

SOME_FAILED = 3


@click.command("masks", short_help="Annotations (VIA, COCO, vectors) as mask rasters.")
@click.argument("annotations", type=click.Path(path_type=Path))
@click.option(
    "--images", required=True, type=click.Path(path_type=Path), help="Folder of the images."
)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path), help="Folder of the masks."
)
@click.option(
    "--where", metavar="NAME=VALUE", multiple=True,
    help="Only shapes with this attribute; repeat it to ask for several at once.",
)  # fmt: skip
@click.option(
    "--class-by", metavar="NAME",
    help="Attribute whose values are classes; the larger number stands where two overlap.",
)  # fmt: skip
@click.option("--layer", help="Layer of a vector file.  [the first]")
@click.option(
    "--sheet", type=click.Path(path_type=Path),
    help="Also write a contact sheet to look at (.png): image, mask, overlay, masked image.",
)  # fmt: skip
@tells
def command(
    annotations: Path, images: Path, out: Path, *,
    where: tuple[str, ...], as_json: bool, quiet: bool, **rest: Any,
) -> None:  # fmt: skip
    """Draw annotations as masks: VIA 1 and 2, COCO, GeoJSON or GeoPackage over placed images.

    Example: geounet masks regions.json --images photos --out masks --sheet look.png
    """
    from geounet.masks import MasksOptions, make_masks

    asked = tuple(_pair(words) for words in where)
    with Bar(annotations.name, "image", quiet=quiet) as bar:
        result = make_masks(annotations, images, out, MasksOptions(where=asked, **rest), bar)
    for line in (*result.doubtful, *result.left_out):
        click.echo(f"geounet: warning: {line}", err=True)
    for name in result.missing:
        click.echo(f"geounet: warning: {annotations}: {name} is not in {images}", err=True)
    if as_json:
        click.echo(json.dumps(asdict(result), default=str, ensure_ascii=False))
    else:
        click.echo("\n".join(map(str, result.out)))
    if not quiet:
        named = ", ".join(f"{at} {name}" for at, name in enumerate(result.classes, 1))
        line = f"{len(result.out):,} masks of {result.shapes:,} shapes"
        click.echo(f"geounet: {line}{f' ({named})' if named else ''}", err=True)
    if result.missing or result.left_out:
        click.get_current_context().exit(SOME_FAILED)


def _pair(words: str) -> tuple[str, str]:
    name, equals, value = words.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{words!r} is not NAME=VALUE", param_hint="--where")
    return name, value
