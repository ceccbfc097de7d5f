"""The published protocols in plain versions, written from their sources: NumPy, SciPy, scikit-learn, one row at a time.

Random rows of torch come from the library's `TorchGenerator`, which test_current_protocols.py compares with torch.
"""

import math

import numpy as np
from _embeddings import unit
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, label_ranking_average_precision_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from fastcls.protocols import KNN_PRESETS, knn_eval
from fastcls.protocols._draws import TorchGenerator

#: the constants as published; KNN_PRESETS must have the same
CONSTANTS = {
    "dino": ((10, 20, 100, 200), "softmax", 0.07),
    "dinov2": ((10, 20, 100, 200), "softmax", 0.07),
    "dinov3": ((10, 20, 100, 200), "softmax", 0.07),
    "moco": ((200,), "softmax", 0.1),
    "lightly": ((200,), "softmax", 0.1),
    "lightly-vit": ((200,), "softmax", 0.07),
    "vissl": ((200,), "softmax", 0.1),
    "solo-learn": ((20,), "softmax", 0.07),
    "uni": ((20,), "uniform", None),
    "torchgeo-bench": ((5,), "uniform", None),
    "mteb-v1-knn": ((3,), "uniform", None),
}


# k-NN: matrices, one query at a time -------------------------------------------------------------------------------------


def distances(train, test, metric):
    """float64 (n_queries, n_rows) from all pairs of float64 rows."""
    train, test = train.astype(np.float64), test.astype(np.float64)
    if metric == "cosine":
        return 1 - unit(test) @ unit(train).T
    return np.sqrt(np.maximum(0, (test**2).sum(1)[:, None] + (train**2).sum(1) - 2 * test @ train.T))


def reference(train, y, test, y_test, ks, weights, temperature, metric):
    """{k: hits (top1, top5)} and {k: number of queries that rounding could decide either way}."""
    classes = np.unique(y)
    found, open_ones = {k: [0, 0] for k in ks}, dict.fromkeys(ks, 0)
    for row, label in zip(distances(train, test, metric), y_test, strict=True):
        order = np.argsort(row, kind="stable")
        for k in ks:
            near = order[:k]
            votes = np.exp((1 - row[near]) / temperature) if weights == "softmax" else np.ones(k)
            totals = np.array([votes[y[near] == c].sum() for c in classes])
            ranking = [c for c in np.argsort(-totals, kind="stable") if totals[c] > 0]
            named = [classes[c] for c in ranking]
            found[k][0] += named[0] == label
            found[k][1] += label in named[: min(5, k)]
            edge = k < len(order) and row[order[k]] - row[order[k - 1]] < 1e-6
            ranked = totals[ranking]
            close = weights == "softmax" and bool((-np.diff(ranked[:6]) < 1e-5 * ranked[0]).any())
            open_ones[k] += bool(edge or close)
    return {k: np.array(value) for k, value in found.items()}, open_ones


def agree(table, expected, open_ones, n):
    for row in table:
        for at, name in enumerate(("top1", "top5")):
            assert abs(row[name] * n - expected[row["k"]][at]) <= open_ones[row["k"]] + 1e-6, (row, expected, open_ones)


def prepared(preset, train, test):
    """Rows as a preset compares them, in plain NumPy."""
    if not KNN_PRESETS[preset].centered:
        return train, test
    mean = train.astype(np.float64).mean(axis=0)
    return unit(train - mean).astype(np.float32), unit(test - mean).astype(np.float32)


def mteb_v1_draws(y, seed=42, n_draws=10):
    """Rows of mteb 1.x, which shuffles a running order with NumPy's global generator, seeded once."""
    generator, order = np.random.RandomState(seed), np.arange(len(y))
    for _ in range(n_draws):
        generator.shuffle(order)
        taken, rows = {}, []
        for row in order:
            if taken.get(y[row], 0) < 8:
                rows.append(row)
                taken[y[row]] = taken.get(y[row], 0) + 1
        yield np.array(rows)


# probes ------------------------------------------------------------------------------------------------------------------


def mteb_draws(y, seed=42, n_draws=10, per_label=8):
    """mteb 2.x: each experiment shuffles the running order with a new RandomState(seed), then takes the first of a label."""
    order = list(range(len(y)))
    for _ in range(n_draws):
        np.random.RandomState(seed).shuffle(order)
        taken, rows = {}, []
        for row in order:
            if taken.get(y[row], 0) < per_label:
                rows.append(row)
                taken[y[row]] = taken.get(y[row], 0) + 1
        yield np.array(rows)


def mteb_scores(train, y, test, y_test, seed=42):
    """Scores of every experiment, by scikit-learn on float64 rows."""
    names = sorted(set(y))
    train, test = train.astype(np.float64), test.astype(np.float64)
    for rows in mteb_draws(y, seed):
        with threadpool_limits(1):  # BLAS threads that spin make such small fits ten times as slow
            named = LogisticRegression(max_iter=100).fit(train[rows], y[rows]).predict(test)
        scores = [np.mean(named == y_test), *(f1_score(y_test, named, average=way) for way in ("macro", "weighted"))]
        if len(names) == 2:
            scores.append(average_precision_score(y_test == names[1], named == names[1]))
        yield scores


def torch_split(preset, codes):
    """(training, validation) rows of DINOv2 and DINOv3: the first tenth of a permutation; the first tenth of each class."""
    order = TorchGenerator(0).permutation(len(codes)).tolist()
    held = set(order[: len(codes) // 10]) if preset == "dinov2" else first_of_each_class(order, codes, 0.1)
    return [row for row in order if row not in held], [row for row in order if row in held]


def first_of_each_class(order, codes, share):
    """A share of the rows of each class, at least one of two or more; DINOv3 also sets a hundredth aside, for few rows."""
    found = set()
    for label in np.unique(codes):
        rows = [row for row in order if codes[row] == label]
        found |= set(rows[: max(1, int(share * len(rows))) if len(rows) > 1 else 0])
    return found


def torch_tries(order, codes, n, n_tries):
    """The rows of every try of DINOv2 and DINOv3: n of each class, drawn from the rows in this order."""
    for seed in range(n_tries):
        generator, rows = TorchGenerator(seed), []
        for label in np.unique(codes):
            own = np.array([row for row in order if codes[row] == label])
            rows.extend(own[generator.permutation(len(own))[:n]])
        yield np.array(rows)


def halved(accuracy, n=97):
    """(positions tried, the best): every 16th of a grid, then the best and its neighbours at half the step, to 1."""
    tried, step = set(range(0, n, 16)), 8
    best = max(sorted(tried), key=lambda at: (accuracy(at), -at))
    while step:
        near = [at for at in (best - step, best, best + step) if 0 <= at < n]
        tried |= set(near)
        best = max(near, key=lambda at: (accuracy(at), -at))
        step //= 2
    return tried, best


def logistic(train, codes, C):
    """scikit-learn's logistic regression, to its minimum."""
    with threadpool_limits(1):  # as above
        return LogisticRegression(C=C, max_iter=3000, tol=1e-8).fit(train, codes)


def probed(train, codes, test, C, *, norm=False):
    """Scores (n_test, n_classes) at the minimum over W and a free bias, in plain NumPy and SciPy's L-BFGS.

    The function is C sum of losses + |W|^2 / 2 or, with `norm`, mean loss + |W| / (2 C). All classes have weights of their
    own, also two.
    """
    X, n_classes = np.c_[train - train.mean(axis=0), np.ones(len(train))], codes.max() + 1
    truth = np.eye(n_classes)[codes]

    def objective(flat):
        W = flat.reshape(n_classes, -1)
        scores = X @ W.T
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        shares /= shares.sum(axis=1, keepdims=True)
        free = W * (np.arange(X.shape[1]) < X.shape[1] - 1)
        loss, slope = -np.log(shares[truth == 1]).mean(), (shares - truth).T @ X / len(X)
        size = np.linalg.norm(free)
        if norm:
            return loss + size / (2 * C), (slope + (free / size if size else 0) / (2 * C)).ravel()
        return loss + size**2 / (2 * C * len(X)), (slope + free / (C * len(X))).ravel()

    start = np.zeros(n_classes * X.shape[1])
    options = {"maxiter": 5000, "maxfun": 15000, "gtol": 1e-9, "ftol": 1e-15}
    W = minimize(objective, start, jac=True, method="L-BFGS-B", options=options).x
    return np.c_[test - train.mean(axis=0), np.ones(len(test))] @ W.reshape(n_classes, -1).T


def plain_adamw(X, codes, n_classes, weight_decay, seed):
    """CLIP_benchmark's training in float64, one row at a time: 10 epochs of 64 rows, learning rate 0.1."""
    generator = TorchGenerator(seed)
    d = X.shape[1]
    W = generator.uniform(n_classes * d, 1 / math.sqrt(d)).reshape(n_classes, d).astype(np.float64)
    b = generator.uniform(n_classes, 1 / math.sqrt(d)).astype(np.float64)
    first, second = [np.zeros_like(W), np.zeros_like(b)], [np.zeros_like(W), np.zeros_like(b)]
    n_steps, step = 10 * math.ceil(len(X) / 64), 0
    for _ in range(10):
        order = generator.epoch(len(X))
        for start in range(0, len(X), 64):
            rate, step = 0.05 * (1 + math.cos(math.pi * step / n_steps)), step + 1
            gradients = [np.zeros_like(W), np.zeros_like(b)]
            batch = order[start : start + 64]
            for row in batch:
                shares = np.exp(W @ X[row] + b)
                shares /= shares.sum()
                shares[codes[row]] -= 1
                gradients[0] += np.outer(shares, X[row]) / len(batch)
                gradients[1] += shares / len(batch)
            for at, values in enumerate((W, b)):
                first[at] = 0.9 * first[at] + 0.1 * gradients[at]
                second[at] = 0.999 * second[at] + 0.001 * gradients[at] ** 2
                size = np.sqrt(second[at] / (1 - 0.999**step)) + 1e-8
                values -= rate * weight_decay * values + rate * first[at] / (1 - 0.9**step) / size
    return W, b


# several labels per row --------------------------------------------------------------------------------------------------


def mteb_label_draws(lists, seed=42, n_draws=10, per_label=8):
    """mteb 2.x: one generator shuffles all rows for each experiment; a row is taken if one of its labels is not full."""
    generator = np.random.default_rng(seed)
    for _ in range(n_draws):
        order, taken, rows = list(np.arange(len(lists))), {}, []
        generator.shuffle(order)
        for row in order:
            if any(taken.get(label, 0) < per_label for label in lists[row]):
                rows.append(int(row))
                for label in lists[row]:
                    taken[label] = taken.get(label, 0) + 1
        yield rows


def mteb_label_scores(train, Y, test, Y_test, classifier, seed=42):
    """Accuracy, macro F1, ranking precision and mean Jaccard index of every experiment, of the labels of the test rows."""
    kept = Y_test.any(axis=0)
    truth = Y_test[:, kept]
    for rows in mteb_label_draws([np.flatnonzero(row).tolist() for row in Y], seed):
        with threadpool_limits(1):
            model = classifier.fit(train[rows].astype(np.float64), Y[rows][:, kept])
            named = model.predict(test.astype(np.float64))
            ranked = named
            if isinstance(model, MultiOutputClassifier):
                ranked = np.stack([one[:, 1] for one in model.predict_proba(test.astype(np.float64))], axis=1)
        union = (truth | named).sum(axis=1)
        jaccard = np.where(union == 0, 1.0, (truth & named).sum(axis=1) / np.maximum(union, 1)).mean()
        lrap = label_ranking_average_precision_score(truth, ranked)
        yield [np.mean((named == truth).all(axis=1)), f1_score(truth, named, average="macro"), lrap, jaccard]


LABEL_SCORES = ["subset_accuracy", "macro_f1", "lrap", "jaccard"]


def label_tables_and_scores(evaluate, rows, seed=None):
    """(table, its LABEL_SCORES, wanted ones) of mteb's protocol for several labels, by k-NN or by logistic regressions."""
    of_knn = KNeighborsClassifier(5, algorithm="kd_tree")
    theirs = of_knn if evaluate is knn_eval else MultiOutputClassifier(LogisticRegression())
    table = evaluate(*rows, preset="mteb-multilabel", random_state=seed)
    wanted = np.array(list(mteb_label_scores(*rows, theirs, 42 if seed is None else seed)))
    return table, np.array([table[name] for name in LABEL_SCORES]).T, wanted


def probe_of_labels(train, Y, held, Y_held, test, exponents):
    """torchgeo-bench with several labels: ({C: micro average precision on the held-out rows}, probabilities for `test`)."""

    def shares(X, labels, C, queries):
        with threadpool_limits(1):
            model = OneVsRestClassifier(LogisticRegression(C=C, max_iter=4000, tol=1e-7)).fit(X, labels)
        return model.predict_proba(queries)

    found = {
        10.0**exponent: average_precision_score(Y_held, shares(train, Y, 10.0**exponent, held), average="micro")
        for exponent in exponents
    }
    best = min(C for C in found if found[C] == max(found.values()))
    return found, shares(np.concatenate([train, held]), np.concatenate([Y, Y_held]), best, test)
