"""The iteration of L-BFGS: products of remembered vectors, directions, steps."""

import tracemalloc
import warnings

import numpy as np
import pytest

from fastcls import LinearProblem, SoftmaxClassifierCV
from fastcls._gradient import pair_loops
from fastcls.optim import LBFGS, _lbfgs, _preconditioner, _quasi_newton, shared_directions
from fastcls.optim._preconditioner import Preconditioner, preconditioner_of, sampled
from fastcls.optim._quasi_newton import N_PAIRS, Memory, minimize


def textbook_direction(pairs, gradient, P=None):
    """Algorithm 7.4 of Nocedal and Wright, in float64; P is the initial matrix up to its size."""
    times_P = (lambda v: v) if P is None else (lambda v: (v.reshape(-1, len(P)) @ P).ravel())
    q, shares = gradient.copy(), []
    for s, y in reversed(pairs):
        shares.append(s @ q / (s @ y))
        q -= shares[-1] * y
    q = times_P(q)
    if pairs:
        s, y = pairs[-1]
        q *= s @ y / (y @ times_P(y))
    for (s, y), share in zip(pairs, reversed(shares), strict=True):
        q += (share - y @ q / (s @ y)) * s
    return -q


def curved(n, rng):
    """Gradients of a quadratic function with curvatures from 0.01 to 100."""
    curvature = np.geomspace(0.01, 100, n)
    steps = rng.normal(size=(2 * N_PAIRS, n))
    return [(s, curvature * s) for s in steps], rng.normal(size=n)


@pytest.mark.parametrize(("n", "size"), [(3, 1e-30), (1000, 1.0), (1000, 1e30), (70_000, 1.0)])
def test_directions_are_those_of_the_textbook(n, size):
    pairs, gradient = curved(n, np.random.default_rng(n))
    pairs = [(s * size, y * size) for s, y in pairs]
    for used in (0, 1, N_PAIRS, N_PAIRS + 3):
        found = {}
        for n_threads in (1, 2, 5):
            memory, out = Memory(n, n_threads), np.empty(n)
            for s, y in pairs[:used]:
                memory.add(s, y, gradient)
            if not used:
                memory.add(None, None, gradient)
            memory.direction(out)
            found[n_threads] = out.tobytes()
        wanted = textbook_direction(pairs[max(0, used - N_PAIRS) : used], gradient)
        assert np.linalg.norm(out - wanted) < 2e-5 * np.linalg.norm(wanted)
        assert len(set(found.values())) == 1


@pytest.mark.parametrize(("n_classes", "n_columns", "k"), [(1, 3, 2), (10, 100, 64), (7, 3000, 5)])
def test_directions_of_a_preconditioned_descent_are_those_of_the_textbook(n_classes, n_columns, k):
    rng = np.random.default_rng(k)
    basis = np.linalg.qr(rng.normal(size=(n_columns, k)))[0]
    squares = np.geomspace(1e-4, 1, k)
    P = np.eye(n_columns) + (basis * (squares - 1)) @ basis.T
    pairs, gradient = curved(n_classes * n_columns, rng)
    for used in (0, 1, N_PAIRS + 3):
        found = set()
        for n_threads in (1, 2, 5):
            memory = Memory(len(gradient), n_threads, Preconditioner(basis, squares, n_classes, 1.0))
            for s, y in pairs[:used]:
                memory.add(s, y, gradient)
            if not used:
                memory.add(None, None, gradient)
            out = np.empty(len(gradient))
            memory.direction(out)
            found.add(out.tobytes())
        wanted = textbook_direction(pairs[max(0, used - N_PAIRS) : used], gradient, P)
        assert np.linalg.norm(out - wanted) < 2e-5 * np.linalg.norm(wanted)
        assert len(found) == 1


def spread_rows(n, d, rng):
    """Rows whose variance falls from 100 to 0.01 over rotated directions."""
    turned = np.linalg.qr(rng.normal(size=(d, d)))[0]
    return ((rng.normal(size=(n, d)) * np.geomspace(10, 0.1, d)) @ turned).astype(np.float32)


@pytest.mark.parametrize("d", [40, 300])
def test_the_basis_has_the_largest_principal_directions(d):
    rng = np.random.default_rng(d)
    problem = LinearProblem(spread_rows(900, d, rng), np.arange(900) % 3, fit_intercept=True, scale=2.0, center=np.ones(d))
    made = preconditioner_of(problem)
    k = min(d + 1, 64)
    assert made.shape == (3, k)
    np.testing.assert_allclose(made.basis.T @ made.basis, np.eye(k), atol=1e-6)
    Z = np.c_[(problem.X - 1.0) / 2, np.ones(900)]
    variances = np.linalg.eigvalsh(Z.T @ Z / 900)[::-1][:k]
    along = (Z @ made.basis) ** 2
    np.testing.assert_allclose(along.mean(axis=0)[: k // 2], variances[: k // 2], rtol=0.1)
    squares = np.maximum(variances[-1], variances[0] / 1e4) / np.maximum(variances, variances[0] / 1e4)
    np.testing.assert_allclose(made.less[: k // 2] + 1, squares[: k // 2], rtol=0.5)


def test_a_row_of_weight_two_counts_as_two_rows():
    X, y = spread_rows(200, 90, np.random.default_rng(0)), np.arange(200) % 3
    weights = np.random.default_rng(1).integers(0, 3, 200)
    weighted = preconditioner_of(LinearProblem(X, y, sample_weight=weights).counted())
    repeated = preconditioner_of(LinearProblem(np.repeat(X, weights, axis=0), np.repeat(y, weights)))
    for made in (weighted, repeated):
        made.P = (made.basis * made.less) @ made.basis.T
    np.testing.assert_allclose(weighted.P, repeated.P, atol=1e-4)
    assert weighted.first_step == pytest.approx(repeated.first_step, rel=1e-4)


def test_shared_directions_are_computed_once_for_the_same_rows(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 90)) * np.geomspace(1, 0.01, 90), np.arange(300) % 3
    made, inner = [], _preconditioner._largest_directions
    monkeypatch.setattr(_preconditioner, "_largest_directions", lambda problem: (made.append(1), inner(problem))[1])

    def same(one, other):
        assert (one.basis == other.basis).all()
        assert (one.less == other.less).all()

    problems = [
        LinearProblem(X, y, alpha=1e-3),
        LinearProblem(X, (y > 0).astype(int), alpha=1e-1),  # other labels and penalty
        LinearProblem(X, y, alpha=1e-3, center=X.mean(axis=0)),
        LinearProblem(X, y, alpha=1e-3, scale=2.0),
        LinearProblem(X, y, alpha=1e-3, sample_weight=1.0 + y),
        LinearProblem(X, y, alpha=1e-3, rows=np.arange(100)),
        LinearProblem(X, y, alpha=1e-3, fit_intercept=True),
        LinearProblem(X.copy(), y, alpha=1e-3),
        LinearProblem(X, y, alpha=1e-3),
    ]
    alone = [preconditioner_of(problem) for problem in problems]
    assert len(made) == len(problems)
    made.clear()
    with shared_directions():
        for problem, wanted in zip(problems, alone, strict=True):
            with shared_directions():  # of a function within another
                same(preconditioner_of(problem), wanted)
    assert len(made) == len(problems) - 1  # the second shares those of the first
    X *= rng.normal(size=300)[:, None]
    with shared_directions():  # remembers nothing of the one before
        assert not (preconditioner_of(problems[0]).basis == alone[0].basis).all()


def test_a_sweep_of_l_bfgs_computes_the_directions_once_a_fold(monkeypatch):
    X, y = np.random.default_rng(0).normal(size=(120, 20)) * np.geomspace(1, 0.01, 20), np.arange(120) % 3
    made, inner = [], _preconditioner._largest_directions
    monkeypatch.setattr(_preconditioner, "_largest_directions", lambda problem: (made.append(1), inner(problem))[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        SoftmaxClassifierCV(alphas=[1e-3, 1e-2, 1e-1], solver="lbfgs", cv=3, random_state=0).fit(X, y)
    assert len(made) == 3 + 1  # and the last fit


def test_rows_without_a_large_direction_need_no_preconditioner():
    rows = np.concatenate([np.eye(6), -np.eye(6)])
    assert preconditioner_of(LinearProblem(rows, np.arange(12) % 2, alpha=1e-3)) is None
    assert preconditioner_of(LinearProblem(0 * rows, np.arange(12) % 2)) is None
    rows[:, 0] *= 9
    assert preconditioner_of(LinearProblem(rows, np.arange(12) % 2)) is not None
    assert preconditioner_of(LinearProblem(rows, np.arange(12) % 2, "squared_hinge")) is None


def test_the_sample_of_wide_rows_is_read_a_block_at_a_time():
    X = np.random.default_rng(0).integers(0, 256, (1000, 12_000)).astype(np.uint8)
    problem = LinearProblem(X, np.arange(1000) % 3)
    tracemalloc.start()
    assert preconditioner_of(problem) is not None
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 8 * X.size  # of the sample in float64


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1e-300, 1e-160, 1e-30, 1e17, 1e18, 1e160])
def test_rows_whose_squares_overflow_or_vanish_do_no_harm(size, dtype):
    rng = np.random.default_rng(0)
    with np.errstate(over="ignore", under="ignore"):
        X = (rng.normal(size=(50, 80)) * size).astype(dtype)
    if not np.isfinite(X).all():
        return
    made = preconditioner_of(LinearProblem(X, np.arange(50) % 3))
    if made is not None:
        assert np.isfinite([made.basis.sum(), made.less.sum(), made.first_step]).all()


@pytest.mark.parametrize("weight", [1e12, 1e100, 1e300])
def test_a_heavy_row_outside_the_sample_does_not_stretch_the_first_step(weight):
    rng = np.random.default_rng(0)
    X, y, weights = rng.normal(size=(3001, 10)).astype(np.float32), rng.integers(0, 3, 3001), np.ones(3001)
    light = LinearProblem(X, y, sample_weight=weights)
    weights[1] = weight
    heavy = LinearProblem(X, y, sample_weight=weights)
    assert 1 not in sampled(heavy)[0]
    assert preconditioner_of(heavy).first_step == pytest.approx(preconditioner_of(light).first_step, rel=1e-6)
    assert LBFGS(50).minimize(heavy, np.zeros((3, 10))).converged


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "uint8"])
def test_a_preconditioned_descent_evaluates_half_as_often_and_ends_at_the_same_minimum(kind, monkeypatch):
    rng = np.random.default_rng(0)
    X, y = spread_rows(600, 80, rng), rng.integers(0, 4, 600)
    X[np.arange(600), y] += 3
    if kind == "uint8":
        X = np.clip(X * 4 + 128, 0, 255)
    X = (X.view(np.uint32) >> 16).astype(np.uint16).view("V2") if kind == "bfloat16" else X.astype(kind)
    kept = np.arange(0, 600, 2)  # rows of a fold
    problem = LinearProblem(X, y, alpha=1e-4, fit_intercept=True, rows=kept, center=np.full(80, 128.0 * (kind == "uint8")))
    calls, counts, weights, plain = [], [], [], LinearProblem.value_and_gradient
    monkeypatch.setattr(LinearProblem, "value_and_gradient", lambda self, W: calls.append(1) or plain(self, W))
    for make in (preconditioner_of, lambda problem: None):
        monkeypatch.setattr(_lbfgs, "preconditioner_of", make)
        weights.append(LBFGS(1000, 1e-5).minimize(problem, np.zeros(problem.shape)).W)
        counts.append(len(calls))
    assert 2 * counts[0] <= counts[1] - counts[0]
    np.testing.assert_allclose(weights[0], weights[1], atol=0.05 * np.abs(weights[1]).max())


def test_a_step_without_curvature_is_not_remembered():
    memory, out, rng = Memory(50, 1), np.empty(50), np.random.default_rng(0)
    pairs, gradient = curved(50, rng)
    memory.add(*pairs[0], gradient)
    memory.add(pairs[1][0], -pairs[1][1], gradient)
    memory.direction(out)
    np.testing.assert_allclose(out, textbook_direction(pairs[:1], gradient), rtol=1e-4, atol=1e-4)
    for pair in pairs:  # slots are used again
        memory.add(*pair, gradient)
    memory.direction(out)
    wanted = textbook_direction(pairs[-N_PAIRS:], gradient)
    assert np.linalg.norm(out - wanted) < 2e-5 * np.linalg.norm(wanted)


def rosenbrock(x):
    a, b = x[::2], x[1::2]
    gradient = np.empty_like(x)
    gradient[::2] = -400 * a * (b - a * a) - 2 * (1 - a)
    gradient[1::2] = 200 * (b - a * a)
    return float((100 * (b - a * a) ** 2 + (1 - a) ** 2).sum()), gradient


def test_a_curved_valley_is_descended_by_steps_that_meet_the_wolfe_conditions():
    seen, start = [], np.tile([-1.2, 1.0], 20)
    found = minimize(rosenbrock, start, 500, 1e-9, lambda x, v, g: seen.append((x.copy(), v, g.copy())), 1)
    assert found.ended_by == "tol"
    np.testing.assert_allclose(found.x, 1.0, rtol=1e-7)
    assert found.value == seen[-1][1] == rosenbrock(found.x)[0]
    x, (value, gradient) = start, rosenbrock(start)
    for at, v, g in seen:
        slope = gradient @ (at - x)
        assert slope < 0
        assert v <= value + 1e-3 * slope + 1e-15 * abs(value)
        assert abs(g @ (at - x)) <= 0.9 * abs(slope) * (1 + 1e-9)
        x, value, gradient = at, v, g
    assert np.array_equal(start, np.tile([-1.2, 1.0], 20))


def test_iterations_are_limited_and_a_dead_end_is_reported():
    steps = []
    assert minimize(rosenbrock, np.zeros(4), 3, 0.0, lambda *given: steps.append(1), 1).ended_by == "max_iter"
    assert len(steps) == 3
    assert minimize(rosenbrock, np.ones(4), 3, 0.0, lambda *given: None, 1).ended_by == "tol"  # the gradient is 0
    uphill = minimize(lambda x: (float(x.sum()), -np.ones(len(x))), np.zeros(3), 9, 0.0, lambda *given: None, 1)
    assert uphill.ended_by == "stuck"
    assert not uphill.x.any()


def test_products_are_precise_and_refuse_rows_that_do_not_exist():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(3, 40 * pair_loops.PADDED_TO)).astype(np.float32)
    partial = np.empty((pair_loops.n_chunks(rows.shape[1]), 2, 3))
    pair_loops.dots(rows, np.array([0, 2]), np.array([2, 1, 0]), partial, 2)
    wanted = rows[[0, 2]].astype(np.float64) @ rows[[2, 1, 0]].astype(np.float64).T
    sizes = np.abs(rows[[0, 2]]).astype(np.float64) @ np.abs(rows[[2, 1, 0]]).astype(np.float64).T
    assert (np.abs(partial.sum(axis=0) - wanted) <= 18 * 2.0**-24 * sizes).all()  # 16 sums, a product, a half
    for of in ([3], [-1]):
        with pytest.raises(ValueError, match=f"row {of[0]} of 3"):
            pair_loops.dots(rows, np.array(of), np.array([0]), partial[:, :1, :1].copy(), 1)
    with pytest.raises(ValueError, match="other shapes"):
        pair_loops.combine(rows, np.zeros(2), np.empty(5), 1)
    with pytest.raises(ValueError, match="other shapes"):
        pair_loops.dots(rows, np.array([0]), np.array([0]), partial, 1)
    assert _quasi_newton.dot(np.arange(3.0), np.arange(3.0)) == 5.0
