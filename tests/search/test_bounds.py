"""What discards a pair never discards a neighbour: docs/bounds.md, on rows that attain its bounds.

A model of the tiles in NumPy represents every possible tile: other orders of summation, with fused multiply-adds
and without, with subnormal numbers and with flushing them to zero.
"""

import numpy as np
import pytest
from _rows import assert_search_is_reference, hostile_rows, random_rows

from fastcls import _kernels, metrics, reference, simd
from fastcls._search import bounds as _bounds

METRICS = list(metrics.METRICS)
FLOATS = ["float16", "float32", "float64"]
BLOCK = _bounds.BLOCK_BYTES // 4
U, TINY = 2.0**-24, 2.0**-126  # half an ulp of a single; the smallest normal one
SINGLES = {"dot": ("in turn", "fused", "in halves"), "max": ("in turn", "in halves")}


@pytest.fixture(params=simd.available())
def isa(request):
    before = simd.active()
    simd.use(request.param)
    yield request.param
    simd.use(before)


def single(values, flush):
    """Values rounded to singles; subnormal ones zero if `flush`, as in a flush-to-zero mode."""
    rounded = np.asarray(values, dtype=np.float32)
    return np.where(np.abs(rounded) < TINY, np.float32(0), rounded) if flush else rounded


def tile(kind, q, r, order, flush):
    """The sums of every pair of packed rows, in blocks of features, as a tile may compute them."""
    total = np.zeros((len(q), len(r)))
    for start in range(0, q.shape[1], BLOCK):
        a, b = (part[:, start : start + BLOCK].T for part in (q, r))
        if order == "fused":  # rounded twice, to float64 first: 2^-29 of a rounding more than the real one may err
            added = np.zeros(total.shape, np.float32)
            for x, y in zip(a, b, strict=True):
                added = single(x[:, None].astype(float) * y[None].astype(float) + added, flush)
            total += added
            continue
        combine = np.maximum if kind == "max" else np.multiply
        parts = [single(combine(x[:, None], y[None]), flush) for x, y in zip(a, b, strict=True)]
        while len(parts) > 1:
            if order == "in turn":
                parts[:2] = [single(parts[0] + parts[1], flush)]
            else:
                pairs = zip(parts[::2], parts[1::2], strict=False)
                parts = [single(x + y, flush) for x, y in pairs] + parts[len(parts) // 2 * 2 :]
        total += parts[0]
    return total


def discarded(Q, X, metric):
    """How many pairs fail the test whose threshold is their own S, by order and flushing; None where there is no test."""
    bounds = metrics.METRICS[metric].bounds
    center = _bounds.choose_center(X, bounds)
    of_queries, of_rows = (_bounds.statistics(rows, center, 1) for rows in (Q, X))
    largest = float(of_rows.sums.max() if metric == "l1" else np.sqrt(of_rows.squares.max()))
    panel = _bounds.panel_of(bounds, X.dtype)
    terms = _bounds.terms(bounds, panel, X.dtype, of_queries, of_rows, largest)
    if terms is None:
        return None
    S, kind, found = reference.rank_distances(Q, X, metric), panel.split("_")[0], {}
    for flush in (False, True):
        q, r = (single((rows.astype(float) - terms.center) * terms.data_scale, flush) for rows in (Q, X))
        for order in SINGLES[kind]:
            keys = tile(kind, q, r, order, flush) * terms.scale + terms.query_terms[:, None] + terms.row_terms
            thresholds = terms.alphas[:, None] * S + terms.betas[:, None]
            found[order, flush] = int(((keys * terms.row_factors) > thresholds).sum())
    return found


def lost_in_turn(kind):
    """Equal rows whose sum, taken in turn, loses half an ulp of its first term (or gains it) with each of the others."""
    row = np.full(BLOCK, 2.0**-12 if kind == "dot" else U * (1 + 2.0**-20), np.float32)
    row[0] = 1
    rows = np.stack([row, -row, 0 * row])  # their mean is zero: a center would take the rows away
    return rows[:1], rows


def flushed(value):
    """Equal rows whose terms are as large as subnormals can be, together with rows that determine the scale."""
    rows = np.full((4, BLOCK), value, np.float32)
    rows[2:], rows[2, 0], rows[3, 0] = 0, 1, -1
    return rows[:1], rows


def drifting():
    """Rows about a center so far away that the sum of their values is nearly all rounding."""
    rows = 2.0**40 + 1 / 3 + np.random.default_rng(0).integers(0, 64, size=(40, 4096)) * 2.0**-12
    return rows[:8], rows


MOST_PRODUCT = 2.0**-63 * (1 - 2.0**-12)
# metric -> rows on which its bound is reached
REACHED = {
    "l1": {"lost in turn": lost_in_turn("max"), "flushed": flushed(-TINY * (1 - 2.0**-10)), "drifting": drifting()},
    "l2": {"lost in turn": lost_in_turn("dot"), "flushed": flushed(MOST_PRODUCT)},
    "cosine": {"lost in turn": lost_in_turn("dot")},
}


def test_the_model_rounds_as_singles_do():
    ones = np.array([[1, U, U, U]], np.float32)
    assert tile("max", ones, ones, "in turn", False) == 1.0
    assert tile("max", ones, ones, "in halves", False) == 1.0 + 2 * U
    product = np.array([[1 + 2 * U]], np.float32)
    assert tile("dot", product, product, "in turn", False) == 1 + 4 * U
    small = np.array([[2.0**-64]], np.float32)
    assert tile("dot", small, small, "fused", False) == 2.0**-128
    assert tile("dot", small, small, "fused", True) == 0


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("width", [1, 2, 37])
def test_no_pair_fails_the_test_of_its_own_distance(metric, dtype, width):
    n_tested = 0
    for name, X in hostile_rows(np.random.default_rng(0), 60, max(width, 4), dtype).items():
        rows = np.ascontiguousarray(X[:, -width:])
        found = discarded(np.concatenate([rows[1:2], rows[::3]]), rows, metric)  # row 1 may be the huge one
        n_tested += found is not None
        assert found is None or not any(found.values()), (name, found)
    assert n_tested > 6, "singles must hold most of the rows"


@pytest.mark.parametrize("metric", REACHED)
def test_no_pair_fails_where_the_bound_is_reached(metric):
    for name, (Q, X) in REACHED[metric].items():
        found = discarded(Q, X, metric)
        assert found is not None, name
        assert not any(found.values()), (name, found)


@pytest.mark.parametrize(
    ("metric", "constant", "share", "name"),
    [
        ("l1", "_U", 0.5, "lost in turn"),
        ("l2", "_U", 0.5, "lost in turn"),
        ("cosine", "_U", 0.5, "lost in turn"),
        ("l1", "_TINY", 0.2, "flushed"),
        ("l2", "_TINY", 0.2, "flushed"),
        ("l1", "_UNIT", 0.0, "drifting"),
    ],
)
def test_smaller_bounds_would_discard_neighbours(metric, constant, share, name, monkeypatch):
    """The rows above try the bounds: with any term of docs/bounds.md smaller, a pair fails the test of its own S."""
    monkeypatch.setattr(_bounds, constant, share * getattr(_bounds, constant))
    assert any(discarded(*REACHED[metric][name], metric).values())


def discarded_bytes(Q, X, metric):
    """Keys of exact sums, S, and thresholds at S."""
    bounds = metrics.METRICS[metric].bounds
    panel = _bounds.panel_of(bounds, X.dtype)
    of_queries, of_rows = (_bounds.statistics(rows, np.zeros(X.shape[1], X.dtype), 1) for rows in (Q, X))
    terms = _bounds.terms(bounds, panel, X.dtype, of_queries, of_rows, 0.0)
    q, r = (rows.astype(np.int64) for rows in (Q, X))
    if metric == "l1":
        sums = np.abs(q[:, None] - r).sum(axis=2)
    else:
        bq, br = _kernels.panel_biases(_kernels.PANELS[panel], _kernels.TYPES[X.dtype.name])
        sums = (q + bq) @ (r + br).T
    with np.errstate(invalid="ignore"):  # zero rows
        keys = (sums * terms.scale + terms.query_terms[:, None] + terms.row_terms) * terms.row_factors
    S = reference.rank_distances(Q, X, metric)
    return keys, S, terms.alphas[:, None] * S + terms.betas[:, None]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_no_pair_of_bytes_fails_the_test_of_its_own_distance(isa, metric, dtype, monkeypatch):
    if _kernels.panel_shape(_kernels.PANELS["dot_bytes"]) is None:
        pytest.skip(f"{isa} has no panels")
    rng = np.random.default_rng(0)
    X = random_rows(rng, 300, 37, dtype)
    X[::7] = np.repeat(X[:1], 43, axis=0)
    X[5] = 0
    keys, S, thresholds = discarded_bytes(X[:40], X, metric)
    if metric != "cosine":
        assert np.array_equal(keys, S)
        return
    assert not (keys > thresholds).any()
    monkeypatch.setattr(_bounds, "_COSINE_RESERVE", 0.0)
    keys, _, thresholds = discarded_bytes(X[:40], X, metric)
    assert (keys > thresholds).any(), "without the reserve a rounding of the key discards a pair"


@pytest.mark.parametrize("metric", METRICS)
def test_queries_that_overflow_singles_are_searched_all_the_same(isa, metric):
    rng = np.random.default_rng(1)
    X = -np.abs(rng.normal(size=(400, 37)))
    assert_search_is_reference(1e45 * np.abs(rng.normal(size=(9, 37))), X, 5, metric)


@pytest.mark.parametrize("metric", REACHED)
def test_rows_that_reach_the_bound_are_found_on_every_isa(isa, metric):
    """The true neighbour comes in a later panel than one that is farther by less than the bound."""
    for name, (Q, X) in REACHED[metric].items():
        near = np.repeat(X[:1], 200, axis=0)
        near[:, -1] += near[:, -1] * X.dtype.type(2.0**-10) * np.arange(200, 0, -1, dtype=X.dtype)
        rows = np.concatenate([near, -near, X, X[:70]])
        assert_search_is_reference(np.repeat(Q[:1], 9, axis=0), rows, 3, metric, name)
