"""The overhead of Dask: k-NN over workers on this machine against one process. Prints and writes bench/results/dask.json:

    python -m bench.dask_overhead [--workers 1 2 4] [--rounds 5] [--rows 50000] [--queries 10000] [--metric l1] [--k 7]

Data is CIFAR-10 (JPEG copy) by default; both sides read the training rows from a memory map. Both use the same total number
of threads: one process has all of them, workers share them (at least one each, so more workers than cores only add work). A
round is one search without Dask and one for each number of workers, alternating, so that a slow moment affects all. Figures
are medians of the rounds after a warm-up round. The answers must be the same bytes. Target: with one worker, less than 15 %
more time than without Dask.
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
    """The rows as a memory map, stored in the cache folder."""
    path = data.cache_folder() / f"{name}.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


def clusters(workers: list[int], n_threads: int):
    """Number of workers -> client of a cluster with so many workers."""
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
    """Seconds of every fit and search, with and without Dask; raises an error if any answer differs."""
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
                raise AssertionError(f"the answers of {name} differ from those without Dask")
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
    args = parser.parse_args(arguments)
    train, queries = data.rows(args.data)
    assert queries is not None, f"{args.data} has no queries"
    X, Q = mapped(train[: args.rows], f"dask-{args.data}"), np.ascontiguousarray(queries[: args.queries])
    n_threads = threads.effective(None)
    clients = clusters(args.workers, n_threads)
    try:
        seconds = measure(X, Q, args.k, args.metric, clients, n_threads, args.rounds)
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
        "data": args.data,
        "metric": args.metric,
        "k": args.k,
        "n_train": len(X),
        "n_queries": len(Q),
        "n_features": X.shape[1],
        "seconds": seconds,
        "overhead": {name: statistics.median(of["search"]) / alone - 1 for name, of in seconds.items() if name != "no Dask"},
        "target": TARGET,
    }
    print(f"{args.data} {args.metric}, k = {args.k}: {len(Q):,} queries among {len(X):,} rows, {n_threads} threads")
    for name, of in seconds.items():
        search = statistics.median(of["search"])
        verdict = ""
        if name == "1 workers":
            verdict = f", target {TARGET:.0%}: {'met' if search / alone - 1 < TARGET else 'NOT met'}"
        print(f"{name:>10}: fit {of['fit'][0]:.2f} s, search {search:.3f} s ({search / alone - 1:+.1%}{verdict})")
    write_text(json.dumps(figures, indent=1) + "\n", args.out, "the figures")
    return figures


if __name__ == "__main__":  # workers are started by spawning, which imports this module
    run()
