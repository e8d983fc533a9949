"""The main job: open → plan → infer → blend → trace → write."""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from geounet import __version__
from geounet.assemble import Assembly, Targets
from geounet.backends.choose import Wanted, settle
from geounet.backends.engine import make_step
from geounet.backends.load import load
from geounet.errors import GeounetWarning
from geounet.fit import check_bands, check_fit, target_gsd
from geounet.footprints.outlines.outline import OutlineOptions
from geounet.footprints.table import TableOptions
from geounet.journal import strips
from geounet.plan import Plan, PlanOptions, make_plan
from geounet.project import Results, check_place, shown, write_project
from geounet.raster import RasterInfo, Reader, open_raster
from geounet.relay import relay
from geounet.resample import Resampled
from geounet.sources import find_source, identity
from geounet.spans import at_scene, by_scene
from geounet.walk import Segment, Walk

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rasterio.windows import Window

    from geounet.backends import Model, Step
    from geounet.footprints.outlines.outline import Kind
    from geounet.model import ModelCard
    from geounet.stitch import Nothing, Sums

SIDES = ("probability", "mask", "report", "rle", "project")
"""Options that name further outputs."""

WITHOUT_EFFECT = ("plan", *SIDES, "also", "overwrite", "allow_vrt")
"""Options that do not change the footprints; the plan's are stored as they were settled."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """What a user may ask of a prediction; `None`, `auto` and `model` are settled by the plan."""

    model: str | Path | Model | tuple[str | Path | Model, ...] = "buildings"
    """Bundled name, path of a model file, a `Segmenter`, or anything with a card that is a step;
    several of them are asked together, their mean probability counts."""
    plan: PlanOptions = field(default_factory=PlanOptions)
    """Tile, halo, blend, threshold, batch size."""
    bands: tuple[int, ...] | None = None
    """1-based bands of the raster, in the model's order."""
    scale: tuple[float, float] | Literal["auto", "none"] = "auto"
    """Raw values that are black and white; `none`: pixels are 0-1 already; `auto`: the card's."""
    gsd: float | Literal["native", "model"] = "model"
    """Ground sample distance to infer at, metres."""
    min_area: float | None = None
    """Smaller footprints are dropped, m²; None takes the model's own."""
    min_pixels: int | None = None
    """The same in pixels of the inferred grid, for rasters without a CRS."""
    outline: Kind = "regular"
    """Right-angled, simplified, or exact pixel edges."""
    tolerance: float | None = None
    """How far an outline may stray from its object's contour, m; None: four pixels."""
    split: bool = False
    """Part blobs that are several buildings."""
    crs: str | None = None
    """CRS of the output; None keeps the raster's."""
    probability: Path | None = None
    """Also write the probability raster here."""
    mask: Path | None = None
    """Also write the class raster here."""
    report: Path | None = None
    """Also write a page to look at here."""
    rle: Path | None = None
    """Also write run lengths here, .json (COCO) or .csv (Kaggle)."""
    project: Path | None = None
    """Also write a QGIS project of all outputs and the raster here."""
    also: tuple[Path, ...] = ()
    """Also write the footprints to these files, each of another kind than `out`."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    precision: str = "auto"
    """auto, fp32, bf16, fp16, or int8 with OpenVINO."""
    backend: str = "auto"
    """torch, compile, onnx, openvino, or auto: the fastest whose output is near that of fp32."""
    tta: str = "none"
    """Views of each tile whose mean counts: none, flips or d4."""
    threads: int | None = None
    """Threads of the network on a CPU."""
    overwrite: bool = False
    """Replace outputs that exist."""
    allow_vrt: bool = False
    """Open a VRT whose sources lie outside its folder."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a prediction did."""

    out: tuple[Path, ...]
    """Files that were written, the footprints first."""
    pixels: int
    """Pixels of the grid that was inferred."""
    valid_pixels: int
    """Those with data."""
    tiles: int
    """Tiles the network saw."""
    tiles_skipped: int
    """Tiles without data."""
    polygons: int
    """Footprints written."""
    seconds: dict[str, float]
    """Wall time in total and of each stage."""
    device: str
    """Where the network ran."""
    precision: str
    """In which precision."""
    backend: str
    """With which engine."""
    tile: int
    """Edge of a tile."""
    halo: int
    """Context on each side."""
    receptive_field: int | None
    """Of the model."""
    peak_memory_bytes: int
    """Largest resident memory of this process so far."""
    model: str
    """Name of the model."""

    @property
    def mpix_per_s(self) -> float:
        """Million pixels of the grid a second, everything included."""
        return self.pixels / 1e6 / max(self.seconds["total"], 1e-9)

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints, but for what concerns several scenes."""
        out = [str(path) for path in self.out]
        return {**asdict(self), "out": out, "mpix_per_s": round(self.mpix_per_s, 3)}


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
        table = _table(reader.info, step.card, options)
        outlines = _outlines(reader.info, options)
        if goals.project is not None:
            check_place(reader.info)
        facts = _facts(raster, step, options, plan)
        with Assembly(reader.info, plan, goals, table, outlines, tally) as assembly:
            carry_out(walk, assembly)
            polygons = assembly.write(facts)
            tally.seconds["total"] = time.perf_counter() - started
            result = _result(walk, goals, step, polygons, assembly.valid_pixels)
            if goals.report is not None:
                _write_report(assembly, reader, facts, result)
            if goals.project is not None:
                _write_project(assembly, reader.info, table, raster, options)
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
    import numpy as np  # noqa: PLC0415

    with prepared(raster, replace(options or PredictOptions(), model=model)) as walk:
        plan = walk.plan
        for band in range(len(plan.grid.bands)):
            cells = [plan.grid.cell(row, band) for row in range(plan.grid.rows)]
            for cell, q in walk.blended(cells):
                p = q.astype(np.float32) / np.float32(254)
                p[q == 255] = np.nan  # noqa: PLR2004
                yield cell.core, p


@contextmanager
def prepared(raster: str | Path, options: PredictOptions) -> Iterator[Walk]:
    """Open a raster, put the model on its device, settle the plan: all but the walk itself."""
    model = load(options.model, options.scale)
    with opened(raster, model, options) as reader:
        if by_scene(model):
            with open_raster(raster, bands=options.bands, allow_vrt=options.allow_vrt) as scene:
                model = at_scene(model, scene)
        step = _step(model, options, reader.info)
        memory = _device_memory(step.device)
        plan = make_plan(reader.info.shape, step.card, options.plan, step.device, memory)
        yield Walk(plan, reader, step)


@contextmanager
def opened(raster: str | Path, model: Model, options: PredictOptions) -> Iterator[Reader]:
    """Open a raster on the grid it is inferred on, once it is known to fit the model."""
    check_bands(options.bands, model.card)
    with ExitStack() as stack:
        reader: Reader = open_raster(raster, bands=options.bands, allow_vrt=options.allow_vrt)
        stack.callback(reader.close)
        check_fit(reader, model.card, scaled=options.scale != "auto")
        if reader.info.crs is None:
            _warn_of_pixels(reader.info)
        gsd = target_gsd(reader.info, model.card, options.gsd)
        yield reader if gsd is None else Resampled(reader, gsd)


def _result(walk: Walk, targets: Targets, step: Step, polygons: int, valid_pixels: int) -> Result:
    plan, tally, info = walk.plan, walk.tally, walk.reader.info
    return Result(
        out=targets.paths,
        pixels=info.height * info.width,
        valid_pixels=valid_pixels,
        tiles=tally.tiles,
        tiles_skipped=tally.skipped,
        polygons=polygons,
        seconds={stage: round(spent, 3) for stage, spent in tally.seconds.items()},
        device=step.device,
        precision=step.precision,
        backend=step.backend,
        tile=plan.grid.tile,
        halo=plan.grid.halo,
        receptive_field=step.card.receptive_field,
        peak_memory_bytes=peak_memory(),
        model=step.card.name,
    )


def _write_report(
    assembly: Assembly, reader: Reader, facts: dict[str, Any], result: Result
) -> None:
    from geounet.page import write_page  # noqa: PLC0415
    from geounet.preview import preview  # noqa: PLC0415

    targets = assembly.targets
    assert targets.report is not None
    write_page(
        assembly.staged(targets.report),
        preview=preview(reader),
        info=reader.info,
        footprints=assembly.package,
        layer=facts["model"]["layers"][0],
        facts=facts,
        summary=result.as_dict(),
        reader=reader,
    )


def _write_project(
    assembly: Assembly,
    info: RasterInfo,
    table: TableOptions,
    raster: str | Path,
    options: PredictOptions,
) -> None:
    targets = assembly.targets
    assert targets.project is not None
    results = Results(
        raster=find_source(raster, allow_vrt=options.allow_vrt).name,
        info=info,
        bands=options.bands,
        footprints=shown(targets.vectors),
        crs=assembly.crs,
        layers=table.layers,
        classes=table.classes,
        probability=targets.probability,
        mask=targets.mask,
    )
    staged, home = assembly.staged(targets.project), targets.project.parent
    write_project(staged, home, results.as_layers(), info)


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, bytes.

    What getrusage tells is also that of the process which started this one; Linux knows better.
    """
    status = Path("/proc/self/status")
    for line in status.read_text(encoding="ascii").splitlines() if status.exists() else ():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def targets(out: Path, options: PredictOptions) -> Targets:
    """Return where the parts of a result go."""
    named = {side: getattr(options, side) for side in SIDES}
    sides = {side: None if path is None else Path(path) for side, path in named.items()}
    return Targets(out, **sides, also=tuple(map(Path, options.also)))


def _device_memory(device: str) -> int | None:
    """Free bytes of a device that has memory of its own."""
    if not device.startswith("cuda"):
        return None
    from geounet.backends.torch import free_memory  # noqa: PLC0415

    return free_memory(device)


def _step(model: Model, options: PredictOptions, info: RasterInfo) -> Step:
    words = ("backend", "precision", "device", "threads", "tta")
    wanted = Wanted(**{word: getattr(options, word) for word in words})
    return make_step(model, settle(model, wanted, info.height * info.width))


def carry_out(walk: Walk, assembly: Assembly) -> None:
    """Infer in this thread, quantise and trace in a second, link and write in a third."""

    def trace(cells: Iterator[Sums | Nothing]) -> None:
        segments = walk.traced(cells, keep_q=assembly.wants_q)
        relay(segments, write, name="geounet-write")

    def write(segments: Iterator[Segment]) -> None:
        written = (assembly.written(segment) for segment in segments)
        for strip in strips(walk.plan.grid, written, assembly.folder):
            assembly.add(strip)

    relay(walk.everything(), trace, name="geounet-trace")


def _counter(plan: Plan, progress: Progress) -> Callable[[], None]:
    done, total = 0, len(plan.grid)

    def count() -> None:
        nonlocal done
        done += 1
        progress(min(done, total), total)

    return count


def _table(info: RasterInfo, card: ModelCard, options: PredictOptions) -> TableOptions:
    area, pixels = options.min_area, options.min_pixels
    if area is None and pixels is None:  # without a CRS pixels are taken to be the model's own
        area = card.min_area_m2 if info.crs is not None else None
        pixels = round(card.min_area_m2 / card.gsd**2) if info.crs is None else None
    return TableOptions(
        classes=card.classes,
        layers=card.layers,
        min_area_m2=area or 0.0,
        min_pixels=pixels or 0,
        crs=options.crs,
        source=info.path.name,
    )


def _outlines(info: RasterInfo, options: PredictOptions) -> OutlineOptions:
    return OutlineOptions(
        kind=options.outline,
        tolerance_m=options.tolerance,
        transform=info.transform,
        crs=info.crs,
        split=options.split,
    )


def _facts(raster: str | Path, step: Step, options: PredictOptions, plan: Plan) -> dict[str, Any]:
    """What the output says of where it comes from."""
    names = [entry.name for entry in fields(options) if entry.name not in WITHOUT_EFFECT]
    asked = {name: getattr(options, name) for name in names}
    asked |= {"model": step.card.name, "threshold": plan.level / 254}
    asked |= {"backend": step.backend, "precision": step.precision}
    asked |= {"tile": plan.grid.tile, "halo": plan.grid.halo, "blend": plan.blend}
    facts = {
        "software": f"geounet {__version__}",
        "input": identity(raster),
        "model": asdict(step.card),
        "options": asked,
    }
    plain: dict[str, Any] = json.loads(json.dumps(facts, default=str))
    return plain


def _warn_of_pixels(info: RasterInfo) -> None:
    warnings.warn(
        f"{info.path}: has no CRS; the map is in the raster's own coordinates, "
        "area_m2 and perimeter_m are empty",
        GeounetWarning,
        stacklevel=5,
    )


def _warn_of_memory(result: Result, options: PredictOptions) -> None:
    limit, peak = options.plan.max_memory, result.peak_memory_bytes
    if limit is not None and peak > limit:
        warnings.warn(
            f"the process took {peak / 1e9:.2f} GB at its peak, --max-memory allowed "
            f"{limit / 1e9:.2f} GB; a smaller one would have kept it below",
            GeounetWarning,
            stacklevel=3,
        )
