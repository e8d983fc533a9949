"""Score a segmenter on labelled sheets at its own ground sample distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from geounet.backends.torch import TorchStep
from geounet.evaluation.pixels import iou
from geounet.training.chips import sized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.model import Segmenter
    from geounet.training.sheet import Sheet


def score_sheets(segmenter: Segmenter, sheets: Sequence[Sheet]) -> dict[str, float]:
    """Return the building IoU of each place, pixels of its sheets pooled."""
    pairs: dict[str, list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]] = {}
    for sheet in sheets:
        found = probability(segmenter, sheet) >= segmenter.card.threshold
        pairs.setdefault(sheet.place, []).append((found, sheet.mask))
    return {place: iou(each) for place, each in pairs.items()}


def probability(segmenter: Segmenter, sheet: Sheet) -> NDArray[np.float32]:
    """Return the probability `(height, width)` float32 on the sheet's own grid, 0 on nodata."""
    card = segmenter.card
    height, width = sheet.mask.shape
    scale = sheet.gsd / card.gsd
    size = (max(round(height * scale), 1), max(round(width * scale), 1))
    pixels, _, valid = sized(sheet.image, sheet.mask, sheet.valid, size)
    pads = [(0, -extent % card.stride) for extent in size]
    image = np.pad(pixels.numpy(), ((0, 0), *pads), mode="symmetric")
    shown = np.pad(valid[0].numpy() > 0, pads, mode="symmetric")
    step = TorchStep(segmenter.with_card(input_range=sheet.span), device="cpu", precision="fp32")
    p = step(image[None], shown[None])["probability"][:, :, : size[0], : size[1]]
    large = functional.interpolate(torch.from_numpy(p), (height, width), mode="bilinear")
    return np.asarray(large[0, 0].numpy() * sheet.valid)
