"""Rows are referenced: what is written into them after fit may change answers or refuse them, and never reads astray.

The whole file is also run under AddressSanitizer, see run_sanitized.sh.
"""

import contextlib

import numpy as np
import pytest

import fastcls
from fastcls import _kernels, evaluate_k, knn, reference
from fastcls._scoring import votes as _voting
from fastcls._validation.errors import InputError
from fastcls.model_selection._cross_validate import cross_validate_k
from fastcls.protocols import knn_eval

KINDS = [("float16", "l1"), ("float32", "l2"), ("float64", "cosine"), ("float32", "l1"), ("float16", "cosine")]
SHORT = "fewer than .* training rows at a finite distance"

#: name -> rows and features, neighbours, queries and algorithm: so that each kernel, the filter and the tree are taken
WAYS = {
    "panels": (1000, 24, 5, 40, "brute"),
    "pairwise": (1000, 24, 5, 3, "brute"),
    "direct, large k": (300, 24, 100, 40, "brute"),
    "low_dimensional": (1000, 4, 5, 40, "brute"),
    "narrow, in order": (1000, 4, 20, 40, "brute"),
    "filter": (1000, 32, 5, 40, "filter"),
    "tree": (10_000, 3, 5, 40, "filter"),
}


def _case(way, dtype, metric):
    n, d, k, n_queries, algorithm = WAYS[way]
    rng = np.random.default_rng(5)
    X, Q = rng.normal(size=(n, d)).astype(dtype), rng.normal(size=(n_queries, d)).astype(dtype)
    model = fastcls.KNeighborsClassifier(k, metric=metric, algorithm=algorithm, n_jobs=2).fit(X, np.arange(n) % 10)
    return model, X, Q


def _asked(model, Q):
    """Everything that uses neighbours."""
    votes = [model.predict_proba, model.predict, model.predict_ties, model.kneighbors, model.kneighbors_graph]
    yield from ((lambda ask=ask: ask(Q)) for ask in votes)
    if model.n_samples_fit_ <= 1000:
        yield from ((lambda ask=ask: ask()) for ask in votes[:1] + votes[3:4])
        for rule in ("distance", "softmax"):
            yield lambda rule=rule: model.set_params(weights=rule).predict_proba(Q)


def _kinds(way):
    return [(dtype, metric) for dtype, metric in KINDS if way != "tree" or metric != "cosine"]


@pytest.mark.parametrize("way", WAYS)
def test_rows_that_became_nan_are_refused(way):
    for dtype, metric in _kinds(way):
        model, X, Q = _case(way, dtype, metric)
        X[:] = np.nan
        for ask in _asked(model, Q):
            with pytest.raises(InputError, match=SHORT):
                ask()


@pytest.mark.parametrize("way", WAYS)
def test_rows_that_became_infinite_are_refused_or_stay_in_bounds(way):
    """Infinity has an answer where its distance has one: under cosine the angle to it, as far as it is known."""
    for dtype, metric in _kinds(way):
        model, X, Q = _case(way, dtype, metric)
        for value in (np.inf, -np.inf):
            X[::2], X[1::2] = value, -value
            with contextlib.suppress(InputError) if metric == "cosine" else pytest.raises(InputError, match=SHORT):
                _, indices = model.kneighbors(Q)
                assert ((indices >= 0) & (indices < len(X))).all()


@pytest.mark.parametrize("way", WAYS)
def test_rows_of_nan_are_nobodys_neighbours(way):
    for dtype, metric in _kinds(way):
        model, X, Q = _case(way, dtype, metric)
        model.predict(Q)  # whatever is computed once of the rows is there
        stay = np.arange(len(X)) % 3 != 1
        X[~stay] = np.nan
        distances, indices = model.kneighbors(Q)
        wanted, places = reference.kneighbors(Q, X[stay], model.n_neighbors, metric)
        assert (indices == np.flatnonzero(stay)[places]).all()
        np.testing.assert_array_equal(distances, wanted)
        fresh = fastcls.KNeighborsClassifier(model.n_neighbors, metric=metric).fit(X[stay], model._codes[stay])
        np.testing.assert_array_equal(model.predict_proba(Q), fresh.predict_proba(Q))


@pytest.mark.parametrize("way", WAYS)
def test_growing_with_rows_of_nan_behind_stays_in_bounds(way):
    model, X, Q = _case(way, "float32", "l2")
    X[::2] = np.nan
    for part in range(3):  # small chunks are joined with those that changed, large ones make the filter be learned again
        model.partial_fit(np.full((len(X) // 2 + 1, X.shape[1]), 10.0 + part, dtype=X.dtype), [0] * (len(X) // 2 + 1))
    _, indices = model.kneighbors(Q)
    assert not np.isnan(np.concatenate(model._rows.chunks)[indices]).any()


def test_rows_that_change_while_folds_and_ks_are_compared_are_refused(monkeypatch):
    """One search serves all folds: rows that are spoiled behind the check, as by another thread."""
    from fastcls._search import plan

    rng = np.random.default_rng(1)
    y = np.arange(400) % 4
    search = plan.search_chunks

    def spoiled(rows, *args, **options):
        rows.chunks[0][:] = np.nan
        return search(rows, *args, **options)

    monkeypatch.setattr(plan, "search_chunks", spoiled)
    for ask in (
        lambda X: fastcls.KNeighborsClassifierCV([1, 3], cv=4).fit(X, y),
        lambda X: fastcls.KNeighborsClassifierCV([1, 3], cv="loo").fit(X, y),
        lambda X: fastcls.KNeighborsClassifierCV([1, 3], cv=[(np.arange(200), np.arange(100, 300))]).fit(X, y),
        lambda X: cross_validate_k(X, y, ks=[1, 3]),
        lambda X: evaluate_k(X, y, X[:50].copy(), y[:50], [1, 3]),
        lambda X: knn_eval(X, y, X[:50].copy(), y[:50], preset="mteb-v1-knn"),
        lambda X: knn_eval(iter([X[:200], X[200:]]), y, X[:50].copy(), y[:50], preset="dino"),
        lambda X: knn(X[:50].copy(), X, 3),
    ):
        with pytest.raises(InputError, match=SHORT):
            ask(rng.normal(size=(400, 20)))


def test_labels_and_places_out_of_range_are_refused_by_the_vote_itself():
    for labels, codes in (
        ([[0, 1, 2**63 - 1]], []),
        ([[0, -1, 1]], []),
        ([[0, 1, 3]], []),
        ([[0, 1, 2**63 - 1]], [0, 1]),
        ([[0, -1, 1]], [0, 1]),
        ([[0, 1, 2]], [0, 1]),
        ([[0, 1, 0]], [0, 2**62]),
        ([[0, 1, 0]], [0, -5]),
    ):
        for weights in (None, np.ones((1, 3))):
            with pytest.raises(InputError, match="labels beyond the 3 classes"):
                _voting.vote(
                    np.array(labels),
                    weights,
                    np.array([1, 3]),
                    3,
                    tie_break="nearest",
                    n_threads=1,
                    with_totals=True,
                    codes=np.array(codes, dtype=np.int64),
                )


def test_arrays_that_do_not_fit_each_other_stop_before_the_loops():
    rows, heaps = np.zeros((20, 8), np.uint8), (np.empty((1, 3, 2)), np.empty((1, 3, 2), np.int64))
    none, no_flags, no_groups = np.empty(0), np.empty(0, np.uint8), np.empty(0, np.int64)
    scratch = np.empty((1, 10_000))

    def search(Q, groups=no_groups, heaps=heaps, n_threads=1):
        _kernels.search_pairwise(
            Q, 0, rows, 0, 0, 0, none, no_flags, none, groups, groups, 0, *heaps, 4, 4, scratch, n_threads
        )

    search(np.zeros((3, 8), np.uint8))
    for wrong in (
        lambda: search(np.zeros((3, 900), np.uint8)),
        lambda: search(np.zeros((4, 8), np.uint8)),
        lambda: search(np.zeros((3, 8), np.uint8), np.zeros(3, np.int64)),
        lambda: search(np.zeros((3, 8), np.uint8), n_threads=2),
        lambda: search(np.zeros((3, 8), np.uint8), heaps=(heaps[0], np.empty((1, 3, 1), np.int64))),
    ):
        with pytest.raises(ValueError, match="for"):
            wrong()
