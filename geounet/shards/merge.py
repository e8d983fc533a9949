"""Parts in, what one process would have written out: the same cells through the same writers."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geounet.assemble import Assembly
from geounet.card import ModelCard
from geounet.companions import write_companions
from geounet.errors import OptionError, RasterError
from geounet.fit import target_gsd
from geounet.journal import strips
from geounet.opening import open_imagery
from geounet.options import PredictOptions
from geounet.predict import Result
from geounet.provenance import files_read
from geounet.relay import relay
from geounet.resample import Resampled
from geounet.result import peak_memory
from geounet.shards.gather import gather
from geounet.space import check_space, needs
from geounet.state import State
from geounet.walk import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Sequence

    from geounet.footprints.parts.store import Store
    from geounet.reader import Reader
    from geounet.shards.gather import Whole
    from geounet.shards.run import Run
    from geounet.targets import Targets
    from geounet.walk import Segment


@dataclass(frozen=True, kw_only=True)
class MergeOptions:
    """What a user may ask of a merge; all else was asked of the shards."""

    overwrite: bool = False
    """Replace outputs that exist."""
    allow_vrt: bool = False
    """For a report or a project, open a VRT whose sources lie outside its folder."""


def merge(
    parts: Sequence[str],
    targets: Targets,
    options: MergeOptions | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> Result:
    """Write what one process would have written of all cells.

    Args:
        parts: files, folders or URLs of parts, or the output that they lie beside.
        targets: what to write, and where.
        options: everything else.
        progress: called with strips done and strips in total.

    Raises:
        PartError: a part is missing, damaged, there twice, or of another run.
        GeounetError: see `geounet.errors`; nothing is left at the output paths.
    """
    options = options or MergeOptions()
    if targets.embeddings is not None:
        raise OptionError("parts hold no embeddings; leave --embeddings out")
    targets.check(overwrite=options.overwrite)
    with State(targets.footprints) as state, ExitStack() as stack:
        whole = gather(parts, state.work)
        reader = _reader(whole.run, targets, options)
        if reader is not None:
            stack.callback(reader.close)
        order = whole.run.order(targets, None if reader is None else reader.info.sheets)
        if order.wants_q and not whole.run.has_q:
            raise OptionError(
                "the parts hold no pixels, so there is nothing to make a raster or run lengths of; "
                "give the shards --probability, --mask or --rle too"
            )
        order.check()
        check_space(needs(order))
        tally = Tally()
        store = stack.enter_context(order.store(state.work)) if order.outlines.split else None
        assembly = stack.enter_context(Assembly(order, state.work, store, tally))
        with tally.clock("total"):
            _replay(whole, assembly, store, progress)
            polygons = assembly.write(whole.run.facts)
        result = _result(whole, assembly, tally, polygons)
        if reader is not None:
            told, facts = _asked(whole.run, options), whole.run.facts
            imagery = whole.run.imagery
            write_companions(assembly, reader, imagery, told, facts, result.as_dict())
        return result


def _replay(
    whole: Whole,
    assembly: Assembly,
    store: Store | None,
    progress: Callable[[int, int], None],
) -> None:
    """Read in this thread; link and write in another."""
    grid = whole.grid
    total = grid.rows * len(grid.bands)

    def read() -> Generator[Segment, None, None]:
        for done, cell in enumerate(grid.cells(), 1):
            segment = whole.take(cell, with_q=assembly.order.wants_q)
            if store is not None and segment.q is not None:
                store.write(segment.q, cell.core)
            yield segment
            progress(done, total)

    def write(segments: Iterator[Segment]) -> None:
        written = (assembly.written(segment) for segment in segments)
        for strip in strips(grid, written, whole.take):
            assembly.add(strip)

    relay(read(), write, name="geounet-write")


def _result(whole: Whole, assembly: Assembly, tally: Tally, polygons: int) -> Result:
    """Return what all the parts and the merge did together; seconds are those of all machines."""
    info, facts = assembly.order.info, whole.run.facts
    seconds = Counter(tally.seconds)
    for part in whole.parts:
        seconds.update(part.work.seconds)
    return Result(
        out=assembly.order.targets.paths,
        pixels=info.height * info.width,
        valid_pixels=assembly.valid_pixels,
        tiles=sum(part.work.tiles for part in whole.parts),
        tiles_skipped=sum(part.work.skipped for part in whole.parts),
        polygons=polygons,
        seconds={stage: round(spent, 3) for stage, spent in seconds.items()},
        device=", ".join(sorted({part.work.device for part in whole.parts})),
        precision=facts["options"]["precision"],
        backend=facts["options"]["backend"],
        tile=whole.grid.tile,
        halo=whole.grid.halo,
        receptive_field=facts["model"]["receptive_field"],
        peak_memory_bytes=peak_memory(),
        model=facts["model"]["name"],
        failed_pixels=assembly.failed_pixels,
    )


def _asked(run: Run, options: MergeOptions) -> PredictOptions:
    """Return the options that the raster is opened with."""
    bands = run.facts["options"]["bands"]
    bands = None if bands is None else tuple(bands)
    return PredictOptions(bands=bands, allow_vrt=options.allow_vrt)


def _reader(run: Run, targets: Targets, options: MergeOptions) -> Reader | None:
    """Open what was inferred, on its grid, where parts do not say enough: which sheet, a picture.

    Raises:
        RasterError: it is not there, or changed.
    """
    if run.raster["surface"] is None and targets.report is None and targets.project is None:
        return None
    asked = _asked(run, options)
    reader = open_imagery(run.imagery, bands=asked.bands, allow_vrt=asked.allow_vrt)
    found = files_read(reader.info)
    if found != run.key["input"]:
        reader.close()
        raise RasterError(
            f"{reader.info.path}: is not what it was when the parts were made ({found}, expected "
            f"{run.key['input']}); infer the shards again, or leave --report and --project out"
        )
    card = ModelCard.from_json(json.dumps(run.facts["model"]))
    gsd = target_gsd(reader.info, card, run.facts["options"]["gsd"])
    return reader if gsd is None else Resampled(reader, gsd)
