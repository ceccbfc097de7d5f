"""Parameters of the linear classifiers: their defaults, their checks, and the solver that they describe."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from fastcls import optim
from fastcls._validation.base import check_fraction, check_number, check_switch
from fastcls._validation.linear import check_callbacks
from fastcls.penalties import check_penalty

from ._validation import check_checkpoint, check_strength

# max_iter=None means enough epochs for this many steps, within these bounds.
_STEPS, _MIN_EPOCHS, _MAX_EPOCHS = 1000, 20, 200


def default_epochs(n_samples: int, batch_size: int) -> int:
    """Epochs of SGD where max_iter is None."""
    return min(_MAX_EPOCHS, max(_MIN_EPOCHS, math.ceil(_STEPS / math.ceil(n_samples / batch_size))))


class LinearParameters(BaseEstimator):
    """Parameters that both classifiers have; subclasses add the loss."""

    def __init__(
        self,
        *,
        penalty: str | None = "l2",
        alpha: float | str = "auto",
        C: float | None = None,
        l1_ratio: float = 0.5,
        max_norm: float | None = None,
        solver: str = "sgd",
        batch_size: int = 256,
        learning_rate: float | str = "auto",
        schedule: str = "cosine",
        momentum: float = 0.9,
        nesterov: bool = False,
        max_iter: int | None = None,
        tol: float | None = None,
        init_scale: float = 1e-4,
        center: bool = True,
        scale: bool = True,
        fit_intercept: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        class_weight: Mapping[Any, float] | str | None = None,
        callbacks: Callable[[optim.Progress], Any] | Sequence[Callable[[optim.Progress], Any]] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_seconds: float = 30.0,
        resume: bool = False,
        verbose: int = 0,
        n_jobs: int | None = None,
    ):
        self.penalty = penalty
        self.alpha = alpha
        self.C = C
        self.l1_ratio = l1_ratio
        self.max_norm = max_norm
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.schedule = schedule
        self.momentum = momentum
        self.nesterov = nesterov
        self.max_iter = max_iter
        self.tol = tol
        self.init_scale = init_scale
        self.center = center
        self.scale = scale
        self.fit_intercept = fit_intercept
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.random_state = random_state
        self.class_weight = class_weight
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.checkpoint_seconds = checkpoint_seconds
        self.resume = resume
        self.verbose = verbose
        self.n_jobs = n_jobs

    def _loss_and_options(self) -> tuple[str, dict[str, Any]]:
        """Name of the loss in `fastcls.losses.LOSSES`, and the options that differ from its defaults."""
        raise NotImplementedError

    def _epochs(self, n_samples: int) -> int:
        """`max_iter`, or its default for this solver."""
        if self.max_iter is not None:
            return int(check_number("max_iter", self.max_iter, minimum=1, whole=True))
        default = optim.SOLVERS[self.solver].max_iter
        if default is not None:
            return default
        check_number("batch_size", self.batch_size, minimum=1, whole=True)
        return default_epochs(n_samples, self.batch_size)

    def _check_options(self) -> None:
        """Refuse parameters that cannot be used; those that only a solver has are checked by the solver."""
        loss, _ = self._loss_and_options()
        check_penalty(self.penalty, self.max_norm)
        check_strength(self.alpha, self.C, self.penalty)
        optim.check_solver(self.solver, loss, self.penalty, self.max_norm is not None)
        for name in ("center", "scale", "fit_intercept", "early_stopping", "warm_start", "nesterov"):
            check_switch(name, getattr(self, name))
        check_number("init_scale", self.init_scale, minimum=0)
        check_number("batch_size", self.batch_size, minimum=1, whole=True)
        check_fraction("validation_fraction", self.validation_fraction, strict=True)
        check_checkpoint(self.checkpoint, self.resume, self.random_state)

    def _solver(self, n_samples: int, random_state: np.random.RandomState, **changes: Any) -> optim.Optimizer:
        """The optimiser that the parameters describe; `changes` replace some of them."""
        row, given = optim.SOLVERS[self.solver], {"random_state": random_state, **changes}
        checkpoint = None
        if self.checkpoint is not None:
            checkpoint = optim.Checkpoint(self.checkpoint, self.checkpoint_seconds, resume=self.resume)
        return row.make(
            given.get("max_iter") or self._epochs(n_samples),
            callbacks=[*check_callbacks(self.callbacks), *([self._print_progress] if self.verbose else [])],
            checkpoint=checkpoint,
            **{keyword: given.get(name, getattr(self, name)) for name, keyword in row.options.items()},
        )

    def _print_progress(self, progress: optim.Progress) -> None:
        held_out = "" if progress.val_loss is None else f", held out {progress.val_loss:.6f}"
        print(f"{type(self).__name__}: {progress.iteration} of {progress.max_iter}, loss {progress.loss:.6f}{held_out}")
