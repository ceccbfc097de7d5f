"""The solvers by name, one row each, and what an optimiser promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._validation.base import one_of
from fastcls._validation.errors import InputError

from ..losses import LOSSES
from ..penalties import PENALTIES
from ._descent import SGD, GradientDescent
from ._lbfgs import LBFGS
from ._monitor import OptimResult
from ._random import RandomLocalSearch, RandomSearch

_ALL_LOSSES, _ALL_PENALTIES = tuple(LOSSES), (*PENALTIES, None)


class Optimizer(Protocol):
    """Minimises a `LinearProblem`; what `SGD`, `LBFGS` and the others have in common.

    It takes ``max_iter``, ``callbacks`` and ``checkpoint``. With a `Checkpoint`, an interrupted training resumes and ends
    with the same bits. The result does not depend on the number of threads.

    Attributes
    ----------
    max_iter : int
        Epochs, iterations or random W.
    tol : float or None
        When to stop earlier; None: only after `max_iter`.
    """

    max_iter: int

    @property
    def tol(self) -> float | None:
        """When to stop before `max_iter`; None: not before."""

    def minimize(self, problem: LinearProblem, W: np.ndarray, validation: LinearProblem | None = None) -> OptimResult:
        """Minimise the problem.

        Parameters
        ----------
        problem : LinearProblem
        W : array of the problem's shape
            The start, which is not changed.
        validation : LinearProblem, optional
            The same loss on held-out rows, computed after each epoch or iteration.

        Returns
        -------
        OptimResult
        """
        ...


@dataclass(frozen=True)
class Solver:
    """A row of `SOLVERS`: what the linear classifiers know about an optimiser.

    Attributes
    ----------
    make : class
        The `Optimizer`.
    options : dict of str to str
        Parameters of a classifier that it takes, besides `max_iter`, `callbacks` and `checkpoint`, and their names there.
    max_iter : int or None
        Iterations where the classifier has ``max_iter=None``; None: epochs, by the number of rows.
    losses : tuple of str
        Those that it can minimise.
    penalties : tuple of str or None
        Likewise; None is no penalty.
    uses_gradient : bool
        Whether it needs sums of losses and gradients over the rows, which a cluster computes, and descends to a minimum. A
        random search does not.
    sweep : {"columns", "path"} or None
        How it trains several settings: in one pass over the rows, as more columns; one after the other, each from the
        solution before; or not.
    """

    make: Callable[..., Optimizer]
    options: Mapping[str, str]
    max_iter: int | None
    losses: tuple[str, ...] = _ALL_LOSSES
    penalties: tuple[str | None, ...] = _ALL_PENALTIES
    uses_gradient: bool = True
    sweep: Literal["columns", "path"] | None = None

    @property
    def has_minibatches(self) -> bool:
        """Whether a step reads `batch_size` rows, so that an iteration is an epoch and rows may come in parts."""
        return "batch_size" in self.options


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_DESCENT = _same("learning_rate", "tol", "random_state", "schedule", "momentum", "nesterov")
_RANDOM = {"init_scale": "scale", **_same("random_state")}

#: solvers of the linear classifiers by their names
SOLVERS: dict[str, Solver] = {
    "sgd": Solver(SGD, {**_same("batch_size"), **_DESCENT}, None, sweep="columns"),
    "gd": Solver(GradientDescent, _DESCENT, 300),
    "lbfgs": Solver(
        LBFGS,
        _same("tol"),
        200,
        losses=tuple(name for name, loss in LOSSES.items() if loss.is_differentiable),
        penalties=("l2", None),
        sweep="path",
    ),
    "random_search": Solver(RandomSearch, _RANDOM, 1000, uses_gradient=False),
    "random_local_search": Solver(RandomLocalSearch, _RANDOM, 1000, uses_gradient=False),
}


def check_solver(solver: str, loss: str, penalty: str | None, has_max_norm: bool) -> str:
    """The solver, if it supports this loss and penalty; otherwise an error that names those that do.

    Parameters
    ----------
    solver, loss : str
    penalty : str or None
    has_max_norm : bool

    Returns
    -------
    str
        The solver.

    Raises
    ------
    InputError
        If the solver is unknown, or cannot do this loss or penalty.
    """
    one_of("solver", solver, SOLVERS)
    wanted = "max_norm" if has_max_norm else penalty
    row = SOLVERS[solver]
    if loss in row.losses and wanted in row.penalties:
        return solver
    good = [name for name, other in SOLVERS.items() if loss in other.losses and wanted in other.penalties]
    what = f"loss={loss!r}" if loss not in row.losses else f"penalty={wanted!r}"
    raise InputError(f"solver={solver!r} does not support {what}; choose one of: {', '.join(good)}")
