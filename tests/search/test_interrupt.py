"""Ctrl-C ends a search after the current chunk of work, in every kind of search."""

import os
import signal

import numpy as np
import pytest
from _rows import python

from fastcls import NearestNeighbors, pairwise_distances
from fastcls._runtime import pacing

#: dtype, metric, algorithm ("matrix": all distances), n_queries, n_rows, n_features
CASES = {
    "many bytes": ("uint8", "l1", "brute", 400, 4000, 256),
    "many bytes, the fastest path": ("uint8", "l2", "auto", 1200, 9000, 256),
    "filter": ("uint8", "l2", "filter", 3000, 9000, 64),
    "floats": ("float32", "l1", "brute", 400, 4000, 128),
    "halves, cosine": ("float16", "cosine", "brute", 400, 4000, 128),
    "few features": ("float64", "l2", "brute", 9000, 9000, 2),
    "tree": ("float64", "l2", "filter", 3000, 12_000, 3),
    "wide rows": ("int8", "l2", "brute", 30, 800, 50_000),
    "matrix": ("float64", "l1", "matrix", 400, 4000, 128),
}


def searches(case):
    """The call that searches, everything else done before."""
    dtype, metric, algorithm, n_queries, n_rows, width = CASES[case]
    rng = np.random.default_rng(0)
    Q, X = (rng.integers(-100, 100, size=(n, width)).astype(dtype) for n in (n_queries, n_rows))
    if algorithm == "matrix":
        return lambda: pairwise_distances(Q, X, metric, n_jobs=2)
    model = NearestNeighbors(metric=metric, algorithm=algorithm, n_jobs=2).fit(X)
    return lambda: model.kneighbors(Q, 5)


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize("case", CASES)
def test_no_chunk_is_begun_after_the_one_in_which_ctrl_c_arrives(case, monkeypatch):
    search, done, took = searches(case), [], pacing.ChunkSize.record

    def count(self, amount, seconds):
        done.append(amount)
        if len(done) == 3:
            signal.raise_signal(signal.SIGINT)
        took(self, amount, seconds)
        return 1.0  # the next chunk is as small as possible: even such a small search has many

    monkeypatch.setattr(pacing.ChunkSize, "record", count)
    with pytest.raises(KeyboardInterrupt):
        search()
    assert len(done) == 3


# The signal comes from another thread while compiled code runs; noise, so that nothing can be discarded early.
MIDST = """
import os, signal, sys, threading
import numpy as np
from fastcls import NearestNeighbors, pairwise_distances
from fastcls._runtime import pacing

rng = np.random.default_rng(0)
few = [rng.integers(-100, 100, size=(512, 1024)).astype("uint8") for _ in range(2)]
Q, X = (np.resize(part, (n, 1024)) for part, n in zip(few, (20_000, 60_000)))
model = NearestNeighbors(metric="l1", algorithm="brute", n_jobs=2).fit(X)
done, sent, third, took = [], [], threading.Event(), pacing.ChunkSize.record

def count(self, amount, seconds):
    done.append(amount)
    if len(done) == 3:
        third.set()
    return took(self, amount, seconds)

def interrupt():
    third.wait()
    os.kill(os.getpid(), signal.SIGINT)
    sent.append(len(done))

pacing.ChunkSize.record = count
threading.Thread(target=interrupt).start()
try:
    model.kneighbors(Q, 5)
except KeyboardInterrupt:
    print(len(done) - sent[0])
else:
    print("too short: it ended before the signal")
"""


@pytest.mark.process
@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_a_signal_within_a_chunk_ends_the_search_after_it():
    assert int(python(MIDST, FASTCLS_ISA="scalar")) <= 1
