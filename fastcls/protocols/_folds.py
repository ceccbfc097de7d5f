"""Answers for the test rows of several folds, put together: one line per setting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastcls._scoring.numbers import Answers, joined

from ._evaluated import Evaluated


def pooled(folds: Sequence[Evaluated]) -> list[tuple[dict[str, Any], list[Answers]]]:
    """The tested settings with the answers of all folds; of single experiments and their mean only the mean.

    Folds of different sizes allow different k: only those of all folds are kept. If no k is one of all folds, because each
    fold has fewer rows than the smallest k, the largest of each is taken. `n_rows` is that of the smallest fold. A setting
    that a fold chose for itself, such as C, is a list.
    """
    tested = [[(setting, tries) for setting, tries in fold.lines if tries is not None] for fold in folds]
    tested = [[line for line in lines if line[0].get("experiment", "mean") == "mean"] for lines in tested]
    if len(folds) == 1:
        return tested[0]
    found = []
    by_k = [_by_k(lines) for lines in tested]
    for group in by_k[0]:
        of_folds = [groups[group] for groups in by_k]
        shared = [k for k in of_folds[0] if all(k in lines for lines in of_folds)]
        for lines in [[of_fold[k] for of_fold in of_folds] for k in shared] or [[one[max(one)] for one in of_folds]]:
            n_tries = len(lines[0][1])
            answers = [joined([tries[number] for _, tries in lines]) for number in range(n_tries)]
            found.append((_of_all([setting for setting, _ in lines]), answers))
    return found


def _by_k(
    lines: Sequence[tuple[dict[str, Any], list[Answers]]],
) -> dict[str, dict[Any, tuple[dict[str, Any], list[Answers]]]]:
    """Lines by what is given (1 row and the share 1.0 of the rows are not the same), then by k; None without k."""
    found: dict[str, dict[Any, tuple[dict[str, Any], list[Answers]]]] = {}
    for setting, tries in lines:
        given = repr([setting.get("n_per_class"), setting.get("metric")])
        found.setdefault(given, {})[setting.get("k")] = setting, tries
    return found


def _of_all(settings: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The setting of one line of all folds."""
    found = {name: [one[name] for one in settings] for name in settings[0]}
    same = {name: values[0] if values == values[:1] * len(values) else values for name, values in found.items()}
    return same | ({"n_rows": min(found["n_rows"])} if "n_rows" in found else {})
