"""A few graded buildings → the grade of all, each with its probability."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geounet.errors import OptionError
from geounet.evaluation.damage import DAMAGE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from geounet.damage.marks import Floats

GRADES = ("none", "minor", "major", "destroyed")
"""In the order of the classes of xView2."""

_LEEWAY = 5.0
"""Inverse of the pull towards 0. The vectors' parts are scaled alike already: with each of their
values standardised, hundreds of which carry little, damage F1 on sample storms was 0.2 lower."""

_STEPS = 1000


def read_grades(path: Path, labels: Sequence[str | None]) -> list[int]:
    """Return the class of each label, 0 for none.

    Args:
        path: where they are from, for messages.
        labels: none, minor, major, destroyed, or the names of xBD.

    Raises:
        OptionError: a label is no grade, or all are the same.
    """
    odd = sorted({label for label in labels if label is not None and label not in DAMAGE})
    if odd:
        raise OptionError(f"{path}: {odd[0]!r} is no grade (expected {', '.join(GRADES)})")
    grades = [0 if label is None else DAMAGE[label] for label in labels]
    if len(set(grades) - {0}) < 2:  # noqa: PLR2004 - one grade tells nothing apart
        raise OptionError(f"{path}: labels must have at least 2 grades, got 1; grade some others")
    return grades


def grade(
    vectors: Floats, grades: Sequence[int], *, seed: int
) -> tuple[NDArray[np.object_], NDArray[np.float64]]:
    """Return the grade of each item and how probable it is.

    What was graded by hand keeps that grade. A logistic regression, every grade with the same
    weight however many buildings have it.

    Args:
        vectors: `(n, d)`.
        grades: class of each, 0 = not graded.
        seed: of chance.
    """
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - half a second

    known = np.asarray(grades)
    rows = known > 0
    fit = LogisticRegression(
        C=_LEEWAY, class_weight="balanced", max_iter=_STEPS, random_state=seed
    ).fit(vectors[rows], known[rows])
    shares = fit.predict_proba(vectors)
    named = np.array(GRADES, object)[fit.classes_[shares.argmax(axis=1)] - 1]
    named[rows] = np.array(GRADES, object)[known[rows] - 1]
    probability = shares.max(axis=1)
    probability[rows] = 1.0
    return named, probability
