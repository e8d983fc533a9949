"""`geounet predict --shard`: one share of each raster, written as a part."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .progress import Bar

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from geounet.shards.share import Share

MERGED = ("probability", "mask", "rle", "report", "project")
"""Side outputs that are made by the merge."""


def share_of(shard: str | None, parts: str | None) -> Share | None:
    """Return the share that was typed; None without one."""
    if shard is None:
        if parts is not None:
            raise click.UsageError("--parts says where --shard writes; give both, or neither")
        return None
    from geounet.shards.share import Share

    return Share.parse(shard)


def infer_shares(
    jobs: Iterable[tuple[Any, Path, Any]],
    share: Share,
    parts: str | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    """Infer a share of each raster.

    Args:
        jobs: raster or surface, output and options of each.
        share: which share.
        parts: folder or URL of the parts; None = beside the output.
        as_json: print one JSON object.
        quiet: no progress.
    """
    from geounet.shards.infer import Task, infer

    done = []
    for raster, out, options in jobs:
        task = Task(raster=raster, out=out, options=options, share=share, parts=parts)
        with Bar(f"{out.name} {share}", "tile", quiet=quiet) as bar:
            done.append(infer(task, bar))
        if as_json:
            continue
        click.echo(done[-1].path)
        if not quiet:
            click.echo(_line(task, done[-1]), err=True)
    if as_json:
        click.echo(json.dumps({"out": [each.path for each in done], "parts": [*map(asdict, done)]}))


def _line(task: Any, done: Any) -> str:
    work = done.work
    what = f"{work.pixels / 1e6:,.1f} Mpx in {work.seconds['total']:.0f} s"
    if done.finished_before:
        what = "was finished before, left alone"
    words = ["geounet", "merge", task.place, "--out", str(task.out)]
    for out in task.options.also:
        words += ["--out", str(out)]
    for side in MERGED:
        if getattr(task.options, side) is not None:
            words += [f"--{side}", str(getattr(task.options, side))]
    return f"geounet: shard {task.share}: {what}; with all of them there: {shlex.join(words)}"
