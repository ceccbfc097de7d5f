"""Rows among themselves, filtered: each unordered pair is screened once, and the answers are those of brute force."""

import contextlib
import signal
import threading
import tracemalloc

import _filter_cases as cases
import numpy as np
import pytest
from _filter_cases import EXTREME, HOSTILE, METRICS
from _pairwise import pairwise
from _rows import NUMPY_TYPES, assert_same_bytes

from fastcls import KNeighborsClassifier, KNeighborsTransformer, NearestNeighbors
from fastcls._runtime import memory, threads
from fastcls._search import plan
from fastcls._search.filter import order, pair_loops, pairs
from fastcls._search.filter import search as filter_search
from fastcls._search.rows import Rows

N_ROWS = 1301  # no whole number of panels


@pytest.fixture(autouse=True)
def few_rows(monkeypatch):
    """Searches of a thousand rows in pairs, with many small blocks and leaves."""
    monkeypatch.setattr(pairs, "LEAST_ROWS", 0)
    monkeypatch.setattr(pairs, "_MOST_BLOCK_ROWS", 300)
    monkeypatch.setattr(pairs, "_LEAST_BLOCK_ROWS", 130)
    monkeypatch.setattr(pairs, "_LEAF_ROWS", 100)
    monkeypatch.setattr(threads, "_OPERATIONS_PER_THREAD", 1)


def tied(rng, n, d, dtype):
    """Rows in clusters; every row of the second half is equal to one of the first half."""
    rows = cases.stored(HOSTILE["forty clusters"](rng, n, d), dtype)
    rows[n // 2 : 2 * (n // 2)] = rows[: n // 2]
    return rows


def searched(rows, k, metric, groups, n_threads=2, **more):
    """The neighbours of all rows among themselves, and the report."""
    of = {} if groups is None else {"query_groups": groups, "row_groups": groups}
    return cases.search(rows, None, k, metric, "filter", n_threads, **of, **more)


def groups_of(kind, n, rng):
    return {"all": None, "others": np.arange(n), "folds": rng.integers(5, size=n)}[kind]


def with_every_level(X, metric):
    """Rows that are filtered by all levels that they can have; if there are none, by levels of other rows."""
    other = cases.stored(cases.low_rank(np.random.default_rng(0), 700, X.shape[1]), X.dtype)
    return cases.with_levels([X], metric, cases.every_level(X, metric) or cases.every_level(other, metric))


def assert_searched_in_pairs(rows, k, metric, groups, n_threads=2):
    """The bytes of brute force, from one screened pair for each unordered one."""
    S, indices, report = searched(rows, k, metric, groups, n_threads)
    of = {} if groups is None else {"query_groups": groups, "row_groups": groups}
    assert_same_bytes((S, indices), cases.search(Rows(rows.chunks), None, k, metric, "brute", **of)[:2])
    assert report.kernel == "pairs"
    n = rows.n_rows
    assert n * (n - 1) // 2 <= report.levels[0].pairs_in <= n * (n + 1) // 2 + n * pairs._MOST_BLOCK_ROWS
    assert report.computed <= report.levels[0].pairs_in
    return report


@pytest.mark.parametrize(
    ("metric", "dtype", "kind", "k", "n_threads"),
    pairwise(METRICS, NUMPY_TYPES, ["all", "others", "folds"], [1, 9, 100], [1, 2, 3]),
)
def test_pairs_give_the_bytes_of_brute_force(metric, dtype, kind, k, n_threads):
    rng = np.random.default_rng(3)
    X = tied(rng, N_ROWS, 70, dtype)
    rows = with_every_level(X, metric)
    assert_searched_in_pairs(rows, k, metric, groups_of(kind, N_ROWS, rng), n_threads)


@pytest.mark.parametrize(
    ("name", "metric", "dtype"), pairwise(list(HOSTILE), METRICS, ["uint8", "int8", "float16", "float32"])
)
def test_hostile_rows(name, metric, dtype):
    X = cases.stored(HOSTILE[name](np.random.default_rng(4), N_ROWS, 130), dtype)
    assert_searched_in_pairs(with_every_level(X, metric), 7, metric, np.arange(N_ROWS))


@pytest.mark.parametrize(("name", "metric"), pairwise(list(EXTREME), METRICS))
def test_extreme_rows(name, metric):
    X = EXTREME[name](np.random.default_rng(5), N_ROWS, 64)
    assert_searched_in_pairs(with_every_level(X, metric), 7, metric, np.arange(N_ROWS))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("first", [0, 1, 2])
def test_each_level_alone_and_all_of_them(metric, first):
    X = tied(np.random.default_rng(6), N_ROWS, 64, "uint8")
    levels = cases.every_level(X, metric)
    some = levels[first : first + 1] if first < len(levels) and not levels[first].fine else levels
    assert_searched_in_pairs(cases.with_levels([X], metric, some), 9, metric, np.arange(N_ROWS))


@pytest.mark.parametrize("n", [100, 129, 640, 641, 1024])
@pytest.mark.parametrize(("most", "least", "leaf"), [(128, 64, 64), (10_000, 10_000, 10_000), (10_000, 10_000, 64)])
def test_blocks_and_leaves_of_any_size(n, most, least, leaf, monkeypatch):
    monkeypatch.setattr(pairs, "_MOST_BLOCK_ROWS", most)
    monkeypatch.setattr(pairs, "_LEAST_BLOCK_ROWS", least)
    monkeypatch.setattr(pairs, "_LEAF_ROWS", leaf)
    X = tied(np.random.default_rng(7), n, 40, "float32")
    for metric in METRICS:
        rows = with_every_level(X, metric)
        found = searched(rows, 5, metric, np.arange(n))
        wanted = cases.search(Rows([X]), None, 5, metric, "brute", query_groups=np.arange(n), row_groups=np.arange(n))
        assert_same_bytes(found[:2], wanted[:2])


def test_any_order_of_the_rows_gives_the_same_bytes(monkeypatch):
    X = tied(np.random.default_rng(8), N_ROWS, 64, "uint8")
    rows = with_every_level(X, "l2")
    wanted = searched(rows, 9, "l2", np.arange(N_ROWS))
    for seed in range(3):
        shuffled = np.random.default_rng(seed).permutation(N_ROWS).astype(np.int32)
        monkeypatch.setattr(order, "order_of", lambda *_, shuffled=shuffled: shuffled)
        assert_same_bytes(searched(rows, 9, "l2", np.arange(N_ROWS))[:2], wanted[:2])


def test_near_rows_have_near_places():
    """Forty clusters: neighbours in the order are of one cluster."""
    rng = np.random.default_rng(9)
    cluster = rng.integers(40, size=N_ROWS)
    X = (5 * rng.normal(size=(40, 64))[cluster] + rng.normal(size=(N_ROWS, 64))).astype(np.float32)
    rows = with_every_level(X, "l2")
    searched(rows, 5, "l2", np.arange(N_ROWS))
    made = rows.filters["l2"]
    found = order.order_of(made.chunks[0][0], made.levels[0], N_ROWS, 64, 2)
    assert sorted(found) == list(range(N_ROWS))
    near = np.abs(X[found[1:]] - X[found[:-1]]).sum(axis=1).mean()
    assert near < 0.6 * np.abs(X[1:] - X[:-1]).sum(axis=1).mean()


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_rows_that_became_nan_or_equal_after_the_fit_are_no_neighbours_of_others(dtype):
    X = tied(np.random.default_rng(10), N_ROWS, 64, dtype)
    rows = with_every_level(X, "l2")
    searched(rows, 5, "l2", np.arange(N_ROWS))
    if dtype == "float32":
        X[700] = np.nan
        with pytest.raises(ValueError, match="fewer than 5 training rows at a finite distance"):
            searched(rows, 5, "l2", np.arange(N_ROWS))
    else:
        X[:] = 1  # codes of other rows: wrong answers, but nothing worse
        assert searched(rows, 5, "l2", np.arange(N_ROWS))[1].max() < N_ROWS


def test_the_public_searches_of_rows_among_themselves():
    X = tied(np.random.default_rng(11), N_ROWS, 64, "float32")
    y = np.arange(N_ROWS) % 7
    model, brute = (NearestNeighbors(6, algorithm=name, n_jobs=2).fit(X) for name in ("filter", "brute"))
    assert_same_bytes(model.kneighbors(), brute.kneighbors())
    assert model.search_report_.kernel == "pairs"
    assert_same_bytes(model.kneighbors(X), brute.kneighbors(X))
    assert model.search_report_.kernel == "pairs"
    assert model.search_report_.n_queries == N_ROWS
    other = X.copy()
    assert_same_bytes(model.kneighbors(other), brute.kneighbors(other))
    assert model.search_report_.kernel == "codes"
    graph = KNeighborsTransformer(n_neighbors=6, algorithm="filter").fit(X)
    assert (graph.transform(X) != KNeighborsTransformer(n_neighbors=6, algorithm="brute").fit_transform(X)).nnz == 0
    assert graph.search_report_.kernel == "pairs"
    first, second = (KNeighborsClassifier(6, algorithm=name).fit(X, y) for name in ("filter", "brute"))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))


def test_progress_counts_every_ordered_pair_once():
    X = tied(np.random.default_rng(12), N_ROWS, 64, "float32")
    rows = with_every_level(X, "l2")
    for groups in (np.arange(N_ROWS), None):
        seen = []
        searched(rows, 5, "l2", groups, progress=lambda done, total: seen.append((done, total)))  # noqa: B023
        assert [total for _, total in seen] == [N_ROWS**2] * len(seen)
        done = [done for done, _ in seen]
        assert done == sorted(done)
        assert done[-1] == N_ROWS**2
        assert len(done) >= 8  # rounds


def test_ctrl_c_ends_the_search_after_a_chunk_of_work():
    X = tied(np.random.default_rng(13), N_ROWS, 64, "float32")
    rows = with_every_level(X, "l2")
    seen = []

    def progress(done, total):
        seen.append(done)
        if len(seen) == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        searched(rows, 5, "l2", np.arange(N_ROWS), progress=progress)
    assert len(seen) == 3


def test_several_chunks_many_neighbours_or_other_groups_are_searched_in_queries(monkeypatch):
    X = tied(np.random.default_rng(14), N_ROWS, 64, "float32")
    levels, own = cases.every_level(X, "l2"), np.arange(N_ROWS)
    wanted = cases.search(Rows([X]), None, 5, "l2", "brute", query_groups=own, row_groups=own)
    two = cases.with_levels(cases.chunks_of(X, (700,)), "l2", levels)
    found = searched(two, 5, "l2", own)
    assert found[2].kernel == "codes"
    assert_same_bytes(found[:2], wanted[:2])
    rows = cases.with_levels([X], "l2", levels)
    other = cases.search(rows, None, 5, "l2", "filter", query_groups=own % 3, row_groups=own % 2)
    assert other[2].kernel == "codes"
    monkeypatch.setattr(plan, "_MOST_TOGETHER_BYTES", 16 * 5 * N_ROWS - 1)
    chunks = plan.search_chunks(rows, None, 5, "l2", n_threads=2, algorithm="filter", query_groups=own, row_groups=own)
    assert plan.final_report(chunks).kernel == "codes"
    assert searched(rows, 5, "l2", own)[2].kernel == "pairs"  # with a place for the neighbours of all rows


def test_where_memory_is_short_rows_are_searched_in_queries(monkeypatch, tmp_path):
    X = tied(np.random.default_rng(18), N_ROWS, 64, "float32")
    levels, own = cases.every_level(X, "l2"), np.arange(N_ROWS)
    wanted = cases.search(Rows([X]), None, 5, "l2", "brute", query_groups=own, row_groups=own)
    np.save(tmp_path / "X.npy", X)
    mapped = cases.with_levels([np.load(tmp_path / "X.npy", mmap_mode="r")], "l2", levels)
    rows = cases.with_levels([X], "l2", levels)
    cases_of_free = (X.nbytes // 4, ["codes", "codes"]), (X.nbytes, ["pairs", "codes"]), (2 * X.nbytes, ["pairs", "pairs"])
    for free, kernels in cases_of_free:
        monkeypatch.setattr(memory, "fits", lambda n_bytes, free=free: n_bytes <= free)
        for some, kernel in zip((rows, mapped), kernels, strict=True):
            found = searched(some, 5, "l2", own)
            assert found[2].kernel == kernel
            assert_same_bytes(found[:2], wanted[:2])


@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_the_memory_of_a_search_is_what_its_report_says(metric, monkeypatch):
    """Above the results: the codes of the first level once more, and some numbers for each row."""
    n = 12_000
    monkeypatch.setattr(pairs, "_MOST_BLOCK_ROWS", 512)
    X = cases.stored(cases.low_rank(np.random.default_rng(19), n, 256), "uint8")
    rows, own = cases.with_levels([X], metric, cases.every_level(X, metric)[-1:]), np.arange(n)
    if rows.filters[metric].levels[0].fine:
        rows = cases.with_levels([X], metric, cases.every_level(X, metric)[-2:-1])
    searched(rows, 3, metric, own)  # makes the codes
    read, together = order.encode_loops.from_panels, threading.Barrier(2)

    def read_together(*arguments):
        """Both threads hold their parts at once, as they may."""
        read(*arguments)
        with contextlib.suppress(threading.BrokenBarrierError):
            together.wait(2)

    monkeypatch.setattr(order.encode_loops, "from_panels", read_together)
    tracemalloc.start()
    try:
        report = searched(rows, 3, metric, own)[2]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert report.kernel == "pairs"
    width = report.levels[0].bytes
    assert report.scratch_bytes < peak < report.scratch_bytes + n * (100 + 3 * 16) + 2 * pairs._AT_ONCE * width + 2**20
    assert report.scratch_bytes < n * (width + 64) + 2 * 2**21


def test_chunks_come_in_order_after_the_search(monkeypatch):
    X = tied(np.random.default_rng(15), N_ROWS, 64, "float32")
    rows, own = with_every_level(X, "l2"), np.arange(N_ROWS)
    wanted = searched(rows, 5, "l2", own)
    monkeypatch.setattr(plan, "_CHUNK_QUERIES", 500)
    chunks = plan.search_chunks(rows, None, 5, "l2", n_threads=2, algorithm="filter", query_groups=own, row_groups=own)
    seen = 0
    for some, S, indices in chunks:
        assert some.start == seen
        assert_same_bytes((S, indices), (wanted[0][some], wanted[1][some]))
        seen = some.stop
    assert seen == N_ROWS


def test_auto_searches_in_pairs_only_where_the_filter_is_faster(monkeypatch):
    X = cases.stored(cases.low_rank(np.random.default_rng(16), 5000, 512), "uint8")
    brute = NearestNeighbors(5, algorithm="brute").fit(X).kneighbors()
    model = NearestNeighbors(5, n_jobs=2).fit(X)
    assert_same_bytes(model.kneighbors(), brute)
    assert model.search_report_.kernel == "pairs"
    monkeypatch.setattr(filter_search, "brute_cost", lambda *_: 0.0)
    monkeypatch.setattr(filter_search, "_DOUBT", 0.0)
    assert_same_bytes(model.kneighbors(), brute)
    assert model.search_report_.path == "filter then brute"


def arguments_of(monkeypatch):
    """The arguments of the first call of the compiled loop for some rows."""
    X = tied(np.random.default_rng(17), 400, 64, "uint8")
    rows = with_every_level(X, "l2")
    calls, search = [], pair_loops.search

    def counted(*args):
        calls.append(args)
        search(*args)

    monkeypatch.setattr(pair_loops, "search", counted)
    searched(rows, 5, "l2", np.arange(400))
    monkeypatch.undo()
    return list(calls[0])


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (5, lambda order: order[::-1].copy(), "has row"),
        (5, lambda order: np.full_like(order, -1), "has row -1"),
        (6, lambda places: np.zeros_like(places), "has row"),
        (7, lambda blocks: np.array([[0, 3, 2, 5]]), "panel 2 is in two blocks"),
        (7, lambda blocks: np.array([[0, 2, 2, 4], [4, 6, 1, 2]]), "panel 1 is in two blocks"),
        (7, lambda blocks: np.array([[0, 2, 2, 8]]), "a block of panels 2 to 8 of 7"),
        (8, lambda leaf_rows: 63, "leaves of 63 rows"),
        (15, lambda groups: np.zeros(3, dtype=np.int64), "groups of 3 rows for 400"),
        (17, lambda reach: reach[:-1], "heaps for 400 rows"),
        (18, lambda S: S[:-1], "399 heaps for 400 rows"),
        (20, lambda taken: taken[:2], "marks of 2 panels"),
        (21, lambda scratch: scratch[:, :100], "100 bytes of scratch are too few"),
        (3, lambda levels: levels[1:], "level 0 has codes that are not of 400 rows"),
        (3, lambda levels: [levels[0], (levels[1][0][:-1], *levels[1][1:])], "level 1 has codes that are not of 400 rows"),
    ],
)
def test_the_compiled_loop_checks_what_it_uses_as_an_index(place, change, message, monkeypatch):
    args = arguments_of(monkeypatch)
    args[place] = change(args[place])
    if isinstance(args[place], np.ndarray):
        args[place] = np.ascontiguousarray(args[place])
    with pytest.raises(ValueError, match=message):
        pair_loops.search(*args)
