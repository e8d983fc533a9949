"""Infer one share of a raster's cells, and lay it on the shelf as a part."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geounet.backends.ready import Ready
from geounet.errors import OptionError, PartError, TargetError
from geounet.forgiving import Failures
from geounet.journal import Journal
from geounet.opening import Imagery, paths_of
from geounet.options import PredictOptions, targets
from geounet.order import Order
from geounet.outputs import staged
from geounet.predict import watched
from geounet.prepare import Settled, bands_of, fitted, named, opened, settle_run, walk_of
from geounet.provenance import facts_of, key_of
from geounet.relay import relay
from geounet.shards.part import SUFFIX, Part, Work, write_part
from geounet.shards.run import Run
from geounet.shards.share import cells_of
from geounet.shards.shelf import Folder, shelf_of
from geounet.space import CELLS, check_space
from geounet.state import State, check_state, differences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geounet.grid import Cell
    from geounet.reader import Reader
    from geounet.shards.share import Share
    from geounet.shards.shelf import Shelf
    from geounet.stitch import Nothing, Sums
    from geounet.walk import Walk

PLACE = ".parts"
"""What the folder of parts beside an output is called, after the output."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """One share of a prediction: all that another machine must be told."""

    raster: Imagery
    """File or URL, or a surface of many sheets."""
    out: Path
    """Vector file that is made of all parts in the end."""
    options: PredictOptions
    """As they would be given to one process."""
    share: Share
    """Which cells."""
    parts: str | None = None
    """Folder or URL of the parts; None = beside the output."""

    @property
    def place(self) -> str:
        """Folder or URL of the parts."""
        return place_of(self.out) if self.parts is None else self.parts

    @property
    def name(self) -> str:
        """Of the part."""
        return f"{self.share.name}{SUFFIX}"


@dataclass(frozen=True, kw_only=True)
class Done:
    """A part that lies on its shelf."""

    place: str
    """Folder or URL."""
    name: str
    """Of the part."""
    work: Work
    """What it took."""
    pixels_resumed: int = 0
    """Those of its pixels that an earlier run had done."""
    finished_before: bool = False
    """It was there, and was left alone."""

    @property
    def path(self) -> str:
        """Where it is."""
        return f"{self.place.rstrip('/')}/{self.name}"


def place_of(out: Path) -> str:
    """Return the folder of parts beside an output."""
    return str(out.with_name(out.name + PLACE))


def infer(
    task: Task,
    progress: Callable[[int, int], None] = lambda *_: None,
    ready: Ready | None = None,
    *,
    lasting: bool = True,
) -> Done:
    """Make a part; with `resume` one that is there already is left alone.

    Args:
        task: which part of what.
        progress: called with tiles done and tiles in total.
        ready: the model that the options name, where it is open already.
        lasting: nobody else has the task, so that what is done of it may stay beside the part.

    Raises:
        GeounetError: see `geounet.errors`; the part is not there then.
    """
    options = task.options
    shelf = shelf_of(task.place)
    _check(task, shelf)
    ready = ready or Ready(named(options))
    failures = Failures() if options.on_error == "skip" else None
    with opened(task.raster, ready.model, options, failures) as reader:
        key = key_of(reader.info, options)
        if options.resume and task.name in shelf.names():
            return _finished(task, shelf, key)
        ready = ready.of(fitted(ready.model, reader, task.raster, options))
        told = replace(task, options=replace(options, bands=bands_of(reader.info, options)))
        with shelf.desk(task.name, lasting=lasting) as path, State(path) as state:
            settled, walk, order = _settled(shelf, key, ready, reader, told)
            kept = lasting and isinstance(shelf, Folder)
            share = _Share(told, walk, order, key, settled, state, kept)
            return share.carry_out(path, failures, progress)


def _settled(
    shelf: Shelf, key: dict[str, Any], ready: Ready, reader: Reader, task: Task
) -> tuple[dict[str, Any], Walk, Order]:
    """Return engine and plan as the first that came has settled them, and what follows from them.

    That may be this one; what must be refused is refused before it binds the others.

    Raises:
        OptionError: parts of another run lie on the shelf, with the difference.
        PartError: what lies there is damaged.
    """

    def begun(settled: dict[str, Any]) -> tuple[dict[str, Any], Walk, Order]:
        walk = walk_of(ready, reader, Settled.of_json(settled), task.options)
        goals, card = targets(task.out, task.options), walk.step.card
        return settled, walk, Order.of(reader.info, walk.plan, card, goals, task.options)

    found = _agreed(shelf, key)
    if found is None:
        found = settle_run(ready.model, reader.info, task.options).as_json()
        begun(found)
        shelf.agree({"key": key, "settled": found})
        found = _agreed(shelf, key) or found
    return begun(found)


def _agreed(shelf: Shelf, key: dict[str, Any]) -> dict[str, Any] | None:
    """Return engine and plan as they lie on a shelf; None where nobody came yet."""
    found = shelf.agreed()
    if found is None:
        return None
    try:
        changes, settled = differences(found["key"], key), dict(found["settled"])
    except (KeyError, TypeError, AttributeError) as error:
        raise PartError(f"{shelf}: run.json does not say what the run is; remove it") from error
    if changes:
        raise OptionError(
            f"{shelf}: holds parts of another run ({'; '.join(changes)}); remove them, or choose "
            "another --out or --parts"
        )
    return settled


@dataclass(frozen=True)
class _Share:
    """A task with all that was settled."""

    task: Task
    walk: Walk
    order: Order
    key: dict[str, Any]
    settled: dict[str, Any]
    state: State
    kept: bool
    """What is done of it will be there the next time."""

    def carry_out(
        self, path: Path, failures: Failures | None, progress: Callable[[int, int], None]
    ) -> Done:
        """Infer what is missing, and write the part to a path."""
        order, started = self.order, time.perf_counter()
        cells = cells_of(self.walk, self.task.share)
        self._begin(path, cells)
        with (
            order.store(self.state.folder) as store,
            Journal(self.state.folder, self.walk, store, cells) as journal,
        ):
            resumed, total = journal.pixels, sum(len(cell.cols) for cell in cells)
            walk = watched(self.walk, journal.tiles, total, failures, progress)
            relay(
                walk.over(journal.missing()),
                partial(_keep, walk, journal, keep_q=order.wants_q),
                name="geounet-trace",
            )
            walk.tally.seconds["total"] = time.perf_counter() - started
            work = _work(walk, journal.pixels)
            segments = (journal.take(cell, with_q=order.wants_q) for cell in cells)
            with staged(path, folder=self.state.work) as fresh:
                write_part(fresh, self.task.share, self._run(), work, segments, len(cells))
        return Done(place=self.task.place, name=self.task.name, work=work, pixels_resumed=resumed)

    def _begin(self, path: Path, cells: list[Cell]) -> None:
        """Go on with what a run that died had done, or start over."""
        options = self.task.options
        check_state(path, resume=options.resume, overwrite=options.overwrite)
        found = self.state.settled(self.key) if options.resume else None
        if found == self.settled:
            return
        pixels = sum(int(cell.core.height * cell.core.width) for cell in cells)
        each = CELLS + (2 * self.walk.plan.classes if self.order.wants_q else CELLS)
        check_space([(self.state.folder, round(pixels * each))])
        self.state.begin(self.key, self.settled, kept=self.kept)

    def _run(self) -> Run:
        raster, key = self.task.raster, self.key
        facts = facts_of(raster, self.walk, self.task.options, key)
        return Run.of(raster, self.walk, self.order, key=key, settled=self.settled, facts=facts)


def _keep(walk: Walk, journal: Journal, cells: Iterator[Sums | Nothing], *, keep_q: bool) -> None:
    for segment in walk.traced(cells, keep_q=keep_q):
        journal.put(segment)


def _work(walk: Walk, pixels: int) -> Work:
    tally = walk.tally
    return Work(
        tiles=tally.tiles,
        skipped=tally.skipped,
        pixels=pixels,
        seconds={stage: round(spent, 3) for stage, spent in tally.seconds.items()},
        device=walk.step.device,
    )


def _check(task: Task, shelf: Shelf) -> None:
    """Refuse what could not be made of the parts in the end, or would replace one."""
    options = task.options
    if options.embeddings is not None:
        raise OptionError(
            "embeddings are not kept in parts; leave --embeddings out, geounet embed writes them"
        )
    targets(task.out, options).check(*paths_of(task.raster), overwrite=True)
    if task.name in shelf.names() and not (options.resume or options.overwrite):
        raise TargetError(
            f"{shelf}: holds {task.name} already; pass --resume to leave it, or --overwrite to "
            "infer it again"
        )


def _finished(task: Task, shelf: Shelf, key: dict[str, Any]) -> Done:
    """Return a part that is there, if it is of this run and whole."""
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    with TemporaryDirectory(prefix="geounet-") as folder:
        part = Part.read(shelf.fetch(task.name, Path(folder)))
    changes = differences(part.run.key, key)
    if changes:
        raise OptionError(
            f"{shelf}: {task.name} is of another run ({'; '.join(changes)}); pass --overwrite to "
            "infer it again"
        )
    return Done(place=task.place, name=task.name, work=part.work, finished_before=True)
