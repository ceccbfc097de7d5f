"""The check of a learner's function."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

from fastcls._validation.base import check_switch, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, kind

from . import _centring, _distances, _losses, _numerical, _votes
from ._assignment import SIGNATURES, Signature, check_of_year, check_year, penalty_factor
from ._call import Method
from ._examined import Examined
from ._report import CourseReport
from ._timing import timed

_LOOPS = (ast.For, ast.While, ast.comprehension)


def check(
    function: Any, name: str | None = None, *, year: int | None = None, penalize_bias: bool = True, timing: bool = True
) -> CourseReport:
    """Check a learner's function of the course's first assignment, and name the likely mistake.

    It is called with small problems, in this process and without limits; its output is suppressed. For other people's code,
    use ``fastcls check``, which runs each file in a process of its own.

    Parameters
    ----------
    function : callable, class or object
        The function. One of the k-NN classifier may be a method, or the class or an object that has it; or a plain function
        that takes the training rows (``X_train``) or labels (``y_train``) as its second argument.
    name : str, optional
        Its name in the assignment, one of `SIGNATURES`; by default the function's own name, or that of the only method of
        the assignment which the class or object has.
    year : int, optional
        The year of the course. Until 2016 the penalty was 0.5 reg sum W^2, since then reg sum W^2 (the default). Since 2025
        there is no SVM.
    penalize_bias : bool
        True, as in the assignment: the penalty includes the last row of W, which belongs to a feature that is always 1.
    timing : bool
        Whether to time the function.

    Returns
    -------
    CourseReport
        ``print(report)`` shows it; ``report.passed`` and ``report.mistakes`` are for programs.

    Raises
    ------
    InputError
        If the name or the year is unknown, the assignment of that year does not have the function, or the first argument
        cannot be called.

    Examples
    --------
    >>> def softmax_loss_vectorized(W, X, y, reg):
    ...     P = np.exp(X @ W)
    ...     P /= P.sum(axis=1, keepdims=True)
    ...     loss = -np.log10(P[np.arange(len(y)), y]).mean() + reg * (W * W).sum()
    ...     P[np.arange(len(y)), y] -= 1
    ...     return loss, X.T @ P / len(y) + 2 * reg * W
    >>> [mistake.name for mistake in check(softmax_loss_vectorized).mistakes]
    ['log10', 'no subtraction of the maximum']
    """
    if name is None:
        name = _own_name(function)
    one_of("name", name, SIGNATURES)
    year = check_year(year)
    check_of_year(name, year)
    check_switch("penalize_bias", penalize_bias)
    check_switch("timing", timing)
    signature = SIGNATURES[name]
    called = _callable(function, signature)
    found = _examine(called, signature, penalty_factor(year), penalize_bias)
    found.notes += _loops_noted(function, signature)
    seconds, ours, size = timed(called, signature.group) if timing else (None, None, "")
    return CourseReport(
        name,
        year,
        tuple(found.mistakes),
        tuple(found.notes),
        found.value_error,
        found.gradient_error,
        seconds,
        ours if seconds is not None else None,
        size,
    )


def _own_name(function: Any) -> str:
    """The name of a function in the assignment: its own, or that of the only method of the assignment that an owner has."""
    if not inspect.isclass(function) and callable(function):
        name: str = getattr(function, "__name__", "")
        if name not in SIGNATURES:
            raise InputError(
                f"the function's own name, {name!r}, is not in the assignment: give one of: {', '.join(SIGNATURES)}"
            )
        return name
    names = [name for name in SIGNATURES if callable(getattr(function, name, None))]
    if len(names) == 1:
        return names[0]
    what = function.__name__ if inspect.isclass(function) else kind(function)
    if not names:
        raise InputError(f"{what} has no function of the assignment: wanted a method of one of: {', '.join(SIGNATURES)}")
    raise InputError(
        f"{what} has {len(names)} functions of the assignment, {', '.join(names)}: name the one to check, such as "
        f"course.check({function.__name__ if inspect.isclass(function) else 'it'}, {names[0]!r})"
    )


def _callable(function: Any, signature: Signature) -> Any:
    """What the examination calls: the function itself, or a `Method`."""
    if signature.group == "distances":
        return Method(function, signature.name, "X_train")
    if signature.group == "votes":
        return Method(function, signature.name, "y_train")
    if inspect.isclass(function) or not callable(function):
        what = f"the class {function.__name__}" if inspect.isclass(function) else kind(function)
        raise InputError(f"function is {what}; wanted a function {signature.name}({signature.arguments})")
    return function


def _examine(function: Any, signature: Signature, factor: float, penalize_bias: bool) -> Examined:
    if signature.group in ("svm", "softmax"):
        return _losses.examine(function, signature.group, factor, penalize_bias)
    module = {"distances": _distances, "votes": _votes, "numerical": _numerical, "centring": _centring}[signature.group]
    found: Examined = module.examine(function)
    return found


def _loops_noted(function: Any, signature: Signature) -> list[str]:
    """A note if the function has another number of loops than its name says; none if its source cannot be read."""
    if signature.n_loops is None:
        return []
    found = getattr(function, signature.name, None) if inspect.isclass(function) or not callable(function) else function
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(found)))  # type: ignore[arg-type]
    except (TypeError, OSError, SyntaxError):
        return []
    n_loops = sum(isinstance(node, _LOOPS) for node in ast.walk(tree))
    if n_loops <= signature.n_loops:
        return []
    wanted = "none" if signature.n_loops == 0 else f"only {signature.n_loops}"
    return [f"the function has {counted(n_loops, 'loop')}; by its name it should have {wanted}"]
