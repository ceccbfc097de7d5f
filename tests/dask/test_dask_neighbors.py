"""k-NN over a Dask cluster of real processes: the bytes of one process, worker failures included; small graphs."""

import itertools
import logging
import os
import pickle

import numpy as np
import pytest
from sklearn.base import clone

import fastcls
from fastcls import datasets
from fastcls._runtime import threads as _threads
from fastcls._validation.errors import InputError

pytest.importorskip("distributed", reason="distributed is not installed")
import dask.array as da
from _cluster import *  # noqa: F403 (its fixtures)
from _cluster import as_file, kill, tied
from _rows import assert_same_bytes
from dask import delayed
from distributed import Client, LocalCluster

import fastcls.dask as over
from fastcls.dask import _neighbors, _workers

pytestmark = pytest.mark.cluster


def assert_same_answers(model, local, Q):
    """The same neighbours, probabilities, ties and labels."""
    assert_same_bytes(model.kneighbors(Q), local.kneighbors(Q))
    assert_same_bytes([model.predict_proba(Q), model.predict_ties(Q)], [local.predict_proba(Q), local.predict_ties(Q)])
    assert model.predict(Q).tolist() == local.predict(Q).tolist()


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
        for n_shards in (1, 2, 5):
            model = over.KNeighborsClassifier(10, metric=metric, client=client, n_shards=n_shards).fit(X, y)
            assert_same_bytes(model.kneighbors(Q), wanted, f"{metric}, {n_shards} shards")
            assert model.predict(Q).tolist() == local.predict(Q).tolist()
            if n_shards == 2:
                assert "filter" in model.search_report_.path
                assert all(shard["filter_bytes"] > 0 for shard in model.shards_)
                assert model.search_report_.computed < model.search_report_.pairs / 2


def test_all_other_rows_are_neighbours_where_that_many_are_asked_for(client):
    """A shard without the query gives all its rows, the query's own shard all but one."""
    X, y, _ = tied(60)
    local = fastcls.KNeighborsClassifier(59).fit(X, y)
    model = over.KNeighborsClassifier(59, client=client, n_shards=3).fit(X, y)
    assert_same_bytes(model.kneighbors(), local.kneighbors())


def test_rows_of_weight_0_are_never_neighbours(client):
    X, y, Q = tied()
    weights = np.tile([1.0, 0.0, 2.5], 200)
    weights[200:400] = 0  # one of three shards has no row that counts
    local = fastcls.KNeighborsClassifier(9, class_weight="balanced").fit(X, y, weights)
    model = over.KNeighborsClassifier(9, class_weight="balanced", client=client, n_shards=3).fit(X, y, weights)
    assert_same_answers(model, local, Q)
    assert_same_bytes(model.kneighbors(), local.kneighbors(), "leave-one-out")


def test_files_maps_and_dask_arrays_give_the_same_neighbours(client, tmp_path):
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
        "a dask array of files": da.concatenate(
            [
                da.from_delayed(delayed(np.load)(str(tmp_path / f"part{a}.npy")), (n, 6), dtype=X.dtype)
                for a, n in ((0, 10), (10, 323), (333, 267))
            ]
        ),
        "few rows in memory": X,
    }
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


def test_threads_are_those_dask_gave_the_worker_whatever_omp_num_threads_says(client, others):
    X, y, Q = tied(n_rows=4000, n_features=40)
    assert client.run(lambda: os.environ["OMP_NUM_THREADS"])[client.cluster.workers[0].worker_address] == "1"
    for n_jobs, where, wanted in ((None, client, 1), (2, client, 2), (None, others[0], 2), (1, others[0], 1)):
        model = over.KNeighborsClassifier(client=where, n_jobs=n_jobs).fit(X, y)
        model.kneighbors(np.repeat(Q, 4, axis=0))
        assert model.search_report_.threads == wanted
    assert _threads.of_worker(-1, 1) >= 1
    assert _threads.of_worker(3, 1) == 3


@pytest.mark.parametrize("kind", ["file", "dask array"])
def test_a_worker_killed_during_a_search_changes_nothing(kind, client, tmp_path, monkeypatch, caplog):
    rng = np.random.default_rng(1)
    X, Q = (rng.integers(0, 9, (n, 40), dtype=np.uint8) for n in (6000, 400))
    y = rng.integers(0, 5, 6000)
    monkeypatch.setattr(_neighbors, "_queries_of", lambda *_: 50)
    local = fastcls.KNeighborsClassifier(9, metric="l1").fit(X, y)
    rows = as_file(tmp_path, X)
    if kind == "dask array":
        loaded = [
            da.from_delayed(delayed(load_rows)(tmp_path / "X.npy", at), (1500, 40), dtype=X.dtype)
            for at in range(0, 6000, 1500)
        ]
        rows = client.persist(da.concatenate(loaded))
    model = over.KNeighborsClassifier(9, metric="l1", client=client, n_shards=3).fit(rows, y)
    victim, finished = model._workers.owners[0], itertools.count()
    results = _workers.RoundTrip.results

    def kill_after_two_blocks(self):
        if next(finished) == 2:
            kill(client, victim)
        return results(self)

    monkeypatch.setattr(_workers.RoundTrip, "results", kill_after_two_blocks)
    with caplog.at_level(logging.WARNING, "fastcls"):
        assert_same_bytes(model.kneighbors(Q), local.kneighbors(Q))
    assert "lost a worker: opening" in caplog.text
    assert victim not in model._workers.owners
    monkeypatch.undo()
    client.wait_for_workers(2, timeout=90)
    assert_same_bytes(model.kneighbors(Q), local.kneighbors(Q), "the search after it")


def test_a_search_waits_for_the_only_worker_to_return(others):
    X, y, Q = tied()
    one = others[0]
    model = over.KNeighborsClassifier(client=one).fit(X, y)
    kill(one, model._workers.owners[0])
    assert_same_bytes(model.kneighbors(Q), fastcls.KNeighborsClassifier().fit(X, y).kneighbors(Q))


def test_a_model_moves_to_another_current_cluster(tmp_path, client):
    X, y, Q = tied()
    wanted = fastcls.KNeighborsClassifier().fit(X, y).kneighbors(Q)
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster, Client(cluster) as threads:
        with threads.as_current():
            model = over.KNeighborsClassifier(n_shards=2).fit(as_file(tmp_path, X), y)
        assert_same_bytes(model.kneighbors(Q), wanted, "a worker in this process")
    with pytest.raises(InputError, match="there is no current Dask client"):
        model.kneighbors(Q)
    with client.as_current():
        assert_same_bytes(model.kneighbors(Q), wanted, "the other cluster")


def test_a_cluster_lost_during_a_call_is_an_error(monkeypatch):
    monkeypatch.setattr(_workers, "_WORKER_SECONDS", 1.0)
    X, y, Q = tied()
    with LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster, Client(cluster) as threads:
        model = over.KNeighborsClassifier(client=threads).fit(X, y)
        cluster.scale(0)
        cluster.sync(cluster._correct_state)
        with pytest.raises(over.ClusterError, match="the cluster has no worker left, and none joined within 1 s"):
            model.kneighbors(Q)
        assert not threads.nthreads()


def test_work_that_loses_a_worker_each_time_ends_in_an_error(client, monkeypatch):
    monkeypatch.setattr(_workers, "_ATTEMPTS", 3)
    workers = _workers.Workers(client, 1, lambda workers, i, owner: (workers.submit_at(owner, int), None))
    tried = []

    def lost():
        tried.append(workers.submit(0, float))
        tried[-1].cancel()
        return tried[-1:]

    with pytest.raises(
        over.ClusterError,
        match="a worker was lost in each of 3 attempts at the same work: check that each worker has the memory",
    ):
        workers.round_trip(lost).results()
    assert len(tried) == 3


def test_a_shard_whose_new_owner_is_lost_too_is_opened_on_the_next(client):
    opened, worker = [], min(client.nthreads())

    def open_shard(workers, i, owner):
        opened.append(owner)
        if len(opened) == 2:
            raise _workers._LostError
        return workers.submit_at(owner, int), None

    workers = _workers.Workers(client, 1, open_shard)
    workers.assign()
    workers.owners[0] = "tcp://127.0.0.1:1"  # as if its owner were gone, before the future knows it
    with pytest.raises(_workers._LostError):
        workers.assign()
    workers.assign()
    assert opened == [worker] * 3


@pytest.mark.parametrize("gone", [True, False], ids=["owner gone", "owner alive"])
def test_an_error_of_a_transfer_counts_as_a_lost_worker_if_an_owner_is_gone(client, monkeypatch, gone):
    workers = _workers.Workers(client, 1, lambda workers, i, owner: (workers.submit_at(owner, int), None))
    workers.assign()

    async def stumble(*_, **__):  # the scheduler's replicate looks up a worker that it has just removed
        raise KeyError("tcp://127.0.0.1:1")

    monkeypatch.setattr(client, "scatter", stumble)
    owner = "tcp://127.0.0.1:1" if gone else workers.owners[0]
    with pytest.raises(_workers._LostError if gone else KeyError):
        workers.send(owner, np.zeros(3))


def load_rows(path, start):
    return np.load(path)[start : start + 1500]


def test_a_model_survives_pickling_and_copies_share_the_client(client, tmp_path):
    X, y, Q = tied()
    model = over.KNeighborsClassifier(3, client=client, n_shards=2).fit(as_file(tmp_path, X), y)
    assert clone(model).client is client
    assert len(pickle.dumps(model)) < 40_000
    again = pickle.loads(pickle.dumps(model))
    assert again.client is None
    again.client = client
    assert_same_bytes(again.kneighbors(Q), model.kneighbors(Q))


def test_verbose_prints_a_progress_bar(client, capsys, monkeypatch):
    X, y, Q = tied()
    monkeypatch.setattr(_neighbors, "_queries_of", lambda *_: 40)
    over.KNeighborsClassifier(client=client).fit(X, y).predict(Q)
    assert capsys.readouterr().out == ""
    over.KNeighborsClassifier(client=client, verbose=1).fit(X, y).predict(Q)
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert printed.endswith(" s\n")
    bars = [line.split(" queries")[0] for line in printed.split("\r")[1:]]
    assert bars == [f"[{'#' * filled:<30}] {n} of 90" for n, filled in ((40, 13), (80, 26), (90, 30))]


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
