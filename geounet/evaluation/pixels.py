"""Scores that compare pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterable

Mask = NDArray[np.bool_]


def iou(pairs: Iterable[tuple[Mask, Mask]]) -> float:
    """Return intersection over union of the building class, pixels of all pairs pooled.

    Args:
        pairs: predicted and true mask of equal shape, True = building.

    Returns:
        0 to 1; 1 when nothing is predicted and nothing is there (Jaccard 1901).
    """
    inter = union = 0
    for predicted, truth in pairs:
        inter += int(np.count_nonzero(predicted & truth))
        union += int(np.count_nonzero(predicted | truth))
    return inter / union if union else 1.0
