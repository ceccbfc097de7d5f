"""Linear probes with 10 to 10,000 classes, compared with their rivals. Prints and writes bench/results/probe.json and .md:

    python -m bench.probe_speed --rivals-python VENV/bin/python [--classes C ...] [--works WORK ...] [--threads N ...]

The rivals run in a separate Python (numpy, scipy, scikit-learn, torch), one process per cell, on the same rows and with the
same number of threads. Measured cells replace those of the results file.

The floor of a cell is the time of its multiply-adds at the rate that the packed product has from the first-level cache on
this machine (`--rate`, G multiply-adds/s of one thread), or of reading the rows once from memory at `--bandwidth` GB/s if
that is longer.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fastcls._storage.atomic import write_text

from .measure import machine

RESULTS = Path(__file__).with_name("results")
RIVALS = Path(__file__).with_name("probe_rivals.py")
# classes -> rows, features
SHAPES = {10: (20_000, 512), 100: (20_000, 768), 1_000: (10_000, 768), 10_000: (10_000, 768)}
# work -> rivals, products of the rows and the weights, what a unit is
WORKS = {
    "lbfgs": (("scikit-learn", "torch", "torch, compiled", "numpy"), 2, "iteration of L-BFGS"),
    "training": (("scikit-learn", "torch", "torch, compiled", "numpy"), 0, "L-BFGS until the loss is 1.01 of the least"),
    "sgd": (("torch", "torch, compiled", "numpy"), 2, "epoch of SGD"),
    "predict_proba": (("scikit-learn", "torch"), 1, "predict_proba"),
}
TARGETS = {10: 2.5, 100: 2.0, 1_000: 1.6, 10_000: 1.0}
TYPES = ("float32", "float16", "uint8")


def rows_of(n, d, n_classes):
    """Float32 rows like features of a network: a mean for each class, and noise whose spectrum falls as 1/sqrt(i)."""
    rng = np.random.default_rng(0)
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, n - n_classes)])[rng.permutation(n)]
    X = rng.normal(size=(n, d)).astype(np.float32) / np.sqrt(1 + np.arange(d, dtype=np.float32))
    X += 0.3 * rng.normal(size=(n_classes, d)).astype(np.float32)[y] / np.sqrt(1 + np.arange(d, dtype=np.float32))
    return X * 4, y.astype(np.int64)


def as_type(X, name):
    """The rows in another storage type."""
    if name != "uint8":
        return X.astype(name)
    return np.clip(np.rint(X * 32 + 128), 0, 255).astype(np.uint8)


def ours(work, X, y, n_jobs, goal=None):
    """Seconds of one unit by fastcls; as in probe_rivals.py. A training without a goal returns the goal."""
    from fastcls import LinearProblem, SoftmaxClassifier, optim

    sys.path.insert(0, str(Path(__file__).parent))
    import probe_rivals

    n_classes = int(y.max()) + 1
    if work == "predict_proba":
        model = SoftmaxClassifier(max_iter=1, n_jobs=n_jobs)
        model.classes_, model.n_features_in_ = np.arange(n_classes), X.shape[1]
        model.coef_ = np.random.default_rng(0).normal(size=(n_classes, X.shape[1])) / 30
        model.intercept_ = np.zeros(n_classes)
        return probe_rivals.median_of_epochs(lambda: model.predict_proba(X), 9)
    scale = float(X[:500].std()) if X.dtype == np.uint8 else None
    problem = LinearProblem(
        X,
        y,
        "softmax",
        "l2",
        probe_rivals.ALPHA,
        True,
        center=np.full(X.shape[1], 128.0) if scale else None,
        scale=scale,
        penalize_intercept=False,
        n_jobs=n_jobs,
    )
    start = np.zeros(problem.shape)
    if work == "lbfgs":
        return probe_rivals.per_iteration(lambda n: optim.LBFGS(n, 0.0).minimize(problem, start))
    if work == "training" and goal is None:
        return 1.01 * optim.LBFGS(150, 1e-6).minimize(problem, start).loss_history[-1]
    if work == "training":

        def run(n, note):
            optim.LBFGS(n, 0.0, callbacks=lambda progress: note(progress.loss)).minimize(problem, start)

        return probe_rivals.until(goal, run)
    stamps = []
    optim.SGD(
        5, probe_rivals.BATCH, probe_rivals.RATE, random_state=0, callbacks=lambda _: stamps.append(time.perf_counter())
    ).minimize(problem, start)
    return float(np.median(np.diff(stamps)))


def cell(options, work, n_classes, n_threads, folder):
    """All figures of one work, shape and number of threads."""
    n, d = SHAPES[n_classes]
    files = [folder / f"X{n_classes}.npy", folder / f"y{n_classes}.npy"]
    if not files[0].exists():
        for file, rows in zip(files, rows_of(n, d, n_classes), strict=True):
            np.save(file, rows)
    X, y = (np.load(file) for file in files)
    names, n_products, _ = WORKS[work]
    env = {**os.environ, **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(n_threads))}
    rivals, goals = {}, {}
    if work == "training":  # of each type of rows: bytes have a loss of their own
        goals = {kind: ours(work, as_type(X, kind), y, n_threads) for kind in {*options.types, "float32"}}
    for name in names:
        words = [options.rivals_python, RIVALS, work, name, str(n_threads), *files, str(goals.get("float32"))]
        done = subprocess.run(words, check=False, capture_output=True, text=True, env=env)
        if done.returncode:
            print(f"{name} did not run: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        else:
            rivals[name] = json.loads(done.stdout.splitlines()[-1])["seconds"]
    mine = {kind: ours(work, as_type(X, kind), y, n_threads, goals.get(kind)) for kind in options.types}
    products = n_products * n * d * n_classes / (options.rate * 1e9 * n_threads)
    return {
        "ours": mine,
        "rivals": rivals,
        "floor": max(products, X.nbytes / (options.bandwidth * 1e9)),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
    }


def markdown(measured):
    """The table of the measured cells."""
    machines = sorted({f"{row['machine']['processor']}, {row['machine']['cpus']} cpus" for row in measured.values()})
    lines = [
        "# `python -m bench.probe_speed`",
        "",
        f"{' and '.join(machines)}. Rivals have float32 rows; a row is one run. Times in ms; the ratio is that of float32.",
        "The last share is that of the floor: the products, or reading the rows once.",
        "",
        "| work | classes | threads | " + " | ".join(TYPES) + " | rivals | ratio | target | floor | date |",
        "|" + "---|" * 11,
    ]
    order = {f"{work} {n} {threads}": None for work in WORKS for n in SHAPES for threads in (1, 2)}
    for key in filter(measured.get, order):
        row, (work, n_classes, n_threads) = measured[key], key.split()
        mine, best = row["ours"].get("float32"), min(row["rivals"].values(), default=None)
        ratio = "" if not (mine and best) else f"{best / mine:.2f} x"
        target = f"{TARGETS[int(n_classes)]:g} x" if work != "predict_proba" else "1 x"
        rivals = sorted(row["rivals"].items(), key=lambda one: one[1])
        cells = [
            WORKS[work][2],
            f"{int(n_classes):,}",
            n_threads,
            *(f"{row['ours'][kind] * 1e3:.1f}" if kind in row["ours"] else "" for kind in TYPES),
            ", ".join(f"{name} {seconds * 1e3:.1f}" for name, seconds in rivals),
            ratio,
            target,
            f"{row['floor'] / mine:.0%}" if mine and WORKS[work][1] else "",
            row["date"],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def main():
    """Measure cells, merge them into the results file, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rivals-python", required=True)
    parser.add_argument("--classes", nargs="*", type=int, default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--works", nargs="*", default=list(WORKS), choices=list(WORKS))
    parser.add_argument("--threads", nargs="*", type=int, default=[2, 1])
    parser.add_argument("--types", nargs="*", default=list(TYPES), choices=TYPES)
    parser.add_argument("--rate", type=float, default=58.0)
    parser.add_argument("--bandwidth", type=float, default=20.0)
    options = parser.parse_args()
    file = RESULTS / "probe.json"
    measured = json.loads(file.read_text()) if file.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        for n_classes in options.classes:
            for work in options.works:
                for n_threads in options.threads:
                    key = f"{work} {n_classes} {n_threads}"
                    measured[key] = cell(options, work, n_classes, n_threads, Path(folder))
                    print(key, json.dumps(measured[key]), file=sys.stderr, flush=True)
                    write_text(json.dumps(measured, indent=1) + "\n", file, "the figures")
    text = markdown(measured)
    write_text(text, file.with_suffix(".md"), "the table")
    print(text)


if __name__ == "__main__":
    main()
