"""Run an ONNX graph with OpenVINO on a CPU, also in bf16 and int8; imports no torch."""

from __future__ import annotations

import logging
import sys
from contextlib import redirect_stdout
from hashlib import sha256
from importlib.metadata import version
from io import StringIO
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import openvino

from geounet.backends.cache import cached
from geounet.backends.graph import check_graph, class_maps
from geounet.backends.machine import threads_given
from geounet.backends.scaling import Scaling
from geounet.errors import DeviceMemoryError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from geounet.card import ModelCard

HINTS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
CHIP = 256
NO_ROOM = ("bad_alloc", "allocate memory", "out of memory")


class OpenVinoStep:
    """A graph of standardised float32 pixels → probability; see `Step` for the call."""

    backend, device = "openvino", "cpu"

    def __init__(
        self,
        graph: bytes,
        card: ModelCard,
        *,
        precision: str = "fp32",
        threads: int | None = None,
        calibration: NDArray[np.uint8] | None = None,
    ) -> None:
        """Compile the graph.

        Args:
            graph: an ONNX file.
            card: of the model.
            precision: fp32, bf16 or int8.
            threads: None takes one for each core.
            calibration: `(bands, height, width)` raw pixels that int8 takes its ranges from.

        Raises:
            ModelError: when it is no graph or not the card's, or int8 has nothing to go by.
        """
        self.card, self.precision, self._scaling = card, precision, Scaling(card)
        config = {"INFERENCE_PRECISION_HINT": HINTS[precision], "PERFORMANCE_HINT": "LATENCY"}
        threads = threads or threads_given()
        if threads is not None:
            config["INFERENCE_NUM_THREADS"] = str(threads)
        try:
            core = openvino.Core()
            model = core.read_model(graph, b"")
            _check(card, model)
            if precision == "int8":
                model = _whole(core, _int8(graph, model, chips(card, calibration)))
            self._request = core.compile_model(model, "CPU", config).create_infer_request()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ModelError(f"model {card.name}: OpenVINO refuses it ({reason})") from error

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return the probability maps of one batch."""
        try:
            maps = self._request.infer([self._scaling(pixels, valid)], share_inputs=True)
        except RuntimeError as error:
            if not any(words in str(error) for words in NO_ROOM):
                raise ModelError(f"model {self.card.name}: {error}") from error
            raise DeviceMemoryError(f"cpu has no room for a batch of {len(pixels)}") from error
        return {"probability": class_maps(self.card, maps[0])}


def chips(card: ModelCard, pixels: NDArray[np.uint8] | None) -> list[NDArray[np.float32]]:
    """Return what int8 is calibrated with: chips of an image in all eight positions.

    Args:
        card: of the model.
        pixels: `(bands, height, width)` raw; cut into chips of 256 pixels, or taken whole when
            it is smaller.

    Raises:
        ModelError: there is no image.
    """
    if pixels is None:
        raise ModelError(
            f"model {card.name}: has no golden tile to calibrate int8 with; try --precision bf16"
        )
    edge = card.tile or min(CHIP, *pixels.shape[1:]) // card.stride * card.stride
    scaling = Scaling(card)
    corners = product(*(range(0, extent - edge + 1, edge) for extent in pixels.shape[1:]))
    found = []
    for top, left in corners:
        chip = pixels[None, :, top : top + edge, left : left + edge]
        x = scaling(chip, np.ones((1, edge, edge), bool))
        found += [np.rot90(each, turn, (2, 3)).copy() for each in (x, x[..., ::-1])
                  for turn in range(4)]  # fmt: skip
    return found


def _int8(graph: bytes, model: openvino.Model, samples: list[NDArray[np.float32]]) -> bytes:
    """The quantised graph as the length of its text, the text, and its weights; made once."""
    digest = sha256(graph + b"".join(sample.tobytes() for sample in samples)).hexdigest()[:16]
    versions = "-".join(f"{package}{version(package)}" for package in ("openvino", "nncf"))

    def make() -> bytes:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "int8.xml"
            openvino.serialize(_quantised(model, samples), path)
            text = path.read_bytes()
            return len(text).to_bytes(8) + text + path.with_suffix(".bin").read_bytes()

    return cached(f"{digest}-{versions}.int8", make)


def _whole(core: openvino.Core, parts: bytes) -> openvino.Model:
    end = 8 + int.from_bytes(parts[:8])
    return core.read_model(parts[8:end], parts[end:])


def _quantised(model: openvino.Model, samples: list[NDArray[np.float32]]) -> openvino.Model:
    """The graph with int8 weights and activations; the ranges come from the samples."""
    # nncf reports its use to its makers; None stands for a package that is not there
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        import nncf  # noqa: PLC0415
    except ImportError as error:
        raise ModelError("int8 needs nncf; pip install 'geounet[openvino]'") from error
    nncf.set_log_level(logging.ERROR)
    with redirect_stdout(StringIO()):  # it draws bars where our answer stands
        return nncf.quantize(
            model,
            nncf.Dataset(samples),
            preset=nncf.QuantizationPreset.MIXED,
            subset_size=len(samples),
        )


def _check(card: ModelCard, model: openvino.Model) -> None:
    shapes = [
        [each.get_length() if each.is_static else None for each in end.partial_shape]
        for end in (model.input(0), model.output(0))
    ]
    check_graph(card, shapes[0], shapes[1], inputs=len(model.inputs))
