"""CLIP_benchmark's linear probe: one linear layer, trained by AdamW on minibatches of unit rows, in float32.

The first weights and the order of the rows are those that torch draws on a CPU after ``manual_seed(seed)``. (The published
script trains on a GPU in mixed precision, which rounds differently.)

Sources: LAION-AI/CLIP_benchmark, clip_benchmark/metrics/linear_probe.py, train; pytorch/pytorch, torch/optim/adamw.py and
torch/nn/modules/linear.py.
"""

from __future__ import annotations

import math

import numpy as np
from threadpoolctl import threadpool_limits

from fastcls._runtime import threads
from fastcls._validation.types import widened

from ._draws import TorchGenerator
from ._presets import AdamW

#: torch's defaults
_BETAS, _EPSILON = (0.9, 0.999), 1e-8


def unit_rows(X: np.ndarray) -> np.ndarray:
    """A float32 copy with rows of length 1; rows of zeros stay zero.

    Squares are float64: those of values above 1e19 or below 1e-19 leave float32. torch.nn.functional.normalize, in float32,
    turns such rows to zeros, or shortens them.
    """
    rows = X if X.dtype == np.float64 else widened(X, np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows, dtype=np.float64))
    lengths[lengths == 0.0] = 1.0
    found = np.empty(rows.shape, np.float32)
    return np.divide(rows, lengths[:, None], out=found, casting="same_kind")


def learning_rate(setting: AdamW, step: int, n_steps: int) -> float:
    """A cosine from the first learning rate to 0."""
    return 0.5 * (1.0 + math.cos(math.pi * step / n_steps)) * setting.learning_rate


class AdamWProbe:
    """A linear layer on unit rows.

    Parameters
    ----------
    setting : AdamW
    weight_decay : float
        Applies to weights and bias.
    seed : int
    n_jobs : int, optional

    Attributes
    ----------
    coef_, intercept_ : float64 arrays of shape (n_classes, n_features), (n_classes,)
    n_iter_ : int
        Steps.
    """

    def __init__(self, setting: AdamW, weight_decay: float, seed: int, n_jobs: int | None = None) -> None:
        self.setting, self.weight_decay, self.seed, self.n_jobs = setting, weight_decay, seed, n_jobs
        self.n_iter_ = 0
        self.coef_, self.intercept_ = np.zeros((0, 0)), np.zeros(0)

    def fit(self, rows: np.ndarray, codes: np.ndarray, n_classes: int) -> AdamWProbe:
        """Train on unit rows (`unit_rows`)."""
        n, d = rows.shape
        generator, setting = TorchGenerator(self.seed), self.setting
        bound = 1.0 / math.sqrt(d)
        start = [generator.uniform(n_classes * d, bound).reshape(n_classes, d), generator.uniform(n_classes, bound)[:, None]]
        W = np.concatenate(start, axis=1)
        mean, square = np.zeros_like(W), np.zeros_like(W)
        first, second = _BETAS
        n_steps, step = setting.epochs * math.ceil(n / setting.batch_size), 0
        with threadpool_limits(threads.effective(self.n_jobs), user_api="blas"):
            for _ in range(setting.epochs):
                order = generator.epoch(n)
                for at in range(0, n, setting.batch_size):
                    batch = order[at : at + setting.batch_size]
                    rate, step = learning_rate(setting, step, n_steps), step + 1
                    gradient = _gradient(W, rows[batch], codes[batch])
                    W *= np.float32(1.0 - rate * self.weight_decay)
                    mean += np.float32(1.0 - first) * (gradient - mean)
                    square *= np.float32(second)
                    square += np.float32(1.0 - second) * np.square(gradient)
                    size = np.sqrt(square) / np.float32(math.sqrt(1.0 - second**step)) + np.float32(_EPSILON)
                    W -= np.float32(rate / (1.0 - first**step)) * (mean / size)
        self.coef_, self.intercept_, self.n_iter_ = W[:, :-1].astype(np.float64), W[:, -1].astype(np.float64), step
        return self


def _gradient(W: np.ndarray, rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Gradient of the mean log loss of some rows, of the shape of W."""
    scores = rows @ W[:, :-1].T + W[:, -1]
    scores -= scores.max(axis=1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=1, keepdims=True)
    scores[np.arange(len(codes)), codes] -= 1.0
    scores /= np.float32(len(codes))
    return np.concatenate([scores.T @ rows, scores.sum(axis=0)[:, None]], axis=1)
