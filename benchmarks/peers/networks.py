"""The network that every contestant runs, from one geounet model file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from rasters import NULL_BIAS, NULL_WEIGHTS
from torch import Tensor, nn

from geounet.card import ModelCard
from geounet.model import Segmenter, load_model, save_model
from geounet.networks.registry import build, total_stride

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from job import Job
    from numpy.typing import NDArray


class Probability(nn.Module):
    """Pixels as they are in the file → probability: what a peer is handed as its model."""

    def __init__(self, segmenter: Segmenter, *, white: float = 255.0) -> None:
        """Take the network of a geounet model.

        Args:
            segmenter: card and network.
            white: what a peer makes of a white pixel: 255, or 1 where it scales itself.
        """
        super().__init__()
        self.network = segmenter.network.eval()
        mean, std = (torch.tensor(each).view(1, -1, 1, 1) for each in statistics(segmenter.card))
        self.register_buffer("gain", 1 / (std * white))
        self.register_buffer("shift", -mean / std)

    def logits(self, pixels: Tensor) -> Tensor:
        """Return the network's own output."""
        output: Tensor = self.network(torch.addcmul(self.shift, pixels, self.gain))
        return output

    def forward(self, pixels: Tensor) -> Tensor:
        """Return probabilities `(batch, 1, height, width)`."""
        return self.logits(pixels).sigmoid()


class TwoClasses(Probability):
    """The same for peers that take the softmax of several classes: building, background."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Return `(batch, 2, height, width)`, whose softmax is p and 1 − p."""
        logits = self.logits(pixels)
        return torch.cat((logits, torch.zeros_like(logits)), dim=1)


def statistics(card: ModelCard) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of the bands as 0-1."""
    assert tuple(card.input_range) == (0.0, 255.0), card.input_range
    return card.mean, card.std


def null_model(folder: Path) -> Path:
    """Write the 1 × 1 convolution whose answer is known for every pixel."""
    network = build("pointwise", {})
    with torch.no_grad():
        network.head.weight.copy_(torch.tensor(NULL_WEIGHTS).view(1, 3, 1, 1))
        network.head.bias.fill_(NULL_BIAS)
    card = ModelCard(
        name="null", network="pointwise", mean=(0.0,) * 3, std=(1.0,) * 3, receptive_field=0
    )
    path = folder / "null.safetensors"
    save_model(path, Segmenter(card, network))
    return path


def random_model(folder: Path, name: str, sample: NDArray[np.uint8]) -> Path:
    """Write an `smp:` network with seeded random weights.

    Args:
        folder: where to.
        name: `smp:ARCHITECTURE/ENCODER`.
        sample: `(3, height, width)` pixels; the threshold leaves a tenth of them as building,
            so that there is something to trace.
    """
    torch.manual_seed(0)
    network = build(name, {}).eval()
    drawn = Segmenter(ModelCard(name=name, network=name, stride=total_stride(network)), network)
    with torch.inference_mode():
        p = Probability(drawn)(torch.from_numpy(sample).float()[None])
    threshold = float(p.flatten().quantile(0.9))
    path = folder / f"{name.replace(':', '-').replace('/', '-')}.safetensors"
    save_model(path, drawn.with_card(threshold=threshold))
    return path


def network_of(
    job: Job, *, kind: type[Probability] = Probability, white: float = 255.0
) -> Probability:
    """Return the module of a job's model file, and let torch have the job's threads."""
    torch.set_num_threads(job.threads)
    return kind(load_model(job.model), white=white).eval()
