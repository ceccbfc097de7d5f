"""A linear probe on a few rows of each class, several times: mteb's classification."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastcls._runtime.pacing import Progress
from fastcls._scoring.numbers import Answers, answers_of_scores, softmax
from fastcls._scoring.table import add_note
from fastcls._validation.messages import counted
from fastcls._validation.rows import check_same_features
from fastcls._validation.types import widened
from fastcls.model_selection import CheckedTest

from ._draws import mteb_draws
from ._evaluated import Evaluated, names_of_mteb, with_labels_ranked
from ._logistic import Fits, fit_logistic, scores_of
from ._presets import ProbePreset
from ._shards import gather
from ._validation import check_shards


def probe_by_draws(
    chosen: ProbePreset,
    train: Any,
    codes: np.ndarray,
    classes: np.ndarray,
    checked: CheckedTest,
    seed: int,
    n_jobs: int | None,
    progress: Progress | None,
    verbose: int,
) -> Evaluated:
    """The answers of each experiment, and of all."""
    assert chosen.per_class is not None
    assert chosen.n_draws is not None
    assert chosen.C is not None
    test, truth, unknown = checked
    draws = mteb_draws(codes, chosen.per_class, chosen.n_draws, seed)
    wanted = np.unique(np.concatenate(draws))
    rows = widened(gather(check_shards(train, len(codes), "l2", test), wanted), np.float64)
    check_same_features(rows, test.rows)
    found: list[Answers] = []
    fits, n_classes = Fits(chosen.max_iter, []), len(classes)
    for number, drawn in enumerate(draws):
        begun = time.perf_counter()
        part = rows[np.searchsorted(wanted, drawn)]
        model = fit_logistic(
            part, codes[drawn], n_classes, C=chosen.C, max_iter=chosen.max_iter, tol=chosen.tol, n_jobs=n_jobs
        )
        fits.ends.append((model.converged, model.n_iter_))
        scores = scores_of(model, test.rows, n_jobs)
        found.append(mteb_answers(scores, truth))
        if verbose:
            took = f"{model.n_iter_} iterations, {time.perf_counter() - begun:.1f} s"
            top1 = np.mean(found[-1].predicted == truth)
            print(f"linear probe: experiment {number + 1} of {len(draws)}, top1 {top1:.4f}, {took}")
        if progress is not None:
            progress(number + 1, len(draws))
    lines: list[tuple[dict[str, Any], list[Answers] | None]]
    lines = [*(({"experiment": number}, [one]) for number, one in enumerate(found, 1)), ({"experiment": "mean"}, found)]
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
    add_note(settings, fits.note())
    title = f"linear probe by the protocol of {chosen.name}: {len(codes):,} training, {counted(len(truth), 'test row')}"
    return Evaluated(title, settings, lines, truth, classes, unknown, names_of_mteb(truth, n_classes), fits=fits)


def mteb_answers(scores: np.ndarray, truth: np.ndarray) -> Answers:
    """The answers of a linear model in mteb, from its scores."""
    return with_labels_ranked(answers_of_scores(softmax(scores), truth, are_probabilities=True), truth, scores.shape[1])
