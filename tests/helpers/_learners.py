"""Learners' solutions in several styles, and mistakes seeded into them.

A mistake is a list of replacements in a solution's source, and the mistakes that the check must name: (name, part).
"""

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

BOTH = "loss and gradient"
#: (solution, replacements, mistakes)
WRONG = [
    # SVM with loops
    (SVM_LOOPS, [("loss /= n", "pass"), ("dW /= n", "pass")], [("no division by N", BOTH)]),
    (SVM_LOOPS, [("dW /= n", "pass")], [("no division by N", "gradient")]),
    (SVM_LOOPS, [("    loss /= n", "        loss /= n")], [("divided by N inside the loop", "loss")]),
    (SVM_LOOPS, [("dW /= n", "dW /= n * n")], [("divided by N twice", "gradient")]),
    (SVM_LOOPS, [("if j == y[i]", "if False")], [("j = y counted", "loss")]),
    (SVM_LOOPS, [("scores[y[i]] + 1", "scores[y[i]]")], [("margin 0", BOTH)]),
    (SVM_LOOPS, [("scores[y[i]] + 1", "scores[y[i]] - 1")], [("margin subtracted", BOTH)]),
    (SVM_LOOPS, [("if margin > 0", "if True")], [("no maximum with 0", BOTH)]),
    (
        SVM_LOOPS,
        [("scores[j] - scores[y[i]]", "scores[y[i]] - scores[j]")],
        [("scores swapped", BOTH)],
    ),
    (SVM_LOOPS, [("dW[:, y[i]] -= X[i]", "pass")], [("true class not subtracted", "gradient")]),
    (SVM_LOOPS, [("dW[:, y[i]] -= X[i]", "dW[:, y[i]] += X[i]")], [("true class added", "gradient")]),
    (SVM_LOOPS, [("dW[:, j] += X[i]", "pass")], [("only the true class", "gradient")]),
    (SVM_LOOPS, [("dW[:, j] += X[i]", "dW[:, j] += X[i - 1]")], [("gradient of another sample", "gradient")]),
    (SVM_LOOPS, [("dW[:, j] += X[i]", "dW[:, j] += X[j]")], [("gradient of another sample", "gradient")]),
    (SVM_LOOPS, [("loss += margin", "loss += margin ** 2")], [("squared hinge", "loss")]),
    (SVM_LOOPS, [("dW += 2 * reg * W", "pass")], [("penalty missing", "gradient")]),
    (SVM_LOOPS, [("dW += 2 * reg * W", "dW += reg * W")], [("penalty halved", "gradient")]),
    (SVM_LOOPS, [("dW += 2 * reg * W", "dW -= 2 * reg * W")], [("penalty subtracted", "gradient")]),
    (SVM_LOOPS, [("dW += 2 * reg * W", "dW += 2 * W")], [("penalty not times reg", "gradient")]),
    (SVM_LOOPS, [("loss += reg * np.sum(W * W)", "pass")], [("penalty missing", "loss")]),
    (SVM_LOOPS, [("loss += reg *", "loss += 0.5 * reg *")], [("penalty halved", "loss")]),
    (SVM_LOOPS, [("loss += reg *", "loss += 0.5 * reg *"), ("2 * reg", "reg")], [("penalty of other years", BOTH)]),
    (SVM_LOOPS, [("np.sum(W * W)", "np.sum(W[:-1] ** 2)")], [("bias left out of the penalty", "loss")]),
    (SVM_LOOPS, [("np.sum(W * W)", "np.sum(np.abs(W))"), ("2 * reg * W", "reg * np.sign(W)")], [("L1 penalty", BOTH)]),
    (SVM_LOOPS, [("np.sum(W * W)", "np.linalg.norm(W)")], [("root of the penalty", "loss")]),
    (SVM_LOOPS, [("dW[:, y[i]] -= X[i]", "dW[:, y[i]] -= X[i]\n        return loss, dW")], [("only the first row", BOTH)]),
    (SVM_LOOPS, [("scores[y[i]] + 1", "scores[y[i]] + 3")], [("differs", BOTH)]),
    (SVM_LOOPS, [("return loss, dW", "return loss, dW.T")], [("gradient transposed", "gradient")]),
    (SVM_LOOPS, [("return loss, dW", "return loss")], [("wrong kind of result", BOTH)]),
    (SVM_LOOPS, [("return loss, dW", "pass")], [("nothing returned", BOTH)]),
    (SVM_LOOPS, [("return loss, dW", "return 0.0, 0 * dW")], [("not written yet", BOTH)]),
    (SVM_LOOPS, [("return loss, dW", "return loss, 0 * dW")], [("gradient is 0", "gradient")]),
    (SVM_LOOPS, [("return loss, dW", "return loss, -dW")], [("wrong sign", "gradient")]),
    (SVM_LOOPS, [("X[i].dot(W)", "W.dot(X[i])"), ("W.shape[1]", "W.shape[0]"), ("dW[:, ", "dW[")], [("W as (C, D)", BOTH)]),
    (SVM_LOOPS, [("range(n)", "range(n + 1)")], [("raises", BOTH)]),
    (
        SVM_LOOPS,
        [("    loss = 0.0", "    loss = 0.0\n    X = X - X.mean(axis=0)")],
        [("mean of the given rows subtracted", BOTH)],
    ),
    (SVM_LOOPS, [("    loss = 0.0", "    loss = 0.0\n    W *= 2")], [("arguments changed", BOTH)]),
    # SVM with arrays
    (SVM_ARRAYS, [("margins[rows, y] = 0", "pass")], [("j = y counted", BOTH)]),
    (SVM_ARRAYS, [("-mask.sum(axis=1)", "-1")], [("true class subtracted once", "gradient")]),
    (SVM_ARRAYS, [("(margins > 0).astype(float)", "margins.copy()")], [("margins in place of counts", "gradient")]),
    (SVM_ARRAYS, [("X.T @ mask / n", "X.T @ mask")], [("no division by N", "gradient")]),
    (SVM_ARRAYS, [("margins.sum() / n", "margins.mean()")], [("divided by the number of classes", "loss")]),
    (SVM_ARRAYS, [("margins.sum() / n", "margins.max(axis=1).mean()")], [("largest margin only", "loss")]),
    (SVM_ARRAYS, [("margins.sum() / n", "margins.sum(axis=1)")], [("loss for each row", "loss")]),
    (SVM_ARRAYS, [("scores[rows, y][:, None]", "scores[rows, y]")], [("shapes do not match", BOTH)]),
    (
        SVM_ARRAYS,
        [("margins.sum() / n", "margins.sum()"), ("2 * reg", "reg")],
        [("no division by N", "loss"), ("penalty halved", "gradient")],
    ),
    # softmax with loops
    (SOFTMAX_LOOPS, [("-np.log(", "-np.log10(")], [("log10", "loss")]),
    (SOFTMAX_LOOPS, [("-np.log(", "-np.log2(")], [("log2", "loss")]),
    (SOFTMAX_LOOPS, [("-np.log(", "np.log(")], [("wrong sign", "loss")]),
    (SOFTMAX_LOOPS, [("-np.log(p[y[i]])", "-p[y[i]]")], [("no logarithm", "loss")]),
    (SOFTMAX_LOOPS, [("f -= np.max(f)", "pass")], [("no subtraction of the maximum", BOTH)]),
    (SOFTMAX_LOOPS, [("(p[j] - (j == y[i]))", "p[j]")], [("no 1 at the true class", "gradient")]),
    (SOFTMAX_LOOPS, [("(p[j] - (j == y[i]))", "(p[j] - 1)")], [("1 subtracted everywhere", "gradient")]),
    (SOFTMAX_LOOPS, [("(p[j] - (j == y[i]))", "(p[j] + (j == y[i]))")], [("true class added", "gradient")]),
    (SOFTMAX_LOOPS, [("* X[i]", "* X[i - 1]")], [("gradient of another sample", "gradient")]),
    (
        SOFTMAX_LOOPS,
        [("loss / n + reg * np.sum(W * W)", "(loss + reg * np.sum(W * W)) / n")],
        [("penalty divided by N", "loss")],
    ),
    (SOFTMAX_LOOPS, [("dW / n + 2", "-dW / n + 2")], [("wrong sign", "gradient")]),
    (SOFTMAX_LOOPS, [("loss += -np", "loss = -np")], [("only the last row", "loss")]),
    (SOFTMAX_LOOPS, [("loss / n", "loss"), ("dW / n", "dW")], [("no division by N", BOTH)]),
    (SOFTMAX_LOOPS, [("2 * reg * W", "4 * reg * W")], [("penalty doubled", "gradient")]),
    (SVM_LOOPS, [("reg * np.sum", "2 * reg * np.sum"), ("2 * reg * W", "4 * reg * W")], [("penalty doubled", BOTH)]),
    (SVM_LOOPS, [("return loss", "return 0 * loss")], [("loss is 0", "loss")]),
    # softmax with arrays
    (SOFTMAX_ARRAYS, [("np.sum(p, axis=1, keepdims=True)", "np.sum(p, axis=0)")], [("wrong axis", BOTH)]),
    (SOFTMAX_ARRAYS, [("np.sum(p, axis=1, keepdims=True)", "np.sum(p)")], [("wrong axis", BOTH)]),
    (SOFTMAX_ARRAYS, [("np.sum(p, axis=1, keepdims=True)", "np.sum(p, axis=1)")], [("shapes do not match", BOTH)]),
    (SOFTMAX_ARRAYS, [("p /= np.sum(p, axis=1, keepdims=True)", "pass")], [("not normalised", BOTH)]),
    (SOFTMAX_ARRAYS, [("scores = scores - np", "scores = scores + 0 * np")], [("no subtraction of the maximum", BOTH)]),
    (SOFTMAX_ARRAYS, [("p[np.arange(n), y] -= 1", "pass")], [("no 1 at the true class", "gradient")]),
    (SOFTMAX_ARRAYS, [("p[np.arange(n), y] -= 1", "p -= 1")], [("1 subtracted everywhere", "gradient")]),
    (SOFTMAX_ARRAYS, [("np.mean(", "np.sum(")], [("no division by N", "loss")]),
    (
        SOFTMAX_ARRAYS,
        [("-np.log(p[np.arange(n), y])", "-np.log(p)")],
        [("all classes in the loss", "loss"), ("divided by the number of classes", "loss")],
    ),
    (SOFTMAX_EINSUM, [("scores.max(axis=1)", "np.zeros(len(y))")], [("no subtraction of the maximum", "loss")]),
    # softmax at large scores
    (SOFTMAX_ARRAYS, [("np.max(scores, axis=1, keepdims=True)", "np.max(scores)")], [("one maximum for all rows", BOTH)]),
    (SOFTMAX_LOOPS, [("f -= np.max(f)", "f -= X.dot(W).max()")], [("one maximum for all rows", BOTH)]),
    (
        SOFTMAX_EINSUM,
        [("scores.max(axis=1)", "np.full(len(y), scores.max())")],
        [("one maximum for all rows", BOTH)],
    ),
    (
        SOFTMAX_ARRAYS,
        [("np.max(scores, axis=1, keepdims=True)", "np.abs(scores).max()")],
        [("no subtraction of the maximum", BOTH)],
    ),
    (
        SOFTMAX_ARRAYS,
        [("np.max(scores, axis=1, keepdims=True)", "np.mean(scores)")],
        [("no subtraction of the maximum", BOTH)],
    ),
    (
        SOFTMAX_ARRAYS,
        [("np.max(scores, axis=1, keepdims=True)", "np.mean(scores, axis=1, keepdims=True)")],
        [("no subtraction of the maximum", BOTH)],
    ),
    (SOFTMAX_LOOPS, [("f -= np.max(f)", "f -= np.mean(f)")], [("no subtraction of the maximum", BOTH)]),
    (
        SOFTMAX_ARRAYS,
        [("    scores = scores - np.max(scores, axis=1, keepdims=True)", "    scores = np.clip(scores, -500, 500)")],
        [("wrong for large scores", BOTH)],
    ),
    *(
        (SOFTMAX_ARRAYS, [("np.log(p[np.arange(n), y])", new)], [("a constant inside the logarithm", "loss")])
        for new in (
            "np.log(p[np.arange(n), y] + 1e-8)",
            "np.log(p[np.arange(n), y] + 1e-15)",
            "np.log(np.maximum(p[np.arange(n), y], 1e-12))",
        )
    ),
    (SOFTMAX_LOOPS, [("np.log(p[y[i]])", "np.log(p[y[i]] + 1e-10)")], [("a constant inside the logarithm", "loss")]),
    (
        SOFTMAX_LOOPS,
        [("np.log(p[y[i]])", "np.log(p[y[i]] + 1e-10)"), ("2 * reg * W", "reg * W")],
        [("a constant inside the logarithm", "loss"), ("penalty halved", "gradient")],
    ),
    (
        SOFTMAX_LOOPS,
        [("np.log(p[y[i]])", "np.log(p[y[i]] + 1e-10)"), ("f -= np.max(f)", "pass")],
        [("a constant inside the logarithm", "loss"), ("no subtraction of the maximum", BOTH)],
    ),
    # distances
    (TWO_LOOPS, [("np.sqrt", "")], [("squared distances", "distances")]),
    (
        TWO_LOOPS,
        [("np.sqrt(np.sum((X[i] - self.X_train[j]) ** 2))", "np.sum(np.abs(X[i] - self.X_train[j]))")],
        [("L1 in place of L2", "distances")],
    ),
    (
        TWO_LOOPS,
        [("(X.shape[0], self.X_train.shape[0])", "(self.X_train.shape[0], X.shape[0])"), ("dists[i, j]", "dists[j, i]")],
        [("transposed", "distances")],
    ),
    (
        TWO_LOOPS,
        [("X[i] - self.X_train[j]", "X[i].astype(np.uint8) - self.X_train[j].astype(np.uint8)")],
        [("uint8 wrap-around", "distances")],
    ),
    (TWO_LOOPS, [("        return dists", "            return dists")], [("only the first row", "distances")]),
    (TWO_LOOPS, [("np.sum(", "np.mean(")], [("mean in place of sum", "distances")]),
    (TWO_LOOPS, [("        return dists", "        pass")], [("nothing returned", "distances")]),
    (
        TWO_LOOPS,
        [
            (
                "        dists = ",
                "        X = X - X.mean(axis=0)\n        self.X_train = self.X_train - self.X_train.mean(axis=0)\n"
                "        dists = ",
            )
        ],
        [("mean of the given rows subtracted", "distances")],
    ),
    (TWO_LOOPS, [("dists[i, j] = np", "dists[i, j] = 0 * np")], [("not written yet", "distances")]),
    (ONE_LOOP, [("axis=1", "axis=0")], [("wrong axis", "distances")]),
    (ONE_LOOP, [("axis=1", "ord=1, axis=1")], [("L1 in place of L2", "distances")]),
    (NO_LOOPS, [("- 2 * X", "- X")], [("cross term halved", "distances")]),
    (NO_LOOPS, [("- 2 * X", "+ 2 * X")], [("cross term added", "distances")]),
    (NO_LOOPS, [("- 2 * X.dot(self.X_train.T)", "+ 0")], [("cross term missing", "distances")]),
    *(
        (NO_LOOPS, [(f"np.sum({rows} ** 2, axis=1)", f"(np.sum({rows}, axis=1) ** 2)")], [("sum squared", "distances")])
        for rows in ("X", "self.X_train")
    ),
    (
        NO_LOOPS,
        [(f"np.sum({rows} ** 2, axis=1)", f"(np.sum({rows}, axis=1) ** 2)") for rows in ("X", "self.X_train")],
        [("sum squared", "distances")],
    ),
    (
        TWO_LOOPS,
        [("np.sum((X[i] - self.X_train[j]) ** 2)", "np.sum(X[i] - self.X_train[j]) ** 2")],
        [("sum squared", "distances")],
    ),
    (NO_LOOPS, [("np.sqrt(q", "(q")], [("squared distances", "distances")]),
    (NO_LOOPS, [("np.sum(X ** 2, axis=1)[:, None]", "np.sum(X ** 2, axis=0)[:, None]")], [("wrong axis", "distances")]),
    (NO_LOOPS, [("axis=1)[:, None]", "axis=1)")], [("wrong axis", "distances")]),
    (NO_LOOPS, [("self.X_train.T", "self.X_train")], [("wrong axis", "distances")]),
    (
        NO_LOOPS,
        [("return np.sqrt(q - 2 * X.dot(self.X_train.T) + x)", "return np.sqrt(q - 2 * X.dot(self.X_train.T) + x).T")],
        [("transposed", "distances")],
    ),
    # votes
    (
        LABELS_BINCOUNT,
        [("np.argmax(np.bincount(closest_y))", "len(np.bincount(closest_y)) - 1 - np.argmax(np.bincount(closest_y)[::-1])")],
        [("ties the wrong way", "labels")],
    ),
    (
        LABELS_BINCOUNT,
        [("np.argmax(np.bincount(closest_y))", "Counter(closest_y.tolist()).most_common(1)[0][0]")],
        [("ties the wrong way", "labels")],
    ),
    (LABELS_BINCOUNT, [("np.argsort(dists[i])", "np.argsort(dists[:, i])")], [("wrong axis", "labels")]),
    (LABELS_BINCOUNT, [("np.argsort(dists[i])", "np.argsort(-dists[i])")], [("farthest neighbours", "labels")]),
    (LABELS_BINCOUNT, [("[:k]]", "[-k:]]")], [("farthest neighbours", "labels")]),
    (LABELS_BINCOUNT, [("[:k]]", "[:1]]")], [("k ignored", "labels")]),
    (LABELS_BINCOUNT, [("[:k]]", "[1 : k + 1]]")], [("nearest left out", "labels")]),
    (LABELS_BINCOUNT, [("[:k]]", "[: k + 1]]")], [("k + 1 neighbours", "labels")]),
    (LABELS_BINCOUNT, [("np.argsort(dists[i])[:k]", ":k")], [("not sorted", "labels")]),
    (LABELS_BINCOUNT, [("np.argmax(np.bincount(closest_y))", "np.mean(closest_y)")], [("mean of the labels", "labels")]),
    (
        LABELS_BINCOUNT,
        [("np.argmax(np.bincount(closest_y))", "np.max(np.bincount(closest_y))")],
        [("number of votes returned", "labels")],
    ),
    (
        LABELS_BINCOUNT,
        [("np.argmax(np.bincount(closest_y))", "np.argmax(np.unique(closest_y, return_counts=True)[1])")],
        [("position in place of label", "labels")],
    ),
    (
        LABELS_BINCOUNT,
        [("self.y_train[np.argsort(dists[i])[:k]]", "np.argsort(dists[i])[:k]")],
        [("index in place of label", "labels")],
    ),
    (LABELS_BINCOUNT, [("y_pred[i] = ", "y_pred[0] = 0 * ")], [("not written yet", "labels")]),
    (LABELS_BINCOUNT, [("    return y_pred", "        return y_pred")], [("only the first row", "labels")]),
    # numerical gradients
    (NUMERICAL, [("(ahead - behind) / (2 * h)", "ahead - behind")], [("not divided by h", "gradient")]),
    (NUMERICAL, [("/ (2 * h)", "/ h")], [("step counted wrongly", "gradient")]),
    (NUMERICAL, [("ahead - behind", "behind - ahead")], [("wrong sign", "gradient")]),
    (NUMERICAL, [("x[at] = old\n", "pass\n")], [("x not restored", "gradient")]),
    (NUMERICAL, [("    return grad", "        return grad")], [("one entry only", "gradient")]),
    (NUMERICAL, [("h=0.00001", "h=1e-15")], [("step too small or too large", "gradient")]),
    (NUMERICAL_FLAT, [("/ h)", "/ (2 * h))")], [("step counted wrongly", "gradient")]),
    (NUMERICAL_FLAT, [(".copy()", "")], [("x not restored", "gradient")]),
    # means
    (SUBTRACT, [("X_test - mean", "X_test - X_test.mean(axis=0)")], [("mean of the test rows", "rows")]),
    (SUBTRACT, [("X_test - mean", "X_test")], [("test rows not centred", "rows")]),
    (SUBTRACT, [("X_train.mean(axis=0)", "np.vstack([X_train, X_test]).mean(axis=0)")], [("mean of all rows", "rows")]),
    (SUBTRACT, [("X_train.mean(axis=0)", "X_train.mean()")], [("one mean for all pixels", "rows")]),
]


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
