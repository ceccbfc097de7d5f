"""A filtered search gives the bytes of brute force: indices, S, order of ties; whatever the data, levels, threads, ISA."""

import itertools

import _filter_cases as cases
import numpy as np
import pytest
from _filter_cases import METRICS, N_ROWS, assert_same_as_brute
from _pairwise import pairwise
from _rows import NUMPY_TYPES, assert_same_bytes

from fastcls import metrics, simd
from fastcls._search import matrix, plan
from fastcls._search.filter import filter_loops, levels_l1
from fastcls._search.filter import search as filter_search
from fastcls._search.rows import Rows

KS = (1, 9, 100, N_ROWS)


def check_all_levels(X, Q, metric, ks=KS, cuts=cases.CUTS, **options):
    """All levels that there are, one after the other; those the planner would choose are among them."""
    chunks = cases.chunks_of(X, cuts)
    wanted = cases.search(Rows(chunks), Q, max(ks), metric, "brute")
    levels = cases.every_level(chunks[0], metric)
    rows = cases.with_levels(chunks, metric, levels) if levels else Rows(chunks)
    report = assert_same_as_brute(rows, Q, ks, metric, wanted, **options)
    assert report.path == ("filter" if levels else "brute")


@pytest.mark.parametrize(("name", "dtype", "metric"), pairwise(list(cases.HOSTILE), NUMPY_TYPES, METRICS))
def test_hostile_data(name, dtype, metric):
    number = list(cases.HOSTILE).index(name)
    rng = np.random.default_rng(number)
    X = cases.stored(cases.HOSTILE[name](rng, N_ROWS, (64, 130, 300)[number % 3]), dtype)
    check_all_levels(X, cases.queries_for(rng, X, 40), metric)


@pytest.mark.parametrize(
    ("name", "dtype", "metric"), pairwise(list(cases.EXTREME), ["float64", "float32", "float16"], METRICS)
)
def test_extreme_floats(name, dtype, metric):
    number = list(cases.EXTREME).index(name)
    rng = np.random.default_rng(number)
    rows = cases.EXTREME[name](rng, N_ROWS, 130 if dtype == "float64" else 70)
    limit = min(float(np.finfo(dtype).max), 1e151)
    X = np.clip(rows, -limit, limit).astype(dtype)
    check_all_levels(X, cases.queries_for(rng, X, 40), metric, ks=(1, 9, N_ROWS))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_every_width(dtype, metric):
    """Every width with every type and every metric, and about a third of all three together."""
    rng, turn = np.random.default_rng(1), METRICS.index(metric) + NUMPY_TYPES.index(dtype)
    for d in (*range(1 + turn % 3, 37, 3), 47 + turn % 3, 63 + turn % 3, 70):
        X = cases.stored(cases.low_rank(rng, 450, d), dtype)
        assert_same_as_brute(Rows(cases.chunks_of(X, (300, 301))), cases.queries_for(rng, X, 12), (9,), metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_rows_wider_than_a_block_of_the_projections(dtype, metric):
    """65,536 features are projected at a time; bright rows fill every sum to the brim."""
    rng = np.random.default_rng(14)
    X = cases.stored(cases.HOSTILE["near pairs and bright rows"](rng, 90, 70_001), dtype)
    Q = np.concatenate([X[::9], np.full_like(X[:1], np.iinfo(dtype).max), np.full_like(X[:1], np.iinfo(dtype).min)])
    check_all_levels(X, Q, metric, ks=(1, 9, 90), cuts=(40, 41))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_every_choice_of_levels(dtype, metric):
    """Also those the planner would not make: one level alone, a fine one behind another of other coordinates."""
    rng = np.random.default_rng(2)
    X = cases.stored(cases.low_rank(rng, N_ROWS, 300), dtype)
    Q, chunks = cases.queries_for(rng, X, 30), cases.chunks_of(X)
    levels = cases.every_level(chunks[0], metric)
    assert len(levels) == {("f", True): 1, ("f", False): 2}.get((X.dtype.kind, metric == "l1"), 2 + (metric != "l1"))
    wanted = cases.search(Rows(chunks), Q, 100, metric, "brute")
    for n in range(1, len(levels) + 1):
        for chosen in itertools.combinations(levels, n):
            if not chosen[0].fine:  # what is screened has codes of one byte
                rows = cases.with_levels(chunks, metric, chosen)
                report = assert_same_as_brute(rows, Q, (1, 100), metric, wanted)
                assert len(report.levels) == n


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_the_planner_never_screens_fine_codes(dtype, metric):
    """A level of fine codes may prune where all coarser ones do not: yet it cannot come first."""
    rng = np.random.default_rng(3)
    X = cases.stored(cases.HOSTILE["near pairs and bright rows"](rng, 3000, 784), dtype)
    rows = Rows([X])
    for k in (1, 9):
        assert_same_as_brute(rows, cases.queries_for(rng, X, 40), (k,), metric)
    assert rows.filters[metric] is None or not rows.filters[metric].levels[0].fine


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_clusters_that_one_coarse_level_tells_apart(dtype, metric):
    rng = np.random.default_rng(4)
    for d in (128, 784):
        centers = rng.uniform(-5, 5, size=(40, d))
        X = cases.stored(centers[rng.integers(40, size=1500)], dtype)
        assert_same_as_brute(Rows(cases.chunks_of(X)), cases.queries_for(rng, X, 20), (1, 9), metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_threads_groups_and_single_queries(dtype, metric):
    rng = np.random.default_rng(5)
    X = cases.stored(cases.low_rank(rng, N_ROWS, 130), dtype)
    Q, chunks = cases.queries_for(rng, X, 80), cases.chunks_of(X)
    rows = cases.with_levels(chunks, metric, cases.every_level(chunks[0], metric))
    folds, fold_of_queries = np.arange(N_ROWS) % 5, np.arange(80) % 5
    groups = {"query_groups": fold_of_queries, "row_groups": folds}
    wanted = cases.search(Rows(chunks), Q, 100, metric, "brute")
    wanted_of_folds = cases.search(Rows(chunks), Q, 100, metric, "brute", **groups)
    assert (folds[wanted_of_folds[1]] != fold_of_queries[:, None]).all()
    for n_threads in (1, 2, 3):
        assert_same_as_brute(rows, Q, (1, 9, 100), metric, wanted, n_threads)
        assert_same_as_brute(rows, Q, (1, 9, 100), metric, wanted_of_folds, n_threads, **groups)
        for n in (1, 2, 5, 7):  # three threads share the rows of few queries
            part = [of_all[:n] for of_all in wanted[:2]]
            assert_same_as_brute(rows, Q[:n].copy(), (9,), metric, part, n_threads)
    for i in range(0, 80, 7):
        assert_same_as_brute(rows, Q[i : i + 1].copy(), (9,), metric, [of_all[i : i + 1] for of_all in wanted[:2]])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_leave_one_out(dtype, metric):
    rng = np.random.default_rng(6)
    X = cases.stored(cases.HOSTILE["forty clusters"](rng, 1500, 100), dtype)
    chunks, itself = cases.chunks_of(X, (700,)), np.arange(len(X))
    rows = cases.with_levels(chunks, metric, cases.every_level(chunks[0], metric))
    groups = {"query_groups": itself, "row_groups": itself}
    assert_same_as_brute(rows, None, (1, 9), metric, n_threads=2, **groups)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("isa", simd.available())
def test_every_isa(isa, metric):
    rng, before = np.random.default_rng(7), simd.active()
    try:
        simd.use(isa)
        for dtype in NUMPY_TYPES:
            X = cases.stored(cases.low_rank(rng, 1000, 203), dtype)
            check_all_levels(X, cases.queries_for(rng, X, 15), metric, ks=(9, 100))
    finally:
        simd.use(before)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_queries_of_which_nothing_is_known_see_each_row_once(dtype, metric):
    """Codes cannot hold a query far beyond the rows; it must see every row, and none of those a panel is filled up with."""
    rng = np.random.default_rng(8)
    X = cases.stored(0.02 * cases.low_rank(rng, 1200, 130), dtype)
    Q = X[:8].copy()
    Q[1::2] = 0
    if X.dtype.kind == "f":
        Q[2::4] = min(float(np.finfo(dtype).max) / 2, 1e150)
    chunks = cases.chunks_of(X, (1, 70, 71))
    for levels in {id(level): [level] for level in cases.every_level(chunks[-1], metric) if not level.fine}.values():
        report = assert_same_as_brute(cases.with_levels(chunks, metric, levels), Q, (9, len(X)), metric)
        assert report.levels[0].pairs_out <= report.pairs


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_chunks_that_come_later(dtype, metric):
    """They are encoded by what the first chunk taught, however different they are, and nothing is encoded twice."""
    rng = np.random.default_rng(9)
    X = cases.stored(np.vstack([0.1 * cases.low_rank(rng, 700, 130), rng.uniform(-5, 5, (800, 130))]), dtype)
    Q, chunks = cases.queries_for(rng, X, 30), cases.chunks_of(X, (700, 701, 1100))
    rows = cases.with_levels(chunks[:1], metric, cases.every_level(chunks[0], metric))
    for chunk in chunks[1:]:
        assert_same_as_brute(rows, Q, (9,), metric)
        before = list(rows.filters[metric].chunks)
        grown = Rows([*rows.chunks, chunk])
        grown.filters[metric] = rows.filters[metric]
        rows = grown
        assert_same_as_brute(rows, Q, (9, 100), metric)
        assert all(a is b for a, b in zip(before, rows.filters[metric].chunks, strict=False))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_auto_is_brute_force(dtype, metric):
    """Also where its planner changes its mind: of white noise a filter leaves everything."""
    rng = np.random.default_rng(10)
    for data in (cases.low_rank(rng, 4200, 200), rng.uniform(-5.2, 5.2, (4200, 64))):
        X = cases.stored(data, dtype)
        Q, rows = cases.queries_for(rng, X, 80), Rows([X])
        wanted = cases.search(rows, Q, 9, metric, "brute")
        plan.prepare(rows, metric, 9, 2, "auto")  # as a fit does
        assert_same_bytes(cases.search(rows, Q, 9, metric, "auto", 2)[:2], wanted[:2])


def test_giving_up_half_way_changes_nothing(monkeypatch):
    rng = np.random.default_rng(11)
    X = rng.integers(0, 256, size=(4200, 300), dtype=np.uint8)
    monkeypatch.setattr(filter_search, "brute_cost", lambda *_: 0.0)
    rows = cases.with_levels([X], "l1", levels_l1.l1_levels(X))
    Q = cases.queries_for(rng, X, 80)
    S, indices, report = cases.search(rows, Q, 9, "l1", "auto")
    assert report.path == "filter then brute"
    assert_same_bytes((S, indices), cases.search(Rows([X]), Q, 9, "l1", "brute")[:2])


@pytest.mark.parametrize("metric", METRICS)
def test_lists_that_overflow_are_gone_through(metric, monkeypatch):
    """Rows come from far to near, so that every one of them passes the screen."""
    rng = np.random.default_rng(12)
    X = rng.normal(size=(6000, 40))
    Q = rng.normal(size=(7, 40))
    order = np.argsort(matrix.all_pairs(X, Q[:1], metric, n_threads=1)[0], kind="stable")[::-1]
    X = np.ascontiguousarray(X[order])
    for capacity, every in ((2048, 1024), (256, 64)):
        monkeypatch.setattr(filter_search, "LIST_CAPACITY", capacity)
        monkeypatch.setattr(filter_search, "_LEAST_REFINE", every)
        monkeypatch.setattr(filter_search, "_REFINE_PER_NEIGHBOR", 1)
        for k in (1, 20):
            assert_same_as_brute(Rows([X]), Q, (k,), metric)


def test_the_cases_are_what_they_are_called():
    rng = np.random.default_rng(13)
    assert {metrics.METRICS[name].sum for name in METRICS} == {metric.sum for metric in metrics.METRICS.values()}
    for name, rows_of in {**cases.HOSTILE, **cases.EXTREME}.items():
        rows = rows_of(rng, 200, 70)
        assert rows.shape == (200, 70), name
        assert np.isfinite(rows).all(), name
    ties = cases.stored(cases.HOSTILE["ties"](rng, N_ROWS, 64), "uint8")
    S = np.sort(matrix.all_pairs(ties, ties[:50], "l2", n_threads=1), axis=1)
    assert (S[:, 8] == S[:, 9]).mean() > 0.5


@pytest.mark.parametrize(
    "change",
    [
        lambda ours, theirs: ([], []),
        lambda ours, theirs: (ours, theirs[1:]),
        lambda ours, theirs: (ours[:1], theirs),
        lambda ours, theirs: (4 * ours, 4 * theirs),
    ],
)
def test_the_compiled_search_checks_the_number_of_levels(change, monkeypatch):
    rng = np.random.default_rng(0)
    X = np.clip(128 + 20 * rng.normal(size=(N_ROWS, 8)) @ rng.normal(size=(8, 256)), 0, 255).astype(np.uint8)
    rows = cases.with_levels([X], "l2", cases.every_level(X, "l2"))
    calls, search = [], filter_loops.search
    monkeypatch.setattr(filter_loops, "search", lambda *args: calls.append(args) or search(*args))
    cases.search(rows, X[:20], 3, "l2", "filter")
    args = list(calls[0])
    assert 2 <= len(args[4]) == len(args[5]) <= 4
    args[4], args[5] = change(*args[4:6])
    with pytest.raises(ValueError, match=f"{len(args[4])} levels of rows and {len(args[5])} of queries"):
        search(*args)
