"""Evaluations of several labels per row: k-NN by any preset that votes with all rows, and MTEB's multilabel protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from fastcls._runtime import threads
from fastcls._runtime.pacing import Progress
from fastcls._scoring.label_numbers import LabelAnswers, measure_labels
from fastcls._scoring.label_votes import vote_labels
from fastcls._scoring.numbers import Numbers
from fastcls._scoring.table import ResultTable, add_note
from fastcls._scoring.votes import weights_of
from fastcls._search.merge import nearest_at_once
from fastcls._search.rows import Rows
from fastcls._validation.base import RandomState, check_run, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.label_matrix import check_label_matrix
from fastcls._validation.messages import counted, shortened
from fastcls._validation.rows import CheckedRows, check_rows, check_same_features
from fastcls._validation.types import widened
from fastcls.metrics import METRICS, check_magnitude

from ._draws import mteb_label_draws
from ._logistic import Fits, fit_logistic, scores_of
from ._nearest import nearest_by_preset
from ._presets import KNN_PRESETS, MULTILABEL_PRESETS, PROBE_PRESETS, KNNPreset, MultilabelPreset, settings_of
from ._shards import gather
from ._validation import check_label_count, check_preset_ks, check_shards, published_seed

#: from training rows and their labels to the labels of the test rows
_Classifier = Callable[[np.ndarray, np.ndarray], LabelAnswers]


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels of the training rows, uint8 (n_rows, n_labels); of the test rows, bool, in the columns `kept` that some has."""

    train: np.ndarray
    test: np.ndarray
    kept: np.ndarray


def neighbors_of_labels(
    train: Any,
    y: Any,
    test: Any,
    y_test: Any,
    *,
    preset: str,
    random_state: RandomState,
    n_jobs: int | None,
    progress: Progress | None,
) -> ResultTable:
    """`knn_eval` with several labels per row."""
    names = [*(name for name, one in KNN_PRESETS.items() if one.per_class is None), *MULTILABEL_PRESETS]
    check_label_preset(preset, names)
    check_run(n_jobs, progress)
    labels, n_threads = checked_labels(y, y_test), threads.effective(n_jobs)
    if preset in MULTILABEL_PRESETS:
        few = MULTILABEL_PRESETS[preset]
        checked = checked_label_test(test, labels, "l2")
        queries = Rows.of(checked)

        def answer(rows: np.ndarray, own: np.ndarray) -> LabelAnswers:
            k = int(check_preset_ks((few.k,), len(rows), few.name)[0])
            _, indices = nearest_at_once([CheckedRows(rows, 0, ())], queries, k, "l2", n_threads)
            predicted, _, shares = vote_labels(indices, None, own, tie_break="smallest")
            return LabelAnswers(predicted, shares, predicted.astype(np.float64))  # mteb ranks the predicted labels

        settings = {"k": few.k, "metric": "l2", "weights": "uniform"}
        return _by_draws(
            few, f"k-NN by the protocol of {few.name}", settings, train, labels, checked, random_state, answer, progress
        )
    chosen = KNN_PRESETS[preset]
    checked = checked_label_test(test, labels, chosen.metrics[0])
    ks = check_preset_ks(chosen.ks, len(labels.train), chosen.name, chosen.clamped)
    S, indices = nearest_by_preset(chosen, train, len(labels.train), checked, int(ks[-1]), n_threads, progress)
    lines = [({"k": k}, _numbers_of_votes(chosen, S[:, :k], indices[:, :k], labels)) for k in ks.tolist()]
    return label_table(f"k-NN by the protocol of {chosen.name}", settings_of(chosen), lines, labels)


def probe_of_labels(
    train: Any,
    y: Any,
    test: Any,
    y_test: Any,
    *,
    preset: str,
    random_state: RandomState,
    n_jobs: int | None,
    progress: Progress | None,
) -> ResultTable:
    """`linear_probe` by MTEB's protocol with several labels per row: one logistic regression a label, on a few rows."""
    chosen, labels = MULTILABEL_PRESETS[preset], checked_labels(y, y_test)
    fits = Fits(chosen.max_iter, [])
    checked = checked_label_test(test, labels, "l2")

    def answer(rows: np.ndarray, own: np.ndarray) -> LabelAnswers:
        constant = np.flatnonzero((own == own[:1]).all(axis=0))
        if len(constant):
            raise InputError(
                f"all {counted(len(rows), 'row')} of a draw {'have' if own[0, constant[0]] else 'lack'} the label in column "
                f"{labels.kept[constant[0]]} of y, so no probe can be trained for it: leave it out, or give more rows"
            )
        wide, margins = widened(rows, np.float64), np.empty(labels.test.shape)
        for label in range(own.shape[1]):
            model = fit_logistic(wide, own[:, label], 2, C=chosen.C, max_iter=chosen.max_iter, tol=chosen.tol, n_jobs=n_jobs)
            fits.ends.append((model.converged, model.n_iter_))
            scores = scores_of(model, checked.rows, n_jobs)
            margins[:, label] = scores[:, 1] - scores[:, 0]
        shares = expit(margins)
        return LabelAnswers(margins > 0, shares, shares)

    settings: dict[str, Any] = {"C": chosen.C, "max_iter": chosen.max_iter, "tol": chosen.tol}
    title = f"linear probe by the protocol of {chosen.name}"
    table = _by_draws(chosen, title, settings, train, labels, checked, random_state, answer, progress)
    add_note(table.settings, fits.note())
    return table


def check_label_preset(preset: Any, own: Iterable[str], also: str = "") -> None:
    if isinstance(preset, str) and preset in {*KNN_PRESETS, *PROBE_PRESETS} - {*own}:
        raise InputError(
            f"preset={preset!r} is for one label per row, and y has several: choose one of: {', '.join(own)}{also}"
        )
    one_of("preset", preset, own, also=also)


def checked_labels(y: Any, y_test: Any) -> Labels:
    (labels, _), (truth, _) = check_label_matrix(y), check_label_matrix(y_test, name="y_test")
    if truth.shape[1] != labels.shape[1]:
        raise InputError(
            f"y_test has {counted(truth.shape[1], 'column')} and y has {labels.shape[1]:,}: give both one column for each "
            "label, in the same order"
        )
    kept = np.flatnonzero(truth.any(axis=0))
    if len(kept) < 2:
        raise InputError(
            f"the test rows have {counted(len(kept), 'label')} in all; wanted two or more: evaluate a single label as two "
            "classes, with y[:, column]"
        )
    return Labels(labels, truth[:, kept].view(bool), kept)


def checked_label_test(test: Any, labels: Labels, metric: str) -> CheckedRows:
    checked = check_rows(test, "test")
    check_magnitude(checked.rows, "test", metric)
    if len(checked.rows) != len(labels.test):
        raise InputError(
            f"y_test has {counted(len(labels.test), 'row')} of labels for {counted(len(checked.rows), 'row')} of test: give "
            "one row of labels for each test row"
        )
    return checked


def _numbers_of_votes(chosen: KNNPreset, S: np.ndarray, indices: np.ndarray, labels: Labels) -> Numbers:
    metric, weights = chosen.metrics[0], None
    if chosen.weights != "uniform":
        weights = weights_of(METRICS[metric].to_distance(S.copy()), chosen.weights, chosen.temperature or 1.0, metric)
    predicted, _, shares = vote_labels(indices, weights, labels.train[:, labels.kept], tie_break="smallest")
    (numbers,) = measure_labels(labels.test, [[LabelAnswers(predicted, shares, shares)]])
    return numbers


def _by_draws(
    chosen: MultilabelPreset,
    title: str,
    settings: dict[str, Any],
    train: Any,
    labels: Labels,
    test: CheckedRows,
    random_state: RandomState,
    answer: _Classifier,
    progress: Progress | None,
) -> ResultTable:
    """One row for each experiment, and their mean."""
    n_rows = len(labels.train)
    check_label_count(train, n_rows)
    if not labels.train.any():
        raise InputError("y is 0 everywhere, so no training row has a label to draw it by: give labels")
    seed = published_seed(chosen.seed, random_state)
    draws = mteb_label_draws(labels.train, chosen.per_label, chosen.n_draws, seed)
    wanted = np.unique(np.concatenate(draws))
    rows = gather(check_shards(train, n_rows, "l2", test), wanted)
    check_same_features(rows, test.rows)
    found: list[LabelAnswers] = []
    for number, drawn in enumerate(draws):
        found.append(answer(rows[np.searchsorted(wanted, drawn)], labels.train[drawn][:, labels.kept]))
        if progress is not None:
            progress(number + 1, len(draws))
    numbers = measure_labels(labels.test, [*([one] for one in found), found])
    lines = [({"experiment": name}, one) for name, one in zip([*range(1, len(found) + 1), "mean"], numbers, strict=True)]
    constants = {"name": chosen.name, "source": chosen.source, **settings, "per_label": chosen.per_label}
    return label_table(title, {**constants, "n_draws": chosen.n_draws, "seed": seed}, lines, labels)


def label_table(
    title: str, settings: dict[str, Any], lines: Sequence[tuple[Mapping[str, Any], Numbers | None]], labels: Labels
) -> ResultTable:
    title = f"{title}: {len(labels.train):,} training, {counted(len(labels.test), 'test row')}, several labels per row"
    table = ResultTable.of_numbers(title, settings, lines, labels.kept)
    n_labels = labels.train.shape[1]
    if n_left_out := n_labels - len(labels.kept):
        add_note(table.settings, f"{n_left_out:,} of {counted(n_labels, 'label')} left out: no test row has them")
    lacking = labels.kept[~labels.train[:, labels.kept].any(axis=0)].tolist()
    if lacking:
        columns = f"{'column' if len(lacking) == 1 else 'columns'} {shortened(map(str, lacking))} of y"
        has, it = ("has", "it is") if len(lacking) == 1 else ("have", "they are")
        add_note(
            table.settings, f"{counted(len(lacking), 'label')} ({columns}) {has} no training row, so {it} never predicted"
        )
    return table
