"""Temperature scaling: one number that makes the probabilities of a softmax classifier agree with its accuracy."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar

#: range of the logarithm of the temperature
_LOG_RANGE = (-8.0, 8.0)


def log_losses(behind: np.ndarray, factor: float) -> np.ndarray:
    """Log loss of every row under softmax(factor * scores): (..., n_rows).

    Parameters
    ----------
    behind : float64 array (..., n_rows, n_classes)
        Scores minus the score of the row's own class.
    factor : float
    """
    scaled = behind * factor
    top = scaled.max(axis=-1)
    with np.errstate(under="ignore"):
        losses: np.ndarray = top + np.log(np.exp(scaled - top[..., None]).sum(axis=-1))
    return losses


def fit_temperature(scores: np.ndarray, codes: np.ndarray) -> float:
    """The temperature T that minimises the mean log loss of softmax(scores / T).

    Parameters
    ----------
    scores : float64 array (n_rows, n_classes)
        Of rows on which the model was not trained.
    codes : int64 array (n_rows,)
        Their classes.

    Returns
    -------
    float
        Above 1 if the model is too sure, below 1 if it is not sure enough; e^-8 or e^8 if the loss has no minimum between.

    References
    ----------
    C. Guo et al., On calibration of modern neural networks, 2017.
    """
    behind = scores - scores[np.arange(len(codes)), codes][:, None]

    def loss(log_temperature: float) -> float:
        return float(log_losses(behind, math.exp(-log_temperature)).mean())

    return math.exp(float(minimize_scalar(loss, bounds=_LOG_RANGE, method="bounded", options={"xatol": 1e-6}).x))
