"""The test rows of a `Dataset`: how often they were scored, and the warning at the second time.

The count belongs to the test rows, not to the program: a `TestUse` is shared by a data set and its copies with the same test
rows, and nothing else. It counts evaluations through the data set: ``Dataset.score_test``, and the functions decorated with
`scores_test_rows` where they are given the data set instead of four arrays. Whoever takes the arrays out is not counted.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import numpy as np

from fastcls._sampling.proportion import wilson_interval
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, kind, quoted
from fastcls._validation.row_index import warn_of_indices

if TYPE_CHECKING:
    from ._dataset import Dataset

P = ParamSpec("P")
R = TypeVar("R")


class ReusedTestRowsWarning(UserWarning):
    """The test rows of a data set are scored again: their accuracy is no longer that on unseen data."""


@dataclass(frozen=True, eq=False)
class TestScore:
    """How a model does on the test rows of a data set.

    Attributes
    ----------
    predicted : ndarray of shape (n_test,)
        What the model predicted: class codes or class names.
    hits : ndarray of bool, shape (n_test,)
        Where it is right.
    """

    __test__ = False  # not a test class of pytest

    predicted: np.ndarray
    hits: np.ndarray

    @property
    def n_test(self) -> int:
        """Number of test rows."""
        return len(self.hits)

    @property
    def errors(self) -> int:
        """Number of wrong predictions."""
        return len(self.hits) - int(np.count_nonzero(self.hits))

    @property
    def accuracy(self) -> float:
        """Share of right predictions."""
        return int(np.count_nonzero(self.hits)) / len(self.hits)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson_interval(len(self.hits) - self.errors, len(self.hits))

    def __repr__(self) -> str:
        low, high = self.interval
        return (
            f"TestScore(accuracy {self.accuracy:.4f}, 95 % interval {low:.4f} to {high:.4f}; "
            f"{counted(self.errors, 'error')} of {self.n_test:,})"
        )


class TestUse:
    """Evaluations of one set of test rows: the names of the functions, in order."""

    __test__ = False

    def __init__(self, rows: np.ndarray | None):
        self.rows = rows  # the array itself tells whether a copy of the data set has the same test rows
        self.evaluations: list[str] = []

    def announce(self, name: str, stacklevel: int) -> None:
        """Warn if the rows were scored before. Nothing is counted yet: if the warning is an error, nothing is scored."""
        if self.evaluations:
            warnings.warn(
                f"the test rows{f' of {quoted(name)}' if name else ''} were already scored "
                f"{'once' if len(self.evaluations) == 1 else f'{len(self.evaluations)} times'} "
                f"(first by {self.evaluations[0]}), and are scored again: once a result has influenced a choice, accuracy "
                "on these rows is no longer accuracy on unseen data. Compare settings on validation rows or folds "
                "(train_validation_split, KNeighborsClassifierCV), and score all final models in one call of score_test",
                ReusedTestRowsWarning,
                stacklevel=stacklevel + 1,
            )


def score(dataset: Dataset, model: Any, use: TestUse, stacklevel: int) -> Any:
    """``Dataset.score_test``."""
    if dataset.X_test is None or dataset.y_test is None:
        raise InputError("the data has no test set: make one with datasets.train_test_split")
    models = dict(model) if isinstance(model, Mapping) else {"": model}
    if not models:
        raise InputError("model is an empty mapping: give at least one model")
    predicts = {name: _predict_of(one, name) for name, one in models.items()}
    use.announce(dataset.name, stacklevel + 1)
    found = {}
    for name, predict in predicts.items():
        predicted = np.asarray(predict(dataset.X_test))
        found[name] = TestScore(predicted, _hits(predicted, dataset.y_test, dataset.class_names, name))
    use.evaluations.append("score_test")
    return found if isinstance(model, Mapping) else found[""]


def _predict_of(model: Any, name: str) -> Callable[[np.ndarray], Any]:
    predict = model if callable(model) and not hasattr(model, "predict") else getattr(model, "predict", None)
    if not callable(predict) or isinstance(model, type):
        raise InputError(
            f"model{f' {quoted(name)}' if name else ''} is {kind(model)}; wanted a fitted model with predict, a function of "
            "rows that returns labels, or a mapping of names to such models"
        )
    return predict


def _hits(predicted: np.ndarray, truth: np.ndarray, names: tuple[str, ...], model: str) -> np.ndarray:
    if predicted.shape != truth.shape or predicted.dtype.kind not in "iuUO":
        raise InputError(
            f"the model{f' {quoted(model)}' if model else ''} predicted an array of shape {predicted.shape} and type "
            f"{predicted.dtype} for {counted(len(truth), 'test row')}; wanted one class code or class name per row"
        )
    hits: np.ndarray = predicted == (truth if predicted.dtype.kind in "iu" else np.array(names, dtype=object)[truth])
    return hits


def announce_evaluation(sets: Iterable[Dataset], stacklevel: int) -> None:
    """Warn if the test rows of one of the data sets were scored before."""
    for dataset in sets:
        dataset._test_use.announce(dataset.name, stacklevel + 1)


def count_evaluation(sets: Iterable[Dataset], what: str) -> None:
    """Count one evaluation of the test rows of each data set."""
    for use in {id(dataset._test_use): dataset._test_use for dataset in sets}.values():
        use.evaluations.append(what)


def scores_test_rows(function: Callable[P, R]) -> Callable[P, R]:
    """Decorate ``function(train, y, test, y_test, ...)``: it takes a `Dataset` in place of the four, and that is counted."""

    @functools.wraps(function)
    def wrapped(*args: P.args, **options: P.kwargs) -> R:
        from ._dataset import Dataset

        given = dict(zip(("train", "y", "test", "y_test"), args, strict=False)) | options
        dataset = given.get("train")
        what = function.__name__
        if not isinstance(dataset, Dataset):
            if missing := [name for name in ("y", "test", "y_test") if given.get(name) is None]:
                raise InputError(f"{what} got no {missing[0]}: give train, y, test and y_test, or a Dataset with a test set")
            rows = {name: given.get(name) for name in ("train", "y", "test", "y_test")}
            warn_of_indices(*({name: rows[name] for name in names} for names in (("train", "y"), ("test", "y_test"))))
            return function(*args, **options)
        if any(given.get(name) is not None for name in ("y", "test", "y_test")):
            raise InputError(
                f"{what} got a Dataset and also labels or test rows: give the Dataset and options by name, or four arrays"
            )
        if dataset.X_test is None:
            raise InputError(f"{what} got a Dataset without a test set: make one with datasets.train_test_split")
        use = dataset._test_use
        use.announce(dataset.name, 2)
        rest = {name: value for name, value in options.items() if name not in ("train", "y", "test", "y_test")}
        found = function(dataset.X, dataset.y, dataset.X_test, dataset.y_test, *args[4:], **rest)  # type: ignore[arg-type]
        use.evaluations.append(what)
        return found

    return wrapped
