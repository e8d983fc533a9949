"""What was seen of places → how much each changed, which look alike, where to look first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geounet.damage.change import distances, ranks, roughness, scaled, vectors
from geounet.damage.grades import grade
from geounet.damage.layers import Found
from geounet.embeddings.clusters import FEWEST, ClusterOptions, Clusters, cluster

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.damage.places import Places
    from geounet.damage.seen import Seen

KMAX = 6
"""Largest number of clusters that is tried: there are four grades of damage."""


@dataclass(frozen=True)
class Judged:
    """Some places with what was found of them."""

    found: Found
    """Their rows."""
    clusters: Clusters
    """How they were grouped."""
    vectors: NDArray[np.float32]
    """What they were grouped by."""

    def graded(self, grades: list[int], seed: int) -> Judged:
        """Return them with grades learnt from some, by class; 0 = not graded."""
        named, probability = grade(self.vectors, grades, seed=seed)
        return replace(self, found=replace(self.found, damage=named, probability=probability))


def judge(places: Places, before: Seen | None, after: Seen, *, k: int | None, seed: int) -> Judged:
    """Return places with their change, rank and cluster.

    Args:
        places: in the order of what was seen.
        before: on the earlier image; None = there is none.
        after: on the later one.
        k: number of clusters; None = chosen.
        seed: of chance.

    Raises:
        OptionError: too few places, or too few different ones.
    """
    made = vectors(before, after)
    how = ClusterOptions(k=k, kmax=max(KMAX, k or 0), seed=seed, standardise=False)
    kinds = cluster(made, how)
    return Judged(_rows(places, before, after, kinds.labels, kinds.silhouette), kinds, made)


def judge_ground(places: Places, before: Seen | None, after: Seen, *, seed: int) -> Found:
    """Return tiles of ground likewise; too few for clusters are one."""
    if len(places.ids) >= FEWEST:
        return judge(places, before, after, k=None, seed=seed).found
    alone = np.zeros(len(places.ids), np.int32), np.full(len(places.ids), np.nan, np.float32)
    return _rows(places, before, after, *alone)


def _rows(
    places: Places,
    before: Seen | None,
    after: Seen,
    labels: NDArray[np.int32],
    silhouette: NDArray[np.float32],
) -> Found:
    far = roughness(after) if before is None else distances(before, after)
    return Found(
        ids=places.ids,
        shapes=places.shapes,
        crs=places.crs,
        cluster=labels,
        silhouette=silhouette,
        change=None if before is None else scaled(far),
        rank=ranks(far),
    )
