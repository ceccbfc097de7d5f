"""The search by radius: the sets, bits and order of the plain version and of scikit-learn, on every path."""

import itertools

import numpy as np
import pytest
from _filter_cases import low_rank, stored
from _rows import assert_same_bytes, hostile_rows
from sklearn import neighbors as theirs
from sklearn.datasets import load_digits

import fastcls
from fastcls import InputError, KNeighborsClassifier, NearestNeighbors, duplicates, reference
from fastcls._runtime import memory
from fastcls._search import radius as by_radius
from fastcls._search.rows import Rows
from fastcls.metrics import METRICS

DTYPES = ("uint8", "int8", "float16", "float32", "float64")


def assert_same(found, wanted, what=""):
    """Two pairs of (distances, indices), arrays of arrays, are equal bit for bit."""
    for of_found, of_wanted in zip(found, wanted, strict=True):
        assert len(of_found) == len(of_wanted), what
        assert_same_bytes(of_found, of_wanted, what)


def a_few_radii(Q, X, metric):
    """0, radii that are distances, one between two distances, and one that catches all rows."""
    D = np.unique(reference.distances(reference.rank_distances(Q, X, metric), metric))
    return [0.0, D[len(D) // 50], D[len(D) // 9] / 2 + D[-(-len(D) // 8) - 1] / 2, D[-1]]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(("dtype", "d"), [*itertools.product(DTYPES, (40,)), ("float64", 2), ("uint8", 3), ("float32", 9)])
def test_is_the_plain_version_to_the_last_bit(dtype, d, metric):
    rng = np.random.default_rng(d)
    X = stored(np.repeat(low_rank(rng, 150, d), 2, axis=0), dtype)
    Q = np.concatenate([X[:10], stored(low_rank(rng, 10, d), dtype)])
    models = [NearestNeighbors(metric=metric, algorithm=name).fit(X) for name in ("brute", "filter")]
    for radius in a_few_radii(Q, X, metric):
        wanted = reference.radius_neighbors(Q, X, radius, metric)
        for model, n_jobs in itertools.product(models, (1, 2)):
            found = model.set_params(n_jobs=n_jobs).radius_neighbors(Q, radius)
            assert_same(found, wanted, f"{model.algorithm}, radius {radius}, {n_jobs} threads")
            assert_same(model.radius_neighbors(Q[:1], radius), [part[:1] for part in wanted])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_is_the_plain_version_on_hostile_rows(dtype):
    rng = np.random.default_rng(1)
    for (name, X), metric in zip(hostile_rows(rng, 120, 33, dtype).items(), itertools.cycle(["l1", "l2"])):
        wide = X[::11]
        model = NearestNeighbors(metric=metric, algorithm="filter").fit(X)
        for radius in a_few_radii(wide, X, metric):
            assert_same(model.radius_neighbors(wide, radius), reference.radius_neighbors(wide, X, radius, metric), name)


def test_through_a_tree_and_few_features():
    """Rows of few features take a kernel of their own, which starts from sorted neighbours, and a tree if they are many."""
    rng = np.random.default_rng(0)
    X, Q = (rng.integers(0, 400, size=(n, 2)).astype(np.float64) for n in (10_500, 8))
    for metric, radius in itertools.product(("l1", "l2"), (0.0, 5.0, 25.0)):
        wanted = reference.radius_neighbors(Q, X, radius, metric)
        paths = set()
        for algorithm, n in itertools.product(("brute", "filter"), (8, 3)):
            model = NearestNeighbors(metric=metric, algorithm=algorithm, n_jobs=2).fit(X)
            what = f"{metric}, {radius}, {algorithm}"
            assert_same(model.radius_neighbors(Q[:n], radius), [part[:n] for part in wanted], what)
            paths.add(model.search_report_.path)
        assert paths == {"brute", "tree"}


@pytest.mark.parametrize("metric", METRICS)
def test_a_radius_that_is_a_distance_is_within(metric):
    """Also where the square of a rounded root is below the sum, which a comparison of squares would lose."""
    X = np.random.default_rng(2).normal(size=(400, 5))
    distances, indices = fastcls.knn(X[:40], X, 9, metric)
    model = NearestNeighbors(metric=metric).fit(X)
    for i in range(40):
        assert list(model.radius_neighbors(X[i : i + 1], distances[i, -1])[1][0]) == list(indices[i])
        below = np.nextafter(distances[i, -1], 0)
        assert list(model.radius_neighbors(X[i : i + 1], below)[1][0]) == list(indices[i, distances[i] <= below])
    if metric == "l2":
        assert (distances**2 < reference.rank_distances(X[:40], X, "l2")[np.arange(40)[:, None], indices]).any()


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("radius", [0.0, 5e-324, 1e-170, 0.1, 1.0, 1.5, 3.0, 1e154, 1.7e308])
def test_the_first_rank_distance_beyond_a_radius_is_the_first(metric, radius):
    beyond = METRICS[metric].rank_distance_beyond(radius)
    last = np.nextafter(beyond, 0)
    assert METRICS[metric].to_distance(np.array([last]))[0] <= radius
    assert beyond == np.inf or METRICS[metric].to_distance(np.array([beyond]))[0] > radius


@pytest.mark.parametrize("metric", ["l1", "l2", "cosine"])
def test_finds_the_sets_of_scikit_learn(metric):
    X = load_digits().data.astype(np.uint8)
    mine = NearestNeighbors(metric=metric)
    other = theirs.NearestNeighbors(metric="manhattan" if metric == "l1" else metric, algorithm="brute")
    # whole-numbered sums, so that both decide the same way on the boundary; cosines are compared away from it
    radius = {"l1": 150, "l2": 20.0, "cosine": 0.1}[metric]
    found = mine.fit(X).radius_neighbors(X[:300], radius)
    wanted = other.fit(X.astype(np.float64)).radius_neighbors(X[:300].astype(np.float64), radius, sort_results=True)
    for (mine_d, mine_i), (their_d, their_i) in zip(zip(*found, strict=True), zip(*wanted, strict=True), strict=True):
        assert set(mine_i) == set(their_i)
        np.testing.assert_allclose(mine_d, their_d, atol=1e-7)
    assert min(map(len, found[1])) < max(map(len, found[1])) / 4
    graph, wanted = (model.radius_neighbors_graph(X[:300], radius, mode="distance") for model in (mine, other))
    np.testing.assert_allclose(graph.toarray(), wanted.toarray(), atol=1e-7)
    others = mine.radius_neighbors(None, radius)[1]
    for mine_i, their_i in zip(others, other.radius_neighbors(None, radius)[1], strict=True):
        assert set(mine_i) == set(their_i)


@pytest.mark.parametrize(("name", "metric"), [("mnist", "l1"), ("mnist", "l2"), ("debian_minilm_f16.npy", "cosine")])
def test_on_real_data_the_filter_finds_what_brute_force_finds(name, metric, shared_data):
    path = shared_data(name)
    X = np.load(path)[:8000] if name.endswith("npy") else np.ascontiguousarray(fastcls.datasets.load(path).X[:8000])
    X, Q = X[200:], X[:200]
    filtered, brute = (NearestNeighbors(metric=metric, algorithm=name).fit(X) for name in ("filter", "brute"))
    radius = float(np.median(brute.kneighbors(Q, 30)[0][:, -1]))
    assert_same(filtered.radius_neighbors(Q, radius), brute.radius_neighbors(Q, radius))
    report, full = filtered.search_report_, brute.search_report_
    assert report.path == "filter"
    assert full.computed == full.pairs >= 200 * 7800
    assert report.computed < full.computed / 8
    assert report.n_results == full.n_results > 2000
    assert "radius = " in str(report)


def test_needs_less_work_than_the_nearest_neighbours_with_as_many_results():
    """Smooth rows with a heavy tail of counts; the threshold of the radius rules rows out from the first row on."""
    rng = np.random.default_rng(4)
    walks = (np.cumsum(rng.normal(size=(n, 256)), axis=1) * rng.gamma(2.0, 0.5, size=(n, 1)) for n in (6000, 320))
    X, Q = (np.clip(128 + 2 * walk, 0, 255).astype(np.uint8) for walk in walks)
    model = NearestNeighbors(20, metric="l1", algorithm="filter").fit(X)
    S = fastcls.pairwise_distances(Q, X, "l1")
    model.kneighbors(Q)
    nearest = model.search_report_
    model.radius_neighbors(Q, np.partition(S.ravel(), 320 * 20)[320 * 20])
    within = model.search_report_
    assert within.n_results == pytest.approx(320 * 20, rel=0.01)
    assert within.k > 64
    assert any("searched again" in note for note in within.notes)  # which is counted too
    assert within.pairs < 1.2 * nearest.pairs
    assert within.computed < nearest.computed
    for mine, other in zip(within.levels, nearest.levels, strict=True):
        assert mine.pairs_out < other.pairs_out


def test_queries_with_more_results_than_places_are_searched_again(monkeypatch):
    """Equal rows: 79 neighbours for 4 % of the queries, and none for the others."""
    rng = np.random.default_rng(5)
    X = rng.integers(0, 255, size=(2000, 40), dtype=np.uint8)
    X[1000:1080] = 7
    monkeypatch.setattr(by_radius, "_COPIED_BYTES", 40 * 30)  # thirty queries at a time
    for algorithm, cut in (("brute", 1020), ("filter", None), ("filter", 1020)):
        model = NearestNeighbors(metric="l1", algorithm=algorithm).fit(X if cut is None else X[:cut])
        if cut:
            model.partial_fit(X[cut:])
        distances, indices = model.radius_neighbors(None, 0)
        assert [len(of_row) for of_row in indices] == [79 if 1000 <= i < 1080 else 0 for i in range(2000)]
        for i in (1000, 1044, 1079):
            np.testing.assert_array_equal(indices[i], np.delete(np.arange(1000, 1080), i - 1000))
            assert not distances[i].any()
        report = model.search_report_
        assert (report.k, report.n_results) == (79, 80 * 79)
        assert "80 queries with more results than expected were searched again" in report.notes
        assert report.pairs == 2080 * 2000


def test_empty_results_and_the_rows_themselves():
    X = np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 4.0], [50.0, 0.0]])
    model = NearestNeighbors(radius=5.0).fit(X)
    distances, indices = model.radius_neighbors()
    assert distances.dtype == indices.dtype == object
    assert [part.tolist() for part in indices] == [[1, 2], [2, 0], [1, 0], []]
    assert [part.tolist() for part in distances] == [[5, 5], [0, 5], [0, 5], []]
    assert (indices[3].dtype, distances[3].dtype) == (np.int64, np.float64)
    assert [part.tolist() for part in model.radius_neighbors(X[:2], 0.5, return_distance=False)] == [[0], [1, 2]]
    graph = model.radius_neighbors_graph(mode="distance", sort_results=True)
    assert graph.shape == (4, 4)
    assert (graph.indptr.tolist(), graph.data.tolist()) == ([0, 2, 4, 6, 6], [5, 5, 0, 5, 0, 5])
    assert model.radius_neighbors_graph(X[:1] + 900).nnz == 0
    assert model.radius_neighbors_graph(X[1:2]).toarray().tolist() == [[1, 1, 1, 0]]


def test_rows_of_weight_0_are_never_found():
    X = np.arange(6.0)[:, None]
    model = KNeighborsClassifier(1).fit(X, list("aabbcc"), sample_weight=[1, 0, 1, 1, 0, 1])
    assert [part.tolist() for part in model.radius_neighbors(X[:2], 2.0)[1]] == [[0, 2], [0, 2, 3]]
    others = [part.tolist() for part in model.radius_neighbors(None, 2.0)[1]]
    assert others == [[2], [0, 2, 3], [3, 0], [2, 5], [3, 5, 2], [3]]


def test_a_saved_model_keeps_its_radius(tmp_path):
    X = np.random.default_rng(0).normal(size=(50, 3))
    model = NearestNeighbors(radius=0.7).fit(X)
    model.save(tmp_path / "rows.safetensors")
    loaded = fastcls.load(tmp_path / "rows.safetensors")
    assert loaded.radius == 0.7
    assert_same(loaded.radius_neighbors(X[:9]), model.radius_neighbors(X[:9]))


ROWS = np.zeros((40, 3))
FITTED = NearestNeighbors().fit(ROWS)
REFUSALS = {
    "negative": (lambda: FITTED.radius_neighbors(ROWS, -1), r"^radius=-1; wanted a finite number of at least 0$"),
    "NaN": (lambda: FITTED.radius_neighbors(ROWS, np.nan), r"^radius=nan; wanted a finite number of at least 0$"),
    "infinite": (lambda: FITTED.radius_neighbors_graph(ROWS, np.inf), r"^radius=inf; wanted a finite number"),
    "text": (lambda: FITTED.radius_neighbors(ROWS, "1"), r"^radius='1'; wanted a finite number"),
    "one per query": (lambda: FITTED.radius_neighbors(ROWS, np.ones(40)), r"radius=array.*wanted a finite number"),
    "in fit": (lambda: NearestNeighbors(radius=-2.0).fit(ROWS), r"^radius=-2.0; wanted a finite number of at least 0$"),
    "of no estimator": (
        lambda: KNeighborsClassifier(1).fit(ROWS, [0, 1] * 20).radius_neighbors(ROWS),
        r"^radius=None, and KNeighborsClassifier has no radius of its own: give a radius$",
    ),
    "mode": (lambda: FITTED.radius_neighbors_graph(ROWS, 1.0, "adjacency"), r"mode='adjacency' is unknown"),
    "switch": (lambda: FITTED.radius_neighbors(ROWS, 1.0, sort_results=2), r"sort_results=2; wanted True or False"),
    "width": (lambda: FITTED.radius_neighbors(ROWS[:, :2], 1.0), r"X has 2 features, but NearestNeighbors is expecting 3"),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_refusals(case):
    call, message = REFUSALS[case]
    with pytest.raises(InputError, match=message):
        call()


def test_results_that_do_not_fit_are_refused_with_their_number(monkeypatch):
    rows = np.zeros((300, 2))
    model = NearestNeighbors().fit(rows)
    monkeypatch.setattr(memory, "_SMALL", 0)
    monkeypatch.setattr(memory, "free_bytes", lambda: 60_000.0)  # 300 x 300 x 32 bytes are needed
    with pytest.raises(InputError, match=r"radius=1 has about 90,000 results .* 60,000 are free: use a smaller radius, or"):
        model.radius_neighbors(rows, 1)
    with pytest.raises(InputError, match=r"radius=1 has at least 30,000 results for 100 of 100 queries, of 32 bytes each"):
        model.radius_neighbors(rows[:100], 1)
    with pytest.raises(InputError, match=r"has at least 9,900 results for 100 of 100 queries, of 32 bytes each"):
        NearestNeighbors().fit(rows[:100]).radius_neighbors(None, 1)  # none of them the row itself
    with pytest.raises(InputError, match=r"has at least 4,950 results for 100 of 100 queries, of 40 bytes each"):
        duplicates(rows[:100])  # every pair once
    assert len(model.radius_neighbors(rows[:2], 1)[0][1]) == 300


def test_rows_are_taken_from_several_chunks():
    rows = Rows([np.arange(6.0).reshape(3, 2), np.arange(6.0, 10.0).reshape(2, 2)])
    np.testing.assert_array_equal(by_radius._rows_at(rows, np.array([0, 2, 3])), [[0, 1], [4, 5], [6, 7]])
