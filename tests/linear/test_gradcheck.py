"""The gradient check passes right gradients, catches wrong ones, and recognises kinks."""

import itertools

import numpy as np
import pytest
from _gradients import HalfPenalty, NotDividedByN, RightClassCounted, WrappedBytes, WrongSign

from fastcls import LinearProblem
from fastcls._validation.errors import InputError
from fastcls.gradcheck import check_arithmetic, check_gradient, numerical_gradient, relative_errors
from fastcls.losses import LOSSES
from fastcls.penalties import PENALTIES

DTYPES = ("uint8", "int8", "float16", "float32", "float64")


def problem_of(loss, dtype="float64", penalty="l2", kind=LinearProblem, **options):
    rng = np.random.default_rng(7)
    X = rng.normal(size=(25, 11)) if dtype.startswith("float") else rng.integers(-120, 120, (25, 11))
    X = (X % 256 if dtype == "uint8" else X).astype(dtype)
    y = rng.integers(0, 4, 25)
    options = {"arithmetic": "float64", "max_norm": 9.0 if penalty == "max_norm" else None, **options}
    return kind(X, y, loss=loss, penalty=penalty, alpha=0.05, fit_intercept=True, **options)


def weights_of(problem, seed=8):
    """Scores of the order of one."""
    largest = max(1.0, float(np.abs(problem.X.astype(np.float64)).max())) if np.all(problem.scale == 1.0) else 1.0
    return np.random.default_rng(seed).normal(size=problem.shape) / largest


@pytest.mark.parametrize(("loss", "penalty", "dtype"), list(itertools.product(LOSSES, [*PENALTIES, None], DTYPES)))
def test_right_gradients_pass(loss, penalty, dtype):
    problem = problem_of(loss, dtype, penalty)
    report = check_gradient(problem, weights_of(problem))
    assert report.n_checked == 4 * 12
    assert report.n_kinks < 10
    assert report.max_relative_error <= 1e-6


OPTIONS = (
    {},
    {"margin": 0.5},
    {"include_correct": True},
    {"class_reduction": "mean"},
    {"include_correct": True, "class_reduction": "mean", "margin": 2.0},
)


@pytest.mark.parametrize(
    ("loss", "options"),
    [(loss, options) for loss in LOSSES for options in OPTIONS if set(options) <= set(LOSSES[loss].options)],
)
@pytest.mark.parametrize("extra", [{}, {"sample_weight": np.arange(25.0)}, {"rows": np.arange(3, 22)}])
def test_right_gradients_pass_with_every_option(loss, options, extra):
    problem = problem_of(loss, "float32", "elasticnet", **options, **extra)
    report = check_gradient(problem, weights_of(problem))
    assert report.n_kinks < 10
    assert report.max_relative_error <= 1e-6


@pytest.mark.parametrize(("loss", "penalty", "dtype"), list(itertools.product(LOSSES, PENALTIES, DTYPES)))
@pytest.mark.parametrize("centred", [False, True])
def test_the_problems_own_arithmetic_differs_by_no_more_than_rounding(loss, penalty, dtype, centred):
    center = {"center": np.full(11, 3.0), "scale": 2.0} if centred else {}
    problem = problem_of(loss, dtype, penalty, arithmetic=None, **center)
    report = check_arithmetic(problem, weights_of(problem))
    assert problem.arithmetic == ("float64" if dtype == "float64" else "float32")
    assert report.agrees
    if loss != "squared_hinge":  # whose slopes are as large as the scores
        assert report.allowed < 1e-3 * max(1.0, np.abs(problem.X.astype(float)).max())
    if loss == "softmax":  # slopes of hinges are whole numbers, whose products with bytes float32 holds exactly
        assert (report.difference > 0) == (dtype != "float64")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("heavy", [10.0, 1e4, 1e8])
def test_one_heavy_row_hides_nothing(loss, heavy):
    for seed in range(20):
        weight = np.r_[heavy, np.random.default_rng(seed).random(24)]
        problem = problem_of(loss, "float32", None, arithmetic=None, sample_weight=weight)
        report = check_arithmetic(problem, weights_of(problem))
        assert report.agrees
        plain = problem_of(loss, "float32", None, arithmetic=None)
        assert report.allowed == check_arithmetic(plain, weights_of(plain)).allowed


def test_a_wrong_kernel_is_distinguished_from_rounding():
    class Wrong(LinearProblem):
        def value_and_gradient(self, W, rows=None):
            value, gradient = super().value_and_gradient(W, rows)
            return value, gradient * (1.01 if self.arithmetic == "float32" else 1.0)

    problem = problem_of("softmax", "float32", kind=Wrong, arithmetic=None)
    assert not check_arithmetic(problem, weights_of(problem)).agrees


def test_a_weight_of_zero_sits_on_the_kink_of_l1():
    problem = problem_of("softmax", penalty="l1")
    W = weights_of(problem)
    W[1, 2] = 0.0
    report = check_gradient(problem, W)
    assert report.n_kinks == 1
    assert (report.coordinates[report.is_kink] == [1, 2]).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_centred_and_scaled_bytes_pass(loss):
    problem = problem_of(loss, "uint8", center=np.full(11, 100.0), scale=70.0, penalize_intercept=False)
    assert check_gradient(problem, weights_of(problem)).max_relative_error <= 1e-6


@pytest.mark.parametrize("loss", LOSSES)
def test_any_direction_passes(loss):
    problem = problem_of(loss)
    for seed in range(5):
        direction = np.random.default_rng(seed).normal(size=problem.shape)
        report = check_gradient(problem, weights_of(problem), direction)
        assert report.n_checked == 1
        assert report.n_kinks or report.max_relative_error <= 1e-6
        str(report)


@pytest.mark.parametrize("wrong", [NotDividedByN, RightClassCounted, HalfPenalty, WrongSign, WrappedBytes])
@pytest.mark.parametrize("loss", LOSSES)
def test_wrong_gradients_are_caught(loss, wrong):
    options = {"center": np.full(11, 100.0), "scale": 70.0}
    right = problem_of(loss, "uint8", **options)
    assert check_gradient(right, weights_of(right)).max_relative_error <= 1e-6
    problem = problem_of(loss, "uint8", kind=wrong, **options)
    assert check_gradient(problem, weights_of(problem)).max_relative_error > 1e-3


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if loss.segment_degree])
def test_kinks_are_reported_separately(loss):
    """At W = 0 with margin 1e-5 every step crosses a kink; the neighbouring slopes differ and nothing is wrong."""
    problem = problem_of(loss, margin=1e-5)
    report = check_gradient(problem, np.zeros(problem.shape))
    assert report.n_kinks == report.n_checked
    assert np.isnan(report.max_relative_error)
    assert "kink" in str(report)
    assert report.relative_errors.max() > 1e-3


@pytest.mark.parametrize("loss", [name for name, loss in LOSSES.items() if not loss.segment_degree])
def test_smooth_losses_have_no_kinks(loss):
    problem = problem_of(loss)
    assert check_gradient(problem, weights_of(problem)).n_kinks == 0


def test_some_coordinates_are_drawn_at_random():
    problem = problem_of("softmax")
    W = weights_of(problem)
    reports = [check_gradient(problem, W, n_coordinates=9, random_state=seed) for seed in (0, 0, 1)]
    assert [report.n_checked for report in reports] == [9, 9, 9]
    np.testing.assert_array_equal(reports[0].coordinates, reports[1].coordinates)
    assert (reports[0].coordinates != reports[2].coordinates).any()
    whole = check_gradient(problem, W)
    for place, error in zip(reports[0].coordinates, reports[0].relative_errors, strict=True):
        assert error == whole.relative_errors[(whole.coordinates == place).all(axis=1)][0]


def test_report_is_a_table():
    problem = problem_of("softmax")
    lines = str(check_gradient(problem, weights_of(problem))).splitlines()
    assert "softmax: 48 entries" in lines[0]
    assert len(lines) == 3 + 8 + 1
    assert len({len(line) for line in lines[2:11]}) == 1


def test_measure_ignores_what_is_small_and_sees_what_is_not():
    analytic = np.array([1.0, 1e-9, 0.5])
    np.testing.assert_allclose(relative_errors(analytic + [0, 1e-9, 0.05], analytic), [0, 1e-6, 0.05 / 0.55])
    np.testing.assert_array_equal(relative_errors(np.zeros(2), np.zeros(2)), [0, 0])


@pytest.mark.parametrize(("method", "tolerance"), [("central", 1e-9), ("forward", 1e-6)])
def test_numerical_gradient_of_a_known_function(method, tolerance):
    W = np.random.default_rng(0).normal(size=(3, 4))
    kept = W.copy()
    gradient = numerical_gradient(lambda V: float((V**2).sum()), W, method=method)
    np.testing.assert_allclose(gradient, 2 * W, atol=tolerance * 10)
    np.testing.assert_array_equal(W, kept)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p, W: numerical_gradient(p.value, W, method="backward"), "central, forward"),
        (lambda p, W: numerical_gradient(p.value, W, h=0.0), "h=0.0"),
        (lambda p, W: check_gradient(p, W, np.zeros_like(W)), "not all 0"),
        (lambda p, W: check_gradient(p, W, np.ones(3)), "wanted shape"),
        (lambda p, W: check_gradient(p, W[:, :2]), "this problem needs"),
        (lambda p, W: check_gradient(p, W, n_coordinates=0), "n_coordinates=0"),
        (
            lambda p, W: check_gradient(p.value, W),
            r"a float; wanted a value and a gradient: numerical_gradient",
        ),
    ],
)
def test_wrong_input_is_refused_in_one_line(call, words):
    problem = problem_of("softmax")
    with pytest.raises(InputError, match=words) as caught:
        call(problem, weights_of(problem))
    assert "\n" not in str(caught.value)
