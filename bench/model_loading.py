"""How long a saved model takes to load in a fresh process: ``python -m bench.model_loading [MEGABYTES]``.

A k-NN model of that many MB (by default 150: 50,000 rows of 3,072 bytes) is saved into a temporary folder. Then processes,
one after the other, import fastcls and load it. Import and load are timed separately, medians of `RUNS`; the file is in the
system's cache. For comparison it also times reading the file's bytes into memory, and the first search: it learns the
filter and reads the rows for the first time.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from fastcls import KNeighborsClassifier

RUNS, FEATURES, CLASSES = 9, 3072, 10
LOAD = """
import sys, time
import numpy as np
begun = time.perf_counter()
import fastcls.neighbors
imported = time.perf_counter()
model = fastcls.load(sys.argv[1])
loaded = time.perf_counter()
model.predict(np.zeros((1, model.n_features_in_), dtype=np.uint8))
searched = time.perf_counter()
np.fromfile(sys.argv[1], dtype=np.uint8)
print(imported - begun, loaded - imported, searched - loaded, time.perf_counter() - searched)
"""


def main(megabytes: int = 150) -> None:
    """Measure and print two lines."""
    n_rows = megabytes * 1_000_000 // FEATURES
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        X = rng.integers(0, 256, (n_rows, FEATURES), dtype=np.uint8)
        KNeighborsClassifier(algorithm="brute").fit(X, np.arange(n_rows) % CLASSES).save(path)
        runs = [
            [float(part) for part in subprocess.check_output([sys.executable, "-c", LOAD, path], text=True).split()]
            for _ in range(RUNS + 1)
        ][1:]
        size = path.stat().st_size
    imported, loaded, searched, read = (1e3 * statistics.median(column) for column in zip(*runs, strict=True))
    print(f"{size / 1e6:.0f} MB: load {loaded:.1f} ms (reading the bytes: {read:.0f} ms)")
    print(f"import of fastcls: {imported:.0f} ms; first query: {searched:.0f} ms")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
