"""The training loop of the assignment: batches drawn with replacement, and a number of steps, not of epochs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcls._gradient.prediction import linear_scores
from fastcls._gradient.problem import LinearProblem
from fastcls._runtime import threads
from fastcls._validation.base import RandomState, as_floats, check_number, check_random_state, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.rows import check_rows
from fastcls.optim import take_steps

from ._assignment import check_year, penalty_factor

#: the assignment's name of a loss -> ours
LOSSES = {"svm": "hinge", "softmax": "softmax"}
INIT_SCALE = 1e-3


@dataclass(frozen=True, eq=False)
class CourseTraining:
    """What `train` returns.

    Attributes
    ----------
    W : ndarray of shape (n_features, n_classes)
        As in the assignment. The last row is the bias: of the feature that is always 1, or one more than the rows have if
        `mean_image` was given.
    loss_history : list of float
        Loss and penalty of every batch, before its step.
    mean_image : ndarray of shape (n_features,) or None
    """

    W: np.ndarray = field(repr=False)
    loss_history: list[float] = field(repr=False)
    mean_image: np.ndarray | None = field(default=None, repr=False)

    def folded(self) -> tuple[np.ndarray, np.ndarray]:
        """Return weights that give the same scores of the raw rows.

        Returns
        -------
        weights : ndarray of shape (n_classes, n_features)
        bias : ndarray of shape (n_classes,)
        """
        if self.mean_image is None:
            return self.W.T.copy(), np.zeros(self.W.shape[1])
        weights = self.W[:-1].T.copy()
        return weights, self.W[-1] - weights @ self.mean_image

    def predict(self, X: Any) -> np.ndarray:
        """Return the label with the highest score for each row; of equal scores, the smallest label.

        Parameters
        ----------
        X : array-like of shape (n, n_features)
            Rows like those of the training.

        Returns
        -------
        ndarray of int64, shape (n,)

        Raises
        ------
        InputError
            If the rows have another number of features.
        """
        rows, (weights, bias) = check_rows(X, "X").rows, self.folded()
        if rows.shape[1] != weights.shape[1]:
            raise InputError(f"X has {rows.shape[1]} features; wanted those of the training rows, {weights.shape[1]}")
        found: np.ndarray = linear_scores(rows, weights, bias, threads.effective(None)).argmax(axis=1)
        return found


def train(
    X: Any,
    y: Any,
    loss: str = "svm",
    *,
    learning_rate: float = 1e-3,
    reg: float = 1e-5,
    num_iters: int = 100,
    batch_size: int = 200,
    mean_image: Any = None,
    n_classes: int | None = None,
    year: int | None = None,
    random_state: RandomState = None,
) -> CourseTraining:
    """Train a linear classifier as ``LinearClassifier.train`` of the assignment does: the same W, but for the rounding.

    W starts at 0.001 times standard normal numbers. Each step draws a batch with replacement and subtracts learning_rate
    times the gradient of loss + reg * sum W^2; the penalty includes the bias. All arithmetic is in float64.

    Parameters
    ----------
    X : array-like of shape (n, n_features)
        Prepared rows (`CourseSplits.prepared`), whose last feature is 1; or, with `mean_image`, rows as they are.
    y : array-like of int, shape (n,)
        Labels from 0.
    loss : {"svm", "softmax"}
    learning_rate, reg : float
    num_iters, batch_size : int
        Number of steps, and rows of a batch.
    mean_image : array-like of shape (n_features,), optional
        Is subtracted from every row, and a feature that is always 1 is added, without a copy of the rows: bytes stay bytes.
    n_classes : int, optional
        Columns of W; by default the largest label and one more.
    year : int, optional
        The year of the course: until 2016 the penalty was 0.5 * reg * sum W^2.
    random_state : int, RandomState or None
        An integer gives the W of a NumPy loop after ``np.random.seed(random_state)``. A ``RandomState`` goes on where it
        is, as several trainings of one notebook do.

    Returns
    -------
    CourseTraining

    Raises
    ------
    InputError
        If rows and labels do not fit each other, or an option is out of range.
    DivergenceError
        If the loss becomes infinite or NaN: the learning rate is too large.

    Examples
    --------
    >>> X, y = np.eye(4), np.array([0, 1, 0, 1])
    >>> found = train(X, y, "softmax", learning_rate=1.0, reg=0.0, num_iters=50, batch_size=2, random_state=0)
    >>> found.W.shape, found.predict(X).tolist()
    ((4, 2), [0, 1, 0, 1])
    """
    one_of("loss", loss, LOSSES)
    reg = float(check_number("reg", reg, minimum=0))
    check_number("num_iters", num_iters, minimum=1, whole=True)
    rows = check_rows(X, "X")
    mean = None if mean_image is None else as_floats("mean_image", mean_image)
    if mean is not None and mean.shape != (rows.rows.shape[1],):
        raise InputError(f"mean_image has shape {mean.shape}; wanted one number for each of {rows.rows.shape[1]} features")
    problem = LinearProblem(
        rows,
        y,
        LOSSES[loss],
        alpha=reg * penalty_factor(check_year(year)),
        fit_intercept=mean is not None,
        n_classes=n_classes,
        center=mean,
        arithmetic="float64",
    )
    rng = check_random_state(random_state)
    start = INIT_SCALE * rng.standard_normal(problem.shape[::-1])
    found = take_steps(problem, start.T, learning_rate, n_steps=num_iters, batch_size=batch_size, random_state=rng)
    return CourseTraining(found.W.T.copy(), found.loss_history, mean)
