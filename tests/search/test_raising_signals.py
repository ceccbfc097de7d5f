"""A signal handler that raises, at random moments of every long call: the estimator is as it was, and no file is partial.

Ctrl-C is such a signal. FASTCLS_SIGNALS=100 sends so many to each call. How long each took to end is printed: on a machine
that others use no limit of it would hold.
"""

import json
import os
import signal

import pytest
from _rows import python

COUNT = int(os.environ.get("FASTCLS_SIGNALS", 6))

PROGRAM = """
import json, os, random, signal, sys, tempfile, time, warnings
from pathlib import Path
import numpy as np
import fastcls
from fastcls import datasets, model_selection

warnings.simplefilter("ignore")
count = int(sys.argv[1])
rng = np.random.default_rng(0)
X = (20 * rng.normal(size=(6000, 8)) @ rng.normal(size=(8, 96))).clip(-100, 100).astype(np.float32)
y, Q = np.arange(len(X)) % 5, X[:1500] + np.float32(0.5)
folder = Path(sys.argv[2])
np.save(folder / "X.npy", X)
np.save(folder / "y.npy", y)
np.savez_compressed(folder / "data.npz", X=X, y=y)

class Stop(Exception):
    pass

def stop(number, frame):
    raise Stop

def knn(**options):
    return fastcls.KNeighborsClassifier(3, n_jobs=2, **options).fit(X, y)

def linear(**options):
    return fastcls.SoftmaxClassifier(max_iter=4, random_state=0, alpha=1e-3, n_jobs=2, **options).fit(X, y)

brute, filtered, few = knn(algorithm="brute"), knn(algorithm="filter"), fastcls.NearestNeighbors(2).fit(X[:, :3])
softmax, again = linear(), linear()
path = folder / "model"
brute.save(path)
other = fastcls.KNeighborsClassifier(4).fit(X[::-1], y)

def state():
    # what must be the same after every call that was ended
    parts = [*brute.kneighbors(Q[:9]), *filtered.kneighbors(Q[:9]), *few.kneighbors(Q[:9, :3]), softmax.coef_]
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)

def saved():
    loaded = fastcls.load(path)
    loaded.predict(Q[:3])
    assert loaded.n_neighbors in (3, 4)
    partial = [entry.name for entry in folder.iterdir() if "partial" in entry.name]
    assert not partial, partial

CALLS = {
    "brute force": lambda: brute.kneighbors(Q),
    "filter": lambda: filtered.predict_proba(Q),
    "tree": lambda: few.kneighbors(Q[:, :3]),
    "leave-one-out": lambda: brute.predict(),
    "matrix": lambda: fastcls.pairwise_distances(Q, X[:2000], "l1"),
    "radius": lambda: few.radius_neighbors(Q[:, :3], 5.0),
    "duplicates": lambda: fastcls.duplicates(X[:3000]),
    "fit of a filter": lambda: filtered.fit(X, y),
    "softmax": lambda: softmax.fit(X, y),
    "L-BFGS": lambda: linear(solver="lbfgs"),
    "sweep": lambda: fastcls.SoftmaxClassifierCV(alphas=[1e-4, 1e-2], cv=3, max_iter=3, random_state=0).fit(X, y),
    "folds": lambda: model_selection.cross_validate_k(X[:2500], y[:2500], ks=[1, 5], random_state=0),
    "save": lambda: [brute.save(path), other.save(path)],
    "load": lambda: [fastcls.load(path, verify=True) for _ in range(5)],
    "data set": lambda: [datasets.load(folder / "data.npz"), datasets.load(folder)],
}
signal.signal(signal.SIGALRM, stop)
chance, wanted, found = random.Random(0), state(), {}
for name, call in CALLS.items():
    call()
    begun = time.perf_counter()
    call()
    lasts = time.perf_counter() - begun
    hits, late = 0, []
    for _ in range(count):
        at = chance.uniform(0.02, 0.98) * lasts
        begun = time.perf_counter()
        try:
            signal.setitimer(signal.ITIMER_REAL, max(at, 1e-4))
            call()
            signal.setitimer(signal.ITIMER_REAL, 0)
        except Stop:
            hits += 1
            late.append(time.perf_counter() - begun - at)
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert state() == wanted, f"{name}: the estimators have changed"
        saved()
    found[name] = hits, sorted(late)[int(0.95 * len(late))] if late else 0.0
print(json.dumps(found))
"""


@pytest.mark.process
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="sends POSIX signals")
def test_a_handler_that_raises_leaves_estimators_and_files_as_they_were(tmp_path):
    found = json.loads(python(PROGRAM, COUNT, tmp_path, timeout=600 + 30 * COUNT))
    print({name: f"{hits} of {COUNT}, {1000 * late:.0f} ms" for name, (hits, late) in found.items()})
    slowest = max(found, key=lambda name: found[name][1])
    print(f"95th percentile of the time that a call took to end: at most {1000 * found[slowest][1]:.0f} ms ({slowest})")
    hits = [hits for hits, _ in found.values()]
    assert len(hits) == 15
    assert sum(hits) > len(hits)  # signals do come while the calls run
