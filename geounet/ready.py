"""Make ready: a raster opened on the grid it is inferred on, a model on its device, a plan."""

from __future__ import annotations

import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from geounet.backends import NOWHERE
from geounet.backends.choose import Wanted, settle
from geounet.backends.engine import make_step
from geounet.backends.load import load
from geounet.errors import GeounetWarning
from geounet.fit import check_bands, check_fit, target_gsd
from geounet.plan import PlanOptions, make_plan
from geounet.raster import RasterInfo, Reader, open_raster
from geounet.resample import Resampled
from geounet.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from geounet.backends import Look, Model


@dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """Which model sees which pixels, and how; `auto` and `model` are settled on the way."""

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
    allow_vrt: bool = False
    """Open a VRT whose sources lie outside its folder."""


@contextmanager
def prepared(raster: str | Path, options: InferenceOptions, look: Look = NOWHERE) -> Iterator[Walk]:
    """Open a raster, put the model on its device, settle the plan: all but the walk itself.

    Args:
        raster: file or URL of an image.
        options: what was asked for.
        look: layers of the network whose maps the step gives beside the probability, or alone.
    """
    model = load(options.model, options.scale)
    with opened(raster, model, options) as reader:
        words = ("backend", "precision", "device", "threads", "tta")
        asked = {word: getattr(options, word) for word in words}
        wanted = Wanted(**asked, look=look)
        step = make_step(model, settle(model, wanted, reader.info.height * reader.info.width))
        memory = _device_memory(step.device)
        plan = make_plan(reader.info.shape, step.card, options.plan, step.device, memory)
        yield Walk(plan, reader, step)


@contextmanager
def opened(raster: str | Path, model: Model, options: InferenceOptions) -> Iterator[Reader]:
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
