"""The tree over rows of few features: the bytes of brute force, whatever rows, chunks, groups and threads are."""

import numpy as np
import pytest
from _rows import NUMPY_TYPES, assert_same_bytes, hostile_rows, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcls import NearestNeighbors, knn, reference, simd
from fastcls._runtime import pacing, threads
from fastcls._search import plan, tree_loops
from fastcls._search import tree as _tree
from fastcls._search.rows import Rows, as_bytes, storage_of
from fastcls.metrics import METRICS

SERVED = [name for name, metric in METRICS.items() if metric.sum_is_rank_distance]
FLOATS = [name for name in NUMPY_TYPES if name.startswith("float")]
WIDTHS = range(1, _tree.MOST_FEATURES + 1)


@pytest.fixture(autouse=True)
def trees_of_few_rows(monkeypatch):
    monkeypatch.setattr(_tree, "LEAST_ROWS", 1)
    monkeypatch.setattr(threads, "_OPERATIONS_PER_THREAD", 1)
    monkeypatch.setattr(_tree, "_QUERIES_PER_THREAD", 1)


def search(chunks, Q, k, metric, algorithm="filter", n_threads=2, **options):
    queries = None if Q is None else Rows([np.ascontiguousarray(Q)])
    options |= {"algorithm": algorithm, "n_threads": n_threads}
    S, indices, report = plan.search(Rows(chunks), queries, k, metric, **options)
    assert report.path == ("brute" if algorithm == "brute" else "tree")
    return S, indices, report


def assert_tree_is_brute(chunks, Q, k, metric, what="", **options):
    """Same S, indices and order as brute force; returns the tree's report."""
    *got, report = search(chunks, Q, k, metric, **options)
    *wanted, _ = search(chunks, Q, k, metric, algorithm="brute", **options)
    assert_same_bytes(got, wanted, what)
    return report


def hard_cases(rng, n, d, dtype):
    """Name -> rows on which many S are equal, boxes are flat, or nothing is alike."""
    low = 0 if dtype == "uint8" else -3
    line = np.arange(n)[:, None] % 120 + np.arange(d)
    outliers = rng.integers(0, 4, size=(n, d))
    outliers[:: n // 5] = 100
    cases = {
        "grid": rng.integers(low, 4, size=(n, d)),
        "one point": np.full((n, d), 7),
        "two points": np.where(rng.random((n, 1)) < 0.5, 3, 90) * np.ones((1, d)),
        "line": line,
        "line of one axis": np.where(np.arange(d) == d // 2, line, 5),
        "outliers": outliers,
        "duplicates": np.repeat(random_rows(rng, -(-n // 50), d, dtype), 50, axis=0)[:n],
        "sorted": np.sort(random_rows(rng, n, d, dtype), axis=0),
        "reversed": np.sort(random_rows(rng, n, d, dtype), axis=0)[::-1],
        "spread": random_rows(rng, n, d, dtype),
    }
    return {name: np.ascontiguousarray(rows.astype(dtype)) for name, rows in cases.items()}


@pytest.mark.parametrize("metric", SERVED)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_equals_brute_force_at_every_width(metric, dtype):
    """Every width with every type, and with every metric; two thirds of the product."""
    rng = np.random.default_rng(0)
    n, turn = 500, NUMPY_TYPES.index(dtype) + SERVED.index(metric)
    for d in (width for width in WIDTHS if (width + turn) % 3):
        for at, (name, X) in enumerate(hard_cases(rng, n, d, dtype).items()):
            Q = np.concatenate([X[::50], random_rows(rng, 3, d, dtype)])
            for k in ((1, 10), (10, n), (1, n))[(d + at) % 3]:
                assert_tree_is_brute([X], Q, k, metric, f"{name}, {d} features, k = {k}", n_threads=1)


@pytest.mark.parametrize("metric", SERVED)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_equals_the_definition(metric, dtype):
    rng = np.random.default_rng(1)
    for d in (1, 3, 8, 15):
        X, Q = random_rows(rng, 300, d, dtype), random_rows(rng, 9, d, dtype)
        X[40:80] = Q[2]
        S, indices, _ = search([X], Q, 50, metric)
        assert_same_bytes((reference.distances(S, metric), indices), reference.kneighbors(Q, X, 50, metric), f"{d}")


@pytest.mark.parametrize("metric", SERVED)
@pytest.mark.parametrize("dtype", FLOATS)
def test_hostile_floats_equal_brute_force_on_every_isa(metric, dtype):
    rng = np.random.default_rng(2)
    before = simd.active()
    for d in (4, 13):
        for name, X in hostile_rows(rng, 500, d, dtype).items():
            wanted = search([X], X[::9], 20, metric, algorithm="brute", n_threads=1)[:2]
            for isa in simd.available():
                simd.use(isa)
                got = search([X], X[::9], 20, metric, n_threads=1)[:2]
                simd.use(before)
                assert_same_bytes(got, wanted, f"{name}, {d} features, {isa}")


def test_values_near_the_ends_of_float64_equal_brute_force():
    rng = np.random.default_rng(3)
    signs = rng.integers(-9, 10, size=(600, 3)).astype(np.float64)
    for scale in (1e150, 1e-162, 5e-324):  # squares near the largest; subnormal; differences are subnormal, squares 0
        X = signs * scale
        for metric in SERVED:
            assert_tree_is_brute([X], X[::7], 30, metric, f"{scale}")


@pytest.mark.parametrize("Q_dtype", NUMPY_TYPES)
@pytest.mark.parametrize("X_dtype", NUMPY_TYPES)
def test_mixed_types_equal_brute_force(Q_dtype, X_dtype):
    rng = np.random.default_rng(4)
    X, Q = random_rows(rng, 400, 3, "int8", 0, 40).astype(X_dtype), random_rows(rng, 30, 3, "int8", 0, 40).astype(Q_dtype)
    if X_dtype in FLOATS:
        X += rng.random(X.shape).astype(X_dtype)
    for metric in SERVED:
        assert_tree_is_brute([X], Q, 12, metric)


def test_number_of_rows_agnosticism():
    rng = np.random.default_rng(5)
    for n in [*range(1, 70), 127, 128, 129, 1023, 1025]:
        X = random_rows(rng, n, 2, "uint8", 0, 9)
        assert_tree_is_brute([X], X[: n // 2 + 1], 1 + n // 3, "l1", f"{n} rows")


@pytest.mark.parametrize("metric", SERVED)
def test_n_threads_and_piece_agnosticism(metric, monkeypatch):
    rng = np.random.default_rng(6)
    X, Q = random_rows(rng, 3000, 3, "float32"), random_rows(rng, 200, 3, "float32")
    X[::3] = np.round(X[::3])
    *wanted, whole = search([X], Q, 11, metric, n_threads=1)
    for n_threads in (2, 3):
        *got, report = search([X], Q, 11, metric, n_threads=n_threads)
        assert report.threads == n_threads
        assert_same_bytes(got, wanted)
    monkeypatch.setattr(pacing, "CHUNK_SECONDS", 0.0)  # one query at a time after the first chunk
    monkeypatch.setattr(_tree, "_SUBTREE_ROWS", 200)
    monkeypatch.setattr(_tree, "_SUBTREES_PER_CHUNK", 1)
    *got, cut = search([X], Q, 11, metric)
    assert cut.chunks > 100 > whole.chunks
    assert cut.computed == whole.computed, "the same tree, whatever it is made in"
    assert_same_bytes(got, wanted)


@pytest.mark.parametrize("metric", SERVED)
def test_chunks_and_their_growth_change_nothing(metric):
    rng = np.random.default_rng(7)
    X, Q = random_rows(rng, 2000, 3, "uint8", 0, 12), random_rows(rng, 50, 3, "uint8", 0, 12)
    wanted = search([X], Q, 25, metric, algorithm="brute")[:2]
    assert_same_bytes(search([X[:900], X[900:901], X[901:]], Q, 25, metric)[:2], wanted)
    rows = Rows([X[:900]])
    plan.prepare(rows, metric, 25, 2, "filter")
    (first,) = rows.filters["tree"].chunks
    rows.chunks += [X[900:1500], X[1500:]]
    S, indices, report = plan.search(rows, Rows([Q[:20], Q[20:]]), 25, metric, algorithm="filter", n_threads=2)
    assert_same_bytes((S, indices), wanted)
    assert rows.filters["tree"].chunks[0] is first, "existing trees are not built again"
    assert report.filter_bytes == rows.filters["tree"].nbytes


@pytest.mark.parametrize("metric", SERVED)
@pytest.mark.parametrize("n_groups", [2, 5, 1500])
def test_a_group_never_sees_itself(metric, n_groups):
    rng = np.random.default_rng(8)
    X = random_rows(rng, 1500, 3, "uint8", 0, 6)
    groups = np.arange(1500) % n_groups
    near = (X[:, 0].astype(np.int64) * n_groups) // 7  # all that is near is of the own group
    for of_rows in (groups, near) if n_groups < 7 else (groups,):
        options = {"query_groups": of_rows, "row_groups": of_rows}
        _, indices, _ = search([X[:700], X[700:]], None, 14, metric, **options)
        assert (of_rows[indices] != of_rows[:, None]).all()
        assert_tree_is_brute([X[:700], X[700:]], None, 14, metric, **options)


@settings(max_examples=75, deadline=None)
@given(st.data())
def test_any_small_integers_equal_brute_force(data):
    n, d = data.draw(st.integers(1, 200)), data.draw(st.integers(1, 5))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    dtype, top = data.draw(st.sampled_from(NUMPY_TYPES)), data.draw(st.integers(0, 20))
    X, Q = (rng.integers(0, top + 1, size=(m, d)).astype(dtype) for m in (n, 8))
    cut = data.draw(st.integers(0, n))
    chunks = [part for part in (X[:cut], X[cut:]) if len(part)]
    assert_tree_is_brute(chunks, Q, data.draw(st.integers(1, n)), data.draw(st.sampled_from(SERVED)))


def test_boxes_hold_their_rows_and_leaves_share_them_out():
    rng = np.random.default_rng(9)
    X = random_rows(rng, 1000, 3, "float16")
    tree = _tree._OfChunk.make(X, 2)
    n_leaves = len(tree.lowest) // 2
    assert np.array_equal(np.sort(tree.order), np.arange(1000))
    for node in range(1, 2 * n_leaves):
        n_nodes = 1 << (node.bit_length() - 1)
        first, end = 1000 * (node - n_nodes) // n_nodes, 1000 * (node + 1 - n_nodes) // n_nodes
        rows = tree.order[first:end]
        assert end - first <= _tree.tree_loops.MOST_ROWS_OF_LEAF or node < n_leaves
        assert tree.lowest[node] == rows.min()
        assert_same_bytes(tree.boxes[node], np.stack([X[rows].min(axis=0), X[rows].max(axis=0)]).astype(np.float64))


def test_nearly_all_pairs_are_ruled_out():
    rng = np.random.default_rng(10)
    X, Q = rng.normal(size=(20_000, 3)), rng.normal(size=(300, 3))
    _, _, report = search([X], Q, 10, "l2")
    assert report.kernel == "boxes"
    assert report.pairs == 6_000_000
    assert 300 * 10 <= report.computed < 300 * 400


@pytest.mark.parametrize("metric", SERVED)
def test_a_thousand_equal_rows_do_not_cost_a_thousand_sums(metric):
    """Their indices decide, and boxes know the lowest."""
    X = np.repeat(np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 5.0]]), 10_000, axis=0)
    rng = np.random.default_rng(11)
    X = X[rng.permutation(len(X))]
    Q = np.tile([[0.1, 0.0], [0.5, 0.0]], (50, 1))
    report = assert_tree_is_brute([X], Q, 10, metric)
    assert report.computed < 100 * 200


def test_rows_are_neither_copied_nor_changed():
    import tracemalloc

    rng = np.random.default_rng(12)
    X = rng.normal(size=(200_000, 15))
    kept = X.copy()
    X.flags.writeable = False
    model = NearestNeighbors(10, n_jobs=2)
    tracemalloc.start()
    model.fit(X)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert model._rows.chunks[0] is X
    assert np.array_equal(X, kept)
    tree = model._rows.filters["tree"]
    assert tree.nbytes < 0.35 * X.nbytes
    assert held < tree.nbytes + (1 << 20)


def test_progress_counts_every_pair():
    rng = np.random.default_rng(13)
    X, Q = random_rows(rng, 900, 2, "float64"), random_rows(rng, 400, 2, "float64")
    calls = []
    _, _, report = search([X], Q, 3, "l2", progress=lambda done, total: calls.append((done, total)))
    assert len(calls) == report.chunks > 1
    assert calls == sorted(calls)
    assert calls[-1] == (360_000, 360_000)


def test_an_interrupted_search_leaves_the_tree_whole():
    rng = np.random.default_rng(14)
    X, Q = random_rows(rng, 900, 2, "float64"), random_rows(rng, 400, 2, "float64")
    rows = Rows([X])

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plan.search(rows, Rows([Q]), 3, "l2", n_threads=2, algorithm="filter", progress=interrupt)
    S, indices, _ = plan.search(rows, Rows([Q]), 3, "l2", n_threads=2, algorithm="filter")
    assert_same_bytes((S, indices), search([X], Q, 3, "l2", algorithm="brute")[:2])


def test_what_does_not_pay_is_given_up_and_remembered():
    rng = np.random.default_rng(15)
    X, Q = random_rows(rng, 10_000, 15, "float32"), random_rows(rng, 300, 15, "float32")
    wanted = search([X], Q, 10, "l2", algorithm="brute")[:2]
    model = NearestNeighbors(10, n_jobs=2).fit(X)
    for path in ("tree then brute", "brute"):
        distances, indices = model.kneighbors(Q)
        report = model.search_report_
        assert report.path == path
        assert_same_bytes((distances, indices), (np.sqrt(wanted[0]), wanted[1]))
    assert report.computed == report.pairs
    model.set_params(metric="l1").fit(X)
    assert model._rows.filters["tree"].is_profitable(METRICS["l1"], 10)


def test_pairs_before_and_after_giving_up_are_counted_once():
    rng = np.random.default_rng(16)
    X, Q = random_rows(rng, 10_000, 15, "float32"), random_rows(rng, 300, 15, "float32")
    calls = []
    report = plan.search(Rows([X]), Rows([Q]), 10, "l2", n_threads=2, progress=lambda done, total: calls.append(done))[2]
    assert report.path == "tree then brute"
    assert calls[-1] == report.pairs == 3_000_000
    assert report.pairs * 0.95 < report.computed < report.pairs


def test_planner_takes_the_tree_only_where_it_is_profitable(monkeypatch):
    monkeypatch.undo()
    rng = np.random.default_rng(17)
    many, few = rng.normal(size=(20_000, 3)), rng.normal(size=(2000, 3))

    def path(X, Q, metric="l2", algorithm="auto"):
        return plan.search(Rows([X]), Rows([Q]), 5, metric, n_threads=2, algorithm=algorithm)[2].path

    assert path(many, many[:3000]) == "tree"
    assert path(many, many[:3]) == "brute", "the tree would take longer to make"
    assert path(few, few) == "brute"
    assert path(many, many[:3000], metric="cosine") == "brute"
    assert path(many, many[:3000], algorithm="brute") == "brute"
    assert path(np.repeat(many, 6, axis=1), np.repeat(many, 6, axis=1)[:3000]) == "brute"
    assert path(many, many[:3], algorithm="filter") == "tree"
    model = NearestNeighbors(5).fit(many)
    model.kneighbors(many[:3])
    assert model.search_report_.path == "tree", "made by fit"


def test_functions_and_pickles_take_the_tree_too():
    import pickle

    rng = np.random.default_rng(18)
    X, Q = rng.normal(size=(12_000, 2)), rng.normal(size=(3000, 2))
    model = NearestNeighbors(4).fit(X)
    wanted = NearestNeighbors(4, algorithm="brute").fit(X).kneighbors(Q)
    assert_same_bytes(model.kneighbors(Q), wanted)
    assert_same_bytes(knn(Q, X, 4), wanted)
    assert_same_bytes(pickle.loads(pickle.dumps(model)).kneighbors(Q), wanted)


def test_halves_are_separated_whatever_the_pivots_are():
    """Quickselect's pivot is sometimes the smallest key of all: those rows are left out of the next step, one by one."""
    rng = np.random.default_rng(0)
    for n in [*range(2, 80), *rng.integers(80, 500, 1500).tolist()]:
        X = rng.standard_normal((n, 1))
        order = np.arange(n, dtype=np.int32)
        keys, lowest, boxes = np.full((n + 2, 2), np.nan), np.empty(4, dtype=np.int32), np.empty((4, 2, 1))
        tree_loops.halve_level(as_bytes(X), storage_of(X), order, keys[1:-1], lowest, boxes, 1, 1)
        assert sorted(order.tolist()) == list(range(n))
        assert n == 1 or X[order[: n // 2]].max() < X[order[n // 2 :]].min(), n
        assert np.isnan(keys[[0, -1]]).all()
