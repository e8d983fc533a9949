"""`geounet batch`: a folder of rasters in, a folder of footprints out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .options import draws, infers, predict_options
from .progress import Bar

SOME_FAILED = 3


@click.command("batch", short_help="A survey: folders of rasters, one outcome each.")
@click.argument("inputs", metavar="FOLDER|GLOB|LIST...", nargs=-1, required=True)
@click.option(
    "-o", "--out", required=True, type=click.Path(path_type=Path),
    help="Folder to write to: footprints of each scene, and a report.",
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
@click.option("--max-errors", type=click.IntRange(0), help="Stop when more scenes failed.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("-v", "--verbose", is_flag=True, help="What was chosen and why; tracebacks.")
def command(
    inputs: tuple[str, ...],
    out: Path,
    *,
    on_error: str,
    max_errors: int | None,
    as_json: bool,
    quiet: bool,
    **rest: Any,
) -> int:
    """Predict all rasters of a survey; a bad one does not stop the rest.

    INPUTS are folders, which are searched to the bottom, globs, text files with a path a line,
    and rasters.

    Example: geounet batch sheets/ --out maps/
    """
    from geounet.result import summed
    from geounet.survey.find import find_scenes
    from geounet.survey.job import SurveyOptions, survey

    rest.pop("verbose")
    options = predict_options(rest)
    scenes = find_scenes(inputs, [out])
    most = 0 if on_error == "fail" else max_errors
    with Bar(out.name, "scene", quiet=quiet) as bar:
        done = 0

        def progress(unit: Any, tiles: int, total: int) -> None:
            bar(done, len(scenes), f"{unit.name} {tiles / total:.0%}")

        def told(outcome: Any) -> None:
            nonlocal done
            done += 1
            if outcome.error is not None:
                click.echo(f"geounet: error: {outcome.error}", err=True)
            bar(done, len(scenes), outcome.name)

        found = survey(
            scenes, out, SurveyOptions(predict=options, max_errors=most),
            progress=progress, told=told,
        )  # fmt: skip
    if as_json:
        results = [each.result for each in found.outcomes if each.result is not None]
        failed = [{"raster": each.raster, "error": each.error or ""} for each in found.failed]
        click.echo(json.dumps(summed(results, failed)))
    else:
        click.echo("\n".join(each.out for each in found.outcomes if each.out is not None))
    return SOME_FAILED if found.failed else 0
