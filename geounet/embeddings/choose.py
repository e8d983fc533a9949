"""How many clusters: silhouette, elbow and stability, and the rule that joins them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from geounet.embeddings.silhouettes import silhouettes

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.cluster import KMeans

ROWS = 50_000
"""Items that the number of clusters is chosen on, at most."""

SAMPLED = 10_000
"""Items whose silhouette is measured for each number of clusters, at most."""

SEEDS = 5
"""Starts for each number of clusters; the best is kept, all are compared."""

STABLE = 0.9
"""Mean adjusted Rand index between starts from which a number of clusters is stable."""

NEAR = 0.02
"""Silhouettes that differ by no more are as good as each other: then the elbow decides."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The scores of each number of clusters, and which was taken."""

    ks: tuple[int, ...]
    """Numbers tried, from 1 up."""
    inertia: tuple[float, ...]
    """Sum of squared distances to the centres, of each."""
    silhouette: tuple[float, ...]
    """Mean silhouette of each; nan for 1."""
    stability: tuple[float, ...]
    """Mean adjusted Rand index between pairs of starts, of each."""
    by_silhouette: int
    """The number of the highest silhouette."""
    by_elbow: int | None
    """The number at the knee of the inertia; None where it has none."""
    k: int
    """The number taken."""
    rule: str
    """Why: `given`, `silhouette`, `elbow`, `both` of them, or `density`."""
    rows: int
    """Items the scores were measured on."""


def choose(
    values: NDArray[np.float32], *, kmax: int, k: int | None, seed: int
) -> tuple[Choice, KMeans]:
    """Return the choice, and the fit of the number taken.

    Args:
        values: `(n, p)`, at most `ROWS` of them.
        kmax: largest number tried.
        k: the number to take; None = by the rule.
        seed: of the first start.
    """
    ks = tuple(range(1, max(kmax, k or 1) + 1))
    tried = [_starts(values, number, seed) for number in ks]
    best = [min(fits, key=lambda fit: float(fit.inertia_)) for fits in tried]
    inertia = tuple(float(fit.inertia_) for fit in best)
    mean = tuple(_mean_silhouette(values, fit.labels_) for fit in best)
    stability = tuple(agreement([fit.labels_ for fit in fits]) for fits in tried)
    elbow = knee(inertia)
    taken, rule = settle(mean, stability, elbow) if k is None else (k, "given")
    choice = Choice(
        ks=ks,
        inertia=inertia,
        silhouette=mean,
        stability=stability,
        by_silhouette=int(np.argmax(mean[1:])) + 2,
        by_elbow=elbow,
        k=taken,
        rule=rule,
        rows=len(values),
    )
    return choice, best[taken - 1]


def settle(
    silhouette: tuple[float, ...], stability: tuple[float, ...], elbow: int | None
) -> tuple[int, str]:
    """Return the number of clusters and why.

    Of the stable numbers (where none is, of all) the one with the highest silhouette is taken;
    the elbow's, when it is one of them and as good.

    Args:
        silhouette: of 1, 2, 3 … clusters; that of 1 is not looked at.
        stability: likewise.
        elbow: number at the knee.
    """
    stable = np.array(stability[1:]) >= STABLE
    scores = np.where(stable | ~stable.any(), silhouette[1:], -np.inf)
    best = int(scores.argmax()) + 2
    if elbow == best:
        return best, "both"
    if elbow is not None and elbow > 1 and scores[elbow - 2] >= scores.max() - NEAR:
        return elbow, "elbow"
    return best, "silhouette"


def knee(inertia: tuple[float, ...]) -> int | None:
    """Return the number of clusters at which the inertia stops to fall steeply.

    The point farthest below the straight line from the first to the last (Kneedle: Satopää et
    al. 2011, without smoothing, as there is one curve and no noise to smooth).

    Args:
        inertia: of 1, 2, 3 … clusters.
    """
    heights = np.array(inertia)
    fall = heights[0] - heights[-1]
    if len(heights) < 3 or fall <= 0:  # noqa: PLR2004 - no curve
        return None
    below = (heights[0] - heights) / fall - np.linspace(0, 1, len(heights))
    at = int(below.argmax())
    return at + 1 if below[at] > 1e-9 else None  # noqa: PLR2004 - a straight line


def agreement(labels: list[NDArray[np.int32]]) -> float:
    """Return the mean adjusted Rand index between pairs of labellings."""
    from sklearn.metrics import adjusted_rand_score  # noqa: PLC0415

    pairs = [adjusted_rand_score(one, other) for one, other in combinations(labels, 2)]
    return float(np.mean(pairs)) if pairs else 1.0


def _starts(values: NDArray[np.float32], k: int, seed: int) -> list[KMeans]:
    from sklearn.cluster import KMeans  # noqa: PLC0415 - half a second

    count = 1 if k == 1 else SEEDS
    return [KMeans(k, n_init=1, random_state=seed + start).fit(values) for start in range(count)]


def _mean_silhouette(values: NDArray[np.float32], labels: NDArray[np.int32]) -> float:
    if labels.max() == 0:
        return float("nan")
    return float(np.nanmean(silhouettes(values[:SAMPLED], labels[:SAMPLED])))
