"""Scores that compare objects: who is whose, how many were found, average precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Polygons = Sequence[shapely.Geometry] | NDArray[np.object_]
    Ints = NDArray[np.int64]
    Floats = NDArray[np.float64]

IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
"""COCO's thresholds."""

_RECALLS = np.linspace(0, 1, 101)


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

    def __add__(self, other: ObjectScore) -> ObjectScore:
        """Return the counts of both together."""
        return ObjectScore(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    def as_dict(self) -> dict[str, float]:
        """Return counts and shares."""
        shares = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        counts = {
            "true_positives": self.true_positives,
            "false_positives": self.false_positives,
            "false_negatives": self.false_negatives,
        }
        return counts | shares


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Pairs of a predicted and a true polygon that share some area."""

    predicted: int
    """Number of predicted polygons."""
    truth: int
    """Number of true ones."""
    rows: Ints
    """`(pairs,)` the predicted one."""
    cols: Ints
    """`(pairs,)` the true one."""
    iou: Floats
    """`(pairs,)` intersection over union, above 0."""

    def assign(self, threshold: float, scores: Floats | None = None) -> Ints:
        """Return for each predicted polygon the true one it takes, -1 for none.

        The predicted come by falling score, else in their order; each takes the free true one it
        overlaps most, if their IoU reaches the threshold, as in COCO's and SpaceNet's scorers.
        """
        near = np.flatnonzero(self.iou >= min(threshold, 1 - 1e-10))
        rows, cols, iou = self.rows[near], self.cols[near], self.iou[near]
        taken = np.full(self.predicted, -1)
        alone = (np.bincount(rows, minlength=self.predicted)[rows] == 1) & (
            np.bincount(cols, minlength=self.truth)[cols] == 1
        )
        taken[rows[alone]] = cols[alone]
        rows, cols, iou = rows[~alone], cols[~alone], iou[~alone]
        late = np.zeros(len(rows)) if scores is None else -scores[rows]
        free = np.ones(self.truth, np.bool_)
        for at in np.lexsort((-cols, -iou, rows, late)).tolist():
            if taken[rows[at]] < 0 and free[cols[at]]:
                taken[rows[at]] = cols[at]
                free[cols[at]] = False
        return taken

    def score(self, threshold: float = 0.5) -> ObjectScore:
        """Return how many were found, the predicted in their order."""
        hits = int(np.count_nonzero(self.assign(threshold) >= 0))
        return ObjectScore(hits, self.predicted - hits, self.truth - hits)

    def among(self, ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> Overlaps:
        """Return the pairs of some of the polygons, renumbered."""
        kept = ours[self.rows] & theirs[self.cols]
        rows, cols = np.cumsum(ours) - 1, np.cumsum(theirs) - 1
        return Overlaps(
            int(ours.sum()),
            int(theirs.sum()),
            rows[self.rows[kept]],
            cols[self.cols[kept]],
            self.iou[kept],
        )


def overlaps(predicted: Polygons, truth: Polygons) -> Overlaps:
    """Return the pairs of valid polygons, in the same coordinates, that share some area."""
    ours, theirs = np.asarray(predicted, object), np.asarray(truth, object)
    rows, cols = shapely.STRtree(theirs).query(ours, predicate="intersects")
    common = shapely.area(shapely.intersection(ours[rows], theirs[cols]))
    values = common / (shapely.area(ours)[rows] + shapely.area(theirs)[cols] - common)
    some = values > 0
    return Overlaps(len(ours), len(theirs), rows[some], cols[some], values[some])


def match(predicted: Polygons, truth: Polygons, threshold: float = 0.5) -> ObjectScore:
    """Count pairs whose intersection over union reaches a threshold, as SpaceNet does.

    Where neither side overlaps itself, pairs above 0.5 are unique and the order does not matter
    (Van Etten, Lindenbaum and Bacastow 2018, arXiv:1807.01232).

    Args:
        predicted: polygons in the order in which they choose.
        truth: polygons in the same coordinates.
        threshold: smallest IoU of a pair.
    """
    return overlaps(predicted, truth).score(threshold)


def average_precision(hits: NDArray[np.bool_], scores: Floats, truth: int) -> float | None:
    """Return COCO's average precision: the mean of 101 interpolated precisions by recall.

    Args:
        hits: `(predicted,)` of all images, True = it has a true polygon of its own.
        scores: `(predicted,)` how sure each is; equal ones count in their order.
        truth: number of true polygons.

    Returns:
        0 to 1, None without a true polygon.
    """
    if not truth:
        return None
    recall, precision = precision_recall(hits, scores, truth)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(recall, _RECALLS)
    reached = at < len(recall)
    return float(np.where(reached, np.append(envelope, 0)[at], 0).mean())


def precision_recall(hits: NDArray[np.bool_], scores: Floats, truth: int) -> tuple[Floats, Floats]:
    """Return recall and precision as the predicted are taken by falling score."""
    right = np.cumsum(hits[np.argsort(-scores, kind="stable")])
    return right / truth, right / np.arange(1, len(hits) + 1)
