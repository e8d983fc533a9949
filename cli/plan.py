"""`geounet plan`: what predict would do and take, and all that speaks against it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .known import files
from .options import predict_options
from .predict import command as predict_command

REFUSED = 2


@click.command("plan", short_help="What predict would do, take, and stumble over: a dry run.")
@click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, shell_complete=files)
@click.option(
    "-o",
    "--out",
    multiple=True,
    type=click.Path(path_type=Path),
    help="As for predict: checked, and its disk looked at.  [a .gpkg in this folder, unchecked]",
)
def command(
    inputs: tuple[str, ...], out: tuple[Path, ...], *, as_json: bool, quiet: bool, **rest: Any
) -> int:
    """Say what predict would do with these rasters, with the same options; write nothing.

    Tiles, the share without data, memory, disk, time from a short probe of this machine, and
    every mismatch between raster and model with the flag that cures it. The exit code is 0 when
    all of it would run, 2 when something would be refused.

    Example: geounet plan big.tif --out buildings.gpkg --probability p.tif
    """
    from geounet.forecast.job import Forecaster

    told = []
    forecaster = Forecaster()
    for raster, target, options in _jobs(inputs, out, rest):
        told.append(forecaster.forecast(raster, target, options))
        if not as_json and not quiet:
            click.echo(_report(told[-1]))
    if as_json:
        click.echo(json.dumps(_summary(told)))
    elif quiet or len(told) > 1:
        click.echo(_table(told))
    refused = [each for each in told if each.refused]
    if not as_json and not refused:
        click.echo("it would run" if len(told) == 1 else "all of them would run")
    if refused:
        reasons = sum(len(each.refused) for each in refused)
        noun = "reason" if reasons == 1 else "reasons"
        click.echo(f"geounet: error: predict would refuse this ({reasons} {noun} above)", err=True)
    return REFUSED if refused else 0


def _jobs(inputs: tuple[str, ...], out: tuple[Path, ...], rest: dict[str, Any]) -> list[Any]:
    """Each raster with its output, or None, and its options."""
    from geounet.inputs import find_rasters
    from geounet.survey.work import planned

    rasters = find_rasters(inputs)
    options = predict_options({**rest, "also": out[1:]})
    if not out:
        return [(raster, None, options) for raster in rasters]
    units = planned(rasters, out[0], options)
    checked = len(rasters) == 1 or out[0].exists()  # predict makes a folder that is not there
    return [(unit.raster, unit.out if checked else None, unit.options) for unit in units]


def _report(told: Any) -> str:
    """One raster in lines."""
    lines = [f"{told.raster}"]
    info, settled, census = told.info, told.settled, told.census
    words = told.as_dict()
    if info is not None:
        gsd = "no ground" if info.gsd is None else f"{info.gsd:.3g} m"
        lines.append(_line("raster", f"{info.width:,} × {info.height:,} pixels, {info.count} bands "
                           f"of {info.dtype}, {gsd}"))  # fmt: skip
    if settled is not None:
        plan, engine, grid = settled.plan, settled.engine, told.grid
        seen = (
            "" if grid.shape == info.shape else f", resampled to {grid.width:,} × {grid.height:,}"
        )
        lines.append(_line("model", f"{told.model}, {words['backend']} {words['precision']} on "
                           f"{engine.device}{seen}"))  # fmt: skip
        tiles = (
            f"{len(plan.grid):,} of {plan.grid.tile} pixels, halo {plan.grid.halo}, {plan.blend}"
        )
        lines.append(_line("tiles", tiles))
    if census is not None:
        share = census.skipped / census.tiles
        lines.append(_line("skipped", f"{census.skipped:,} tiles ({share:.1%}) by {census.by}"))
    if settled is not None:
        lines.append(_line("memory", f"about {settled.plan.memory / 1e9:.2f} GB"))
        lines.append(
            _line("disk", f"up to {_amount(told.disk)}, {_amount(told.disk_free)} are free")
        )
    if told.seconds is not None:
        lines.append(_line("time", f"about {_clock(told.seconds)}"))
    lines += [_line("mind", text) for text in told.minded]
    lines += [_line("refused", text) for text in told.refused]
    return "\n".join(lines)


def _line(name: str, text: str) -> str:
    return f"  {name:<9}{' '.join(text.split())}"


def _amount(size: float) -> str:
    from geounet.space import amount

    return amount(size)


def _clock(seconds: float) -> str:
    """A time in words that are no more exact than it is."""
    minutes = seconds / 60
    if minutes < 2:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    return f"{minutes:.0f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"  # noqa: PLR2004


def _table(told: list[Any]) -> str:
    """Several rasters, and their sum."""
    rows = [("raster", "Mpx", "tiles", "skipped", "memory", "disk", "time", "")]
    for each in told:
        fields = each.as_dict()
        ran = each.census is not None
        rows.append((
            Path(each.raster).name, f"{fields.get('pixels', 0) / 1e6:,.1f}",
            f"{fields.get('tiles', 0):,}", f"{fields['tiles_skipped']:,}" if ran else "",
            f"{fields.get('memory_bytes', 0) / 1e9:.2f} GB", _amount(each.disk),
            _clock(each.seconds) if ran else "", "refused" if each.refused else "",
        ))  # fmt: skip
    sums = _summary(told)
    rows.append((
        f"{len(told)} in all", f"{sums['pixels'] / 1e6:,.1f}", f"{sums['tiles']:,}",
        f"{sums['tiles_skipped']:,}", f"{sums['memory_bytes'] / 1e9:.2f} GB",
        _amount(sums["disk_bytes"]), _clock(sums["seconds"]),
        f"{sums['refused']} refused" if sums["refused"] else "",
    ))  # fmt: skip
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if at in (0, len(widths) - 1) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _summary(told: list[Any]) -> dict[str, Any]:
    """The JSON object: each raster, and their sum; memory is that of the largest."""
    scenes = [each.as_dict() for each in told]
    summed = ("pixels", "tiles", "tiles_skipped", "disk_bytes", "seconds")
    whole: dict[str, Any] = {name: sum(scene.get(name) or 0 for scene in scenes) for name in summed}
    memory = max((scene.get("memory_bytes", 0) for scene in scenes), default=0)
    refused = sum(not scene["runs"] for scene in scenes)
    return {"scenes": scenes, **whole, "memory_bytes": memory, "refused": refused}


command.params += [
    param
    for param in predict_command.params
    if param.name not in {"shard", "parts", *(own.name for own in command.params)}
]
"""The options are predict's own, so that the answer is about that very run, all of it."""
