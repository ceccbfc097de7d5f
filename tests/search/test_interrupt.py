"""Ctrl-C ends a long search after half a second's work, whatever is searched."""

import os

import pytest
from _rows import python

pytestmark = pytest.mark.process

# A signal comes in the midst of the search. Noise, so that nothing can be discarded early; the slowest kernels.
SEARCH = """
import os, signal, sys, threading, time
import numpy as np
from fastcls import NearestNeighbors, pairwise_distances, simd

dtype, metric, algorithm, n_queries, n_rows, width = *sys.argv[1:4], *map(int, sys.argv[4:7])
rng = np.random.default_rng(0)
few = [rng.integers(-100, 100, size=(min(n, 512), width)).astype(dtype) for n in (n_queries, n_rows)]
Q, X = (np.resize(part, (n, width)) for part, n in zip(few, (n_queries, n_rows)))
model = NearestNeighbors(metric=metric, algorithm=algorithm if algorithm != "matrix" else "brute", n_jobs=2).fit(X)
model.kneighbors(Q[:1, :], 1)

def interrupt():
    time.sleep(0.7)
    sent.append(time.process_time())
    os.kill(os.getpid(), signal.SIGINT)

assert simd.active() == "scalar"
sent = []
threading.Thread(target=interrupt).start()
try:
    pairwise_distances(Q, X, metric, n_jobs=2) if algorithm == "matrix" else model.kneighbors(Q, 5)
except KeyboardInterrupt:
    print(time.process_time() - sent[0])
else:
    print("too short: it ended before the signal")
"""
CASES = {
    "many bytes": ("uint8", "l1", "brute", 20_000, 60_000, 1024),
    "many bytes, the fastest path": ("uint8", "l2", "auto", 20_000, 60_000, 1024),
    "floats": ("float32", "l1", "brute", 20_000, 30_000, 512),
    "halves, cosine": ("float16", "cosine", "brute", 20_000, 30_000, 512),
    "few features": ("float64", "l2", "brute", 100_000, 300_000, 2),
    "wide rows": ("int8", "l2", "brute", 2_000, 2_000, 150_528),
    "matrix": ("float64", "l1", "matrix", 4_000, 10_000, 1024),
}


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("case", CASES)
def test_ctrl_c_stops_a_long_search_within_half_a_second_s_work(case):
    worked = float(python(SEARCH, *CASES[case], FASTCLS_ISA="scalar"))
    assert worked <= 2 * 0.5  # processor time of both threads: a busy machine does not count
