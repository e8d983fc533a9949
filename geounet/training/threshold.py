"""Which threshold a model is given: the one of the best IoU on validation sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.training.score import class_iou

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geounet.evaluation.pixels import Counts
    from geounet.training.score import Floats, Scored
    from geounet.training.sheet import Sheet

THRESHOLDS = tuple(round(0.3 + 0.02 * step, 2) for step in range(21))


def best_threshold(scored: Scored) -> float:
    """Return the threshold with the largest mean IoU over places and classes.

    Args:
        scored: one sheet at least.
    """
    places: dict[str, Counts] = {}
    for sheet, p in scored:
        places[sheet.place] = places.get(sheet.place, 0) + swept(sheet, p, THRESHOLDS)
    scores = [
        [class_iou(matrix, len(scored[0][1])) for matrix in matrices]
        for matrices in places.values()
    ]
    return THRESHOLDS[int(np.mean(scores, axis=(0, 2)).argmax())]


def swept(sheet: Sheet, p: Floats, thresholds: Sequence[float]) -> Counts:
    """Return the pixels by true class and found class at each threshold, in one pass.

    Args:
        sheet: with its truth.
        p: `(classes, height, width)` probability on its grid.
        thresholds: ascending.

    Returns:
        `(thresholds, classes + 1, classes + 1)`.
    """
    count = len(p) + 1
    reached = np.searchsorted(np.array(thresholds, p.dtype), p.max(axis=0)[sheet.valid], "right")
    top, truth = p.argmax(axis=0)[sheet.valid] + 1, sheet.mask[sheet.valid].astype(np.int64)
    cells = np.bincount(
        (reached * count + truth) * count + top, minlength=(len(thresholds) + 1) * count**2
    ).reshape(-1, count, count)
    found = cells[::-1].cumsum(axis=0)[::-1][1:]  # what reaches each threshold
    found[:, :, 0] = cells.sum(axis=(0, 2)) - found.sum(axis=2)
    return np.asarray(found)
