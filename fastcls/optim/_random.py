"""The lecture's two random searches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._gradient.problem import LinearProblem
from fastcls._runtime.pacing import Progress as Report
from fastcls._storage.safetensors import expect
from fastcls._validation.base import RandomState, check_number, check_random_state
from fastcls._validation.linear import check_callbacks, check_weights
from fastcls._validation.messages import counted

from ._checkpoint import Checkpoint, State, checked, identity, through_interrupts
from ._monitor import Callbacks, DivergenceError, Monitor, OptimResult, advice_on_scale

# Weights evaluated in one pass over the data: 16 MB of float32, or one W if that is larger.
_VALUES_PER_PASS = 1 << 22


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class RandomSearchResult(OptimResult):
    """Result of a random search: the fields of `OptimResult`, and two more.

    Attributes
    ----------
    value : float
        Loss of `W`, computed in float64.
    values : float64 array (n_iter,)
        Loss of every random W, in the problem's own arithmetic.
    """

    value: float = math.nan
    values: np.ndarray | None = None

    @property
    def best_values(self) -> np.ndarray:
        """The smallest loss so far after each random W, (n_iter,)."""
        return np.array(self.loss_history)


def _per_pass(problem: LinearProblem, most: int) -> int:
    return max(1, min(most, _VALUES_PER_PASS // (problem.shape[0] * problem.shape[1])))


class RandomSearch:
    """Draw W at random, keep the one with the smallest loss over all rows: the lecture's 'first very bad idea'.

    Many W are evaluated in one pass over the data, as more columns of one product.

    Parameters
    ----------
    max_iter : int
        Number of random W.
    scale : float
        Standard deviation of the entries of W.
    random_state : int, RandomState or None
    callbacks : callable or list of them, optional
        Called with a `Progress` after each pass; True ends the search.
    checkpoint : Checkpoint, optional
        File for the state, from which an interrupted search resumes.
    """

    tol: float | None = None  # every W is tried

    def __init__(
        self,
        max_iter: int = 1000,
        scale: float = 1e-4,
        random_state: RandomState = None,
        *,
        callbacks: Callbacks = None,
        checkpoint: Checkpoint | None = None,
    ) -> None:
        self.max_iter = int(check_number("max_iter", max_iter, minimum=1, whole=True))
        self.scale = float(check_number("scale", scale, minimum=0, strict=True))
        self.random_state = random_state
        self.callbacks = check_callbacks(callbacks)
        self.checkpoint = checked(checkpoint)

    def minimize(
        self, problem: LinearProblem, W: np.ndarray | None = None, validation: LinearProblem | None = None
    ) -> RandomSearchResult:
        """Search among random W.

        Parameters
        ----------
        problem : LinearProblem
        W : array of the problem's shape, optional
            One more candidate, evaluated first.
        validation : LinearProblem, optional
            Held-out rows, whose value is computed too.

        Returns
        -------
        RandomSearchResult

        Raises
        ------
        InputError
            If `W` does not fit the problem, or the checkpoint is of another training.
        DivergenceError
            If no random W has a finite loss.
        """
        random_state = check_random_state(self.random_state)
        problem = problem.counted()
        start = np.zeros(problem.shape) if W is None else check_weights(W, problem.shape, problem.fit_intercept)
        with through_interrupts(self.checkpoint):
            return self._search(problem, start, W is not None, random_state, validation)

    def _search(
        self,
        problem: LinearProblem,
        start: np.ndarray,
        has_start: bool,
        random_state: np.random.RandomState,
        validation: LinearProblem | None,
    ) -> RandomSearchResult:
        saved = None
        if self.checkpoint is not None:
            saved = self.checkpoint.begin(
                {
                    "solver": type(self).__name__,
                    "max_iter": self.max_iter,
                    "init_scale": self.scale,
                    **identity(problem, start if has_start else None, validation, random_state),
                }
            )
        # A Generator draws float32 four times as fast as a RandomState draws float64.
        rng = np.random.default_rng(random_state.randint(0, 2**31 - 1, size=4))
        monitor = Monitor(self.max_iter, None, self.callbacks, validation)
        start = problem.projected(start)
        best, best_W = (float(problem.values([start])[0]) if has_start else math.inf), start
        values: list[float] = []
        history: list[float] = []

        def state() -> State:
            of_monitor, monitor_values = monitor.state()
            return {**of_monitor, "best": best_W, "values": np.array(values), "history": np.array(history)}, {
                "best": best,
                "monitor": monitor_values,
                "random_state": rng.bit_generator.state,
            }

        if saved is not None and "values" in saved[0]:
            assert self.checkpoint is not None
            arrays, saved_values = saved
            with self.checkpoint.reading():
                monitor.restore(arrays, saved_values["monitor"], problem.shape)
                best, best_W = float(saved_values["best"]), expect(arrays, "best", problem.shape)
                values, history = (expect(arrays, name, (None,)).tolist() for name in ("values", "history"))
                rng.bit_generator.state = saved_values["random_state"]
        elif saved is None and self.checkpoint is not None:
            self.checkpoint.offer(lambda: ({"start": start}, {}), now=True)
        done = len(values) if monitor.stopped_by == "max_iter" else self.max_iter
        for first, n in self._passes(problem):
            if first < done:
                continue
            draws = rng.standard_normal((n, *problem.shape), dtype=np.float32)
            with np.errstate(over="ignore", invalid="ignore"):  # a search without a finite loss is refused
                draws *= np.float32(self.scale)
                candidates = [self._candidate(problem, best_W, draw) for draw in draws]
                found = problem.values(candidates)
            values.extend(found.tolist())
            before = history[-1] if history else best
            history.extend(np.minimum(np.minimum.accumulate(found), before).tolist())
            if found.min() < best:
                best, best_W = float(found.min()), np.array(candidates[int(found.argmin())], dtype=np.float64)
            is_over = monitor.is_over(best, best_W.copy)
            if self.checkpoint is not None:
                self.checkpoint.offer(state, now=is_over or first + n == self.max_iter)
            if is_over:
                break
        if not math.isfinite(best):
            raise DivergenceError(
                f"no loss of {counted(len(values), 'random W', 'random W')} with standard deviation {self.scale:g} is "
                f"finite: use a smaller standard deviation{advice_on_scale(problem)}"
            )
        return RandomSearchResult(
            best_W,
            history,
            len(values),
            val_history=monitor.val_losses,
            stopped_by=monitor.stopped_by,
            value=problem.value(best_W),
            values=np.array(values),
        )

    def _passes(self, problem: LinearProblem) -> Iterator[tuple[int, int]]:
        per_pass = _per_pass(problem, 100)
        return ((start, min(per_pass, self.max_iter - start)) for start in range(0, self.max_iter, per_pass))

    @staticmethod
    def _candidate(problem: LinearProblem, best_W: np.ndarray, draw: np.ndarray) -> np.ndarray:
        return problem.projected(draw)


class RandomLocalSearch(RandomSearch):
    """Random steps from the best W so far, kept if the loss falls: the lecture notes' second strategy.

    Eight steps from the same W are evaluated in one pass, and the best of them is kept if it lowers the loss. Parameters as
    for `RandomSearch`: `max_iter` counts steps, and `scale` is the standard deviation of the entries of a step.
    """

    def minimize(
        self, problem: LinearProblem, W: np.ndarray | None = None, validation: LinearProblem | None = None
    ) -> RandomSearchResult:
        """Search by random steps from W.

        Parameters
        ----------
        problem : LinearProblem
        W : array of the problem's shape, optional
            The start; by default 0.
        validation : LinearProblem, optional
            Held-out rows, whose value is computed too.

        Returns
        -------
        RandomSearchResult

        Raises
        ------
        InputError
            If `W` does not fit the problem, or the checkpoint is of another training.
        DivergenceError
            If no random W has a finite loss.
        """
        problem = problem.counted()
        start = np.zeros(problem.shape) if W is None else check_weights(W, problem.shape, problem.fit_intercept)
        with through_interrupts(self.checkpoint):
            return self._search(problem, start, True, check_random_state(self.random_state), validation)

    def _passes(self, problem: LinearProblem) -> Iterator[tuple[int, int]]:
        per_pass = _per_pass(problem, 8)
        return ((start, min(per_pass, self.max_iter - start)) for start in range(0, self.max_iter, per_pass))

    @staticmethod
    def _candidate(problem: LinearProblem, best_W: np.ndarray, draw: np.ndarray) -> np.ndarray:
        return problem.projected(best_W + draw)


def random_search(
    problem: LinearProblem,
    max_iter: int = 1000,
    scale: float = 1e-4,
    random_state: RandomState = None,
    progress: Report | None = None,
) -> RandomSearchResult:
    """`RandomSearch(max_iter, scale, random_state).minimize(problem)`, with reports of progress.

    Parameters
    ----------
    problem : LinearProblem
    max_iter : int
        Number of random W.
    scale : float
        Standard deviation of the entries of W.
    random_state : int, RandomState or None
    progress : callable, optional
        ``progress(done, max_iter)`` after each pass over the rows.

    Returns
    -------
    RandomSearchResult
        Its `W` has the problem's shape, (n_classes, n_features + 1) with a bias.

    Raises
    ------
    InputError
        If `max_iter` or `scale` is not a positive number.
    DivergenceError
        If no random W has a finite loss.
    """
    done = 0

    def report(_: Any) -> None:
        nonlocal done
        done = min(max_iter, done + _per_pass(problem, 100))
        if progress is not None:
            progress(done, max_iter)

    return RandomSearch(max_iter, scale, random_state, callbacks=report).minimize(problem)
