"""Score a segmenter on labelled sheets at its own ground sample distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from geounet.backends.torch import TorchStep
from geounet.evaluation.pixels import iou

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from geounet.model import Segmenter
    from geounet.training.dataset import Sheet


def score_sheets(segmenter: Segmenter, sheets: Sequence[Sheet]) -> dict[str, float]:
    """Return the building IoU of each place, pixels of its sheets pooled."""
    pairs: dict[str, list[tuple[NDArray[np.bool_], NDArray[np.bool_]]]] = {}
    for sheet in sheets:
        found = probability(segmenter, sheet) >= segmenter.card.threshold
        pairs.setdefault(sheet.place, []).append((found, sheet.mask))
    return {place: iou(each) for place, each in pairs.items()}


def probability(segmenter: Segmenter, sheet: Sheet) -> NDArray[np.float32]:
    """Return the probability `(height, width)` float32 on the sheet's own grid."""
    card = segmenter.card
    height, width = sheet.mask.shape
    scale = sheet.gsd / card.gsd
    size = (max(round(height * scale), 1), max(round(width * scale), 1))
    image = torch.from_numpy(np.ascontiguousarray(sheet.image)).float()[None]
    small = functional.interpolate(image, size, mode="bilinear", antialias=True)
    pads = [-extent % card.stride for extent in size]
    padded = np.pad(small[0].numpy(), ((0, 0), (0, pads[0]), (0, pads[1])), mode="symmetric")
    step = TorchStep(segmenter, device="cpu", precision="fp32")
    valid = np.ones((1, *padded.shape[1:]), bool)
    p = step(padded[None], valid)["probability"][:, :, : size[0], : size[1]]
    large = functional.interpolate(torch.from_numpy(p), (height, width), mode="bilinear")
    return np.asarray(large[0, 0].numpy())
