"""Draw training chips from sheets: place, scale, flips, light; from seed and step alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from geounet.training.dataset import Sheet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.training.recipes import Recipe

Rng = np.random.Generator


class ChipSampler:
    """Batches of chips, each a function of the seed and the step's number."""

    def __init__(self, sheets: Sequence[Sheet], recipe: Recipe, seed: int) -> None:
        """Weigh the sheets: sets by their weight, sheets of a set by their pixels."""
        self._sheets = [_shrunk(sheet, recipe.gsd_range[0]) for sheet in sheets]
        self._recipe = recipe
        self._seed = seed
        self._shares = _shares(self._sheets)

    def batch(self, step: int) -> tuple[Tensor, Tensor]:
        """Return a batch, the same for the same step.

        Returns:
            Images `(batch, bands, chip, chip)` float32, 0–255, and masks
            `(batch, 1, chip, chip)` float32, 1 = building.
        """
        rng = np.random.default_rng([self._seed, step])
        picks = rng.choice(len(self._sheets), self._recipe.batch_size, p=self._shares)
        chips = [self._chip(self._sheets[pick], rng) for pick in picks]
        images, masks = zip(*chips, strict=True)
        return torch.stack(images), torch.stack(masks)

    def _chip(self, sheet: Sheet, rng: Rng) -> tuple[Tensor, Tensor]:
        low, high = np.log(self._recipe.gsd_range)
        edge = round(self._recipe.chip * float(np.exp(rng.uniform(low, high))) / sheet.gsd)
        image, mask = _crop(sheet, edge, rng)
        size = (self._recipe.chip, self._recipe.chip)
        pixels = _resize(torch.from_numpy(image).float(), size)
        truth = _resize(torch.from_numpy(mask[None]).float(), size)
        pixels, truth = _turned(pixels, truth, rng)
        return _lit(pixels, rng), truth


def _shrunk(sheet: Sheet, finest: float) -> Sheet:
    """The sheet at a ground sample distance no finer than what is ever drawn from it."""
    factor = finest / sheet.gsd
    if factor <= 1.2:  # noqa: PLR2004  (a smaller step is not worth the blur)
        return sheet
    size = (round(sheet.mask.shape[0] / factor), round(sheet.mask.shape[1] / factor))
    image = _resize(torch.from_numpy(np.ascontiguousarray(sheet.image)).float(), size)
    mask = _resize(torch.from_numpy(sheet.mask[None]).float(), size)
    return Sheet(
        name=sheet.name,
        place=sheet.place,
        split=sheet.split,
        image=image.round().byte().numpy(),
        mask=(mask[0] >= 0.5).numpy(),  # noqa: PLR2004
        gsd=sheet.gsd * factor,
        weight=sheet.weight,
    )


def _shares(sheets: Sequence[Sheet]) -> NDArray[np.float64]:
    totals: dict[str, float] = {}
    for sheet in sheets:
        totals[sheet.place] = totals.get(sheet.place, 0) + sheet.pixels
    shares = np.array([sheet.weight * sheet.pixels / totals[sheet.place] for sheet in sheets])
    return np.asarray(shares / shares.sum())


def _crop(sheet: Sheet, edge: int, rng: Rng) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """A square of the sheet, mirrored where the sheet is smaller."""
    height, width = sheet.mask.shape
    row = int(rng.integers(max(height - edge, 0) + 1))
    col = int(rng.integers(max(width - edge, 0) + 1))
    image = sheet.image[:, row : row + edge, col : col + edge]
    mask = sheet.mask[row : row + edge, col : col + edge]
    short = (edge - mask.shape[0], edge - mask.shape[1])
    if max(short) > 0:
        pads = ((0, short[0]), (0, short[1]))
        image = np.pad(image, ((0, 0), *pads), mode="symmetric")
        mask = np.pad(mask, pads, mode="symmetric")
    return np.ascontiguousarray(image), np.ascontiguousarray(mask)


def _resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    if tuple(maps.shape[-2:]) == size:
        return maps
    resized = functional.interpolate(maps[None], size, mode="bilinear", antialias=True)
    return resized[0]


def _turned(image: Tensor, mask: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
    """One of the eight symmetries of the square."""
    turns, flip = int(rng.integers(4)), bool(rng.integers(2))
    both = torch.rot90(torch.cat([image, mask]), turns, (1, 2))
    both = both.flip(2) if flip else both
    return both[:-1], both[-1:]


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
