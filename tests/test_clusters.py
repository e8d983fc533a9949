"""Clusters: scores that are scikit-learn's, a number that is chosen by a stated rule, no order."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.datasets import make_blobs
from sklearn.metrics import (
    adjusted_rand_score,
    precision_score,
    recall_score,
    silhouette_samples,
)

from geounet.embeddings.charts import _bars
from geounet.embeddings.choose import agreement, knee, settle
from geounet.embeddings.clusters import ClusterOptions, cluster
from geounet.embeddings.names import name_clusters
from geounet.embeddings.prepare import prepare
from geounet.embeddings.silhouettes import silhouettes
from geounet.errors import OptionError


def blobs(count=300, centers=4, width=20, seed=1):
    """Return float32 vectors around centres, and the centre of each."""
    vectors, truth = make_blobs(count, width, centers=centers, cluster_std=2.0, random_state=seed)
    return vectors.astype(np.float32), truth


VECTORS, TRUTH = blobs()


def test_blobs_are_found():
    """Where there are four clear groups, four are chosen by every score, and they are these."""
    found = cluster(VECTORS)
    choice = found.choice
    assert (found.k, choice.by_silhouette, choice.by_elbow, choice.rule) == (4, 4, 4, "both")
    assert choice.stability[3] == 1
    assert adjusted_rand_score(TRUTH, found.labels) == 1
    assert found.centres.shape == (4, 20)


@pytest.mark.parametrize("method", ["kmeans", "hdbscan"])
def test_the_order_of_rows_changes_nothing(method):
    """Shuffled rows get the very labels and silhouettes they had."""
    noisy = np.concatenate([VECTORS, 4 * np.random.default_rng(2).normal(size=(200, 20))])
    vectors, shuffled = noisy.astype(np.float32), np.random.default_rng(3).permutation(500)
    options = ClusterOptions(method=method)
    one, other = cluster(vectors, options), cluster(vectors[shuffled], options)
    np.testing.assert_array_equal(one.labels[shuffled], other.labels)
    np.testing.assert_array_equal(one.silhouette[shuffled], other.silhouette)
    assert one.choice.inertia == other.choice.inertia


def test_a_large_set_is_chosen_on_a_sample_and_fitted_whole(monkeypatch):
    """Beyond the sample all items are fitted from there, in any order the same."""
    for name, size in (("clusters.ROWS", 200), ("prepare._FITTED_ROWS", 200)):
        monkeypatch.setattr(f"geounet.embeddings.{name}", size)
    vectors, truth = blobs(3000)
    shuffled = np.random.default_rng(3).permutation(3000)
    found, other = cluster(vectors), cluster(vectors[shuffled])
    assert found.choice.rows == 200
    assert adjusted_rand_score(truth, found.labels) == 1
    np.testing.assert_array_equal(found.labels[shuffled], other.labels)


def test_clusters_are_numbered_by_size():
    """Cluster 0 is the largest."""
    sizes = np.bincount(cluster(VECTORS[np.r_[:200, np.flatnonzero(TRUTH == 2)]]).labels)
    assert (np.diff(sizes) <= 0).all()


def test_bars_of_many_clusters_stay_within_the_chart():
    """However many there are, each has its share of the height, and none lies over another."""
    scores = np.random.default_rng(0).uniform(0, 1, 1200)
    axes = Figure().add_subplot()
    _bars(axes, SimpleNamespace(k=120, labels=np.arange(1200) % 120, silhouette=scores), ["x"] * 20)
    spans = [each.get_paths()[0].vertices[:, 1] for each in axes.collections]
    lows, highs = (np.array([part(span) for span in spans]) for part in (np.min, np.max))
    assert len(spans) == 120
    assert (highs > lows).all()
    assert (highs[1:] <= lows[:-1]).all()
    assert lows.min() > -1e-9


def test_silhouettes_are_those_of_scikit_learn():
    """Each item's silhouette equals the reference's, lone items and all."""
    rng = np.random.default_rng(0)
    values, labels = rng.normal(size=(200, 5)).astype(np.float32), rng.integers(0, 4, 200)
    labels[7] = 4
    ours = silhouettes(values, labels.astype(np.int32))
    np.testing.assert_allclose(ours, silhouette_samples(values.astype(float), labels), atol=1e-6)


def test_sampled_silhouettes_are_near_the_exact(monkeypatch):
    """Measured against a part of each cluster, silhouettes stray little."""
    monkeypatch.setattr("geounet.embeddings.silhouettes.REFERENCES", 400)
    values, labels = blobs(2000, seed=5)
    mixed = np.random.default_rng(0).permutation(2000)
    values, labels = values[mixed], labels[mixed].astype(np.int32)
    apart = np.abs(silhouettes(values, labels, exact=100) - silhouettes(values, labels))
    assert 0 < apart.max() < 0.03


def test_noise_has_no_silhouette():
    """Noise is no cluster: it has no silhouette, and counts for nobody's."""
    values = np.array([[0], [0.1], [5], [5.1], [2]], np.float32)
    labels = np.array([0, 0, 1, 1, -1], np.int32)
    found = silhouettes(values, labels)
    assert np.isnan(found[4])
    np.testing.assert_allclose(found[:4], silhouette_samples(values[:4], labels[:4]), atol=1e-6)
    assert np.isnan(silhouettes(values, np.zeros(5, np.int32))).all()


@pytest.mark.parametrize(
    ("inertia", "at"),
    [
        (1 / (np.linspace(0, 1, 10) + 0.1), 3),  # the example of the paper, upside down: x = 0.22
        (np.array([10.0, 2, 1.5, 1.2, 1]), 2),
        (np.array([9.0, 6, 3, 0]), None),  # a straight line has no knee
        (np.array([1.0, 1, 1]), None),
        (np.array([4.0, 1]), None),
    ],
)
def test_the_knee_is_the_point_farthest_below_the_line(inertia, at):
    """The elbow is where the curve bends most, and nowhere on a line."""
    assert knee(tuple(inertia)) == at


@pytest.mark.parametrize(
    ("silhouette", "stability", "elbow", "chosen"),
    [
        ((0.5, 0.6, 0.4), (1, 1, 1), 3, (3, "both")),
        ((0.5, 0.6, 0.4), (1, 1, 1), 2, (3, "silhouette")),  # the elbow's is clearly worse
        ((0.59, 0.6, 0.4), (1, 1, 1), 2, (2, "elbow")),  # as good: the elbow decides
        ((0.5, 0.6, 0.4), (1, 0.7, 1), 3, (2, "silhouette")),  # not stable: out
        ((0.59, 0.6, 0.4), (0.5, 1, 1), 2, (3, "silhouette")),  # nor may the elbow's be unstable
        ((0.5, 0.6, 0.4), (0.2, 0.1, 0.3), None, (3, "silhouette")),  # none is stable: of all
        ((0.5, 0.6, 0.4), (1, 1, 1), 1, (3, "silhouette")),  # one cluster is none
    ],
)
def test_the_rule_of_choice(silhouette, stability, elbow, chosen):
    """Stable numbers only, the highest silhouette of them, the elbow's if as good."""
    assert settle((float("nan"), *silhouette), (1, *stability), elbow) == chosen


def test_agreement_is_the_mean_rand_index_of_pairs():
    """Three labellings have three pairs."""
    some = [np.random.default_rng(at).integers(0, 3, 50) for at in range(3)]
    pairs = [adjusted_rand_score(some[a], some[b]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert agreement(some) == pytest.approx(np.mean(pairs))


def test_a_given_number_is_taken():
    """`k` overrides the choice; the scores of all numbers are there still."""
    found = cluster(VECTORS, ClusterOptions(k=7, kmax=5))
    assert (found.k, found.choice.rule, found.choice.by_silhouette) == (7, "given", 4)
    assert len(found.choice.ks) == 7
    assert cluster(VECTORS, ClusterOptions(k=1)).k == 1


def test_wide_vectors_keep_their_distances(tmp_path):
    """A map of more values than memory likes is read from its file, and no distance is lost."""
    wide = (VECTORS[:40] @ np.random.default_rng(0).normal(size=(20, 9000))).astype(np.float32)
    np.save(tmp_path / "wide.npy", wide)
    mapped = np.load(tmp_path / "wide.npy", mmap_mode="r")
    space = prepare(mapped, dimensions=0, standardise=False)
    ordered = wide[space.order].astype(float)
    true = np.linalg.norm(ordered[:, None] - ordered[None], axis=2)
    found = np.linalg.norm(space.values[:, None] - space.values[None], axis=2)
    np.testing.assert_allclose(found, true, rtol=1e-4, atol=0.01)
    np.testing.assert_array_equal(cluster(mapped).labels, cluster(wide).labels)


def test_axes_of_a_sample_serve_all_wide_rows(monkeypatch):
    """Rows beyond those whose products were taken lie where they would lie among them."""
    wide = (VECTORS @ np.random.default_rng(0).normal(size=(20, 5000))).astype(np.float32)
    exact = prepare(wide, dimensions=20, standardise=False).values
    monkeypatch.setattr("geounet.embeddings.prepare._WIDE_ROWS", 100)
    part = prepare(wide, dimensions=20, standardise=False).values
    lengths = [np.linalg.norm(values[:200] - values[50:250], axis=1) for values in (exact, part)]
    np.testing.assert_allclose(*lengths, rtol=1e-3)


@pytest.mark.parametrize(
    ("vectors", "options", "words"),
    [
        (VECTORS[:2], {}, "clusters need at least 3 items, got 2"),
        (VECTORS[:5], {"k": 6}, "k must be from 1 to 4, got 6: there are 5 items, 5 of them"),
        (np.ones((9, 4), np.float32), {}, "embeddings must differ, all 9 looked at are equal"),
        (np.where(TRUTH[:, None] == 1, np.nan, VECTORS), {}, "no finite number"),
        (VECTORS[:9], {"method": "hdbscan"}, "min_items must be from 2 to 9, got 10"),
        (VECTORS, {"method": "hdbscan", "k": 3}, "hdbscan finds k by itself, got 3"),
        (VECTORS[:20], {"method": "hdbscan", "min_items": 15}, "finds no cluster of 15 items"),
        (VECTORS, {"kmax": 1}, "kmax must be at least 2, got 1"),
    ],
)
def test_bad_vectors_are_refused_in_one_line(vectors, options, words):
    """What cannot be clustered is refused, with what was got and what is expected."""
    with pytest.raises(OptionError, match=words) as caught:
        cluster(vectors, ClusterOptions(**options))
    assert "\n" not in str(caught.value)


def test_names_are_those_of_the_majority():
    """A cluster is called what most of its labelled items are; scores are scikit-learn's."""
    clusters = np.array([0, 0, 0, 1, 1, 1, 2, -1, 0], np.int32)
    labels = ["sea", "sea", "sand", "sand", None, "sand", None, "sea", "rock"]
    found = name_clusters(clusters, labels)
    assert found.names == ("sea", "sand", None)
    assert (found.right, found.wrong) == (4, 3)
    truth = ["sea", "sea", "sand", "sand", "sand", "sea", "rock"]
    said = ["sea", "sea", "sea", "sand", "sand", "noise", "sea"]
    told = {"average": "macro", "zero_division": 0, "labels": ["rock", "sand", "sea"]}
    assert found.precision == pytest.approx(precision_score(truth, said, **told))
    assert found.adjusted_rand == adjusted_rand_score(truth, [0, 0, 0, 1, 1, -1, 0])
    assert found.recall == pytest.approx(recall_score(truth, said, **told))
