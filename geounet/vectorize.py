"""Footprints from an existing raster: a probability or a mask, read strip by strip."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geounet import __version__
from geounet.assemble import Assembly
from geounet.errors import OptionError, RasterError
from geounet.footprints.corners import trace_cell
from geounet.footprints.outlines.outline import OutlineOptions
from geounet.footprints.table import TableOptions
from geounet.grid import TileGrid
from geounet.maps import probability
from geounet.order import Order
from geounet.plan import Plan
from geounet.quantise import NODATA, STEPS, classify, level
from geounet.raster import open_raster
from geounet.sources import identity
from geounet.state import State
from geounet.targets import Targets
from geounet.walk import Segment, Tally, cover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from geounet.footprints.outlines.outline import Kind
    from geounet.reader import Patch, RasterInfo, Reader

STRIP = 1024
STRIP_PIXELS = 1 << 24


@dataclass(frozen=True, kw_only=True)
class VectorizeOptions:
    """What a user may ask of a vectorisation."""

    threshold: float = 0.5
    """Probability of a building; means nothing for a mask."""
    min_area: float | None = None
    """Smaller footprints are dropped, m²."""
    min_pixels: int | None = None
    """The same in pixels."""
    min_hole: float = 0.0
    """Smaller holes of footprints are filled, m², if nothing stands in them."""
    min_hole_pixels: int = 0
    """The same in pixels."""
    outline: Kind = "regular"
    """Right-angled, simplified, or exact pixel edges."""
    tolerance: float | None = None
    """How far an outline may stray from its object's contour, m; None: four pixels."""
    split: bool = False
    """Part blobs that are several buildings."""
    crs: str | None = None
    """CRS of the output; None keeps the raster's."""
    also: tuple[Path, ...] = ()
    """Also write the footprints to these files, each of another kind than `out`."""
    overwrite: bool = False
    """Replace an output that exists."""
    allow_vrt: bool = False
    """Open a VRT whose sources lie outside its folder."""
    strip: int | None = None
    """Rows that are traced at a time, the result does not depend on it; None: by the width."""


def vectorize(
    raster: str | Path,
    out: str | Path,
    options: VectorizeOptions | None = None,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> int:
    """Write the outlines of a mask or probability raster; return their number.

    A probability is a raster of floats from 0 to 1, or one with the scale 1/254 as `predict`
    writes it; any other raster of integers is a mask, building where it is not 0.

    Args:
        raster: file or URL with one band.
        out: vector file to write, its kind chosen by its suffix.
        options: everything else.
        progress: called with strips done and strips in total.

    Raises:
        GeounetError: see `geounet.errors`; nothing is left at the output path.
    """
    options = options or VectorizeOptions()
    with open_raster(raster, allow_vrt=options.allow_vrt, indexed=True) as reader:
        return trace_reader(reader, raster, out, options, progress)


def trace_reader(
    reader: Reader,
    source: str | Path,
    out: str | Path,
    options: VectorizeOptions,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> int:
    """Do what `vectorize` does, for anything windows can be read from.

    Args:
        reader: of one band.
        source: the file or URL that it reads.
        out: vector file to write, its kind chosen by its suffix.
        options: everything else.
        progress: called with strips done and strips in total.

    Raises:
        GeounetError: see `geounet.errors`; nothing is left at the output path.
    """
    if not 0 < options.threshold <= 1:
        raise OptionError(f"threshold must lie above 0 and up to 1, got {options.threshold}")
    tally = Tally()
    targets, info = Targets(Path(out), also=tuple(map(Path, options.also))), reader.info
    targets.check(source, overwrite=options.overwrite)
    if info.count != 1:
        raise RasterError(
            f"{source}: has {info.count} bands, a mask or probability has one; run: "
            f"gdal_translate -b 1 {source} one.tif"
        )
    plan, table = _plan(info, options), _table(info, options)
    outlines = OutlineOptions(
        kind=options.outline,
        tolerance_m=options.tolerance,
        transform=info.transform,
        crs=info.crs,
        split=options.split,
    )
    facts = {
        "software": f"geounet {__version__}",
        "input": identity(source),
        "options": {name: asked for name, asked in asdict(options).items() if name != "also"},
    }
    order = Order(info, plan, targets, table, outlines)
    order.check()
    with (
        State(targets.footprints) as state,
        order.store(state.work) as store,
        Assembly(order, state.work, store, tally) as assembly,
    ):
        for segment in _segments(reader, plan, keep_q=order.wants_q):
            if store is not None and segment.q is not None:
                store.write(segment.q, segment.cell.core)
            assembly.add([assembly.written(segment)])
            progress(segment.cell.row + 1, plan.grid.rows)
        return assembly.write(facts)


def _plan(info: RasterInfo, options: VectorizeOptions) -> Plan:
    rows = options.strip or min(max(STRIP_PIXELS // info.width, 1), STRIP)
    whole = info.width + rows  # one band of columns
    grid = TileGrid.cover(info.shape, tile=rows, halo=0, band_width=whole)
    return Plan(grid=grid, blend="crop", level=level(options.threshold), classes=1, batch_size=1)


def _segments(reader: Reader, plan: Plan, *, keep_q: bool) -> Iterator[Segment]:
    for cell in plan.grid.cells():
        patch = reader.read(cell.core)
        labels, q = _labels(patch, reader.info, plan.level)
        trace = trace_cell(labels, q, 1)
        if q is None and keep_q:
            q = np.where(labels == NODATA, labels, labels * STEPS)[None]
        yield Segment(cell, q if keep_q else None, trace, *cover(patch.valid))


def _labels(
    patch: Patch, info: RasterInfo, least: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Labels of a patch, and its quantised probability if it has one."""
    q = probability(patch, info)
    if q is not None:
        return classify(q, least), q
    labels = (patch.data[0] != 0).astype(np.uint8)
    labels[~patch.valid] = NODATA
    return labels, None


def _table(info: RasterInfo, options: VectorizeOptions) -> TableOptions:
    return TableOptions(
        classes=("building",),
        layers=("buildings",),
        min_area_m2=options.min_area or 0.0,
        min_pixels=options.min_pixels or 0,
        min_hole_m2=options.min_hole,
        min_hole_pixels=options.min_hole_pixels,
        crs=options.crs,
        source=info.path.name,
    )
