"""What a worker does: a scene, a share of one, or the merge of its shares; all may be repeated."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from geounet.backends.engine import make_step
from geounet.errors import GeounetError
from geounet.options import targets
from geounet.prepare import named
from geounet.shards.infer import Tools, infer
from geounet.shards.merge import MergeOptions, merge
from geounet.survey.scene import kept_model, run_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geounet.backends import Model, Step
    from geounet.backends.engine import Engine
    from geounet.options import PredictOptions
    from geounet.predict import Result
    from geounet.shards.infer import Done, Task
    from geounet.survey.work import Outcome, Unit

_ONE = Lock()
"""A network takes all that a process may have: one task at a time, however many threads."""


@dataclass(frozen=True)
class Told:
    """What a task gave."""

    value: Any
    """What it returned."""
    warnings: tuple[Warning, ...]
    """What it warned of, to be said where a user looks."""


class _Kept:
    """The step that was made last: the next share of the same run goes on with it."""

    def __init__(self) -> None:
        self._last: tuple[Model, Engine, Step] | None = None

    def __call__(self, model: Model, engine: Engine) -> Step:
        """Return the step of a model."""
        if self._last is None or self._last[0] is not model or self._last[1] != engine:
            self._last = None  # room for the next
            self._last = model, engine, make_step(model, engine)
        return self._last[2]


def _load(options: PredictOptions) -> Model:
    return kept_model(options) or named(options)


TOOLS = Tools(load=_load, make=_Kept(), lasting=False)
"""Model and step stay in the process; what is done of a share that died does not stay."""


def predict_scene(unit: Unit) -> Told:
    """Predict a whole scene; the `Outcome` says what became of it."""
    options = replace(unit.options, resume=not unit.options.overwrite)
    return _heard(lambda: run_scene(replace(unit, options=options)))


def infer_share(task: Task) -> Told:
    """Infer a share, unless its part is there; returns `Done`."""
    options = replace(task.options, resume=True, overwrite=False)
    return _heard(lambda: infer(replace(task, options=options), tools=TOOLS))


def merge_shares(task: Task, done: Sequence[Told]) -> Told:
    """Merge the parts of a task; the `Result` is that of one process.

    Args:
        task: any of those of the shares.
        done: what all of these gave, so that the merge waits for them.
    """
    assert len(done) == task.share.of, (len(done), task.share)
    goals, vrt = targets(task.out, task.options), task.options.allow_vrt
    options = MergeOptions(overwrite=True, allow_vrt=vrt)
    return _heard(lambda: merge([task.place], goals, options))


def _heard(function: Callable[[], Done | Outcome | Result]) -> Told:
    """Return what a function gives, with what it warned of.

    Raises:
        GeounetError: as a fresh one, for what it was raised from may not travel.
    """
    with _ONE, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            value: Any = function()
        except GeounetError as error:
            value = type(error)(str(error))
    if isinstance(value, GeounetError):
        raise value
    return Told(value, tuple(each.message for each in said if isinstance(each.message, Warning)))
