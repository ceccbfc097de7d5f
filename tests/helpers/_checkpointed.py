"""Trainings that write checkpoints, and how they are broken off: in this process, or in one that is killed."""

import numpy as np

from fastcls import SoftmaxClassifier
from fastcls.optim import _checkpoint

SOLVERS = {
    "sgd": {"max_iter": 6, "batch_size": 32},
    "sgd, nesterov": {"max_iter": 6, "batch_size": 32, "nesterov": True, "schedule": "step"},
    "sgd, early stopping": {"max_iter": 12, "batch_size": 32, "early_stopping": True, "learning_rate": 0.5},
    "sgd, l1": {"max_iter": 6, "batch_size": 64, "penalty": "l1", "alpha": 1e-3},
    "sgd, tol": {"max_iter": 40, "batch_size": 64, "tol": 1e-2},
    "gd": {"solver": "gd", "max_iter": 8},
    "lbfgs": {"solver": "lbfgs", "max_iter": 15},
    "lbfgs, default alpha": {"solver": "lbfgs", "max_iter": 5, "alpha": "auto"},
    "lbfgs, early stopping": {"solver": "lbfgs", "max_iter": 15, "early_stopping": True},
    "random_search": {"solver": "random_search", "max_iter": 45},
    "random_local_search": {"solver": "random_local_search", "max_iter": 45, "init_scale": 1e-3},
}


class Broken(BaseException):
    """A training that ends here, as by a signal."""


def rows(dtype="uint8", n=300, d=20):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, n)
    return (rng.integers(0, 160, (n, d)) + 20 * y[:, None]).astype(dtype), np.array(["ape", "bee", "cat"])[y]


def model(name, path=None, **changes):
    kept = {} if path is None else {"checkpoint": path, "checkpoint_seconds": 0}
    return SoftmaxClassifier(**{"random_state": 3, "alpha": 1e-3, **kept, **SOLVERS[name], **changes})


def outcome_of(fitted):
    """Everything that a training leaves, as bytes."""
    names = ("coef_", "intercept_", "loss_history_", "val_history_", "gradient_norm_")
    return [np.asarray(getattr(fitted, name)).tobytes() for name in names] + [fitted.n_iter_, fitted.learning_rate_]


def break_after(monkeypatch, n):
    """The training ends when its n-th state has been written."""
    written = [0]
    offer = _checkpoint.Checkpoint.offer

    def offer_and_break(self, state, *, now=False):
        offer(self, state, now=now)
        written[0] += 1
        if written[0] == n:
            raise Broken

    monkeypatch.setattr(_checkpoint.Checkpoint, "offer", offer_and_break)
