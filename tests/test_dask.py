"""Over a Dask cluster of real processes: the bytes of one process, whatever dies; nothing large in the scheduler's hands."""

import itertools
import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import fastcls
from fastcls import _threads, datasets, optim
from fastcls._validation import InputError

sys.path.insert(0, str(Path(__file__).parent))
from _rows import assert_same_bytes, python

pytest.importorskip("distributed", reason="distributed is not installed")
import dask.array as da
from dask import delayed
from distributed import Client, LocalCluster

import fastcls.dask as over
from fastcls.dask import _crew, _inputs, _merge, _neighbors, _problem

LARGEST = 1 << 20  # bytes of an array that the scheduler may see


def started(n_workers, threads_per_worker=1):
    cluster = LocalCluster(
        n_workers=n_workers, threads_per_worker=threads_per_worker, processes=True, memory_limit=0, dashboard_address=":0"
    )
    return Client(cluster, set_as_default=False)


@pytest.fixture(scope="module", autouse=True)
def environment_is_left_as_it_was():
    """Dask sets OMP_NUM_THREADS and the like in this process too, when its nannies start workers."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def client():
    """Two workers of one thread each."""
    with started(2) as client:
        yield client
        client.cluster.close()


@pytest.fixture(scope="module")
def others():
    """A cluster of one worker with two threads, and one of four workers."""
    with started(1, 2) as one, started(4) as four:
        yield one, four
        one.cluster.close()
        four.cluster.close()


@pytest.fixture(autouse=True)
def graph_arrays_are_small(monkeypatch):
    """No graph that any client of a test sends to its scheduler is as large as one large array."""
    seen = []
    send = Client._send_to_scheduler

    def look(self, message):
        if message.get("op") == "update-graph":
            seen.append(sum(memoryview(frame).nbytes for frame in message["expr_ser"].frames))
            assert seen[-1] <= LARGEST, f"a graph of {seen[-1]:,} bytes"
        return send(self, message)

    monkeypatch.setattr(Client, "_send_to_scheduler", look)
    return seen


def kill(client, address):
    """SIGKILL for a worker, once its nanny would start it again: that does not while it is still starting one."""
    nannies = {nanny.worker_address: nanny for nanny in client.cluster.workers.values()}
    while nannies[address].status.name != "running":
        time.sleep(0.05)
    os.kill(nannies[address].pid, signal.SIGKILL)


def tied(n_rows=600, n_queries=90, n_features=6, seed=0):
    """Few values, and every row several times: nearly every distance is tied, within shards and across them."""
    rng = np.random.default_rng(seed)
    few = rng.integers(0, 3, (n_rows // 5, n_features), dtype=np.uint8)
    return few[rng.permutation(np.arange(n_rows) % len(few))], rng.integers(0, 4, n_rows), few[:n_queries]


@pytest.fixture(scope="module")
def digits():
    data = datasets.load("digits")
    return data.X, data.y


def as_file(tmp_path, X, name="X"):
    path = tmp_path / f"{name}.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def assert_same_answers(model, local, Q):
    """All that both say of some queries."""
    assert_same_bytes(model.kneighbors(Q), local.kneighbors(Q))
    assert_same_bytes([model.predict_proba(Q), model.predict_ties(Q)], [local.predict_proba(Q), local.predict_ties(Q)])
    assert model.predict(Q).tolist() == local.predict(Q).tolist()


# neighbours -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_shards", [1, 2, 3, 5])
@pytest.mark.parametrize("metric", ["l1", "l2", "cosine"])
def test_neighbours_and_votes_are_those_of_one_process_ties_included(client, n_shards, metric, monkeypatch):
    X, y, Q = tied()
    monkeypatch.setattr(_neighbors, "_queries_of", lambda *_: 40)
    options = {"n_neighbors": 12, "metric": metric, "weights": "distance", "tie_break": "nearest"}
    local = fastcls.KNeighborsClassifier(**options).fit(X, y)
    model = over.KNeighborsClassifier(**options, client=client, n_shards=n_shards).fit(X, y)
    assert len(model.shards_) == n_shards
    assert len({shard["worker"] for shard in model.shards_}) == min(2, n_shards)
    assert_same_answers(model, local, Q)
    assert (model.kneighbors_graph(Q) != local.kneighbors_graph(Q)).nnz == 0
    assert (model.search_report_.n_queries, model.search_report_.pairs) == (len(Q), len(X) * len(Q))
    monkeypatch.setattr(_neighbors, "_queries_of", lambda *_: 250)
    assert_same_bytes(model.kneighbors(), local.kneighbors(), "leave-one-out")


@pytest.mark.parametrize("rows", ["mnist", "debian"])
def test_real_rows_in_any_number_of_shards(rows, client, shared_data, tmp_path):
    if rows == "mnist":
        data = datasets.load(shared_data("mnist"))
        X, y, Q, metrics = data.X[:12_000], data.y[:12_000], data.X_test[:150], ("l1", "l2")
    else:
        path = shared_data("debian_minilm_f16.npy")
        X = np.load(path, mmap_mode="r")
        y = np.load(shared_data("debian_minilm_labels.npy"))
        X, y, Q, metrics = X[1000:13_000], y[1000:13_000], np.array(X[:150]), ("l2", "cosine")
    X = X if isinstance(X, np.memmap) else as_file(tmp_path, X)
    for metric in metrics:
        local = fastcls.KNeighborsClassifier(10, metric=metric).fit(X, y)
        wanted = local.kneighbors(Q)
        for n_shards in (1, 2, 3, 5):
            model = over.KNeighborsClassifier(10, metric=metric, client=client, n_shards=n_shards).fit(X, y)
            assert_same_bytes(model.kneighbors(Q), wanted, f"{metric}, {n_shards} shards")
            assert model.predict(Q).tolist() == local.predict(Q).tolist()
            if n_shards == 2:
                assert "filter" in model.search_report_.path
                assert all(shard["filter_bytes"] > 0 for shard in model.shards_)
                assert model.search_report_.computed < model.search_report_.pairs / 2


def test_rows_of_weight_0_are_nobodys_neighbours(client):
    X, y, Q = tied()
    weights = np.tile([1.0, 0.0, 2.5], 200)
    weights[200:400] = 0  # one of three shards has no row that counts
    local = fastcls.KNeighborsClassifier(9, class_weight="balanced").fit(X, y, weights)
    model = over.KNeighborsClassifier(9, class_weight="balanced", client=client, n_shards=3).fit(X, y, weights)
    assert_same_answers(model, local, Q)
    assert_same_bytes(model.kneighbors(), local.kneighbors(), "leave-one-out")


def test_rows_come_from_files_maps_and_dask_arrays_alike(client, tmp_path):
    X, y, Q = tied(n_rows=600)
    whole = as_file(tmp_path, np.concatenate([X[:100], X, X[:50]]), "whole")
    parts = [as_file(tmp_path, X[a:b], f"part{a}") for a, b in ((0, 10), (10, 333), (333, 600))]
    blocks = client.persist(da.from_array(X, chunks=(170, 4)))
    given = {
        "a view of a map": whole[100:-50],
        "an array over a map": np.asarray(whole)[100:-50],
        "paths": [tmp_path / "part0.npy", str(tmp_path / "part10.npy"), parts[2]],
        "one path": tmp_path / "X.npy",
        "a dask array": blocks,
        "a dask array of files": da.concatenate([
            da.from_delayed(delayed(np.load)(str(tmp_path / f"part{a}.npy")), (n, 6), dtype=X.dtype)
            for a, n in ((0, 10), (10, 323), (333, 267))
        ]),
        "few rows in memory": X,
    }  # fmt: skip
    as_file(tmp_path, X)
    np.save(tmp_path / "y.npy", y)
    local = fastcls.KNeighborsClassifier(7).fit(X, y)
    for name, rows in given.items():
        labels = {"paths": [tmp_path / "y.npy"], "a dask array": da.from_array(y, chunks=100)}.get(name, y)
        model = over.KNeighborsClassifier(7, client=client, n_shards=4).fit(rows, labels)
        assert model.shards_[-1]["start"] + model.shards_[-1]["n_rows"] == 600
        assert_same_bytes(model.kneighbors(Q), local.kneighbors(Q), name)
        assert_same_bytes(model.kneighbors(rows), local.kneighbors(X), f"{name} as queries")
    assert model.score(tmp_path / "X.npy", tmp_path / "y.npy") == local.score(X, y)


def test_threads_are_those_dask_gave_the_worker_whatever_its_environment_says(client, others):
    X, y, Q = tied(n_rows=4000, n_features=40)
    assert client.run(lambda: os.environ["OMP_NUM_THREADS"])[client.cluster.workers[0].worker_address] == "1"
    for n_jobs, where, wanted in ((None, client, 1), (2, client, 2), (None, others[0], 2), (1, others[0], 1)):
        model = over.KNeighborsClassifier(client=where, n_jobs=n_jobs).fit(X, y)
        model.kneighbors(np.repeat(Q, 4, axis=0))
        assert model.search_report_.threads == wanted
    assert _threads.of_worker(-1, 1) >= 1
    assert _threads.of_worker(3, 1) == 3


@pytest.mark.parametrize("kind", ["file", "dask array"])
def test_worker_killed_in_the_middle_of_a_search_changes_nothing(kind, client, tmp_path, monkeypatch, caplog):
    rng = np.random.default_rng(1)
    X, Q = (rng.integers(0, 9, (n, 40), dtype=np.uint8) for n in (6000, 400))
    y = rng.integers(0, 5, 6000)
    monkeypatch.setattr(_neighbors, "_queries_of", lambda *_: 50)
    local = fastcls.KNeighborsClassifier(9, metric="l1").fit(X, y)
    rows = as_file(tmp_path, X)
    if kind == "dask array":
        loaded = [da.from_delayed(delayed(load_rows)(tmp_path / "X.npy", at), (1500, 40), dtype=X.dtype)
                  for at in range(0, 6000, 1500)]  # fmt: skip
        rows = client.persist(da.concatenate(loaded))
    model = over.KNeighborsClassifier(9, metric="l1", client=client, n_shards=3).fit(rows, y)
    victim, finished = model._crew.homes[0], itertools.count()
    results = _crew.Round.results

    def kill_after_two_blocks(self):
        if next(finished) == 2:
            kill(client, victim)
        return results(self)

    monkeypatch.setattr(_crew.Round, "results", kill_after_two_blocks)
    with caplog.at_level(logging.WARNING, "fastcls"):
        assert_same_bytes(model.kneighbors(Q), local.kneighbors(Q))
    assert "a worker was lost" in caplog.text
    assert victim not in model._crew.homes
    monkeypatch.undo()
    client.wait_for_workers(2, timeout=30)
    assert_same_bytes(model.kneighbors(Q), local.kneighbors(Q), "the search after it")


def test_search_waits_for_the_only_worker_to_come_back(others):
    X, y, Q = tied()
    one = others[0]
    model = over.KNeighborsClassifier(client=one).fit(X, y)
    kill(one, model._crew.homes[0])
    assert_same_bytes(model.kneighbors(Q), fastcls.KNeighborsClassifier().fit(X, y).kneighbors(Q))


def test_model_goes_on_where_another_cluster_is_current(tmp_path, client):
    X, y, Q = tied()
    wanted = fastcls.KNeighborsClassifier().fit(X, y).kneighbors(Q)
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster, Client(cluster) as threads:
        with threads.as_current():
            model = over.KNeighborsClassifier(n_shards=2).fit(as_file(tmp_path, X), y)
        assert_same_bytes(model.kneighbors(Q), wanted, "a worker in this process")
    with pytest.raises(InputError, match="no Dask cluster is there"):
        model.kneighbors(Q)
    with client.as_current():
        assert_same_bytes(model.kneighbors(Q), wanted, "the other cluster")


def test_cluster_that_goes_away_in_the_middle_is_an_error(monkeypatch):
    monkeypatch.setattr(_crew, "_WORKER_SECONDS", 1.0)
    X, y, Q = tied()
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster, Client(cluster) as threads:
        model = over.KNeighborsClassifier(client=threads).fit(X, y)
        cluster.scale(0)
        cluster.sync(cluster._correct_state)
        with pytest.raises(over.ClusterError, match="no worker of the cluster is there, and none came in 1 s"):
            model.kneighbors(Q)
        assert not threads.nthreads()


def test_work_that_is_lost_each_time_ends_in_an_error(client, monkeypatch):
    monkeypatch.setattr(_crew, "_ATTEMPTS", 3)
    crew = _crew.Crew(client, 1, lambda crew, i, home: (crew.submit_at(home, int), None))
    tried = []

    def lost():
        tried.append(crew.submit(0, float))
        tried[-1].cancel()
        return tried[-1:]

    with pytest.raises(over.ClusterError, match="the same work lost a worker 3 times; has each worker the memory"):
        crew.ask(lost).results()
    assert len(tried) == 3


def load_rows(path, start):
    return np.load(path)[start : start + 1500]


def test_model_survives_pickling_and_copies_share_the_client(client, tmp_path):
    X, y, Q = tied()
    model = over.KNeighborsClassifier(3, client=client, n_shards=2).fit(as_file(tmp_path, X), y)
    assert clone(model).client is client
    assert len(pickle.dumps(model)) < 40_000
    again = pickle.loads(pickle.dumps(model))
    assert again.client is None
    again.client = client
    assert_same_bytes(again.kneighbors(Q), model.kneighbors(Q))


def test_progress_is_told_when_asked_for(client, capsys, monkeypatch):
    X, y, Q = tied()
    monkeypatch.setattr(_neighbors, "_queries_of", lambda *_: 40)
    over.KNeighborsClassifier(client=client).fit(X, y).predict(Q)
    assert capsys.readouterr().out == ""
    over.KNeighborsClassifier(client=client, verbose=1).fit(X, y).predict(Q)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" queries")[0] for line in lines] == [
        f"KNeighborsClassifier: {n} of 90" for n in (40, 80, 90)
    ]


# training -------------------------------------------------------------------------------------------

TRAININGS = {
    "softmax lbfgs": (over.SoftmaxClassifier, {"solver": "lbfgs", "max_iter": 12, "alpha": 1e-3}),
    "softmax gd": (over.SoftmaxClassifier, {"solver": "gd", "max_iter": 6, "nesterov": True, "penalty": "l1"}),
    "softmax sgd": (over.SoftmaxClassifier, {"max_iter": 2, "early_stopping": True}),
    "svm sgd": (over.MulticlassSVM, {"max_iter": 2, "penalty": "elasticnet", "alpha": 1e-3}),
    "svm gd": (over.MulticlassSVM, {"solver": "gd", "max_iter": 5, "max_norm": 0.05, "class_weight": "balanced"}),
    "squared hinge lbfgs": (over.MulticlassSVM, {"loss": "squared_hinge", "solver": "lbfgs", "max_iter": 8}),
}  # fmt: skip


def fitted(name, client, X, y, **more):
    cls, options = TRAININGS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return cls(**options, random_state=0, client=client, **more).fit(X, y)


def weights_of(model):
    return [model.coef_, model.intercept_, model.loss_history_, model.val_history_]


def test_norms_stay_within_their_bound_with_nesterov(client, digits):
    X, y = digits
    made = over.SoftmaxClassifier(
        solver="gd", max_iter=10, max_norm=0.3, nesterov=True, schedule="constant", scale=False, random_state=0,
        client=client,
    )  # fmt: skip
    norms = np.linalg.norm(made.fit(X, y).coef_, axis=1)
    assert 0.29 < norms.max() <= 0.3 * (1 + 1e-12)


@pytest.mark.parametrize("name", TRAININGS)
def test_weights_have_the_same_bits_for_1_2_and_4_workers(name, client, others, digits, tmp_path):
    X, y = digits
    X = as_file(tmp_path, X)
    batch = {} if "sgd" not in name else {"batch_size": 200}
    wanted = weights_of(fitted(name, client, X, y, n_shards=5, **batch))
    for other in others:
        assert_same_bytes(weights_of(fitted(name, other, X, y, n_shards=5, **batch)), wanted)
    if "softmax" in name:  # sums of bytes with whole slopes are exact in whatever order; these are not, so the tree counts
        assert not np.array_equal(fitted(name, client, X, y, n_shards=2, **batch).coef_, wanted[0])


@pytest.mark.parametrize("name", TRAININGS)
def test_training_is_that_of_one_process_but_for_rounding(name, client, digits):
    """The same minibatches, the same steps. Float32 sums of other rows, and float64 steps, differ by some 1e-6 of a weight a
    step; kinks and a line search may double that many times over, and a wrong sum, step or penalty is off by far more."""
    X, y = digits
    cls, options = TRAININGS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        local = getattr(fastcls, cls.__name__)(**options, random_state=0).fit(X, y)
    model = fitted(name, client, X, y)
    assert model.n_iter_ == local.n_iter_
    np.testing.assert_allclose(model.loss_history_, local.loss_history_, rtol=2e-3)
    np.testing.assert_allclose(model.val_history_, local.val_history_, rtol=2e-3)
    scale = np.abs(local.coef_).max()
    np.testing.assert_allclose(model.coef_, local.coef_, atol=(0.05 if "lbfgs" in name else 2e-3) * scale)
    np.testing.assert_allclose([model.scale_, *model.center_], [local.scale_, *local.center_], rtol=1e-12)
    assert ((model.coef_ == 0) == (local.coef_ == 0)).mean() > 0.97
    if "lbfgs" not in name:
        assert model.learning_rate_ == pytest.approx(local.learning_rate_, rel=1e-3)


def test_weights_do_not_depend_on_how_rows_are_held(client, digits, tmp_path):
    X, y = digits
    parts = [as_file(tmp_path, X[a:b], f"part{a}") for a, b in ((0, 700), (700, 1797))]
    blocks = client.persist(da.from_array(X, chunks=(500, 64)))
    wanted = weights_of(fitted("softmax lbfgs", client, as_file(tmp_path, X), y))
    for rows in (parts, blocks, X):
        assert_same_bytes(weights_of(fitted("softmax lbfgs", client, rows, y)), wanted)


@pytest.mark.parametrize("name", ["softmax lbfgs", "svm sgd"])
def test_worker_killed_in_the_middle_of_a_training_changes_nothing(name, client, digits, tmp_path, caplog):
    X, y = digits
    X = as_file(tmp_path, X)
    wanted = weights_of(fitted(name, client, X, y))
    victim = min(client.nthreads())

    def kill_once(progress):
        if progress.iteration == (6 if name == "softmax lbfgs" else 1):
            kill(client, victim)

    with caplog.at_level(logging.WARNING, "fastcls"):
        assert_same_bytes(weights_of(fitted(name, client, X, y, callbacks=kill_once)), wanted)
    assert "a worker was lost" in caplog.text
    assert victim not in client.nthreads()
    client.wait_for_workers(2, timeout=30)


def test_steps_that_lead_away_are_named(client, digits):
    with pytest.raises(optim.DivergenceError, match=r"at step \d+ with learning_rate=1e\+30: the steps are too long"):
        over.MulticlassSVM(loss="squared_hinge", learning_rate=1e30, client=client, random_state=0).fit(*digits)


@pytest.mark.parametrize(("largest", "wanted"), [(1e17, "float32"), (1e19, "float64")])
def test_arithmetic_is_that_of_one_process_though_one_shard_holds_the_large_value(largest, wanted, client, monkeypatch):
    seen = []
    evaluate = _problem.ShardedProblem._evaluate
    monkeypatch.setattr(_problem.ShardedProblem, "_evaluate",
                        lambda self, weights, *args, **options: seen.append(weights.dtype.name)
                        or evaluate(self, weights, *args, **options))  # fmt: skip
    X, y, _ = tied()
    X = X.astype(np.float32)
    X[500, 2] = -largest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = over.SoftmaxClassifier(solver="gd", max_iter=1, center=False, scale=False, client=client).fit(X, y)
    assert set(seen) == {wanted}
    problem = fastcls.LinearProblem(X, y)
    assert problem.arithmetic == wanted
    assert model.n_iter_ == 1


def test_fitted_model_predicts_here_and_is_saved_as_one_of_one_process(client, digits, tmp_path):
    X, y = digits
    model = fitted("softmax lbfgs", client, X, y)
    local = model.to_local()
    assert type(local) is fastcls.SoftmaxClassifier
    assert_same_bytes([model.predict_proba(X)], [local.predict_proba(X)])
    as_file(tmp_path, X)
    assert_same_bytes([model.decision_function([tmp_path / "X.npy"])], [local.decision_function(X)])
    assert_same_bytes([model.predict(client.persist(da.from_array(X, chunks=(500, 64))))], [local.predict(X)])
    assert model.score(X, y) > 0.9
    model.save(tmp_path / "model.safetensors")
    assert_same_bytes([fastcls.load(tmp_path / "model.safetensors").predict(X)], [local.predict(X)])
    assert clone(model).client is client
    assert_same_bytes([pickle.loads(pickle.dumps(model)).predict(X)], [local.predict(X)])


@pytest.mark.parametrize("n_shards", [1, 2, 5, 8, 11])
def test_sums_of_shards_have_the_same_bits_in_whatever_groups_and_order_they_are_added(n_shards):
    rng = np.random.default_rng(n_shards)
    values = rng.normal(size=n_shards) * 10.0 ** rng.integers(-12, 12, n_shards)
    leaves = {(0, i): (np.array(value),) for i, value in enumerate(values)}
    (wanted,) = _merge.whole(_merge.add_up(leaves, n_shards))
    np.testing.assert_allclose(wanted, values.sum(), rtol=1e-9)
    for _ in range(30):
        homes = rng.integers(0, rng.integers(1, 5), n_shards)
        parts = [
            _merge.add_up({leaf: leaves[leaf] for leaf in leaves if homes[leaf[1]] == home}, n_shards) for home in set(homes)
        ]
        while len(parts) > 1:
            one, other = (parts.pop(rng.integers(len(parts))) for _ in range(2))
            parts.append(_merge.nodes_of(one, other, n_shards))
        assert _merge.whole(parts[0])[0].tobytes() == wanted.tobytes()


def test_large_weights_are_scattered_and_not_in_a_graph(client, graph_arrays_are_small, tmp_path):
    """300 classes of 1,000 features are 1.2 MB even in float32: the fixture would see them."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 255, (900, 1000), dtype=np.uint8), np.arange(900) % 300
    model = fitted("softmax gd", client, as_file(tmp_path, X), y)
    assert model.coef_.nbytes > 2 * LARGEST
    assert len(graph_arrays_are_small) > 6


def test_large_queries_and_masks_are_scattered_and_not_in_a_graph(client, graph_arrays_are_small, tmp_path):
    rng = np.random.default_rng(0)
    X = rng.integers(0, 255, (1_300_000, 2), dtype=np.uint8)
    weights = (np.arange(len(X)) % 2).astype(float)  # a mask of 1.3 MB
    over.KNeighborsClassifier(1, client=client, n_shards=1).fit(as_file(tmp_path, X), X[:, 0] % 5, weights)
    X = rng.integers(0, 255, (2000, 1000), dtype=np.uint8)
    before = len(graph_arrays_are_small)
    model = over.KNeighborsClassifier(1, client=client).fit(as_file(tmp_path, X), X[:, 0] % 5)
    assert (model.kneighbors(X, return_distance=False)[:, 0] == np.arange(2000)).all()  # 2 MB in one block
    assert len(graph_arrays_are_small) > before + 2


# refusals -------------------------------------------------------------------------------------------


def refused(what, X, y, client, **options):
    with pytest.raises(InputError, match=what) as caught:
        over.KNeighborsClassifier(client=client, **options).fit(X, y)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=what):
        over.SoftmaxClassifier(client=client, **options).fit(X, y)


def test_without_a_cluster_one_line_says_so(digits):
    refused("no Dask cluster is there: client=None, and no client is current", *digits, None)
    refused("client is a str; wanted a distributed.Client", *digits, "tcp://127.0.0.1:8786")


def test_checkpoints_are_refused(client, digits):
    X, y = digits
    with pytest.raises(InputError, match="checkpoint over a cluster: fastcls.dask keeps none"):
        over.SoftmaxClassifier(client=client, checkpoint="state", random_state=0).fit(X, y)


def test_current_client_is_taken(client):
    X, y, Q = tied()
    with client.as_current():
        model = over.KNeighborsClassifier().fit(X, y)
        assert_same_bytes([model.predict(Q)], [fastcls.KNeighborsClassifier().fit(X, y).predict(Q)])


def test_cluster_without_workers_is_refused(digits):
    with LocalCluster(n_workers=0, dashboard_address=":0") as cluster, Client(cluster, set_as_default=False) as empty:
        refused("the Dask cluster has no worker", *digits, empty)


def test_rows_that_workers_could_not_open_are_refused_in_one_line(client, tmp_path):
    X, y, _ = tied()
    large, labels = np.zeros((1000, 1000)), np.arange(1000) % 2
    refused("8,000,000 bytes in this process's memory, and rows are not sent through Dask", large, labels, client)
    refused("holds arrays of [1-8],...,... bytes or more", da.from_array(large, chunks=500), labels, client)
    mapped = as_file(tmp_path, np.repeat(X, 2, axis=1))
    refused("part of it|every row or feature but some is left out", mapped[:, :5], y, client)
    refused("is int64, which workers would have to convert", as_file(tmp_path, X.astype(np.int64), "wide"), y, client)
    refused("copy-on-write", np.load(as_file(tmp_path, X, "own").filename, mmap_mode="c"), y, client)
    refused("cannot (open|read)|not a file", [tmp_path / "none.npy"], y, client)
    refused(r"X\[1\] has 12 features, X\[0\].* has 6|X\[1\] has 12 features", [X[:300], mapped[:300]], y, client)
    refused("n_shards=601, but there are only 600 rows", X, y, client, n_shards=601)
    refused("y has 5 labels for 600 rows", X, y[:5], client)


def test_errors_of_workers_name_the_row_and_the_place(client, tmp_path, monkeypatch):
    X, y, _ = tied()
    floats = X.astype(np.float32)
    floats[417, 3] = np.nan
    refused("X contains NaN, first at row 417, column 3", as_file(tmp_path, floats), y, client)
    mapped = as_file(tmp_path, X, "moved")
    piece = _inputs.source_of(mapped, client).pieces[0]
    os.rename(tmp_path / "moved.npy", tmp_path / "elsewhere.npy")
    with pytest.raises(InputError, match=r"the worker tcp://.* cannot open '.*moved.npy'"):
        client.submit(piece.open, "the worker tcp://here", pure=False).result()
    np.save(tmp_path / "moved.npy", X[::-1])
    with pytest.raises(InputError, match="has other rows in"):
        piece.open()


def test_solvers_that_shards_cannot_do_are_refused(client, digits):
    with pytest.raises(InputError, match="solver='random_search' over a cluster; choose one of: sgd, gd, lbfgs"):
        over.SoftmaxClassifier(solver="random_search", client=client).fit(*digits)


def test_what_is_not_there_over_a_cluster_says_so(client, digits, tmp_path):
    model = over.KNeighborsClassifier(client=client).fit(*digits)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(InputError, match=r"fastcls.dask.KNeighborsClassifier cannot be saved"):
        model.save(tmp_path / "model")


def test_without_distributed_one_line_says_what_to_install():
    code = """
import sys
sys.modules["distributed"] = sys.modules["dask"] = None
import fastcls.dask
for name in fastcls.dask.__all__[1:]:
    try:
        getattr(fastcls.dask, name)().fit([[1, 2], [3, 4]], [0, 1])
    except ValueError as error:
        print(error)
"""
    line = 'fastcls.dask needs the package distributed: install with: pip install "fastcls[dask]"\n'
    assert python(code) == 3 * line


# scikit-learn's searches ----------------------------------------------------------------------------


def test_scikit_learns_searches_run_our_estimators_on_the_cluster(client, digits):
    X, y = digits[0][:600], digits[1][:600]
    pairs = (
        (fastcls.KNeighborsClassifier(), {"n_neighbors": [1, 5], "metric": ["l1", "l2"]}),
        (fastcls.SoftmaxClassifier(max_iter=2, random_state=0), {"alpha": [1e-4, 1.0]}),
    )
    for model, grid in pairs:
        here = GridSearchCV(model, grid, cv=3).fit(X, y)
        with client.as_current(), joblib.parallel_config(backend="dask", n_jobs=-1):
            there = GridSearchCV(model, grid, cv=3).fit(X, y)
        assert_same_bytes([there.cv_results_["mean_test_score"]], [here.cv_results_["mean_test_score"]])
        assert there.best_params_ == here.best_params_


# the page -------------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[1]


def test_examples_of_the_page_run_and_print_what_they_say(tmp_path):
    text = (ROOT / "docs" / "dask.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    rng = np.random.default_rng(0)
    for name, values in (("embeddings", rng.normal(size=(100, 16))), ("queries", rng.normal(size=(20, 16))),
                         ("labels", rng.integers(0, 3, 100))):  # fmt: skip
        np.save(tmp_path / f"{name}.npy", values)
    for number, example in enumerate(examples):
        script = tmp_path / f"example{number}.py"
        script.write_text(example, encoding="utf-8")
        env = {**os.environ, "PYTHONPATH": str(Path(fastcls.__file__).parents[1])}
        done = subprocess.run([sys.executable, script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == re.findall(r"^ +print\(.*\)  # (.*)$", example, re.MULTILINE)
    assert type(fastcls.load(tmp_path / "softmax.safetensors")) is fastcls.SoftmaxClassifier


def test_plan_of_the_page_is_what_the_arithmetic_gives():
    sys.path.append(str(ROOT))  # last: the fastcls under test is not the one beside bench
    dask_plan = pytest.importorskip("bench.dask_plan", reason="the folder bench is not beside tests")
    assert "\n".join(dask_plan.tables()) in (ROOT / "docs" / "dask.md").read_text(encoding="utf-8")


def test_benchmark_measures_and_compares(tmp_path, monkeypatch):
    sys.path.append(str(ROOT))
    dask_overhead = pytest.importorskip("bench.dask_overhead", reason="the folder bench is not beside tests")
    monkeypatch.setenv("FASTCLS_BENCH_CACHE", str(tmp_path))
    arguments = ["--data", "grid_2d", "--metric", "l2", "--k", "3", "--rounds", "1", "--queries", "200", "--out"]
    figures = dask_overhead.run([*arguments, str(tmp_path / "dask.json")])
    assert figures["overhead"].keys() == {"1 workers"}
    assert all(len(of["search"]) == 1 and len(of["fit"]) == 1 for of in figures["seconds"].values())
    assert (tmp_path / "dask.json").is_file()
