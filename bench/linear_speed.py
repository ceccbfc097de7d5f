"""Speed of the linear classifiers compared with their rivals. Prints and writes bench/results/linear.json and .md:

    python -m bench.linear_speed CIFAR-FOLDER EMBEDDINGS.npy LABELS.npy --rivals-python VENV/bin/python [--only ROW ...]

The rivals run in a separate Python (numpy, scikit-learn, torch), one process per row, on the same data and with the same
number of threads. Seconds are medians after a warm-up. Measured rows replace those of the results file.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from fastcls import LinearProblem, datasets, optim, simd
from fastcls._gradient.scaling import center_and_scale
from fastcls._storage.atomic import write_text

from .measure import machine

RESULTS = Path(__file__).with_name("results")
RIVALS = Path(__file__).with_name("linear_rivals.py")
FLOP_PER_EPOCH = 4 * 50_000 * 3072 * 10


def median(times):
    """The median without the first, a warm-up."""
    return float(np.median(times[1:]))


def our_epoch(X, y, loss, center, scale):
    """Median seconds of an epoch of SGD with the rivals' batch, rate and momentum."""
    problem = LinearProblem(X, y, loss, "l2", 1e-4, True, center=center, scale=scale, penalize_intercept=False)
    stamps = []
    optim.SGD(9, 256, 3e-4, random_state=0, callbacks=lambda _: stamps.append(time.perf_counter())).minimize(
        problem, np.zeros(problem.shape)
    )
    return median(np.diff(stamps))


def our_gradient(X, y, center, scale):
    """Median seconds of one full loss and gradient."""
    problem = LinearProblem(X, y, "softmax", "l2", 1e-4, True, center=center, scale=scale, penalize_intercept=False)
    W, times = np.random.default_rng(0).normal(size=problem.shape) / 100, []
    for _ in range(9):
        begun = time.perf_counter()
        problem.value_and_gradient(W)
        times.append(time.perf_counter() - begun)
    return median(times)


def our_sweep(X, y, center, scale):
    """Seconds of an epoch of 32 settings."""
    problem = LinearProblem(X, y, "softmax", None, 0.0, True, center=center, scale=scale, penalize_intercept=False)
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        optim.descend_many(
            problem,
            [np.zeros(problem.shape)] * 32,
            [(0.0, 1e-4, np.inf)] * 32,
            [3e-4] * 32,
            max_iter=1,
            batch_size=256,
            random_state=0,
        )
        times.append(time.perf_counter() - begun)
    return median(times)


def sgemm_rate(m, n, k):
    """Flop/s of NumPy's float32 product of this shape."""
    A, B = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
    times = []
    for _ in range(9):
        begun = time.perf_counter()
        A @ B
        times.append(time.perf_counter() - begun)
    return 2 * m * n * k / median(times)


def our_search(X, y):
    """Seconds per W of random search."""
    problem = LinearProblem(X, y, "hinge", None, 0.0, True)
    begun = time.perf_counter()
    optim.RandomSearch(300, random_state=0).minimize(problem)
    return (time.perf_counter() - begun) / 300


def our_optimum(X, y, center, rival_W):
    """Seconds to the rival's gradient norm, iterations, and both objectives."""

    def problem():
        return LinearProblem(X, y, "softmax", "l2", 1e-5, True, center=center, scale=1.0, penalize_intercept=False)

    exact = problem()
    value, gradient = exact.value_and_gradient(rival_W)
    wanted = float(np.linalg.norm(gradient))
    times = []
    for _ in range(2):
        begun = time.perf_counter()
        made = problem()
        solver = optim.LBFGS(2000, 0.0, callbacks=lambda progress: progress.gradient_norm <= wanted)
        result = solver.minimize(made, np.zeros(made.shape))
        times.append(time.perf_counter() - begun)
    our_norm = float(np.linalg.norm(exact.value_and_gradient(result.W)[1]))
    return min(times), {
        "iterations": result.n_iter,
        "gradient_norm": our_norm,
        "rival_gradient_norm": wanted,
        "objective": exact.value(result.W),
        "rival_objective": float(value),
    }


# Run in a separate process: peak memory of a fit above what was in use before, rows included (Linux).
PEAK = """
import sys
from fastcls import SoftmaxClassifier, datasets
def bytes_of(name):
    (line,) = [line for line in open("/proc/self/status") if line.startswith(name + ":")]
    return int(line.split()[1]) * 1024
data = datasets.load(sys.argv[1])
SoftmaxClassifier(max_iter=1, random_state=0).fit(data.X[:256], data.y[:256])  # loads the libraries
open("/proc/self/clear_refs", "w").write("5")
before = bytes_of("VmRSS")
SoftmaxClassifier(max_iter=3, random_state=0).fit(data.X, data.y)
print(bytes_of("VmHWM") - before)
"""
MOST_EXTRA_BYTES = 60_000_000


# Row -> title and targets: speed relative to each rival, or share of a limit.
ROWS = {
    "softmax": ("epoch of softmax, uint8", {"torch": 8, "numpy": 6, "SGDClassifier": 25}),
    "hinge": ("epoch of hinge, uint8", {"torch": 8, "numpy": 6, "SGDClassifier": 25}),
    "float32": ("epoch of softmax, float32", {"numpy": 1.5}),
    "gradient": ("full loss and gradient, uint8", {"iteration of LogisticRegression": 5, "limit": 0.6}),
    "sweep": ("epoch of 32 settings, uint8", {"torch, one by one": 3, "limit": 0.75}),
    "search": ("random search, a W", {"numpy": 6}),
    "optimum": ("63,666 x 384 float32, 58 classes, to one gradient norm", {"LogisticRegression": 3}),
    "memory": ("peak memory of a fit on uint8, above its input", {}),
}


class Bench:
    """Measures the rows. The rivals' data is written to a folder once, in the form each rival prefers."""

    def __init__(self, options, folder):
        self.options, self.folder = options, Path(folder)
        data = datasets.load(options.cifar)
        self.X, self.y = data.X, data.y.astype(np.int64)
        self.center, self.scale = center_and_scale(self.X, True, True, None, 2)

    def rival(self, work, name, make):
        """What the rival printed; `make` returns its data (X, y), which is written if the files do not exist yet."""
        stem = {"search": "raw", "optimum": "E"}.get(work, "X")
        files = [self.folder / f"{stem}.npy", self.folder / f"{stem}_y.npy", self.folder / "W.npy"]
        if not files[0].exists():
            for file, rows in zip(files, make(), strict=False):
                np.save(file, rows)
        words = [self.options.rivals_python, RIVALS, work, name, *files]
        return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

    def scaled(self):
        """The rows in the form that the rivals train on."""
        return ((self.X - self.center) / self.scale).astype(np.float32), self.y

    def softmax(self, loss="softmax"):
        names = {"torch": "torch", "numpy": "numpy", "SGDClassifier": "sklearn"}
        rivals = {title: self.rival(loss, name, self.scaled)["seconds"] for title, name in names.items()}
        ours = our_epoch(self.X, self.y, loss, self.center, self.scale)
        return ours, rivals, {"gflops": FLOP_PER_EPOCH / ours / 1e9}

    def hinge(self):
        return self.softmax("hinge")

    def float32(self):
        rivals = {"numpy": self.rival("softmax", "numpy", self.scaled)["seconds"]}
        return our_epoch(self.X.astype(np.float32), self.y, "softmax", self.center, self.scale), rivals, {}

    def gradient(self):
        rivals = {"iteration of LogisticRegression": self.rival("gradient", "sklearn", self.scaled)["seconds"]}
        ours = our_gradient(self.X, self.y, self.center, self.scale)
        rate, limit = FLOP_PER_EPOCH / ours / 1e9, sgemm_rate(2048, 2048, 2048) / 1e9
        return ours, rivals, {"gflops": rate, "sgemm_gflops": limit, "limit": rate / limit}

    def sweep(self):
        rivals = {"torch, one by one": 32 * self.rival("sweep", "torch", self.scaled)["seconds"]}
        ours = our_sweep(self.X, self.y, self.center, self.scale)
        rate, limit = 32 * FLOP_PER_EPOCH / ours / 1e9, sgemm_rate(256, 320, 3072) / 1e9
        return ours, rivals, {"gflops": rate, "sgemm_gflops": limit, "limit": rate / limit}

    def search(self):
        def make():
            return np.hstack([self.X.astype(np.float32), np.ones((len(self.X), 1), np.float32)]), self.y

        return our_search(self.X, self.y), {"numpy": self.rival("search", "numpy", make)["seconds"]}, {}

    def memory(self):
        done = subprocess.run([sys.executable, "-c", PEAK, self.options.cifar], check=True, capture_output=True, text=True)
        return int(done.stdout), {}, {}

    def optimum(self):
        E = np.load(self.options.embeddings).astype(np.float32)
        labels = np.load(self.options.labels).astype(np.int64)
        mean = center_and_scale(E, True, False, None, 2)[0]
        found = self.rival("optimum", "sklearn", lambda: ((E - mean).astype(np.float32), labels))
        ours, more = our_optimum(E, labels, mean, np.load(self.folder / "W.npy").astype(np.float64))
        return ours, {"LogisticRegression": found["seconds"]}, {"rival_iterations": found["iterations"], **more}


def markdown(measured):
    """The table of the measured rows."""
    machines = sorted({f"{row['machine']['processor']}, {row['machine']['cpus']} cpus" for row in measured.values()})
    lines = [
        "# `python -m bench.linear_speed`",
        "",
        f"{' and '.join(machines)}. Two threads, a row in one run, medians; shares are of NumPy's sgemm.",
        "",
        "| work | ours | against | value | target | met | date |",
        "|" + "---|" * 7,
    ]
    for name, (title, targets) in ROWS.items():
        row = measured.get(name)
        if name == "memory" and row:
            met = "yes" if row["ours"] <= MOST_EXTRA_BYTES else "**no**"
            most = f"{MOST_EXTRA_BYTES / 1e6:.0f} MB"
            lines.append(f"| {title} | {row['ours'] / 1e6:.1f} MB | | | {most} | {met} | {row['date']} |")
        for against, target in targets.items() if row else ():
            theirs = row["rivals"].get(against)
            value = theirs / row["ours"] if theirs else row["more"][against]
            shown = (
                [f"{against} {theirs * 1e3:.0f} ms", f"{value:.1f} x", f"{target} x"]
                if theirs
                else [f"sgemm {row['more']['sgemm_gflops']:.0f} GFLOP/s", f"{value:.0%}", f"{target:.0%}"]
            )
            met = "yes" if value >= target else "**no**"
            lines.append("| " + " | ".join([title, f"{row['ours'] * 1e3:.1f} ms", *shown, met, row["date"]]) + " |")
    return "\n".join([*lines, ""])


def main():
    """Measure rows, merge them into the results file, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("cifar", "embeddings", "labels"):
        parser.add_argument(name)
    parser.add_argument("--rivals-python", required=True)
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=list(ROWS))
    options = parser.parse_args()
    file = RESULTS / "linear.json"
    measured = json.loads(file.read_text()) if file.is_file() else {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(options, folder)
        for name in options.only:
            ours, rivals, more = getattr(bench, name)()
            measured[name] = {
                "ours": ours,
                "rivals": rivals,
                "more": more,
                "date": datetime.date.today().isoformat(),
                "machine": machine(),
                "isa": simd.active(),
            }
            print(name, json.dumps(measured[name]), file=sys.stderr, flush=True)
            write_text(json.dumps(measured, indent=1) + "\n", file, "the figures")
    text = markdown(measured)
    write_text(text, file.with_suffix(".md"), "the table")
    print(text)


if __name__ == "__main__":
    main()
