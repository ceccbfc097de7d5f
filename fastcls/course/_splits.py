"""The rows of CIFAR-10 that the assignment uses."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcls._validation.base import RandomState, check_random_state
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted
from fastcls._validation.rows import check_rows
from fastcls._validation.types import as_numbers
from fastcls.datasets import Dataset, load

from ._evaluation import KNN_TEST, KNN_TRAIN, TEST, TRAIN, VALIDATION

DEV = 500


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class CourseSplits:
    """The rows of the assignment. All but `X_dev` and `y_dev` are views of the data set's own rows.

    Attributes
    ----------
    X_train, y_train : ndarray
        The first 49,000 training rows.
    X_val, y_val : ndarray
        The next 1,000.
    X_dev, y_dev : ndarray
        500 of the 49,000, drawn without replacement: for trying things out.
    dev_rows : ndarray of shape (500,)
        Their row numbers.
    X_test, y_test : ndarray
        The first 1,000 test rows.
    X_knn_train, y_knn_train, X_knn_test, y_knn_test : ndarray
        For k-NN: the first 5,000 training rows, and the first 500 test rows.
    mean_image : ndarray of shape (n_features,), float64
        The mean of `X_train`.
    """

    X_train: np.ndarray = field(repr=False)
    y_train: np.ndarray = field(repr=False)
    X_val: np.ndarray = field(repr=False)
    y_val: np.ndarray = field(repr=False)
    X_dev: np.ndarray = field(repr=False)
    y_dev: np.ndarray = field(repr=False)
    dev_rows: np.ndarray = field(repr=False)
    X_test: np.ndarray = field(repr=False)
    y_test: np.ndarray = field(repr=False)
    X_knn_train: np.ndarray = field(repr=False)
    y_knn_train: np.ndarray = field(repr=False)
    X_knn_test: np.ndarray = field(repr=False)
    y_knn_test: np.ndarray = field(repr=False)
    mean_image: np.ndarray = field(repr=False)

    def prepared(self, rows: Any) -> np.ndarray:
        """Rows as the linear classifiers of the notebooks take them: minus the mean image, with a last feature of 1.

        Parameters
        ----------
        rows : array-like of shape (n, n_features)

        Returns
        -------
        ndarray of shape (n, n_features + 1), float64

        Raises
        ------
        InputError
            If the rows have another number of features.
        """
        found = as_numbers(check_rows(rows, "rows").rows)
        if found.shape[1] != len(self.mean_image):
            raise InputError(f"rows have {found.shape[1]} features; wanted those of the data, {len(self.mean_image)}")
        return np.hstack([found - self.mean_image, np.ones((len(found), 1))])


def splits(data: Dataset | str | os.PathLike[str], *, random_state: RandomState = None) -> CourseSplits:
    """The rows of CIFAR-10 that the assignment uses.

    Parameters
    ----------
    data : Dataset or path
        CIFAR-10, or other data of 50,000 training rows and 1,000 test rows or more; a path or a name is loaded.
    random_state : int, RandomState or None
        For the 500 rows of `CourseSplits.X_dev`. An integer gives those of ``np.random.seed(random_state)`` followed by
        ``np.random.choice(49000, 500, replace=False)``.

    Returns
    -------
    CourseSplits

    Raises
    ------
    InputError
        If the data has too few rows or no test set.
    """
    dataset = data if isinstance(data, Dataset) else load(data)
    n_test = 0 if dataset.X_test is None else len(dataset.X_test)
    if len(dataset.X) < TRAIN + VALIDATION or n_test < TEST:
        raise InputError(
            f"the assignment needs {TRAIN + VALIDATION:,} training rows and {counted(TEST, 'test row')}, but {dataset.name} "
            f"has {len(dataset.X):,} and {n_test:,}: use CIFAR-10"
        )
    assert dataset.X_test is not None
    assert dataset.y_test is not None
    X, y, X_test, y_test = dataset.X, dataset.y, dataset.X_test, dataset.y_test
    rows = check_random_state(random_state).choice(TRAIN, DEV, replace=False)
    val = slice(TRAIN, TRAIN + VALIDATION)
    return CourseSplits(
        X_train=X[:TRAIN],
        y_train=y[:TRAIN],
        X_val=X[val],
        y_val=y[val],
        X_dev=X[rows],
        y_dev=y[rows],
        dev_rows=rows,
        X_test=X_test[:TEST],
        y_test=y_test[:TEST],
        X_knn_train=X[:KNN_TRAIN],
        y_knn_train=y[:KNN_TRAIN],
        X_knn_test=X_test[:KNN_TEST],
        y_knn_test=y_test[:KNN_TEST],
        mean_image=_mean(X[:TRAIN]),
    )


def _mean(rows: np.ndarray) -> np.ndarray:
    """The mean of the rows, which are read in blocks."""
    step = 1000
    sums = [as_numbers(rows[at : at + step]).sum(axis=0, dtype=np.float64) for at in range(0, len(rows), step)]
    mean: np.ndarray = np.sum(sums, axis=0) / len(rows)
    return mean
