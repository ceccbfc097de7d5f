"""A linear probe on a few rows of each class, several times: mteb's classification."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score, f1_score

from fastcls._gradient.problem import linear_scores
from fastcls._runtime import threads
from fastcls._scoring.table import ResultTable
from fastcls._search.merge import Progress
from fastcls._validation.messages import counted
from fastcls._validation.rows import CheckedRows, check_same_features

from ._draws import mteb_draws
from ._logistic import fit_logistic
from ._presets import ProbePreset
from ._shards import gather
from ._validation import check_shards


def probe_by_draws(
    chosen: ProbePreset,
    train: Any,
    codes: np.ndarray,
    n_classes: int,
    test: CheckedRows,
    truth: np.ndarray,
    seed: int,
    n_jobs: int | None,
    progress: Progress | None,
    verbose: int,
) -> ResultTable:
    """One row for each experiment, and their mean."""
    assert chosen.per_class is not None
    assert chosen.n_draws is not None
    assert chosen.C is not None
    draws = mteb_draws(codes, chosen.per_class, chosen.n_draws, seed)
    wanted = np.unique(np.concatenate(draws))
    rows = gather(check_shards(train, len(codes), "l2"), wanted).astype(np.float64)
    check_same_features(rows, test.rows)
    found, stopped = [], 0
    for number, drawn in enumerate(draws):
        begun = time.perf_counter()
        part = rows[np.searchsorted(wanted, drawn)]
        model = fit_logistic(
            part, codes[drawn], n_classes, C=chosen.C, max_iter=chosen.max_iter, tol=chosen.tol, n_jobs=n_jobs
        )
        stopped += not model.converged
        predicted = linear_scores(test.rows, model.coef_, model.intercept_, threads.effective(n_jobs)).argmax(axis=1)
        found.append(mteb_scores(truth, predicted, n_classes))
        if verbose:
            took = f"{model.n_iter_} iterations, {time.perf_counter() - begun:.1f} s"
            print(f"linear probe: experiment {number + 1} of {len(draws)}, top1 {found[-1]['top1']:.4f}, {took}")
        if progress is not None:
            progress(number + 1, len(draws))
    columns = tuple(found[0])
    means = tuple(float(np.mean([one[name] for one in found])) for name in columns)
    lines = [(number + 1, *one.values()) for number, one in enumerate(found)]
    settings = {
        "name": chosen.name,
        "source": chosen.source,
        "max_iter": chosen.max_iter,
        "tol": chosen.tol,
        "C": chosen.C,
        "per_class": chosen.per_class,
        "n_draws": chosen.n_draws,
        "seed": seed,
    }
    if stopped:
        settings["note"] = (
            f"{stopped} of {counted(len(draws), 'fit')} stopped after {chosen.max_iter} iterations, as published"
        )
    title = f"linear probe by the protocol of {chosen.name}: {len(codes):,} training, {counted(len(truth), 'test row')}"
    return ResultTable(title, ("experiment", *columns), (*lines, ("mean", *means)), settings)


def mteb_scores(truth: np.ndarray, predicted: np.ndarray, n_classes: int) -> dict[str, float]:
    """The scores of one experiment by name; average precision, of the predicted labels, for two classes only."""
    found = {
        "top1": float(np.mean(truth == predicted)),
        "macro_f1": float(f1_score(truth, predicted, average="macro")),
        "weighted_f1": float(f1_score(truth, predicted, average="weighted")),
    }
    if n_classes == 2 and len(np.unique(truth)) == 2 and truth.min() == 0:
        found["average_precision"] = float(average_precision_score(truth, predicted))
    return found
