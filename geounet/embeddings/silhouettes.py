"""How well each item lies in its cluster (Rousseeuw 1987), of any number of items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT = 50_000
"""Items up to which every distance is measured."""

REFERENCES = 4000
"""Items that distances are measured to beyond that, the same number of each cluster."""

_BLOCK = 2**22


def silhouettes(
    values: NDArray[np.float32], labels: NDArray[np.int32], *, exact: int = EXACT
) -> NDArray[np.float32]:
    """Return the silhouette of each item: -1 to 1; nan for noise, and where there is one cluster.

    Args:
        values: `(n, p)` in an order that is as good as random.
        labels: `(n,)` from 0 up; -1 = noise.
        exact: items up to which all count; beyond, the first of each cluster stand for it.
    """
    from sklearn.metrics.pairwise import euclidean_distances  # noqa: PLC0415

    count = int(labels.max(initial=-1)) + 1
    found = np.full(len(labels), np.nan, np.float32)
    picked = _references(labels, count, exact)
    member = labels[picked][:, None] == np.arange(count)
    sizes = member.sum(axis=0)
    if np.count_nonzero(sizes) < 2:  # noqa: PLR2004 - no other cluster to compare with
        return found
    points = values[picked].astype(np.float64)
    place = np.full(len(labels), -1)
    place[picked] = np.arange(len(picked))
    clustered = np.flatnonzero(labels >= 0)
    step = max(_BLOCK // len(picked), 1)
    for rows in (clustered[at : at + step] for at in range(0, len(clustered), step)):
        far = euclidean_distances(values[rows].astype(np.float64), points)
        itself = place[rows] >= 0
        far[np.flatnonzero(itself), place[rows[itself]]] = 0
        found[rows] = _compared(far @ member, sizes, labels[rows], itself)
    return found


def _compared(
    sums: NDArray[np.float64],
    sizes: NDArray[np.int64],
    own: NDArray[np.int32],
    itself: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """Compare the mean distance to the own cluster with that to the nearest other one."""
    rows = np.arange(len(own))
    others = sizes[own] - itself
    inside = sums[rows, own] / np.maximum(others, 1)
    means = np.where(sizes > 0, sums / np.maximum(sizes, 1), np.inf)
    means[rows, own] = np.inf
    outside = means.min(axis=1)
    larger = np.maximum(inside, outside)
    score = (outside - inside) / np.where(larger > 0, larger, 1)
    alone: NDArray[np.float64] = np.where(others > 0, score, 0.0)
    return alone


def _references(labels: NDArray[np.int32], count: int, exact: int) -> NDArray[np.int64]:
    """Return the items that distances are measured to."""
    if len(labels) <= exact:
        return np.flatnonzero(labels >= 0)
    each = max(REFERENCES // max(count, 1), 1)
    first = [np.flatnonzero(labels == cluster)[:each] for cluster in range(count)]
    return np.concatenate([np.zeros(0, np.int64), *first])
