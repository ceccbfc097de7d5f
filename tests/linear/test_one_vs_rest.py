"""Probes of several labels per row: scikit-learn's OneVsRestClassifier around our estimators."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.multiclass import OneVsRestClassifier
from threadpoolctl import threadpool_limits

from fastcls import MulticlassSVM, SoftmaxClassifier, datasets


@pytest.fixture(scope="module")
def digits():
    """(X, Y, X_test, Y_test): the third label is rare, the last is that of no row."""
    X, y = datasets.load_digits().X, datasets.load_digits().y
    Y = np.stack([y % 2 == 0, y > 4, y == 3, y > 9], axis=1).astype(np.int64)
    return X[:300], Y[:300], X[300:500], Y[300:500]


@pytest.mark.filterwarnings("ignore:Label not 3 is present")
def test_probabilities_are_those_of_scikit_learns_logistic_regression(digits):
    X, Y, X_test, Y_test = digits
    ours = SoftmaxClassifier(C=0.01, solver="lbfgs", scale=False, tol=1e-7, max_iter=2000)
    probe = OneVsRestClassifier(ours).fit(X, Y)
    with threadpool_limits(1):
        wanted = OneVsRestClassifier(LogisticRegression(C=0.01, tol=1e-8, max_iter=2000)).fit(X.astype(np.float64), Y)
        shares = wanted.predict_proba(X_test.astype(np.float64))
    np.testing.assert_allclose(probe.predict_proba(X_test), shares, atol=1e-4)
    assert np.array_equal(probe.predict(X_test), shares > 0.5)
    assert probe.score(X_test, Y_test) == np.mean(((shares > 0.5) == Y_test).all(axis=1))
    assert probe.multilabel_


@pytest.mark.parametrize("kind", [SoftmaxClassifier, MulticlassSVM])
@pytest.mark.filterwarnings("ignore:Label not 3 is present")
def test_each_label_is_a_problem_of_its_own_on_the_same_rows(kind, digits):
    X, Y, X_test, Y_test = digits
    model = kind(
        solver="lbfgs",
        alpha=1e-2,
        max_iter=400,
        random_state=0,
        **({"loss": "squared_hinge"} if kind is MulticlassSVM else {}),
    )
    probe = OneVsRestClassifier(model).fit(X, Y)
    for label in range(3):
        alone = clone(model).fit(X, Y[:, label])
        assert np.array_equal(probe.estimators_[label].coef_, alone.coef_)
        assert np.array_equal(probe.predict(X_test)[:, label], alone.predict(X_test))
    assert not probe.predict(X_test)[:, 3].any()
    scores = probe.predict_proba(X_test) if kind is SoftmaxClassifier else probe.decision_function(X_test)
    assert average_precision_score(Y_test[:, :3], scores[:, :3], average="micro") > 0.85
