"""A filter that two threads learn at once, that a forked process goes on with, or whose learning was interrupted."""

import multiprocessing
import pickle
import sys
import threading

import _filter_cases as cases
import numpy as np
import pytest
from _rows import assert_same_bytes, python
from sklearn.exceptions import NotFittedError

from fastcls import KNeighborsClassifier, NearestNeighbors


@pytest.mark.parametrize("metric", ["l1", "l2", "cosine"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_threads_that_learn_one_filter_at_the_same_time_find_the_same(dtype, metric):
    """A model that was unpickled has no filter yet, and the first searches make it."""
    rng = np.random.default_rng(0)
    X = cases.stored(cases.low_rank(rng, 6000, 300), dtype)
    Q = X[rng.choice(len(X), 1200, replace=False)]
    fitted = NearestNeighbors(5, metric=metric, algorithm="filter", n_jobs=2).fit(X)
    wanted = NearestNeighbors(5, metric=metric, algorithm="brute").fit(X).kneighbors(Q)
    for algorithm in ("filter", "auto"):
        fitted.set_params(algorithm=algorithm)
        for _ in range(2):
            model, found = pickle.loads(pickle.dumps(fitted)), [None] * 4
            together = threading.Barrier(len(found))

            def find(i, model=model, found=found, together=together):
                together.wait()
                answer = model.kneighbors(Q)
                found[i] = (answer, model.search_report_.path)

            threads = [threading.Thread(target=find, args=(i,)) for i in range(len(found))]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=120)
            for answer, path in found:
                assert_same_bytes(answer, wanted)
                assert path == "filter" or algorithm == "auto"


# In a process of its own, where no thread ran before; the child has a filter from its parent and learns another.
FORKED = """
import hashlib, multiprocessing, pickle, sys
import numpy as np
from fastcls import NearestNeighbors

metric, dtype = sys.argv[1:]
rng = np.random.default_rng(0)
X = (20 * rng.normal(size=(5000, 6)) @ rng.normal(size=(6, 300))).clip(-100, 100).astype(dtype)
Q = X[::10].copy()
model = NearestNeighbors(4, metric=metric, algorithm="filter", n_jobs=2).fit(X)
unlearned = pickle.loads(pickle.dumps(model))

def answer(model):
    found = [hashlib.sha256(part.tobytes()).hexdigest() for part in model.kneighbors(Q)]
    return found, model.search_report_.path, model.search_report_.threads

def child(answers):
    answers.put((answer(model), answer(unlearned)))

wanted = answer(model)
context = multiprocessing.get_context("fork")
answers = context.SimpleQueue()
process = context.Process(target=child, args=(answers,))
process.start()
process.join(timeout=60)
if process.is_alive():
    process.kill()
    sys.exit("the child hangs")
for found, path, threads in answers.get():
    assert (found, path, threads) == (wanted[0], "filter", 1), (found, path, threads, wanted)
assert answer(model) == answer(unlearned) == wanted, "the parent goes on as before"
brute = NearestNeighbors(4, metric=metric, algorithm="brute").fit(X)
assert answer(brute)[0] == wanted[0]
print("the same", wanted[1:])
"""


@pytest.mark.process
@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.parametrize(("metric", "dtype"), [("l1", "uint8"), ("l2", "float32")])
def test_a_forked_child_goes_on_with_a_filter_and_learns_another(metric, dtype):
    from fastcls import _kernels

    assert python(FORKED, metric, dtype) == f"the same ('filter', {2 if _kernels.HAS_OPENMP else 1})\n"


def interrupted_after(n, call):
    """Ctrl-C when the n-th function has begun or ended within a call; whether the call ended before, and how many had."""
    seen = 0

    def count(frame, event, argument):
        nonlocal seen
        seen += 1
        if seen == n:
            raise KeyboardInterrupt

    try:
        sys.setprofile(count)
        call()
    except KeyboardInterrupt:
        return False, seen
    finally:
        sys.setprofile(None)
    return True, seen


@pytest.mark.parametrize("before", ["nothing", "small"])
def test_a_fit_that_ctrl_c_ends_leaves_the_estimator_as_it_was(before):
    """At moments from the fit's first check to its end."""
    rng = np.random.default_rng(1)
    X, small = (cases.stored(cases.low_rank(rng, 5000, d), "float32") for d in (96, 64))
    y = np.arange(5000) % 7
    model = KNeighborsClassifier(3, algorithm="filter").fit(X, y)
    wanted = model.predict_proba(X[:30])
    wanted_small = KNeighborsClassifier(3, algorithm="filter").fit(small, y % 3).predict_proba(small[:30])
    _, whole = interrupted_after(0, lambda: KNeighborsClassifier(3, algorithm="filter").fit(X, y))
    ends = 0
    for share in np.linspace(0.01, 1.01, 21):
        model = KNeighborsClassifier(3, algorithm="filter")
        if before == "small":
            model.fit(small, y % 3)
        ended, _ = interrupted_after(int(share * whole), lambda model=model: model.fit(X, y))
        ends += ended
        if ended or getattr(model, "n_features_in_", 0) == 96:
            assert_same_bytes([model.predict_proba(X[:30])], [wanted])
        elif before == "small":
            assert_same_bytes([model.predict_proba(small[:30])], [wanted_small])
        else:
            with pytest.raises(NotFittedError):
                model.predict(X[:30])
    assert ends < 10
    assert_same_bytes([model.fit(X, y).predict_proba(X[:30])], [wanted])


def test_a_fit_that_fails_in_its_midst_leaves_the_estimator_as_it_was(monkeypatch):
    """The same, whatever ends the learning, at each of its steps."""
    from fastcls._search.filter import levels

    rng = np.random.default_rng(1)
    X, small = (cases.stored(cases.low_rank(rng, 5000, d), "float32") for d in (96, 64))
    y = np.arange(5000) % 4
    model = KNeighborsClassifier(3, algorithm="filter").fit(small, y % 3)
    wanted = model.predict_proba(small[:30])
    for module, step in ((levels, "learned"), (levels, "encode"), (levels, "in_panels")):

        def stop(*_, **__):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(module, step, stop)
            with pytest.raises(KeyboardInterrupt):
                model.fit(X, y)
        assert model.n_features_in_ == 64
        assert_same_bytes([model.predict_proba(small[:30])], [wanted])
    assert model.fit(X, y).predict_proba(X[:30]).shape == (30, 4)
