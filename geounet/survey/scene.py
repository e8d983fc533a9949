"""One unit, one outcome: what goes wrong with a scene is said, and concerns that scene alone."""

from __future__ import annotations

import sqlite3
import time
import warnings
from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geounet.backends.choose import settle
from geounet.backends.ready import Ready
from geounet.baselines.model import Baseline
from geounet.errors import (
    GeounetError,
    GeounetWarning,
    OptionError,
    OutputError,
    OutsideError,
    TargetError,
)
from geounet.footprints.table import map_crs
from geounet.plan import make_plan
from geounet.predict import predict
from geounet.prepare import InferenceOptions, named
from geounet.sources import identity
from geounet.state import State
from geounet.survey.picture import draw_picture
from geounet.survey.work import Outcome, Unit

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

    from geounet.options import PredictOptions
    from geounet.result import Result
    from geounet.survey.work import Progress

BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
FAILS = (GeounetError, OSError, MemoryError, RuntimeError, sqlite3.Error, *BUGS)
"""How a scene may fail; also a bug of ours ends one scene, not a night's work."""

ANY = (256, 256)
"""Shape of a scene, when none is known yet."""


def run_scene(unit: Unit, progress: Progress = lambda *_: None) -> Outcome:
    """Predict one scene; any process can, and keeps the model for the next one.

    Args:
        unit: what is to be done.
        progress: called with the unit, tiles done and tiles in total.

    Returns:
        What became of it; where it failed there is no output.
    """
    started = time.perf_counter()
    try:
        result = _predicted(unit, progress)
    except FAILS as error:
        return ended(unit, error, time.perf_counter() - started)
    return succeeded(unit, result, time.perf_counter() - started)


def _predicted(unit: Unit, progress: Progress) -> Result:
    """Go on with what this survey had begun; if that was of an earlier raster, begin again."""
    ready, options = kept_model(unit.options), unit.options

    def tiles(done: int, total: int) -> None:
        progress(unit, done, total)

    if unit.ours and options.resume:
        try:
            return predict(unit.raster, unit.out, options, tiles, ready)
        except OutsideError:
            raise
        except (OptionError, TargetError):
            options = replace(options, resume=False, overwrite=True)
    return predict(unit.raster, unit.out, options, tiles, ready)


def in_turn(units: Iterable[Unit], progress: Progress) -> Generator[Outcome, None, None]:
    """Do one unit after the other in this process."""
    for unit in units:
        yield run_scene(unit, progress)


def succeeded(unit: Unit, result: Result, seconds: float) -> Outcome:
    """Draw what a scene's outputs show, and return their outcome."""
    with suppress(*FAILS):  # no picture is no failure
        draw_picture(unit)
    return Outcome(
        name=unit.name,
        raster=unit.raster,
        out=str(unit.out),
        footprints=result.polygons,
        seconds=round(seconds, 3),
        result=result.as_dict(),
    )


def ended(unit: Unit, error: BaseException, seconds: float) -> Outcome:
    """Return the outcome of a unit that came to no result.

    Where the area asked for does not touch it that is right; of a raster that is of no use now
    nothing that was begun is kept.
    """
    if isinstance(error, OutsideError):
        return Outcome(name=unit.name, raster=unit.raster, out=None, footprints=0, seconds=0.0)
    hopeless = _is_hopeless(unit, error)
    if hopeless:
        _drop_state(unit)
    return failed(unit, _reason(error), seconds, hopeless=hopeless)


def failed(unit: Unit, error: str, seconds: float = 0.0, *, hopeless: bool = False) -> Outcome:
    """Return the outcome of a unit that has no result; its error names the raster."""
    return Outcome(
        name=unit.name,
        raster=unit.raster,
        out=None,
        footprints=0,
        seconds=round(seconds, 3),
        error=error if unit.raster in error else f"{unit.raster}: {error}",
        hopeless=hopeless,
    )


def _reason(error: BaseException) -> str:
    """What went wrong, in one line."""
    words = " ".join(str(error).split())
    if isinstance(error, GeounetError):
        return words
    if isinstance(error, MemoryError):
        return f"out of memory ({words}); try a smaller --tile, or --max-memory"
    if isinstance(error, OSError):
        return f"{words}; check free space and permissions"
    return f"{type(error).__name__}: {words}; this is a bug in geounet, predict -v shows where"


def check_options(options: PredictOptions) -> None:
    """Refuse what would fail with every scene: a model, a device, a tile, a CRS.

    Raises:
        GeounetError: what it is, with the cure.
    """
    model = kept_model(options).model
    settle(model, options.engine, 0)
    card = replace(model.card, receptive_field=0) if isinstance(model, Baseline) else model.card
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", GeounetWarning)  # each scene has its own
        make_plan(ANY, card, options.plan)
    if options.crs is not None:
        map_crs(options.crs)


def kept_model(options: InferenceOptions) -> Ready:
    """Return the model the options name, opened once a process.

    Raises:
        GeounetError: it cannot be opened.
    """
    several = options.model if isinstance(options.model, tuple) else (options.model,)
    paths = [each for each in several if isinstance(each, str | Path)]
    if len(paths) < len(several):  # it was handed in, open
        return Ready(named(options))
    files = [identity(path) for path in paths if Path(path).exists()]
    return _opened(tuple(paths), options.scale, tuple(files))


@lru_cache(maxsize=1)
def _opened(model: Any, scale: Any, _: tuple[str, ...]) -> Ready:  # noqa: ANN401
    return Ready(named(InferenceOptions(model=model, scale=scale)))


def _is_hopeless(unit: Unit, error: BaseException) -> bool:
    """Whether the input is to blame, which does not get better by waiting."""
    unusable = isinstance(error, GeounetError) and error.exit_code == 2  # noqa: PLR2004
    unusable = unusable and not isinstance(error, OutputError)
    return unusable and ("://" in unit.raster or Path(unit.raster).exists())


def _drop_state(unit: Unit) -> None:
    with suppress(GeounetError), State(unit.out):
        pass
