"""A segmenter as an ONNX graph: standardised float32 pixels in, probability out."""

from __future__ import annotations

import base64
import hashlib
import io
import warnings
from typing import TYPE_CHECKING

import torch
from safetensors.numpy import save
from torch import Tensor, nn

from geounet.backends.cache import cached
from geounet.backends.fold import folded
from geounet.model import CARD_KEY, GOLDEN_INPUT, GOLDEN_KEY, GOLDEN_OUTPUT
from geounet.networks.registry import excludes, probability
from geounet.onnxfile import with_metadata

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from geounet.model import Segmenter

INPUT, OUTPUT = "pixels", "probability"
OPSET = 18
FORM = 1
"""Raised when the graph of the same weights changes."""


def export_onnx(
    segmenter: Segmenter, golden: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None
) -> bytes:
    """Return an ONNX file with the card in its metadata; `predict -m model.onnx` runs it.

    Args:
        segmenter: what to write.
        golden: a tile of raw pixels and its expected quantised output.
    """
    entries = {CARD_KEY: segmenter.card.to_json()}
    if golden is not None:
        tile = save({GOLDEN_INPUT: golden[0], GOLDEN_OUTPUT: golden[1]})
        entries[GOLDEN_KEY] = base64.b64encode(tile).decode()
    return with_metadata(_graph(segmenter), entries)


def exported(segmenter: Segmenter) -> bytes:
    """Return the graph of a segmenter, exported once for each set of weights."""
    key = f"{weights_hash(segmenter)}-torch{torch.__version__}-form{FORM}.onnx"
    return cached(key, lambda: export_onnx(segmenter))


def weights_hash(segmenter: Segmenter) -> str:
    """Return 16 hexadecimal digits that name the network and its weights."""
    digest = hashlib.sha256(repr(segmenter.network).encode())
    for name, value in segmenter.network.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class _Probability(nn.Module):
    """The network and what its logits stand for."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.excludes = excludes(network)

    def forward(self, pixels: Tensor) -> Tensor:
        return probability(self.network(pixels), excludes=self.excludes)


def _graph(segmenter: Segmenter) -> bytes:
    card, target = segmenter.card, io.BytesIO()
    network = _Probability(folded(segmenter.network, len(card.bands))).eval()
    pixels = torch.zeros(2, len(card.bands), 4 * card.stride, 6 * card.stride)
    axes = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        # the exporter by tracing: the newer one takes thirty times as long, see ADR 8
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (pixels,),
            target,  # type: ignore[arg-type]  # a stream is taken since ever
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: axes, OUTPUT: axes},
        )
    return target.getvalue()
