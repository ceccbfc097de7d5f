"""How long the parts of a comparison will take: small samples of the same work, timed and scaled up.

What a logistic regression needs is known only afterwards: its iterations depend on the data and on C. They are taken to be
`ITERATIONS`, so the estimate may be off by a factor; after each part, what is left is estimated again from the time so far.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence

import numpy as np

from fastcls._sampling.evenly import evenly_spaced
from fastcls._scoring.numbers import answers_of_scores, measure
from fastcls.linear import SoftmaxClassifier
from fastcls.neighbors import NearestNeighbors

from ..protocols import PROTOCOLS, Part, Plan
from ._estimate import seconds_of

#: mean iterations of a fit of the sweeps
ITERATIONS = 250
_SAMPLE, _QUERIES = 4096, 2048


def estimate_parts(plan: Plan, parts: Sequence[Part]) -> dict[Part, float]:
    """Return the seconds that each part will take, on this machine, now."""
    found, known, measuring = {}, {}, _measuring(plan)
    for part in parts:
        chosen = PROTOCOLS[part.protocol]
        few = chosen.kind == "few_shot" or getattr(chosen.preset, "per_class", None) is not None
        # presets that differ only in the vote, or in the number of fits, share the sample
        what = (part.representation, part.protocol if few else chosen.kind, getattr(chosen.preset, "metrics", None))
        if what not in known:
            known[what] = _few(plan, part) if few else _neighbors(plan, part) if chosen.kind == "knn" else _fit(plan, part)
        n_fits = _n_fits(part) if chosen.kind == "probe" and not few else 1
        n_settings = len(chosen.preset.ks) if chosen.kind == "knn" else 1
        found[part] = plan.n_folds * known[what] * n_fits + (0.0 if few else n_settings * measuring)
    return found


def _measuring(plan: Plan) -> float:
    """Measuring the answers of one setting to all test rows, with their intervals."""
    scores = np.random.default_rng(0).random((len(plan.truth), len(plan.classes)))
    begun = time.perf_counter()
    measure(plan.truth, [[answers_of_scores(scores, plan.truth, are_probabilities=True)]], len(plan.classes))
    return time.perf_counter() - begun


def _rows(plan: Plan, part: Part, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Evenly spaced training rows of a part, in random order, and their classes."""
    X, y = plan.training_rows(part)
    at = np.random.default_rng(0).permutation(evenly_spaced(len(X), n))
    return X[np.sort(at)], y[np.sort(at)]


def _neighbors(plan: Plan, part: Part) -> float:
    """Preparing the search, and the search of all test rows."""
    preset = PROTOCOLS[part.protocol].preset
    X, _ = plan.training_rows(part)
    queries, _ = _rows(plan, part, _QUERIES)
    k = min(max(preset.ks), len(X))
    begun = time.perf_counter()
    search = NearestNeighbors(n_neighbors=k, metric=preset.metrics[0]).fit(X)
    prepared = time.perf_counter() - begun
    n_test = len(plan.truth) // plan.n_folds
    return prepared + seconds_of(lambda n: search.kneighbors(queries[:n]), max(1, n_test), len(queries))


def _fit(plan: Plan, part: Part) -> float:
    """One fit of `ITERATIONS` iterations on all training rows."""
    X, y = _rows(plan, part, _SAMPLE)

    def fit(n_iterations: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # so few iterations need not converge
            SoftmaxClassifier(C=1.0, solver="lbfgs", scale=False, max_iter=n_iterations, tol=0.0, random_state=0).fit(X, y)

    return seconds_of(fit, ITERATIONS, 16) * plan.n_train / len(X)


def _n_fits(part: Part) -> float:
    """Fits of a linear probe; epochs of AdamW count as iterations."""
    preset = PROTOCOLS[part.protocol].preset
    if preset.adamw is not None:
        return 4 * preset.adamw.epochs / ITERATIONS  # small matrix products, by rows
    return 15 if preset.halving else len(preset.exponents) + 1 if preset.exponents else 1


def _few(plan: Plan, part: Part) -> float:
    """A protocol on few rows: one of its tries, times their number."""
    chosen = PROTOCOLS[part.protocol]
    n_tries = plan.n_tries if chosen.kind == "few_shot" else int(chosen.preset.n_draws)
    begun = time.perf_counter()
    plan.one_try(part)
    return n_tries * (time.perf_counter() - begun)
