"""A survey: all its units are done by some hands, and what became of each is told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geounet.errors import SurveyError
from geounet.options import PredictOptions
from geounet.survey.scene import in_turn, kept_model
from geounet.survey.work import Outcome, units_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from geounet.survey.find import Scene
    from geounet.survey.work import Hands, Progress


@dataclass(frozen=True, kw_only=True)
class SurveyOptions:
    """What a user may ask of a survey."""

    predict: PredictOptions = field(default_factory=PredictOptions)
    """Of each scene; its side outputs are folders."""
    max_errors: int | None = None
    """Scenes that may fail before the survey stops; None: any number."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What became of a survey."""

    outcomes: tuple[Outcome, ...]
    """One a scene, by name."""

    @property
    def failed(self) -> list[Outcome]:
        """Those without a result."""
        return [each for each in self.outcomes if each.error is not None]


def survey(
    scenes: Sequence[Scene],
    folder: Path,
    options: SurveyOptions | None = None,
    *,
    hands: Hands = in_turn,
    progress: Progress = lambda *_: None,
    told: Callable[[Outcome], None] = lambda *_: None,
) -> Survey:
    """Predict each scene of a survey into files of its own.

    Args:
        scenes: of `find_scenes`.
        folder: for the footprints; it is made.
        options: everything else.
        hands: who does the work.
        progress: called with a unit, its tiles done and its tiles in total.
        told: called with each outcome as it comes.

    Raises:
        GeounetError: the whole survey cannot be done as it is asked for.
        SurveyError: too many scenes failed.
    """
    options = options or SurveyOptions()
    kept_model(options.predict)
    units = units_of(scenes, folder, options.predict)
    for unit in units:
        unit.targets.check(
            unit.raster, overwrite=options.predict.overwrite, resume=options.predict.resume
        )
    outcomes = []
    for outcome in hands(iter(units), progress):
        told(outcome)
        outcomes.append(outcome)
        _check_errors(outcomes, options.max_errors)
    return Survey(outcomes=tuple(sorted(outcomes, key=lambda it: it.name)))


def _check_errors(outcomes: Sequence[Outcome], most: int | None) -> None:
    bad = [each for each in outcomes if each.error is not None]
    if most is not None and len(bad) > most:
        raise SurveyError(
            f"{len(bad)} scenes failed (at most {most} may), the last one {bad[-1].raster}: "
            f"{bad[-1].error}; what is done is kept, --resume goes on"
        )
