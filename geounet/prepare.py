"""Open a raster, put a model on its device, settle the plan: all before the walk itself."""

from __future__ import annotations

import json
import logging
import warnings
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from affine import Affine

from geounet.area import Within
from geounet.backends import NOWHERE, Look
from geounet.backends.choose import Wanted, settle
from geounet.backends.engine import Engine
from geounet.backends.load import load
from geounet.backends.ready import Ready
from geounet.baselines.model import Baseline, BaselineStep, baseline
from geounet.errors import GeounetWarning, OptionError
from geounet.fit import check_bands, check_count, check_dtype, named_bands, target_gsd
from geounet.grid import TileGrid
from geounet.memory import Room
from geounet.opening import Imagery, open_imagery
from geounet.plan import Plan, PlanOptions, make_plan
from geounet.resample import Resampled
from geounet.spans import at_scene, by_scene
from geounet.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from geounet.area import Area
    from geounet.backends import Model
    from geounet.card import ModelCard
    from geounet.forgiving import Failures
    from geounet.reader import RasterInfo, Reader

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """Which model sees which pixels, and how; `auto` and `model` are settled on the way."""

    model: str | Path | Model | tuple[str | Path | Model, ...] = "buildings"
    """Bundled name, path of a model file, a `Segmenter`, or anything with a card that is a step;
    several of them are asked together, their mean probability counts. Or a baseline's name."""
    plan: PlanOptions = field(default_factory=PlanOptions)
    """Tile, halo, blend, threshold, batch size."""
    bands: tuple[int, ...] | None = None
    """1-based bands of the raster, in the model's order."""
    scale: tuple[float, float] | Literal["auto", "none"] = "auto"
    """Raw values that are black and white; `none`: pixels are 0-1 already; `auto`: the card's."""
    gsd: float | Literal["native", "model"] = "model"
    """Ground sample distance to infer at, metres."""
    aoi: Path | None = None
    """Vector file of polygons: a result is wanted only there."""
    bbox: tuple[float, float, float, float] | None = None
    """The same as a box: smallest x and y, largest x and y, in the raster's CRS."""
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
    rasters: int = 1
    """How many of about this size are to come: what tries engines out pays for all of them."""
    allow_vrt: bool = False
    """Open a VRT whose sources lie outside its folder."""

    @property
    def engine(self) -> Wanted:
        """What was asked for of the engine."""
        words = ("backend", "precision", "device", "threads", "tta")
        return Wanted(**{word: getattr(self, word) for word in words})


@dataclass(frozen=True)
class Settled:
    """What a run asks and probes once: the same engine and plan, the same result."""

    engine: Engine
    """How the model is run."""
    plan: Plan
    """What is done with it."""

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def of_json(cls, words: dict[str, Any]) -> Settled:
        """Return what `as_json` was made of."""
        plan, grid = words["plan"], words["plan"]["grid"]
        grid = TileGrid(**{**grid, "shape": tuple(grid["shape"])})
        engine, look = words["engine"], words["engine"]["look"]
        seen = Look(tuple(look["layers"]), look["alone"])
        return cls(Engine(**{**engine, "look": seen}), Plan(**{**plan, "grid": grid}))


@contextmanager
def prepared(raster: Imagery, options: InferenceOptions, look: Look = NOWHERE) -> Iterator[Walk]:
    """Open a raster, put the model on its device, settle the plan: all but the walk itself.

    Args:
        raster: file or URL of an image, or a surface.
        options: what was asked for.
        look: layers of the network whose maps the step gives beside the probability, or alone.
    """
    model = named(options)
    with opened(raster, model, options) as reader:
        model = fitted(model, reader, raster, options)
        settled = settle_run(model, reader.info, options, look)
        yield walk_of(Ready(model), reader, settled, options)


def named(options: InferenceOptions) -> Model:
    """Return the model a user named, which may be a baseline that has seen no raster yet."""
    return baseline(options.model, options.scale) or load(options.model, options.scale)


def fitted(model: Model, reader: Reader, raster: Imagery, options: InferenceOptions) -> Model:
    """Return the model for a raster; a baseline, or a scaling by scene, has to look at all of it.

    Args:
        model: as it was named.
        reader: of the grid that is inferred.
        raster: file or URL of the scene, or a surface.
        options: what was asked for.
    """
    if isinstance(model, Baseline):
        return model.fitted(reader)
    if not by_scene(model):
        return model
    bands, allow_vrt = reader.info.bands, options.allow_vrt
    with closing(open_imagery(raster, bands=bands, allow_vrt=allow_vrt)) as scene:
        return at_scene(model, scene)


def saw_scene(model: Model) -> bool:
    """Return whether what a fitted model says of a pixel hangs on the whole scene."""
    return isinstance(model, Baseline | BaselineStep) or by_scene(model)


def settle_run(
    model: Model, info: RasterInfo, options: InferenceOptions, look: Look = NOWHERE
) -> Settled:
    """Return how a model is run on a raster: no `auto` is left."""
    wanted = replace(options.engine, look=look)
    engine = settle(model, wanted, info.height * info.width * options.rasters)
    return Settled(engine, make_plan(info.shape, model.card, options.plan, _room(engine)))


def walk_of(ready: Ready, reader: Reader, settled: Settled, options: InferenceOptions) -> Walk:
    """Return the walk of what was settled; nothing is asked or probed again."""
    plan, step = settled.plan, ready.step(settled.engine)
    area = area_of(reader.info, options)
    if area is None:
        return Walk(plan, reader, step)
    # two tiles: what one that counts may see, and what that may mirror
    near = area.grown(2 * plan.grid.tile, reader.info.shape)
    return Walk(plan, Within(reader, near), step, area)


@contextmanager
def opened(
    raster: Imagery, model: Model, options: InferenceOptions, failures: Failures | None = None
) -> Iterator[Reader]:
    """Open a raster on the grid it is inferred on, once it is known to fit the model.

    Args:
        raster: file or URL, or a surface.
        model: that is to see it.
        options: what was asked for.
        failures: takes blocks that cannot be read; None has them raise.
    """
    with ExitStack() as stack:
        reader = read(raster, model.card, options, failures)
        stack.callback(reader.close)
        for check in checks(reader, model, options):
            check()
        grid = on_grid(reader, model, options)
        if failures is not None and grid is not reader:
            wide, high = grid.info.width / reader.info.width, grid.info.height / reader.info.height
            failures.to_grid = Affine.scale(wide, high)
        yield grid


def checks(
    reader: Reader, model: Model, options: InferenceOptions
) -> tuple[Callable[[], object], ...]:
    """Return what a raster and a model are held against; each raises where they do not fit."""
    info, card = reader.info, card_for(model, reader.info)
    chosen = options.bands is not None
    return (
        partial(check_bands, options.bands, card) if chosen else partial(check_count, info, card),
        partial(check_dtype, reader, card, scaled=options.scale != "auto"),
        partial(target_gsd, info, card, options.gsd),
        partial(_warn_of_pixels, info),
    )


def card_for(model: Model, info: RasterInfo) -> ModelCard:
    """Return the card of a model, which a baseline has once it is known what it is to see."""
    return model.for_raster(info) if isinstance(model, Baseline) else model.card


def on_grid(reader: Reader, model: Model, options: InferenceOptions) -> Reader:
    """Return the reader of the grid that is inferred."""
    gsd = target_gsd(reader.info, card_for(model, reader.info), options.gsd)
    return reader if gsd is None else Resampled(reader, gsd)


def read(
    raster: Imagery,
    card: ModelCard,
    options: InferenceOptions,
    failures: Failures | None = None,
) -> Reader:
    """Return the reader of the bands asked for, or of those that the file names as the card does.

    Raises:
        RasterError: it cannot be opened, or names its bands otherwise.
    """
    opening = partial(open_imagery, raster, allow_vrt=options.allow_vrt, failures=failures)
    with ExitStack() as stack:
        reader = opening(bands=options.bands)
        stack.callback(reader.close)
        bands = named_bands(reader.info, card) if options.bands is None else None
        if bands is None or bands == reader.info.bands:
            stack.pop_all()
            return reader
    numbers = ",".join(map(str, bands))
    log.warning(
        "%s: takes bands %s, which the file calls %s; --bands chooses others",
        *(reader.info.path, numbers, ", ".join(card.bands)),
    )
    return opening(bands=bands)


def bands_of(info: RasterInfo, options: InferenceOptions) -> tuple[int, ...] | None:
    """Return the bands that are read, where the file's own order is not kept, or as asked for."""
    kept = info.bands == tuple(range(1, info.count + 1))
    return options.bands if kept else info.bands


def area_of(info: RasterInfo, options: InferenceOptions) -> Area | None:
    """Return where a result is wanted; None = everywhere.

    Raises:
        OptionError: two areas, or one that does not touch the raster.
        AnnotationError: the file cannot be used.
    """
    if options.aoi is None and options.bbox is None:
        return None
    from geounet.annotations.area import box_area, read_area  # noqa: PLC0415 - brings geopandas

    if options.aoi is not None and options.bbox is not None:
        raise OptionError("--aoi and --bbox name two areas; leave one out")
    if options.bbox is not None:
        return box_area(options.bbox, info)
    assert options.aoi is not None
    return read_area(Path(options.aoi), info)


def _room(engine: Engine) -> Room:
    """Where the network runs, with what, and how much memory it finds there."""
    room = Room(engine.device, backend=engine.backend, precision=engine.precision)
    if not engine.device.startswith("cuda"):
        return room
    from geounet.backends.torch import free_memory  # noqa: PLC0415

    return replace(room, on_device=free_memory(engine.device))


def _warn_of_pixels(info: RasterInfo) -> None:
    if info.crs is not None:
        return
    warnings.warn(
        f"{info.path}: has no CRS; the map is in the raster's own coordinates, "
        "area_m2 and perimeter_m are empty",
        GeounetWarning,
        stacklevel=5,
    )
