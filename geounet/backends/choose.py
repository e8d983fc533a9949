"""Which engine runs a model: the one asked for, or the fastest whose output is near fp32's."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from geounet.backends import NOWHERE, Look
from geounet.backends.combine import VIEWS, Ensemble
from geounet.backends.engine import GIVEN, Engine
from geounet.backends.machine import may_have_gpu
from geounet.backends.probe import Verdict, candidates, probe
from geounet.errors import GeounetWarning, OptionError
from geounet.model import OnnxModel, Segmenter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.backends import Model

log = logging.getLogger(__name__)

SMALL = 16_000_000
"""Pixels, times models and views, below which a probe costs more than it saves."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What was asked for; `auto` is settled by `settle`."""

    backend: str = "auto"
    """auto, torch, compile, onnx or openvino."""
    precision: str = "auto"
    """auto, fp32, bf16, fp16 or int8."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    threads: int | None = None
    """Of a CPU."""
    tta: str = "none"
    """none, flips or d4."""
    look: Look = NOWHERE
    """Layers of the network whose maps are wanted too, or alone."""


def settle(model: Model, wanted: Wanted, pixels: int) -> Engine:
    """Return how a model is run.

    Args:
        model: what is run.
        wanted: what was asked for.
        pixels: of all that is to come; few of them are not worth a probe.

    Raises:
        ModelError: when the device is not there.
        OptionError: when the words contradict each other or the model.
    """
    if not isinstance(model, Segmenter | OnnxModel | Ensemble):
        return _given(model, wanted)
    if wanted.look.layers:
        return _with_layers(model, wanted)
    device = _device(model, wanted)
    among = _among(model, wanted, device)
    backend, precision = among[0]
    if len(among) > 1:
        work = pixels * len(VIEWS[wanted.tta]) * len(_parts(model))
        backend, precision = _fastest(model, among, wanted.threads, work)
    log.info("engine: %s, %s, on %s", backend, precision, device)
    return Engine(
        backend=backend, precision=precision, device=device, threads=wanted.threads, tta=wanted.tta
    )


def verdicts(
    model: Model, among: Sequence[tuple[str, str]] | None = None, threads: int | None = None
) -> list[Verdict]:
    """Return what the golden tiles say of each candidate; nothing when one of them is missing."""
    parts = _parts(model)
    among = candidates_of(model) if among is None else among
    found = [probe(part, among, threads) for part in parts]
    return [_together(each) for each in zip(*found, strict=True)] if all(found) else []


def candidates_of(model: Model) -> list[tuple[str, str]]:
    """Return the candidates that all parts of a model share, the reference first."""
    first, *others = [candidates(part) for part in _parts(model)]
    return [each for each in first if all(each in other for other in others)]


def _fastest(
    model: Model, among: Sequence[tuple[str, str]], threads: int | None, work: int
) -> tuple[str, str]:
    if work < SMALL:
        log.info("engine: %.0f Mpx are too few to try faster ones", work / 1e6)
        return among[0]
    found = verdicts(model, among, threads)
    for verdict in found:
        log.info("engine: %s: %s", verdict.name, verdict.words)
    if not found:
        log.info("engine: %s has no golden tile to try faster ones with", model.card.name)
    good = [verdict for verdict in found if not verdict.reason]
    if not good:
        return among[0]
    best = min(good, key=lambda verdict: verdict.seconds_per_mpx)
    return best.backend, best.precision


def _with_layers(model: Model, wanted: Wanted) -> Engine:
    """Layers are seen where torch runs them one by one: neither a graph nor compiled code does."""
    if not isinstance(model, Segmenter) or wanted.tta != "none":
        what = f"--tta {wanted.tta}" if wanted.tta != "none" else f"model {model.card.name}"
        raise OptionError(
            f"{what} has no layers to look at; embeddings take one .safetensors model, as it is"
        )
    if wanted.backend not in ("auto", "torch"):
        warnings.warn(
            f"--backend {wanted.backend} shows no layers of the network; this run takes torch",
            GeounetWarning,
            stacklevel=2,
        )
    settled = settle(model, replace(wanted, backend="torch", look=NOWHERE), 0)
    return replace(settled, look=wanted.look)


def _given(model: Model, wanted: Wanted) -> Engine:
    """A step that was handed in runs as its maker decided."""
    for name in ("backend", "precision"):
        if getattr(wanted, name) != "auto":
            raise OptionError(
                f"model {model.card.name} is a step already; leave --{name} "
                f"{getattr(wanted, name)} out"
            )
    device = str(getattr(model, "device", "cpu"))
    if wanted.device not in ("auto", device):
        raise OptionError(
            f"model {model.card.name} runs on {device}; leave --device {wanted.device} out"
        )
    return Engine(backend=GIVEN, precision=GIVEN, device=device, tta=wanted.tta)


def _device(model: Model, wanted: Wanted) -> str:
    graphs = any(isinstance(part, OnnxModel) for part in _parts(model))
    if graphs or wanted.backend in ("onnx", "openvino"):
        if wanted.device not in ("auto", "cpu"):
            what = "an ONNX graph" if graphs else f"--backend {wanted.backend}"
            raise OptionError(f"{what} runs on a CPU, got --device {wanted.device}; leave it out")
        return "cpu"
    if wanted.device == "cpu" or (wanted.device == "auto" and not may_have_gpu()):
        return "cpu"
    from geounet.backends.torch import best_device  # noqa: PLC0415

    return best_device(wanted.device)


def _among(model: Model, wanted: Wanted, device: str) -> list[tuple[str, str]]:
    """The candidates that fit the wish; never empty, what is not installed is refused later."""
    backend, precision = wanted.backend, wanted.precision
    fits = [
        (name, numbers)
        for name, numbers in candidates_of(model)
        if device == "cpu" and backend in ("auto", name) and precision in ("auto", numbers)
    ]
    usual = "bf16" if device.startswith("cuda") else "fp32"
    alone = (
        "torch" if backend == "auto" else backend,
        usual if precision == "auto" else precision,
    )
    return fits or [alone]


def _parts(model: Model) -> tuple[Segmenter | OnnxModel, ...]:
    if isinstance(model, Ensemble):
        return model.models
    assert isinstance(model, Segmenter | OnnxModel)
    return (model,)


def _together(parts: Sequence[Verdict]) -> Verdict:
    """The verdict on an ensemble: times add up, the worst of the rest counts."""
    first = parts[0]
    return Verdict(
        backend=first.backend,
        precision=first.precision,
        seconds_per_mpx=sum(part.seconds_per_mpx for part in parts),
        difference=max(part.difference for part in parts),
        iou=min(part.iou for part in parts),
        reason="; ".join(dict.fromkeys(part.reason for part in parts if part.reason)),
    )
