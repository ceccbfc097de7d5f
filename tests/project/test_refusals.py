"""What bad input to the neighbours half gets: one clear line, before any work."""

import re

import numpy as np
import pytest
import scipy.sparse

import fastcls
from fastcls import KNeighborsClassifier, NearestNeighbors, knn, pairwise_distances
from fastcls._validation.errors import InputError
from fastcls._validation.rows import check_rows
from fastcls.model_selection._cross_validate import cross_validate_k

X = np.arange(24, dtype=np.float64).reshape(8, 3)
BYTES = X.astype(np.uint8)
Y = np.array([0, 1] * 4)


def bad(value, row=2, column=1):
    rows = X.copy()
    rows[row, column] = value
    return rows


def fit(rows=X, labels=Y, **options):
    return lambda: KNeighborsClassifier(**{"n_neighbors": 3, **options}).fit(rows, labels)


class OnADevice:
    __cuda_array_interface__ = ()


CASES = {
    "NaN": (fit(bad(np.nan)), r"X contains NaN \(first at row 2, column 1\): remove or impute missing values"),
    "infinity": (fit(bad(-np.inf)), r"X contains infinity \(first at row 2, column 1\): remove or replace"),
    "overflow": (fit(bad(1e200)), r"1e\+200 at row 2, column 1; above .* could overflow"),
    "overflow in cosine": (fit(bad(1e200), metric="cosine"), r"1e\+200 at row 2"),
    "overflow in a query": (lambda: fit()().predict(bad(1e160)), r"1e\+160 at row 2"),
    "sparse": (fit(scipy.sparse.csr_matrix(X)), r"sparse matrix; .*toarray"),
    "device array": (fit(OnADevice()), r"is on a device"),
    "masked array": (fit(np.ma.masked_equal(X, 4)), r"masked entries"),
    "one dimension": (fit(X[0]), r"1 dimension, shape \(3,\); wanted .*Reshape your data"),
    "images": (fit(X.reshape(2, 4, 3), Y[:2]), r"3 dimensions, shape \(2, 4, 3\).*Reshape your data"),
    "no rows": (fit(X[:0], Y[:0]), r"0 sample\(s\)"),
    "no features": (fit(X[:, :0]), r"0 feature\(s\)"),
    "words": (fit(np.array([["a", "b"]] * 8)), r"X is text of type <U1; wanted numbers"),
    "huge integers": (fit(np.full((8, 3), 2**60)), r"int64 values above 2\^53"),
    "too few labels": (fit(labels=Y[:7]), r"7 labels for 8 rows"),
    "no labels": (fit(labels=None), r"y is None"),
    "labels NaN": (
        fit(labels=np.where(np.arange(8) == 3, np.nan, 1.0)),
        r"NaN or infinity, first at row 3; .*: remove these rows",
    ),
    "labels continuous": (fit(labels=np.linspace(0, 1, 8)), r"continuous"),
    "k zero": (fit(n_neighbors=0), r"n_neighbors=0; wanted a whole number of at least 1"),
    "k half": (fit(n_neighbors=2.5), r"n_neighbors=2.5; wanted a whole number"),
    "k true": (fit(n_neighbors=True), r"n_neighbors=True; wanted a whole number"),
    "k above n": (lambda: fit(n_neighbors=9)().predict(X), r"n_neighbors=9, but there are only 8 .*at most 8"),
    "k above n - 1": (lambda: fit(n_neighbors=8)().predict(None), r"only 7 .*not counting the query's own"),
    "k of many digits": (fit(n_neighbors=10**30), r"n_neighbors is 2\^99 or beyond; wanted a whole number"),
    "metric in capitals": (fit(metric="L2"), r"metric='L2' is unknown; did you mean 'l2'\? It is one of: l1, l2, "),
    "metric": (fit(metric="chebyshev"), r"metric='chebyshev' is unknown; choose one of: l1, l2, sqeuclidean, "),
    "metric function": (fit(metric=np.dot), r"is unknown; choose one of: l1"),
    "minkowski p": (fit(metric="minkowski", p=3), r"p=3 is not supported: give p=1 \(l1\) or p=2 \(l2\)"),
    "metric_params": (fit(metric_params={"w": [1, 2, 3]}), r"metric_params=.* not used"),
    "weights": (fit(weights="linear"), r"weights='linear' is unknown; choose one of: uniform, distance, softmax"),
    "weights shape": (lambda: fit(weights=lambda d: d[:, :1])().predict(X), r"weights returned shape \(8, 1\)"),
    "weights negative": (lambda: fit(weights=lambda d: d - 9, tie_break="nearest")().predict(X), r"weights returned -"),
    "weights NaN": (lambda: fit(weights=lambda d: d * np.nan)().predict(X), r"weights returned nan; wanted a finite"),
    "complex": (fit(X + 1j), r"Complex data not supported"),
    "huge integers in a list": (fit([[2**60, 2**60 + 1]] * 8), r"int64 values above 2\^53"),
    "ragged": (fit([[1, 2], [3]], [0, 1]), r"rows of different lengths"),
    "labels mixed": (fit(labels=np.array([1, "a"] * 4, dtype=object)), r"common order|mix|unknown"),
    "labels missing": (fit(labels=["a", None] * 4), r"y has a missing value \(None\) at row 1"),
    "temperature": (fit(temperature=0), r"temperature=0; wanted a finite number above 0"),
    "tie_break": (fit(tie_break="random"), r"tie_break='random' is unknown; choose one of: smallest, nearest"),
    "algorithm": (fit(algorithm="hnsw"), r"algorithm='hnsw' is unknown; choose one of: auto, brute"),
    "n_jobs": (fit(n_jobs=0), r"n_jobs=0: wanted None"),
    "query width": (lambda: fit()().predict(X[:, :2]), r"X has 2 features, but KNeighborsClassifier is expecting 3"),
    "query NaN": (lambda: fit()().predict(bad(np.nan)), r"X contains NaN"),
    "search width": (lambda: knn(X[:, :2], X, 1), r"Q has 2 features and X has 3"),
    "search k": (lambda: knn(X, X, 9), r"k=9, but there are only 8"),
    "search metric": (lambda: pairwise_distances(X, X, "hamming"), r"metric='hamming' is unknown"),
    "search NaN": (lambda: knn(bad(np.nan), X, 1), r"Q contains NaN"),
    "plain search k": (lambda: NearestNeighbors(n_neighbors=-1).fit(X), r"n_neighbors=-1; wanted"),
    "folds": (lambda: cross_validate_k(X, Y, cv=1), r"cv=1; wanted a whole number of at least 2"),
    "folds above rows": (lambda: cross_validate_k(X, Y, cv=9), r"cv=9, but there are only 8 rows"),
    "folds above class": (lambda: cross_validate_k(X, Y, cv=5), r"cv=5, but no class has more than 4 rows"),
    "ks empty": (lambda: cross_validate_k(X, Y, ks=[], cv=2), r"ks is empty"),
    "ks zero": (lambda: cross_validate_k(X, Y, ks=[0], cv=2), r"ks=0; wanted a whole number of at least 1"),
    "ks too large": (lambda: cross_validate_k(X, Y, ks=[5], cv=2), r"the smallest training fold has 4 rows"),
    "metrics": (lambda: cross_validate_k(X, Y, metrics=["l1", "L3"], cv=2), r"metrics='L3' is unknown; choose one of: l1"),
    "one row": (lambda: fastcls.KNeighborsClassifierCV().fit(X[:1], Y[:1]), r"needs at least two: give more rows$"),
    "no metrics": (lambda: cross_validate_k(X, Y, metrics=[], cv=2), r"metrics is empty; choose from: l1"),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_refused_in_one_line(case):
    call, message = CASES[case]
    with pytest.raises(ValueError, match=message) as refused:
        call()
    assert isinstance(refused.value, InputError), case
    assert "\n" not in str(refused.value)


def test_infinity_is_named():
    with pytest.raises(InputError, match=r"X contains infinity \(first at row 2, column 1\)"):
        check_rows(bad(np.inf))


def test_the_first_bad_value_is_found_far_into_the_rows():
    rows = np.zeros((300_000, 8), dtype=np.float32)
    rows[299_998, 5] = np.nan
    rows[299_999, 0] = np.inf
    with pytest.raises(InputError, match=r"contains NaN \(first at row 299998, column 5\)"):
        check_rows(rows)


def test_large_but_safe_values_are_taken():
    rows = np.array([[1e150, -1e150], [0.0, 1e150]])
    distances, _ = knn(rows, rows, 2, "l2")
    assert np.isfinite(distances).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("value", "named"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
@pytest.mark.parametrize("layout", [np.ascontiguousarray, np.asfortranarray, lambda A: A[:, ::-1]])
def test_what_is_not_finite_is_found_in_every_float_type(dtype, value, named, layout):
    rows = -np.ones((50, 8), dtype)
    check_rows(layout(rows))
    rows[40, 3] = value
    with pytest.raises(InputError, match=rf"contains {named} \(first at row 40"):
        check_rows(layout(rows))


def test_no_error_of_python_names_a_private_class():
    for name in (
        "KNeighborsClassifier",
        "KNeighborsClassifierCV",
        "MulticlassSVM",
        "MulticlassSVMCV",
        "NearestClassMean",
        "NearestNeighbors",
        "SoftmaxClassifier",
        "SoftmaxClassifierCV",
    ):
        kind = getattr(fastcls, name)
        for call in (lambda kind=kind: kind(nonsense=1), lambda kind=kind: kind().fit(X, Y, nonsense=1)):
            with pytest.raises(TypeError) as caught:
                call()
            assert "nonsense" in str(caught.value)
            assert not re.search(r"\b_\w", str(caught.value).replace("__init__", ""))
