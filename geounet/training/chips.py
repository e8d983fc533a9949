"""Draw training chips from sheets: place, scale, flips, light; from seed and step alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from geounet.training.sheet import Crop, Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.training.recipes import Recipe
    from geounet.training.sheet import Labelled

Rng = np.random.Generator
_HALF = 0.5


class Batch(NamedTuple):
    """Chips to learn from, float32."""

    images: Tensor
    """`(batch, bands, chip, chip)`, 0–255."""
    masks: Tensor
    """`(batch, 1, chip, chip)`, 1 = building."""
    valid: Tensor
    """`(batch, 1, chip, chip)`, 1 = data, 0 = nodata."""


class ChipSampler:
    """Batches of chips, each a function of the seed and the step's number."""

    def __init__(self, sheets: Sequence[Labelled], recipe: Recipe, seed: int) -> None:
        """Weigh the sheets: sets by their weight, sheets of a set by their pixels."""
        self._sheets = [_shrunk(sheet, recipe.gsd_range[0]) for sheet in sheets]
        self._recipe = recipe
        self._seed = seed
        self._shares = _shares(self._sheets)

    def batch(self, step: int) -> Batch:
        """Return a batch, the same for the same step."""
        rng = np.random.default_rng([self._seed, step])
        picks = rng.choice(len(self._sheets), self._recipe.batch_size, p=self._shares)
        chips = [self._chip(self._sheets[pick], rng) for pick in picks]
        return Batch(*(torch.stack(maps) for maps in zip(*chips, strict=True)))

    def _chip(self, sheet: Labelled, rng: Rng) -> tuple[Tensor, Tensor, Tensor]:
        low, high = np.log(self._recipe.gsd_range)
        edge = round(self._recipe.chip * float(np.exp(rng.uniform(low, high))) / sheet.gsd)
        size = (self._recipe.chip, self._recipe.chip)
        pixels, truth, valid = sized(*_crop(sheet, edge, rng), size)
        pixels, truth, valid = _turned(pixels, truth, valid, rng)
        if rng.random() < self._recipe.blank:
            valid = valid * _flown(self._recipe.chip, rng)
        return _lit(pixels, rng), truth, valid


def _shrunk(sheet: Labelled, finest: float) -> Labelled:
    """The sheet at a ground sample distance no finer than what is ever drawn from it."""
    factor = finest / sheet.gsd
    if factor <= 1.2 or not isinstance(sheet, Sheet):  # noqa: PLR2004  (a smaller step is not worth the blur)
        return sheet
    size = (round(sheet.mask.shape[0] / factor), round(sheet.mask.shape[1] / factor))
    image, mask, valid = sized(sheet.image, sheet.mask, sheet.valid, size)
    return replace(
        sheet,
        image=image.round().byte().numpy(),
        mask=(mask[0] >= _HALF).numpy(),
        valid=(valid[0] >= _HALF).numpy(),
        gsd=sheet.gsd * factor,
    )


def _shares(sheets: Sequence[Labelled]) -> NDArray[np.float64]:
    pixels, totals = [int(np.prod(sheet.shape)) for sheet in sheets], Counter[str]()
    for sheet, count in zip(sheets, pixels, strict=True):
        totals[sheet.place] += count
    shares = np.array(
        [s.weight * count / totals[s.place] for s, count in zip(sheets, pixels, strict=True)]
    )
    return np.asarray(shares / shares.sum())


def _crop(sheet: Labelled, edge: int, rng: Rng) -> Crop:
    """A square of the sheet, mirrored where the sheet is smaller."""
    height, width = sheet.shape
    row = int(rng.integers(max(height - edge, 0) + 1))
    col = int(rng.integers(max(width - edge, 0) + 1))
    found = sheet.crop(slice(row, row + edge), slice(col, col + edge))
    pads = tuple((0, edge - extent) for extent in found.mask.shape)
    if pads == ((0, 0), (0, 0)):
        return found
    image = np.pad(found.image, ((0, 0), *pads), mode="symmetric")
    return Crop(image, *(np.pad(maps, pads, mode="symmetric") for maps in found[1:]))


def sized(
    image: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    valid: NDArray[np.bool_],
    size: tuple[int, int],
) -> tuple[Tensor, Tensor, Tensor]:
    """Return image, soft mask and valid mask on another grid, float32.

    Nodata lends no colour to its neighbours; a pixel is valid when half of it is.
    """
    share = _resize(_tensor(valid[None]), size)
    pixels, truth = _resize(_tensor(image * valid), size), _resize(_tensor(mask[None]), size)
    if not valid.all():
        pixels = pixels / share.clamp(min=1e-3)
    return pixels, truth, (share >= _HALF).float()


def _tensor(array: NDArray[np.uint8] | NDArray[np.bool_]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).float()


def _resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(maps.shape[-2:]) == size:
        return maps
    resized = functional.interpolate(maps[None], size, mode="bilinear", antialias=True)
    return resized[0]


def _turned(image: Tensor, mask: Tensor, valid: Tensor, rng: Rng) -> tuple[Tensor, Tensor, Tensor]:
    """One of the eight symmetries of the square."""
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    stack = torch.rot90(torch.cat([image, mask, valid]), turns, (1, 2))
    stack = stack.flip(2) if flip else stack
    return stack[:-2], stack[-2:-1], stack[-1:]


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
