"""What each engine does with a model's golden tile: how fast, and how far from fp32."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np

from geounet.backends.cache import cached
from geounet.backends.engine import Engine, make_step, runs
from geounet.backends.identity import identity
from geounet.backends.machine import cores, cpu_name, engine_versions
from geounet.errors import ModelError
from geounet.model import read_golden

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.backends import Step
    from geounet.model import OnnxModel, Segmenter

PERCENTILE, DIFFERENCE, IOU = 99.9, 0.02, 0.995
"""The bound: |Δp| at that percentile, and the IoU of the masks."""
PROBE_EDGE, ROUNDS = 512, 3
CANDIDATES = (
    ("torch", "fp32"), ("onnx", "fp32"), ("openvino", "fp32"),
    ("torch", "bf16"), ("openvino", "bf16"), ("openvino", "int8"),
)  # fmt: skip
"""What is weighed on a CPU, the reference first. `compile` is not among them: compiling takes
longer than it saves. Nor is fp16, which a CPU computes slowly."""


@dataclass(frozen=True)
class Verdict:
    """What became of one candidate."""

    backend: str
    """The engine."""
    precision: str
    """What it computes in."""
    seconds_per_mpx: float = 0.0
    """CPU seconds a million pixels of tiles; 0 when it was not run."""
    difference: float = 1.0
    """|Δp| at the 99.9th percentile against the reference."""
    iou: float = 0.0
    """Of the masks at the card's threshold."""
    reason: str = ""
    """Why it is not taken; empty when it may be."""

    @property
    def name(self) -> str:
        """Engine and precision."""
        return f"{self.backend} {self.precision}"

    @property
    def words(self) -> str:
        """Speed, difference and judgement."""
        if not self.seconds_per_mpx:
            return self.reason
        return (
            f"{self.seconds_per_mpx:.3f} CPU s a Mpx, |Δp| {self.difference:.4f}, "
            f"IoU {self.iou:.4f}: {self.reason or 'within the bound'}"
        )


def candidates(model: Segmenter | OnnxModel) -> list[tuple[str, str]]:
    """Return what is installed and can run a model on a CPU, the reference first."""
    return [each for each in CANDIDATES if runs(model, *each)]


def probe(
    model: Segmenter | OnnxModel, among: Sequence[tuple[str, str]], threads: int | None
) -> list[Verdict]:
    """Return a verdict on each candidate, measured once for this model and this machine.

    Args:
        model: what is run; without a golden tile there is no verdict.
        among: some of its `candidates`.
        threads: of the CPU.
    """
    golden = read_golden(model.path) if model.path else None
    if golden is None:
        return []
    machine = [cpu_name(), engine_versions(), threads, cores()]
    words = json.dumps([identity(model), model.card.to_json(), list(among), machine])
    name = f"probe-{sha256(words.encode()).hexdigest()[:16]}.json"
    made = cached(name, lambda: _as_json(_measured(model, among, threads, golden[0])))
    return [Verdict(**each) for each in json.loads(made)]


def _measured(
    model: Segmenter | OnnxModel,
    among: Sequence[tuple[str, str]],
    threads: int | None,
    pixels: NDArray[np.uint8],
) -> list[Verdict]:
    backend, precision = candidates(model)[0]
    engine = Engine(backend=backend, precision=precision, threads=threads)
    expected = _output(make_step(model, engine), pixels)
    found = []
    for backend, precision in among:
        other = replace(engine, backend=backend, precision=precision)
        found.append(_verdict(model, other, pixels, expected))
    return found


def _verdict(
    model: Segmenter | OnnxModel,
    engine: Engine,
    pixels: NDArray[np.uint8],
    expected: NDArray[np.float32],
) -> Verdict:
    name = engine.backend, engine.precision
    try:
        step = make_step(model, engine)
        found = _output(step, pixels)
    except ModelError as error:
        return Verdict(*name, reason=str(error))
    difference, iou = apart(expected, found, model.card.threshold)
    reason = ""
    if not (difference <= DIFFERENCE and iou >= IOU):
        reason = f"too far from fp32 (at most {DIFFERENCE}, IoU at least {IOU})"
    return Verdict(*name, _cpu_seconds(step, pixels), difference, iou, reason)


def apart(
    expected: NDArray[np.float32], found: NDArray[np.float32], threshold: float
) -> tuple[float, float]:
    """Return |Δp| at the 99.9th percentile, and the IoU of the masks (1 where both are empty)."""
    difference = float(np.percentile(np.abs(found - expected), PERCENTILE))
    one, other = expected >= threshold, found >= threshold
    either = np.count_nonzero(one | other)
    return difference, np.count_nonzero(one & other) / either if either else 1.0


def _output(step: Step, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return step(pixels[None], np.ones((1, *pixels.shape[1:]), bool))["probability"]


def _cpu_seconds(step: Step, pixels: NDArray[np.uint8]) -> float:
    """CPU seconds a million pixels, the best of some rounds: other processes do not count."""
    times = [-(-(step.card.tile or PROBE_EDGE) // extent) for extent in pixels.shape[1:]]
    large = np.tile(pixels, (1, *times))
    _output(step, large)
    spent = []
    for _ in range(ROUNDS):
        started = time.process_time()
        _output(step, large)
        spent.append(time.process_time() - started)
    return float(min(spent) / (large[0].size / 1e6))


def _as_json(found: Sequence[Verdict]) -> bytes:
    return json.dumps([asdict(each) for each in found]).encode()
