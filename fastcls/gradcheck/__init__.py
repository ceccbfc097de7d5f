"""The gradient check: compares the analytic gradient, which is fast and error-prone, with the slow and simple numerical one.

The error of a coordinate is ``|n - a| / max(|a|, |n|, 1e-3 max|a|)``: it is relative, but ignores entries below a thousandth
of the largest. For correct float64 code it is below 1e-6, away from kinks. On a kink (where a hinge turns) the left and
right slopes differ and neither is wrong; such coordinates are detected and reported separately.

The numerical side uses rows that are centred and scaled one by one, in float64. The analytic side folds center and scale
into the weights, so if rows are far from 0 (a map coordinate of 3,000,000 +- 1), the digits of x - center cancel in its
sums. `rounding_bound` bounds this effect, and only differences beyond the bound count as errors.

``_check.py`` has `check_gradient`; ``_slopes.py`` the numerical slopes of a `LinearProblem`, ``_rounding.py`` the effect of
rounding, ``_functions.py`` the check of any function that returns a value and a gradient. ``_report.py`` has the result,
``_numerical.py`` `numerical_gradient` and the measure of errors, ``_arithmetic.py`` the check of a problem's own arithmetic.
"""

from __future__ import annotations

from ._arithmetic import ArithmeticReport, check_arithmetic
from ._check import check_gradient
from ._numerical import numerical_gradient, relative_errors
from ._report import ClosedForm, GradientReport

__all__ = [
    "ArithmeticReport",
    "ClosedForm",
    "GradientReport",
    "check_arithmetic",
    "check_gradient",
    "numerical_gradient",
    "relative_errors",
]
