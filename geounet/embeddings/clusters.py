"""Vectors → clusters: K-means with the number chosen, or HDBSCAN; the same whatever the order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from geounet.embeddings.choose import ROWS, Choice, choose
from geounet.embeddings.prepare import Space, prepare
from geounet.embeddings.silhouettes import silhouettes
from geounet.errors import OptionError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from sklearn.cluster import KMeans

    Labels = NDArray[np.int32]

T = TypeVar("T", bound=np.generic)

FEWEST = 3
"""Items that clusters need at least."""


@dataclass(frozen=True, kw_only=True)
class ClusterOptions:
    """How vectors are grouped."""

    k: int | None = None
    """Number of clusters, None = chosen."""
    kmax: int = 10
    """Largest number that is tried."""
    seed: int = 0
    """Of everything random."""
    method: Literal["kmeans", "hdbscan"] = "kmeans"
    """`hdbscan` finds the number by itself, and leaves noise out."""
    min_items: int = 10
    """Fewest items of a cluster of HDBSCAN."""
    standardise: bool = True
    """True = each column is divided by its standard deviation first."""
    dimensions: int = 64
    """Principal axes that are compared; 0 = all columns as they are."""


@dataclass(frozen=True, kw_only=True)
class Clusters:
    """Which items belong together."""

    labels: Labels
    """`(n,)` int32 by falling size from 0; -1 = noise."""
    silhouette: NDArray[np.float32]
    """`(n,)` -1 to 1; nan for noise, and where there is one cluster."""
    k: int
    """Number of clusters, noise not counted."""
    centres: NDArray[np.float32]
    """`(k, p)` in the space."""
    choice: Choice
    """The scores of each number of clusters."""
    space: Space
    """What was compared, in canonical order."""


def cluster(vectors: NDArray[np.float32], options: ClusterOptions | None = None) -> Clusters:
    """Return the clusters of vectors; the order of the rows changes nothing but its own order.

    Args:
        vectors: `(n, d)` float32, in memory or mapped from a file.
        options: how; None = the defaults.

    Raises:
        OptionError: too few items, or too few different ones, or values that are no numbers.
    """
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn

    options = options or ClusterOptions()
    if len(vectors) < FEWEST:
        raise OptionError(f"clusters need at least {FEWEST} items, got {len(vectors)}; add some")
    with threadpool_limits(1):  # sums of several threads differ in their last digits
        space = prepare(vectors, dimensions=options.dimensions, standardise=options.standardise)
        found = _dense(space, options) if options.method == "hdbscan" else _means(space, options)
        labels, choice = _by_size(found[0]), found[1]
        scores = silhouettes(space.values, labels)
    return Clusters(
        labels=_as_given(labels, space),
        silhouette=_as_given(scores, space),
        k=int(labels.max()) + 1,
        centres=_centres(space.values, labels),
        choice=choice,
        space=space,
    )


def _scored(space: Space, options: ClusterOptions) -> tuple[Choice, KMeans]:
    """K-means of every number, on a sample when there are many items."""
    most = min(space.distinct, len(space.order) - 1)
    if options.k is not None and not 1 <= options.k <= most:
        raise OptionError(
            f"k must be from 1 to {most:,}, got {options.k}: there are {len(space.order):,} items, "
            f"{space.distinct:,} of them different"
        )
    if options.kmax < 2:  # noqa: PLR2004
        raise OptionError(f"kmax must be at least 2, got {options.kmax}")
    kmax = min(options.kmax, most)
    return choose(space.values[:ROWS], kmax=kmax, k=options.k, seed=options.seed)


def _means(space: Space, options: ClusterOptions) -> tuple[Labels, Choice]:
    """K-means: fitted to the sample, and to all from there when there are more."""
    from sklearn.cluster import MiniBatchKMeans  # noqa: PLC0415

    choice, fit = _scored(space, options)
    if len(space.values) > ROWS:
        fit = MiniBatchKMeans(
            choice.k,
            init=fit.cluster_centers_,
            n_init=1,
            batch_size=4096,
            random_state=options.seed,
            reassignment_ratio=0,
        ).fit(space.values)
    return fit.labels_.astype(np.int32), choice


def _dense(space: Space, options: ClusterOptions) -> tuple[Labels, Choice]:
    """HDBSCAN: as many clusters as there are dense places; K-means is scored to compare with."""
    from sklearn.cluster import HDBSCAN  # noqa: PLC0415

    if options.k is not None:
        raise OptionError(f"hdbscan finds k by itself, got {options.k}; leave one of them out")
    if len(space.values) > ROWS:
        raise OptionError(
            f"hdbscan takes at most {ROWS:,} items, got {len(space.values):,}; use kmeans"
        )
    if not 2 <= options.min_items <= len(space.values):  # noqa: PLR2004
        raise OptionError(
            f"min_items must be from 2 to {len(space.values)}, got {options.min_items}"
        )
    fit = HDBSCAN(min_cluster_size=options.min_items, copy=True).fit(space.values)
    labels = fit.labels_.astype(np.int32)
    if labels.max() < 0:
        raise OptionError(
            f"hdbscan finds no cluster of {options.min_items} items; lower min_items or use kmeans"
        )
    choice, _ = _scored(space, options)
    return labels, replace(choice, k=int(labels.max()) + 1, rule="density")


def _by_size(labels: Labels) -> Labels:
    """Number clusters by falling size; of equal ones, the one with the first item comes first."""
    kinds, first, counts = np.unique(labels, return_index=True, return_counts=True)
    real = kinds >= 0
    by_size = np.lexsort((first[real], -counts[real]))
    numbers = np.full(int(labels.max()) + 2, -1, np.int32)  # the last one is that of noise
    numbers[kinds[real][by_size]] = np.arange(len(by_size))
    renamed: Labels = numbers[labels]
    return renamed


def _centres(values: NDArray[np.float32], labels: Labels) -> NDArray[np.float32]:
    return np.stack(
        [
            values[labels == label].mean(axis=0, dtype=np.float64)
            for label in range(labels.max() + 1)
        ]
    ).astype(np.float32)


def _as_given(found: NDArray[T], space: Space) -> NDArray[T]:
    """Put what was found in canonical order back into the caller's."""
    given = np.empty_like(found)
    given[space.order] = found
    return given
