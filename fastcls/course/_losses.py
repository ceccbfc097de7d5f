"""The parts of a learner's loss, each compared with the closed form and with what known mistakes would return."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls.gradcheck import check_gradient, relative_errors

from . import _large_scores, _penalty, _softmax, _svm
from ._call import Outcome, as_array, call
from ._examined import TOLERANCE, Examined, is_close
from ._mistakes import mistake, of_error
from ._problems import Problem, problems
from ._report import Mistake

_ARGUMENTS = "W X y reg"
_TABLES = {"svm": (_svm.ROWS, _svm.SLOPES, "hinge"), "softmax": (_softmax.ROWS, _softmax.SLOPES, "softmax")}
_CENTRED = "mean of the given rows subtracted"


@dataclass(eq=False)
class Parts:
    """Loss and gradient of a problem without penalty, and what the penalty adds to them per unit of reg."""

    loss: float
    gradient: np.ndarray
    penalty: float
    penalty_gradient: np.ndarray
    outcome: tuple[float, np.ndarray] = field(repr=False)


def examine(function: Callable[..., Any], group: str, factor: float, penalize_bias: bool) -> Examined:
    """Compare a learner's loss with the closed form, part by part.

    Parameters
    ----------
    function : callable
        ``function(W, X, y, reg) -> (loss, dW)``
    group : {"svm", "softmax"}
    factor : float
        Of the penalty.
    penalize_bias : bool

    Returns
    -------
    Examined
    """
    given, found, parts = problems(), Examined(), []
    loss = _TABLES[group][2]
    for problem in given:
        of_problem = _parts(function, problem, loss, found)
        if of_problem is None:
            return found
        parts.append(of_problem)
    if all(part.loss == 0 and part.penalty == 0 and not part.gradient.any() for part in parts):
        found.add(mistake("not written yet", "loss and gradient", "loss and gradient are 0"))
        return found
    wanted = [problem.wanted(loss, problem.reg, factor, penalize_bias) for problem in given]
    pairs = list(zip((part.outcome for part in parts), wanted, strict=True))
    found.value_error = max(abs(a - b) / max(abs(a), abs(b)) for (a, _), (b, _) in pairs)
    found.gradient_error = max(float(relative_errors(got, right).max()) for (_, got), (_, right) in pairs)
    for one in _Diagnosis(given, parts, group, factor, penalize_bias).mistakes():
        found.add(one)
    if group == "softmax":
        _large_scores.examine(function, given[0], found)
    if max(found.value_error, found.gradient_error) > TOLERANCE:
        _note_own_gradient(function, given[0], found)
    return found


def _parts(function: Callable[..., Any], problem: Problem, loss: str, found: Examined) -> Parts | None:
    """The parts of one problem; None if the function does not return what it should."""
    outcomes = []
    for reg in (0.0, problem.reg):
        outcome = call(function, _ARGUMENTS, problem.W, problem.X, problem.y, reg)
        pair = _pair(function, problem, loss, outcome, reg, found)
        if pair is None:
            return None
        outcomes.append(pair)
    (without, gradient), (with_penalty, whole) = outcomes
    return Parts(
        without, gradient, (with_penalty - without) / problem.reg, (whole - gradient) / problem.reg, (with_penalty, whole)
    )


def _pair(
    function: Callable[..., Any], problem: Problem, loss: str, outcome: Outcome, reg: float, found: Examined
) -> tuple[float, np.ndarray] | None:
    """Loss and gradient of a call, or None and the mistake that prevents the comparison."""
    both = "loss and gradient"
    if outcome.error:
        swapped = call(function, _ARGUMENTS, np.ascontiguousarray(problem.W.T), problem.X, problem.y, 0.0)
        value = as_array(swapped.value[0]) if isinstance(swapped.value, (tuple, list)) and len(swapped.value) == 2 else None
        wanted, _ = problem.wanted(loss, 0.0, 1.0, True)
        if value is not None and value.shape == () and is_close(value, wanted):
            found.add(mistake("W as (C, D)", both, f"raises {outcome.error}, and runs with W of shape (C, D)"))
        else:
            found.add(of_error(outcome.error, both))
        return None
    if outcome.changed:
        found.add(mistake("arguments changed", both, f"{' and '.join(outcome.changed)} changed during the call"))
        return None
    value = outcome.value
    if value is None:
        found.add(mistake("nothing returned", both, "returned None, wanted loss, dW"))
        return None
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        found.add(mistake("wrong kind of result", both, f"returned {_described(value)}, wanted loss, dW"))
        return None
    scalar, gradient = as_array(value[0]), as_array(value[1])
    if scalar is None or scalar.size != 1:
        name = "loss for each row" if scalar is not None and scalar.size == len(problem.y) else "wrong kind of result"
        found.add(mistake(name, "loss", f"the loss is {_described(value[0])}, wanted one number"))
        return None
    shape = problem.W.shape
    if gradient is not None and gradient.shape == shape[::-1]:
        found.add(
            mistake("gradient transposed", "gradient", f"dW has shape (C, D), {gradient.shape}, wanted that of W, {shape}")
        )
        gradient = gradient.T
    if gradient is None or gradient.shape != shape:
        found.add(
            mistake("wrong kind of result", "gradient", f"dW is {_described(value[1])}, wanted an array of shape {shape}")
        )
        return None
    bad = [name for name, array in (("loss", scalar), ("gradient", gradient)) if not np.isfinite(array).all()]
    if bad:
        found.add(mistake("NaN", " and ".join(bad), f"NaN or infinity for scores between -5 and 5, reg {reg:g}"))
        return None
    return float(scalar.reshape(())), gradient


def _described(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim:
        return f"an array of shape {value.shape}"
    return f"{len(value)} values" if isinstance(value, (tuple, list)) else f"of type {type(value).__name__}"


class _Diagnosis:
    """The names of mistakes that explain all parts."""

    def __init__(self, given: list[Problem], parts: list[Parts], group: str, factor: float, penalize_bias: bool) -> None:
        self.given, self.parts, self.group = given, parts, group
        #: what is the penalty of other years, if loss and gradient have it
        self.other_years = "penalty halved" if factor == 1.0 else "penalty doubled"
        self.rows, self.slopes, _ = _TABLES[group]
        self.values = _penalty.values(factor, penalize_bias)
        self.gradients = _penalty.gradients(factor, penalize_bias)

    def mistakes(self) -> Iterator[Mistake]:
        """All mistakes; the same one in loss and gradient once."""
        names: dict[str, list[str]] = {}
        seen: dict[tuple[str, str], str] = {}
        for part, (of_data, of_penalty) in {
            "loss": (self._of_loss(), self._of_penalty()),
            "gradient": (self._of_gradient(), self._of_penalty_gradient()),
        }.items():
            for name in of_data:
                names.setdefault(name, []).append(part)
                seen[name, part] = self._seen_loss() if part == "loss" else self._seen_gradient()
            for name in _beside(of_penalty, of_data):
                names.setdefault(name, []).append(part)
                seen[name, part] = self._seen_penalty(part)
        if names.get(self.other_years) == ["loss", "gradient"]:
            names["penalty of other years"] = names.pop(self.other_years)
            seen.update({("penalty of other years", part): seen[self.other_years, part] for part in ("loss", "gradient")})
        for name, wrong in names.items():
            yield mistake(name, " and ".join(wrong), "; ".join(seen[name, part] for part in wrong), self.group)

    def _all(self, wanted: Callable[[Problem], Any], got: Callable[[Parts], Any]) -> bool:
        return all(is_close(got(part), wanted(one)) for one, part in zip(self.given, self.parts, strict=True))

    def _of_loss(self) -> list[str]:
        def got(part: Parts) -> float:
            return part.loss

        if all(part.loss == 0 for part in self.parts):
            return ["loss is 0"]
        for names, (inputs, rows, weights) in _by_number(_INPUTS, self.rows, _WEIGHTS):

            def wanted(one: Problem, inputs: Any = inputs, rows: Any = rows, weights: Any = weights) -> float:
                X = inputs(one.X)
                return float(weights(*X.shape, one.W.shape[1]) @ rows(X @ one.W, one.y))

            if self._all(wanted, got):
                return names
        for share in (1.0, 0.5):

            def with_penalty(one: Problem, share: float = share) -> float:
                X, n = one.X, len(one.y)
                return float(self.rows[0][1](X @ one.W, one.y).mean() + share * self.values[0][1](one.W, n))

            if self._all(with_penalty, got):
                return ["penalty not times reg"]
        return ["differs"]

    def _of_gradient(self) -> list[str]:
        def got(part: Parts) -> np.ndarray:
            return part.gradient

        if not any(part.gradient.any() for part in self.parts):
            return ["gradient is 0"]
        for names, (inputs, slopes, weights, places) in _by_number(_INPUTS, self.slopes, _WEIGHTS, _PLACES):

            def wanted(
                one: Problem, inputs: Any = inputs, slopes: Any = slopes, weights: Any = weights, places: Any = places
            ) -> np.ndarray:
                X = inputs(one.X)
                others, true = slopes(X @ one.W, one.y)
                w = weights(*X.shape, one.W.shape[1])[:, None]
                return _product(X, w * others, places[0]) + _product(X, w * true, places[1])

            if self._all(wanted, got):
                return names
        for share in (1.0, 0.5):

            def with_penalty(one: Problem, share: float = share) -> np.ndarray:
                others, true = self.slopes[0][1](one.X @ one.W, one.y)
                return one.X.T @ (others + true) / len(one.y) + share * self.gradients[0][1](one.W, len(one.y))

            if self._all(with_penalty, got):
                return ["penalty not times reg"]
        return ["differs"]

    def _of_penalty(self) -> list[str]:
        for name, value in self.values:
            if self._all(partial(_of_weights, value), lambda part: part.penalty):
                return [name] if name else []
        return ["differs"]

    def _of_penalty_gradient(self) -> list[str]:
        for name, gradient in self.gradients:
            if self._all(partial(_of_weights, gradient), lambda part: part.penalty_gradient):
                return [name] if name else []
        return ["differs"]

    def _seen_loss(self) -> str:
        right = float(self.rows[0][1](self.given[0].X @ self.given[0].W, self.given[0].y).mean())
        return f"with reg 0 the loss is {self.parts[0].loss:.5g}, wanted {right:.5g}"

    def _seen_gradient(self) -> str:
        one = self.given[0]
        others, true = self.slopes[0][1](one.X @ one.W, one.y)
        right = one.X.T @ (others + true) / len(one.y)
        return f"with reg 0, {_worst(self.parts[0].gradient, right)}"

    def _seen_penalty(self, part: str) -> str:
        one, n = self.given[0], len(self.given[0].y)
        if part == "loss":
            return f"reg 1 adds {self.parts[0].penalty:.5g} to the loss, wanted {self.values[0][1](one.W, n):.5g}"
        return f"the penalty's part with reg 1: {_worst(self.parts[0].penalty_gradient, self.gradients[0][1](one.W, n))}"


def _of_weights(of: Callable[[np.ndarray, int], Any], one: Problem) -> Any:
    return of(one.W, len(one.y))


def _worst(got: np.ndarray, right: np.ndarray) -> str:
    at = np.unravel_index(int(np.abs(got - right).argmax()), right.shape)
    return f"dW[{', '.join(str(index) for index in at)}] is {got[at]:.5g}, wanted {right[at]:.5g}"


def _beside(of_penalty: list[str], of_data: list[str]) -> list[str]:
    """Mistakes of the penalty, without those that one of the data part explains."""
    explained = {
        "wrong sign": ["penalty subtracted"],
        "penalty not times reg": ["penalty missing"],
        "only the first row": ["penalty missing"],
        "gradient is 0": ["penalty missing"],
        "loss is 0": ["penalty missing"],
        "halved": ["penalty halved"],
        "doubled": ["penalty doubled"],
        "divided by N twice": ["penalty divided by N"],
    }
    return [
        name for name in of_penalty if name not in of_data and not any(name in explained.get(other, ()) for other in of_data)
    ]


def _cast(kind: type) -> Callable[[np.ndarray], np.ndarray]:
    def inputs(X: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):  # negative values as bytes
            return X.astype(kind).astype(np.float64)

    return inputs


_INPUTS: tuple[tuple[str, Callable[[np.ndarray], np.ndarray]], ...] = (
    ("", lambda X: X),
    (_CENTRED, lambda X: X - X.mean(axis=0)),
    ("X cast to uint8", _cast(np.uint8)),
    ("X cast to int", _cast(np.int64)),
)


def _one_row(at: int, weight: Callable[[int], float]) -> Callable[[int, int, int], np.ndarray]:
    def weights(n: int, d: int, c: int) -> np.ndarray:
        found = np.zeros(n)
        found[at] = weight(n)
        return found

    return weights


def _equal(weight: Callable[[int, int, int], float]) -> Callable[[int, int, int], np.ndarray]:
    return lambda n, d, c: np.full(n, weight(n, d, c))


#: Weights of the rows in their sum, from the numbers of rows, features and classes. The right ones first.
_WEIGHTS: tuple[tuple[str, Callable[[int, int, int], np.ndarray]], ...] = (
    ("", _equal(lambda n, d, c: 1 / n)),
    ("no division by N", _equal(lambda n, d, c: 1.0)),
    ("divided by N twice", _equal(lambda n, d, c: 1 / n**2)),
    ("divided by N - 1", _equal(lambda n, d, c: 1 / (n - 1))),
    ("halved", _equal(lambda n, d, c: 0.5 / n)),
    ("doubled", _equal(lambda n, d, c: 2 / n)),
    ("divided by N inside the loop", lambda n, d, c: float(n) ** -(n - np.arange(n))),
    ("divided by the number of classes", _equal(lambda n, d, c: 1 / (n * c))),
    ("divided by the number of classes", _equal(lambda n, d, c: 1 / c)),
    ("divided by the number of features", _equal(lambda n, d, c: 1 / d)),
    ("only the first row", _one_row(0, lambda n: 1.0)),
    ("only the first row", _one_row(0, lambda n: 1 / n)),
    ("only the last row", _one_row(-1, lambda n: 1.0)),
    ("only the last row", _one_row(-1, lambda n: 1 / n)),
    ("wrong sign", _equal(lambda n, d, c: -1 / n)),
)


def _product(X: np.ndarray, slopes: np.ndarray, place: str) -> np.ndarray:
    """X^T slopes, with the row of X that a mistake takes in place of row i."""
    if place == "class":  # X[j] for class j
        return X[: slopes.shape[1]].T * slopes.sum(axis=0)
    taken = {"own": X, "previous": np.roll(X, 1, axis=0), "next": np.roll(X, -1, axis=0), "first": X[:1], "last": X[-1:]}[
        place
    ]
    return np.broadcast_to(taken, X.shape).T @ slopes


#: Rows of X for the other classes and for the true class.
_PLACES: tuple[tuple[str, tuple[str, str]], ...] = (
    ("", ("own", "own")),
    *(
        ("gradient of another sample", pair)
        for place in ("previous", "next", "first", "last", "class")
        for pair in ((place, place), (place, "own"), ("own", place))
    ),
)


def _by_number(*tables: Iterable[tuple[str, Any]]) -> Iterator[tuple[list[str], tuple[Any, ...]]]:
    """Combinations of entries, those with the fewest mistakes first: (names of up to three mistakes, entries)."""
    found = [
        ([name for name, _ in entries if name], tuple(entry for _, entry in entries))
        for entries in itertools.product(*tables)
    ]
    yield from sorted((pair for pair in found if len(pair[0]) <= 3), key=lambda pair: len(pair[0]))


def _note_own_gradient(function: Callable[..., Any], problem: Problem, found: Examined) -> None:
    """Say that a numerical check would not find the mistakes, if the gradient is that of the function's own loss."""

    def f(W: np.ndarray) -> tuple[float, np.ndarray]:
        value: tuple[float, np.ndarray] = call(function, _ARGUMENTS, W, problem.X, problem.y, problem.reg).value
        return value

    try:
        report = check_gradient(f, problem.W, n_coordinates=12, random_state=0)
    except InputError:
        return
    if report.max_relative_error <= TOLERANCE:
        found.notes.append(
            "the gradient is that of the function's own loss, so a numerical gradient check passes; both differ from the "
            "closed form"
        )
