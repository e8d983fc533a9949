"""Run an ONNX graph with ONNX Runtime on a CPU; imports no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnxruntime

from geounet.backends.graph import check_graph, class_maps
from geounet.backends.machine import threads_given
from geounet.backends.scaling import Scaling
from geounet.errors import DeviceMemoryError, ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from geounet.card import ModelCard

ERRORS = onnxruntime.capi.onnxruntime_pybind11_state
WARNINGS_ARE_SILENT = 3
NO_ROOM = ("Failed to allocate memory", "bad_alloc", "out of memory")


class OnnxStep:
    """A graph of standardised float32 pixels → probability; see `Step` for the call."""

    backend, device, precision = "onnx", "cpu", "fp32"

    def __init__(self, graph: bytes, card: ModelCard, threads: int | None = None) -> None:
        """Open the graph.

        Args:
            graph: an ONNX file.
            card: of the model.
            threads: None takes one for each core.

        Raises:
            ModelError: when it is no graph, or not that of the card.
        """
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or threads_given() or 0
        options.log_severity_level = WARNINGS_ARE_SILENT
        # threads that wait go to sleep: between two tiles the cores belong to the walk
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=["CPUExecutionProvider"]
            )
        except (ERRORS.Fail, ERRORS.InvalidGraph, ERRORS.InvalidProtobuf, ERRORS.NotImplemented,
                ERRORS.InvalidArgument, ERRORS.RuntimeException) as error:  # fmt: skip
            raise ModelError(
                f"model {card.name}: ONNX Runtime refuses it ({str(error)[:160]}); get it again"
            ) from error
        self.card, self._scaling = card, Scaling(card)
        (given, *more), made = self._session.get_inputs(), self._session.get_outputs()
        check_graph(card, given.shape, made[0].shape, inputs=1 + len(more))
        self._name = given.name

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return the probability maps of one batch."""
        try:
            maps = self._session.run(None, {self._name: self._scaling(pixels, valid)})
        except (ERRORS.RuntimeException, ERRORS.Fail, ERRORS.InvalidArgument) as error:
            if not any(words in str(error) for words in NO_ROOM):
                told = " ".join(str(error).split())[:160]
                raise ModelError(
                    f"model {self.card.name}: {told}; its card and graph differ"
                ) from error
            raise DeviceMemoryError(f"cpu has no room for a batch of {len(pixels)}") from error
        return {"probability": class_maps(self.card, maps[0])}
