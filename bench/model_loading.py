"""Time to load a k-NN model and to search it once: ``python -m bench.model_loading [CIFAR_FOLDER]``.

The model has the 50,000 training images of CIFAR-10, or random rows of that shape if no folder is given (k = 7, L2).
Fresh processes, one after the other, either fit it or load its file, and then search for one photo at a time. Each step is
timed by itself: load, the one check of the rows (checksum, finite values, a sample of the codes), the first search, later
searches. Numbers are medians of `RUNS` processes; the file is in the system's cache.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from fastcls import KNeighborsClassifier, datasets

RUNS, FEATURES, CLASSES, SEARCHES = 7, 3072, 10, 200
STEP = """
import json, statistics, sys, time
import numpy as np
from fastcls import KNeighborsClassifier, load

folder, how = sys.argv[1:]
photos, times = np.load(folder + "/photos.npy"), {}
clock = [time.perf_counter()]

def took(name):
    now = time.perf_counter()
    times[name] = now - clock[0]
    clock[0] = time.perf_counter()

if how == "fitted":
    X, y = np.load(folder + "/X.npy"), np.load(folder + "/y.npy")
    clock[0] = time.perf_counter()
    model = KNeighborsClassifier(7).fit(X, y)
    took("fit")
else:
    model = load(folder + "/" + how)
    took("load")
    model._loaded.check_now()
    took("check")
model.predict(photos[:1])
took("first search")
later = []
for i in range(1, len(photos)):
    begun = time.perf_counter()
    model.predict(photos[i : i + 1])
    later.append(time.perf_counter() - begun)
times["later searches"] = statistics.median(later)
print(json.dumps([model.search_report_.path, times]))
"""


def main(cifar: str | None = None) -> None:
    """Measure and print one line for each way to get the model."""
    if cifar is None:
        rng = np.random.default_rng(0)
        basis = rng.normal(size=(40, FEATURES))
        X = (rng.normal(size=(50_000, 40)) @ basis * 8 + 128).clip(0, 255).astype(np.uint8)
        y, photos = np.arange(len(X)) % CLASSES, X[:SEARCHES] ^ 1
    else:
        data = datasets.load(cifar)
        X, y, photos = data.X, data.y, data.X_test[:SEARCHES]
    with tempfile.TemporaryDirectory() as folder:
        for name, array in (("X", X), ("y", y), ("photos", photos)):
            np.save(Path(folder, f"{name}.npy"), array)
        model = KNeighborsClassifier(7).fit(X, y)
        model.save(Path(folder, "with codes"))
        model.save(Path(folder, "without codes"), codes=False)
        sizes = {name: Path(folder, name).stat().st_size for name in ("with codes", "without codes")}
        runs: dict[str, list[dict[str, float]]] = {"fitted": [], "with codes": [], "without codes": []}
        for _ in range(RUNS):
            for how, found in runs.items():
                path, times = json.loads(subprocess.check_output([sys.executable, "-c", STEP, folder, how], text=True))
                assert path == "filter", path
                found.append(times)
    for how, found in runs.items():
        size = f" ({sizes[how] / 1e6:.0f} MB)" if how in sizes else ""
        medians = {step: 1e3 * statistics.median(times[step] for times in found) for step in found[0]}
        print(f"{how}{size}: " + ", ".join(f"{step} {time:.3g} ms" for step, time in medians.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cifar", nargs="?", metavar="CIFAR_FOLDER", help="default: random rows of that shape")
    main(parser.parse_args().cifar)
