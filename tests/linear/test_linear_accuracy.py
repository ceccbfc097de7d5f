"""Without arguments, the linear classifiers are within half a point of the best alpha of a grid.

The best alpha is the most accurate one on the test rows themselves, so it is slightly better than any choice could be. On
few rows, the difference may be one standard error. Tests whose data is missing are skipped. The best of each set is in BEST;
with FASTCLS_BEST_ALPHA=1 it is measured again and compared, and the sets of WHOLE are tried as well.
"""

import os
import warnings

import numpy as np
import pytest
from sklearn import datasets as toys
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler

from fastcls import MulticlassSVM, MulticlassSVMCV, SoftmaxClassifier, SoftmaxClassifierCV, datasets

CLASSES = [(SoftmaxClassifier, SoftmaxClassifierCV), (MulticlassSVM, MulticlassSVMCV)]
FINE = tuple(10.0 ** (exponent / 2) for exponent in range(-10, 1))
COARSE = (1e-5, 1e-4, 1e-3, 1e-2)  # where there are more rows, accuracy depends less on alpha and a model costs more


def in_folds(X, y, n_used=5):
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)
    return np.ascontiguousarray(X), y, list(folds)[:n_used]


def toy(load):
    X, y = load(return_X_y=True)
    return in_folds(StandardScaler().fit_transform(X), y)


def one_split(X, y, X_test, y_test):
    n = len(X)
    return np.concatenate([X, X_test]), np.concatenate([y, y_test]), [(np.arange(n), np.arange(n, n + len(X_test)))]


def embeddings(shared_data, n):
    X, y = (np.load(shared_data(f"debian_minilm_{name}.npy")) for name in ("f16", "labels"))
    order = np.random.default_rng(0).permutation(len(X))
    rows = np.append(order[4000 : 4000 + n], order[:4000])
    known = np.isin(y[rows], y[rows[:n]])  # a few classes have no row among 500
    rows = rows[known]
    return X[rows], y[rows], [(np.arange(n), np.arange(n, len(rows)))]


def mnist(shared_data, n=60_000):
    data = datasets.load(shared_data("mnist"))
    return one_split(data.X[:n], data.y[:n], data.X_test, data.y_test)


def cifar10(shared_data):
    if "FASTCLS_CIFAR10" not in os.environ:
        pytest.skip("FASTCLS_CIFAR10 is not set to CIFAR-10's folder")
    data = datasets.load(os.environ["FASTCLS_CIFAR10"])
    return one_split(data.X, data.y, data.X_test, data.y_test)


SETS = {
    "digits": lambda _: in_folds(*toys.load_digits(return_X_y=True), n_used=3),
    "breast cancer": lambda _: toy(toys.load_breast_cancer),
    "wine": lambda _: toy(toys.load_wine),
    "iris": lambda _: toy(toys.load_iris),
    "made": lambda _: in_folds(*toys.make_classification(1000, 20, n_informative=8, n_classes=4, random_state=0)),
    "embeddings 500": lambda shared_data: embeddings(shared_data, 500),
    "embeddings 5000": lambda shared_data: embeddings(shared_data, 5000),
    "mnist": mnist,
    "mnist 15000": lambda shared_data: mnist(shared_data, 15_000),
    "cifar10": cifar10,
}


# Accuracy of the best alpha, measured by this file: every alpha of the grid takes as long as the default.
BEST = {
    ("SoftmaxClassifier", "digits"): 0.9648,
    ("MulticlassSVM", "digits"): 0.9648,
    ("SoftmaxClassifier", "breast cancer"): 0.9824,
    ("MulticlassSVM", "breast cancer"): 0.9789,
    ("SoftmaxClassifier", "wine"): 0.9887,
    ("MulticlassSVM", "wine"): 0.9887,
    ("SoftmaxClassifier", "iris"): 0.9667,
    ("MulticlassSVM", "iris"): 0.9600,
    ("SoftmaxClassifier", "made"): 0.7070,
    ("MulticlassSVM", "made"): 0.7180,
    ("SoftmaxClassifier", "embeddings 500"): 0.5010,
    ("MulticlassSVM", "embeddings 500"): 0.4992,
    ("SoftmaxClassifier", "embeddings 5000"): 0.6382,
    ("MulticlassSVM", "embeddings 5000"): 0.5970,
    ("SoftmaxClassifier", "mnist"): 0.9252,
    ("SoftmaxClassifier", "mnist 15000"): 0.9136,
    ("MulticlassSVM", "mnist 15000"): 0.9067,
}
# Where the default misses, by how much (bench/LINEAR.md, 'The default penalty').
SHORT = {("MulticlassSVM", "wine"): "97.8 %, where the best alpha has 98.9 %: two rows in 178"}


def accuracy_of_the_best_alpha(sweep, X, y, folds):
    alphas = COARSE if len(X) > 1000 else FINE
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the best alpha", category=UserWarning)
        tuned = sweep(alphas=alphas, cv=folds, random_state=0).fit(X, y).cv_results_["mean_test_score"]
    return float(tuned.max())


AGAIN = "FASTCLS_BEST_ALPHA" in os.environ
# Each takes seconds: these are tried with the other classifier, or with another number of rows.
WHOLE = {
    ("SoftmaxClassifier", "digits"),
    ("SoftmaxClassifier", "mnist"),
    ("SoftmaxClassifier", "embeddings 500"),
    ("MulticlassSVM", "embeddings 5000"),
}
CASES = [
    pytest.param(*classes, of, id=f"{classes[0].__name__}-{of}")
    for classes in CLASSES
    for of in SETS
    if (classes[0], of) != (MulticlassSVM, "mnist") and (AGAIN or (classes[0].__name__, of) not in WHOLE)
]


@pytest.mark.parametrize(("kind", "sweep", "of"), CASES)
def test_with_no_argument_it_is_within_half_a_point_of_the_best_alpha(kind, sweep, of, shared_data, request):
    if (kind.__name__, of) in SHORT:
        request.applymarker(pytest.mark.xfail(reason=SHORT[kind.__name__, of], strict=False))
    X, y, folds = SETS[of](shared_data)
    plain = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        for train, test in folds:
            plain.append(kind(random_state=0).fit(X[train], y[train]).score(X[test], y[test]))
    best = BEST.get((kind.__name__, of))
    if best is None or AGAIN:
        found = accuracy_of_the_best_alpha(sweep, X, y, folds)
        assert best is None or found == pytest.approx(best, abs=0.001)
        best = found
    n_tested = sum(len(test) for _, test in folds)
    assert np.mean(plain) >= best - max(0.005, np.sqrt(best * (1 - best) / n_tested))
    if of == "mnist" and kind is SoftmaxClassifier:
        assert np.mean(plain) >= 0.92
