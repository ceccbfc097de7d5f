"""What Dask costs: k-NN over workers on this machine beside one process; writes bench/results/dask.json and prints:

    python -m bench.dask_overhead [--workers 1 2 4] [--rounds 5] [--rows 50000] [--queries 10000] [--metric l1] [--k 7]

CIFAR-10 (JPEG copy) by default, training rows as a memory map for both. As many threads in all for each: one process has
them all, workers share them (at least one each, so more workers than cores only add work). A round is one search without
Dask and one over each number of workers, in turns, so that a slow moment hits all; medians of the rounds, one before them
not counted. The answers must be the same bytes. Target: with one worker, less than 15 % more seconds than without Dask.
"""

import argparse
import datetime
import json
import statistics
import time
from pathlib import Path

import numpy as np

import fastcls
import fastcls.dask
from fastcls import simd
from fastcls._runtime import threads
from fastcls._storage.atomic import write_text

from . import data
from .measure import machine

RESULTS = Path(__file__).with_name("results") / "dask.json"
TARGET = 0.15


def mapped(X: np.ndarray, name: str) -> np.ndarray:
    """The rows as a memory map of a file in the cache folder."""
    path = data.cache_folder() / f"{name}.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def clusters(workers: list[int], n_threads: int):
    """A client of as many workers each, by their number."""
    from distributed import Client, LocalCluster

    return {
        n: Client(
            LocalCluster(
                n_workers=n,
                threads_per_worker=max(1, n_threads // n),
                processes=True,
                memory_limit=0,
                dashboard_address=":0",
            )
        )
        for n in workers
    }


def measure(X, Q, k: int, metric: str, clients: dict, n_threads: int, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Seconds of every fit and search, by way; raises if any answer differs."""
    y = np.arange(len(X)) % 10
    models = {"no Dask": fastcls.KNeighborsClassifier(k, metric=metric, n_jobs=n_threads)}
    models |= {f"{n} workers": fastcls.dask.KNeighborsClassifier(k, metric=metric, client=c) for n, c in clients.items()}
    seconds: dict[str, dict[str, list[float]]] = {name: {"fit": [], "search": []} for name in models}
    for name, model in models.items():
        begun = time.perf_counter()
        model.fit(X, y)
        seconds[name]["fit"].append(time.perf_counter() - begun)
    for at in range(rounds + 1):
        wanted = None
        for name, model in models.items():
            begun = time.perf_counter()
            found = model.kneighbors(Q)
            if at:
                seconds[name]["search"].append(time.perf_counter() - begun)
            wanted = wanted or found
            if any(a.tobytes() != b.tobytes() for a, b in zip(found, wanted, strict=True)):
                raise AssertionError(f"{name} answers otherwise than no Dask")
    return seconds


def run(arguments: list[str] | None = None) -> dict:
    """Measure, print and return the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="cifar10", choices=data.DATA)
    parser.add_argument("--metric", default="l1")
    parser.add_argument("--k", type=int, default=7)
    parser.add_argument("--workers", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--queries", type=int)
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args(arguments)
    train, queries = data.rows(asked.data)
    assert queries is not None, f"{asked.data} has no queries of its own"
    X, Q = mapped(train[: asked.rows], f"dask-{asked.data}"), np.ascontiguousarray(queries[: asked.queries])
    n_threads = threads.effective(None)
    clients = clusters(asked.workers, n_threads)
    try:
        seconds = measure(X, Q, asked.k, asked.metric, clients, n_threads, asked.rounds)
    finally:
        for client in clients.values():
            client.cluster.close()
            client.close()
    alone = statistics.median(seconds["no Dask"]["search"])
    figures = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "isa": simd.active(),
        "threads": n_threads,
        "data": asked.data,
        "metric": asked.metric,
        "k": asked.k,
        "n_train": len(X),
        "n_queries": len(Q),
        "n_features": X.shape[1],
        "seconds": seconds,
        "overhead": {name: statistics.median(of["search"]) / alone - 1 for name, of in seconds.items() if name != "no Dask"},
        "target": TARGET,
    }
    print(f"{asked.data} {asked.metric}, k = {asked.k}: {len(Q):,} queries among {len(X):,} rows, {n_threads} threads")
    for name, of in seconds.items():
        search = statistics.median(of["search"])
        verdict = ""
        if name == "1 workers":
            verdict = f", target {TARGET:.0%}: {'met' if search / alone - 1 < TARGET else 'NOT met'}"
        print(f"{name:>10}: fit {of['fit'][0]:.2f} s, search {search:.3f} s ({search / alone - 1:+.1%}{verdict})")
    write_text(json.dumps(figures, indent=1) + "\n", asked.out, "the figures")
    return figures


if __name__ == "__main__":  # workers are started by spawning, which imports this module
    run()
