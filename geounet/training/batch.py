"""What a network is shown in one step, and how each of its chips is varied."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from geounet.training.augment import coloured, moved, turned
from geounet.training.sheet import whitened

if TYPE_CHECKING:
    from geounet.training.augment import Maps, Rng
    from geounet.training.shown import Shown


class Batch(NamedTuple):
    """Chips to learn from, float32."""

    images: Tensor
    """`(batch, bands, chip, chip)`, 0–255."""
    masks: Tensor
    """`(batch, 1, chip, chip)`, 0 to 1 = building; of several classes their numbers."""
    valid: Tensor
    """`(batch, 1, chip, chip)`, 1 = data, 0 = nodata."""


class Sampler(Protocol):
    """Where batches come from."""

    @property
    def steps_per_epoch(self) -> int | None:
        """Batches that show every image once; None where chips are drawn without end."""
        ...

    def batch(self, step: int) -> Batch:
        """Return a batch: a function of seed and step, in whatever thread or order."""
        ...


def varied(
    maps: Maps,
    span: tuple[float, float],
    shown: Shown,
    draws: tuple[Rng, Rng],
    *,
    blank: float = 0.0,
) -> Maps:
    """Return a chip as the recipe shows it.

    Args:
        maps: of the chip, raw.
        span: raw values that become 0 and 255.
        shown: what is varied.
        draws: of the batch, for what the recipe `buildings` varies; of this chip, for the rest.
        blank: share of the chips that the edge of a flight cuts.
    """
    image, mask, valid = maps
    amounts, (rng, own) = shown.augment, draws
    image = whitened(image, span)
    if amounts.get("d4"):
        image, mask, valid = turned(image, mask, valid, rng)
    image, mask, valid = moved((image, mask, valid), amounts, own)
    if rng.random() < blank:
        valid = valid * _flown(image.shape[-1], rng)
    if amounts.get("light"):
        image = _lit(image, rng)
    return coloured(image, valid, amounts, own), mask, valid


def _flown(edge: int, rng: Rng) -> Tensor:
    """A chip cut by the edge of the flight: 1 on one side of a random line, `(1, edge, edge)`."""
    angle, middle = rng.uniform(0, 2 * np.pi), (edge - 1) / 2
    rows, cols = np.mgrid[:edge, :edge] - middle
    across = rows * np.sin(angle) + cols * np.cos(angle)
    side = across < rng.uniform(-0.2, 0.6) * edge
    return torch.from_numpy(side[None]).float()


def _lit(image: Tensor, rng: Rng) -> Tensor:
    """Another light and another sensor: gamma, gain, colour, blur, noise."""
    pixels = (image / 255).clamp(0, 1) ** float(np.exp(rng.normal(0, 0.2)))
    mean = pixels.mean((1, 2), keepdim=True)
    pixels = (pixels - mean) * rng.uniform(0.7, 1.4) + mean * rng.uniform(0.75, 1.3)
    gains = torch.from_numpy(rng.uniform(0.9, 1.1, (len(pixels), 1, 1)).astype(np.float32))
    grey = pixels.mean(0, keepdim=True)
    pixels = (grey + (pixels - grey) * rng.uniform(0.4, 1.3)) * gains
    if rng.random() < 0.2:  # noqa: PLR2004
        pixels = functional.avg_pool2d(pixels[None], 3, 1, 1, count_include_pad=False)[0]
    if rng.random() < 0.3:  # noqa: PLR2004
        noise = rng.standard_normal(pixels.shape, dtype=np.float32) * rng.uniform(0.01, 0.05)
        pixels = pixels + torch.from_numpy(noise)
    return (pixels * 255).clamp(0, 255)
