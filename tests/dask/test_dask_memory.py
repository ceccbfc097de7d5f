"""Arrays in the client's memory go straight to the workers, and results are those of one process."""

import logging

import numpy as np
import pytest

import fastcls
from fastcls._validation.errors import InputError
from fastcls._validation.types import BFLOAT16, narrowed, widened

pytest.importorskip("distributed", reason="distributed is not installed")
import dask.array as da
from _cluster import *  # noqa: F403 (its fixtures)
from _cluster import as_file, kill
from _rows import assert_same_bytes
from distributed import Client

import fastcls.dask as over
from fastcls.dask import _neighbors, _sources

pytestmark = pytest.mark.cluster


def large(dtype=np.float32, n_rows=20_000, n_features=40):
    """3 MB of float32, and labels; many rows are equal, so ties span all shards."""
    rng = np.random.default_rng(0)
    few = (40 * rng.normal(size=(n_rows // 4, n_features))).astype(dtype)
    return few[rng.permutation(np.arange(n_rows) % len(few))], rng.integers(0, 5, n_rows)


@pytest.fixture(autouse=True)
def chunks_of_a_megabyte_and_no_array_through_the_scheduler(client, monkeypatch):
    """Send several chunks a shard, and fail if an array goes to the scheduler."""
    monkeypatch.setattr(_neighbors, "SENT_BYTES", 1 << 20)
    scheduler = client.cluster.scheduler

    async def refuse(*args, **options):
        raise AssertionError("an array was sent to the scheduler")

    monkeypatch.setitem(scheduler.handlers, "scatter", refuse)


def same_answers(model, local, Q):
    assert_same_bytes([*model.kneighbors(Q), model.predict_proba(Q)], [*local.kneighbors(Q), local.predict_proba(Q)])


@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64, np.int64])
def test_neighbors_of_arrays_in_memory_are_those_of_one_process(client, dtype):
    X, y = large(dtype)
    Q = X[:50] if dtype == np.uint8 else X[:50] + X.dtype.type(1)
    local = fastcls.KNeighborsClassifier(5, metric="l1").fit(X, y)
    for given in (X, np.asfortranarray(X), [X[:3001], X[3001:]]):
        model = over.KNeighborsClassifier(5, metric="l1", client=client, n_shards=3).fit(given, y)
        same_answers(model, local, Q)
    assert sum(shard["n_rows"] for shard in model.shards_) == len(X)


def test_rows_of_bfloat16_have_the_answers_of_float32(client, tmp_path):
    X, y = large(n_rows=8000)
    half = narrowed(X, BFLOAT16)
    wide = widened(half)
    np.save(tmp_path / "X.npy", half)
    local = fastcls.KNeighborsClassifier(5).fit(wide, y)
    blocks = da.from_array(half[:4000], chunks=(1500, -1)).map_blocks(lambda block: block)  # less than the graph may hold
    for given in (half, tmp_path / "X.npy"):
        model = over.KNeighborsClassifier(5, client=client, n_shards=3).fit(given, y)
        same_answers(model, local, wide[:20])
        assert_same_bytes(model.kneighbors(half[:20]), local.kneighbors(wide[:20]))
        assert sum(shard["n_rows"] for shard in model.shards_) == len(X)
    model = over.KNeighborsClassifier(5, client=client, n_shards=2).fit(blocks, y[:4000])
    same_answers(model, fastcls.KNeighborsClassifier(5).fit(wide[:4000], y[:4000]), wide[:20])
    options = {
        "solver": "lbfgs",
        "alpha": 0.01,
        "max_iter": 3,
        "tol": None,
        "random_state": 0,
        "n_shards": 2,
        "client": client,
    }
    weights = [over.SoftmaxClassifier(**options).fit(rows, y).coef_ for rows in (half, wide)]
    assert_same_bytes(weights[:1], weights[1:])


def test_rows_from_messages_are_aligned(client):
    X, y = large(np.float64)
    model = over.KNeighborsClassifier(client=client).fit(X, y)
    shards = model._current_workers().shards

    def chunks_are_aligned(shard):
        return all(chunk.flags.aligned for chunk in shard.rows.chunks)

    assert client.gather([client.submit(chunks_are_aligned, shard) for shard in shards]) == [True, True]
    message = np.frombuffer(b"-" + X[:3].tobytes(), dtype=np.uint8)[1:].view(np.float64)
    assert not message.flags.aligned
    assert _sources.aligned(message).flags.aligned


def test_lists_of_numbers_are_accepted(client):
    X, y = large(np.float64, 2000)
    local = fastcls.KNeighborsClassifier(3).fit(X, y)
    same_answers(over.KNeighborsClassifier(3, client=client).fit(X.tolist(), y), local, X[:9])


def test_a_dask_array_of_arrays_in_memory_is_sent_as_its_blocks(client):
    X, y = large()
    model = over.KNeighborsClassifier(n_neighbors=3, client=client).fit(da.from_array(X, chunks=(3000, -1)), y)
    want = fastcls.KNeighborsClassifier(n_neighbors=3).fit(X, y).predict(X[:50])
    assert_same_bytes([model.predict(X[:50])], [want])


def test_many_queries_in_memory_and_leave_one_out(client):
    X, y = large(np.float32, 9000)
    local = fastcls.KNeighborsClassifier(3).fit(X, y)
    model = over.KNeighborsClassifier(3, client=client).fit(X, y)
    same_answers(model, local, X + np.float32(0.5))
    assert_same_bytes(model.kneighbors([X[:4000], X[4000:]]), local.kneighbors(X))
    assert_same_bytes([model.predict()], [local.predict()])


def test_weights_trained_on_an_array_are_those_of_its_file(client, tmp_path):
    X, y = large()
    for kind in (over.SoftmaxClassifier, over.MulticlassSVM):
        options = {"client": client, "n_shards": 4, "max_iter": 3, "batch_size": 5000, "random_state": 0}
        here = kind(**options).fit(X, y)
        there = kind(**options).fit(as_file(tmp_path, X), y)
        assert_same_bytes([here.coef_, here.intercept_], [there.coef_, there.intercept_])
        assert_same_bytes([here.decision_function([X, X])], [there.decision_function(np.concatenate([X, X]))])


def test_rows_lost_with_a_worker_are_sent_again(client):
    X, y = large()
    local = fastcls.KNeighborsClassifier(5).fit(X, y)
    model = over.KNeighborsClassifier(5, client=client).fit(X, y)
    kill(client, model.shards_[0]["worker"])
    same_answers(model, local, X[:99] + np.float32(1))


def test_rows_changed_since_fit_are_not_sent_to_another_worker(client):
    X, y = large()
    client.wait_for_workers(2)
    model = over.KNeighborsClassifier(5, client=client).fit(X, y)
    Q = X[:5].copy()
    X[:] += 1
    kill(client, model.shards_[0]["worker"])
    with pytest.raises(InputError, match="X was changed after fit, and a new worker needs its rows"):
        model.predict(Q)


def test_sending_many_rows_is_logged(client, monkeypatch, caplog):
    X, y = large()
    client.wait_for_workers(1)
    monkeypatch.setattr(_sources, "LOGGED_BYTES", X.nbytes)
    with caplog.at_level(logging.INFO, "fastcls"):
        over.KNeighborsClassifier(client=client).fit(X, y)
        assert "to the workers" not in caplog.text
        over.KNeighborsClassifier(client=client).fit(np.concatenate([X, X[:1]]), np.append(y, 0))
    assert "X: sending 0.0 GB from this process's memory to the workers; a .npy file" in caplog.text


def test_a_client_without_a_direct_connection_to_the_workers_refuses_large_arrays(client):
    X, y = large()
    with Client(client.cluster, set_as_default=False, direct_to_workers=False) as indirect:
        for kind in (over.KNeighborsClassifier, over.SoftmaxClassifier):
            with pytest.raises(InputError, match="with direct_to_workers=False more than 524,288 bytes would pass"):
                kind(client=indirect).fit(X, y)
        over.KNeighborsClassifier(client=indirect).fit(X[:500], y[:500])  # few rows travel inside tasks
