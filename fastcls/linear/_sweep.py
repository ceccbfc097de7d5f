"""Training of several settings of one classifier on the same rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastcls import optim
from fastcls._gradient.problem import LinearProblem
from fastcls._validation.base import check_random_state
from fastcls._validation.errors import InputError
from fastcls._validation.rows import CheckedRows
from fastcls.penalties import PENALTIES

from ._base import LinearClassifier

_Penalty = tuple[float, float, float]  # l1, l2, max_norm


@dataclass(frozen=True, eq=False)
class TrainedSettings:
    """Weights of several settings, trained on the same rows.

    Attributes
    ----------
    problem : LinearProblem
        Rows, loss and space of all settings; without their penalties.
    Ws : list of float64 arrays of the problem's shape
        One per setting; zeros for one that diverged.
    n_unfinished : int
        Settings that L-BFGS stopped before it met `tol`.
    """

    problem: LinearProblem
    Ws: list[np.ndarray]
    n_unfinished: int


def check_settings(models: Sequence[LinearClassifier]) -> None:
    """Refuse options that cannot be used, and solvers that cannot train several settings.

    Parameters
    ----------
    models : sequence of LinearClassifier
        One per setting, as for `train_settings`.

    Raises
    ------
    InputError
        If an option of a model cannot be used, or its solver has no sweep.
    """
    for model in models:
        model._check_options()
    solver, good = models[0].solver, [name for name, row in optim.SOLVERS.items() if row.sweep is not None]
    if solver not in good:
        raise InputError(f"solver={solver!r} is not available in a sweep; choose one of: {', '.join(good)}")


def train_settings(
    models: Sequence[LinearClassifier],
    rows: CheckedRows,
    codes: np.ndarray,
    n_classes: int,
    weights: np.ndarray,
    train: np.ndarray,
) -> TrainedSettings:
    """Train all settings on the same rows. Input is trusted.

    SGD trains them in one pass over the rows per epoch, as more columns. L-BFGS goes from the strongest penalty to the
    weakest; each training starts from the previous solution.

    Parameters
    ----------
    models : sequence of LinearClassifier
        One per setting. They differ in `alpha` or `C`, and in `learning_rate`; none is changed.
    rows : CheckedRows
    codes : int64 array (n_rows,)
        Class codes; those of rows outside `train` are not used.
    n_classes : int
    weights : float64 array (n_rows,), or of length 0 for 1 each
    train : int64 array
        Numbers of the rows to train on.

    Returns
    -------
    TrainedSettings
    """
    first = models[0]
    space = first._space(rows.rows, weights, train)
    problem = first._problem(rows, codes, n_classes, weights, rows=train, **space)
    penalties = []
    for model in models:
        strength = model._strength(rows.rows, n_classes, weights, train, space)
        l1, l2 = PENALTIES[model.penalty].parts(strength["l1_ratio"]) if model.penalty else (0.0, 0.0)
        penalties.append((strength["alpha"] * l1, strength["alpha"] * l2, problem.max_norm))
    random_state = check_random_state(first.random_state)
    start = first._start(problem, random_state)
    if optim.SOLVERS[first.solver].sweep == "path":
        return _along_the_path(first, problem, start, penalties, random_state)
    return _in_one_pass(models, problem, start, penalties, random_state)


def _in_one_pass(
    models: Sequence[LinearClassifier],
    problem: LinearProblem,
    start: np.ndarray,
    penalties: list[_Penalty],
    random_state: np.random.RandomState,
) -> TrainedSettings:
    first = models[0]
    smoothness = optim.curvature(problem, first.batch_size, random_state)
    rates = [
        1.0 / max(smoothness + 2.0 * l2, 1e-300) if isinstance(model.learning_rate, str) else model.learning_rate
        for model, (_, l2, _) in zip(models, penalties, strict=True)
    ]
    Ws, _ = optim.descend_many(
        problem,
        [start] * len(models),
        penalties,
        rates,
        max_iter=first._epochs(problem.n_samples),
        batch_size=first.batch_size,
        schedule=first.schedule,
        momentum=first.momentum,
        nesterov=first.nesterov,
        random_state=random_state,
    )
    return TrainedSettings(problem, Ws, 0)


@optim.shared_directions()
def _along_the_path(
    first: LinearClassifier,
    problem: LinearProblem,
    start: np.ndarray,
    penalties: list[_Penalty],
    random_state: np.random.RandomState,
) -> TrainedSettings:
    Ws: list[np.ndarray] = [start] * len(penalties)
    W, unfinished = start, 0
    for at in sorted(range(len(penalties)), key=lambda at: -penalties[at][1]):
        problem.l2 = penalties[at][1]
        found = first._solver(problem.n_samples, random_state).minimize(problem, W)
        Ws[at] = W = found.W
        unfinished += found.converged is False
    problem.l2 = 0.0
    return TrainedSettings(problem, Ws, unfinished)
