"""A segmenter as an ONNX graph: standardised float32 pixels in, probability out."""

from __future__ import annotations

import base64
import io
import warnings
from typing import TYPE_CHECKING

import torch
from safetensors.numpy import save
from torch import Tensor, nn

from geounet.backends.fold import folded
from geounet.modelfile import CARD_KEY, GOLDEN_INPUT, GOLDEN_KEY, GOLDEN_OUTPUT
from geounet.networks.registry import excludes, probability
from geounet.onnxfile import with_metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from geounet.model import Segmenter

INPUT, OUTPUT = "pixels", "probability"
OPSET = 18


def export_onnx(
    segmenter: Segmenter,
    golden: tuple[NDArray[np.uint8], NDArray[np.uint8]] | None = None,
    others: Mapping[str, str] | None = None,
) -> bytes:
    """Return an ONNX file with the card in its metadata; `predict -m model.onnx` runs it.

    Args:
        segmenter: what to write; where its card names the only tile, so does the graph.
        golden: a tile of raw pixels and its expected quantised output.
        others: further metadata.
    """
    entries = {CARD_KEY: segmenter.card.to_json(), **(others or {})}
    if golden is not None:
        tile = save({GOLDEN_INPUT: golden[0], GOLDEN_OUTPUT: golden[1]})
        entries[GOLDEN_KEY] = base64.b64encode(tile).decode()
    return with_metadata(_graph(segmenter), entries)


class _Probability(nn.Module):
    """The network and what its logits stand for.

    On request with a background of 0 before several classes: who takes the largest of all
    channels, once those below the threshold are 0, then gets it where no class reaches that.
    """

    def __init__(self, network: nn.Module, classes: int, *, background: bool) -> None:
        super().__init__()
        self.network, self._classes, self._background = network, classes, background
        self.excludes = excludes(network)

    def forward(self, pixels: Tensor) -> Tensor:
        p = probability(self.network(pixels), self._classes, excludes=self.excludes)
        return torch.cat([torch.zeros_like(p[:, :1]), p], 1) if self._background else p


def _graph(segmenter: Segmenter) -> bytes:
    card, target = segmenter.card, io.BytesIO()
    plain, classes = folded(segmenter.network, len(card.bands)), len(card.classes)
    network = _Probability(plain, classes, background=card.tile > 0 and classes > 1).eval()
    edges = (card.tile, card.tile) if card.tile else (4 * card.stride, 6 * card.stride)
    pixels = torch.zeros(2, len(card.bands), *edges)
    axes = {0: "batch"} | ({} if card.tile else {2: "height", 3: "width"})
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
