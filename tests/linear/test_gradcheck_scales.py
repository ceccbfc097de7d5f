"""The gradient check depends only on the centred, scaled rows: neither their position nor their units raise an alarm."""

import itertools

import numpy as np
import pytest
from _gradients import HalfPenalty, NotDividedByN, WrongSign

from fastcls import LinearProblem
from fastcls._gradient.scaling import center_and_scale
from fastcls.cli._linear import GRADIENT_TOLERANCE, GradientMismatch, check_on_sample, require_correct
from fastcls.gradcheck import check_arithmetic, check_gradient
from fastcls.losses import LOSSES
from fastcls.penalties import PENALTIES

N, D = 32, 8


def drawn():
    return np.random.default_rng(0).normal(size=(N, D))


def with_column(column):
    X = drawn()
    X[:, 0] = column(X[:, 0])
    return X


ROWS = {
    "a map coordinate": with_column(lambda x: 3e6 + x),
    "far out": with_column(lambda x: 1e9 + x),
    "at the end of float64's digits": with_column(lambda x: 1e12 + x),
    "all columns far out": drawn() + 3e6,
    "a tiny column": with_column(lambda x: 1e-12 * x),
    "a column near 0": with_column(lambda x: 1e-200 * x),
    "a subnormal column": with_column(lambda x: 5e-324 * np.round(9 * abs(x))),
    "a constant column": with_column(lambda x: 0 * x + 0.1),
    "a constant far out": with_column(lambda x: 0 * x + 3e6),
    "mixed units": drawn() * 10.0 ** np.arange(-4, 4),
    "small": drawn() * 1e-12,
    "large": drawn() * 1e100,
    "near together": 1 + drawn() * 1e-6,
    "one row far out": np.vstack([drawn(), np.full((1, D), 1e6)]),
}


def problem_of(X, loss, penalty, kind=LinearProblem, **options):
    center, scale = center_and_scale(X, center=True, scale=True)
    return kind(
        X,
        np.random.default_rng(1).integers(0, 3, len(X)),
        loss=loss,
        penalty=penalty,
        alpha=1e-2,
        fit_intercept=True,
        n_classes=3,
        center=center,
        scale=scale,
        max_norm=9.0 if penalty == "max_norm" else None,
        penalize_intercept=False,
        **options,
    )


def weights_of(problem):
    return np.random.default_rng(2).normal(size=problem.shape) / np.sqrt(D)


def stored(X, dtype):
    """The same pattern as bytes or halves hold it."""
    if dtype in ("uint8", "int8"):
        low, spread = X.min(axis=0), np.maximum(np.ptp(X, axis=0), 1e-300)
        return ((X - low) / spread * 40 + (200 if dtype == "uint8" else 60)).astype(dtype)
    with np.errstate(over="ignore"):
        return np.clip(X, -6e4, 6e4).astype(dtype) if dtype == "float16" else X.astype(dtype)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("loss", LOSSES)
def test_right_gradients_pass_wherever_the_rows_are(rows, loss):
    for penalty in [*PENALTIES, None]:
        problem = problem_of(ROWS[rows], loss, penalty)
        report = check_gradient(problem, weights_of(problem))
        assert report.n_kinks < report.n_checked / 2
        assert report.max_relative_error <= GRADIENT_TOLERANCE, penalty
        direction = np.random.default_rng(3).normal(size=problem.shape)
        along = check_gradient(problem, weights_of(problem), direction)
        assert along.n_kinks or along.max_relative_error <= GRADIENT_TOLERANCE, penalty


@pytest.mark.parametrize("rows", ROWS)
def test_a_run_checks_rows_of_every_type_without_a_false_alarm(rows):
    y = np.random.default_rng(1).integers(0, 3, len(ROWS[rows]))
    for dtype, loss in itertools.product(("uint8", "int8", "float16", "float32", "float64"), ("hinge", "softmax")):
        X = stored(ROWS[rows], dtype)
        if np.isfinite(X.astype(float)).all() and (dtype != "float16" or np.ptp(X.astype(float)) > 0):
            assert require_correct(check_on_sample(X, y, loss, seed=0), loss) <= GRADIENT_TOLERANCE


@pytest.mark.parametrize("wrong", [NotDividedByN, HalfPenalty, WrongSign])
@pytest.mark.parametrize("loss", LOSSES)
def test_wrong_gradients_are_caught_wherever_the_rows_are(wrong, loss):
    for rows in ("a map coordinate", "all columns far out", "a tiny column", "a constant column", "mixed units"):
        problem = problem_of(ROWS[rows], loss, "l2", kind=wrong)
        assert check_gradient(problem, weights_of(problem)).max_relative_error > 1e-3, rows


def test_a_wrongly_folded_center_is_caught_if_rows_are_far_from_zero():
    class OneDigitOff(LinearProblem):
        def value_and_gradient(self, W, rows=None):
            value, gradient = super().value_and_gradient(W, rows)
            gradient[:, 0] += 1e-5 * np.abs(gradient).max()
            return value, gradient

    problem = problem_of(ROWS["a map coordinate"], "softmax", "l2", kind=OneDigitOff)
    assert check_gradient(problem, weights_of(problem)).max_relative_error > GRADIENT_TOLERANCE


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_nan_gradient_has_its_own_verdict(value):
    class NotANumber(LinearProblem):
        def value_and_gradient(self, W, rows=None):
            found, gradient = super().value_and_gradient(W, rows)
            gradient[1, 2] = value
            return found, gradient

    problem = problem_of(drawn(), "hinge", "l2", kind=NotANumber)
    report = check_gradient(problem, weights_of(problem))
    assert report.n_not_finite == 1
    assert report.max_relative_error == np.inf
    assert "1 of 27 entries are NaN or infinite" in report.verdict
    assert "first at class 1, feature 2" in report.verdict
    assert "kink" not in report.verdict
    assert report.verdict in str(report)
    with pytest.raises(GradientMismatch, match="NaN or infinite"):
        require_correct(report, "SVM")


def test_a_report_of_kinks_alone_says_that_nothing_was_compared():
    problem = problem_of(drawn(), "hinge", None, margin=1e-9)
    report = check_gradient(problem, np.zeros(problem.shape))
    assert np.isnan(report.max_relative_error)
    assert "nothing was compared" in report.verdict
    with pytest.raises(GradientMismatch, match="nothing was compared"):
        require_correct(report, "SVM")


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("loss", LOSSES)
def test_float32_kernels_stay_within_their_tolerance_wherever_the_rows_are(rows, loss):
    X = stored(ROWS[rows], "float32")
    if np.isfinite(X).all() and np.std(X) > 1e-30:
        assert check_arithmetic(problem_of(X, loss, "l2"), weights_of(problem_of(X, loss, "l2"))).agrees
