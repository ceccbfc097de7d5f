"""A metric that is new in the registry is right on every path, before and after it opts in to the fast ones."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from _pairwise import pairwise

from fastcls import KNeighborsClassifier, knn, reference
from fastcls._validation.errors import InputError
from fastcls.metrics import METRICS, Metric
from fastcls.reference import _neighbors

SUMS = {metric.sum: metric for metric in METRICS.values()}


#: (sum, whether bounds are proven), type, (rows, features, queries): every pair of them
CASES = pairwise(
    [(of_sum, bounded) for of_sum in sorted(SUMS) for bounded in (False, True)],
    [(12_000, 3, 12), (5_000, 40, 10), (300, 7, 2), (300, 20, 40)],
    [np.uint8, np.int8, np.float32, np.float64],
)


@pytest.fixture(params=[(of_sum, bounded) for of_sum in sorted(SUMS) for bounded in (False, True)], ids=str)
def new_metric(request, monkeypatch):
    """A row over an existing sum, whose distance is twice that of the sum's own metric."""
    of_sum, bounded = request.param
    of = SUMS[of_sum]
    metric = replace(of, name="twice", to_distance=lambda S: 2.0 * S, bounds=of.bounds if bounded else None, aliases=())
    monkeypatch.setitem(METRICS, "twice", metric)
    monkeypatch.setitem(_neighbors._RANK_DISTANCES, "twice", of.reference)
    monkeypatch.setitem(_neighbors._DISTANCES, "twice", lambda S: 2.0 * S)
    return metric


@pytest.mark.parametrize(("new_metric", "shape", "dtype"), CASES, indirect=["new_metric"], ids=str)
def test_a_new_metric_over_an_existing_sum_gives_the_neighbors_of_its_reference(new_metric, shape, dtype):
    n_rows, n_features, n_queries = shape
    rng = np.random.default_rng(n_features)
    X = rng.integers(0, 100, (n_rows, n_features)).astype(dtype)
    Q = rng.integers(0, 100, (n_queries, n_features)).astype(dtype)
    distances, indices = knn(Q, X, 4, "twice")
    for algorithm in ("auto", "filter", "brute"):
        model = KNeighborsClassifier(4, metric="twice", algorithm=algorithm).fit(X, np.arange(n_rows) % 3)
        found, places = model.kneighbors(Q)
        assert np.array_equal(found, distances), algorithm
        assert np.array_equal(places, indices), algorithm
        if new_metric.bounds is None:
            assert model.search_report_.path == "brute"
            said = any("no bounds are proven for metric 'twice'" in note for note in model.search_report_.notes)
            assert said == (algorithm != "brute")
    wanted = reference.kneighbors(Q, X, 4, "twice")
    assert np.array_equal(distances, wanted[0])
    assert np.array_equal(indices, wanted[1])


def test_a_metric_opts_in_to_the_bounds_of_its_own_sum_only():
    fields = METRICS["l1"].__dict__
    with pytest.raises(ValueError, match="'new'.*'l2' do not hold for the sum 'l1'"):
        Metric(**{**fields, "name": "new", "bounds": "l2"})
    assert Metric(**{**fields, "name": "new", "bounds": None}).bounds is None


@pytest.mark.parametrize("name", METRICS)
def test_the_largest_values_that_a_metric_takes_have_finite_distances(name):
    largest = METRICS[name].max_abs(5)
    X = np.array([[largest] * 5, [-largest] * 5])
    assert np.isfinite(knn(X, X, 2, name)[0]).all()
    with pytest.raises(InputError, match="could overflow"):
        knn(X, 1.01 * X, 2, name)


def test_the_largest_values_leave_a_factor_of_four_for_the_roundings_of_the_sum():
    """n differences of at most twice the value; or their squares. Exactly: the limit is what users are told."""
    largest = Fraction(float(np.finfo(np.float64).max))
    for n in (1, 5, 3072, 10**6):
        assert Fraction(METRICS["l1"].max_abs(n)) * 2 * n * 4 == pytest.approx(largest, rel=1e-15)
        for name in ("l2", "sqeuclidean", "cosine"):
            assert float((2 * Fraction(METRICS[name].max_abs(n))) ** 2 * n * 4 / largest) == pytest.approx(1, rel=1e-14)
