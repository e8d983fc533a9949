"""A survey: all its units are done by some hands, and what became of each is told."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from geounet.errors import OptionError, RasterError, SurveyError
from geounet.options import PredictOptions
from geounet.provenance import SOFTWARE, asked_of
from geounet.result import summed
from geounet.survey.ledger import Ledger
from geounet.survey.report import write_reports
from geounet.survey.scene import check_options, in_turn
from geounet.survey.shares import of_share, write_share
from geounet.survey.work import Outcome, Unit, check_apart, identity_of, make_ready, units_of
from geounet.walk import STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from geounet.shards.share import Share
    from geounet.survey.find import Scene
    from geounet.survey.work import Hands, Progress

COUNTS = ("pixels", "valid_pixels", "tiles", "tiles_skipped", "failed_pixels", "pixels_resumed")
"""What is counted of the work that was done for a scene."""


@dataclass(frozen=True, kw_only=True)
class SurveyOptions:
    """What a user may ask of a survey."""

    predict: PredictOptions = field(default_factory=PredictOptions)
    """Of each scene; its side outputs are folders."""
    max_errors: int | None = None
    """Scenes that may fail before the survey stops; None: any number."""
    share: Share | None = None
    """Which of the scenes are done; None: all."""


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What became of a survey."""

    outcomes: tuple[Outcome, ...]
    """One a scene, by name."""
    before: frozenset[str]
    """Names of those that an earlier run had done."""
    removed: tuple[str, ...]
    """Names of scenes that are gone, whose outputs were removed."""
    seconds: float
    """Wall time of this run."""

    @property
    def failed(self) -> list[Outcome]:
        """Those without a result."""
        return [each for each in self.outcomes if each.error is not None]

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        parts = [each.result for each in self.outcomes if each.result]
        return summed(parts, [{"raster": it.raster, "error": str(it.error)} for it in self.failed])


def survey(
    scenes: Sequence[Scene],
    folder: Path,
    options: SurveyOptions | None = None,
    *,
    hands: Hands = in_turn,
    progress: Progress = lambda *_: None,
    told: Callable[[Outcome], None] = lambda *_: None,
) -> Survey:
    """Predict each scene of a survey into files of its own; what an earlier run did is kept.

    Args:
        scenes: of `find_scenes`.
        folder: for the footprints; it is made.
        options: everything else.
        hands: who does the work.
        progress: called with a unit, its tiles done and its tiles in total.
        told: called with each outcome as it comes, those of earlier runs first.

    Raises:
        GeounetError: the whole survey cannot be done as it is asked for.
        SurveyError: too many scenes failed; the rest waits for `resume`.
    """
    options, started = options or SurveyOptions(), time.perf_counter()
    check_options(options.predict)
    share = options.share
    units = units_of(scenes, folder, options.predict)
    if share is not None:
        units = of_share(units, share)
    check_apart(units)
    with Ledger(folder, "" if share is None else share.name) as ledger:
        found = _Found(ledger, units, options)
        for outcome in found.outcomes:
            told(outcome)
        with closing(hands(found.begun(), progress)) as coming:
            for outcome in coming:
                found.add(outcome)
                told(outcome)
                if found.stopped:
                    break
            else:
                ledger.over()
        done = found.survey(started)
        facts = {"model": _model(done), "software": SOFTWARE, "seconds": done.seconds}
        facts["waiting"] = len(units) - len(done.outcomes)
        if share is None:
            write_reports(folder, done.outcomes, facts)
        else:
            write_share(folder, share, done.outcomes, facts | {"asked": asked_of(options.predict)})
    if found.stopped:
        raise SurveyError(f"stopped: {found.failed[-1].error}; --resume goes on with the rest")
    return done


class _Found:
    """What is left to do of a survey, and what became of the rest."""

    def __init__(self, ledger: Ledger, units: Sequence[Unit], options: SurveyOptions) -> None:
        """Settle what there is to do; what cannot be done is refused before anything is changed."""
        asked, self._most = options.predict, options.max_errors
        self._ledger, key = ledger, asked_of(asked)
        ledger.check(key, resume=asked.resume, overwrite=asked.overwrite)
        self._identities = {unit.name: _identity(unit) for unit in units}
        gone = ledger.names - self._identities.keys()
        if gone and gone == ledger.names and not asked.overwrite:
            raise OptionError(
                f"{ledger.folder}: holds a survey of other scenes ({min(gone)}, …); choose another "
                "folder, or pass --overwrite to remove what was made of them"
            )
        todo = [each for each in units if asked.overwrite or not self._is_done(each)]
        make_ready([_checked(unit, ledger.names) for unit in todo])
        self._todo = {unit.name: _prepared(unit, ledger.names) for unit in todo}
        ledger.open(key, again=asked.overwrite)
        for name in gone:
            ledger.drop(name)
        self.removed = tuple(sorted(gone))
        self.before = frozenset(self._identities.keys() - self._todo.keys())
        done = [unit for unit in units if unit.name in self.before]
        self.outcomes = [_passed(ledger.entries[unit.name].outcome, unit) for unit in done]
        self.failed: list[Outcome] = []

    @property
    def stopped(self) -> bool:
        """Whether more scenes failed than may."""
        return self._most is not None and len(self.failed) > self._most

    def begun(self) -> Iterator[Unit]:
        """Yield what is to do, each noted as begun when it is taken."""
        for unit in self._todo.values():
            self._ledger.begin(unit)
            yield unit

    def add(self, outcome: Outcome) -> None:
        """Note what became of a scene; of one that is of no use now nothing old is kept."""
        self.outcomes.append(outcome)
        if outcome.error is not None:
            self.failed.append(outcome)
        if outcome.out is not None:
            unit = self._todo[outcome.name]
            self._ledger.done(unit, self._identities[unit.name], outcome)
        elif outcome.hopeless or outcome.error is None:
            self._ledger.drop(outcome.name)

    def survey(self, started: float) -> Survey:
        """Return what became of it so far."""
        return Survey(
            outcomes=tuple(sorted(self.outcomes, key=lambda it: it.name)),
            before=self.before,
            removed=self.removed,
            seconds=time.perf_counter() - started,
        )

    def _is_done(self, unit: Unit) -> bool:
        return self._ledger.is_done(unit, self._identities[unit.name])


def _checked(unit: Unit, known: Collection[str]) -> Unit:
    """Return a unit as it is checked: what is not of this survey is not replaced."""
    asked = unit.options
    replaces = asked.overwrite or unit.name in known
    resumes = asked.resume and asked.embeddings is None and not replaces
    return replace(unit, options=replace(asked, overwrite=replaces, resume=resumes))


def _prepared(unit: Unit, known: Collection[str]) -> Unit:
    """Return a unit as it is carried out: gone on with where that is possible, else anew."""
    asked = unit.options
    resumes = asked.embeddings is None and not asked.overwrite
    ours = asked.overwrite or unit.name in known
    ours = ours or not any(path.exists() for path in unit.targets.paths)
    return replace(unit, options=replace(asked, overwrite=not resumes, resume=resumes), ours=ours)


def _passed(outcome: Outcome, unit: Unit) -> Outcome:
    """Return an outcome of an earlier run: the paths are today's, and nothing was done now."""
    nothing = dict.fromkeys(COUNTS, 0) | {"seconds": dict.fromkeys(STAGES, 0.0)}
    now = {"out": [str(path) for path in unit.targets.paths], "finished_before": True}
    result = (outcome.result or {}) | nothing | now
    return replace(outcome, raster=unit.raster, out=str(unit.out), result=result)


def _identity(unit: Unit) -> str:
    """What a scene is now; what cannot be looked at will fail by itself."""
    try:
        return identity_of(unit.raster)
    except RasterError:
        return ""


def _model(done: Survey) -> str:
    """The name of the model, of whatever scene tells it."""
    return next((str(it.result["model"]) for it in done.outcomes if it.result), "no scene done")
