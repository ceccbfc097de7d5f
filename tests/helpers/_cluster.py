"""What the tests over a Dask cluster share: clusters of real processes, kept for a file of tests; few rows, as a file."""

import os
import signal
import time

import numpy as np
import pytest
from distributed import Client, LocalCluster

from fastcls import datasets

#: fixtures: a file of tests imports them all
__all__ = ["environment_is_left_as_it_was", "no_large_graphs", "other_clusters", "rows_and_labels_of_digits", "two_workers"]

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


@pytest.fixture(scope="module", name="client")
def two_workers():
    """Two workers of one thread each."""
    with started(2) as client:
        yield client
        client.cluster.close()


@pytest.fixture(scope="module", name="others")
def other_clusters():
    """A cluster of one worker with two threads, and one of four workers."""
    with started(1, 2) as one, started(4) as four:
        yield one, four
        one.cluster.close()
        four.cluster.close()


@pytest.fixture(autouse=True, name="graph_arrays_are_small")
def no_large_graphs(monkeypatch):
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


@pytest.fixture(scope="module", name="digits")
def rows_and_labels_of_digits():
    data = datasets.load("digits")
    return data.X, data.y


def as_file(tmp_path, X, name="X"):
    path = tmp_path / f"{name}.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")
