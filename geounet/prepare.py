"""Open a raster, put a model on its device, settle the plan: all before the walk itself."""

from __future__ import annotations

import json
import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from affine import Affine

from geounet.backends.choose import settle
from geounet.backends.engine import Engine, make_step
from geounet.backends.load import load
from geounet.errors import GeounetWarning
from geounet.fit import check_bands, check_fit, target_gsd
from geounet.forgiving import Failures, Forgiving
from geounet.grid import TileGrid
from geounet.plan import Plan, make_plan
from geounet.raster import RasterInfo, Reader, open_raster
from geounet.resample import Resampled
from geounet.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geounet.backends import Model
    from geounet.options import PredictOptions


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
        return cls(Engine(**words["engine"]), Plan(**{**plan, "grid": grid}))


@contextmanager
def prepared(raster: str | Path, options: PredictOptions) -> Iterator[Walk]:
    """Open a raster, put the model on its device, settle the plan: all but the walk itself."""
    model = load(options.model, options.scale)
    with opened(raster, model, options) as reader:
        yield walk_of(model, reader, settle_run(model, reader.info, options))


def settle_run(model: Model, info: RasterInfo, options: PredictOptions) -> Settled:
    """Return how a model is run on a raster: no `auto` is left."""
    engine = settle(model, options.engine, info.height * info.width)
    memory = _device_memory(engine.device)
    return Settled(engine, make_plan(info.shape, model.card, options.plan, engine.device, memory))


def walk_of(model: Model, reader: Reader, settled: Settled) -> Walk:
    """Return the walk of what was settled; nothing is asked or probed again."""
    return Walk(settled.plan, reader, make_step(model, settled.engine))


@contextmanager
def opened(
    raster: str | Path, model: Model, options: PredictOptions, failures: Failures | None = None
) -> Iterator[Reader]:
    """Open a raster on the grid it is inferred on, once it is known to fit the model.

    Args:
        raster: file or URL.
        model: that is to see it.
        options: what was asked for.
        failures: takes blocks that cannot be read; None has them raise.
    """
    check_bands(options.bands, model.card)
    with ExitStack() as stack:
        reader: Reader = open_raster(raster, bands=options.bands, allow_vrt=options.allow_vrt)
        stack.callback(reader.close)
        if failures is not None:
            reader = Forgiving(reader, failures)
        check_fit(reader, model.card, scaled=options.scale != "auto")
        if reader.info.crs is None:
            _warn_of_pixels(reader.info)
        gsd = target_gsd(reader.info, model.card, options.gsd)
        grid: Reader = reader if gsd is None else Resampled(reader, gsd)
        if failures is not None and grid is not reader:
            wide, high = grid.info.width / reader.info.width, grid.info.height / reader.info.height
            failures.to_grid = Affine.scale(wide, high)
        yield grid


def _device_memory(device: str) -> int | None:
    """Free bytes of a device that has memory of its own."""
    if not device.startswith("cuda"):
        return None
    from geounet.backends.torch import free_memory  # noqa: PLC0415

    return free_memory(device)


def _warn_of_pixels(info: RasterInfo) -> None:
    warnings.warn(
        f"{info.path}: has no CRS; the map is in the raster's own coordinates, "
        "area_m2 and perimeter_m are empty",
        GeounetWarning,
        stacklevel=5,
    )
