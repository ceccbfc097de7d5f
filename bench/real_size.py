"""The k-NN search at ImageNet's size: ``python -m bench.real_size [--rows 1280000] [--queries 50000] [--seconds 80]``.

Rows are those of growth.py: 1.28 million x 1,024 float16 numbers in a memory map, with the spectrum and the clusters of real
embeddings. Measured are the fit, a search for k = 20 under L2, the longest time between two calls of `progress`, how long
Ctrl-C takes in the midst of a search, and the anonymous memory at its peak: that of the process without the pages of the
map, which the system can drop at any time. The matrix products alone, by float32 `sgemm` of NumPy with the same threads,
are timed on some rows and queries and scaled up.

If all queries would take longer than `--seconds`, the first of them are searched and their time is scaled up; queries are
independent, and the blocks of a search are alike. On a busy machine compare processor times: the seconds that the threads
computed, divided by their number.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from fastcls import NearestNeighbors
from fastcls._runtime import threads
from fastcls._search import plan
from fastcls._search.rows import Rows
from fastcls._storage.atomic import write_text

from .growth import RESULTS, K, made
from .measure import machine

WIDTH = 1024


class AnonymousPeak:
    """The largest anonymous memory of this process within a ``with`` block, in bytes; sampled every 5 ms."""

    def __enter__(self) -> AnonymousPeak:
        self.before = self.bytes = self._now()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.005):
            self.bytes = max(self.bytes, self._now())

    @staticmethod
    def _now() -> int:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def search(model: NearestNeighbors, Q: np.ndarray) -> dict[str, Any]:
    """One search, its gaps between calls of `progress`, and what it counted."""
    calls, used = [time.perf_counter()], time.process_time()
    _, _, report = plan.search(
        model._rows,
        Rows([Q]),
        K,
        "l2",
        n_threads=threads.effective(None),
        progress=lambda done, total: calls.append(time.perf_counter()),
    )
    gaps = np.diff(calls)
    return {
        "queries": len(Q),
        "seconds": calls[-1] - calls[0],
        "processor_seconds": (time.process_time() - used) / threads.effective(None),
        "path": report.path,
        "levels": [(level.bytes, level.pairs_out / level.pairs_in) for level in report.levels],
        "computed": report.computed / report.pairs,
        "chunks": report.chunks,
        "gap_median": float(np.median(gaps)),
        "gap_longest": float(gaps.max()),
    }


def interrupted(model: NearestNeighbors, Q: np.ndarray, after: float) -> float:
    """Seconds from a SIGINT to the KeyboardInterrupt of a search."""
    sent = []

    def send() -> None:
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    try:
        model.kneighbors(Q)
    except KeyboardInterrupt:
        return time.perf_counter() - sent[0]
    timer.cancel()
    raise AssertionError("the search ended before the signal")


def sgemm_seconds(X: np.ndarray, Q: np.ndarray, n_rows: int, n_queries: int) -> tuple[float, float]:
    """Seconds, and processor seconds per thread, of the products of all pairs by sgemm, scaled from some of them."""
    some_rows, some = np.array(X[:16_384], dtype=np.float32), np.array(Q[:4_096], dtype=np.float32)
    out = np.empty((len(some), len(some_rows)), dtype=np.float32)
    best = least = float("inf")
    for _ in range(6):
        begun, used = time.perf_counter(), time.process_time()
        np.matmul(some, some_rows.T, out=out)
        best, least = min(best, time.perf_counter() - begun), min(least, time.process_time() - used)
    times = (n_rows / len(some_rows)) * (n_queries / len(some))
    return best * times, least / threads.effective(None) * times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_280_000)
    parser.add_argument("--queries", type=int, default=50_000)
    parser.add_argument("--seconds", type=float, default=80.0, help="for the search")
    args = parser.parse_args()
    X, Q = made(WIDTH)
    X, Q = X[: args.rows], np.array(Q[: args.queries])
    found: dict[str, Any] = {"machine": machine(), "threads": threads.effective(None), "rows": len(X), "k": K}
    found["sgemm"], found["sgemm_processor"] = sgemm_seconds(X, Q, len(X), args.queries)
    print(f"products by sgemm, scaled: {found['sgemm']:.0f} s, by processor time {found['sgemm_processor']:.0f}", flush=True)
    with AnonymousPeak() as memory:
        begun, used = time.perf_counter(), time.process_time()
        model = NearestNeighbors(n_neighbors=K).fit(X)
        found["fit"] = time.perf_counter() - begun
        found["fit_processor"] = (time.process_time() - used) / threads.effective(None)
        found["fit_bytes"] = memory.bytes - memory.before
        print(f"fit {found['fit']:.1f} s, {found['fit_bytes'] / 1e9:.2f} GB", flush=True)
        some = search(model, Q[:960])
        n = min(len(Q), max(960, int(args.seconds * 960 / some["seconds"])))
        found["search"] = search(model, Q[:n])
    found["bytes"] = memory.bytes - memory.before
    found["scaled"] = found["search"]["seconds"] * args.queries / n
    found["interrupted"] = interrupted(model, Q[:960], some["seconds"] / 2)
    found["scaled_processor"] = found["search"]["processor_seconds"] * args.queries / n
    found["ratio"] = found["sgemm"] / (found["fit"] + found["scaled"])
    found["ratio_processor"] = found["sgemm_processor"] / (found["fit_processor"] + found["scaled_processor"])
    write_text(json.dumps(found, indent=1) + "\n", RESULTS / "real_size.json", "the figures")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
