"""Open a raster, put a model on its device, settle the plan: all before the walk itself."""

from __future__ import annotations

import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from geounet.annotations.area import box_area, read_area
from geounet.area import Within
from geounet.backends.choose import settle
from geounet.backends.engine import make_step
from geounet.backends.load import load
from geounet.errors import GeounetWarning, OptionError
from geounet.fit import check_bands, check_fit, target_gsd
from geounet.memory import Room
from geounet.plan import make_plan
from geounet.raster import RasterInfo, Reader, open_raster
from geounet.resample import Resampled
from geounet.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geounet.area import Area
    from geounet.backends import Model, Step
    from geounet.options import PredictOptions


@contextmanager
def prepared(raster: str | Path, options: PredictOptions) -> Iterator[Walk]:
    """Open a raster, put the model on its device, settle the plan: all but the walk itself."""
    model = load(options.model, options.scale)
    with opened(raster, model, options) as reader:
        pixels = reader.info.height * reader.info.width
        step = make_step(model, settle(model, options.engine, pixels))
        plan = make_plan(reader.info.shape, step.card, options.plan, _room(step))
        area = area_of(reader.info, options)
        if area is None:
            yield Walk(plan, reader, step)
        else:  # two tiles: what one that counts may see, and what that may mirror
            near = area.grown(2 * plan.grid.tile, reader.info.shape)
            yield Walk(plan, Within(reader, near), step, area)


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


def area_of(info: RasterInfo, options: PredictOptions) -> Area | None:
    """Return where a result is wanted; None = everywhere.

    Raises:
        OptionError: two areas, or one that does not touch the raster.
        AnnotationError: the file cannot be used.
    """
    if options.aoi is not None and options.bbox is not None:
        raise OptionError("--aoi and --bbox name two areas; leave one out")
    if options.bbox is not None:
        return box_area(options.bbox, info)
    return None if options.aoi is None else read_area(Path(options.aoi), info)


def _room(step: Step) -> Room:
    """Where the network runs, with what, and how much memory it finds there."""
    room = Room(step.device, backend=step.backend, precision=step.precision)
    if not step.device.startswith("cuda"):
        return room
    from geounet.backends.torch import free_memory  # noqa: PLC0415

    return replace(room, on_device=free_memory(step.device))


def _warn_of_pixels(info: RasterInfo) -> None:
    warnings.warn(
        f"{info.path}: has no CRS; the map is in the raster's own coordinates, "
        "area_m2 and perimeter_m are empty",
        GeounetWarning,
        stacklevel=5,
    )
