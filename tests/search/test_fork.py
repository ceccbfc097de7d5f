"""A process forked after a parallel search can search: libgomp's threads do not survive a fork."""

import multiprocessing

import pytest
from _pairwise import pairwise
from _rows import python

pytestmark = pytest.mark.process

# A fresh process, so that nothing ran on threads before; it says how many the search had, and what the child found.
FORKED = """
import hashlib, multiprocessing, sys
import numpy as np
from fastcls import NearestNeighbors, pairwise_distances

metric, dtype, n_queries, width = *sys.argv[1:3], *map(int, sys.argv[3:5])
rng = np.random.default_rng(0)
Q, X = (rng.integers(-9, 9, size=(n, width)).astype(dtype) for n in (n_queries, 5_000))
model = NearestNeighbors(4, metric=metric, n_jobs=2).fit(X)

def answer():
    parts = (*model.kneighbors(Q), pairwise_distances(Q[:20], X, metric, n_jobs=2))
    return [hashlib.sha256(part.tobytes()).digest() for part in parts]  # small: a pipe takes it before it is read

def child(answers):
    answers.put((answer(), model.search_report_.threads, model.search_report_.notes))

wanted, threads = answer(), model.search_report_.threads
context = multiprocessing.get_context("fork")
answers = context.SimpleQueue()
process = context.Process(target=child, args=(answers,))
process.start()
process.join(timeout=60)
if process.is_alive():
    process.kill()
    sys.exit("the child hangs")
found, of_child, notes = answers.get()
print(threads, found == wanted, of_child, any("fork" in note for note in notes))
assert answer() == wanted and model.search_report_.threads == threads, "the parent goes on as before"
"""


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.parametrize(
    ("metric", "dtype", "size"), pairwise(["l1", "cosine"], ["uint8", "float32"], [(400, 40), (5, 200), (300, 2)])
)
def test_a_child_forked_after_a_parallel_search_finds_the_same(metric, dtype, size):
    from fastcls import _kernels

    threads, same, of_child, said = python(FORKED, metric, dtype, *size).split()
    assert threads == ("2" if _kernels.HAS_OPENMP else "1"), "the search before the fork must be parallel"
    assert same == "True"
    assert of_child == "1"
    assert said == "True"
