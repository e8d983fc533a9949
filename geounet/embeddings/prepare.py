"""Vectors of any number and width → a few columns in an order that depends on content alone."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geounet.errors import OptionError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

NARROW = 4096
"""Columns up to which axes come from the covariance; beyond, from products of rows."""

_FITTED_ROWS, _FITTED_VALUES, _WIDE_ROWS = 50_000, 2**25, 5000
_BLOCK_VALUES = 2**22
_BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Space:
    """Vectors as they are compared: canonical order, few columns."""

    values: Floats
    """`(n, p)` float32, in canonical order, centred."""
    order: NDArray[np.int64]
    """`(n,)` the caller's row of each; its start is a random sample that no order changes."""
    distinct: int
    """Different vectors among the rows that clusters are chosen on."""
    explained: float
    """0-1, share of the variance that the columns keep."""


def prepare(vectors: Floats, *, dimensions: int, standardise: bool) -> Space:
    """Return vectors on their principal axes; a memory-mapped file is read block by block.

    Rows are ordered by a hash of their bytes, so that what follows depends on no order of theirs.

    Args:
        vectors: `(n, d)` float32.
        dimensions: principal axes kept; 0, or no fewer than d, keeps the columns as they are.
        standardise: True = each column is divided by its standard deviation.

    Raises:
        OptionError: not a table, a value that is no number, or all vectors equal.
    """
    if vectors.ndim != 2 or not vectors.size:  # noqa: PLR2004
        raise OptionError(f"embeddings must be a table of numbers, got shape {vectors.shape}")
    keys = _keys(vectors)
    order = np.argsort(keys, kind="stable")
    distinct = len(np.unique(keys[order[:_FITTED_ROWS]]))
    if distinct == 1:
        raise OptionError(
            f"embeddings must differ, all {min(len(keys), _FITTED_ROWS):,} looked at are equal; "
            "check what they were made of"
        )
    if vectors.shape[1] > NARROW:
        axes = dimensions or len(vectors)  # as many keep every distance
        values, explained = _wide(vectors, order, axes, standardise=standardise)
    else:
        values, explained = _narrow(vectors, order, dimensions, standardise=standardise)
    return Space(values, order, distinct, explained)


def _narrow(
    vectors: Floats, order: NDArray[np.int64], dimensions: int, *, standardise: bool
) -> tuple[Floats, float]:
    """Project by axes of the covariance of a sample."""
    from sklearn.decomposition import PCA  # noqa: PLC0415 - half a second

    width = vectors.shape[1]
    most = min(_FITTED_ROWS, max(_FITTED_VALUES // width, _WIDE_ROWS))
    picked = np.sort(order[:most])
    sample = np.empty((len(picked), width))
    for start, block in _blocks(vectors):
        low, high = np.searchsorted(picked, (start, start + len(block)))
        sample[low:high] = block[picked[low:high] - start]
    sample = sample[np.argsort(np.argsort(order[:most]))]
    mean, spread = sample.mean(axis=0), _spread(sample, standardise=standardise)
    axes, explained = None, 1.0
    if 0 < dimensions < width:
        fit = PCA(min(dimensions, len(sample)), svd_solver="covariance_eigh")
        fit.fit((sample - mean) / spread)
        axes = fit.components_.T.astype(np.float32)
        explained = float(fit.explained_variance_ratio_.sum())
    moved = mean.astype(np.float32), (1 / spread).astype(np.float32)
    return _project(vectors, order, moved, axes), explained


def _project(
    vectors: Floats, order: NDArray[np.int64], moved: tuple[Floats, Floats], axes: Floats | None
) -> Floats:
    """Centre, scale and turn block by block, into canonical order.

    Blocks have one shape, so that a row's place in its block says nothing.
    """
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    width = vectors.shape[1]
    values = np.empty((len(order), width if axes is None else axes.shape[1]), np.float32)
    padded = np.zeros((_BLOCK_ROWS, width), np.float32)
    for start, block in _blocks(vectors):
        np.multiply(block - moved[0], moved[1], out=padded[: len(block)])
        turned = padded if axes is None else padded @ axes
        values[place[start : start + len(block)]] = turned[: len(block)]
    return values


def _wide(
    vectors: Floats, order: NDArray[np.int64], dimensions: int, *, standardise: bool
) -> tuple[Floats, float]:
    """Project by the products of rows with each other: exact, however many the columns."""
    sample = order[:_WIDE_ROWS]
    gram = np.zeros((len(sample), len(sample)))
    for columns in _columns(vectors):
        part = _centred(columns, sample, standardise=standardise)[sample]
        gram += part @ part.T
    variances, sides = np.linalg.eigh(gram)
    kept = np.argsort(variances)[::-1][:dimensions]
    kept = kept[variances[kept] > 1e-12 * variances.max()]
    sides = sides[:, kept] * np.sign(sides[np.abs(sides[:, kept]).argmax(axis=0), kept])
    lengths = np.sqrt(variances[kept])
    explained = float(variances[kept].sum() / variances.clip(0).sum())
    if len(sample) == len(vectors):
        return (sides * lengths).astype(np.float32), explained
    values = np.zeros((len(vectors), len(kept)))
    for columns in _columns(vectors):
        part = _centred(columns, sample, standardise=standardise)
        values += part @ (part[sample].T @ (sides / lengths))
    return values[order].astype(np.float32), explained


def _centred(
    columns: Floats, sample: NDArray[np.int64], *, standardise: bool
) -> NDArray[np.float64]:
    """Centre some columns, and scale them, by what they are in a sample."""
    picked = columns[sample].astype(np.float64)
    centred: NDArray[np.float64] = columns - picked.mean(axis=0)
    return centred / _spread(picked, standardise=standardise)


def _spread(sample: NDArray[Any], *, standardise: bool) -> NDArray[np.float64]:
    """Return what each column is divided by; 1 where it says nothing."""
    spread = np.ones(sample.shape[1])
    if not standardise:
        return spread
    np.std(sample, axis=0, out=spread)
    spread[spread <= 1e-9 * np.abs(sample).max(axis=0, initial=0)] = 1  # constant
    return spread


def _keys(vectors: Floats) -> NDArray[np.uint64]:
    """Return a number for each row that depends on all its bytes.

    Raises:
        OptionError: a value is not finite.
    """
    keys = np.empty(len(vectors), np.uint64)
    salts = np.random.default_rng(0).integers(0, 2**63, vectors.shape[1], np.uint64) * 2 + 1
    for start, block in _blocks(vectors):
        bad = ~np.isfinite(block).all(axis=1)
        if bad.any():
            raise OptionError(
                f"embedding {start + int(bad.argmax())} holds a value that is no finite number "
                f"({np.count_nonzero(bad):,} such rows near it); leave these items out"
            )
        bits = np.ascontiguousarray(block).view(np.uint32)
        mixed = np.einsum("rc,c->r", bits, salts, dtype=np.uint64, casting="unsafe")
        keys[start : start + len(block)] = mixed ^ (mixed >> np.uint64(29))
    return keys


def _blocks(vectors: Floats) -> Iterator[tuple[int, Floats]]:
    """Yield blocks of rows with the first one's number; of a mapped file no page is kept."""
    rows = max(min(_BLOCK_ROWS, _BLOCK_VALUES // vectors.shape[1]), 1)
    for start in range(0, len(vectors), rows):
        yield start, np.asarray(vectors[start : start + rows], np.float32)
        _forget(vectors)


def _columns(vectors: Floats) -> Iterator[Floats]:
    """Yield blocks of columns of all rows."""
    width = max(_BLOCK_VALUES // len(vectors), 1)
    for start in range(0, vectors.shape[1], width):
        yield np.array(vectors[:, start : start + width], np.float32)
        _forget(vectors)


def _forget(vectors: Any) -> None:  # noqa: ANN401 - what lies under an array is anything
    """Give back the pages of a mapped file: they count as our memory while they are mapped."""
    while isinstance(vectors, np.ndarray):
        vectors = vectors.base
    if isinstance(vectors, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        vectors.madvise(mmap.MADV_DONTNEED)
