"""Rows of few features have their own kernel: the bytes of the definition, for any chunks and threads."""

import functools

import numpy as np
import pytest
from _rows import NUMPY_TYPES

from fastcls import KNeighborsClassifier, reference, simd
from fastcls._runtime import threads
from fastcls._search import plan, tiles

WIDTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 15]


@pytest.fixture(params=simd.available())
def isa(request):
    before = simd.active()
    simd.use(request.param)
    yield request.param
    simd.use(before)


def rows_of(rng, n, width, dtype):
    """Small whole numbers: many of the sums are equal, so that the index decides."""
    return rng.integers(0, 4, size=(n, width)).astype(dtype)


def search(X_chunks, Q, k, metric, **options):
    S, indices, report = plan.search(plan.Rows(X_chunks), plan.Rows([Q]), k, metric, n_threads=2, **options)
    return reference.distances(S, metric), indices, report


def assert_is_reference(got, Q, X, k, metric, *groups):
    assert_is(got, reference.kneighbors(Q, X, k, metric, *groups))


def assert_is(got, wanted):
    assert got[0].tobytes() == wanted[0].tobytes()
    assert got[1].tobytes() == wanted[1].tobytes()


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_every_width_equals_reference(isa, metric, dtype):
    rng = np.random.default_rng(0)
    for width in WIDTHS:
        for n_queries, n_rows, k in [(4, 7, 7), (21, 300, 5), (40, 90, 64)]:
            X, Q = rows_of(rng, n_rows, width, dtype), rows_of(rng, n_queries, width, dtype)
            X[: n_rows // 2] += rng.random((n_rows // 2, width)).astype(dtype)
            got = search([X], Q, k, metric)
            is_low_dimensional = width <= 4 or dtype.startswith("float")
            assert (got[2].kernel == "low_dimensional") == is_low_dimensional
            assert_is_reference(got, Q, X, k, metric)


@functools.cache
def rows_in_groups(metric, n_queries):
    """Rows, queries, groups of both, and what the definition finds: the same for every instruction set."""
    rng = np.random.default_rng(1)
    X, Q = rows_of(rng, 3000, 2, "float32"), rows_of(rng, n_queries, 2, "float32")
    groups = rng.integers(3, size=n_queries), rng.integers(3, size=3000)
    return X, Q, groups, *(reference.kneighbors(Q, X, 11, metric, *given) for given in ((), groups))


@pytest.mark.parametrize("metric", ["l1", "l2"])
@pytest.mark.parametrize("n_queries", [9, 700])  # shared out by rows, and by queries
def test_chunks_and_groups_change_nothing(isa, metric, n_queries, monkeypatch):
    X, Q, groups, wanted, wanted_of_groups = rows_in_groups(metric, n_queries)
    chunks = [X[:1000], X[1000:1001], X[1001:]]
    assert_is(search([X], Q, 11, metric), wanted)
    monkeypatch.setattr(threads, "_OPERATIONS_PER_THREAD", 1)
    assert_is(search([X], Q, 11, metric), wanted)
    monkeypatch.setattr(tiles, "FIRST_CHUNK", 500 * n_queries)
    cut = search(chunks, Q, 11, metric)
    assert cut[2].chunks > 3
    assert_is(cut, wanted)
    grouped = search(chunks, Q, 11, metric, query_groups=groups[0], row_groups=groups[1])
    assert_is(grouped, wanted_of_groups)
    assert (groups[1][grouped[1]] != groups[0][:, None]).all()


def test_chunks_are_the_whole():
    rng = np.random.default_rng(2)
    X, Q = rows_of(rng, 60, 2, "float64"), rng.random((70_000, 2)) * 4
    wanted = search([X], Q, 7, "l2")
    chunks = []

    def in_chunks():
        report = yield from plan.search_chunks(plan.Rows([X]), plan.Rows([Q]), 7, "l2", n_threads=2)
        assert report.n_queries == 70_000

    for some, S, indices in in_chunks():
        chunks.append((some, S.copy(), indices.copy()))
    assert len(chunks) > 3
    assert [some.start for some, *_ in chunks] == [0, *(some.stop for some, *_ in chunks[:-1])]
    assert np.array_equal(np.concatenate([indices for *_, indices in chunks]), wanted[1])
    assert np.array_equal(np.sqrt(np.concatenate([S for *_, S, _ in chunks])), wanted[0])


def test_many_queries_take_little_memory():
    """What a prediction holds beyond its input and its labels does not grow with the number of queries."""
    import tracemalloc

    rng = np.random.default_rng(3)
    model = KNeighborsClassifier(50).fit(rng.random((60, 2)), rng.integers(3, size=60))
    Q = rng.random((400_000, 2))
    model.predict(Q[:10])
    tracemalloc.start()
    predicted = model.predict(Q)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * predicted.nbytes + (64 << 20), "neighbours of all queries would take 320 MB"


def test_lists_begin_once_whatever_the_lengths_of_chunks_and_steps(monkeypatch):
    """A step may begin as far into its chunk as the chunk begins in all rows: that is not the first row."""
    monkeypatch.setattr(tiles, "FIRST_CHUNK", 1)  # the first steps are of one row
    rng = np.random.default_rng(5)
    X, Q = rows_of(rng, 40, 3, "float64"), rows_of(rng, 3000, 3, "float64")
    for first in (1, 2, 3):
        S, indices, report = plan.search(plan.Rows([X[:first], X[first:]]), plan.Rows([Q]), 5, "l2", n_threads=1)
        assert report.kernel == "low_dimensional"
        assert_is((reference.distances(S, "l2"), indices), reference.kneighbors(Q, X, 5, "l2"))
