"""The outcome of a run: the contents of ``results.json``, and the objects that the report draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from fastcls.datasets import Dataset
    from fastcls.model_selection import KSelection

    from ._failures import Failures

T = TypeVar("T")


@dataclass(eq=False)
class Outcome:
    """The outcome of a run. A model that was not run is absent from every mapping.

    Parameters
    ----------
    results : dict
        Contents of ``results.json``: schema, dataset, n_train, n_test, n_features, n_classes, seed, command, versions,
        environment, test_evaluations, models (knn, random_search, svm, softmax), baseline, comparisons, ...
    dataset : Dataset
        With its test set.
    models : dict
        "knn", "svm", "softmax": fitted estimators; "random_search": a result with ``W``.
    predictions : dict of int arrays of shape (n_test,)
        Class codes that each model predicts for the test set.
    scores : dict of float arrays of shape (n_test,)
        Probability or score of each predicted class.
    measures : dict of str
        "probability" or "score".
    titles : dict of str
        Names in the report; without one, that of `MODELS`.
    selection : KSelection or None
        The cross-validation of k.
    sweeps : dict of lists of dict
        For each linear model, one row a setting tried: its values, ``validation_accuracy`` and ``chosen``.
    random_search_best : array of shape (n_tries,) or None
        Best loss so far after each try.
    neighbors : (query indices (m,), distances (m, k), indices (m, k)) or None
        Test rows for the figure of neighbours, and their nearest training rows.
    split : dict or None
        How the rows were divided, for ``fastcls predict``; None if the data has its own test set.
    test_rows_of, trained_on : dict or None
        The test set that the test rows were chosen from; None if all its rows are used.
    row_names : sequence of str or int, or None
        File or number of each test row; None: numbers from 0.
    source : Path or None
        The folder that these files are relative to.
    folder : Path or None
        The folder of the report, for links; its files so far are listed.
    lecture : bool
        Whether to draw the lecture's figures.
    notes : list of str
        Lines to show.
    failures : Failures or None
        Record of figures that cannot be drawn; if None, their errors are raised.
    """

    results: dict[str, Any]
    dataset: Dataset
    models: dict[str, Any] = field(default_factory=dict)
    predictions: dict[str, NDArray[np.int64]] = field(default_factory=dict)
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    measures: dict[str, str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    selection: KSelection | None = None
    sweeps: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    random_search_best: NDArray[np.float64] | None = None
    neighbors: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]] | None = None
    split: dict[str, Any] | None = None
    test_rows_of: dict[str, Any] | None = None
    trained_on: dict[str, Any] | None = None
    row_names: Sequence[str | int] | None = None
    source: Path | None = None
    folder: Path | None = None
    lecture: bool = False
    notes: list[str] = field(default_factory=list)
    failures: Failures | None = None

    def drawn(self, what: str, build: Callable[..., T], *arguments: Any) -> list[T]:
        """Return ``[build(*arguments)]``; if it fails, an empty list, and the error is in `failures`."""
        if self.failures is None:
            return [build(*arguments)]
        with self.failures.kept(f"drawing {what}"):
            return [build(*arguments)]
        return []
