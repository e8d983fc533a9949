"""Scores that compare pixels."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from geounet.quantise import STEPS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]
Shares = NDArray[np.float64]

CLASSES = 256
"""Values a pixel of a class raster may have."""


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


@dataclass(frozen=True, eq=False)
class PixelScore:
    """Scores of a confusion matrix; where a class is in neither side, its scores are 1."""

    matrix: Counts
    """`(classes, classes)` pixels: the true class by row, the predicted by column, 0 background."""

    @property
    def pixels(self) -> int:
        """Pixels that were compared."""
        return int(self.matrix.sum())

    @property
    def accuracy(self) -> float:
        """Share of pixels with the right class; 1 of none."""
        return float(np.trace(self.matrix)) / self.pixels if self.pixels else 1.0

    @property
    def precision(self) -> Shares:
        """Of each class: what part of the predicted pixels is right."""
        return self._share(self.hits, self.matrix.sum(axis=0))

    @property
    def recall(self) -> Shares:
        """Of each class: what part of the true pixels was found."""
        return self._share(self.hits, self.matrix.sum(axis=1))

    @property
    def f1(self) -> Shares:
        """Of each class: harmonic mean of precision and recall, the Dice coefficient."""
        return self._share(2 * self.hits, self.matrix.sum(axis=0) + self.matrix.sum(axis=1))

    @property
    def iou(self) -> Shares:
        """Of each class: intersection over union."""
        return self._share(self.hits, self._either)

    @property
    def mean_iou(self) -> float:
        """Mean IoU of the classes, background included, that one of the sides has; 1 of none."""
        there = self._either > 0
        return float(self.iou[there].mean()) if there.any() else 1.0

    @property
    def hits(self) -> Counts:
        """Of each class: pixels of it on both sides."""
        return np.asarray(np.diagonal(self.matrix))

    @property
    def foreground(self) -> PixelScore:
        """The same with all classes but the background as one."""
        two = np.add.reduceat(np.add.reduceat(self.matrix, [0, 1], axis=0), [0, 1], axis=1)
        return PixelScore(two)

    def as_dict(self) -> dict[str, float]:
        """Return the scores of the foreground, accuracy, mean IoU and macro means over classes."""
        two = self.foreground
        both = self._either > 0
        both[0] = False
        return {
            "accuracy": self.accuracy,
            "precision": float(two.precision[1]),
            "recall": float(two.recall[1]),
            "f1": float(two.f1[1]),
            "iou": float(two.iou[1]),
            "mean_iou": self.mean_iou,
            "macro_f1": float(self.f1[both].mean()) if both.any() else 1.0,
        }

    @property
    def _either(self) -> Counts:
        both = self.matrix.sum(axis=0) + self.matrix.sum(axis=1) - self.hits
        return np.asarray(both)

    def _share(self, part: Counts, whole: Counts) -> Shares:
        """Divide; without a divisor 1 where the class is on neither side, else 0."""
        nothing = (self._either == 0).astype(np.float64)
        return np.where(whole > 0, part / np.maximum(whole, 1), nothing)


def confusion(predicted: NDArray[np.uint8], truth: NDArray[np.uint8], valid: Mask) -> Counts:
    """Return `(CLASSES, CLASSES)` pixels by true class (rows) and predicted class (columns).

    Args:
        predicted: class of each pixel.
        truth: the same, of the same shape.
        valid: True = the pixel counts.
    """
    pairs = truth[valid].astype(np.uint16) << 8 | predicted[valid]
    return np.bincount(pairs, minlength=CLASSES**2).reshape(CLASSES, CLASSES)


def summed(matrices: Sequence[Counts]) -> Counts:
    """Return the sum of confusion matrices, with the classes from 0 to the largest there is."""
    used = [np.flatnonzero(each.sum(axis=0) + each.sum(axis=1)).max(initial=1) for each in matrices]
    total = np.zeros((max(used) + 1, max(used) + 1), np.int64)
    for each, last in zip(matrices, used, strict=True):
        total[: last + 1, : last + 1] += each[: last + 1, : last + 1]
    return total


@dataclass(eq=False)
class Sweep:
    """How the foreground scores at every threshold of a probability."""

    there: Counts = field(default_factory=lambda: np.zeros(STEPS + 1, np.int64))
    """Pixels of each step q that are foreground in truth."""
    elsewhere: Counts = field(default_factory=lambda: np.zeros(STEPS + 1, np.int64))
    """Pixels of each step q that are not."""

    def add(self, q: NDArray[np.uint8], truth: Mask) -> None:
        """Count pixels.

        Args:
            q: `(pixels,)` quantised probability of those that count.
            truth: `(pixels,)` True = foreground.
        """
        self.there += np.bincount(q[truth], minlength=STEPS + 1)
        self.elsewhere += np.bincount(q[~truth], minlength=STEPS + 1)

    def scores(self) -> list[PixelScore]:
        """Return the foreground's score with q >= step predicted, for each step from 0 up."""
        hits, alarms = (counts[::-1].cumsum()[::-1] for counts in (self.there, self.elsewhere))
        missed, right = self.there.sum() - hits, self.elsewhere.sum() - alarms
        matrices = np.stack([right, alarms, missed, hits], axis=1).reshape(-1, 2, 2)
        return [PixelScore(matrix) for matrix in matrices]

    def best(self) -> tuple[float, float]:
        """Return the threshold of the best F1 and that F1."""
        f1 = [float(score.f1[1]) for score in self.scores()]
        step = int(np.argmax(f1[1:])) + 1  # at 0 everything is foreground
        return step / STEPS, f1[step]
