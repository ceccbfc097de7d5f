"""The vote from a matrix of distances is that of the plain definition, and of the estimator."""

import numpy as np
import pytest

from fastcls import InputError, KNeighborsClassifier, pairwise_distances, predict_from_distances, reference
from fastcls.neighbors import _votes

RNG = np.random.default_rng(4)
X, Q = RNG.integers(0, 4, (60, 5)).astype(np.uint8), RNG.integers(0, 4, (40, 5)).astype(np.uint8)
Y = RNG.integers(0, 6, 60)
D = pairwise_distances(Q, X)


@pytest.mark.parametrize("k", [1, 2, 4, 7, 60])
@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("tie_break", ["smallest", "nearest"])
def test_the_vote_is_the_plain_definition(k, weights, tie_break, monkeypatch):
    monkeypatch.setattr(_votes, "_BLOCK_VALUES", 60 * 7)  # blocks of seven queries
    order = np.argsort(D, axis=1, kind="stable")[:, :k]
    of_votes = reference.vote_weights(np.take_along_axis(D, order, axis=1), weights)
    winners, _, tied = reference.vote(Y[order], of_votes, 6, tie_break)
    assert tied.any() or k in (1, 60) or weights == "distance"
    found = predict_from_distances(D, Y, k, weights=weights, tie_break=tie_break)
    assert found.tolist() == winners.tolist()
    model = KNeighborsClassifier(k, weights=weights, tie_break=tie_break).fit(X, Y)
    assert found.tolist() == model.predict(Q).tolist()


def test_labels_of_any_type_come_back():
    names = np.array(["ant", "bee", "cat", "dog", "eel", "fox"])[Y]
    assert (
        predict_from_distances(D.tolist(), names, 3).tolist()
        == np.array(sorted(set(names)))[predict_from_distances(D, Y, 3)].tolist()
    )
    assert predict_from_distances(D[:0], Y, 3).shape == (0,)


def test_weights_may_be_a_function():
    by_hand = predict_from_distances(D, Y, 5, weights=lambda d: 1.0 / (1.0 + d))
    assert by_hand.tolist() == KNeighborsClassifier(5, weights=lambda d: 1.0 / (1.0 + d)).fit(X, Y).predict(Q).tolist()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: predict_from_distances(D[0], Y), r"distances has shape \(60,\); wanted \(n_queries, n_rows\)"),
        (
            lambda: predict_from_distances(D - D.min() - 1e-3, Y),
            r"distances has NaN, infinity or numbers below 0",
        ),
        (lambda: predict_from_distances(D * np.nan, Y), r"distances has NaN, infinity or numbers below 0"),
        (lambda: predict_from_distances(D, Y[:9]), r"9 labels for 60 rows"),
        (lambda: predict_from_distances(D, Y, 61), r"k=61, but there are only 60"),
        (
            lambda: predict_from_distances(D, Y, weights="softmax"),
            r"weights='softmax' is unknown; choose one of: uniform, distance, or",
        ),
        (lambda: predict_from_distances(D, Y, tie_break="first"), r"tie_break='first' is unknown"),
    ],
)
def test_bad_input_is_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
