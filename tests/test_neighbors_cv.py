"""Choosing k and metric by one search a metric: exactly what fitting every fold anew gives."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import KFold, LeaveOneGroupOut, ShuffleSplit, StratifiedGroupKFold, StratifiedKFold
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastcls import KNeighborsClassifier, KNeighborsClassifierCV, evaluate_k
from fastcls._validation import InputError

KS = (1, 2, 3, 4, 7)


@parametrize_with_checks([KNeighborsClassifierCV([1, 2], ["l2"], cv=2)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def tied_rows():
    rng = np.random.default_rng(0)
    return rng.integers(0, 3, (90, 3)).astype(np.uint8), rng.integers(0, 3, 90), rng.integers(0, 12, 90)


def refitted(X, y, splits, metric, k, **options):
    """The plain way: a fit and a prediction a fold."""
    return [
        np.mean(KNeighborsClassifier(k, metric=metric, **options).fit(X[train], y[train]).predict(X[test]) == y[test])
        for train, test in splits
    ]


@pytest.mark.parametrize("weights", ["uniform", "distance", "softmax"])
@pytest.mark.parametrize("tie_break", ["smallest", "nearest"])
@pytest.mark.parametrize("kind", ["number", "splitter", "groups", "number of groups"])
def test_equals_a_refit_for_every_fold_on_rows_full_of_ties(weights, tie_break, kind):
    X, y, groups = tied_rows()
    options = {"weights": weights, "tie_break": tie_break, "temperature": 0.5}
    cv, given, splits = {
        "number": (5, None, StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)),
        "splitter": (KFold(4), None, KFold(4).split(X)),
        "groups": ("loo", groups, LeaveOneGroupOut().split(X, y, groups)),
        "number of groups": (3, groups, StratifiedGroupKFold(3, shuffle=True, random_state=0).split(X, y, groups)),
    }[kind]
    splits = list(splits)
    model = KNeighborsClassifierCV(KS, ("l1", "l2", "cosine"), cv=cv, **options).fit(X, y, given)
    results = model.cv_results_
    for at, params in enumerate(results["params"]):
        found = [results[f"split{number}_test_score"][at] for number in range(len(splits))]
        wanted = refitted(X, y, splits, params["metric"], params["n_neighbors"], **options)
        assert found == wanted
        assert results["mean_test_score"][at] == pytest.approx(np.mean(wanted), abs=1e-15)
        assert results["std_test_score"][at] == pytest.approx(np.std(wanted), abs=1e-15)
    assert model.best_score_ == results["mean_test_score"].max()
    assert results["rank_test_score"][model.best_index_] == 1
    best = model.best_estimator_
    assert (best.metric, best.n_neighbors) == (model.best_params_["metric"], model.best_params_["n_neighbors"])
    assert (model.predict(X) == KNeighborsClassifier(**model.best_params_, **options).fit(X, y).predict(X)).all()


def test_leave_one_out_is_the_classifiers_own():
    X, y, _ = tied_rows()
    model = KNeighborsClassifierCV(KS, ("l2",), cv="loo").fit(X, y)
    for at, k in enumerate(KS):
        wanted = np.mean(KNeighborsClassifier(k).fit(X, y).predict() == y)
        assert model.cv_results_["mean_test_score"][at] == pytest.approx(wanted, abs=1e-15)
    assert not any(name.startswith("split") for name in model.cv_results_)


def test_one_standard_error_takes_the_largest_k_as_good_as_the_best():
    X, y = load_digits(return_X_y=True)
    model = KNeighborsClassifierCV(range(1, 12), ("l2",)).fit(X[:600], y[:600])
    results, best = model.cv_results_, model.best_index_
    folds = np.array([results[f"split{number}_test_score"][best] for number in range(5)])
    near = np.flatnonzero(results["mean_test_score"] >= folds.mean() - folds.std(ddof=1) / np.sqrt(5) - 1e-15)
    assert model.one_standard_error_params_ == {"metric": "l2", "n_neighbors": int(near[-1] + 1)}
    assert model.one_standard_error_params_["n_neighbors"] >= model.best_params_["n_neighbors"]


def test_ks_that_no_fold_has_rows_for_are_left_out_with_a_warning():
    X, y, _ = tied_rows()
    with pytest.warns(UserWarning, match="k = 46 left out"):
        assert len(KNeighborsClassifierCV([1, 45, 46], ("l1",), cv=2).fit(X, y).cv_results_["params"]) == 2


@pytest.mark.parametrize(
    ("cv", "says"),
    [
        (ShuffleSplit(3, test_size=0.5, random_state=0), "twice"),
        ([([0, 1], [2]), ([0, 2], [1])], "not on the 89"),
        ([(np.arange(1, 90), [0]), (np.r_[0, 2:90], [1])], "never tests row 2"),
        ("one out", "cv="),
        (91, "cv=91"),
    ],
)
def test_splits_that_are_no_partition_are_refused_in_one_line(cv, says):
    X, y, _ = tied_rows()
    with pytest.raises(InputError, match=says) as refused:
        KNeighborsClassifierCV(KS, cv=cv).fit(X, y)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("weights", ["uniform", "distance", "softmax"])
def test_evaluate_k_is_a_classifier_for_every_k(weights):
    X, y, _ = tied_rows()
    table = evaluate_k(X[:60], y[:60], X[60:], y[60:], KS, metric="l1", weights=weights, topk=(1, 2))
    assert table["k"] == list(KS)
    for k, top1, top2 in zip(KS, table["top1"], table["top2"], strict=True):
        model = KNeighborsClassifier(k, metric="l1", weights=weights).fit(X[:60], y[:60])
        assert top1 == np.mean(model.predict(X[60:]) == y[60:])
        shares = model.predict_proba(X[60:])
        first = np.argsort(-shares, axis=1, kind="stable")[:, : min(2, k)]
        right = ((first == y[60:, None]) & (np.take_along_axis(shares, first, 1) > 0)).any(axis=1)
        assert top2 == right.mean()


def test_evaluate_k_refuses_in_one_line():
    X, y, _ = tied_rows()
    for wrong in ({"metric": "l3"}, {"ks": [0]}, {"ks": [91]}, {"topk": [0]}, {"weights": "none"}, {"temperature": 0}):
        with pytest.raises(InputError) as refused:
            evaluate_k(X, y, X, y, **wrong)
        assert "\n" not in str(refused.value)
