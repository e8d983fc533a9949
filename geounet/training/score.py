"""Score a segmenter on labelled sheets, on the grid it was made for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from geounet.backends.scaling import Scaling
from geounet.evaluation.calibration import Reliability, reliability
from geounet.evaluation.pixels import PixelScore, confusion, summed
from geounet.networks.registry import excludes
from geounet.networks.registry import probability as probability_of
from geounet.training.chips import sized

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from geounet.evaluation.pixels import Counts
    from geounet.model import Segmenter
    from geounet.training.losses import Loss
    from geounet.training.sheet import Mask, Sheet

    Floats = NDArray[np.float32]
    Scored = Sequence[tuple[Sheet, Floats]]


@dataclass(frozen=True)
class Look:
    """How a segmenter does on validation sheets."""

    loss: float
    """Mean over the sheets."""
    iou: dict[str, tuple[float, ...]]
    """Of each place the classes', pixels of its sheets pooled."""


class View(NamedTuple):
    """A sheet as the network sees it, float32."""

    logits: Tensor
    """`(1, maps, height, width)`."""
    truth: Tensor
    """`(1, 1, height, width)`, 1 = building; of several classes their numbers."""
    valid: Tensor
    """`(1, 1, height, width)`, 1 = data."""
    probability: Tensor
    """`(1, classes, height, width)`."""


def look(segmenter: Segmenter, sheets: Sequence[Sheet], loss: Loss) -> Look:
    """Return loss and IoU over some sheets.

    Args:
        segmenter: its network stays on its device.
        sheets: one at least.
        loss: of logits, truth and valid.
    """
    losses, card = [], segmenter.card
    matrices: dict[str, list[Counts]] = {sheet.place: [] for sheet in sheets}
    for sheet in sheets:
        view = _view(segmenter, sheet)
        losses.append(float(loss(view.logits, view.truth, view.valid)))
        found = chosen(_spread(view, sheet), card.threshold)
        matrices[sheet.place].append(compared(found, sheet))
    scores = {place: summed(each) for place, each in matrices.items()}
    count = len(card.classes)
    return Look(
        float(np.mean(losses)), {place: class_iou(each, count) for place, each in scores.items()}
    )


def probability(segmenter: Segmenter, sheet: Sheet) -> Floats:
    """Return the probability `(classes, height, width)` on the sheet's grid, 0 on nodata."""
    return _spread(_view(segmenter, sheet), sheet)


def chosen(p: Floats, threshold: float) -> NDArray[np.uint8]:
    """Return the class of each pixel: the largest that reaches the threshold, 0 where none does.

    Args:
        p: `(classes, height, width)`.
        threshold: of all classes.
    """
    largest = np.where(p.max(axis=0) >= threshold, p.argmax(axis=0) + 1, 0)
    return np.asarray(largest, np.uint8)


def compared(found: NDArray[np.uint8], sheet: Sheet) -> Counts:
    """Return the pixels of a sheet by true class (rows) and found class (columns)."""
    return confusion(found, _u8(sheet.mask), sheet.valid)


def class_iou(matrix: Counts, classes: int) -> tuple[float, ...]:
    """Return the IoU of each class; 1 of one that is neither found nor there."""
    short = max(classes + 1 - len(matrix), 0)
    scores = PixelScore(np.pad(matrix, (0, short))).iou
    return tuple(scores[1 : classes + 1].tolist())


def figures(
    scored: Scored, threshold: float, metrics: Sequence[str], names: Sequence[str]
) -> dict[str, Any]:
    """Return the figures of some sheets of one place by the names of a recipe's metrics.

    Of several classes they are means over them; under `classes` stand those of each.
    """
    matrices = [compared(chosen(p, threshold), sheet) for sheet, p in scored]
    each = {
        name: _figures(
            [_one_of(matrix, number) for matrix in matrices],
            [_sure_of(sheet, p, number) for sheet, p in scored],
            metrics,
        )
        for number, name in enumerate(names, 1)
    }
    if len(names) == 1:
        return each[names[0]]
    means = {
        metric: round(float(np.mean([of[metric] for of in each.values()])), 4) for metric in metrics
    }
    return {**means, "classes": each}


def _one_of(matrix: Counts, number: int) -> Counts:
    """The matrix of one class against all else."""
    hits, found, true = matrix[number, number], matrix[:, number].sum(), matrix[number].sum()
    rest = matrix.sum() - found - true + hits
    return np.array([[rest, found - hits], [true - hits, hits]])


def _sure_of(sheet: Sheet, p: Floats, number: int) -> Reliability:
    """How far the probability of one class can be believed."""
    return reliability([(p[number - 1][sheet.valid], sheet.mask[sheet.valid] == number)])


def _figures(
    matrices: Sequence[Counts], sure: Sequence[Reliability], metrics: Sequence[str]
) -> dict[str, float]:
    each = [_scores(*both) for both in zip(matrices, sure, strict=True)]
    pooled = _scores(np.sum(matrices, axis=0), Reliability.together(sure))
    found = {}
    for name in metrics:
        over, _, score = name.partition("_")
        values = [pooled[score]] if over == "pixel" else [one[score] for one in each]
        found[name] = round(float(np.mean(values)), 4)
    return found


def _scores(matrix: Counts, sure: Reliability) -> dict[str, float]:
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
    p = probability_of(logits, len(card.classes), excludes=excludes(segmenter.network))
    return View(logits, truth[None].to(device), valid[None].to(device), p)


def _spread(view: View, sheet: Sheet) -> Floats:
    """The probabilities on the sheet's own grid."""
    shape = sheet.mask.shape
    p = functional.interpolate(view.probability, shape, mode="bilinear")
    return np.asarray(p[0].cpu().numpy() * sheet.valid)


def _u8(mask: Mask) -> NDArray[np.uint8]:
    return mask.astype(np.uint8)
