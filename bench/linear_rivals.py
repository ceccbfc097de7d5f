"""The rivals of the linear classifiers, one function per work and rival. They run in a separate Python, see linear_speed.py.

    python linear_rivals.py WORK RIVAL X.npy y.npy     one line of JSON: median seconds per unit, and the result

Objectives are those of fastcls: centred and scaled rows, mean loss + alpha sum W^2, the bias not penalised. Each rival gets
its rows in its preferred form, float32 and centred, before the clock starts.
"""

import json
import sys
import time

import numpy as np

BATCH, ALPHA, RATE = 256, 1e-4, 3e-4


def median_of(times):
    """The median without the first, a warm-up."""
    return float(np.median(times[1:]))


def numpy_epoch(X, y, loss):
    """The lecture's loop on OpenBLAS."""
    n, d = X.shape
    W, b = np.zeros((d, 10), np.float32), np.zeros(10, np.float32)
    V, v = np.zeros_like(W), np.zeros_like(b)
    rng, times = np.random.default_rng(0), []
    for _ in range(6):
        begun = time.perf_counter()
        order = rng.permutation(n)
        for start in range(0, n, BATCH):
            rows = order[start : start + BATCH]
            x, at = X[rows], np.arange(len(rows))
            s = x @ W + b
            if loss == "softmax":
                g = np.exp(s - s.max(axis=1, keepdims=True))
                g /= g.sum(axis=1, keepdims=True)
                g[at, y[rows]] -= 1
            else:
                g = (s - s[at, y[rows]][:, None] + 1 > 0).astype(np.float32)
                g[at, y[rows]] = 0
                g[at, y[rows]] = -g.sum(axis=1)
            g /= len(rows)
            V = np.float32(0.9) * V - np.float32(RATE) * (x.T @ g + np.float32(2 * ALPHA) * W)
            v = np.float32(0.9) * v - np.float32(RATE) * g.sum(axis=0)
            W += V
            b += v
        times.append(time.perf_counter() - begun)
    return {"seconds": median_of(times)}


def torch_epoch(X, y, loss, settings=1):
    """An nn.Linear, SGD with momentum and weight decay."""
    import torch

    X, y = torch.from_numpy(X), torch.from_numpy(y)
    times = []
    for _ in range(settings):
        model = torch.nn.Linear(X.shape[1], 10)
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, weight_decay=2 * ALPHA)
        criterion = torch.nn.CrossEntropyLoss() if loss == "softmax" else torch.nn.MultiMarginLoss()
        for _ in range(5):
            begun = time.perf_counter()
            order = torch.randperm(len(X))
            for start in range(0, len(X), BATCH):
                rows = order[start : start + BATCH]
                optimizer.zero_grad()
                criterion(model(X[rows]), y[rows]).backward()
                optimizer.step()
            times.append(time.perf_counter() - begun)
    return {"seconds": median_of(times)}


def sklearn_epoch(X, y, loss):
    from sklearn.linear_model import SGDClassifier

    times = []
    for _ in range(3):
        model = SGDClassifier(
            loss="log_loss" if loss == "softmax" else "hinge", alpha=2 * ALPHA, max_iter=1, tol=None, n_jobs=2
        )
        begun = time.perf_counter()
        model.fit(X, y)
        times.append(time.perf_counter() - begun)
    return {"seconds": median_of(times)}


def sklearn_iteration(X, y, loss):
    """Seconds per iteration of lbfgs, from the difference between 5 and 25 iterations."""
    import warnings

    from sklearn.linear_model import LogisticRegression

    times = {}
    for n in (5, 25):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            begun = time.perf_counter()
            LogisticRegression(C=1 / (2 * ALPHA * len(X)), max_iter=n, tol=0).fit(X, y)
            times[n] = time.perf_counter() - begun
    return {"seconds": (times[25] - times[5]) / 20}


def sklearn_optimum(X, y, loss):
    """LogisticRegression with its defaults except C and max_iter."""
    from sklearn.linear_model import LogisticRegression

    times = []
    for _ in range(2):
        begun = time.perf_counter()
        model = LogisticRegression(C=1 / (2 * 1e-5 * len(X)), max_iter=2000).fit(X, y)
        times.append(time.perf_counter() - begun)
    np.save(sys.argv[5], np.column_stack([model.coef_, model.intercept_]))
    return {"seconds": min(times), "iterations": int(model.n_iter_[0])}


def numpy_search(X, y, loss):
    """The lecture's loop, one W at a time, in float32."""
    rng, times, at = np.random.default_rng(0), [], np.arange(len(y))
    for _ in range(8):
        begun = time.perf_counter()
        W = rng.standard_normal((X.shape[1], 10), dtype=np.float32) * np.float32(1e-4)
        s = X @ W
        m = np.maximum(0, s - s[at, y][:, None] + 1)
        m[at, y] = 0
        float(m.sum() / len(y))
        times.append(time.perf_counter() - begun)
    return {"seconds": median_of(times)}


def main(work, rival, X_path, y_path, *_):
    """Run one."""
    X, y = np.load(X_path), np.load(y_path)
    if work in ("softmax", "hinge"):
        found = {"numpy": numpy_epoch, "torch": torch_epoch, "sklearn": sklearn_epoch}[rival](X, y, work)
    elif work == "sweep":
        found = torch_epoch(X, y, "softmax", settings=2)
    else:
        found = {"gradient": sklearn_iteration, "optimum": sklearn_optimum, "search": numpy_search}[work](X, y, work)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
