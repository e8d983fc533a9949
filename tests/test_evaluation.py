"""Rules of the scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from shapely import box
from sklearn.metrics import jaccard_score
from strategies import masks

from geounet.evaluation.objects import match
from geounet.evaluation.pixels import iou


@given(masks((6, 7)), masks((6, 7)))
def test_iou_is_scikit_learns(predicted, truth):
    """The pooled IoU is the Jaccard score of all pixels; empty against empty is 1."""
    expected = jaccard_score(truth.ravel(), predicted.ravel(), zero_division=1.0)
    assert iou([(predicted[:3], truth[:3]), (predicted[3:], truth[3:])]) == pytest.approx(expected)


def test_each_polygon_is_matched_once():
    """Two predictions over one house: one is right, the other is not."""
    truth = [box(0, 0, 10, 10), box(20, 0, 30, 10)]
    predicted = [box(0, 0, 10, 9), box(0, 0, 10, 8), box(50, 50, 60, 60)]
    score = match(predicted, truth)
    assert (score.true_positives, score.false_positives, score.false_negatives) == (1, 2, 1)
    assert score.precision == pytest.approx(1 / 3)
    assert score.recall == pytest.approx(1 / 2)
    assert score.f1 == pytest.approx(2 / 5)


def test_a_pair_below_the_threshold_does_not_count():
    """IoU 0.5 counts, a little less does not."""
    assert match([box(0, 0, 1, 5)], [box(0, 0, 1, 10)]).true_positives == 1
    assert match([box(0, 0, 1, 4.9)], [box(0, 0, 1, 10)]).true_positives == 0


@pytest.mark.parametrize(
    ("ours", "theirs"), [([], []), ([box(0, 0, 1, 1)], []), ([], [box(0, 0, 1, 1)])]
)
def test_nothing_found_or_nothing_there_is_zero(ours, theirs):
    """Empty sides give zeros, not errors."""
    score = match(np.array(ours, object), np.array(theirs, object))
    assert (score.f1, score.true_positives) == (0, 0)
    assert score.false_positives == len(ours)
    assert score.false_negatives == len(theirs)
