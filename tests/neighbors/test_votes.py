"""The compiled vote against the plain loops of fastcls.reference."""

import math

import numpy as np
import pytest
from _pairwise import pairwise
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier as Theirs

import fastcls
from fastcls import KNeighborsClassifier, KNeighborsClassifierCV, _kernels, evaluate_k, reference
from fastcls._scoring.votes import vote, weights_of
from fastcls._validation.errors import InputError

RULES = ["uniform", "distance", "softmax", lambda d: 1.0 / (1.0 + d)]


# distances, metric, rule, temperature -> weights, worked out by hand; a temperature of 1 / log 2 makes powers of two
HAND_COMPUTED = {
    "uniform": ([0.5, 1.0, 4.0], "l2", "uniform", 1.0, [1, 1, 1]),
    "inverse": ([0.5, 1.0, 4.0], "l2", "distance", 1.0, [2, 1, 0.25]),
    "one exact match": ([0.0, 1.0, 4.0], "l1", "distance", 1.0, [1, 0, 0]),
    "two exact matches": ([0.0, 0.0, 4.0], "cosine", "distance", 1.0, [1, 1, 0]),
    "so near that the inverse is infinite": ([1e-310, 1e-309, 1.0], "l2", "distance", 1.0, [1, 1, 0]),
    "near, the inverse finite": ([2.0**-1000, 2.0**-999, 1.0], "l2", "distance", 1.0, [2.0**1000, 2.0**999, 1]),
    "softmax": ([1.0, 2.0, 4.0], "l2", "softmax", 1 / math.log(2), [1, 1 / 2, 1 / 8]),
    "softmax, cooler": ([1.0, 2.0, 4.0], "l1", "softmax", 0.5 / math.log(2), [1, 1 / 4, 1 / 64]),
    "softmax of similarities": ([0.25, 0.5, 1.25], "cosine", "softmax", 0.25 / math.log(2), [1, 1 / 2, 1 / 16]),
    "softmax far away": ([1e6, 1e6 + 1, 2e6], "l1", "softmax", 1 / math.log(2), [1, 1 / 2, 0]),
    "a function": ([1.0, 2.0, 4.0], "l2", lambda d: d * d, 1.0, [1, 4, 16]),
}


@pytest.mark.parametrize("case", HAND_COMPUTED)
def test_hand_computed_weights(case):
    distances, metric, rule, temperature, wanted = HAND_COMPUTED[case]
    for of in (weights_of, reference.vote_weights):
        found = of(np.array([distances]), rule, temperature, metric)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, [wanted], rtol=1e-13, atol=0)  # exp rounds, and multiplies the rounding of x / T


def test_hand_computed_votes():
    X, y = np.array([[1.0], [2.0], [4.0], [8.0]]), ["a", "b", "b", "c"]
    by_hand = {
        "uniform": ([1 / 4, 1 / 2, 1 / 4], "b"),
        "distance": ([8 / 15, 6 / 15, 1 / 15], "a"),
        "softmax": ([128 / 209, 80 / 209, 1 / 209], "a"),
    }
    for rule, (shares, winner) in by_hand.items():
        model = KNeighborsClassifier(4, weights=rule, temperature=1 / math.log(2)).fit(X, y)
        np.testing.assert_allclose(model.predict_proba([[0.0]]), [shares], rtol=1e-13)
        assert model.predict([[0.0]]).tolist() == [winner]


@pytest.mark.parametrize("tie_break", ["smallest", "nearest"])
@pytest.mark.parametrize("n_classes", [1, 2, 3, 10, 300])
def test_vote_equals_reference(tie_break, n_classes):
    rng = np.random.default_rng(0)
    labels = rng.integers(n_classes, size=(200, 12))
    for weights in (np.ones((200, 12)), rng.random((200, 12)), rng.integers(0, 3, size=(200, 12)).astype(float)):
        ks = np.array([1, 2, 5, 12])
        winners, tied, totals = vote(labels, weights, ks, n_classes, tie_break=tie_break, n_threads=3, with_totals=True)
        for at, k in enumerate(ks):
            wanted = reference.vote(labels[:, :k], weights[:, :k], n_classes, tie_break)
            assert np.array_equal(winners[:, at], wanted[0])
            assert np.array_equal(tied[:, at], wanted[2])
        assert totals.tobytes() == wanted[1].tobytes()
        assert vote(labels, weights, ks, n_classes, tie_break=tie_break, n_threads=3)[2].shape == (0, n_classes)


# of up to 255 neighbours and 8 classes, counts are bytes of one register
@pytest.mark.parametrize(
    ("n_classes", "k", "tie_break"), pairwise([1, 2, 3, 7, 8, 9], [1, 7, 255, 256], ["smallest", "nearest"])
)
def test_votes_of_weight_one_equal_reference(tie_break, k, n_classes):
    rng = np.random.default_rng(n_classes)
    labels = rng.integers(n_classes, size=(300, k))
    labels[0], labels[1] = n_classes - 1, 0
    labels[2, : k // 2], labels[2, k // 2 :] = n_classes - 1, 0
    ks, rows, codes = np.unique([1, max(1, k - 1), k]), rng.permutation(labels.size), np.empty(labels.size, np.int64)
    codes[rows] = labels.ravel()
    for places, of_places in ((labels, {}), (rows.reshape(labels.shape), {"codes": codes})):
        winners, tied, _ = vote(places, None, ks, n_classes, tie_break=tie_break, n_threads=2, **of_places)
        for at, n in enumerate(ks):
            wanted = reference.vote(labels[:, :n], np.ones((300, n)), n_classes, tie_break)
            assert np.array_equal(winners[:, at], wanted[0])
            assert np.array_equal(tied[:, at], wanted[2])
    assert tied.any() or n_classes == 1 or k == 1


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("tie_break", ["smallest", "nearest"])
@pytest.mark.parametrize("metric", ["l1", "l2", "cosine"])
def test_classifier_equals_reference(rule, tie_break, metric):
    rng = np.random.default_rng(1)
    X, y = rng.integers(0, 4, size=(80, 3)).astype(np.uint8), rng.choice(["cat", "dog", "frog"], size=80)
    Q = rng.integers(0, 4, size=(40, 3)).astype(np.uint8)
    model = KNeighborsClassifier(6, metric=metric, weights=rule, tie_break=tie_break, temperature=0.5).fit(X, y)
    distances, indices = reference.kneighbors(Q, X, 6, metric)
    classes, codes = np.unique(y, return_inverse=True)
    weights = reference.vote_weights(distances, rule, 0.5, metric)
    winners, totals, tied = reference.vote(codes[indices], weights, 3, tie_break)
    assert np.array_equal(model.predict(Q), classes[winners])
    assert np.array_equal(model.predict_ties(Q), tied)
    np.testing.assert_array_equal(model.predict_proba(Q), totals / totals.sum(axis=1, keepdims=True))
    if rule == "uniform":
        assert tied.any(), "the case must have ties"


def test_a_tie_goes_to_the_smallest_or_to_the_nearest():
    X, y = np.array([[1], [3], [6], [9]], dtype=np.uint8), [1, 1, 0, 0]
    smallest = KNeighborsClassifier(4, metric="l1").fit(X, y)
    nearest = KNeighborsClassifier(4, metric="l1", tie_break="nearest").fit(X, y)
    Q = np.array([[0]], dtype=np.uint8)
    assert smallest.predict_ties(Q).tolist() == nearest.predict_ties(Q).tolist() == [True]
    assert smallest.predict(Q).tolist() == [0]
    assert nearest.predict(Q).tolist() == [1]


def test_if_a_distance_is_zero_only_exact_matches_vote():
    X, y = np.array([[5.0], [5.0], [6.0], [6.0], [6.0]]), [1, 1, 0, 0, 0]
    model = KNeighborsClassifier(5, weights="distance").fit(X, y)
    assert model.predict([[5.0]]).tolist() == [1]
    assert model.predict_proba([[5.0]]).tolist() == [[0.0, 1.0]]


def test_agrees_with_scikit_learn_away_from_ties():
    X, y = load_digits(return_X_y=True)
    ours = KNeighborsClassifier(5, weights="distance").fit(X[:1000], y[:1000])
    theirs = Theirs(5, weights="distance", algorithm="brute").fit(X[:1000], y[:1000])
    distances, _ = ours.kneighbors(X[1000:], n_neighbors=6)
    Q = X[1000:][distances[:, 4] < distances[:, 5]]
    assert len(Q) > 700
    assert np.array_equal(ours.predict(Q), theirs.predict(Q))
    np.testing.assert_allclose(ours.predict_proba(Q), theirs.predict_proba(Q), rtol=1e-6)  # theirs come from a GEMM


def near(distances):
    """1 for neighbours within a distance of 1, 0 for others."""
    return (distances <= 1.0).astype(float)


@pytest.mark.parametrize("ask", ["predict", "predict_proba", "predict_ties"])
@pytest.mark.parametrize("y", [["a", "b", "c", "a"], [[0, 1], [1, 1], [0, 0], [1, 0]]], ids=["classes", "labels"])
def test_a_query_whose_neighbours_all_have_weight_zero_is_refused_as_in_scikit_learn(ask, y):
    X = [[0.0], [1.0], [2.0], [3.0]]
    model = KNeighborsClassifier(3, weights=near).fit(X, y)
    getattr(model, ask)([[0.2], [4.0]])  # one neighbour within the distance is enough
    with pytest.raises(InputError, match="weights returned 0 for all neighbours of 2 queries; wanted a weight above 0"):
        getattr(model, ask)([[0.2], [4.1], [9.0]])
    if ask != "predict_ties":
        with pytest.raises(ValueError, match="zero weights"):
            getattr(Theirs(3, weights=near).fit(X, y), ask)([[0.2], [4.1], [9.0]])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, -1e-3])
def test_a_weight_of_a_function_that_no_vote_can_have_is_named(bad):
    model = KNeighborsClassifier(3, weights=lambda d: np.where(d == 1, bad, 1.0)).fit(
        np.arange(9.0)[:, None], np.arange(9) % 2
    )
    with pytest.raises(InputError, match=f"^weights returned {bad:g}; wanted a finite weight"):
        model.predict([[0.0]])


def test_votes_of_several_k_need_a_weight_above_zero_for_the_smallest():
    X, y = np.arange(8.0)[:, None], np.arange(8) % 2
    later = lambda d: np.tile([0.0, 1.0, 1.0], (len(d), 1))  # noqa: E731
    for act in (
        lambda ks: KNeighborsClassifierCV(ks, weights=later, cv=2, random_state=0).fit(X, y),
        lambda ks: evaluate_k(X, y, X, y, ks, weights=later),
    ):
        act([2, 3])
        with pytest.raises(InputError, match="weights returned 0 for the nearest 1 neighbour of"):
            act([1, 3])


def test_where_products_of_weights_are_rounded_to_zero_each_class_has_the_same_share():
    X, y = [[0.0], [1.0], [2.0], [3.0]], ["a", "b", "c", "a"]
    model = KNeighborsClassifier(3, weights=lambda d: np.full_like(d, 1e-200)).fit(X, y, np.full(4, 1e-200))
    np.testing.assert_array_equal(model.predict_proba([[0.2], [2.8]]), np.full((2, 3), 1 / 3))


WEIGHTED = {
    "sample_weight": (None, np.random.default_rng(2).choice([0.0, 0.5, 1.0, 2.0], size=80)),
    "class_weight": ({"cat": 2.0, "frog": 0.25}, None),
    "balanced": ("balanced", None),
    "a class of weight 0": ({"dog": 0.0}, None),
    "both": ("balanced", np.tile([1.0, 3.0], 40)),
}


@pytest.mark.parametrize(
    ("case", "rule", "tie_break", "parts"), pairwise(list(WEIGHTED), list(RULES), ["smallest", "nearest"], [[80], [30, 50]])
)
def test_weighted_rows_multiply_the_vote_and_those_of_weight_zero_are_gone(case, rule, tie_break, parts):
    class_weight, sample_weight = WEIGHTED[case]
    rng = np.random.default_rng(1)
    X, y = rng.integers(0, 3, size=(80, 3)).astype(np.uint8), rng.choice(["cat", "dog", "frog"], size=80, p=[0.5, 0.3, 0.2])
    Q = rng.integers(0, 3, size=(40, 3)).astype(np.uint8)
    model = KNeighborsClassifier(
        6, weights=rule, tie_break=tie_break, temperature=0.5, class_weight=class_weight, metric="l1"
    )
    for first, last in zip([0, *np.cumsum(parts)[:-1]], np.cumsum(parts), strict=True):
        some = None if sample_weight is None else sample_weight[first:last]
        model.partial_fit(X[first:last], y[first:last], ["cat", "dog", "frog"], sample_weight=some)

    classes, codes = np.unique(y, return_inverse=True)
    each = np.ones(80) if sample_weight is None else sample_weight  # classes balance by what their rows weigh
    by_hand = {label: each.sum() / (3 * each[y == label].sum()) for label in classes.tolist()}
    of_class = by_hand if class_weight == "balanced" else class_weight or {}
    votes = np.array([of_class.get(label, 1.0) for label in y]) * (1.0 if sample_weight is None else sample_weight)
    for queries in (Q, None):
        winners, totals, tied, found = [], [], [], []
        for i, q in enumerate(X if queries is None else Q):
            there = np.array([j for j in range(80) if votes[j] > 0 and not (queries is None and i == j)])
            distances, places = reference.kneighbors(q[None], X[there], 6, "l1")
            neighbors = there[places[0]]
            weights = reference.vote_weights(distances, rule, 0.5, "l1") * votes[neighbors]
            winner, total, tie = reference.vote(codes[neighbors][None], weights, 3, tie_break)
            winners.append(classes[winner[0]])
            totals.append(total[0] / total[0].sum())
            tied.append(tie[0])
            found.append(neighbors)
        assert np.array_equal(model.kneighbors(queries)[1], found)
        assert np.array_equal(model.predict(queries), winners)
        assert np.array_equal(model.predict_ties(queries), tied)
        np.testing.assert_array_equal(model.predict_proba(queries), totals)
    whole = KNeighborsClassifier(**model.get_params()).fit(X, y, sample_weight)
    kept = np.isin(model.classes_, whole.classes_)  # partial_fit keeps a class that was named, whatever its rows weigh
    assert np.array_equal(whole.predict_proba(Q), model.predict_proba(Q)[:, kept])


def test_rows_without_weights_have_weight_one():
    X, y = np.arange(12.0).reshape(-1, 1), np.arange(12) % 3
    for first in ([2.0] * 5, None):
        then = None if first else [3.0] * 7
        grown = KNeighborsClassifier(3).partial_fit(X[:5], y[:5], sample_weight=first).partial_fit(X[5:], y[5:], None, then)
        whole = KNeighborsClassifier(3).fit(X, y, [*(first or [1.0] * 5), *(then or [1.0] * 7)])
        assert np.array_equal(grown.predict_proba(X), whole.predict_proba(X))


def test_a_model_keeps_its_weights_on_disk(tmp_path):
    X, y = np.arange(12.0).reshape(-1, 1), np.arange(12) % 3
    model = KNeighborsClassifier(3, class_weight="balanced").fit(X, y, sample_weight=np.arange(12) % 4)
    model.save(tmp_path / "weighted")
    again = fastcls.load(tmp_path / "weighted")
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert np.array_equal(again.predict_proba(), model.predict_proba())
    assert not np.array_equal(model.predict_proba(X), KNeighborsClassifier(3).fit(X, y).predict_proba(X))


@pytest.mark.parametrize(
    ("options", "weights", "message"),
    [
        ({}, [1.0, -1.0, 1.0], "sample_weight has -1 at row 1"),
        ({}, [1.0, 1.0], "Give one weight per row"),
        ({}, [0.0, 0.0, 0.0], "give some rows a weight above 0"),
        ({"class_weight": {"z": 1.0}}, None, "class_weight names the label 'z'"),
        ({"class_weight": "equal"}, None, "class_weight='equal' is unknown; choose one of: balanced"),
    ],
)
def test_weights_that_cannot_be_used_are_refused(options, weights, message):
    with pytest.raises(InputError, match=message):
        KNeighborsClassifier(1, **options).fit([[0.0], [1.0], [2.0]], ["a", "b", "b"], sample_weight=weights)


def test_more_neighbors_than_rows_with_weight_are_refused():
    model = KNeighborsClassifier(3).fit([[0.0], [1.0], [2.0], [3.0]], [0, 1, 0, 1], sample_weight=[1, 1, 1, 0])
    assert model.predict([[0.0]]).tolist() == [0]
    with pytest.raises(InputError, match="only 2 training rows, not counting the query's own"):
        model.predict(None)


@pytest.mark.parametrize("n_queries", [1, 2])
def test_the_compiled_vote_writes_every_total_of_a_query_with_a_label_that_is_no_class(n_queries):
    labels = np.array([[0, 7], [1, 1]])[:n_queries]
    totals, winners = np.full((n_queries, 3), 9.0), np.full((n_queries, 1), 9)
    tied = np.full((n_queries, 1), 9, dtype=np.uint8)
    none, no_weights = np.empty(0, dtype=np.int64), np.empty((0, 0))
    given = (labels, none, no_weights, np.array([2]), False, winners, tied, totals, 3, np.empty((1, 16)), 1)
    assert _kernels.vote(*given) == 1
    assert totals.tolist() == [[0, 0, 0], [0, 2, 0]][:n_queries]
    assert (winners.ravel().tolist(), tied.ravel().tolist()) == ([0, 1][:n_queries], [0, 0][:n_queries])
