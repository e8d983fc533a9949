"""A survey as one surface: one file of footprints, and a line of the report a sheet."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from geounet.errors import OptionError, SurveyError
from geounet.footprints.origin import origin_of
from geounet.kept import Kept
from geounet.outputs import check_target
from geounet.predict import predict
from geounet.result import summed
from geounet.surface import Anchor, Surface, SurfaceOptions
from geounet.survey.report import write_lines
from geounet.survey.work import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from geounet.options import PredictOptions
    from geounet.result import Result
    from geounet.surface import Overlap
    from geounet.survey.find import Scene
    from geounet.survey.job import SurveyOptions

SUFFIX, LINES = ".gpkg", ".report.jsonl"


Predicted = Callable[[Surface, "Path", "PredictOptions", Callable[[int, int], None]], "Result"]
"""What predicts a surface."""


@dataclass(frozen=True)
class Whole:
    """What became of a survey that is one surface."""

    result: Result
    """Of the surface."""
    outcomes: tuple[Outcome, ...]
    """One a sheet, by name; `seconds` is its share by pixels."""

    @property
    def failed(self) -> list[Outcome]:
        """Sheets that were left out, wholly or in part."""
        return [each for each in self.outcomes if each.error is not None]

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        lost = [{"raster": each.raster, "error": str(each.error)} for each in self.failed]
        return summed([self.result.as_dict()], lost) | {"scenes": len(self.outcomes)}


def survey_whole(
    scenes: Sequence[Scene],
    out: Path,
    options: SurveyOptions,
    overlap: Overlap = "centre",
    progress: Callable[[int, int], None] = lambda *_: None,
    *,
    predicted: Predicted = predict,
) -> Whole:
    """Predict all scenes as one surface into one GeoPackage; what did not change is kept.

    Args:
        scenes: of `find_scenes`; those that cannot be part of it are left out and told.
        out: file to write; the report appears beside it.
        options: everything else; `crs` also chooses whose pixels are those of the surface.
        overlap: which sheet counts where several have data.
        progress: called with tiles done and tiles in total.
        predicted: does it, in this process or elsewhere.

    Raises:
        GeounetError: it cannot be done as it is asked for.
        SurveyError: too many sheets cannot be used; nothing was begun.
    """
    started = time.perf_counter()
    surface, asked = surface_of(scenes, out, options, overlap)
    result = predicted(surface, out, asked, progress)
    seconds = time.perf_counter() - started
    whole = Whole(result, tuple(_outcomes(scenes, surface, out, seconds)))
    write_lines(_report(out), whole.outcomes)
    return whole


def surface_of(
    scenes: Sequence[Scene], out: Path, options: SurveyOptions, overlap: Overlap
) -> tuple[Surface, PredictOptions]:
    """Return the surface of all scenes, and how it is predicted.

    Raises:
        GeounetError: it cannot be done as it is asked for.
        SurveyError: too many sheets cannot be used.
    """
    report = _report(out)
    asked = replace(options.predict, on_error="fail" if options.max_errors == 0 else "skip")
    kept = None if asked.overwrite else Kept.beside(out)
    if kept is not None and asked.embeddings is not None:
        raise OptionError(
            f"{out}: what it is made of is kept, embeddings are not; pass --overwrite to make all "
            "of it again, or leave --embeddings out"
        )
    if kept is not None:  # then the same command again does what is new
        asked = replace(asked, resume=True)
    for path, suffix in ((out, SUFFIX), (report, ".jsonl")):
        again = asked.overwrite or asked.resume
        check_target(path, overwrite=again or path is out, suffixes=(suffix,))
    wanted = SurfaceOptions(
        overlap=overlap, crs=asked.crs, bands=asked.bands, allow_vrt=asked.allow_vrt,
        anchor=None if kept is None else Anchor(kept.transform, kept.cell),
    )  # fmt: skip
    surface = Surface.of([scene.raster for scene in scenes], wanted)
    _check_errors(surface, len(scenes), options.max_errors)
    return surface, asked


def _report(out: Path) -> Path:
    return out.with_name(out.stem + LINES)


def _check_errors(surface: Surface, sheets: int, most: int | None) -> None:
    if most is not None and len(surface.refused) > most:
        raise SurveyError(
            f"{len(surface.refused)} of {sheets} sheets cannot be used (at most {most} may be left "
            f"out), the first: {surface.refused[0].why}"
        )


def _outcomes(
    scenes: Sequence[Scene], surface: Surface, out: Path, seconds: float
) -> Iterator[Outcome]:
    """Yield what became of each sheet, by the names of the survey."""
    why = {each.path: each.why for each in surface.refused}
    lost = {path: f"{error}; the rest was predicted" for path, error in surface.troubles.items()}
    sizes = {each.path: each.info.height * each.info.width for each in surface.sheets}
    names = {each.path: each.name for each in surface.sheets}
    counts = _footprints(out)
    for scene in scenes:
        there = scene.raster in sizes
        share = sizes[scene.raster] / sum(sizes.values()) if there else 0.0
        yield Outcome(
            name=scene.name,
            raster=scene.raster,
            out=str(out) if there else None,
            footprints=counts.get(names[scene.raster], 0) if there else 0,
            seconds=round(seconds * share, 3),
            error=lost.get(scene.raster) if there else why[scene.raster],
        )


def _footprints(out: Path) -> Counter[str]:
    """Return how many footprints name each sheet as their source."""
    origin = origin_of(out)
    assert origin is not None, out
    counts: Counter[str] = Counter()
    with closing(sqlite3.connect(f"{out.absolute().as_uri()}?mode=ro", uri=True)) as file:
        for layer in origin[0]["model"]["layers"]:
            table = layer.replace('"', '""')
            query = f'SELECT source, count(*) FROM "{table}" GROUP BY source'  # noqa: S608 - ours
            counts.update(dict(file.execute(query).fetchall()))
    return counts
