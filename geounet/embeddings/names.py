"""Names of clusters from a few labelled items: the majority, and how right it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Names:
    """What clusters are called, and how that fits the items that are labelled."""

    names: tuple[str | None, ...]
    """Of each cluster; None where it holds no labelled item."""
    precision: float
    """0-1, mean over the labelled classes."""
    recall: float
    """0-1, mean over the labelled classes."""
    adjusted_rand: float
    """-1 to 1, of clusters against labels; 0 = no better than chance."""
    right: int
    """Labelled items whose cluster has their name."""
    wrong: int
    """The other labelled items, noise and those in clusters of another name."""


def name_clusters(clusters: NDArray[np.int32], labels: Sequence[str | None]) -> Names:
    """Name each cluster after most of its labelled items; of a tie the first in the alphabet.

    Args:
        clusters: `(n,)` from 0 up; -1 = noise, which has no name.
        labels: of each item; None = not labelled. At least one is.
    """
    from sklearn.metrics import adjusted_rand_score, precision_score, recall_score  # noqa: PLC0415

    known = np.array([label is not None for label in labels])
    truth = np.array([label for label in labels if label is not None])
    found = clusters[known]
    names = tuple(_majority(truth[found == at]) for at in range(int(clusters.max()) + 1))
    said = np.array([(names[at] if at >= 0 else None) or "" for at in found.tolist()])
    classes = np.unique(truth)
    settings = {"labels": classes, "average": "macro", "zero_division": 0}
    right = int(np.count_nonzero(said == truth))
    return Names(
        names=names,
        precision=float(precision_score(truth, said, **settings)),
        recall=float(recall_score(truth, said, **settings)),
        adjusted_rand=float(adjusted_rand_score(truth, found)),
        right=right,
        wrong=len(truth) - right,
    )


def _majority(labels: NDArray[np.str_]) -> str | None:
    if not len(labels):
        return None
    names, counts = np.unique(labels, return_counts=True)
    return str(names[counts.argmax()])
