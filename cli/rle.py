"""`geounet rle`: run-length files ↔ rasters and footprints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .known import files
from .options import ALLOW_VRT, JSON, VERBOSE, tells
from .progress import Bar

ORDER = click.option(
    "--order",
    type=click.Choice(["column", "row"]),
    default="column",
    show_default=True,
    help="How pixels are counted; COCO and Kaggle count down the columns.",
)


@click.group("rle", short_help="Run-length files (COCO, Kaggle) from and to rasters.")
def command() -> None:
    """Encode masks as run lengths, decode them, look into them.

    Example: geounet rle decode labels.csv --images photos --out masks
    """


@command.command("encode")
@click.argument("inputs", metavar="RASTER...|VECTOR", nargs=-1, required=True, shell_complete=files)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path),
    help="File to write: .json (COCO) or .csv (Kaggle).",
)  # fmt: skip
@click.option(
    "--values",
    type=click.Choice(["mask", "classes", "instances"]),
    default="mask",
    show_default=True,
    help="What pixels but 0 are: set, a class's number, or an object's number.",
)
@ORDER
@click.option("--list", "listed", is_flag=True, help="COCO's plain lists, not its compressed text.")
@click.option(
    "--like", type=click.Path(path_type=Path), help="Raster whose grid a vector file is drawn on."
)
@ALLOW_VRT
@tells
def encode(
    inputs: tuple[str, ...], out: Path, *, listed: bool, as_json: bool, quiet: bool, **rest: Any
) -> None:
    """Write the run lengths of masks, or of a vector file's polygons drawn on a grid.

    Example: geounet rle encode mask.tif --out mask.json
    """
    from geounet.exchange.encode import EncodeOptions, encode_files

    count = encode_files(inputs, out, EncodeOptions(compact=not listed, **rest))
    if as_json:
        click.echo(json.dumps({"out": [str(out)], "objects": count}))
        return
    click.echo(out)
    if not quiet:
        click.echo(f"geounet: {count:,} object{'s' * (count != 1)}", err=True)


@command.command("decode")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path),
    help="Folder for one class raster an image; or one .tif, or one .gpkg of footprints.",
)  # fmt: skip
@click.option(
    "--images", type=click.Path(path_type=Path),
    help="Folder of the images: their sizes and places in the world.",
)  # fmt: skip
@ORDER
@click.option("--category", help="Only objects of this COCO category.")
@tells
def decode(file: Path, out: Path, *, as_json: bool, quiet: bool, **rest: Any) -> None:
    """Write the masks, or footprints, that a run-length file holds.

    Example: geounet rle decode labels.csv --images photos --out masks
    """
    from geounet.exchange.decode import DecodeOptions, decode_file

    with Bar(file.name, "image", quiet=quiet) as bar:
        targets = decode_file(file, out, DecodeOptions(**rest), bar)
    if as_json:
        click.echo(json.dumps({"out": [str(target) for target in targets]}))
        return
    click.echo("\n".join(map(str, targets)))


@command.command("info")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--images", type=click.Path(path_type=Path),
    help="Folder of the images of a .csv: their sizes.",
)  # fmt: skip
@ORDER
@JSON
@VERBOSE
def info(file: Path, *, as_json: bool, **rest: Any) -> None:
    """Check every run length of a file, and say what it holds.

    Example: geounet rle info mask.json
    """
    from geounet.exchange.decode import DecodeOptions, summary

    found = summary(file, DecodeOptions(**rest))
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    for key, value in found.items():
        click.echo(f"{key}: {value:,}" if isinstance(value, int) else f"{key}: {value}")
