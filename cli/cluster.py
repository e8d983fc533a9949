"""`geounet cluster`: embeddings in, clusters and a page to explore them out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .kinds import AUTO
from .options import tells
from .progress import Bar


@click.command("cluster", short_help="Embeddings → clusters, pictures, the map layer.")
@click.argument("embeddings", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the report.",
)  # fmt: skip
@click.option(
    "--k", type=AUTO, default="auto", show_default=True,
    help="Number of clusters; auto: by silhouette, elbow and stability.",
)  # fmt: skip
@click.option(
    "--kmax", type=click.IntRange(2), default=10, show_default=True,
    help="Largest number that is tried.",
)  # fmt: skip
@click.option(
    "--method", type=click.Choice(["kmeans", "hdbscan"]), default="kmeans", show_default=True,
    help="hdbscan finds the number by itself and leaves noise out.",
)  # fmt: skip
@click.option(
    "--min-items", type=click.IntRange(2), default=10, show_default=True,
    help="Fewest items of a cluster of hdbscan.",
)  # fmt: skip
@click.option(
    "--column", "columns", multiple=True, default=("embedding",), show_default=True,
    help="Column of vectors; repeat it to lay several side by side.",
)  # fmt: skip
@click.option(
    "--standardise/--no-standardise", default=True, show_default=True,
    help="Divide each column by its standard deviation first.",
)  # fmt: skip
@click.option(
    "--dimensions", type=click.IntRange(0), default=64, show_default=True,
    help="Principal axes that are compared; 0: all columns as they are.",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of chance.")
@click.option(
    "--labels", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A few labelled items (CSV with id, or a layer): clusters are named after them.",
)  # fmt: skip
@click.option(
    "--label-by", metavar="NAME", help="Column of the labels.  [label, damage, class, name]"
)
@click.option(
    "--activations", is_flag=True,
    help="Also activations.png: where the network looked in the items nearest each centre.",
)  # fmt: skip
@click.option(
    "--images", type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder that has the rasters of the embeddings.  [default: where they were]",
)  # fmt: skip
@click.option(
    "--model", type=click.Path(path_type=Path),
    help="File of the embeddings' model.  [default: the bundled one of that name]",
)  # fmt: skip
@tells
def command(embeddings: Path, out: Path, *, as_json: bool, quiet: bool, **rest: Any) -> None:
    """Group what the network saw alike, choose how many groups there are, and show them.

    Example: geounet cluster tiles.parquet --out clusters
    """
    from geounet.cluster import ClusterJob, cluster_embeddings
    from geounet.embeddings.clusters import ClusterOptions

    names = ("columns", "labels", "label_by", "activations", "images", "model", "overwrite")
    job = {name: rest.pop(name) for name in names}
    rest["k"] = None if rest["k"] == "auto" else rest["k"]
    with Bar(embeddings.name, "step", quiet=quiet) as bar:
        said = cluster_embeddings(
            embeddings, out, ClusterJob(how=ClusterOptions(**rest), **job), bar
        )
    if as_json:
        click.echo(json.dumps(said))
        return
    click.echo("\n".join(said["out"]))
    if not quiet:
        choice, mean = said["choice"], said["silhouette"]
        told = "" if mean is None else f", mean silhouette {mean:.2f}"
        click.echo(
            f"geounet: {said['k']} clusters of {said['items']:,} items{told} "
            f"(silhouette says {choice['by_silhouette']}, elbow {choice['by_elbow'] or 'nothing'})",
            err=True,
        )
