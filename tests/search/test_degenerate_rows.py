"""Rows that say little or nothing of how features vary: every way of a search still gives what brute force gives."""

import numpy as np
import pytest
import scipy.linalg
from _pairwise import pairwise

from fastcls import NearestNeighbors, knn
from fastcls._search.filter import codes
from fastcls._validation.types import STORED_TYPES, narrowed, type_of
from fastcls.metrics import METRICS


def _lowest_highest(dtype):
    """Values at the ends of a type's range, as far as every metric takes them."""
    if np.dtype(dtype).kind != "f":
        return np.iinfo(dtype).min, np.iinfo(dtype).max
    highest = min(float(np.finfo(dtype).max), 1e150)
    return -highest, highest


def _one_pixel(rng, n, d, dtype):
    rows = np.zeros((n, d), dtype)
    rows[np.arange(n), np.arange(n) % d] = 1
    return rows


def _one_column(rng, n, d, dtype):
    rows = np.zeros((n, d), dtype)
    rows[:, d // 2] = rng.integers(0, 100, n)
    return rows


def _one_value(rng, n, d, dtype):
    rows = np.full((n, d), 7, dtype)
    rows[n // 2, d // 3] = 8
    return rows


def _copies(rng, n, d, dtype, distinct):
    return rng.integers(0, 100, (distinct, d)).astype(dtype)[rng.integers(0, distinct, n)]


def _one_extreme_row(rng, n, d, dtype):
    rows = rng.integers(0, 5, (n, d)).astype(dtype)
    rows[n // 2] = _lowest_highest(dtype)[1]
    return rows


def _denormals(rng, n, d, dtype):
    least = np.finfo(dtype).smallest_subnormal if np.dtype(dtype).kind == "f" else 1
    least = 1e-152 if dtype == "float64" else least  # below, cosine refuses rows: their squares are lost
    return (rng.integers(0, 100, (n, d)) * least).astype(dtype)


ROWS = {
    "zeros": lambda rng, n, d, dtype: np.zeros((n, d), dtype),
    "all lowest": lambda rng, n, d, dtype: np.full((n, d), _lowest_highest(dtype)[0], dtype),
    "all highest": lambda rng, n, d, dtype: np.full((n, d), _lowest_highest(dtype)[1], dtype),
    "lowest and highest": lambda rng, n, d, dtype: np.where(rng.random((n, d)) < 0.5, *_lowest_highest(dtype)).astype(dtype),
    "one pixel per row": _one_pixel,
    "one column": _one_column,
    "one value": _one_value,
    "rank one": lambda rng, n, d, dtype: (rng.integers(0, 10, (n, 1)) * rng.integers(0, 10, (1, d))).astype(dtype),
    "two rows": lambda *given: _copies(*given, 2),
    "five rows": lambda *given: _copies(*given, 5),
    "one extreme row": _one_extreme_row,
    "denormals": _denormals,
}
SHAPES = [(1, 40), (3, 384), (30, 1), (400, 64)]
#: each kind of rows with one type and one metric, and each of these with several kinds: learning its filter takes long
WIDE = [(name, STORED_TYPES[at % len(STORED_TYPES)], list(METRICS)[at % len(METRICS)]) for at, name in enumerate(ROWS)]


@pytest.mark.parametrize(("name", "dtype", "metric"), pairwise(list(ROWS), STORED_TYPES, list(METRICS)))
def test_every_way_is_brute_force(name, dtype, metric):
    assert_every_way_is_brute_force(name, dtype, metric, SHAPES)


@pytest.mark.parametrize(("name", "dtype", "metric"), WIDE)
def test_every_way_is_brute_force_with_more_features_than_rows(name, dtype, metric):
    assert_every_way_is_brute_force(name, dtype, metric, [(396, 1330)])


def assert_every_way_is_brute_force(name, dtype, metric, shapes):
    rng = np.random.default_rng(0)
    for n, d in shapes:
        X = narrowed(ROWS[name](rng, n, d, "float32" if dtype == "bfloat16" else dtype), type_of(dtype))
        Q, k = np.concatenate([X[:5], X[-2:]]), min(3, n)
        wanted = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="brute").fit(X).kneighbors(Q)
        models = [NearestNeighbors(n_neighbors=k, metric=metric, algorithm=name).fit(X) for name in ("auto", "filter")]
        if n > 1:
            grown = NearestNeighbors(n_neighbors=k, metric=metric, algorithm="filter")
            models.append(grown.partial_fit(X[: n // 2]).partial_fit(X[n // 2 :]))
        for model in models:
            for found, right in zip(model.kneighbors(Q), wanted, strict=True):
                np.testing.assert_array_equal(found, right, err_msg=f"{(n, d)}")
        for found, right in zip(knn(Q, X, k, metric), wanted, strict=True):
            np.testing.assert_array_equal(found, right, err_msg=f"knn {(n, d)}")


def test_eigenvectors_that_lapack_leaves_out_are_computed_after_all(monkeypatch):
    products = np.ones((60, 60)) + np.eye(60)
    whole = scipy.linalg.eigh

    def some_lost(matrix, subset_by_index=None, **options):
        values, vectors = whole(matrix, subset_by_index=subset_by_index, **options)
        return (values[4:], vectors[:, 4:]) if subset_by_index else (values, vectors)

    monkeypatch.setattr(scipy.linalg, "eigh", some_lost)
    vectors = codes.leading_eigenvectors(products, 48)
    assert vectors.shape == (60, 48)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(48), atol=1e-10)
    np.testing.assert_allclose(np.abs(vectors[:, -1]), 60**-0.5)  # the largest last
    assert codes.leading_eigenvectors(products, 99).shape == (60, 60)
