"""The main job: open → plan → infer → blend → trace → write."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.assemble import Assembly
from geounet.backends import Look
from geounet.backends.ready import Ready
from geounet.companions import LOOK, write_companions, write_embeddings
from geounet.embeddings.embed import patches_of
from geounet.errors import GeounetWarning
from geounet.finished import finished_before
from geounet.forgiving import Failures
from geounet.journal import Journal
from geounet.kept import INPUT, Kept, keep
from geounet.opening import paths_of
from geounet.options import PredictOptions, targets
from geounet.order import Order
from geounet.prepare import (
    Settled,
    bands_of,
    fitted,
    named,
    opened,
    prepared,
    saw_scene,
    settle_run,
    walk_of,
)
from geounet.provenance import facts_of, key_of
from geounet.quantise import NODATA, STEPS
from geounet.relay import relay
from geounet.result import Result, result_of
from geounet.space import check_space, needs
from geounet.state import State

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.backends import Model
    from geounet.embeddings.patches import Patches
    from geounet.opening import Imagery
    from geounet.reader import Reader
    from geounet.stitch import Nothing, Sums
    from geounet.targets import Targets
    from geounet.walk import Segment, Walk

__all__ = ["PredictOptions", "Result", "carry_out", "predict", "prepared", "stream"]

Progress = Callable[[int, int], None]


def predict(
    raster: Imagery,
    out: str | Path,
    options: PredictOptions | None = None,
    progress: Progress = lambda *_: None,
    ready: Ready | None = None,
) -> Result:
    """Predict the footprints of a raster.

    Args:
        raster: file or URL of an image, or a surface of many sheets.
        out: vector file to write, its kind chosen by its suffix.
        options: everything else.
        progress: called with tiles done and tiles in total.
        ready: the model that the options name, where it is open already.

    Raises:
        GeounetError: see `geounet.errors`; nothing is left at the output paths.
    """
    options, started = options or PredictOptions(), time.perf_counter()
    goals = targets(Path(out), options)
    goals.check(*paths_of(raster), overwrite=options.overwrite, resume=options.resume)
    if options.resume and goals.finished:
        before = finished_before(raster, goals, options)
        if before is not None:
            return before
    ready = ready or Ready(named(options))
    failures = Failures() if options.on_error == "skip" else None
    with opened(raster, ready.model, options, failures) as reader, State(goals.footprints) as state:
        ready = ready.of(fitted(ready.model, reader, raster, options))
        key = key_of(reader.info, options)
        options = replace(options, bands=bands_of(reader.info, options))
        walk, order = _settled(state, key, ready, reader, goals, options)
        with _outputs(order, state, walk) as (assembly, journal):
            resumed = journal.pixels
            patches = patches_of(walk, LOOK, state.work) if goals.embeddings else None
            walk = watched(walk, journal.tiles, len(walk.plan.grid), failures, progress)
            carry_out(_looking(walk, patches), assembly, journal)
            facts = facts_of(raster, walk, options, key)
            polygons = assembly.write(facts)
            walk.tally.seconds["total"] = time.perf_counter() - started
            result = result_of(walk, assembly, polygons, resumed)
            write_companions(assembly, reader, raster, options, facts, result.as_dict())
            if patches is not None:
                write_embeddings(assembly, patches, reader, facts)
        if reader.info.sheets is not None and patches is None and not saw_scene(ready.model):
            keep(goals.footprints, state.folder, reader.info)
    _warn_of_memory(result, options)
    return result


def stream(
    raster: Imagery,
    model: str | Path | Model | tuple[str | Path | Model, ...] = "buildings",
    options: PredictOptions | None = None,
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """Yield finished parts of the probability as soon as they are there; nothing is written.

    Args:
        raster: file or URL of an image, or a surface of many sheets.
        model: as in `PredictOptions`.
        options: everything else; outputs are ignored.

    Yields:
        Windows of the inferred grid, which partition it, with `(classes, height, width)`
        float32: steps of 1/254, not a number where there is no data.
    """
    with prepared(raster, replace(options or PredictOptions(), model=model)) as walk:
        plan = walk.plan
        for band in range(len(plan.grid.bands)):
            cells = [plan.grid.cell(row, band) for row in range(plan.grid.rows)]
            for cell, q in walk.blended(cells):
                p = q.astype(np.float32) / np.float32(STEPS)
                p[q == NODATA] = np.nan
                yield cell.core, p


def carry_out(walk: Walk, assembly: Assembly, journal: Journal) -> None:
    """Infer in this thread, quantise and trace in a second, keep, link and write in a third."""

    def trace(cells: Iterator[Sums | Nothing]) -> None:
        segments = walk.traced(cells, keep_q=assembly.order.wants_q)
        relay(segments, write, name="geounet-write")

    def write(segments: Iterator[Segment]) -> None:
        written = (assembly.written(segment) for segment in journal.completed(segments))
        for strip in journal.strips(written):
            assembly.add(strip)

    relay(walk.over(journal.missing()), trace, name="geounet-trace")


def _settled(
    state: State,
    key: dict[str, Any],
    ready: Ready,
    reader: Reader,
    goals: Targets,
    options: PredictOptions,
) -> tuple[Walk, Order]:
    """Settle and check the run, or take over what the one that died had settled."""
    surface = reader.info.sheets is not None
    found = state.settled(key, INPUT if surface else None) if options.resume else None
    kept = Kept.beside(goals.footprints) if options.resume and surface and not found else None
    carried = None if kept is None else kept.settled(key, reader.info)
    look = Look() if goals.embeddings is None else Look(LOOK.layers)
    settled = found or carried or settle_run(ready.model, reader.info, options, look).as_json()
    walk = walk_of(ready, reader, Settled.of_json(settled), options)
    order = Order.of(walk.reader.info, walk.plan, walk.step.card, goals, options)
    if found is None:
        check_space(needs(order))
        state.begin(key, settled, kept=goals.embeddings is None)
    if kept is not None and carried is not None:
        kept.carry(state.folder, walk.plan, order.info, with_q=order.wants_q)
    return walk, order


@contextmanager
def _outputs(order: Order, state: State, walk: Walk) -> Iterator[tuple[Assembly, Journal]]:
    """Yield what the outputs are made by, and what is done already."""
    with (
        order.store(state.folder) as store,
        Journal(state.folder, walk, store) as journal,
        Assembly(order, state.work, store, walk.tally) as assembly,
    ):
        yield assembly, journal


def _looking(walk: Walk, patches: Patches | None) -> Walk:
    """Return a walk that hands what its network sees to patches, where they are wanted."""
    return walk if patches is None else replace(walk, on_layers=patches.add)


def watched(
    walk: Walk, done: int, total: int, failures: Failures | None, progress: Progress
) -> Walk:
    """Return a walk that counts its tiles on from those that are done, and knows what failed."""

    def count() -> None:
        nonlocal done
        done += 1
        progress(min(done, total), total)

    walk = replace(walk, on_tile=count)
    return walk if failures is None else replace(walk, failed=failures.within)


def _warn_of_memory(result: Result, options: PredictOptions) -> None:
    limit, peak = options.plan.max_memory, result.peak_memory_bytes
    if limit is not None and peak > limit:
        warnings.warn(
            f"the process took {peak / 1e9:.2f} GB at its peak, --max-memory allowed "
            f"{limit / 1e9:.2f} GB; a smaller one would have kept it below",
            GeounetWarning,
            stacklevel=3,
        )
