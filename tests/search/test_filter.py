"""A filtered search gives the bytes of brute force, and no bound exceeds the distance that it bounds."""

import numpy as np
import pytest
from _pairwise import pairwise
from _rows import assert_same_bytes

from fastcls import NearestNeighbors, metrics, simd
from fastcls._runtime import memory, threads
from fastcls._search import plan
from fastcls._search.filter import costs, levels_l1, levels_l2
from fastcls._search.filter import filter as filtering
from fastcls._search.filter import levels as _levels
from fastcls._search.filter import search as filter_search
from fastcls._search.rows import Rows

DTYPES = ("uint8", "int8", "float16", "float32", "float64")
METRICS = ("l1", "l2", "cosine")
N = 2500


def _stored(rows, dtype):
    if dtype == "uint8":
        return np.clip(np.rint(rows * 20 + 128), 0, 255).astype(dtype)
    if dtype == "int8":
        return np.clip(np.rint(rows * 20), -128, 127).astype(dtype)
    return rows.astype(dtype)


def _low_rank(rng, d, n=N):
    return rng.standard_normal((n, 8)) @ rng.standard_normal((8, d)) * 0.7 + 0.1 * rng.standard_normal((n, d))


def _both(X, Q, k, metric, n_threads=2, **groups):
    rows = [Rows([X[: N // 2].copy(), X[N // 2 :].copy()]) for _ in range(2)]
    found = [
        plan.search(r, Rows([Q]), k, metric, n_threads=n_threads, algorithm=algorithm, **groups)
        for r, algorithm in zip(rows, ("brute", "filter"), strict=True)
    ]
    return found


def _assert_filter_is_brute(X, Q, k, metric, **options):
    (S, indices, _), (S_filtered, filtered, report) = _both(X, Q, k, metric, **options)
    assert_same_bytes(filtered, indices)
    assert_same_bytes(S_filtered, S)
    return report


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_leave_one_out_is_the_same_by_any_algorithm(dtype, metric):
    X = _stored(_low_rank(np.random.default_rng(5), 64), dtype)
    found = [NearestNeighbors(7, metric=metric, algorithm=name).fit(X).kneighbors() for name in ("brute", "filter", "auto")]
    for distances, indices in found[1:]:
        assert_same_bytes(indices, found[0][1])
        assert_same_bytes(distances, found[0][0])


def test_auto_filters_where_it_pays_and_says_so():
    rng = np.random.default_rng(6)
    X = _stored(rng.standard_normal((9000, 8)) @ rng.standard_normal((8, 300)) * 0.7, "uint8")
    model = NearestNeighbors(3, metric="l2").fit(X)
    model.kneighbors(X[:200])
    report = model.search_report_
    assert report.path == "filter"
    assert report.computed < report.pairs / 20
    assert [level.pairs_in for level in report.levels] == sorted((level.pairs_in for level in report.levels), reverse=True)
    noise = rng.integers(0, 256, (9000, 300), dtype=np.uint8)
    model = NearestNeighbors(3, metric="l2").fit(noise)
    model.kneighbors(noise[:200])
    assert "brute" in model.search_report_.path


def test_auto_leaves_the_filter_where_its_loops_are_the_compilers_and_says_so():
    rng = np.random.default_rng(6)
    X = _stored(rng.standard_normal((9000, 8)) @ rng.standard_normal((8, 300)) * 0.7, "uint8")
    found, best = {}, simd.active()
    try:
        for name in simd.available():
            simd.use(name)
            for algorithm in ("auto", "filter"):
                model = NearestNeighbors(3, metric="l1", algorithm=algorithm).fit(X)
                found[name, algorithm] = model.kneighbors(X[:200])
                report, is_filtered = model.search_report_, name != "scalar" or algorithm == "filter"
                assert report.path == ("filter" if is_filtered else "brute"), (name, algorithm)
                why = "brute force, because a filter has no loops of its own for instruction set 'scalar'"
                assert (why in report.notes) != is_filtered
    finally:
        simd.use(best)
    for distances, indices in found.values():
        assert_same_bytes(distances, found[best, "auto"][0])
        assert_same_bytes(indices, found[best, "auto"][1])


def test_a_few_queries_of_rows_never_fitted_learn_nothing():
    X = _stored(_low_rank(np.random.default_rng(12), 300), "uint8").repeat(2, axis=0)
    for n_queries, paths in ((5, {"brute"}), (len(X), {"filter", "filter then brute"})):
        _, _, report = plan.search(Rows([X]), Rows([X[:n_queries]]), 3, "l2", n_threads=2)
        assert report.path in paths


def _true_distances(x, Y, metric):
    """In extended precision, of rows as they are stored."""
    x, Y = x.astype(np.longdouble), Y.astype(np.longdouble)
    if metric == "l1":
        return np.abs(Y - x).sum(axis=1)
    if metric == "cosine":
        x, Y = x / np.sqrt((x * x).sum()), Y / np.sqrt((Y * Y).sum(axis=1))[:, None]
    return np.sqrt(((Y - x) ** 2).sum(axis=1))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_no_bound_exceeds_the_distance(dtype, metric):
    """The gap of two codes, less both errors, is at most the distance in code units (a relative 1e-12 for this test's own
    arithmetic); and it is not far below for low-rank rows, or it would bound nothing."""
    X = _stored(_low_rank(np.random.default_rng(7), 300 if dtype.startswith("float") else 2600, 400), dtype)
    with threads.one_blas_thread():
        levels = levels_l1.l1_levels(X) if metric == "l1" else levels_l2.l2_levels(X, metric == "cosine")
    assert len(levels) == {True: 1 + (metric != "l1"), False: 2 + (metric != "l1")}[dtype.startswith("float")]
    for level, codes in zip(levels, _levels.encode(levels, X, 2), strict=True):
        stored = np.uint8 if level.kind == "l1" else np.int16 if level.fine else np.int8
        values = codes.codes.view(stored).astype(float)
        shares = []
        for i in range(0, 200, 40):
            difference = values[i] - values
            gaps = np.abs(difference).sum(axis=1) if level.kind == "l1" else np.sqrt((difference**2).sum(axis=1))
            bounds = gaps - codes.errors[i] - codes.errors
            distances = _true_distances(X[i], X, metric) * level.per_unit
            assert (bounds <= distances * (1 + 1e-12) + 1e-9).all()
            shares.append(np.median(bounds[distances > 0] / distances[distances > 0].astype(float)))
        assert np.median(shares) > 0.5


def test_a_certified_norm_is_not_below_the_norm():
    rng = np.random.default_rng(8)
    orthonormal = np.linalg.qr(rng.standard_normal((200, 40)))[0].T
    for A in (
        rng.standard_normal((40, 200)),
        orthonormal,
        np.rint(orthonormal * 127),
        np.tile(orthonormal[:1], (9, 1)),
        np.ones((3, 50)),
        np.eye(5),
    ):
        s = levels_l2.certified_norm(np.asarray(A, dtype=float))
        norm = np.linalg.norm(np.asarray(A, dtype=np.float64), 2)
        assert norm * (1 - 1e-14) <= s <= norm * 1.01


def test_coarse_groups_alone_are_encoded_as_beside_the_fine_ones():
    X = np.random.default_rng(9).integers(0, 256, (100, 784), dtype=np.uint8)
    coarse, fine = levels_l1.l1_levels(X)
    both = _levels.encode([coarse, fine], X, 2)
    for level, codes in zip((coarse, fine), both, strict=True):
        alone = _levels.encode([level], X, 2)[0]
        assert_same_bytes(alone.codes, codes.codes)
        assert_same_bytes(alone.errors, codes.errors)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("some", [1.0, 0.5])
def test_filter_is_brute_force_where_squares_underflow(some, metric):
    X = np.random.default_rng(10).standard_normal((2000, 40))
    X[: int(some * len(X))] *= 1e-161
    _assert_filter_is_brute(X, X[::40].copy(), 9, metric)


def test_a_query_of_zeros_never_reaches_rows_behind_the_last():
    X = np.random.default_rng(11).standard_normal((1001, 64)).astype(np.float32)
    report = _assert_filter_is_brute(X, np.zeros((3, 64), dtype=np.float32), 1001, "cosine")
    assert report.computed == report.pairs


@pytest.mark.parametrize("metric", ["l1", "l2", "cosine"])
def test_float16_costs_brute_force_what_float32_does(metric):
    """Its tile holds both as singles: counted by their bytes, a filter of float16 rows is given up too early."""
    rows = np.ones((3, 40), np.float32)
    of = metrics.METRICS[metric]
    assert costs.brute_cost(rows.astype(np.float16), of) == costs.brute_cost(rows, of)


@pytest.mark.parametrize(
    ("n_rows", "n_features", "n"), [(50_000, 3072, 28), (60_000, 784, 42), (50_000, 1024, 41), (900, 64, 42)]
)
def test_narrow_rows_are_probed_by_more_queries_in_the_same_time(n_rows, n_features, n):
    rows = Rows([np.zeros((n_rows, n_features), np.uint8)])
    assert costs.n_probed(rows) == n
    if n_rows < 1000:
        assert len(filtering._probe(rows, rows.chunks[0], metrics.METRICS["l2"], 3, 1).queries) == n


def in_clusters(n_queries=1200):
    """Rows in clusters of eight: five neighbours are near, forty are not."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(700, 160)).astype(np.float32)
    X = np.repeat(centres, 8, axis=0) + rng.normal(0, 0.25, size=(5600, 160)).astype(np.float32)
    Q = centres[rng.integers(0, 700, n_queries)] + rng.normal(0, 0.25, size=(n_queries, 160)).astype(np.float32)
    return np.ascontiguousarray(X[rng.permutation(5600)]), Q


def test_levels_are_chosen_anew_for_another_number_of_neighbours_where_that_pays(monkeypatch):
    X, Q = in_clusters()
    model = NearestNeighbors(5).fit(X)
    brute = NearestNeighbors(5, algorithm="brute").fit(X)
    first = model._rows.filters["l2"]
    monkeypatch.setattr(costs, "SECONDS", 0.0)  # nothing pays
    model.kneighbors(Q, 40)
    assert model._rows.filters["l2"] is first
    monkeypatch.setattr(costs, "SECONDS", 1.0)  # everything does
    for k, few in ((40, False), (5, False), (40, True)):
        now = model._rows.filters["l2"]
        some = Q[:100] if few else Q
        for ours, theirs in zip(model.kneighbors(some, k), brute.kneighbors(some, k), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        after = model._rows.filters["l2"]
        if few:  # not worth asking
            assert after is now
        else:
            assert after.fits_k(k)
            assert after.levels[0].width == (160 if k == 40 else first.levels[0].width)
    grown = np.concatenate([X, Q[:50]])
    model.partial_fit(Q[:50])
    again = NearestNeighbors(5, algorithm="brute").fit(grown)
    for ours, theirs in zip(model.kneighbors(Q, 40), again.kneighbors(Q, 40), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_filter_is_kept_if_the_codes_for_another_k_do_not_fit(monkeypatch):
    X, Q = in_clusters()
    model = NearestNeighbors(5).fit(X)
    first = model._rows.filters["l2"]
    monkeypatch.setattr(costs, "SECONDS", 1.0)  # every change of levels pays
    monkeypatch.setattr(memory, "fits", lambda n_bytes: False)
    model.kneighbors(Q, 40)
    assert model.search_report_.levels
    assert model._rows.filters["l2"] is first


@pytest.mark.parametrize(("times", "least", "most"), [(1.4, 49, 1200), (50.0, 48, 48), (0.9, 1200, 1200)])
def test_a_few_unlucky_queries_do_not_end_filtering(monkeypatch, times, least, most):
    X, Q = in_clusters()
    model = NearestNeighbors(40, n_jobs=1).fit(X)
    brute = costs.brute_cost(model._rows, model._rows.filters["l2"].metric)
    monkeypatch.setattr(filter_search.Search, "_cost", lambda self: times * brute)
    model.kneighbors(Q)
    filtered = model.search_report_.levels[0].pairs_in // len(X)
    assert least <= filtered <= most
    assert ("brute" in model.search_report_.path) == (filtered < len(Q))


@pytest.mark.parametrize(("width", "dtype", "metric"), pairwise([32, 33, 64, 100, 129, 200], DTYPES, METRICS))
def test_codes_take_no_more_than_their_share(dtype, metric, width):
    """Rows of whole panels. Where codes would take more, none are made."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4224, 6)) @ rng.normal(size=(6, width)) + 0.05 * rng.normal(size=(4224, width))
    if dtype in ("uint8", "int8"):
        low, high, middle = (0, 255, 128) if dtype == "uint8" else (-128, 127, 0)
        X = np.clip(np.rint(20 * X + middle), low, high)
    X = X.astype(dtype)
    model = NearestNeighbors(n_neighbors=5, metric=metric).fit(X)
    model.kneighbors(X[:40])
    if width == 200 and dtype[:5] == "float":
        assert model.search_report_.path == "filter"
    share = 0.6 if dtype in ("int8", "float16") else 0.35
    assert model.search_report_.filter_bytes <= share * X.nbytes


def test_a_level_that_one_query_speaks_against_is_not_chosen_for_many_rows():
    """Thirteen of the probe's queries see few rows within the threshold at the coarse level, the last one nearly all."""
    X, _ = in_clusters(8)
    levels = levels_l2.l2_levels(X, False)
    spread = np.full(14, 1e-3)
    spread[-1] = 2.0 * float(((X[0] - X[8:1000]) ** 2).sum(axis=1).max())
    coarse = tuple(range(len(levels)))
    found = {}
    for name, S in (("one", spread), ("none", np.full(14, 1e-3))):
        probe = costs.Probe(X[:14], S[:, None], 1_000_000)
        found[name] = costs.estimated(X, metrics.METRICS["l2"], levels, probe, 1)
    assert len(levels) == 2
    assert found["none"][coarse] < found["none"][(1,)]
    assert found["one"][coarse] > found["one"][(1,)]
    of_one = costs.left_by(levels, X, costs.Probe(X[:14], spread[:, None], 1), np.sqrt(spread[:, None]), 1)
    assert 1 / 14 * 1.9 < of_one[0][0] < 1 / 14 * 2.1  # the share, and its standard error


def test_full_lists_are_expected_to_be_refined_with_the_thresholds_of_then():
    """Under the final threshold the coarse level leaves few rows; under that of the first sixteenth, all of them."""
    X, _ = in_clusters(8)
    levels = levels_l2.l2_levels(X, False)
    S = np.tile([1e-3, 1e-3, 1e-3, 1e-3, 1e9], (14, 1))
    (final, during), _ = costs.left_by(levels, X, costs.Probe(X[:14], S, 1), np.sqrt(S), 1)
    assert during == pytest.approx(final * (15 / 16 - 1 / 32) + 1 / 32 + 1 / 16)
    few, many = (
        costs.estimated(X, metrics.METRICS["l2"], levels, costs.Probe(X[:14], S, n_rows), 1)[0, 1]
        for n_rows in (1000, 10**9)
    )
    assert many > 5 * few
