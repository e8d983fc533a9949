"""`geounet damage`: two dates in, a map of where to look first out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .kinds import AUTO
from .known import files
from .options import inference, infers, tells
from .progress import Bar


@click.command("damage", short_help="Before and after a storm: where to look first.")
@click.argument("post", shell_complete=files)
@click.option("--pre", help="Image from before, in any CRS and GSD.  [clusters of POST alone]")
@click.option(
    "--buildings", default="predict", show_default=True,
    help="Vector file in any CRS, as they stood before; predict: those the model finds.",
)  # fmt: skip
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path),
    help="GeoPackage to write; pictures go to a folder beside it.",
)  # fmt: skip
@click.option(
    "--labels", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A few graded buildings (CSV with id, or a layer): grades for all of them.",
)  # fmt: skip
@click.option(
    "--label-by", metavar="NAME", help="Column of the grades.  [label, damage, class, name]"
)
@click.option(
    "--gsd", type=click.FloatRange(0, min_open=True),
    help="Ground sample distance of both images, m.  [that of the coarser one, 0.5 at least]",
)  # fmt: skip
@click.option(
    "--cell", type=float, default=50.0, show_default=True, help="Edge of a tile of ground, m."
)
@click.option(
    "--k", type=AUTO, default="auto", show_default=True,
    help="Number of clusters; auto: by silhouette, elbow and stability.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of chance.")
@infers
@tells
def command(post: str, out: Path, *, as_json: bool, quiet: bool, **rest: Any) -> None:
    """Tell how much each building changed between two dates, and which look alike.

    Example: geounet damage storm_post.tif --pre storm_pre.tif --buildings houses.gpkg --out d.gpkg
    """
    from geounet.damage.job import assess
    from geounet.damage.layers import SAYS
    from geounet.damage.options import DamageOptions

    rest["k"] = None if rest["k"] == "auto" else rest["k"]
    with Bar(Path(post).name, "tile", quiet=quiet) as bar:
        result = assess(post, out, DamageOptions(**inference(rest)), bar)
    if as_json:
        click.echo(json.dumps(result.as_dict()))
        return
    click.echo(SAYS)
    click.echo("\n".join(map(str, result.out)))
    if not quiet:
        click.echo(f"geounet: {_line(result)}", err=True)


def _line(result: Any) -> str:
    words = [
        (
            f"{result.buildings:,} buildings in {result.k} clusters, mean silhouette "
            f"{result.silhouette:.2f}, at {result.gsd:.2g} m"
        )
    ]
    if result.shift is not None and result.shift.sure:
        east, south, local = result.shift.east, result.shift.south, len(result.shift.places)
        told = f"; it varies, {local} places have their own" if local else ""
        words.append(f"POST lies {east:+.1f} m east, {south:+.1f} m south of PRE{told}")
    if result.graded:
        words.append(f"grades learnt from {result.graded:,} labelled buildings")
    return "; ".join(words)


UNUSED = {"threshold", "blend", "tta"}
_SHOWN = {option.name: option for option in reversed(command.params)}  # the first of a name stays
command.params = [each for each in command.params if _SHOWN.get(each.name) is each]
command.params = [option for option in command.params if option.name not in UNUSED]
"""Options of inference that concern the probability alone are not offered; `--gsd` is that of two
images."""
