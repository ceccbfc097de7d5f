"""Search and train on a memory map several times as large as the memory this process is given.

    python tests/helpers/_out_of_core.py FOLDER [MEGABYTES of memory] [TIMES as large a map]

The limit is RLIMIT_DATA (`ulimit -d`), which the kernel enforces on all memory that a process may write and shares with
nobody: the interpreter, its libraries, every array. The pages of a file that is only read are the system's and do not count:
it drops them when it needs room. So whatever copied the map, or a good part of it, ends in MemoryError. To take the page
cache into the limit as well, run this in a container with a limit of its own.

Rows are made so that the answer is known without a search: row i is row i mod m of a block of random rows, but for its first
8 features, which are its own. Of floats all values are whole, so that every sum is exact.
"""

import json
import os
import resource
import sys
from pathlib import Path

#: Of these processes: each thread of the BLAS takes 40 MB, whether it is used or not, and each of ours 8 for its stack.
THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}
SOLVERS = ("sgd", "gd", "lbfgs")
FEATURES, OWN, BLOCK_ROWS, QUERIES, K = 4096, 8, 1024, 6, 10


def values(n, low, high, seed):
    import numpy as np

    return np.random.default_rng(seed).integers(low, high, (n, FEATURES))


def own_values(first, n, dtype):
    """The first features of rows `first` to `first + n`."""
    import numpy as np

    number = np.arange(first, first + n, dtype=np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15)
    return ((number >> (np.uint64(7) * np.arange(OWN, dtype=np.uint64))) % np.uint64(100)).astype(dtype)


def make(path, n_bytes, dtype):
    """A file of rows, written block after block; returns its shape."""
    import numpy as np

    block = values(BLOCK_ROWS, 0, 100, 0).astype(dtype)
    n_blocks = -(-n_bytes // block.nbytes)
    with open(path, "wb") as file:
        for number in range(n_blocks):
            block[:, :OWN] = own_values(number * BLOCK_ROWS, BLOCK_ROWS, dtype)
            file.write(block.tobytes())
    return n_blocks * BLOCK_ROWS, np.dtype(dtype).itemsize * FEATURES


def queries(dtype):
    """Rows near to some of the block, whose neighbours are therefore its copies, and some that are near to none."""
    import numpy as np

    Q = values(BLOCK_ROWS, 0, 100, 0)[:QUERIES]
    Q[: QUERIES // 2] += np.random.default_rng(1).integers(-3, 4, Q[: QUERIES // 2].shape)
    Q[QUERIES // 2 :] = values(QUERIES - QUERIES // 2, 0, 100, 2)
    return Q.clip(0, 127).astype(dtype)


def answer(n_rows, dtype, metric):
    """(S, indices) of the nearest rows, by adding what the block and the rows' own features differ by."""
    import numpy as np

    power = 1 if metric == "l1" else 2
    block, Q = values(BLOCK_ROWS, 0, 100, 0).astype(np.int64), queries(dtype).astype(np.int64)
    own = own_values(0, n_rows, np.int64)
    S, indices = [], []
    for q in Q:
        shared = (np.abs(block[:, OWN:] - q[OWN:]) ** power).sum(axis=1)
        sums = np.tile(shared, n_rows // BLOCK_ROWS) + (np.abs(own - q[:OWN]) ** power).sum(axis=1)
        order = np.argsort(sums, kind="stable")[:K]  # equal sums by index
        S.append(sums[order])
        indices.append(order)
    return np.array(S, dtype=np.float64), np.array(indices)


def search(X, metric):
    """(S, indices, report) with a filter where there is room for one."""
    import numpy as np

    from fastcls import KNeighborsClassifier

    model = KNeighborsClassifier(K, metric=metric).fit(X, np.arange(len(X)) % 7)
    distances, indices = model.kneighbors(queries(X.dtype))
    return distances, indices, model.search_report_


def train(X, solver):
    """Weights after one way through the rows, in random order ("sgd") or as they lie, with some kept apart to stop by."""
    import numpy as np

    from fastcls import SoftmaxClassifier

    y = np.arange(len(X)) % 2
    options = {"early_stopping": True, "max_iter": 1, "random_state": 0}
    model = SoftmaxClassifier(solver=solver, batch_size=4096, **options).fit(X, y)
    if solver == "sgd":
        model.partial_fit(X[: len(X) // 4], y[: len(X) // 4])
    return model.coef_


def copy(X):
    """What must not be possible."""
    return X.copy()


def main(path, dtype, limit, *works):
    """In a process of its own: set the limit, do the works, print the results as JSON, with arrays in files next to it."""
    if limit:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    import numpy as np

    X = np.memmap(path, dtype=dtype, mode="r").reshape(-1, FEATURES)
    results = {}
    for work in works:
        if work in SOLVERS:
            np.save(f"{path}.{work}.npy", train(X, work))
        elif work == "copy":
            copy(X)
        else:
            distances, indices, report = search(X, work)
            results[work] = {
                "distances": distances.tolist(),
                "indices": indices.tolist(),
                "path": report.path,
                "filter_bytes": report.filter_bytes,
                "copied_bytes": report.copied_bytes,
                "notes": list(report.notes),
            }
    status = Path("/proc/self/status").read_text().splitlines()
    results["memory"] = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in status if line.endswith("kB")}
    print(json.dumps(results))


def right(results, metric, n_rows, dtype):
    """Whether the neighbours that a process tells are those that there are, with their distances."""
    import numpy as np

    S, indices = answer(n_rows, dtype, metric)
    distances = S if metric == "l1" else np.sqrt(S)
    return results["indices"] == indices.tolist() and results["distances"] == distances.tolist()


if __name__ == "__main__":
    if len(sys.argv) > 4:
        main(sys.argv[1], sys.argv[2], int(sys.argv[3]), *sys.argv[4:])
        sys.exit()
    import subprocess
    import time

    folder, given = Path(sys.argv[1]), sys.argv[2:]
    megabytes, times = map(int, [*given, *["320", "4"][len(given) :]])
    for dtype in ("uint8", "float16"):
        file = folder / f"rows.{dtype}"
        n_rows, row_bytes = make(file, times * megabytes << 20, dtype)
        for work in ("l1", "l2", *SOLVERS):
            begun = time.perf_counter()
            command = [sys.executable, __file__, file, dtype, str(megabytes << 20), work]
            done = subprocess.run(command, env={**os.environ, **THREADS}, capture_output=True, text=True)
            took = time.perf_counter() - begun
            if done.returncode:
                sys.exit(f"{dtype} {work} under {megabytes} MB: {done.stderr.strip().splitlines()[-1]}")
            results = json.loads(done.stdout)
            said = (
                "" if work in SOLVERS else f", {results[work]['path']}, right: {right(results[work], work, n_rows, dtype)}"
            )
            size = n_rows * row_bytes >> 20
            print(f"{dtype} {work}: {size} MB of rows under {megabytes} MB of memory, {took:.1f} s{said}")
        file.unlink()
