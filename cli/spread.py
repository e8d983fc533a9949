"""Options that spread the work: shards without a scheduler, or a cluster on Dask."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import click

from .options import gives

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geounet.fleet.crew import Crew
    from geounet.shards.share import Share

SPREADING = (
    click.option(
        "--shard", metavar="I/N",
        help="Do the I-th of N shares alone; geounet merge joins them.",
    ),
    click.option(
        "--scheduler", metavar="ADDRESS",
        help="Work on a Dask cluster: tcp://HOST:PORT, or its scheduler file.",
    ),
    click.option(
        "--cluster", type=click.IntRange(1), metavar="N",
        help="Work on a Dask cluster of N processes of this machine.",
    ),
    click.option(
        "--parts", metavar="PLACE",
        help="Folder or URL, such as s3://bucket/parts, for cells on their way.  [OUT.parts]",
    ),
)  # fmt: skip


spreads = gives(*SPREADING)


@dataclass(frozen=True)
class Spread:
    """Who does the work."""

    share: Share | None
    """Which share is done, of how many; None = all."""
    scheduler: str | None
    """Address or file of a cluster's scheduler."""
    cluster: int | None
    """Processes to start."""
    parts: str | None
    """Where cells are kept on their way."""

    @classmethod
    def taken(cls, rest: dict[str, Any], workers: int | None) -> Self:
        """Take its options out of what was typed."""
        from geounet.shards.share import Share

        shard, names = rest.pop("shard"), ("scheduler", "cluster", "parts")
        scheduler, cluster, parts = (rest.pop(name) for name in names)
        ways = {"--shard": shard, "--scheduler": scheduler, "--cluster": cluster}
        given = [name for name, word in ways.items() if word is not None]
        given += ["--workers"] if workers is not None and given != ["--shard"] else []
        if len(given) > 1:
            raise click.UsageError(f"{' and '.join(given)} are two ways to work; leave one out")
        if parts is not None and not given:
            raise click.UsageError(
                "--parts says where shards and clusters write; give --shard, --scheduler or "
                "--cluster too"
            )
        return cls(None if shard is None else Share.parse(shard), scheduler, cluster, parts)

    @contextmanager
    def crew(self) -> Iterator[Crew | None]:
        """Yield the workers of the cluster that was asked for; None without one."""
        if self.scheduler is None and self.cluster is None:
            yield None
            return
        from geounet.fleet.cluster import Cluster, connected
        from geounet.fleet.crew import Crew

        cluster = Cluster(scheduler=self.scheduler, workers=self.cluster)
        with connected(cluster) as client:
            yield Crew(client, self.parts)
