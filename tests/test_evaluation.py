"""Rules of the scores: equal to the official scorers', or to what a hand can count."""

from __future__ import annotations

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from scipy import ndimage
from shapely import box
from sklearn import metrics
from strategies import masks

from geounet.evaluation.boundary import rim
from geounet.evaluation.damage import xview2
from geounet.evaluation.objects import IOUS, average_precision, match, overlaps
from geounet.evaluation.pixels import PixelScore, Sweep, confusion, iou
from geounet.evaluation.scores import seam_distance
from geounet.evaluation.shapes import angle_error, c_iou, corners, n_ratio, polis

LABELS = npst.arrays(np.uint8, (7, 9), elements=st.integers(0, 3))


def boxes(rng, count, size=100):
    """Rotated boxes anywhere, many of them overlapping."""
    made = []
    for _ in range(count):
        x, y, w, h = *rng.uniform(0, size, 2), *rng.uniform(5, 25, 2)
        made.append(shapely.affinity.rotate(box(x, y, x + w, y + h), rng.uniform(0, 90)))
    return made


def iou_of(one, other):
    """Intersection over union of two polygons."""
    return one.intersection(other).area / one.union(other).area


@given(masks((6, 7)), masks((6, 7)))
def test_iou_is_scikit_learns(predicted, truth):
    """The pooled IoU is the Jaccard score of all pixels; empty against empty is 1."""
    expected = metrics.jaccard_score(truth.ravel(), predicted.ravel(), zero_division=1.0)
    assert iou([(predicted[:3], truth[:3]), (predicted[3:], truth[3:])]) == pytest.approx(expected)


@given(LABELS, LABELS, masks((7, 9)))
def test_pixel_scores_are_scikit_learns(predicted, truth, valid):
    """Every score of a confusion matrix, per class, macro, and of the foreground."""
    score = PixelScore(confusion(predicted, truth, valid)[:4, :4])
    ours, theirs = predicted[valid], truth[valid]
    if not len(ours):
        assert score.as_dict() == dict.fromkeys(score.as_dict(), 1.0)
        return
    assert (score.matrix == metrics.confusion_matrix(theirs, ours, labels=range(4))).all()
    assert score.accuracy == pytest.approx(metrics.accuracy_score(theirs, ours), abs=1e-9)
    there = np.union1d(ours, theirs)
    words = {"average": None, "labels": there, "zero_division": 0}
    expected = metrics.precision_recall_fscore_support(theirs, ours, **words)[:3]
    for name, values in zip(("precision", "recall", "f1"), expected, strict=True):
        assert getattr(score, name)[there] == pytest.approx(values, abs=1e-9)
    jaccard = metrics.jaccard_score(theirs, ours, **words)
    assert score.iou[there] == pytest.approx(jaccard, abs=1e-9)
    assert score.mean_iou == pytest.approx(jaccard.mean(), abs=1e-9)
    assert (np.delete(score.iou, there) == 1).all()
    said, both = score.as_dict(), theirs > 0
    if (ours > 0).any() or both.any():
        expected = metrics.precision_recall_fscore_support(
            both, ours > 0, average="binary", zero_division=0
        )
        found = said["precision"], said["recall"], said["f1"]
        assert found == pytest.approx(expected[:3], abs=1e-9)


@given(npst.arrays(np.uint8, (60,), elements=st.integers(0, 254)), masks((60,)))
def test_a_sweep_scores_every_threshold(q, truth):
    """At each step the scores are those of q >= step; what is counted in parts is the same."""
    sweep = Sweep()
    for part in (slice(0, 17), slice(17, 60)):
        sweep.add(q[part], truth[part])
    scores = sweep.scores()
    for step in (0, 1, 100, 254):
        expected = confusion((q >= step).astype(np.uint8), truth.view(np.uint8), truth | True)
        assert (scores[step].matrix == expected[:2, :2]).all()
    threshold, best = sweep.best()
    assert best == max(score.f1[1] for score in scores[1:])
    assert scores[round(threshold * 254)].f1[1] == best


@given(masks((9, 11)), st.integers(1, 4))
def test_a_rim_is_a_mask_without_its_erosion(mask, distance):
    """Eroded by a 3 by 3 square as often as the distance says, zeros all around."""
    inner = ndimage.binary_erosion(np.pad(mask, 1), np.ones((3, 3)), iterations=distance)
    assert (rim(mask, distance) == (mask & ~inner[1:-1, 1:-1])).all()


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


def spacenet(predicted, truth, threshold):
    """SpaceNet's rule, written down again: in file order, the best of those left."""
    left, hits = list(range(len(truth))), 0
    for polygon in predicted:
        found = [(iou_of(polygon, truth[at]), at) for at in left]
        best = max(found, default=(0, None))
        if best[0] >= threshold:
            left.remove(best[1])
            hits += 1
    return hits, len(predicted) - hits, len(left)


@pytest.mark.parametrize("seed", range(30))
def test_matching_is_spacenets(seed):
    """Also where polygons overlap those of their own side and several thresholds compete."""
    rng = np.random.default_rng(seed)
    truth = boxes(rng, 30)
    moved = [shapely.affinity.translate(each, *rng.normal(0, 2, 2)) for each in truth]
    predicted = [*moved[:22], *boxes(rng, 12), *moved[3:9]]
    predicted = [predicted[at] for at in rng.permutation(len(predicted))]
    for threshold in (0.2, 0.5, 0.75):
        score = match(predicted, truth, threshold)
        found = score.true_positives, score.false_positives, score.false_negatives
        assert found == spacenet(predicted, truth, threshold)


def scene(rng):
    """Integer boxes of a true and a predicted image of 120 by 120 pixels, and their scores."""

    def some(count):
        corner, size = rng.integers(0, 90, (count, 2)), rng.integers(4, 28, (count, 2))
        return np.hstack([corner, corner + size])

    truth = some(rng.integers(0, 12))
    near = np.clip(truth + rng.integers(-3, 4, truth.shape), 0, 120)
    near = near[(near[:, 2:] > near[:, :2]).all(axis=1)]
    predicted = np.vstack([near, near[:3], some(rng.integers(0, 6))])
    return truth, predicted, rng.permutation(len(predicted)) / 100 + rng.integers(0, 3) / 7


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("seed", range(12))
def test_average_precision_is_pycocotools(seed):
    """At each of COCO's thresholds, over several images, some without truth or prediction."""
    api, cocoeval = (pytest.importorskip(f"pycocotools.{name}") for name in ("coco", "cocoeval"))
    encode = pytest.importorskip("pycocotools.mask").encode
    rng = np.random.default_rng(seed)
    scenes = [scene(rng) for _ in range(5)]
    entries = [], []
    for image, (truth, predicted, scores) in enumerate(scenes, 1):
        for side, (rows, sure) in enumerate(((truth, np.ones(len(truth))), (predicted, scores))):
            for (left, top, right, bottom), score in zip(rows, sure, strict=True):
                mask = np.zeros((120, 120), np.uint8, order="F")
                mask[top:bottom, left:right] = 1
                entries[side].append(
                    {
                        "id": len(entries[side]) + 1, "image_id": image, "category_id": 1,
                        "segmentation": encode(mask), "score": float(score), "iscrowd": 0,
                        "area": int(mask.sum()), "bbox": [0, 0, 1, 1],
                    }
                )  # fmt: skip
    coco = api.COCO()
    images = [{"id": at, "height": 120, "width": 120} for at in range(1, 6)]
    coco.dataset = {
        "images": images, "annotations": entries[0], "categories": [{"id": 1}], "info": {},
    }  # fmt: skip
    coco.createIndex()
    judge = cocoeval.COCOeval(coco, coco.loadRes(entries[1]), "segm")
    judge.params.maxDets = [1, 10, 1000]
    judge.evaluate()
    judge.accumulate()
    pairs = [
        overlaps([box(*row) for row in predicted], [box(*row) for row in truth])
        for truth, predicted, _ in scenes
    ]
    sure = [scores for _, _, scores in scenes]
    for at, threshold in enumerate(IOUS):
        taken = [p.assign(threshold, s) >= 0 for p, s in zip(pairs, sure, strict=True)]
        found = average_precision(
            np.concatenate(taken), np.concatenate(sure), sum(p.truth for p in pairs)
        )
        assert found == pytest.approx(judge.eval["precision"][at, :, 0, 0, 2].mean(), abs=1e-6)


def official_xview2(pairs):
    """The challenge's formula, written down again from pixels (DIUx-xView scoring)."""

    def f1(hits, false, missed):
        precision = hits / (hits + false) if hits + false else 0
        recall = hits / (hits + missed) if hits + missed else 0
        return 2 * precision * recall / (precision + recall) if precision + recall else 0

    sums = np.zeros((5, 3))
    for predicted, truth in pairs:
        ours, theirs = predicted > 0, truth > 0
        sums[0] += [(ours & theirs).sum(), (ours & ~theirs).sum(), (~ours & theirs).sum()]
        inside, target = predicted[theirs], truth[theirs]
        for level in range(1, 5):
            one, other = inside == level, target == level
            sums[level] += [(one & other).sum(), (one & ~other).sum(), (~one & other).sum()]
    place, *levels = (f1(*row) for row in sums)
    return 0.3 * place + 0.7 * (4 / sum(1 / (level + 1e-6) for level in levels))


@pytest.mark.parametrize("seed", range(20))
def test_the_damage_score_is_xview2s(seed):
    """Summed over images; a level that nobody has counts as in the official scorer."""
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(3):
        truth = rng.integers(0, 5 - seed % 2, (40, 30)).astype(np.uint8)
        noise = rng.integers(0, 5, truth.shape)
        pairs.append(
            (np.where(rng.random(truth.shape) < 0.6, truth, noise).astype(np.uint8), truth)
        )
    matrix = sum(confusion(*pair, np.ones((40, 30), bool)) for pair in pairs)
    for given_ in (matrix, matrix[:5, :5]):
        assert xview2(given_)["score"] == pytest.approx(official_xview2(pairs), abs=1e-6)


def test_a_level_nobody_has_is_told_apart():
    """The official harmonic mean drops to nearly 0; the other one leaves the level out."""
    matrix = np.diag([5, 4, 3, 2, 0])
    said = xview2(matrix)
    assert said["damage_f1"] == pytest.approx(0, abs=1e-5)
    assert said["damage_f1_present"] == pytest.approx(1, abs=1e-5)


def test_shapes_that_can_be_measured_by_hand():
    """The same square is 0 off; turned by ten degrees it is ten off; a corner more counts."""
    square = shapely.box(0, 0, 10, 10)
    five = shapely.Polygon([(0, 0), (10, 0), (10, 5), (10, 10), (0, 10)])
    ours = np.array([square, shapely.affinity.rotate(square, 10), five, square], object)
    theirs = np.array([square, square, square, shapely.affinity.translate(square, 1, 0)], object)
    assert corners(ours).tolist() == [4, 4, 5, 4]
    assert n_ratio(ours, theirs).tolist() == [1, 1, 1.25, 1]
    assert angle_error(ours, theirs) == pytest.approx([0, 10, 0, 0], abs=1e-6)
    assert c_iou(np.ones(4), ours, theirs) == pytest.approx([1, 1, 8 / 9, 1])
    # of the moved square each corner lies 1 off, or on the other's edge
    assert polis(ours, theirs)[[0, 2, 3]] == pytest.approx([0, 0, 0.5])


@pytest.mark.parametrize("seed", range(10))
def test_polis_is_the_mean_of_both_ways(seed):
    """Corner by corner, also of polygons with holes and parts (Avbelj et al. 2015)."""
    rng = np.random.default_rng(seed)
    ours, theirs = boxes(rng, 6, 20), boxes(rng, 6, 20)
    ours[0] = ours[0].difference(ours[0].buffer(-2))
    ours[1] = shapely.MultiPolygon([ours[1], shapely.affinity.translate(ours[1], 90, 0)])
    expected = []
    for one, other in zip(ours, theirs, strict=True):
        ways = []
        for a, b in ((one, other), (other, one)):
            rings = [
                ring for part in shapely.get_parts(a) for ring in (part.exterior, *part.interiors)
            ]
            points = [shapely.Point(xy) for ring in rings for xy in list(ring.coords)[:-1]]
            ways.append(np.mean([point.distance(b.boundary) for point in points]))
        expected.append(np.mean(ways))
    assert polis(np.array(ours, object), np.array(theirs, object)) == pytest.approx(expected)


def test_seams_lie_inside_the_raster():
    """At multiples of the stride; neither its own edge nor what lies beyond it is one."""
    shapes = np.array(
        [box(95, 10, 105, 12), box(110, 10, 120, 12), box(0, 0, 5, 5), box(299, 1, 300, 2)], object
    )
    assert seam_distance(shapes, 100, (50, 300)).tolist() == [0, 10, 95, 99]
    assert np.isinf(seam_distance(shapes, 500, (50, 300))).all()
    assert seam_distance(shapes[:1], 20, (50, 300)).tolist() == [0]
