"""What predict would do with a raster, and what it would take: nothing is written."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rasterio.windows import Window

from geounet.backends import Look
from geounet.backends.machine import free_memory
from geounet.backends.ready import Ready
from geounet.baselines.model import Baseline
from geounet.companions import LOOK
from geounet.errors import RasterError
from geounet.forecast.census import Census, census
from geounet.forecast.pace import Pace, pace
from geounet.forecast.reasons import Reasons, told_of_data, told_of_memory, told_of_pixels
from geounet.options import PredictOptions, targets
from geounet.order import Order
from geounet.prepare import card_for, checks, named, on_grid, read, settle_run, walk_of
from geounet.preview import Part
from geounet.raster import open_raster
from geounet.space import check_space, disks, needs
from geounet.spans import at_scene, by_scene

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geounet.backends import Model
    from geounet.prepare import Settled
    from geounet.reader import RasterInfo, Reader
    from geounet.targets import Targets

PASS = 2048
"""Edge of the part that a baseline, or a scaling by scene, is tried on."""


@dataclass(frozen=True)
class Forecast:
    """What a run on one raster would do and take."""

    raster: str
    """The raster, as it was named."""
    refused: tuple[str, ...]
    """Why it would be refused, each with its cure; empty when it would run."""
    minded: tuple[str, ...]
    """What a user should know."""
    info: RasterInfo | None = None
    """Of the raster, when it could be opened."""
    grid: RasterInfo | None = None
    """Of the grid that is inferred."""
    settled: Settled | None = None
    """Engine and plan."""
    model: str = ""
    """Name of the model."""
    backend: str = ""
    """What runs the network, as the step calls it."""
    precision: str = ""
    """What it computes in."""
    census: Census | None = None
    """Which tiles hold data."""
    seconds: float | None = None
    """Wall time of the run, without the start of Python."""
    disk: int = 0
    """Bytes that outputs and what waits for them take."""
    disk_free: int = 0
    """Bytes that are free there, on the fullest disk."""

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `--json` prints."""
        words: dict[str, Any] = {
            "raster": self.raster, "runs": not self.refused, "refused": list(self.refused),
            "minded": list(self.minded),
        }  # fmt: skip
        if self.info is not None:
            info = self.info
            words |= {"width": info.width, "height": info.height, "bands": info.count,
                      "dtype": str(info.dtype), "gsd": info.gsd}  # fmt: skip
        if self.settled is not None and self.grid is not None:
            plan, engine = self.settled.plan, asdict(self.settled.engine)
            words |= {key: engine[key] for key in ("backend", "precision", "device", "threads")}
            words |= {"backend": self.backend or words["backend"]}
            words |= {"precision": self.precision or words["precision"]}
            words |= {"model": self.model, "pixels": self.grid.height * self.grid.width,
                      "tile": plan.grid.tile, "halo": plan.grid.halo, "blend": plan.blend,
                      "batch_size": plan.batch_size, "tiles": len(plan.grid),
                      "memory_bytes": plan.memory, "disk_bytes": self.disk,
                      "disk_free_bytes": self.disk_free}  # fmt: skip
        if self.census is not None:
            words |= {"tiles_skipped": self.census.skipped, "data_share": self.census.data,
                      "skipped_by": self.census.by, "seconds": self.seconds}  # fmt: skip
        return words


@dataclass
class Forecaster:
    """Tells of rasters one by one; how fast the machine is, it measures once a way to run."""

    _paces: dict[Any, tuple[Pace, float]] = field(default_factory=dict)

    def forecast(self, raster: str, out: Path | None, options: PredictOptions) -> Forecast:
        """Return what a run would do; nothing is written, nothing raised that a user may cure.

        Args:
            raster: file or URL.
            out: where its footprints would go; None does not look.
            options: of this raster.
        """
        reasons, begun = Reasons(), time.perf_counter()
        goals = targets(out or Path.cwd() / "buildings.gpkg", options)
        if out is not None:
            with reasons.heard():
                goals.check(raster, overwrite=options.overwrite, resume=options.resume)
        model: Model | None = None
        with reasons.heard():
            model = named(options)
        with ExitStack() as stack:
            reader = _opened(raster, model, options, reasons, stack)
            if reader is None or model is None:
                return _told(raster, reasons, None if reader is None else reader.info)
            _fit(reader, model, options, reasons)
            told: dict[str, Any] = {"info": reader.info}
            told["model"] = card_for(model, reader.info).name
            with reasons.heard():
                for more in self._reckoned(reader, model, goals, options, reasons, begun):
                    told |= more
        return _told(raster, reasons, **told)

    def _reckoned(
        self,
        reader: Reader,
        model: Model,
        goals: Targets,
        options: PredictOptions,
        reasons: Reasons,
        begun: float,
    ) -> Iterator[dict[str, Any]]:
        """Yield what is known of a run, step by step, as far as nothing speaks against it."""
        grid, looking = on_grid(reader, model, options), 0.0
        if not reasons.refused:
            model, looking = _tried(model, grid)
        look = Look() if goals.embeddings is None else Look(LOOK.layers)
        settled = settle_run(model, grid.info, options, look)
        yield {"grid": grid.info, "settled": settled}
        order = Order.of(grid.info, settled.plan, model.card, goals, options)
        check_space(needs(order))
        found = disks(needs(order))
        yield {
            "disk": sum(disk.need for disk in found),
            "disk_free": min(disk.free for disk in found),
        }
        told_of_memory(reader.info.path, settled.plan.memory, free_memory(), reasons)
        if not reasons.refused:
            timed = self._timed(model, grid, reader.info, settled, options, begun)
            yield timed | {"seconds": timed["seconds"] + looking}
            told_of_data(reader.info, timed["census"], reasons)

    def _timed(
        self,
        model: Model,
        grid: Reader,
        info: RasterInfo,
        settled: Settled,
        options: PredictOptions,
        begun: float,
    ) -> dict[str, Any]:
        """What of the raster is to be done, and how long that takes."""
        walk = walk_of(Ready(model), grid, settled, options)
        loading = time.perf_counter() - begun
        found = census(walk, info, allow_vrt=options.allow_vrt)
        kind = (settled.engine, settled.plan.grid.tile, settled.plan.batch_size, str(info.dtype),
                grid is not None and grid.info.shape == info.shape)  # fmt: skip
        if kind not in self._paces or not self._paces[kind][0].tile:
            self._paces[kind] = pace(walk, found.filled), loading
        measured, loading = self._paces[kind]
        rasters = settled.plan.classes * (options.probability is not None)
        rasters += options.mask is not None
        pixels = found.data * grid.info.height * grid.info.width
        seconds = loading + measured.seconds(found.tiles - found.skipped, pixels, rasters)
        step = walk.step
        return {"census": found, "seconds": seconds, "backend": step.backend,
                "precision": step.precision}  # fmt: skip


def _fit(reader: Reader, model: Model, options: PredictOptions, reasons: Reasons) -> None:
    """Hold a raster and a model against each other; if they fit, also its pixels."""
    for check in checks(reader, model, options):
        with reasons.heard():
            check()
    if not reasons.refused:
        with reasons.heard():
            told_of_pixels(reader, card_for(model, reader.info), reasons)


def _told(raster: str, reasons: Reasons, info: RasterInfo | None, **more: Any) -> Forecast:  # noqa: ANN401
    return Forecast(raster, tuple(reasons.refused), tuple(reasons.minded), info, **more)


def _opened(
    raster: str, model: Model | None, options: PredictOptions, reasons: Reasons, stack: ExitStack
) -> Reader | None:
    """The reader predict would have; or, to say more of it, that of the raster as it is."""
    if model is not None:
        with reasons.heard():
            reader = read(raster, model.card, options)
            stack.callback(reader.close)
            return reader
    with reasons.heard():
        bare = open_raster(raster, allow_vrt=options.allow_vrt)
        return stack.enter_context(bare)
    return None


def _tried(model: Model, grid: Reader) -> tuple[Model, float]:
    """The model as it would be for a scene, from a part of it; seconds that all of it takes."""
    if not isinstance(model, Baseline) and not by_scene(model):
        return model, 0.0
    high, wide = min(grid.info.height, PASS), min(grid.info.width, PASS)
    top, left = (grid.info.height - high) // 2, (grid.info.width - wide) // 2
    begun = time.perf_counter()
    try:
        found = _at(model, Part(grid, Window(left, top, wide, high)))
    except RasterError:  # there is no data in the middle
        return _at(model, grid), time.perf_counter() - begun
    share = high * wide / (grid.info.height * grid.info.width)
    return found, (time.perf_counter() - begun) / share


def _at(model: Model, scene: Reader) -> Model:
    return model.fitted(scene) if isinstance(model, Baseline) else at_scene(model, scene)
