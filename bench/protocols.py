"""`knn_eval` compared with the published method in torch, in one run. Prints and writes bench/results/protocols.json:

    python -m bench.protocols EMBEDDINGS.npy LABELS.npy --rivals-python VENV/bin/python [--queries 10000] [--rounds 3]

Preset "dino", all four k; random rows are the queries, all others the training rows. The rival runs in a separate Python
with torch, before and after fastcls, with the same number of threads; its rows are converted to float32 of length 1 before
its clock starts. fastcls gets the rows as stored (float16), and those of the rival. Seconds are medians after a warm-up
round.
"""

import argparse
import datetime
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from fastcls import simd
from fastcls._runtime import threads
from fastcls._storage.atomic import write_text
from fastcls.protocols import knn_eval

from .measure import machine

RESULTS = Path(__file__).with_name("results") / "protocols.json"
RIVAL = Path(__file__).with_name("protocols_rival.py")
TARGET = 5.0


def ours(train, y, test, y_test, rounds):
    """Seconds of every round, and the table."""
    seconds = []
    knn_eval(train, y, test[:500], y_test[:500], preset="dino")
    for _ in range(rounds):
        begun = time.perf_counter()
        table = knn_eval(train, y, test, y_test, preset="dino")
        seconds.append(time.perf_counter() - begun)
    return seconds, table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--rivals-python", type=Path, required=True)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    X, y = np.load(args.embeddings), np.unique(np.load(args.labels), return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(len(X))
    test, train = order[: args.queries], order[args.queries :]
    wide = X.astype(np.float32)
    wide /= np.linalg.norm(wide, axis=1, keepdims=True)
    n_threads = threads.effective(None)
    with tempfile.TemporaryDirectory() as folder:
        for name, rows in (("X", wide[train]), ("Q", wide[test]), ("y", y[train]), ("truth", y[test])):
            np.save(Path(folder, f"{name}.npy"), rows)

        def rival(rounds):
            command = [args.rivals_python, RIVAL, folder, str(n_threads), str(rounds)]
            return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

        before = rival(1)
        stored, table = ours(X[train], y[train], X[test], y[test], args.rounds)
        single, same = ours(wide[train], y[train], wide[test], y[test], args.rounds)
        after = rival(1)
    theirs = {way: [*before[way]["seconds"], *after[way]["seconds"]] for way in ("published", "once")}
    fastest = float(np.median(stored))
    figures = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "isa": simd.active(),
        "threads": n_threads,
        "torch": before["torch"],
        "n_train": len(train),
        "n_queries": len(test),
        "n_features": X.shape[1],
        "seconds": {
            "fastcls float16": stored,
            "fastcls float32": single,
            "torch, a search for every k": theirs["published"],
            "torch, one search": theirs["once"],
        },
        "times as fast": {
            "a search for every k": min(theirs["published"]) / fastest,
            "one search": min(theirs["once"]) / fastest,
            "target": TARGET,
        },
        "percent": {
            "fastcls float16": [[100 * row["top1"], 100 * row["top5"]] for row in table],
            "fastcls float32": [[100 * row["top1"], 100 * row["top5"]] for row in same],
            "torch": list(before["published"]["percent"].values()),
        },
    }
    write_text(json.dumps(figures, indent=1) + "\n", RESULTS, "the figures")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
