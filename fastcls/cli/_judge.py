"""The test set, behind the one function that may ask it.

The rule of the lecture: use the test set once, at the very end. Training code gets the training rows alone;
`TestSet.judge` is the only way to the test rows' labels, and it counts.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from ._results import wilson_interval


@dataclass(frozen=True)
class Verdict:
    """What the test set says of one model.

    Attributes
    ----------
    predicted : ndarray of int64, shape (n_test,)
        Class codes.
    errors : int
    accuracy : float
    interval : tuple of float
        Wilson's 95 % interval of the accuracy.
    seconds : float
        Wall-clock seconds of the prediction.
    """

    predicted: np.ndarray
    errors: int
    accuracy: float
    interval: tuple[float, float]
    seconds: float


class TestSet:
    """Test rows and their labels (class codes)."""

    __test__ = False  # not a test of pytest's

    def __init__(self, X: np.ndarray, y: np.ndarray):
        self._X = X
        self._y = np.asarray(y)
        #: how often each model was judged
        self.evaluations: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._y)

    def judge(self, name: str, model: Any) -> Verdict:
        """Let ``model`` predict the test rows, once; a second time for the same name is counted and warned about."""
        self.evaluations[name] += 1
        if self.evaluations[name] > 1:
            warnings.warn(f"the test set has now judged {name} {self.evaluations[name]} times: an accuracy that was "
                          "looked at before is no longer that of unseen data", UserWarning, stacklevel=2)
        begun = time.perf_counter()
        predicted = np.asarray(model.predict(self._X))
        seconds = time.perf_counter() - begun
        errors = int(np.count_nonzero(predicted != self._y))
        correct = len(self) - errors
        return Verdict(predicted, errors, correct / len(self), wilson_interval(correct, len(self)), seconds)
