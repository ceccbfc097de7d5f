"""Learners' solutions in several styles; `_learners_wrong` has the mistakes that are seeded into them."""

import numpy as np

SVM_LOOPS = """
def svm_loss_naive(W, X, y, reg):
    dW = np.zeros(W.shape)
    n, c = X.shape[0], W.shape[1]
    loss = 0.0
    for i in range(n):
        scores = X[i].dot(W)
        for j in range(c):
            if j == y[i]:
                continue
            margin = scores[j] - scores[y[i]] + 1
            if margin > 0:
                loss += margin
                dW[:, j] += X[i]
                dW[:, y[i]] -= X[i]
    loss /= n
    dW /= n
    loss += reg * np.sum(W * W)
    dW += 2 * reg * W
    return loss, dW
"""
SVM_ARRAYS = """
def svm_loss_vectorized(W, X, y, reg):
    n = X.shape[0]
    rows = np.arange(n)
    scores = X @ W
    margins = np.maximum(0, scores - scores[rows, y][:, None] + 1)
    margins[rows, y] = 0
    loss = margins.sum() / n + reg * np.sum(W ** 2)
    mask = (margins > 0).astype(float)
    mask[rows, y] = -mask.sum(axis=1)
    dW = X.T @ mask / n + 2 * reg * W
    return loss, dW
"""
SVM_EINSUM = """
def svm_loss_vectorized(W, X, y, reg):
    hot = np.eye(W.shape[1])[y]
    scores = np.einsum("if,fc->ic", X, W)
    margins = (scores - np.einsum("ic,ic->i", scores, hot)[:, None] + 1) * (1 - hot)
    active = margins > 0
    loss = np.einsum("ic,ic->", margins, active) / len(y) + reg * np.einsum("fc,fc->", W, W)
    slopes = active - hot * active.sum(axis=1, keepdims=True)
    return loss, np.einsum("if,ic->fc", X, slopes) / len(y) + 2 * reg * W
"""
SOFTMAX_LOOPS = """
def softmax_loss_naive(W, X, y, reg):
    loss = 0.0
    dW = np.zeros_like(W)
    n, c = X.shape[0], W.shape[1]
    for i in range(n):
        f = X[i].dot(W)
        f -= np.max(f)
        p = np.exp(f) / np.sum(np.exp(f))
        loss += -np.log(p[y[i]])
        for j in range(c):
            dW[:, j] += (p[j] - (j == y[i])) * X[i]
    loss = loss / n + reg * np.sum(W * W)
    dW = dW / n + 2 * reg * W
    return loss, dW
"""
SOFTMAX_ARRAYS = """
def softmax_loss_vectorized(W, X, y, reg):
    n = len(X)
    scores = X.dot(W)
    scores = scores - np.max(scores, axis=1, keepdims=True)
    p = np.exp(scores)
    p /= np.sum(p, axis=1, keepdims=True)
    loss = np.mean(-np.log(p[np.arange(n), y])) + reg * np.sum(W * W)
    p[np.arange(n), y] -= 1
    dW = np.dot(X.T, p) / n + 2 * reg * W
    return loss, dW
"""
SOFTMAX_EINSUM = """
def softmax_loss_vectorized(W, X, y, reg):
    hot = np.eye(W.shape[1])[y]
    scores = np.einsum("if,fc->ic", X, W)
    top = scores.max(axis=1)
    logs = np.log(np.exp(scores - top[:, None]).sum(axis=1)) + top
    loss = (logs - np.einsum("ic,ic->i", scores, hot)).sum() / y.size + reg * np.einsum("fc,fc", W, W)
    slopes = np.exp(scores - logs[:, None]) - hot
    return loss, np.einsum("if,ic->fc", X, slopes) / y.size + 2 * reg * W
"""
SOFTMAX_HOT = """
def softmax_loss_vectorized(W, X, y, reg):
    hot = np.zeros((len(y), W.shape[1]))
    hot[np.arange(len(y)), y] = 1
    scores = X @ W
    e = np.exp(scores - scores.max(axis=1).reshape(-1, 1))
    p = e / e.sum(axis=1).reshape(-1, 1)
    loss = -np.sum(hot * np.log(p)) / len(y) + reg * np.sum(W * W)
    return loss, X.T @ (p - hot) / len(y) + 2 * reg * W
"""
TWO_LOOPS = """
class KNearestNeighbor:
    def train(self, X, y):
        self.X_train = X
        self.y_train = y

    def compute_distances_two_loops(self, X):
        dists = np.zeros((X.shape[0], self.X_train.shape[0]))
        for i in range(X.shape[0]):
            for j in range(self.X_train.shape[0]):
                dists[i, j] = np.sqrt(np.sum((X[i] - self.X_train[j]) ** 2))
        return dists
"""
ONE_LOOP = """
class KNearestNeighbor:
    def train(self, X, y):
        self.Xtr = X

    def compute_distances_one_loop(self, X):
        dists = np.zeros((X.shape[0], self.Xtr.shape[0]))
        for i in range(X.shape[0]):
            dists[i, :] = np.linalg.norm(self.Xtr - X[i], axis=1)
        return dists
"""
NO_LOOPS = """
def compute_distances_no_loops(self, X):
    q = np.sum(X ** 2, axis=1)[:, None]
    x = np.sum(self.X_train ** 2, axis=1)
    return np.sqrt(q - 2 * X.dot(self.X_train.T) + x)
"""
NO_LOOPS_EINSUM = """
def compute_distances_no_loops(X, X_train):
    difference = X[:, None] - X_train[None]
    return np.einsum("ijk,ijk->ij", difference, difference) ** 0.5
"""
LABELS_BINCOUNT = """
def predict_labels(self, dists, k=1):
    y_pred = np.zeros(dists.shape[0])
    for i in range(dists.shape[0]):
        closest_y = self.y_train[np.argsort(dists[i])[:k]]
        y_pred[i] = np.argmax(np.bincount(closest_y))
    return y_pred
"""
LABELS_COUNTER = """
class KNearestNeighbor:
    def predict_labels(self, dists, k=1):
        found = []
        for row in dists:
            votes = Counter(self.y_train[np.argsort(row)[:k]])
            found.append(min(votes, key=lambda label: (-votes[label], label)))
        return np.array(found)
"""
LABELS_ARRAYS = """
def predict_labels(dists, y_train, k):
    nearest = np.argpartition(dists, k - 1, axis=1)[:, :k]
    return np.einsum("nkc->nc", np.eye(y_train.max() + 1)[y_train[nearest]]).argmax(axis=1)
"""
NUMERICAL = """
def eval_numerical_gradient(f, x, verbose=True, h=0.00001):
    grad = np.zeros_like(x)
    it = np.nditer(x, flags=["multi_index"], op_flags=["readwrite"])
    while not it.finished:
        at = it.multi_index
        old = x[at]
        x[at] = old + h
        ahead = f(x)
        x[at] = old - h
        behind = f(x)
        x[at] = old
        grad[at] = (ahead - behind) / (2 * h)
        if verbose:
            print(at, grad[at])
        it.iternext()
    return grad
"""
NUMERICAL_FLAT = """
def eval_numerical_gradient(f, x):
    h, value, slopes = 1e-6, f(x), []
    for i in range(x.size):
        moved = x.copy()
        moved.flat[i] += h
        slopes.append((f(moved) - value) / h)
    return np.reshape(slopes, x.shape)
"""
NUMERICAL_ARRAYS = """
def eval_numerical_gradient(f, x, verbose=False):
    steps = 1e-5 * np.eye(x.size).reshape(-1, *x.shape)
    return np.array([(f(x + s) - f(x - s)) / 2e-5 for s in steps]).reshape(x.shape)
"""
SUBTRACT = """
def subtract_mean(X_train, X_test):
    mean = X_train.mean(axis=0)
    return X_train - mean, X_test - mean
"""
SUBTRACT_LOOPS = """
def subtract_mean(X_train, X_test):
    mean = sum(X_train) / len(X_train)
    return np.array([row - mean for row in X_train]), np.array([row - mean for row in X_test])
"""
SUBTRACT_EINSUM = """
def subtract_mean(X_train, X_test):
    mean = np.einsum("if->f", X_train) / X_train.shape[0]
    X_train -= 0
    return [X_train - mean[None], X_test - mean[None]]
"""

#: name of the function -> correct solutions in several styles
RIGHT = {
    "svm_loss_naive": [SVM_LOOPS],
    "svm_loss_vectorized": [SVM_ARRAYS, SVM_EINSUM],
    "softmax_loss_naive": [SOFTMAX_LOOPS],
    "softmax_loss_vectorized": [SOFTMAX_ARRAYS, SOFTMAX_EINSUM, SOFTMAX_HOT],
    "compute_distances_two_loops": [TWO_LOOPS],
    "compute_distances_one_loop": [ONE_LOOP],
    "compute_distances_no_loops": [NO_LOOPS, NO_LOOPS_EINSUM],
    "predict_labels": [LABELS_BINCOUNT, LABELS_COUNTER, LABELS_ARRAYS],
    "eval_numerical_gradient": [NUMERICAL, NUMERICAL_FLAT, NUMERICAL_ARRAYS],
    "subtract_mean": [SUBTRACT, SUBTRACT_LOOPS, SUBTRACT_EINSUM],
}


def name_of(source):
    """The name of the function that a solution defines."""
    return next(name for name in RIGHT if f"def {name}(" in source)


def edited(source, replacements):
    """The source with a mistake; every replacement must apply."""
    for old, new in replacements:
        assert old in source, old
        source = source.replace(old, new)
    return source


def made(source):
    """What a learner passes to the check: the function, or the class that has it."""
    from collections import Counter

    namespace = {"np": np, "Counter": Counter}
    exec(source, namespace)
    return namespace.get("KNearestNeighbor") or namespace[name_of(source)]
