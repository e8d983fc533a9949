"""`geounet batch`: a folder of rasters in, a folder of footprints out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .known import files
from .options import SIDES, draws, infers, predict_options, says
from .progress import Bar
from .settings import configured
from .shard import infer_shares
from .spread import Spread, spreads

SOME_FAILED = 3


@click.command("batch", short_help="A survey: folders of rasters, one outcome each.")
@click.argument(
    "inputs", metavar="FOLDER|GLOB|LIST...", nargs=-1, required=True, shell_complete=files
)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path),
    help="Folder to write to: footprints of each scene, and a report; or FILE.gpkg: all scenes "
    "as one surface.",
)  # fmt: skip
@draws
@infers
@click.option("--resume", is_flag=True, help="Go on with what an unfinished survey had done.")
@click.option("-f", "--overwrite", is_flag=True, help="Replace what is there, do all again.")
@click.option(
    "--on-error",
    type=click.Choice(["skip", "fail"]),
    default="skip",
    show_default=True,
    help="With a scene that fails: go on, the exit code is 3 then; or stop.",
)
@click.option(
    "--overlap",
    type=click.Choice(["centre", "first", "newest"]),
    help="Of one surface, which scene counts where several have data: the one whose centre is "
    "nearest, the first by name, or the one taken last.  [centre]",
)
@click.option("--max-errors", type=click.IntRange(0), help="Stop when more scenes failed.")
@click.option(
    "--workers", type=click.IntRange(1),
    help="Processes that share the cores, a scene each.  [one for each GPU, else one]",
)  # fmt: skip
@configured
@spreads
@says
def command(
    inputs: tuple[str, ...],
    out: Path,
    *,
    on_error: str,
    max_errors: int | None,
    overlap: Any,
    workers: int | None,
    as_json: bool,
    quiet: bool,
    **rest: Any,
) -> int:
    """Predict all rasters of a survey; a bad one does not stop the rest.

    INPUTS are folders, which are searched to the bottom, globs, text files with a path a line,
    and rasters.

    Example: geounet batch sheets/ --out maps/

    Example: geounet batch sheets/ --out survey.gpkg
    """
    from geounet.errors import OptionError
    from geounet.survey.find import find_scenes
    from geounet.survey.job import SurveyOptions, survey
    from geounet.survey.shares import of_share
    from geounet.survey.workers import hands_of

    spread = Spread.taken(rest, workers)
    sides = (rest[side] for side in SIDES if rest[side] is not None)
    scenes = find_scenes(inputs, [out, *sides])
    most = 0 if on_error == "fail" else max_errors
    options = SurveyOptions(predict=predict_options(rest), max_errors=most, share=spread.share)
    if out.suffix.lower() == ".gpkg":
        if workers is not None:
            raise OptionError("--workers takes a scene each, one surface has none; leave it out")
        words = scenes, out, options, overlap or "centre"
        return _whole(spread, words, as_json=as_json, quiet=quiet)
    if overlap is not None:
        raise OptionError(f"--overlap is for one surface, got the folder {out}; name a FILE.gpkg")
    with spread.crew() as crew, Bar(out.name, "scene", quiet=quiet) as bar:
        hands = crew or hands_of(options.predict, workers)
        mine = scenes if spread.share is None else of_share(scenes, spread.share)
        tell = Told(bar, len(mine))
        found = survey(scenes, out, options, hands=hands, progress=tell.progress, told=tell.outcome)
    if as_json:
        click.echo(json.dumps(found.as_dict()))
    else:
        click.echo("\n".join(each.out for each in found.outcomes if each.out is not None))
    if not quiet and not as_json:
        click.echo(_line(found, out), err=True)
    return SOME_FAILED if found.failed else 0


def _whole(spread: Spread, words: Any, *, as_json: bool, quiet: bool) -> int:
    """Predict a survey that is one surface: here, on a cluster, or one shard of it."""
    from geounet.predict import predict
    from geounet.survey.whole import surface_of, survey_whole

    scenes, out, options, overlap = words
    if spread.share is not None:
        surface, asked = surface_of(scenes, out, options, overlap)
        unit = (surface, out, asked)
        infer_shares([unit], spread.share, spread.parts, as_json=as_json, quiet=quiet)
        return 0
    with spread.crew() as crew, Bar(out.name, "tile", quiet=quiet) as bar:
        done = predict if crew is None else crew.predict
        found = survey_whole(scenes, out, options, overlap, bar, predicted=done)
    return _told_whole(found, as_json=as_json, quiet=quiet)


def _told_whole(found: Any, *, as_json: bool, quiet: bool) -> int:
    """Tell of a survey that is one surface; return the exit code."""
    for each in found.failed:
        click.echo(f"geounet: error: {each.error}", err=True)
    click.echo(json.dumps(found.as_dict()) if as_json else "\n".join(map(str, found.result.out)))
    if not quiet and not as_json:
        click.echo(_words(found), err=True)
    return SOME_FAILED if found.failed else 0


def _words(found: Any) -> str:
    sheets, failed, result = len(found.outcomes), len(found.failed), found.result
    if result.finished_before:
        return f"geounet: {result.out[0]} was finished before; left alone"
    left = f", {failed:,} of them not wholly" if failed else ""
    return (
        f"geounet: {sheets:,} sheets as one surface{left}; {result.polygons:,} footprints in "
        f"{result.seconds['total']:.0f} s"
    )


class Told:
    """Tells of a survey as it goes: how far it is, and each scene that failed."""

    def __init__(self, bar: Bar, scenes: int) -> None:
        """Know how many scenes there are."""
        self._bar, self._done, self._scenes = bar, 0, scenes

    def outcome(self, outcome: Any) -> None:
        """Count a scene; of what is left those of earlier runs are no part."""
        if outcome.result is not None and outcome.result["finished_before"]:
            self._scenes -= 1
            return
        self._done += 1
        if outcome.error is not None:
            click.echo(f"geounet: error: {outcome.error}", err=True)
        self._bar(self._done, self._scenes)

    def progress(self, unit: Any, tiles: int, total: int) -> None:
        """Show how far a scene is."""
        self._bar(self._done, self._scenes, f"{unit.name} {tiles / max(total, 1):.0%}")


def _line(found: Any, out: Path) -> str:
    failed, scenes = len(found.failed), len(found.outcomes)
    done = sum(each.out is not None for each in found.outcomes)
    outside = scenes - failed - done
    words = [f"{done:,} of {scenes:,} scenes are done"]
    words += [f"{outside:,} lie outside the area"] if outside else []
    words += [f"{len(found.before):,} were before"] if found.before else []
    words += [f"{failed:,} failed"] if failed else []
    words += [f"outputs of {len(found.removed):,} that are gone removed"] if found.removed else []
    footprints = f"{sum(each.footprints for each in found.outcomes):,} footprints"
    where = out / "report.html"
    return f"geounet: {', '.join(words)}; {footprints} in {found.seconds:.0f} s; {where}"
