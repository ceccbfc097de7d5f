"""The result of a comparison of representations: tables, pairs, and the rows on which a representation is alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fastcls._scoring.numbers import Numbers
from fastcls._scoring.pairs import alone, compare_all, holm
from fastcls._scoring.table import ResultTable


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Comparison:
    """Representations evaluated by the same protocols on the same rows; ``print`` shows both tables.

    Attributes
    ----------
    table : ResultTable
        One row for each representation, protocol and setting: ``setting``, whether it is the one ``compared`` in pairs,
        ``n_features``, ``bytes_per_row``, ``seconds`` (of all settings of the protocol together), ``n_rows`` (training rows
        of few-shot protocols; with folds, of the smallest), and the numbers of `knn_eval` with their 95 % intervals.
    pairs : ResultTable
        One row for each protocol and pair of representations, at the compared setting: ``difference`` of their accuracies
        (``first`` minus ``second``) with its 95 % interval (percentiles of 1,000 bootstrap resamples of the test rows);
        ``p_value`` (McNemar's exact test; for means over tries a paired t-test over the test rows) and ``p_holm``, corrected
        by Holm's method for the number of rows of this table; ``only_first`` and ``only_second``, the numbers of test rows
        that only one predicts correctly; ``agreement``, the share of equal predictions, and ``kappa``, Cohen's. With several
        tries these are means over the tries.
    wrong_alone, right_alone : dict of dict of int64 arrays
        Protocol -> representation -> numbers of the test rows that this one alone predicts wrongly, or correctly; with
        several tries, in more than half of them.
    settings : dict
        Data, rows and everything else that decided the result.
    reused : tuple of (representation, protocol)
        What the cache already had.
    """

    table: ResultTable
    pairs: ResultTable
    wrong_alone: Mapping[str, Mapping[str, np.ndarray]] = field(repr=False)
    right_alone: Mapping[str, Mapping[str, np.ndarray]] = field(repr=False)
    settings: dict[str, Any] = field(default_factory=dict, repr=False)
    reused: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.table}\n\n{self.pairs}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return f"<div>{self.table._repr_html_()}{self.pairs._repr_html_()}</div>"


@dataclass(frozen=True, eq=False)
class Line:
    """One setting of a protocol for one representation.

    Attributes
    ----------
    setting : dict
    numbers : Numbers
    predicted : int array (n_tries, n_test)
        Class codes.
    """

    setting: dict[str, Any]
    numbers: Numbers
    predicted: np.ndarray


#: the k that is compared if a protocol has several: M. Caron et al., Emerging properties in self-supervised vision
#: transformers, 2021, section 3.2: k = 20 works best for most of their runs
COMPARED_K = 20


def compared(settings: Sequence[Mapping[str, Any]]) -> int:
    """Which setting of a protocol is compared in pairs: with the most training rows, k = 20 or the nearest, else the last.

    Of several metrics it is the first. The choice does not depend on any result. A k that differs between folds is a list;
    its smallest counts.
    """
    most = max(one.get("n_rows", 0) for one in settings)
    metric = settings[0].get("metric")
    places = [at for at, one in enumerate(settings) if one.get("n_rows", 0) == most and one.get("metric") == metric]
    return min(reversed(places), key=lambda at: abs(int(np.min(settings[at].get("k", COMPARED_K))) - COMPARED_K))


def in_words(line: Line) -> str:
    """A setting as text: ``k=20``, ``n_per_class=8 n_tries=10``, ``C=0.0316``, ``C=0.00389,0.0229`` where folds differ."""
    shown = {name: value for name, value in line.setting.items() if name not in ("n_rows", "validation", "experiment")}
    if (n_tries := len(line.predicted)) > 1:
        shown["n_tries"] = n_tries
    if isinstance(share := shown.get("n_per_class"), float):  # 1.0 is all rows of a class, 1 is one
        shown["n_per_class"] = f"{100 * share:.4g}%"
    return " ".join(f"{name}={_short(value)}" for name, value in shown.items())


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(f"{one:.3g}" if isinstance(one, float) else str(one) for one in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def summarized(
    found: Mapping[str, Mapping[str, tuple[Sequence[Line], float]]],
    facts: Mapping[str, Mapping[str, Any]],
    truth: np.ndarray,
    classes: np.ndarray,
    unknown: Mapping[int, Any],
    test_rows: np.ndarray,
    settings: dict[str, Any],
    title: str,
    reused: tuple[tuple[str, str], ...],
) -> Comparison:
    """Put the parts together.

    Parameters
    ----------
    found : protocol -> representation -> (lines, seconds)
    facts : representation -> columns of the table that it decides
    """
    rows: list[tuple[dict[str, Any], Numbers | None]] = []
    pairs: list[dict[str, Any]] = []
    wrong: dict[str, dict[str, np.ndarray]] = {}
    right: dict[str, dict[str, np.ndarray]] = {}
    for protocol, of_protocol in found.items():
        chosen: dict[str, Line] = {}
        for name, (lines, seconds) in of_protocol.items():
            at_compared = compared([line.setting for line in lines])
            chosen[name] = lines[at_compared]
            for at, line in enumerate(lines):
                cells: dict[str, Any] = {"representation": name, "protocol": protocol, "setting": in_words(line)}
                cells |= {"compared": at == at_compared, **facts[name], "seconds": seconds}
                cells |= {"n_rows": line.setting["n_rows"]} if "n_rows" in line.setting else {}
                rows.append((cells, line.numbers))
        names = list(chosen)
        for first, second, pair in compare_all(truth, [chosen[name].predicted for name in names]):
            of_pair: dict[str, Any] = {
                "protocol": protocol,
                "first": names[first],
                "second": names[second],
                "difference": pair.difference,
            }
            of_pair |= {"difference_low": pair.low, "difference_high": pair.high, "p_value": pair.p_value, "p_holm": 1.0}
            kind = int if len(chosen[names[0]].predicted) == 1 else float
            of_pair |= {"only_first": kind(pair.only_first), "only_second": kind(pair.only_second)}
            pairs.append({**of_pair, "agreement": pair.agreement, "kappa": pair.kappa})
        most = np.stack([(line.predicted == truth).mean(axis=0) > 0.5 for line in chosen.values()])
        for kept, of_each in zip((wrong, right), alone(most), strict=True):
            kept[protocol] = {name: test_rows[rows] for name, rows in zip(names, of_each, strict=True)}
    for of_pair, corrected in zip(pairs, holm([one["p_value"] for one in pairs]), strict=True):
        of_pair["p_holm"] = corrected
    table = ResultTable.of_numbers(title, settings, rows, classes, unknown)
    note = "p_holm: corrected for the number of pairs and protocols (Holm)"
    columns = tuple(pairs[0])
    of_pairs = ResultTable(
        "pairs on the same test rows", columns, tuple(tuple(one[name] for name in columns) for one in pairs), {"note": note}
    )
    return Comparison(table, of_pairs, wrong, right, settings, reused)
