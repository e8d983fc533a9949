"""Score a segmenter on labelled sheets, on the grid it was made for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from geounet.backends.scaling import Scaling
from geounet.evaluation.calibration import Reliability, reliability
from geounet.evaluation.pixels import PixelScore, confusion, iou
from geounet.networks.registry import excludes
from geounet.networks.registry import probability as probability_of
from geounet.training.chips import sized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from geounet.model import Segmenter
    from geounet.training.losses import Loss
    from geounet.training.sheet import Sheet

    Floats = NDArray[np.float32]
    Scored = Sequence[tuple[Sheet, Floats]]


@dataclass(frozen=True)
class Look:
    """How a segmenter does on validation sheets."""

    loss: float
    """Mean over the sheets."""
    iou: dict[str, float]
    """Of each place, pixels of its sheets pooled."""


class View(NamedTuple):
    """A sheet as the network sees it, float32."""

    logits: Tensor
    """`(1, classes, height, width)`."""
    truth: Tensor
    """`(1, 1, height, width)`, 1 = building."""
    valid: Tensor
    """`(1, 1, height, width)`, 1 = data."""
    foreground: Tensor
    """`(1, 1, height, width)`, probability of any class but the background."""


def look(segmenter: Segmenter, sheets: Sequence[Sheet], loss: Loss) -> Look:
    """Return loss and IoU over some sheets.

    Args:
        segmenter: its network stays on its device.
        sheets: one at least.
        loss: of logits, truth and valid.
    """
    losses, pairs = [], {sheet.place: [] for sheet in sheets}  # type: ignore[var-annotated]
    for sheet in sheets:
        view = _view(segmenter, sheet)
        losses.append(float(loss(view.logits, view.truth, view.valid)))
        pairs[sheet.place].append((_spread(view, sheet) >= segmenter.card.threshold, sheet.mask))
    return Look(float(np.mean(losses)), {place: iou(each) for place, each in pairs.items()})


def probability(segmenter: Segmenter, sheet: Sheet) -> Floats:
    """Return the probability `(height, width)` on the sheet's own grid, 0 on nodata."""
    return _spread(_view(segmenter, sheet), sheet)


def figures(scored: Scored, threshold: float, metrics: Sequence[str]) -> dict[str, float]:
    """Return the figures of some sheets of one place by the names of a recipe's metrics."""
    sure = [reliability([(p[s.valid], s.mask[s.valid])]) for s, p in scored]
    matrices = [confusion(_u8(p >= threshold), _u8(s.mask), s.valid)[:2, :2] for s, p in scored]
    each = [_figures(*both) for both in zip(matrices, sure, strict=True)]
    pooled = _figures(np.sum(matrices, axis=0), Reliability.together(sure))
    found = {}
    for name in metrics:
        over, _, score = name.partition("_")
        values = [pooled[score]] if over == "pixel" else [one[score] for one in each]
        found[name] = round(float(np.mean(values)), 4)
    return found


def _figures(matrix: NDArray[np.int64], sure: Reliability) -> dict[str, float]:
    return {**PixelScore(matrix).as_dict(), "calibration_error": sure.error}


def _view(segmenter: Segmenter, sheet: Sheet) -> View:
    card = replace(segmenter.card, input_range=sheet.span)
    height, width = sheet.shape
    scale = sheet.gsd / card.gsd
    shape = max(round(height * scale), 1), max(round(width * scale), 1)
    pixels, truth, valid = sized(sheet.image, sheet.mask, sheet.valid, shape)
    pads = [(0, -extent % card.stride) for extent in shape]
    image = np.pad(pixels.numpy(), ((0, 0), *pads), mode="symmetric")
    shown = np.pad(valid[0].numpy() > 0, pads, mode="symmetric")
    device = next(segmenter.network.parameters()).device
    x = torch.from_numpy(Scaling(card)(image[None], shown[None])).to(device)
    with torch.inference_mode():
        logits = segmenter.network(x.to(memory_format=torch.channels_last))
    logits = logits[..., : shape[0], : shape[1]].float()
    p = probability_of(logits, excludes=excludes(segmenter.network))
    foreground = p if p.shape[1] == 1 else 1 - p[:, :1]
    return View(logits, truth[None].to(device), valid[None].to(device), foreground)


def _spread(view: View, sheet: Sheet) -> Floats:
    """The probability on the sheet's own grid."""
    shape = sheet.mask.shape
    p = functional.interpolate(view.foreground, shape, mode="bilinear")
    return np.asarray(p[0, 0].cpu().numpy() * sheet.valid)


def _u8(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return mask.astype(np.uint8)
