"""The score of the xView2 challenge, from a confusion matrix of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

DAMAGE = {
    "none": 1,
    "minor": 2,
    "major": 3,
    "destroyed": 4,
    "no-damage": 1,
    "minor-damage": 2,
    "major-damage": 3,
}
"""Names of damage, ours and those of xBD, with their class."""

LEVELS = 4
_TINY = 1e-6
"""What the official scorer adds to each F1 before it takes the harmonic mean."""


def xview2(matrix: NDArray[np.int64]) -> dict[str, float | None]:
    """Return the official score: 0.3 of localisation's F1, 0.7 of the damage's harmonic mean.

    Pixels are summed over all images. Damage is compared only where truth has a building.

    Args:
        matrix: pixels by true class (rows) and predicted class (columns): 0 no building,
            1 no damage, 2 minor, 3 major, 4 destroyed.

    Returns:
        The official `score` and its parts; `damage_f1_present` leaves out levels that neither
        side has, each of which lets the official `damage_f1` drop to nearly 0.
    """
    known = np.zeros((LEVELS + 1, LEVELS + 1), np.int64)
    side = min(len(matrix), LEVELS + 1)
    known[:side, :side] = matrix[:side, :side]
    hits = int(known[1:, 1:].sum())
    place = _f1(hits, int(known[0, 1:].sum()), int(known[1:, 0].sum()))
    inside = known[1:]
    parts, present = [], []
    for level in range(1, LEVELS + 1):
        hit = int(inside[level - 1, level])
        false = int(inside[:, level].sum()) - hit
        missed = int(inside[level - 1].sum()) - hit
        parts.append(_f1(hit, false, missed))
        present.append(hit + false + missed > 0)
    damage = _harmonic(parts)
    shown = [part for part, there in zip(parts, present, strict=True) if there]
    return {
        "score": 0.3 * place + 0.7 * damage,
        "localisation_f1": place,
        "damage_f1": damage,
        "damage_f1_present": _harmonic(shown) if shown else None,
        **{f"f1_{level}": part for level, part in enumerate(parts, 1)},
    }


def _f1(hits: int, false: int, missed: int) -> float:
    return 2 * hits / (2 * hits + false + missed) if hits else 0.0


def _harmonic(parts: list[float]) -> float:
    return len(parts) / sum(1 / (part + _TINY) for part in parts)
