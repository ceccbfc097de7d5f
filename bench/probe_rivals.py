"""The rivals of linear probes with many classes. They run in a separate Python, see probe_speed.py.

    python probe_rivals.py WORK RIVAL THREADS X.npy y.npy GOAL     one line of JSON: seconds per unit

The objective is that of fastcls without centring: mean softmax loss + alpha sum W^2, the bias not penalised. Rows are
float32. Units: an iteration of L-BFGS (the difference between a short and a long run, so that starting costs nothing), an
epoch of SGD with minibatches of 256 rows in random order (median without the first), a training by L-BFGS until the loss is
at most GOAL: iterations of one solver are not worth those of another.
"""

import json
import sys
import time
import warnings

import numpy as np

BATCH, ALPHA, RATE = 256, 1e-4, 1e-3
SHORT, LONG = 2, 7
MOST_ITERATIONS = 60


def per_iteration(run):
    """Seconds per iteration, from runs of SHORT and LONG iterations; the smaller of two differences, if there is time."""
    run(SHORT)
    found, begun_at = [], time.perf_counter()
    while len(found) < 2 and time.perf_counter() - begun_at < 5:
        times = []
        for n in (SHORT, LONG):
            begun = time.perf_counter()
            run(n)
            times.append(time.perf_counter() - begun)
        found.append((times[1] - times[0]) / (LONG - SHORT))
    return min(found)


def until(goal, run):
    """Seconds until a loss is at most `goal`; `run(n, note)` trains and calls note(loss). The first run warms up."""
    run(2, lambda loss: None)
    seen, begun = [], time.perf_counter()
    run(MOST_ITERATIONS, lambda loss: seen.append((time.perf_counter() - begun, loss)))
    return next(seconds for seconds, loss in seen if loss <= goal)


def sklearn_training(X, y, n_classes, goal):
    """The fewest iterations that suffice, found by halving; the time of that fit."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    def fit(n):
        begun = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = LogisticRegression(C=1 / (2 * ALPHA * len(X)), max_iter=n, tol=0).fit(X, y)
        seconds = time.perf_counter() - begun
        loss = log_loss(y, model.predict_proba(X).astype(np.float64), labels=np.arange(n_classes))
        return seconds, loss + ALPHA * float((model.coef_.astype(np.float64) ** 2).sum())

    fit(2)
    low, high = 4, MOST_ITERATIONS
    while low < high:
        middle = (low + high) // 2
        if fit(middle)[1] <= goal:
            high = middle
        else:
            low = middle + 1
    return fit(high)[0]


def sklearn_lbfgs(X, y, n_classes):
    from sklearn.linear_model import LogisticRegression

    def run(n):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            LogisticRegression(C=1 / (2 * ALPHA * len(X)), max_iter=n, tol=0).fit(X, y)

    return per_iteration(run)


def numpy_lbfgs(X, y, n_classes, goal=None):
    """SciPy's L-BFGS on two products of the BLAS and a softmax in place."""
    from scipy.optimize import minimize

    n, d = X.shape
    at, S = np.arange(n), np.empty((n, n_classes), np.float32)

    def value_and_gradient(flat):
        W = flat.reshape(n_classes, d + 1)
        w, b = W[:, :d].astype(np.float32), W[:, d].astype(np.float32)
        np.matmul(X, w.T, out=S)
        S.__iadd__(b)
        right = S[at, y]
        top = S.max(axis=1)
        np.subtract(S, top[:, None], out=S)
        np.exp(S, out=S)
        total = S.sum(axis=1)
        value = float((np.log(total) + top - right).mean(dtype=np.float64)) + ALPHA * float((W[:, :d] ** 2).sum())
        np.multiply(S, (1 / total)[:, None], out=S)
        S[at, y] -= 1
        gradient = np.empty_like(W)
        gradient[:, :d] = S.T @ X
        gradient[:, d] = S.sum(axis=0)
        gradient /= n
        gradient[:, :d] += 2 * ALPHA * W[:, :d]
        return value, gradient.ravel()

    def run(iterations, note=None):
        start, options = np.zeros(n_classes * (d + 1)), {"maxiter": iterations, "gtol": 0, "ftol": 0}
        step = note and (lambda intermediate_result: note(intermediate_result.fun))
        minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", callback=step, options=options)

    return per_iteration(run) if goal is None else until(goal, run)


def torch_lbfgs(X, y, n_classes, compiled, goal=None):
    import torch

    rows, labels = torch.from_numpy(X), torch.from_numpy(y)

    def loss_of(W, b):
        scores = torch.addmm(b, rows, W.t())
        return torch.nn.functional.cross_entropy(scores, labels) + ALPHA * W.square().sum()

    loss_of = torch.compile(loss_of) if compiled else loss_of

    def run(iterations, note=None):
        W = torch.zeros(n_classes, X.shape[1], requires_grad=True)
        b = torch.zeros(n_classes, requires_grad=True)
        solver = torch.optim.LBFGS(
            [W, b], max_iter=iterations, history_size=10, tolerance_grad=0, tolerance_change=0, line_search_fn="strong_wolfe"
        )

        def closure():
            solver.zero_grad()
            loss = loss_of(W, b)
            loss.backward()
            if note:
                note(loss.item())
            return loss

        solver.step(closure)

    return per_iteration(run) if goal is None else until(goal, run)


def median_of_epochs(epoch, n=4):
    times = []
    for _ in range(n):
        begun = time.perf_counter()
        epoch()
        times.append(time.perf_counter() - begun)
    return float(np.median(times[1:]))


def numpy_sgd(X, y, n_classes):
    n, d = X.shape
    W, b = np.zeros((n_classes, d), np.float32), np.zeros(n_classes, np.float32)
    V, v, rng = np.zeros_like(W), np.zeros_like(b), np.random.default_rng(0)

    def epoch():
        nonlocal v, b
        order = rng.permutation(n)
        for start in range(0, n, BATCH):
            rows = order[start : start + BATCH]
            x, at = X[rows], np.arange(len(rows))
            s = x @ W.T + b
            np.subtract(s, s.max(axis=1, keepdims=True), out=s)
            np.exp(s, out=s)
            np.divide(s, s.sum(axis=1, keepdims=True), out=s)
            s[at, y[rows]] -= 1
            g = s.T @ x
            np.multiply(g, np.float32(RATE / len(rows)), out=g)
            np.multiply(V, np.float32(0.9), out=V)
            np.subtract(V, g, out=V)
            np.multiply(W, np.float32(1 - 2 * ALPHA * RATE), out=W)
            np.add(W, V, out=W)
            v = np.float32(0.9) * v - np.float32(RATE) * s.mean(axis=0)
            b += v

    return median_of_epochs(epoch)


def torch_sgd(X, y, n_classes, compiled):
    import torch

    rows, labels = torch.from_numpy(X), torch.from_numpy(y)
    model = torch.nn.Linear(X.shape[1], n_classes)
    solver = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9, weight_decay=2 * ALPHA)
    criterion = torch.nn.CrossEntropyLoss()

    def loss_of(x, t):
        return criterion(model(x), t)

    loss_of = torch.compile(loss_of, dynamic=False) if compiled else loss_of

    def epoch():
        order = torch.randperm(len(rows))
        for start in range(0, len(rows) - BATCH + 1, BATCH):  # whole minibatches: another shape would compile again
            at = order[start : start + BATCH]
            solver.zero_grad()
            loss_of(rows[at], labels[at]).backward()
            solver.step()

    return median_of_epochs(epoch)


def sklearn_predict(X, y, n_classes):
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=1, tol=0)
    model.classes_, model.n_features_in_ = np.arange(n_classes), X.shape[1]
    rng = np.random.default_rng(0)
    model.coef_ = rng.normal(size=(n_classes, X.shape[1])).astype(np.float32) / 30
    model.intercept_ = np.zeros(n_classes, np.float32)
    return median_of_epochs(lambda: model.predict_proba(X), 9)


def torch_predict(X, y, n_classes):
    import torch

    rows, W = torch.from_numpy(X), torch.randn(n_classes, X.shape[1]) / 30
    return median_of_epochs(lambda: torch.softmax(rows @ W.t(), dim=1).numpy(), 9)


RIVALS = {
    ("lbfgs", "scikit-learn"): sklearn_lbfgs,
    ("lbfgs", "numpy"): numpy_lbfgs,
    ("lbfgs", "torch"): lambda *data: torch_lbfgs(*data, False),
    ("lbfgs", "torch, compiled"): lambda *data: torch_lbfgs(*data, True),
    ("training", "scikit-learn"): sklearn_training,
    ("training", "numpy"): numpy_lbfgs,
    ("training", "torch"): lambda X, y, n, goal: torch_lbfgs(X, y, n, False, goal),
    ("training", "torch, compiled"): lambda X, y, n, goal: torch_lbfgs(X, y, n, True, goal),
    ("sgd", "numpy"): numpy_sgd,
    ("sgd", "torch"): lambda *data: torch_sgd(*data, False),
    ("sgd", "torch, compiled"): lambda *data: torch_sgd(*data, True),
    ("predict_proba", "scikit-learn"): sklearn_predict,
    ("predict_proba", "torch"): torch_predict,
}


def main(work, rival, n_threads, X_path, y_path, goal):
    """Run one."""
    X, y = np.load(X_path), np.load(y_path)
    if rival.startswith("torch"):
        import torch

        torch.set_num_threads(int(n_threads))
    more = (float(goal),) if work == "training" else ()
    print(json.dumps({"seconds": RIVALS[work, rival](X, y, int(y.max()) + 1, *more)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
