"""Scores that compare objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True)
class ObjectScore:
    """How many objects were found."""

    true_positives: int
    """Predicted polygons with a true one of their own."""
    false_positives: int
    """Predicted polygons without."""
    false_negatives: int
    """True polygons nobody found."""

    @property
    def precision(self) -> float:
        """Share of the predicted that are right; 0 when there is none."""
        return self.true_positives / max(self.true_positives + self.false_positives, 1)

    @property
    def recall(self) -> float:
        """Share of the true that were found; 0 when there is none."""
        return self.true_positives / max(self.true_positives + self.false_negatives, 1)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0 when both are."""
        found = 2 * self.true_positives
        return found / max(found + self.false_positives + self.false_negatives, 1)


def match(
    predicted: Sequence[shapely.Geometry] | NDArray[np.object_],
    truth: Sequence[shapely.Geometry] | NDArray[np.object_],
    threshold: float = 0.5,
) -> ObjectScore:
    """Count pairs whose intersection over union reaches a threshold, as SpaceNet does.

    Pairs are taken greedily, the largest IoU first; each polygon is used once. Where neither
    side overlaps itself, pairs above 0.5 are unique and the order does not matter
    (Van Etten, Lindenbaum and Bacastow 2018, arXiv:1807.01232).

    Args:
        predicted: polygons.
        truth: polygons in the same coordinates.
        threshold: smallest IoU of a pair.
    """
    ours, theirs = np.asarray(predicted, object), np.asarray(truth, object)
    rows, cols = shapely.STRtree(theirs).query(ours, predicate="intersects")
    common = shapely.area(shapely.intersection(ours[rows], theirs[cols]))
    values = common / (shapely.area(ours[rows]) + shapely.area(theirs[cols]) - common)
    used_rows: set[int] = set()
    used_cols: set[int] = set()
    for at in np.argsort(-values, kind="stable"):
        row, col = int(rows[at]), int(cols[at])
        if values[at] >= threshold and row not in used_rows and col not in used_cols:
            used_rows.add(row)
            used_cols.add(col)
    hits = len(used_rows)
    return ObjectScore(hits, len(ours) - hits, len(theirs) - hits)
