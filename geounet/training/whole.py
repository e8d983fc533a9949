"""Whole images of one size, each once an epoch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image

from geounet.training.batch import Batch, varied

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.training.sheet import Labelled, Sheet
    from geounet.training.shown import Shown

_FILTERS = {
    "lanczos": Image.Resampling.LANCZOS,
    "bilinear": Image.Resampling.BILINEAR,
    "nearest": Image.Resampling.NEAREST,
}


class WholeSampler:
    """Batches of whole images in an order drawn for each epoch; the last one may be smaller."""

    def __init__(self, sheets: Sequence[Labelled], shown: Shown, seed: int) -> None:
        """Keep sheets of one size, as `resized` makes them."""
        self._sheets, self._shown, self._seed = list(sheets), shown, seed
        self.steps_per_epoch = -(-len(self._sheets) // shown.batch_size)

    def batch(self, step: int) -> Batch:
        """Return a batch, the same for the same step."""
        epoch, at = divmod(step, self.steps_per_epoch)
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._sheets))
        first = at * self._shown.batch_size
        picks = order[first : first + self._shown.batch_size].tolist()
        chips = []
        for index, pick in enumerate(picks):
            found = self._sheets[pick].crop(slice(None), slice(None))
            maps = (
                torch.from_numpy(np.ascontiguousarray(found.image)).float(),
                torch.from_numpy(found.mask[None].astype(np.float32)),
                torch.from_numpy(found.valid[None].astype(np.float32)),
            )
            rng = np.random.default_rng([self._seed, step, index])
            chips.append(varied(maps, self._sheets[pick].span, self._shown, (rng, rng)))
        return Batch(*(torch.stack(each) for each in zip(*chips, strict=True)))


def resized(sheet: Sheet, shown: Shown) -> Sheet:
    """Return a whole sheet at the recipe's size; its pixels are the model's then."""
    assert shown.size is not None
    size = (shown.size, shown.size)
    bands = [_resized(band, size, shown.image_filter) for band in sheet.image]
    mask, valid = (
        _resized(plane.astype(np.uint8) * 255, size, way) > 127  # noqa: PLR2004 - half
        for plane, way in ((sheet.mask, shown.mask_filter), (sheet.valid, "nearest"))
    )
    return replace(sheet, image=np.stack(bands), mask=mask, valid=valid, gsd=shown.gsd)


def _resized(plane: NDArray[np.uint8], size: tuple[int, int], way: str) -> NDArray[np.uint8]:
    """A band on another grid; one of more than 8 bits goes through float32."""
    wide = plane.dtype.itemsize > 1
    image = Image.fromarray(plane.astype(np.float32) if wide else plane)
    found = np.asarray(image.resize(size, _FILTERS[way]))
    if not wide:
        return found
    most = np.iinfo(plane.dtype).max
    return np.asarray(found.round().clip(0, most).astype(plane.dtype))
