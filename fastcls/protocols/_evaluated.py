"""What an evaluation answered on the test rows, before it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._scoring.numbers import Answers, measure
from fastcls._scoring.table import ResultTable, add_note, note_on_unknown


@dataclass(frozen=True)
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
    """

    title: str
    settings: dict[str, Any]
    lines: list[tuple[dict[str, Any], list[Answers] | None]]
    truth: np.ndarray
    classes: np.ndarray
    unknown: Mapping[int, Any]
    names: Sequence[str] | None = None
    model: Any = None

    def table(self) -> ResultTable:
        """Measure the answers."""
        known = [tries for _, tries in self.lines if tries is not None]
        numbers = iter(measure(self.truth, known, len(self.classes), names=self.names))
        lines = [(setting, None if tries is None else next(numbers)) for setting, tries in self.lines]
        settings = dict(self.settings)
        add_note(settings, note_on_unknown(self.truth, self.unknown))
        return ResultTable.of_numbers(self.title, settings, lines, self.classes, self.unknown)
