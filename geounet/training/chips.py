"""Draw training chips from sheets: where and how large; from seed and step alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from geounet.training.balance import Balance
from geounet.training.batch import Batch, varied
from geounet.training.sheet import Crop, Sheet, planes, several
from geounet.training.shown import Shown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.training.augment import Maps
    from geounet.training.balance import Pixel
    from geounet.training.recipes import Recipe
    from geounet.training.sheet import Labelled, Mask

Rng = np.random.Generator
_HALF, _TRIES = 0.5, 8


class ChipSampler:
    """Batches of chips, each a function of the seed and the step's number."""

    steps_per_epoch = None
    """Chips are drawn without end."""

    def __init__(self, sheets: Sequence[Labelled], recipe: Recipe | Shown, seed: int) -> None:
        """Weigh the sheets: sets by their weight, sheets of a set by their pixels."""
        self._shown = shown = Shown.of(recipe)
        self._sheets = [_shrunk(sheet, shown.gsd_range[0]) for sheet in sheets]
        self._seed = seed
        self._shares = _shares(self._sheets)
        self._balance = Balance(self._sheets, self._shares, shown.balance, shown.names)

    def batch(self, step: int) -> Batch:
        """Return a batch, the same for the same step."""
        rng = np.random.default_rng([self._seed, step])
        picks = rng.choice(len(self._sheets), self._shown.batch_size, p=self._shares)
        chips = []
        for index, pick in enumerate(picks):
            own = np.random.default_rng([self._seed, step, index])
            pixel = self._balance.draw(own)
            chips.append(self._chip(pick if pixel is None else pixel.sheet, pixel, rng, own))
        return Batch(*(torch.stack(maps) for maps in zip(*chips, strict=True)))

    def _chip(self, number: int, around: Pixel | None, rng: Rng, own: Rng) -> Maps:
        sheet, shown = self._sheets[number], self._shown
        low, high = np.log(shown.gsd_range)
        edge = max(round(shown.chip * float(np.exp(rng.uniform(low, high))) / sheet.gsd), 1)
        found = _crop(sheet, edge, rng, around)
        for _ in range(_TRIES if sheet.sparse else 0):
            if found.valid.mean() >= _HALF:
                break
            found = _crop(sheet, edge, own, around)
        maps = sized(*found, (shown.chip, shown.chip))
        return varied(maps, sheet.span, shown, (rng, own), blank=shown.blank)


def _shrunk(sheet: Labelled, finest: float) -> Labelled:
    """The sheet at a ground sample distance no finer than what is ever drawn from it."""
    factor = finest / sheet.gsd
    if factor <= 1.2 or not isinstance(sheet, Sheet):  # noqa: PLR2004  (a smaller step is not worth the blur)
        return sheet
    size = (max(round(sheet.shape[0] / factor), 1), max(round(sheet.shape[1] / factor), 1))
    image, mask, valid = sized(sheet.image, sheet.mask, sheet.valid, size)
    found = (mask[0] if several(sheet.mask) else mask[0] >= _HALF).numpy()
    hard: NDArray[Any] = found.astype(sheet.mask.dtype)
    whole = sheet.image.dtype.kind != "f"
    return replace(
        sheet,
        image=(image.round() if whole else image).numpy().astype(sheet.image.dtype),
        mask=hard,
        valid=(valid[0] >= _HALF).numpy(),
        gsd=sheet.gsd * factor,
    )


def _shares(sheets: Sequence[Labelled]) -> NDArray[np.float64]:
    totals: dict[str, float] = {}
    for sheet in sheets:
        totals[sheet.place] = totals.get(sheet.place, 0) + sheet.pixels
    shares = np.array([sheet.weight * sheet.pixels / totals[sheet.place] for sheet in sheets])
    return np.asarray(shares / shares.sum())


def _crop(sheet: Labelled, edge: int, rng: Rng, around: Pixel | None = None) -> Crop:
    """A square of the sheet, anywhere or anywhere around a pixel; mirrored where it is smaller."""
    last = [max(extent - edge, 0) for extent in sheet.shape]
    first = [0, 0]
    if around is not None:
        first = [max(at - edge + 1, 0) for at in around[1:]]
        last = [min(at, end) for at, end in zip(around[1:], last, strict=True)]
    row, col = (int(rng.integers(low, high + 1)) for low, high in zip(first, last, strict=True))
    found = sheet.crop(slice(row, row + edge), slice(col, col + edge))
    pads = tuple((0, edge - extent) for extent in found.mask.shape)
    if pads == ((0, 0), (0, 0)):
        return found
    image = np.pad(found.image, ((0, 0), *pads), mode="symmetric")
    others: list[NDArray[Any]] = [np.pad(each, pads, mode="symmetric") for each in found[1:]]
    return Crop(image, *others)


def sized(
    image: NDArray[np.uint8],
    mask: Mask,
    valid: NDArray[np.bool_],
    size: tuple[int, int],
) -> tuple[Tensor, Tensor, Tensor]:
    """Return image, mask and valid mask on another grid, float32.

    A mask of one class becomes soft; of several, each pixel is of the one that has most of it.
    Nodata lends no colour to its neighbours; a pixel is valid when half of it is.
    """
    share = _resize(_tensor(valid[None]), size)
    pixels, truth = _resize(_tensor(image * valid), size), _resize(_tensor(planes(mask)), size)
    if several(mask):
        truth = truth.argmax(0, keepdim=True).float()
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
