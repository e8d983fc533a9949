"""Many columns → two, to look at: PCA, t-SNE and UMAP, and how far to trust them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from types import ModuleType

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

SHOWN = 5000
"""Items that are projected, at most."""

TRUSTED = 2000
"""Items that trustworthiness is measured on, at most."""

NEIGHBOURS = 10
"""Neighbours it looks at."""


@dataclass(frozen=True, kw_only=True)
class Projection:
    """Items in the plane."""

    name: str
    """`PCA`, `t-SNE` or `UMAP`."""
    points: Floats
    """`(m, 2)` float32."""
    trustworthiness: float
    """0-1, share of the neighbours in the plane that are neighbours indeed (Venna 2001)."""


def project(values: Floats, *, seed: int) -> tuple[Projection, ...]:
    """Return three projections of items; the same items and seed give the same points.

    Args:
        values: `(m, p)`, at most `SHOWN` of them, in canonical order.
        seed: of t-SNE and UMAP.
    """
    from sklearn.manifold import trustworthiness  # noqa: PLC0415 - half a second
    from threadpoolctl import threadpool_limits  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses tensorflow, numba what it may not do
        import umap  # noqa: PLC0415 - optional, and seconds
    wide = np.pad(values, ((0, 0), (0, max(2 - values.shape[1], 0))))
    some = min(TRUSTED, len(wide))
    near = max(min(NEIGHBOURS, (some - 1) // 2), 1)
    with threadpool_limits(1):
        drawn = {
            "PCA": _pca(wide),
            "t-SNE": _tsne(wide, seed),
            "UMAP": _neighbourly(umap, wide, seed),
        }
        return tuple(
            Projection(
                name=name,
                points=points.astype(np.float32),
                trustworthiness=float(
                    trustworthiness(wide[:some], points[:some], n_neighbors=near)
                ),
            )
            for name, points in drawn.items()
        )


def _pca(values: Floats) -> Floats:
    from sklearn.decomposition import PCA  # noqa: PLC0415

    points: Floats = PCA(2, svd_solver="full").fit_transform(values)
    return points


def _tsne(values: Floats, seed: int) -> Floats:
    from sklearn.manifold import TSNE  # noqa: PLC0415

    perplexity = min(30, (len(values) - 1) / 3)
    points: Floats = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(
        values
    )
    return points


def _neighbourly(umap: ModuleType, values: Floats, seed: int) -> Floats:
    few = len(values) <= NEIGHBOURS  # too few for the axes of a graph
    fit = umap.UMAP(
        n_neighbors=min(15, len(values) - 1),
        init="random" if few else "spectral",
        random_state=seed,
        n_jobs=1,
    )
    points: Floats = fit.fit_transform(values)
    return points
