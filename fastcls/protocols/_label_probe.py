"""Linear probes of several labels per row: one logistic regression a label, and one C for all, chosen on validation rows."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.special import expit
from sklearn.metrics import average_precision_score, precision_recall_curve

from fastcls._runtime.pacing import Progress
from fastcls._scoring.label_numbers import LabelAnswers, measure_labels
from fastcls._scoring.table import ResultTable, add_note
from fastcls._validation.base import RandomState, check_run
from fastcls._validation.errors import InputError
from fastcls._validation.label_matrix import check_label_matrix, check_same_labels
from fastcls._validation.rows import CheckedRows, check_rows, check_same_features, check_same_names
from fastcls.model_selection import advice_at_end
from fastcls.optim import shared_directions

from ..datasets import train_validation_split
from ._draws import dinov3_label_split
from ._logistic import Fits, scores_of, trained_to_minimum
from ._multilabel import Labels, check_label_preset, checked_label_test, checked_labels, label_table, probe_of_labels
from ._presets import LABEL_PROBES, MULTILABEL_PRESETS, PROBE_PRESETS, ProbePreset
from ._shards import whole
from ._validation import VALIDATION, check_same_type, check_shards, check_validation, published_seed


@shared_directions()
def evaluate_label_probe(
    train: Any,
    y: Any,
    test: Any,
    y_test: Any,
    *,
    preset: str,
    validation: Any = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    verbose: int = 0,
) -> ResultTable:
    """`linear_probe` with several labels per row."""
    check_run(n_jobs, progress)
    check_label_preset(
        preset,
        [*MULTILABEL_PRESETS, *LABEL_PROBES],
        "; for a probe with a C of your own, scikit-learn's OneVsRestClassifier",
    )
    if preset in MULTILABEL_PRESETS:
        if validation is not None:
            raise InputError(f"preset={preset!r} chooses nothing on validation rows: omit validation")
        return probe_of_labels(
            train, y, test, y_test, preset=preset, random_state=random_state, n_jobs=n_jobs, progress=progress
        )
    chosen, labels = PROBE_PRESETS[preset], checked_labels(y, y_test)
    checked = checked_label_test(test, labels, "l2")
    X = whole(check_shards(train, len(labels.train), "l2", checked))
    check_same_features(X, checked.rows)
    Y, drawn = labels.train, {}  # C must not depend on which labels the test rows have
    if validation is None:
        seed = published_seed(chosen.seed, random_state)
        if chosen.split == "dinov3":
            kept, aside = map(np.sort, dinov3_label_split(labels.train, chosen.validation_size, seed))
        else:  # all rows as one class: the size of the part is not published, and sets of labels are too many to stratify by
            kept, aside = train_validation_split(
                np.zeros(len(X), dtype=np.int64), validation_size=chosen.validation_size, random_state=seed
            )
        fit, held, drawn = (X[kept], Y[kept]), (X[aside], Y[aside]), {"seed": seed}
        X_all, Y_all = X, Y
    else:
        fit, held = (X, Y), _checked_validation(validation, X, labels, checked)
        X_all, Y_all = np.concatenate([X, held[0]]), np.concatenate([Y, held[1]])
    if not held[1].any():
        raise InputError(
            "no validation row has any label, so no C can be chosen on them: give more rows, or validation rows"
        )
    found: dict[float, float] = {}
    for exponent in chosen.exponents:
        begun, C = time.perf_counter(), float(10.0**exponent)
        _, margins = _margins(chosen, C, *fit, held[0], n_jobs, last=False)
        found[C] = _number_of(LABEL_PROBES[preset], held[1], expit(margins))
        if verbose:
            took = f"{time.perf_counter() - begun:.1f} s"
            print(f"linear probe: {len(found)} of {len(chosen.exponents)}, C = {C:.4g}, validation {found[C]:.4f}, {took}")
        if progress is not None:
            progress(len(found), len(chosen.exponents))
    best = max(found, key=lambda C: (found[C], -C))  # of equally good ones the smallest
    fits, margins = _margins(chosen, best, X_all, Y_all[:, labels.kept], checked.rows, n_jobs, last=True)
    shares = expit(margins)
    (numbers,) = measure_labels(labels.test, [[LabelAnswers(margins > 0, shares, shares)]])
    lines = [({"C": C, "validation": value}, numbers if best == C else None) for C, value in found.items()]
    settings = {
        "name": chosen.name,
        "source": chosen.source,
        "max_iter": chosen.last_max_iter,
        "tol": chosen.tol,
        **drawn,
        "C": best,
    }
    if LABEL_PROBES[preset] == "voc2007":
        settings["voc2007"] = voc2007(labels.test, shares)
    for note in (advice_at_end("C", best, list(found), found[best], grid="those that the protocol tries"), fits.note()):
        add_note(settings, note)
    return label_table(f"linear probe by the protocol of {chosen.name}", settings, lines, labels)


def _number_of(name: str, labels: np.ndarray, shares: np.ndarray) -> float:
    """The number by which C is chosen; labels that no validation row has cannot be ranked."""
    some = labels.any(axis=0)
    if name == "voc2007":
        return voc2007(labels[:, some], shares[:, some])
    return float(average_precision_score(labels, shares, average="micro"))


def voc2007(labels: np.ndarray, shares: np.ndarray) -> float:
    """Mean over the labels, and over 11 recalls from 0 to 1, of the largest precision at that recall or above.

    References
    ----------
    M. Everingham et al., The PASCAL visual object classes (VOC) challenge, 2010. facebookresearch/dinov3,
    dinov3/eval/metrics/classification.py, MeanAveragePrecisionVOC2007, whose recalls are float32.
    """
    step = np.arange(11, dtype=np.float32)
    levels = np.where(step < 5, step * np.float32(0.1), np.float32(1) - step[::-1] * np.float32(0.1))  # torch.linspace
    found = []
    for own, share in zip(labels.T, shares.T, strict=True):
        precision, recall, _ = precision_recall_curve(own, share)
        found += [precision[recall.astype(np.float32) >= level].max() for level in levels]
    return float(np.mean(found))


def _checked_validation(validation: Any, X: np.ndarray, labels: Labels, test: CheckedRows) -> tuple[np.ndarray, np.ndarray]:
    given, table = check_validation(validation)
    checked = check_rows(given, VALIDATION[0])
    check_same_names(checked, test, VALIDATION[0], "test")
    rows = checked.rows
    check_same_features(X, rows, VALIDATION[0])
    check_same_type(rows, X)
    Y, _ = check_label_matrix(table, len(rows), *reversed(VALIDATION))
    check_same_labels(Y, labels.train.shape[1], VALIDATION[1], "y")
    return rows, Y


def _margins(
    chosen: ProbePreset, C: float, X: np.ndarray, Y: np.ndarray, queries: np.ndarray, n_jobs: int | None, *, last: bool
) -> tuple[Fits, np.ndarray]:
    """(how the fits ended, score of every label for every query, float64).

    One fit after the other: minimising the sum of all labels needs as many iterations as the slowest label and more, each
    over all labels (20 labels of embeddings: 213 instead of 22 to 73).
    """
    margins = np.empty((len(queries), Y.shape[1]))
    max_iter = chosen.last_max_iter if last else chosen.max_iter
    fits = Fits(max_iter, [])
    for label in range(Y.shape[1]):
        codes = Y[:, label].astype(np.int64)
        if codes.min() == codes.max():  # no weight is better than 0, and no bias is the best: scikit-learn's constant
            margins[:, label] = np.inf if codes[0] else -np.inf
            continue
        model, converged, n_iter = trained_to_minimum(X, codes, C, max_iter=max_iter, tol=chosen.tol, n_jobs=n_jobs)
        fits.ends.append((converged, n_iter))
        scores = scores_of(model, queries, n_jobs)
        margins[:, label] = scores[:, 1] - scores[:, 0]
    return fits, margins
