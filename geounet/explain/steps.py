"""Tiles through a network up to a layer, and back to it: tensors are born and die in here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from geounet.backends.scaling import Scaling
from geounet.backends.torch import NO_ROOM, best_device, keep_large_buffers
from geounet.errors import DeviceMemoryError
from geounet.explain.layers import taken
from geounet.networks.registry import excludes, probability

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from geounet.model import Segmenter
    from geounet.networks.layers import Layer


def ready_device(device: str, threads: int | None) -> str:
    """Return the device to use, with the process set up for it.

    Args:
        device: auto, cpu, cuda, cuda:N or mps.
        threads: of a CPU, for the whole process; None leaves them.

    Raises:
        ModelError: when the device asked for is not there.
    """
    keep_large_buffers()
    if threads is not None:
        torch.set_num_threads(threads)
    return best_device(device)


class LayerStep(ABC):
    """A network that is watched at one layer; like a `Step`, but what it gives are cells."""

    backend, precision = "torch", "fp32"

    def __init__(self, segmenter: Segmenter, layer: Layer, device: str) -> None:
        """Move the network to the device; its own gradients are never asked for."""
        self.card, self.layer, self.device = segmenter.card, layer, device
        self._network = segmenter.network.eval().requires_grad_(requires_grad=False).to(device)
        self._scaling = Scaling(self.card)

    def __call__(
        self, pixels: NDArray[Any], valid: NDArray[np.bool_]
    ) -> Mapping[str, NDArray[np.float32]]:
        """Return the cells of one batch `(batch, maps, tile / stride, tile / stride)`."""
        try:
            x = torch.from_numpy(self._scaling(pixels, valid)).to(self.device)
            cells = self._cells(x, torch.from_numpy(valid).to(self.device))
            # the walk's name for what a step gives
            return {"probability": cells.detach().float().cpu().numpy()}
        except RuntimeError as error:
            if not any(words in str(error) for words in NO_ROOM):
                raise
            told = f"{self.device} has no room for a batch of {len(pixels)}"
            raise DeviceMemoryError(told) from error

    @abstractmethod
    def _cells(self, x: Tensor, valid: Tensor) -> Tensor:
        """The cells of standardised pixels."""


class GradientStep(LayerStep):
    """Gradients of the summed logits of a class with respect to the layer's output."""

    def __init__(
        self, segmenter: Segmenter, layer: Layer, device: str, *, number: int, threshold: float
    ) -> None:
        """Sum over the pixels that are found.

        Args:
            segmenter: the network with its card.
            layer: with respect to whose output.
            device: where it runs.
            number: of the class, from 0.
            threshold: probability from which a pixel is found.
        """
        super().__init__(segmenter, layer, device)
        self._number, self._threshold = number, threshold

    def _cells(self, x: Tensor, valid: Tensor) -> Tensor:
        with taken(self._network, self.layer.name, gradient=True) as kept:
            logits: Tensor = self._network(x)
            at = self._number - len(self.card.classes)  # from the end: a background stands first
            p = probability(logits.detach(), -at, excludes=excludes(self._network))[:, 0]
            found = (p >= self._threshold) & valid
            summed = (logits[:, at] * found).sum()
            (gradient,) = torch.autograd.grad(summed, kept[-1])
        return gradient


class ActivationStep(LayerStep):
    """A weighted sum of the layer's channels."""

    def __init__(
        self,
        segmenter: Segmenter,
        layer: Layer,
        device: str,
        *,
        weights: NDArray[np.float64],
        positive: bool,
    ) -> None:
        """Weigh channels.

        Args:
            segmenter: the network with its card.
            layer: whose output is summed.
            device: where it runs.
            weights: `(channels,)`.
            positive: what is below 0 becomes 0, as in Grad-CAM.
        """
        super().__init__(segmenter, layer, device)
        self._weights = torch.from_numpy(weights.astype(np.float32)).to(device)
        self._positive = positive

    def _cells(self, x: Tensor, valid: Tensor) -> Tensor:
        del valid
        with torch.inference_mode(), taken(self._network, self.layer.name) as kept:
            self._network(x)
            cells = torch.einsum("k,bkij->bij", self._weights, kept[-1])[:, None]
            return cells.clamp_(min=0) if self._positive else cells
