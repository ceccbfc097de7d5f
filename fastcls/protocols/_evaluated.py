"""What an evaluation answered on the test rows, before it is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from fastcls._scoring.numbers import NUMBERS, Answers, measure
from fastcls._scoring.repeats import note_on_repeats
from fastcls._scoring.table import ResultTable, add_note, note_on_majority, note_on_unknown

from ._logistic import Fits


def with_labels_ranked(found: Answers, truth: np.ndarray, n_classes: int) -> Answers:
    """The answers for protocols whose average precision ranks the predicted labels, and exists for two classes only.

    References
    ----------
    embeddings-benchmark/mteb, mteb/abstasks/classification.py, _calculate_scores: average_precision_score(y_test, y_pred) if
    y_test has two classes. mteb 1.x, mteb/evaluation/evaluators/ClassificationEvaluator.py, does the same.
    """
    if not _are_two(truth, n_classes):
        return replace(found, scores=None)
    return replace(found, scores=np.stack([1.0 - found.predicted, found.predicted], axis=1))


def names_of_mteb(truth: np.ndarray, n_classes: int) -> list[str]:
    """The numbers of mteb's tables: weighted F1 too, and average precision only of two classes."""
    return [name for name in NUMBERS if name != "average_precision" or _are_two(truth, n_classes)]


def _are_two(truth: np.ndarray, n_classes: int) -> bool:
    return n_classes == 2 and np.unique(truth).tolist() == [0, 1]


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Evaluated:
    """The answers of every setting of an evaluation.

    Attributes
    ----------
    title, settings
        Those of the table.
    lines : list of (dict, list of Answers or None)
        For each row of the table the setting, and the answers of its tries; None for a setting that was not tested.
    truth : int64 array (n_test,)
        Class codes of the test rows; negative for a class without training rows.
    classes : ndarray
        The label of each class code.
    unknown : mapping of int to label
        The label of each negative code.
    names : sequence of str, optional
        The numbers of the table; see `measure`.
    model : fitted classifier or None
        That of a probe's chosen setting, if it predicts rows as they are.
    fits : Fits or None
        How the fits ended whose answers these are.
    majority : int or None
        The class code that most training rows have; None if only a few rows of each class are trained on.
    count_repeats : callable or None
        Counts the test rows that equal a training row, as `fastcls._scoring.repeats.count_repeats`.
    """

    title: str
    settings: dict[str, Any]
    lines: list[tuple[dict[str, Any], list[Answers] | None]]
    truth: np.ndarray
    classes: np.ndarray
    unknown: Mapping[int, Any] = field(default_factory=dict)
    names: Sequence[str] | None = None
    model: Any = None
    fits: Fits | None = None
    majority: int | None = None
    count_repeats: Callable[[], dict[str, int]] | None = None

    def table(self, *, repeats: bool = False) -> ResultTable:
        """Measure the answers; `repeats` also notes the test rows that equal a training row."""
        known = [tries for _, tries in self.lines if tries is not None]
        numbers = iter(measure(self.truth, known, len(self.classes), names=self.names))
        lines = [(setting, None if tries is None else next(numbers)) for setting, tries in self.lines]
        settings = dict(self.settings)
        add_note(settings, note_on_unknown(self.truth, self.unknown))
        if self.majority is not None:
            settings["majority"] = float(np.mean(self.truth == self.majority))
            best = max((one.values["top1"] for _, one in lines if one is not None), default=(1.0, 1.0, 1.0))
            add_note(settings, note_on_majority(*best[:2], settings["majority"]))
        if repeats and self.count_repeats is not None:
            add_note(settings, note_on_repeats(self.count_repeats(), len(self.truth)))
        return ResultTable.of_numbers(self.title, settings, lines, self.classes, self.unknown)
