"""What linear models reach on real data, with no argument and tuned. Skipped where the data is not at hand.

Tuned is the best of nine strengths of the penalty by cross-validation on the training rows; each is judged once on the test
rows.
"""

import os
import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastcls import MulticlassSVM, MulticlassSVMCV, SoftmaxClassifier, SoftmaxClassifierCV, datasets

ALPHAS = tuple(10.0**exponent for exponent in range(-6, 3))
CLASSES = [(SoftmaxClassifier, SoftmaxClassifierCV), (MulticlassSVM, MulticlassSVMCV)]


def digits(shared_data):
    data = datasets.load("digits")
    order = np.random.default_rng(0).permutation(len(data.X))
    test, train = order[:400], order[400:]
    return data.X[train], data.y[train], data.X[test], data.y[test]


def mnist(shared_data):
    data = datasets.load(shared_data("mnist"))
    return data.X, data.y, data.X_test, data.y_test


def debian(shared_data):
    X = np.load(shared_data("debian_minilm_f16.npy"))
    y = np.load(shared_data("debian_minilm_labels.npy"))
    order = np.random.default_rng(0).permutation(len(X))
    test, train = order[:10_000], order[10_000:]
    return X[train], y[train], X[test], y[test]


def cifar10(shared_data):
    if "FASTCLS_CIFAR10" not in os.environ:
        pytest.skip("FASTCLS_CIFAR10 is not set to CIFAR-10's folder")
    data = datasets.load(os.environ["FASTCLS_CIFAR10"])
    return data.X, data.y, data.X_test, data.y_test


@pytest.mark.parametrize("of", [digits, mnist, debian, cifar10], ids=lambda of: of.__name__)
@pytest.mark.parametrize(("kind", "sweep"), CLASSES, ids=lambda kind: kind.__name__)
def test_with_no_argument_it_is_within_a_point_and_a_half_of_tuned(kind, sweep, of, shared_data):
    X, y, X_test, y_test = of(shared_data)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        plain = kind().fit(X, y).score(X_test, y_test)
    tuned = sweep(alphas=ALPHAS, cv=3, random_state=0).fit(X, y)
    best = float(np.mean(tuned.predict(X_test) == y_test))
    print(f"{kind.__name__} on {of.__name__}: {plain:.4f}, tuned {best:.4f} (alpha {tuned.best_params_['alpha']:g})")
    assert plain >= best - 0.015
    least = {(mnist, SoftmaxClassifier): 0.92, (cifar10, SoftmaxClassifier): 0.395, (cifar10, MulticlassSVM): 0.38}
    assert max(plain, best) >= least.get((of, kind), 0.0)
    if of is mnist and kind is SoftmaxClassifier:
        assert plain >= 0.92
