"""`duplicates`: every pair once, as all distances say; groups; two sets; refusals."""

import tracemalloc

import numpy as np
import pytest

import fastcls
from fastcls import InputError, duplicates, pairwise_distances
from fastcls._search.radius import WithinRadius
from fastcls.neighbors import _duplicates


def rows_with_copies(dtype, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.integers(0, 100, size=(300, 20)).astype(dtype)
    X[200:230] = X[100:130]
    X[250] = X[260] = X[270] = X[3]
    X[280:] = X[150:170]
    X[280:, 4] += 1
    return X


def pairs_of(distances, radius, once):
    """(distances, pairs) of a matrix of all distances, nearest first."""
    within = np.triu(distances <= radius, 1) if once else distances <= radius
    pairs = np.argwhere(within)  # in the order of their indices
    order = np.argsort(distances[within], kind="stable")
    return distances[within][order], pairs[order]


@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64", "int64"])
@pytest.mark.parametrize("metric", ["l1", "l2", "sqeuclidean", "cosine"])
def test_finds_the_pairs_of_all_distances(dtype, metric):
    X = rows_with_copies(dtype)
    Y = np.concatenate([X[::7], rows_with_copies(dtype, seed=1)[:20]])
    between, within = pairwise_distances(X, Y, metric), pairwise_distances(X, X, metric)
    for radius, n_jobs in ((0, 1), (0, 2), (1e-3, 1), (1, 2), (np.quantile(within, 0.05), 2)):
        options = {"radius": radius, "metric": metric, "n_jobs": n_jobs}
        for found, wanted in (
            (duplicates(X, **options), pairs_of(within, radius, once=True)),
            (duplicates(X, Y, **options), pairs_of(between, radius, once=False)),
        ):
            np.testing.assert_array_equal(found.distances, wanted[0])
            np.testing.assert_array_equal(found.pairs, wanted[1])
            assert len(found) == found.report.n_results > 30


def test_groups_are_connected_rows():
    X = rows_with_copies("uint8")
    found = duplicates(X, metric="l1")
    assert len(found) == len(found.pairs) == 30 + 6
    assert [group.tolist() for group in found.groups] == [[3, 250, 260, 270], *([i, i + 100] for i in range(100, 130))]
    assert repr(found) == "<Duplicates: 36 pairs, 64 rows in 31 groups>"
    kept = np.delete(X, np.concatenate([rows[1:] for rows in found.groups]), axis=0)
    assert len(duplicates(kept, metric="l1")) == 0
    chain = duplicates(np.array([[0.0], [10.0], [2.0], [1.0]]), radius=1)
    assert [group.tolist() for group in chain.groups] == [[0, 2, 3]]
    assert (chain.pairs.dtype, chain.pairs.tolist(), chain.distances.tolist()) == (np.int64, [[0, 3], [2, 3]], [1.0, 1.0])


def test_nothing_is_found_in_rows_that_are_apart_or_a_single_row():
    apart = duplicates(np.arange(4)[:, None], radius=0.5)
    assert (apart.pairs.shape, apart.groups, repr(apart)) == ((0, 2), [], "<Duplicates: 0 pairs, 0 rows in 0 groups>")
    assert len(duplicates([[1, 2]])) == 0
    between = duplicates([[1, 2]], [[1, 2], [5, 5], [1, 2]])
    assert between.pairs.tolist() == [[0, 0], [0, 2]]
    assert repr(between) == "<Duplicates: 2 pairs of 1 row of X and 2 rows of Y>"


def test_negative_zero_is_zero_and_rows_may_be_of_two_types():
    X = np.array([[0.0, 1.0], [-0.0, 1.0]])
    assert duplicates(X).pairs.tolist() == [[0, 1]]
    assert duplicates(X.astype(np.float16), X.astype(np.uint8)).pairs.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


def test_sorting_takes_the_bytes_that_the_refusal_counts(monkeypatch):
    n_queries, n_each = 500, 400

    def found(*_, **options):
        S, indices = np.ones(n_queries * n_each), np.tile(np.arange(n_each), n_queries)
        return WithinRadius(np.arange(0, len(S) + 1, n_each), S, indices, None)

    monkeypatch.setattr(_duplicates, "within", found)
    tracemalloc.start()
    try:
        duplicates(np.zeros((5, 2)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < n_queries * n_each * _duplicates._PEAK_BYTES + 200_000


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda X: duplicates(X, radius=-1), "radius=-1; wanted a finite number of at least 0"),
        (lambda X: duplicates(X, radius=np.inf), "radius=inf; wanted"),
        (lambda X: duplicates(X, metric="hamming"), "metric='hamming' is unknown"),
        (lambda X: duplicates(X, X[:, :2]), "Y has 2 features and X has 3; give both the same features"),
        (lambda X: duplicates(X, X * np.nan), "Y contains NaN"),
        (lambda X: duplicates(X[:0]), r"0 sample\(s\)"),
        (lambda X: duplicates(X, 0.5), "Y"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(InputError, match=message):
        call(np.ones((4, 3)))


def test_is_public():
    assert {"duplicates", "KNeighborsTransformer"} <= set(fastcls.__all__)
