"""k-NN over shards and in one process, on whole sets: ``python tests/helpers/_dask_whole.py [SHARED DATA] [QUERIES]``.

All 10,000 test images of MNIST among its 60,000 training images, L1 and L2, and 10,000 of the Debian embeddings among the
other 53,666, L2 and cosine, k = 10, on two worker processes of one thread, in 1, 2, 3 and 5 shards. Distances, indices and
probabilities must be the same bytes; ends with status 1 at the first that are not.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from distributed import Client, LocalCluster

import fastcls
import fastcls.dask
from fastcls import datasets

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"


def mnist(folder):
    data = datasets.load(folder / "mnist")
    return data.X, data.y, data.X_test


def debian(folder):
    X, y = np.load(folder / "debian_minilm_f16.npy"), np.load(folder / "debian_minilm_labels.npy")
    order = np.random.default_rng(0).permutation(len(X))
    return X[order[10_000:]], y[order[10_000:]], X[order[:10_000]]


SETS = {"mnist": (mnist, ("l1", "l2")), "debian": (debian, ("l2", "cosine"))}


def timed(work, *args):
    begun = time.perf_counter()
    return work(*args), time.perf_counter() - begun


def compare(name, X, y, Q, metric, client):
    """One line a number of shards; an error where any byte differs."""
    local = fastcls.KNeighborsClassifier(10, metric=metric, n_jobs=1).fit(X, y)
    wanted, seconds = timed(local.kneighbors, Q)
    print(f"{name} {metric}, {len(Q):,} queries among {len(X):,} rows: one process {seconds:.2f} s", flush=True)
    for n_shards in (1, 2, 3, 5):
        model = fastcls.dask.KNeighborsClassifier(10, metric=metric, client=client, n_shards=n_shards).fit(X, y)
        found, seconds = timed(model.kneighbors, Q)
        pairs = [*zip(found, wanted, strict=True)]
        if n_shards == 3:
            pairs.append((model.predict_proba(Q), local.predict_proba(Q)))
        for one, other in pairs:
            assert (one.dtype, one.shape) == (other.dtype, other.shape)
            assert one.tobytes() == other.tobytes(), f"{name} {metric}, {n_shards} shards: other bytes"
        print(f"    {n_shards} shards {seconds:.2f} s, the same bytes", flush=True)


def main(folder, n_queries):
    with (
        tempfile.TemporaryDirectory() as folder_of_rows,
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        for name, (load, metrics) in SETS.items():
            X, y, Q = load(folder)
            np.save(Path(folder_of_rows) / f"{name}.npy", X)
            X = np.load(Path(folder_of_rows) / f"{name}.npy", mmap_mode="r")
            for metric in metrics:
                compare(name, X, y, Q[:n_queries], metric, client)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED, int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)
