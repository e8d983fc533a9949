"""How a model is run, as settled words, and the step that follows from them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

from geounet.backends import NOWHERE, Look
from geounet.backends.cache import cached
from geounet.backends.combine import VIEWS, Ensemble, EnsembleStep, ViewsStep
from geounet.backends.identity import identity
from geounet.backends.machine import package_version
from geounet.errors import ModelError, OptionError
from geounet.model import OnnxModel, Segmenter, read_golden
from geounet.onnxfile import keeps_data_elsewhere

if TYPE_CHECKING:
    from geounet.backends import Model, Step

GIVEN = "given"
"""Backend and precision of a step that was handed in, not made."""
PRECISIONS = {
    "torch": ("fp32", "bf16", "fp16"),
    "compile": ("fp32", "bf16", "fp16"),
    "onnx": ("fp32",),
    "openvino": ("fp32", "bf16", "int8"),
    GIVEN: (GIVEN,),
}
"""Backends and what they compute in."""
BACKENDS = tuple(name for name in PRECISIONS if name != GIVEN)
FORM = 1
"""Raised when the graph of the same weights changes."""
EXPORTER = "onnx"
"""The package that torch exports graphs with."""
PACKAGES = {"onnx": "onnxruntime", "openvino": "openvino"}
"""What a backend needs beside torch; also the extra that brings it is named like the backend."""


@dataclass(frozen=True, kw_only=True)
class Engine:
    """Everything settled about how a model is run; the same words make the same step again."""

    backend: str
    """torch, compile, onnx or openvino."""
    precision: str
    """fp32, bf16, fp16 or int8."""
    device: str = "cpu"
    """cpu, cuda, cuda:N or mps."""
    threads: int | None = None
    """Of a CPU; None takes one for each core."""
    tta: str = "none"
    """Views of each tile: none, flips or d4."""
    look: Look = NOWHERE
    """Layers whose maps the step gives beside the probability, or alone; torch can."""

    def __post_init__(self) -> None:
        """Refuse words that do not go together."""
        if self.backend not in PRECISIONS:
            raise OptionError(f"backend is {self.backend!r}; known: {', '.join(BACKENDS)}")
        known = PRECISIONS[self.backend]
        if self.precision not in known:
            raise OptionError(
                f"--backend {self.backend} has no precision {self.precision}; "
                f"known: {', '.join(known)}"
            )
        if self.tta not in VIEWS:
            raise OptionError(f"tta is {self.tta!r}; known: {', '.join(VIEWS)}")


def installed(backend: str, precision: str = "fp32") -> bool:
    """Return whether the packages of a backend are there."""
    wanted = [PACKAGES.get(backend, "torch"), *(["nncf"] if precision == "int8" else [])]
    return all(find_spec(package) for package in wanted)


def runs(model: Model, backend: str, precision: str) -> bool:
    """Return whether a backend that is installed can run a model: a graph, or one to export."""
    if isinstance(model, OnnxModel):
        return backend in PACKAGES and installed(backend, precision)
    exports = backend not in PACKAGES or find_spec(EXPORTER) is not None
    return exports and installed(backend, precision)


def make_step(model: Model, engine: Engine) -> Step:
    """Return the step of a model; what is no model of ours is a step already.

    Args:
        model: a `Segmenter`, an `OnnxModel`, an `Ensemble`, or a step.
        engine: how to run it.

    Raises:
        ModelError: when the engine is not installed, or cannot run the model.
    """
    if isinstance(model, Ensemble):
        plain = replace(engine, tta="none")
        step: Step = EnsembleStep([make_step(each, plain) for each in model.models], model.card)
    else:
        step = _step(model, engine)
    return step if engine.tta == "none" else ViewsStep(step, engine.tta)


def _step(model: Model, engine: Engine) -> Step:
    if not isinstance(model, Segmenter | OnnxModel):
        return cast("Step", model)
    if not installed(engine.backend, engine.precision):
        raise ModelError(
            f"--backend {engine.backend} in {engine.precision} is not installed; "
            f"pip install 'geounet[{engine.backend}]'"
        )
    if engine.backend in ("torch", "compile"):
        return _torch_step(model, engine)
    if engine.device != "cpu":
        raise OptionError(f"--backend {engine.backend} runs on a CPU, not on {engine.device}")
    graph = graph_of(model)
    if engine.backend == "onnx":
        from geounet.backends.onnx import OnnxStep  # noqa: PLC0415

        return OnnxStep(graph, model.card, engine.threads)
    from geounet.backends.openvino import OpenVinoStep  # noqa: PLC0415

    golden = read_golden(model.path) if engine.precision == "int8" and model.path else None
    return OpenVinoStep(
        graph,
        model.card,
        precision=engine.precision,
        threads=engine.threads,
        calibration=golden[0] if golden else None,
    )


def _torch_step(model: Model, engine: Engine) -> Step:
    if not isinstance(model, Segmenter):
        raise ModelError(f"model {model.card.name}: an ONNX graph is run by onnx or openvino")
    from geounet.backends.torch import TorchStep  # noqa: PLC0415

    return TorchStep(
        model,
        device=engine.device,
        precision=engine.precision,
        threads=engine.threads,
        compiled=engine.backend == "compile",
        look=engine.look,
    )


def graph_of(model: Segmenter | OnnxModel) -> bytes:
    """Return a model as an ONNX file; that of a segmenter is exported once for its weights.

    Raises:
        ModelError: it keeps data in other files, or what exports it is not installed.
    """
    if isinstance(model, OnnxModel):
        return _whole(model)
    if find_spec(EXPORTER) is None:
        raise ModelError(
            f"model {model.card.name} needs the package {EXPORTER} to become a graph; "
            "pip install 'geounet[onnx]', or --backend torch"
        )
    return cached(graph_name(model), partial(_exported, model))


def graph_name(model: Segmenter) -> str:
    """Return the name in the cache of the graph that a segmenter becomes."""
    return f"{identity(model)}-torch{package_version('torch')}-form{FORM}.onnx"


def _exported(model: Segmenter) -> bytes:
    from geounet.backends.export import export_onnx  # noqa: PLC0415

    return export_onnx(model)


def _whole(model: OnnxModel) -> bytes:
    """The bytes of a graph that names no other file: an engine would open it, wherever it lies."""
    graph = model.path.read_bytes()
    try:
        elsewhere = keeps_data_elsewhere(graph)
    except ValueError as error:
        raise ModelError(f"{model.path}: not a readable .onnx file ({error})") from error
    if elsewhere:
        raise ModelError(
            f"{model.path}: keeps weights in other files, expected all in one; save it so, as "
            "geounet models export and import do"
        )
    return graph
