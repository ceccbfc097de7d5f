"""How long the parts of a comparison will take: small samples of the same work, timed and scaled up.

The time of an iteration of a logistic regression is measured. How many a fit needs is known only afterwards, because it
depends on the data and on C. A fit is expected to need `ITERATIONS`, and cannot need more than its protocol allows. So each
probe has a bound, which is said too. After each part, what is left is estimated again from the parts of its kind so far.
Short parts come first: they are finished soon, and the probe of the smallest representation is the measure for the others.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fastcls._scoring.numbers import answers_of_scores, measure
from fastcls.linear import SoftmaxClassifier
from fastcls.neighbors import NearestNeighbors

from ..protocols import PROTOCOLS, Part, Plan
from ._estimate import seconds_of
from ._text import about

#: iterations of a fit, in the mean over those of clip and torchgeo-bench (digits as pixels 102 and 119, as a tanh layer 63
#: and 64, as a random layer of 32 features 352 and 423; a single fit 11 to 869)
ITERATIONS = 200
_SAMPLE, _QUERIES = 4096, 2048
#: a protocol is named as one to leave out if it takes longer than this, and longer than all others together
_LONG = 60.0


@dataclass(frozen=True)
class Seconds:
    """The expected duration of a part, and the longest on a machine that is as busy as now."""

    expected: float
    most: float


def estimate_parts(plan: Plan, parts: Sequence[Part]) -> dict[Part, Seconds]:
    """Return the duration of each part, on this machine, now; the shortest first."""
    found, known, measuring = {}, {}, _measuring(plan)
    for part in parts:
        chosen = PROTOCOLS[part.protocol]
        few = chosen.kind == "few_shot" or getattr(chosen.preset, "per_class", None) is not None
        # presets that differ only in the vote, or in the number of fits, share the sample
        what = (part.representation, part.protocol if few else chosen.kind, getattr(chosen.preset, "metrics", None))
        if what not in known:
            known[what] = (
                _few(plan, part) if few else _neighbors(plan, part) if chosen.kind == "knn" else _iteration(plan, part)
            )
        n_settings = len(chosen.preset.ks) if chosen.kind == "knn" else 1
        rest = 0.0 if few else n_settings * measuring
        n_units = _n_iterations(part) if chosen.kind == "probe" and not few else (1.0, 1.0)
        found[part] = Seconds(*(plan.n_folds * known[what] * n + rest for n in n_units))
    return dict(sorted(found.items(), key=lambda one: one[1].expected))


def in_words(estimates: Mapping[Part, Seconds]) -> list[str]:
    """Return lines that say how long it takes, in all and by protocol, and what to leave out to be quicker."""
    by_protocol: dict[str, Seconds] = {}
    for part, seconds in estimates.items():
        before = by_protocol.get(part.protocol, Seconds(0.0, 0.0))
        by_protocol[part.protocol] = Seconds(before.expected + seconds.expected, before.most + seconds.most)
    total = _sum(by_protocol.values())
    line = f"this will take {_span(total)}"
    if len(by_protocol) < 2 or total.expected < 2:
        return [line]
    longest = sorted(by_protocol, key=lambda name: -by_protocol[name].expected)
    lines = [f"{line}: {', '.join(f'{name} {_span(by_protocol[name])}' for name in longest)}"]
    slow, others = longest[0], _sum(by_protocol[name] for name in longest[1:])
    if by_protocol[slow].expected > max(_LONG, others.expected):
        quick = ",".join(name for name in by_protocol if name != slow)
        lines.append(f"{slow} takes most of it; without it {about(others.expected)}: --preset {quick}")
    return lines


def _sum(parts: Iterable[Seconds]) -> Seconds:
    parts = list(parts)
    return Seconds(sum(one.expected for one in parts), sum(one.most for one in parts))


def _span(seconds: Seconds) -> str:
    expected, most = about(seconds.expected), about(seconds.most).removeprefix("about ")
    return expected if seconds.most < max(1.5 * seconds.expected, 10.0) else f"{expected} (at most {most})"


class Remaining:
    """What is left of a comparison: estimates, corrected by how long parts of the same kind took."""

    def __init__(self, estimates: Mapping[Part, Seconds]) -> None:
        self._left = {part: seconds.expected for part, seconds in estimates.items()}
        self._done: dict[str, tuple[float, float]] = {}  # seconds taken, and expected

    def finished(self, part: Part, seconds: float) -> float:
        """Note that a part took so long; return the seconds that are left."""
        kind = PROTOCOLS[part.protocol].kind
        taken, expected = self._done.get(kind, (0.0, 0.0))
        self._done[kind] = taken + seconds, expected + self._left.pop(part)
        return sum(self._factor(PROTOCOLS[one.protocol].kind) * expected for one, expected in self._left.items())

    def _factor(self, kind: str) -> float:
        taken, expected = self._done.get(kind, (0.0, 0.0))
        return taken / expected if expected > 0 else 1.0


def _measuring(plan: Plan) -> float:
    """Measuring the answers of one setting to all test rows, with their intervals."""
    scores = np.random.default_rng(0).random((len(plan.truth), len(plan.classes)))
    begun = time.perf_counter()
    measure(plan.truth, [[answers_of_scores(scores, plan.truth, are_probabilities=True)]], len(plan.classes))
    return time.perf_counter() - begun


def _rows(plan: Plan, part: Part, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Random training rows of a part, and their classes (evenly spaced ones may all have the same class)."""
    X, y = plan.training_rows(part)
    at = np.sort(np.random.default_rng(0).choice(len(X), min(n, len(X)), replace=False))
    return X[at], y[at]


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


def _iteration(plan: Plan, part: Part) -> float:
    """One iteration of a logistic regression on all training rows."""
    X, y = _rows(plan, part, _SAMPLE)

    def fit(n_iterations: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # so few iterations need not converge
            SoftmaxClassifier(C=1.0, solver="lbfgs", scale=False, max_iter=n_iterations, tol=0.0, random_state=0).fit(X, y)

    n = 100
    return seconds_of(fit, n, 16) / n * plan.n_train / len(X)


def _n_iterations(part: Part) -> tuple[float, float]:
    """Iterations of all fits of a linear probe: as many as expected, and as many as the protocol allows at most."""
    preset = PROTOCOLS[part.protocol].preset
    if preset.adamw is not None:
        return (4.0 * preset.adamw.epochs,) * 2  # an epoch in small matrix products, by rows
    n_fits = 15 if preset.halving else len(preset.exponents)
    allowed = n_fits * preset.max_iter + preset.last_max_iter
    return min((n_fits + 1) * ITERATIONS, allowed), float(allowed)


def _few(plan: Plan, part: Part) -> float:
    """A protocol on few rows: one of its tries, times their number."""
    begun = time.perf_counter()
    n_tries = plan.one_try(part)
    return n_tries * (time.perf_counter() - begun)
