"""Losses and penalties that each solver supports."""

from __future__ import annotations

from fastcls._validation.base import one_of
from fastcls._validation.errors import InputError

from ..losses import LOSSES
from ..penalties import PENALTIES

#: solver -> (losses, penalties) that it supports; None is no penalty
SOLVERS: dict[str, tuple[tuple[str, ...], tuple[str | None, ...]]] = (
    {name: (tuple(LOSSES), (*PENALTIES, None)) for name in ("sgd", "gd")}
    | {
        "lbfgs": (tuple(name for name, loss in LOSSES.items() if loss.is_differentiable), ("l2", None)),
    }
    | {name: (tuple(LOSSES), (*PENALTIES, None)) for name in ("random_search", "random_local_search")}
)


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
    losses, penalties = SOLVERS[solver]
    if loss in losses and wanted in penalties:
        return solver
    good = [name for name, (some, others) in SOLVERS.items() if loss in some and wanted in others]
    what = f"loss={loss!r}" if loss not in losses else f"penalty={wanted!r}"
    raise InputError(f"solver={solver!r} does not support {what}; choose one of: {', '.join(good)}")
