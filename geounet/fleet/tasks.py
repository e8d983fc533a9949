"""What a worker does: a scene, a share of one, or the merge of its shares; all may be repeated."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

from geounet.errors import GeounetError
from geounet.options import targets
from geounet.shards.infer import infer
from geounet.shards.merge import MergeOptions, merge
from geounet.survey.scene import kept_model, run_scene

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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


def predict_scene(unit: Unit) -> Told:
    """Predict a whole scene; the `Outcome` says what became of it."""
    return _heard(lambda: run_scene(unit))


def infer_share(task: Task) -> Told:
    """Infer a share, unless its part is there; returns `Done`."""
    options = replace(task.options, resume=True, overwrite=False)
    again = replace(task, options=options)
    return _heard(lambda: infer(again, ready=kept_model(options), lasting=False))


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
