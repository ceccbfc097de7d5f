"""The filter's bounds in exact arithmetic: codes, errors, norms and S as the compiled code leaves them.

docs/filter.md proves what is tried here on rows that the proofs have most to fear from: neighbours that differ by half a
step of the codes or by one unit in the last place, and every magnitude that a storage type can hold.
"""

import math
from dataclasses import replace
from fractions import Fraction

import _filter_cases as cases
import numpy as np
import pytest
from _filter_cases import METRICS, assert_same_as_brute
from hypothesis import given, settings
from hypothesis import strategies as st

from fastcls._search import matrix as _matrix
from fastcls._search.filter import encode_loops, levels_l2
from fastcls._search.filter import levels as _levels
from fastcls._search.rows import Rows
from fastcls._validation.types import BFLOAT16, STORED_TYPES, is_floating, narrowed, widened

ROUNDED_DOWN = 1 - Fraction(1, 2**20)  # what a gap of codes is multiplied by before it is compared
BITS = 160  # of a root's rational bounds
#: powers of ten that rows of about unit scale are multiplied by
SCALES = {"float16": (-7, -4, 0, 3), "float32": (-45, -39, -20, 0, 16, 37), "float64": (-320, -162, -150, 0, 100, 148)}
KINDS = (
    "low rank",
    "near pairs and bright rows",
    "one huge coordinate",
    "two clusters",
    "parallel rows",
    "sparse",
    "ties",
    "zero rows",
    "all equal",
    "white noise",
    "flat but for a pixel",
)


def whole(rows):
    """(numbers, exponent): rows as Python integers times 2^exponent, exactly."""
    if not is_floating(rows.dtype):
        return rows.astype(object), 0
    rows = widened(rows, np.float64)
    mantissas, exponents = np.frexp(rows)
    numbers, exponents = np.ldexp(mantissas, 53).astype(np.int64).astype(object), exponents.astype(int) - 53
    least = int(exponents[rows != 0].min()) if rows.any() else 0
    return numbers * 2 ** np.where(rows != 0, exponents - least, 0).astype(object), least


def root(value):
    """Rational bounds of a root, below and above it by at most 2^-BITS of it."""
    value = Fraction(value)
    if value == 0:
        return Fraction(0), Fraction(0)
    shift = 2 * (BITS + max(0, value.denominator.bit_length() - value.numerator.bit_length()))
    below = math.isqrt((value.numerator << shift) // value.denominator)
    return Fraction(below, 2 ** (shift // 2)), Fraction(below + 1, 2 ** (shift // 2))


def chord_squares(x, Y):
    """|x / |x| - y / |y||^2 of whole numbers, from above; None where a row is zero."""
    out = []
    xx = int((x * x).sum())
    for y in Y:
        yy, xy = int((y * y).sum()), int((x * y).sum())
        if xx == 0 or yy == 0:
            out.append(None)
            continue
        below, above = root(Fraction(xy * xy, xx * yy))
        out.append(2 - 2 * (below if xy >= 0 else -above))
    return out


def distances(Q, X, metric):
    """(n_queries, n_rows) rational numbers, none below the distance and none 2^-100 of it above; None of a row of zeros."""
    both, exponent = whole(np.concatenate([Q, X]))
    of_queries, of_rows, unit = both[: len(Q)], both[len(Q) :], Fraction(2) ** exponent
    if metric == "cosine":
        squares = [chord_squares(x, of_rows) for x in of_queries]
        return [[None if square is None else root(max(0, square))[1] for square in row] for row in squares]
    if metric == "l1":
        return [[int(s) * unit for s in np.abs(of_rows - x).sum(axis=1)] for x in of_queries]
    return [[root(int(s))[1] * unit for s in ((of_rows - x) ** 2).sum(axis=1)] for x in of_queries]


def code_values(level, codes, of_queries):
    """Codes as numbers."""
    if level.fine:
        return codes.codes.view(np.int16).astype(np.int64)
    if level.kind == "l2" and of_queries:
        return codes.codes.astype(np.int64) - 128
    return codes.codes.view(np.uint8 if level.kind == "l1" else np.int8).astype(np.int64)


def gap(level, x, y):
    """Of two rows' codes, from below."""
    difference = x - y
    return Fraction(int(np.abs(difference).sum())) if level.kind == "l1" else root(int((difference**2).sum()))[0]


def limit_of(dtype, metric, d):
    """The largest number that validation lets through."""
    from fastcls.metrics import METRICS as registered

    largest = float(np.finfo(dtype).max)
    return min(largest, registered[metric].max_abs(d)) if dtype == "float64" else largest


@st.composite
def searches(draw):
    """(training rows, queries, metric): queries among the rows, next to them, and far away."""
    dtype, metric, kind = draw(st.sampled_from(STORED_TYPES)), draw(st.sampled_from(METRICS)), draw(st.sampled_from(KINDS))
    d, seed = draw(st.sampled_from((1, 3, 17, 64, 70, 130))), draw(st.integers(0, 2**32 - 1))
    rng = np.random.default_rng(seed)
    rows = cases.HOSTILE[kind](rng, 200, d)
    if dtype.endswith("int8"):
        X = cases.stored(rows, dtype)
        return X, cases.queries_for(rng, X, 12), metric
    is_short, dtype = dtype == "bfloat16", dtype.replace("bfloat16", "float32")
    limit = limit_of(dtype, metric, d)
    offset = draw(st.sampled_from((0.0, 0.0, 1e3)))
    with np.errstate(under="ignore", over="ignore"):
        X = np.clip((rows + offset) * 10.0 ** draw(st.sampled_from(SCALES[dtype])), -limit, limit).astype(dtype)
    if draw(st.booleans()):  # one row is far larger, and makes the step coarse for all others
        X[int(rng.integers(len(X)))] = limit * rng.choice([1e-3, 0.25])
    Q = X[rng.choice(len(X), 12, replace=False)]
    moved = rng.integers(d, size=6)
    Q[np.arange(6), moved] = np.nextafter(Q[np.arange(6), moved], np.asarray(limit, dtype=dtype))
    Q[6] = 0
    Q[7] = limit / 4
    Q[8] = np.finfo(dtype).smallest_subnormal
    if is_short:
        X, Q = narrowed(X, BFLOAT16), narrowed(Q, BFLOAT16)
        Q.view(np.uint16)[np.arange(6), moved] ^= 1  # one unit in the last place
        Q.view(np.uint16)[8] = 1
    return X, Q, metric


def assert_bounds_hold(levels, some, Q, metric):
    """gap (1 - 2^-20) - error - error <= per_unit x distance, in rational numbers, of queries as they are encoded."""
    of_rows, of_queries = _levels.encode(levels, some, 1), _levels.encode(levels, Q, 1, queries=True)
    wanted = distances(Q, some, metric)
    for level, rows, queries in zip(levels, of_rows, of_queries, strict=True):
        y, x, per_unit = code_values(level, rows, False), code_values(level, queries, True), Fraction(level.per_unit)
        for i, of_query in enumerate(wanted):
            for j, distance in enumerate(of_query):
                if distance is None:
                    assert not np.isfinite(queries.errors[i] + rows.errors[j])
                elif np.isfinite(queries.errors[i]) and np.isfinite(rows.errors[j]):
                    errors = Fraction(float(queries.errors[i])) + Fraction(float(rows.errors[j]))
                    assert gap(level, x[i], y[j]) * ROUNDED_DOWN - errors <= per_unit * distance, (level.bound, i, j)


@settings(max_examples=60, deadline=None)
@given(searches())
def test_no_level_says_more_than_the_distance(case):
    X, Q, metric = case
    levels = cases.every_level(X, metric)
    if levels:
        assert_bounds_hold(levels, np.concatenate([X[::16], Q]), Q, metric)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_that_differ_by_what_the_projection_leaves(dtype):
    """They stand at the center, where no coordinate is rounded: the rounding of the residual norm is alone."""
    rng = np.random.default_rng(2)
    X = np.zeros((400, 64), dtype=dtype)
    X[:, :40] = cases.low_rank(rng, 400, 40)
    level = cases.every_level(X, "l2")[0]
    Q = np.tile(X.mean(axis=0, dtype=np.float64), (60, 1))
    Q[:, 50] = np.linspace(0, 3 / level.per_unit, 60)
    Q = Q.astype(dtype)
    codes = _levels.encode([level], Q, 1)[0]
    values = code_values(level, codes, False)
    assert len(np.unique(values[:, level.n - 1])) >= 3
    assert (values[:, : level.n - 1] == values[0, : level.n - 1]).all()
    assert codes.errors.max() < 0.6
    assert_bounds_hold([level], Q, Q, "l2")


@pytest.mark.parametrize("in_span", [False, True])
def test_rows_that_singles_round_apart(in_span):
    """Two rows a hair's breadth to either side of the middles between singles: their projections differ, they do not.

    Steps are made so small that this is many; of rows that the projection leaves nothing of, in their residual norms too.
    """
    rng = np.random.default_rng(3)
    X = cases.low_rank(rng, 400, 64)
    level = cases.every_level(X, "l2")[0]
    A, scale, center = level.basis.A.astype(np.float64), level.basis.data_scale, level.basis.center
    wide = rng.normal(size=len(A)) @ A if in_span else rng.normal(size=64)
    signs, below = np.sign(wide if in_span else A[0]), np.abs(wide).astype(np.float32)
    middles = (below.astype(np.float64) + np.nextafter(below, np.float32(np.inf))) / 2
    rows = np.stack([signs * middles * (1 - 1e-9), signs * middles * (1 + 1e-9)]) / scale + center
    wide = (rows - center) * scale
    singles = wide.astype(np.float32)
    assert (singles[0] != singles[1]).all()
    Z = (singles @ level.basis.A.T).astype(np.float64)
    left = np.sqrt(np.maximum(0, level.s**2 * (wide**2).sum(axis=1) - (Z**2).sum(axis=1)))
    apart = abs(left[1] - left[0]) if in_span else np.abs(Z[1] - Z[0]).max()
    tight = replace(level, offsets=Z.mean(axis=0), step=apart / 20, residual_offset=left.mean() if in_span else math.nan)
    values = code_values(tight, _levels.encode([tight], rows, 1)[0], False)
    assert in_span or np.abs(values[0] - values[1]).max() >= 15  # of the residual norm only an interval is known
    assert_bounds_hold([tight], rows, rows, "l2")


@pytest.mark.parametrize("m", [0, 1, 63, 255])
@pytest.mark.parametrize("d", [1, 64, 3072])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_roundings_are_those_that_the_proof_counts_and_at_most_eight_times_as_many(dtype, d, m):
    """docs/filter.md: d / 8 + 8 roundings of |x - c|^2 and m additions of |z|^2, each of 2^-53."""
    A = np.random.default_rng(0).normal(size=(m, d)).astype(np.float32)
    A = np.rint(A).astype(np.int8) if dtype == "uint8" else A
    basis = levels_l2.Basis.of(A, np.dtype(dtype), np.zeros(d), 1.0, False)
    z_error, off = basis.roundings
    counted = (d / 8 + 8 + m) * 2.0**-53
    assert counted <= off <= 8 * counted
    gamma = (d + 4) * 2.0**-24 * basis.frobenius / (1 - (d + 4) * 2.0**-24)
    assert z_error >= (gamma if dtype == "float32" else 0)
    assert z_error <= 1.01 * gamma + 64 * (d + 8 + m + basis.frobenius) * 2.0**-53


def test_bounds_are_not_idle():
    """The bounds are a large part of the distance, so the test above could fail; without the errors it does."""
    rng = np.random.default_rng(0)
    for dtype in STORED_TYPES:
        for metric in METRICS:
            of_numpy = dtype.replace("bfloat16", "float32")
            X = cases.stored(cases.low_rank(rng, 400, 130), of_numpy)
            near = 1e-3 * rng.normal(size=(20, 130))  # for the codes' steps; of bytes one feature moves
            near = near if X.dtype.kind == "f" else np.arange(130) == np.zeros((20, 1))
            X = np.concatenate([X, X[:20] + near.astype(of_numpy)])
            X = narrowed(X, BFLOAT16) if dtype == "bfloat16" else X
            shares, broken = [], 0
            levels = cases.every_level(X, metric)
            for level, codes in zip(levels, _levels.encode(levels, X, 1), strict=True):
                values = code_values(level, codes, False)
                for i, j, near in ((0, 50, False), (1, 60, False), *((n, 400 + n, True) for n in range(20))):
                    distance = float(distances(X[i : i + 1], X[j : j + 1], metric)[0][0]) * level.per_unit
                    errors = float(codes.errors[i]) + float(codes.errors[j])
                    if near:
                        broken += float(gap(level, values[i], values[j])) > distance
                    else:
                        shares.append((float(gap(level, values[i], values[j])) - errors) / distance)
            assert max(shares) > 0.6, (dtype, metric)
            assert broken > 0, (dtype, metric)


@settings(max_examples=60, deadline=None)
@given(searches())
def test_S_is_as_near_to_the_distance_as_its_margin_says(case):
    """S of a byte row is exact; of floats it is off by d / 8 + 8 roundings, twice a cosine by d / 2 + 48 of 2^-53."""
    X, Q, metric = case
    some, d = np.concatenate([X[::16], Q]), X.shape[1]
    with np.errstate(all="ignore"):
        S = _matrix.all_pairs(some, Q, metric, n_threads=1)
    roundings = 0 if metric != "cosine" and not is_floating(X.dtype) else Fraction(d, 8) + 8
    for i, of_query in enumerate(distances(Q, some, metric)):
        for j, distance in enumerate(of_query):
            found = Fraction(float(S[i, j]))
            if metric == "cosine":
                squares = [float((widened(row, float) ** 2).sum()) for row in (Q[i], some[j])]
                if min(squares) < 2.0**-900:  # rows of zeros, and rows whose squares have lost bits, are always looked at
                    continue
                slack = (Fraction(d, 2) + 48) / 2**53
                assert abs(2 * found - distance**2) <= slack, (i, j)
                assert slack * 8 <= (d + 64) * Fraction(1, 2**50)
            else:
                exact = distance if metric == "l1" else distance**2
                off = roundings / 2**53 * exact + (d * Fraction(1, 2**1074) if metric != "l1" else 0)
                assert abs(found - exact) <= off + exact / 2**100, (i, j)


def is_semidefinite(matrix):
    """Of a symmetric matrix of rational numbers, by elimination."""
    n = len(matrix)
    rows = [list(row) for row in matrix]
    for i in range(n):
        pivot = rows[i][i]
        if pivot < 0 or (pivot == 0 and any(rows[i][i + 1 :])):
            return False
        if pivot == 0:
            continue
        for j in range(i + 1, n):
            factor = rows[j][i] / pivot
            rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    return True


def s_bounds_norm(A, s):
    numbers, exponent = whole(A)
    gram = numbers @ numbers.T
    unit = Fraction(4) ** exponent
    return is_semidefinite(
        [[(Fraction(s) ** 2 if i == j else 0) - int(gram[i, j]) * unit for j in range(len(A))] for i in range(len(A))]
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 60), st.sampled_from(("any", "even", "bytes", "one")))
def test_a_certified_norm_is_certain_and_near(seed, m, d, kind):
    """s^2 I - A A' is semidefinite in rational numbers; s x 0.9 is not enough, nor is s^2 minus 1e-6 of it."""
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((m, d))
    if kind in ("even", "bytes") and m <= d:  # rows that are orthonormal, but for their rounding
        A = np.linalg.qr(A.T)[0].T.astype(np.float32).astype(np.float64)
        A = np.rint(127 * A) if kind == "bytes" else A
    elif kind == "one":
        A = np.tile(A[:1], (m, 1))
    if not A.any():
        return
    s = levels_l2.certified_norm(A)
    assert s_bounds_norm(A, s)
    assert not s_bounds_norm(A, s * (1 - 1e-6))


@settings(max_examples=60, deadline=None)
@given(searches(), st.integers(1, 5), st.integers(1, 3), st.booleans())
def test_no_pair_within_reach_is_dropped(case, k, n_threads, with_groups):
    """Rows in the order from far to near, in chunks, so that each must pass the threshold that the previous ones left."""
    X, Q, metric = case
    with np.errstate(all="ignore"):
        order = np.argsort(-_matrix.all_pairs(X, Q[:1], metric, n_threads=1)[0], kind="stable")
    chunks = cases.chunks_of(X[order], (70, 71, 150))
    levels = cases.every_level(X, metric)
    groups = {"query_groups": np.arange(len(Q)) % 3, "row_groups": np.arange(len(X)) % 3} if with_groups else {}
    wanted = cases.search(Rows(chunks), Q, 130, metric, "brute", **groups)
    for chosen in [levels, *([level] for level in levels if not level.fine)]:
        if chosen:
            rows = cases.with_levels(chunks, metric, chosen)
            assert_same_as_brute(rows, Q, (k, 130), metric, wanted, n_threads, **groups)


@pytest.mark.parametrize("value", [0, 1, 2, 3, 10**40, Fraction(1, 3), Fraction(10**30, 7), Fraction(1, 10**60)])
def test_roots_of_this_test_are_bounds(value):
    below, above = root(value)
    assert below**2 <= value <= above**2
    assert above - below <= above / 2 ** (BITS - 20)


def test_whole_numbers_of_this_test_are_exact():
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(5, 9)) * 10.0 ** rng.integers(-320, 300, size=(5, 9))
    rows[0, 0], rows[1, 1], rows[2, 2] = 0.0, 5e-324, -1.7e308
    numbers, exponent = whole(rows)
    assert all(Fraction(float(v)) == int(n) * Fraction(2) ** exponent for v, n in zip(rows.flat, numbers.flat, strict=True))


def test_norms_of_signed_codes_are_exact():
    rng = np.random.default_rng(0)
    for n, width in ((1, 1), (3, 70), (200, 5), (6, 300)):
        codes = rng.integers(-127, 128, (n, width), dtype=np.int8)
        norms = np.full(n, -1, dtype=np.int32)
        encode_loops.code_norms(codes.view(np.uint8), norms, 2)
        assert norms.tolist() == np.square(codes.astype(int)).sum(axis=1).tolist()
