"""The neighbours estimators: scikit-learn's contract, leave-one-out, reports, memory."""

import logging
import multiprocessing
import pickle
import threading
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastcls
from fastcls import KNeighborsClassifier, NearestNeighbors, _config, metrics, reference
from fastcls._search.report import SearchReport
from fastcls._validation.errors import InputError


@pytest.fixture
def digits():
    from sklearn.datasets import load_digits

    X, y = load_digits(return_X_y=True)
    return X.astype(np.uint8), y


REPEATED_ROWS = "a row of weight 2 has one vote of 2, and takes one place among the k; a row that stands twice takes two"
SHARES = "a label that all neighbours have, or none, has a share of 1 or 0, which the check allows in a list of arrays only"
ONE_VOTE = "where one neighbour votes, what its vote is multiplied by decides nothing"


def contradicts_the_vote(estimator):
    if not isinstance(estimator, KNeighborsClassifier):
        return {}
    found = {} if estimator.class_weight else {"check_classifiers_multilabel_output_format_predict_proba": SHARES}
    if estimator.n_neighbors == 1:
        return {**found, "check_class_weight_classifiers": ONE_VOTE}
    return {**found, "check_sample_weight_equivalence_on_dense_data": REPEATED_ROWS}


@parametrize_with_checks(
    [
        KNeighborsClassifier(),
        KNeighborsClassifier(1, metric="cosine", weights="distance"),
        KNeighborsClassifier(class_weight="balanced"),
        NearestNeighbors(2),
    ],
    expected_failed_checks=contradicts_the_vote,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("metric", list(metrics.METRICS))
def test_leave_one_out_is_refitting_without_the_row(metric):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 3, size=(40, 3)).astype(np.uint8), rng.integers(0, 3, size=40)
    model = KNeighborsClassifier(4, metric=metric).fit(X, y)
    distances, indices = model.kneighbors()
    predicted = model.predict(None)
    for i in range(40):
        others = np.delete(np.arange(40), i)
        wanted = reference.kneighbors(X[i : i + 1], X[others], 4, metric)
        assert np.array_equal(distances[i], wanted[0][0])
        assert np.array_equal(indices[i], others[wanted[1][0]])
        refitted = KNeighborsClassifier(4, metric=metric).fit(X[others], y[others])
        assert predicted[i] == refitted.predict(X[i : i + 1])[0]


def test_smaller_k_is_a_prefix(digits):
    X, y = digits
    model = KNeighborsClassifier(20).fit(X, y)
    distances, indices = model.kneighbors(X[:50])
    fewer = model.kneighbors(X[:50], n_neighbors=7)
    assert np.array_equal(fewer[0], distances[:, :7])
    assert np.array_equal(fewer[1], indices[:, :7])


def test_l2_and_sqeuclidean_have_the_same_neighbors(digits):
    X, _ = digits
    d, i = fastcls.knn(X[:100], X, 9, "l2")
    squared, j = fastcls.knn(X[:100], X, 9, "sqeuclidean")
    assert np.array_equal(i, j)
    assert np.array_equal(d, np.sqrt(squared))


def test_aliases_and_minkowski(digits):
    X, y = digits
    for name, alias in [("l1", "manhattan"), ("l1", "cityblock"), ("l2", "euclidean")]:
        wanted = KNeighborsClassifier(3, metric=name).fit(X, y).kneighbors(X[:20])
        got = KNeighborsClassifier(3, metric=alias).fit(X, y).kneighbors(X[:20])
        assert np.array_equal(wanted[0], got[0])
    for p, name in [(1, "l1"), (2, "l2")]:
        assert KNeighborsClassifier(3, metric="minkowski", p=p).fit(X, y).effective_metric_ == name


def test_training_bytes_are_referenced_not_copied(digits):
    X, y = digits
    X = np.ascontiguousarray(X)
    model = KNeighborsClassifier().fit(X, y)
    assert model._rows.chunks[0] is X
    model.predict(X[:5])
    assert model.search_report_.copied_bytes == 0
    assert model.search_report_.arithmetic == "integer"
    protected = KNeighborsClassifier().fit(X, y, copy=True)
    assert not np.may_share_memory(protected._rows.chunks[0], X)


def test_strided_input_is_copied_once_and_reported(digits):
    X, y = digits
    strided = np.repeat(X, 2, axis=1)[:, ::2]
    model = KNeighborsClassifier().fit(strided, y)
    model.predict(np.ascontiguousarray(X[:5]))
    assert model.search_report_.copied_bytes == X.nbytes


def test_other_integers_become_float64_with_one_logged_line(digits, caplog):
    X, y = digits
    with caplog.at_level(logging.INFO, logger="fastcls"):
        model = KNeighborsClassifier().fit(X.astype(np.int32), y)
    assert [record.getMessage() for record in caplog.records] == [
        "X: int32 converted to float64 (uint8 and int8 are kept as they are)"
    ]
    model.predict(X[:3])
    assert "X: int32 converted to float64 (uint8 and int8 are kept as they are)" in model.search_report_.notes


def test_search_report_belongs_to_the_thread_and_is_not_kept(digits):
    X, y = digits
    model = KNeighborsClassifier().fit(X, y)
    assert model.search_report_ is None
    before = set(vars(model))
    model.predict(X[:7])
    assert isinstance(model.search_report_, SearchReport)
    assert (model.search_report_.n_queries, model.search_report_.pairs) == (7, 7 * len(X))
    assert set(vars(model)) == before
    seen = []
    thread = threading.Thread(target=lambda: seen.append(model.search_report_))
    thread.start()
    thread.join()
    assert seen == [None]
    assert pickle.loads(pickle.dumps(model)).search_report_ is None
    with pytest.raises(AttributeError):
        model.search_report_ = None
    assert clone(model).search_report_ is None


def test_library_prints_nothing(digits, capfd):
    X, y = digits
    KNeighborsClassifier().fit(X.astype(np.int64), y).predict(X[:50])
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("algorithm", ["ball_tree", "kd_tree"])
def test_trees_mean_auto_with_one_warning(digits, algorithm):
    X, y = digits
    with pytest.warns(UserWarning, match="means 'auto'") as caught:
        model = KNeighborsClassifier(algorithm=algorithm).fit(X, y)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.predict(X[:5])


def _predict_in_child(model, X, answers):
    answers.put((model.predict(X), model.search_report_.notes, model.search_report_.threads))


@pytest.mark.process
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_forked_after_a_parallel_search_can_search(digits):
    X, y = digits
    model = KNeighborsClassifier(n_jobs=2).fit(X, y)
    wanted = model.predict(X)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    child = context.Process(target=_predict_in_child, args=(model, X, answers))
    child.start()
    child.join(timeout=60)
    hung = child.is_alive()
    child.kill()
    assert not hung
    predicted, notes, threads = answers.get()
    assert np.array_equal(predicted, wanted)
    assert threads == 1 or not notes
    assert any("forked" in note for note in notes)


def test_threads_follow_threadpoolctl(digits):
    from threadpoolctl import threadpool_limits

    if not _config.config()["openmp"]:
        pytest.skip("built without OpenMP")
    X, y = digits
    model = KNeighborsClassifier(n_jobs=2).fit(X, y)
    model.predict(X)
    assert model.search_report_.threads == 2
    with threadpool_limits(1):
        model.predict(X)
    assert model.search_report_.threads == 1


def test_threads_follow_the_environment(monkeypatch):
    from fastcls._runtime import threads as _threads

    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert _threads.effective(None) == (3 if _config.config()["openmp"] else 1)
    monkeypatch.setenv("OMP_NUM_THREADS", "")
    assert _threads.effective(None) >= 1


def test_show_config_shows_openmp_and_threads(capsys):
    fastcls.show_config()
    shown = capsys.readouterr().out
    for word in ("OpenMP", "threads", "numpy", fastcls.__version__):
        assert word in shown


@pytest.mark.parametrize("mode", ["connectivity", "distance"])
@pytest.mark.parametrize("made", [KNeighborsClassifier, NearestNeighbors])
def test_graph_has_the_neighbors_of_kneighbors(made, mode):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 3, size=(60, 3)).astype(np.uint8), rng.integers(0, 3, size=60)
    model = made(7).fit(X, y)
    for Q, k in ((None, None), (None, 3), (X[:10], None), (X[:10] + 1, 60)):
        distances, indices = model.kneighbors(Q, k)
        graph = model.kneighbors_graph(Q, k, mode=mode)
        assert graph.shape == (len(distances), 60)
        assert graph.format == "csr"
        assert graph.nnz == distances.size, "a distance of 0 is an entry"
        assert np.array_equal(graph.indices.reshape(distances.shape), indices)
        wanted = distances if mode == "distance" else np.ones_like(distances)
        assert np.array_equal(graph.data.reshape(distances.shape), wanted)
    assert (model.kneighbors_graph().diagonal() == 0).all()


def test_graph_works_as_precomputed_neighbors(digits):
    from sklearn.cluster import DBSCAN
    from sklearn.neighbors import KNeighborsClassifier as Theirs
    from sklearn.neighbors import KNeighborsTransformer

    X, y = digits[0][:400], digits[1][:400]
    Q = digits[0][400:500]
    ours = NearestNeighbors(9).fit(X)
    theirs = KNeighborsTransformer(n_neighbors=8, mode="distance", algorithm="brute").fit(X.astype(np.float64))
    graph, wanted = ours.kneighbors_graph(X, mode="distance"), theirs.transform(X.astype(np.float64))
    assert graph.shape == wanted.shape
    np.testing.assert_allclose(graph.data, wanted.data, atol=1e-5)  # theirs come from a GEMM: of a row to itself 1e-6, not 0
    model = Theirs(5, metric="precomputed").fit(graph, y)
    apart = ours.kneighbors(Q, 6)[0]
    clear = apart[:, 4] < apart[:, 5]  # of equal distances theirs takes either
    assert np.array_equal(
        model.predict(ours.kneighbors_graph(Q, mode="distance"))[clear], KNeighborsClassifier(5).fit(X, y).predict(Q)[clear]
    )
    eps = float(np.median(graph.data))
    labels = DBSCAN(eps=eps, min_samples=4, metric="precomputed").fit_predict(graph)
    assert labels.max() > 0


def test_graph_of_an_unknown_mode_is_refused():
    with pytest.raises(InputError, match=r"mode='weights' is unknown; choose one of: connectivity, distance"):
        NearestNeighbors(1).fit([[0.0], [1.0]]).kneighbors_graph(mode="weights")
