"""The main job: open → plan → infer → blend → trace → write."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geounet.assemble import Assembly
from geounet.companions import write_companions
from geounet.errors import GeounetWarning
from geounet.journal import strips
from geounet.options import PredictOptions, outline_options, table_options, targets
from geounet.prepare import prepared
from geounet.project import check_place
from geounet.provenance import facts_of
from geounet.quantise import NODATA, STEPS
from geounet.relay import relay
from geounet.result import Result, result_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.backends import Model
    from geounet.plan import Plan
    from geounet.stitch import Nothing, Sums
    from geounet.walk import Segment, Walk

__all__ = ["PredictOptions", "Result", "carry_out", "predict", "prepared", "stream"]

Progress = Callable[[int, int], None]


def predict(
    raster: str | Path,
    out: str | Path,
    options: PredictOptions | None = None,
    progress: Progress = lambda *_: None,
) -> Result:
    """Predict the footprints of a raster.

    Args:
        raster: file or URL of an image.
        out: vector file to write, its kind chosen by its suffix.
        options: everything else.
        progress: called with tiles done and tiles in total.

    Raises:
        GeounetError: see `geounet.errors`; nothing is left at the output paths.
    """
    started, options = time.perf_counter(), options or PredictOptions()
    goals = targets(Path(out), options)
    goals.check(raster, overwrite=options.overwrite)
    with prepared(raster, options) as ready:
        plan, reader, step, tally = ready.plan, ready.reader, ready.step, ready.tally
        walk = replace(ready, on_tile=_counter(plan, progress))
        table = table_options(reader.info, step.card, options)
        outlines = outline_options(reader.info, options)
        if goals.project is not None:
            check_place(reader.info)
        facts = facts_of(raster, step, options, plan)
        with Assembly(reader.info, plan, goals, table, outlines, tally) as assembly:
            carry_out(walk, assembly)
            polygons = assembly.write(facts)
            tally.seconds["total"] = time.perf_counter() - started
            result = result_of(walk, goals.paths, polygons, assembly.valid_pixels)
            write_companions(assembly, reader, raster, options, facts, result.as_dict())
    _warn_of_memory(result, options)
    return result


def stream(
    raster: str | Path,
    model: str | Path | Model | tuple[str | Path | Model, ...] = "buildings",
    options: PredictOptions | None = None,
) -> Iterator[tuple[Window, NDArray[np.float32]]]:
    """Yield finished parts of the probability as soon as they are there; nothing is written.

    Args:
        raster: file or URL of an image.
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


def carry_out(walk: Walk, assembly: Assembly) -> None:
    """Infer in this thread, quantise and trace in a second, link and write in a third."""

    def trace(cells: Iterator[Sums | Nothing]) -> None:
        segments = walk.traced(cells, keep_q=assembly.wants_q)
        relay(segments, write, name="geounet-write")

    def write(segments: Iterator[Segment]) -> None:
        written = (assembly.written(segment) for segment in segments)
        for strip in strips(walk.plan.grid, written, assembly.folder, walk.area):
            assembly.add(strip)

    relay(walk.everything(), trace, name="geounet-trace")


def _counter(plan: Plan, progress: Progress) -> Callable[[], None]:
    done, total = 0, len(plan.grid)

    def count() -> None:
        nonlocal done
        done += 1
        progress(min(done, total), total)

    return count


def _warn_of_memory(result: Result, options: PredictOptions) -> None:
    limit, peak = options.plan.max_memory, result.peak_memory_bytes
    if limit is not None and peak > limit:
        warnings.warn(
            f"the process took {peak / 1e9:.2f} GB at its peak, --max-memory allowed "
            f"{limit / 1e9:.2f} GB; a smaller one would have kept it below",
            GeounetWarning,
            stacklevel=3,
        )
