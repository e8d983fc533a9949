"""Two dates of the same places → how much each changed, and vectors to group them by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from geounet.damage.marks import Floats
    from geounet.damage.seen import Seen

COMPARED = ("around", "edges")
"""Parts that `change` is the distance of. Colours are left out: seasons change them, too."""

ENDS = 0.01, 0.99
"""Quantiles of the scene's distances that become 0 and 1: one odd place sets no scale."""

_LEAST = 1e-9


def distances(before: Seen, after: Seen) -> NDArray[np.float64]:
    """Return how far each place moved: mean over the parts, each in units of its own median.

    The parts have length 1 on each date, so it is of no account how many values they have.
    """
    parts = [
        np.linalg.norm(after.parts[name] - before.parts[name], axis=1).astype(np.float64)
        for name in COMPARED
    ]
    scaled_parts = [each / max(float(np.median(each)), _LEAST) for each in parts]
    return np.asarray(np.mean(scaled_parts, axis=0))


def scaled(far: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return distances as `change`: 0 = as little as the least changed places, 1 = the most."""
    low, high = np.quantile(far, ENDS)
    if high - low <= _LEAST:
        return np.zeros_like(far)
    found: NDArray[np.float64] = np.clip((far - low) / (high - low), 0, 1)
    return found


def vectors(before: Seen | None, after: Seen) -> Floats:
    """Return what places are grouped by: what changed, or what the one date shows.

    Every part has the same mean square, so that each has the same say.
    """
    made = []
    for name, part in after.parts.items():
        base = part.mean(axis=0) if before is None else before.parts[name]
        step = (part - base).astype(np.float64)
        made.append(step / max(float(np.sqrt(np.mean((step**2).sum(axis=1)))), _LEAST))
    return np.hstack(made).astype(np.float32)


def roughness(after: Seen) -> NDArray[np.float64]:
    """Return how little of a place consists of straight edges, 0-1: rubble has the most."""
    share = np.square(after.edges.astype(np.float64))
    return 1 - share @ np.linspace(0, 1, share.shape[1])


def ranks(most: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return 1 for the largest value, 2 for the next; of equal ones the first comes first."""
    order = np.argsort(-most, kind="stable")
    found = np.empty(len(most), np.int64)
    found[order] = np.arange(1, len(most) + 1)
    return found
