"""Whole images of one size, each once an epoch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from geounet.training.batch import Batch, varied
from geounet.training.sheet import planes, several

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.training.sheet import Labelled, Sheet
    from geounet.training.shown import Shown

HALF = 127
"""Of a plane from 0 to 255, what lies above is set."""

_FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}


class WholeSampler:
    """Batches of whole images in an order drawn for each epoch; the last one may be smaller."""

    def __init__(self, sheets: Sequence[Labelled], shown: Shown, seed: int) -> None:
        """Resize all images; so they fit in memory, however large they were."""
        self._maps = [resized(sheet, shown) for sheet in sheets]
        self._spans = [sheet.span for sheet in sheets]
        self._several = len(shown.names) > 1
        self._shown, self._seed = shown, seed
        self.steps_per_epoch = -(-len(self._maps) // shown.batch_size)

    def batch(self, step: int) -> Batch:
        """Return a batch, the same for the same step."""
        epoch, at = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._maps))
        first = at * self._shown.batch_size
        chips = []
        for index, pick in enumerate(order[first : first + self._shown.batch_size].tolist()):
            image, mask, valid = (torch.from_numpy(plane).float() for plane in self._maps[pick])
            rng = np.random.default_rng([self._seed, step, index])
            maps = image, mask if self._several else mask / 255, valid / 255
            chips.append(varied(maps, self._spans[pick], self._shown, (rng, rng)))
        return Batch(*(torch.stack(each) for each in zip(*chips, strict=True)))


def as_shown(sheets: Sequence[Sheet], shown: Shown) -> list[Sheet]:
    """Return sheets at the size a recipe shows whole images in, so that figures are of that size.

    Args:
        sheets: to be scored.
        shown: without a size, they stay as they are.
    """
    if shown.size is None:
        return list(sheets)
    found = []
    for sheet in sheets:
        image, mask, valid = resized(sheet, shown)
        hard = mask[0] if several(sheet.mask) else mask[0] > HALF
        found.append(replace(sheet, image=image, mask=hard, valid=valid[0] > HALF, gsd=shown.gsd))
    return found


def resized(sheet: Labelled, shown: Shown) -> tuple[NDArray[np.uint8], ...]:
    """Return image, mask and valid at the recipe's size, the latter two 0 to 255 `(1, h, w)`.

    A mask of several classes holds their numbers: each pixel is of the one that has most of it.
    """
    assert shown.size is not None
    size = (shown.size, shown.size)
    found = sheet.crop(slice(None), slice(None))
    image = np.stack([_resized(band, size, shown.image_filter) for band in found.image])
    each = planes(found.mask).astype(np.uint8) * np.uint8(255)
    mask = np.stack([_resized(plane, size, shown.mask_filter) for plane in each])
    if several(found.mask):
        mask = mask.argmax(axis=0)[None].astype(np.uint8)
    valid = _resized(found.valid.astype(np.uint8) * 255, size, "nearest")
    return image, mask, valid[None]


def _resized(plane: NDArray[np.uint8], size: tuple[int, int], way: str) -> NDArray[np.uint8]:
    """A band on another grid; one of more than 8 bits becomes float32."""
    plain = plane if plane.dtype == np.uint8 else plane.astype(np.float32)
    return np.array(Image.fromarray(plain).resize(size, _FILTERS[way]))
