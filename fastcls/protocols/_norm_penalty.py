"""Logistic regression whose penalty is the norm of the weights, not its square: what UNI's script trains by default.

It minimises the mean loss + |W| / (2 cost), where |W| is the Euclidean norm of all weights, and the bias is free. Where W
is not 0, its gradient is that of the mean loss + |W|^2 / (2 C n_rows), scikit-learn's function, with C = 2 cost |W| /
n_rows. So the minimum is that of scikit-learn's function for the one C that fits its own weights. (For two classes
scikit-learn penalises a single vector w, and the weights are -w / 2 and w / 2: then C is twice as large.) As C grows, |W|
grows more slowly: log |W| - log C falls, and crosses the wanted value once. The secant method finds this C with a few fits,
each of which starts from the weights of the one before; the last ones need hardly an iteration.

Source: mahmoodlab/UNI, uni/downstream/eval_patch_features/logistic_regression.py, compute_loss. Only facts were taken.
"""

from __future__ import annotations

import math
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._logistic import Trained, at_minimum

#: relative error of C at which the search ends, and the most fits: five to seven are usual
_PRECISION, _MOST_FITS = 1e-6, 40
#: the first C is the one that fits weights of this norm
_FIRST_NORM = 10.0
#: a norm below which weights count as 0: a cost so small that the minimum is W = 0 drives C down without an end
_SMALLEST_NORM = 1e-6
#: longest step of log C: between two fits that hardly differ the secant says little
_LONGEST_STEP = 5.0


def at_minimum_of_norm(
    X: np.ndarray, codes: np.ndarray, cost: float, *, max_iter: int, tol: float, n_jobs: int | None
) -> Trained:
    """A classifier whose C is the one that was found, and the iterations of all fits together.

    If the minimum is W = 0, the weights are close to it.
    """
    per_norm = 2.0 * cost / len(codes) * (2.0 if codes.max() == 1 else 1.0)
    C = per_norm * _FIRST_NORM
    model = at_minimum(C, max_iter=max_iter, tol=tol, n_jobs=n_jobs)
    before: tuple[float, float] | None = None
    n_iter, converged = 0, True
    for _ in range(_MOST_FITS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # returned instead
            model.set_params(C=C, warm_start=n_iter > 0).fit(X, codes)
        n_iter += int(model.n_iter_)
        converged = converged and model.n_iter_ < max_iter
        norm = float(np.linalg.norm(model.coef_))
        if norm < _SMALLEST_NORM:
            break
        at, error = math.log(C), math.log(per_norm * norm / C)
        if abs(error) < _PRECISION:
            break
        step = error  # a fixed-point iteration, which always moves towards the C wanted
        if before is not None and (slope := (error - before[1]) / (at - before[0])) < 0.0:
            step = -error / slope
        before = at, error
        C = math.exp(at + min(max(step, -_LONGEST_STEP), _LONGEST_STEP))
    else:
        converged = False
    return Trained(model.set_params(warm_start=False), converged, n_iter)
