"""Hands that work on a cluster: scenes as they are, huge ones in shares, each task by its name."""

from __future__ import annotations

import math
import time
import warnings
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from geounet.errors import GeounetError, OutputError, TargetError
from geounet.fleet.tasks import infer_share, merge_shares, predict_scene
from geounet.opening import open_imagery, paths_of
from geounet.options import targets
from geounet.shards.infer import Task
from geounet.shards.share import Share
from geounet.shards.shelf import shelf_of
from geounet.survey.scene import FAILS, ended, succeeded

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from distributed import Client, Future, as_completed

    from geounet.opening import Imagery
    from geounet.options import PredictOptions
    from geounet.predict import Result
    from geounet.survey.work import Outcome, Progress, Unit

SHARE_PIXELS = 400_000_000
"""Pixels of a raster from which a share is worth its start, and no great loss with a worker."""

AHEAD = 2
"""Scenes that wait for each worker."""

RETRIES = 1
"""Times a share that failed is tried again: a network share may hang for a moment."""


@dataclass
class _Job:
    """The tasks of one raster; the last of them gives the result."""

    unit: Unit | None
    futures: list[Future]
    task: Task | None = None
    done: int = 0
    started: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Crew:
    """The workers of a cluster; called, they are the hands of a survey."""

    client: Client
    """What they are reached by."""
    parts: str | None = None
    """Folder or URL that shares are written to; None = beside each output."""
    share_pixels: int = SHARE_PIXELS
    """Pixels of a share."""

    def predict(
        self,
        raster: Imagery,
        out: str | Path,
        options: PredictOptions,
        progress: Callable[[int, int], None] = lambda *_: None,
    ) -> Result:
        """Predict one raster or surface, its cells on all workers; the result is one process's.

        Args:
            raster: file or URL, or a surface of many sheets.
            out: vector file to write, on a disk that all workers share.
            options: everything else.
            progress: called with tasks done and tasks in total.

        Raises:
            GeounetError: as in one process; parts that are finished stay for `resume`.
        """
        goals = targets(Path(out), options)
        goals.check(*paths_of(raster), overwrite=options.overwrite, resume=options.resume)
        job = self._spread(raster, Path(out), options)
        try:
            for done, future in enumerate(self._coming(job.futures), 1):
                value = _value(future)
                progress(done, len(job.futures))
        finally:
            self.client.cancel(job.futures)
        _clear(job)
        result: Result = value
        return result

    def __call__(self, units: Iterable[Unit], progress: Progress) -> Generator[Outcome, None, None]:
        """Yield the outcome of each scene as it comes; what is not done in the end is cancelled."""
        waiting, jobs, coming = iter(units), dict[str, _Job](), self._coming([])
        try:
            self._refill(waiting, jobs, coming)
            for future in coming:
                job = jobs.pop(future.key)
                job.done += 1
                if future.key == job.futures[-1].key:
                    yield _outcome(job, future)
                    self._refill(waiting, jobs, coming)
                elif job.unit is not None:
                    progress(job.unit, job.done, len(job.futures))
        finally:
            self.client.cancel([each for job in jobs.values() for each in job.futures])

    def _refill(self, waiting: Iterator[Unit], jobs: dict[str, _Job], coming: as_completed) -> None:
        """Submit scenes until some wait for each worker."""
        wanted = AHEAD * max(sum(self.client.nthreads().values()), 1)
        while len({id(job) for job in jobs.values()}) < wanted:
            unit = next(waiting, None)
            if unit is None:
                return
            job = self._begun(unit)
            for future in job.futures:
                jobs[future.key] = job
                coming.add(future)

    def _begun(self, unit: Unit) -> _Job:
        """Submit a scene: as it is, or in shares where it is huge."""
        huge = self._shares(unit.raster, unit.options) > 1
        if huge and not unit.targets.finished and unit.options.embeddings is None:
            with suppress(GeounetError):  # a scene that cannot be begun says so by itself
                job = self._spread(unit.raster, unit.out, unit.options)
                job.unit = unit
                return job
        key = f"predict-{unit.name}-{token_hex(4)}"
        return _Job(unit, [self.client.submit(predict_scene, unit, key=key, pure=False)])

    def _spread(self, raster: Imagery, out: Path, options: PredictOptions) -> _Job:
        """Submit the shares of a raster, and the merge that waits for them.

        Raises:
            TargetError: parts of an unfinished run wait, and nobody said what becomes of them.
        """
        count, token = self._shares(raster, options), token_hex(4)
        tasks = [
            Task(raster=raster, out=out, options=options, share=Share(at, count), parts=self.parts)
            for at in range(1, count + 1)
        ]
        shelf = shelf_of(tasks[0].place)
        if options.overwrite:
            shelf.clear()
        elif shelf.names() and not options.resume:
            raise TargetError(
                f"{shelf}: holds parts of an unfinished run; pass --resume to go on with it, or "
                "--overwrite to drop it"
            )
        shares = [
            self.client.submit(
                infer_share, task, pure=False, retries=RETRIES,
                key=f"cells-{out.stem}-{task.share.name}-{token}",
            )
            for task in tasks
        ]  # fmt: skip
        merged = self.client.submit(
            merge_shares, tasks[0], shares, pure=False, key=f"merge-{out.stem}-{token}"
        )
        return _Job(None, [*shares, merged], tasks[0])

    def _shares(self, raster: Imagery, options: PredictOptions) -> int:
        """How many shares a raster is worth; one that cannot be opened will say so by itself."""
        try:
            opened = open_imagery(raster, bands=options.bands, allow_vrt=options.allow_vrt)
        except (GeounetError, OSError):
            return 1
        with closing(opened) as reader:
            pixels = reader.info.height * reader.info.width
        return max(math.ceil(pixels / self.share_pixels), 1)

    def _coming(self, futures: list[Future]) -> as_completed:
        from distributed import as_completed  # noqa: PLC0415

        return as_completed(futures, loop=self.client.loop)


def _value(future: Future) -> Any:  # noqa: ANN401 - what the task returned
    """Return what a task gave, and say what it warned of.

    Raises:
        GeounetError: it failed; other errors are the task's own.
    """
    from distributed import KilledWorker  # noqa: PLC0415

    if future.cancelled():
        raise OutputError("the scheduler has gone, or dropped the work; --resume goes on with it")
    error = future.exception()
    if isinstance(error, KilledWorker):
        raise OutputError(
            f"task {future.key} ended {error.allowed_failures + 1} workers (out of memory?); give "
            "them more, or pass --max-memory"
        ) from error
    if error is not None:
        raise error
    told = future.result()
    for each in told.warnings:
        warnings.warn(each, stacklevel=2)
    return told.value


def _outcome(job: _Job, future: Future) -> Outcome:
    """Return what became of a scene."""
    unit, seconds = job.unit, time.monotonic() - job.started
    assert unit is not None
    try:
        value = _value(future)
    except FAILS as error:
        return ended(unit, error, seconds)
    if job.task is None:
        outcome: Outcome = value
        return outcome
    _clear(job)
    return succeeded(unit, value, seconds)


def _clear(job: _Job) -> None:
    """Remove the parts of what is finished."""
    assert job.task is not None
    shelf_of(job.task.place).clear()
