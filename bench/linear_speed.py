"""The speed of the linear classifiers beside their rivals, in one run:

    python bench/linear_speed.py CIFAR-FOLDER EMBEDDINGS.npy LABELS.npy --rivals-python VENV/bin/python [--only WORK ...]

The rivals run in a Python of their own (numpy, scikit-learn, torch), each work in a process of its own, on the same rows and
the same number of threads. Seconds are medians after a warm-up; a line gives ours, each rival's, and the ratio.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from fastcls import LinearProblem, datasets, optim
from fastcls.linear import center_and_scale

RIVALS = Path(__file__).with_name("linear_rivals.py")
FLOP_PER_EPOCH = 4 * 50_000 * 3072 * 10


def median(times):
    """Without the first."""
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
        optim.descend_many(problem, [np.zeros(problem.shape)] * 32, [(0.0, 1e-4, np.inf)] * 32, [3e-4] * 32, max_iter=1,
                           batch_size=256, random_state=0)
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
    """Seconds a W of random search."""
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
    reached = float(np.linalg.norm(exact.value_and_gradient(result.W)[1]))
    return min(times), {"iterations": result.n_iter, "gradient_norm": reached, "rival_gradient_norm": wanted,
                        "objective": exact.value(result.W), "rival_objective": float(value)}


def main():
    """One line a work."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("cifar", "embeddings", "labels"):
        parser.add_argument(name)
    parser.add_argument("--rivals-python", required=True)
    works = ["softmax", "hinge", "float32", "gradient", "sweep", "search", "optimum"]
    parser.add_argument("--only", nargs="*", default=works)
    options = parser.parse_args()
    data = datasets.load(options.cifar)
    X, y = data.X, data.y.astype(np.int64)
    center, scale = center_and_scale(X, True, True, None, 2)
    with tempfile.TemporaryDirectory() as room:
        def rival(work, name, what="X"):
            files = [f"{room}/{what}.npy", f"{room}/{what}_y.npy", f"{room}/W.npy"]
            words = [options.rivals_python, RIVALS, work, name, *files]
            return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)

        np.save(f"{room}/X.npy", ((X - center) / scale).astype(np.float32))
        np.save(f"{room}/X_y.npy", y)

        def say(work, ours, rivals, **more):
            ratios = {name: f"{seconds * 1e3:.1f} ms, {seconds / ours:.1f} x" for name, seconds in rivals.items()}
            print(json.dumps({"work": work, "ours_ms": round(ours * 1e3, 2), **ratios, **more}), flush=True)

        for loss in ("softmax", "hinge"):
            if loss in options.only:
                rivals = {name: rival(loss, name)["seconds"] for name in ("numpy", "torch", "sklearn")}
                ours = our_epoch(X, y, loss, center, scale)
                say(f"epoch of {loss}, uint8", ours, rivals, gflops=round(FLOP_PER_EPOCH / ours / 1e9))
        if "float32" in options.only:
            ours = our_epoch(X.astype(np.float32), y, "softmax", center, scale)
            say("epoch of softmax, float32", ours, {"numpy": rival("softmax", "numpy")["seconds"]})
        if "gradient" in options.only:
            ours = our_gradient(X, y, center, scale)
            say("full loss and gradient, uint8", ours, {"lbfgs iteration": rival("gradient", "sklearn")["seconds"]},
                gflops=round(FLOP_PER_EPOCH / ours / 1e9), sgemm_gflops=round(sgemm_rate(2048, 2048, 2048) / 1e9))
        if "sweep" in options.only:
            ours = our_sweep(X, y, center, scale)
            say("epoch of 32 settings, uint8", ours, {"torch, one by one": 32 * rival("sweep", "torch")["seconds"]},
                gflops=round(32 * FLOP_PER_EPOCH / ours / 1e9), sgemm_gflops=round(sgemm_rate(256, 320, 3072) / 1e9))
        if "search" in options.only:
            np.save(f"{room}/X.npy", np.hstack([X.astype(np.float32), np.ones((len(X), 1), np.float32)]))
            say("random search, a W", our_search(X, y), {"numpy": rival("search", "numpy")["seconds"]})
        if "optimum" in options.only:
            E, labels = np.load(options.embeddings).astype(np.float32), np.load(options.labels).astype(np.int64)
            mean = center_and_scale(E, True, False, None, 2)[0]
            np.save(f"{room}/E.npy", (E - mean).astype(np.float32))
            np.save(f"{room}/E_y.npy", labels)
            found = rival("optimum", "sklearn", "E")
            ours, more = our_optimum(E, labels, mean, np.load(f"{room}/W.npy").astype(np.float64))
            say("embeddings to the same gradient", ours, {"LogisticRegression": found["seconds"]},
                rival_iterations=found["iterations"], **more)


if __name__ == "__main__":
    main()
