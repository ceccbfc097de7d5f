"""The iteration of L-BFGS: products of remembered vectors, directions, steps."""

import numpy as np
import pytest

from fastcls._gradient import pair_loops
from fastcls.optim import _quasi_newton
from fastcls.optim._quasi_newton import N_PAIRS, Memory, minimize


def textbook_direction(pairs, gradient):
    """Algorithm 7.4 of Nocedal and Wright, in float64."""
    q, shares = gradient.copy(), []
    for s, y in reversed(pairs):
        shares.append(s @ q / (s @ y))
        q -= shares[-1] * y
    if pairs:
        s, y = pairs[-1]
        q *= s @ y / (y @ y)
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
