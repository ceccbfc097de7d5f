"""Linear probes: logistic regression on frozen features; C is chosen on validation rows, then refitted on all rows."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from fastcls._scoring.table import ResultTable
from fastcls._search.merge import Progress
from fastcls._validation.base import RandomState, one_of, seed_of
from fastcls._validation.errors import InputError
from fastcls._validation.labels import check_labels
from fastcls._validation.linear import check_two_classes
from fastcls._validation.messages import counted
from fastcls._validation.rows import CheckedRows, check_same_features
from fastcls.linear import SoftmaxClassifier
from fastcls.model_selection import advice_at_end, check_test

from ..datasets import train_validation_split
from ._presets import PROBE_PRESETS, ProbePreset
from ._validation import check_pair, check_shards, check_validation


def linear_probe(
    train: Any,
    y: Any,
    test: Any,
    y_test: Any,
    *,
    preset: str = "clip",
    validation: Any = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    verbose: int = 0,
) -> ResultTable:
    """Accuracy of multinomial logistic regression on test rows, by a published protocol.

    It minimises scikit-learn's function: C times the sum of the losses plus half the sum of the squared weights, with an
    unpenalised bias. Rows are centred internally, which with such a bias changes only the speed; they are not scaled.

    As published, each C is a separate training that starts from 0 and runs for up to 1,000 iterations; weakly regularised
    ones use them all. "clip" trains 11 to 15 times and once more on all rows, "dinov2" 45 times and once more, "uni" once.
    On 53,666 rows of 384 features and 58 classes, "clip" takes about three minutes on two cores; `verbose` shows progress.

    Parameters
    ----------
    train, y, test, y_test : as for `knn_eval`
        Parts are concatenated in memory.
    preset : str
        "clip": C from 10^-6 to 10^6 in steps of 1/8 of a decade (96 steps), chosen by halving: starting with every second
        decade, the interval around the best C is halved until its neighbours at 1/8 have been tried; L-BFGS, at most 1,000
        iterations (Radford et al., 2021, A.3; openai/CLIP, README.md: max_iter 1000). If no validation rows are given, a
        stratified fifth of the training rows is set aside; the paper does not state a size.
        "dinov2": all 45 C of 10^linspace(-6, 5, 45), chosen on a random tenth of the training rows, at most 1,000 iterations
        (facebookresearch/dinov2, dinov2/eval/log_regression.py). Its tol of 1e-12 is 1e-6 here.
        "uni": a single C, n_features x n_classes / 100; at most 1,000 iterations (mahmoodlab/UNI,
        uni/downstream/eval_patch_features/linear_probe.py with use_sklearn: its own torch code penalises the norm of the
        weights, not its square, and averages the losses).
    validation : (rows, labels), optional
        Rows to choose C on, instead of training rows set aside. The last fit uses training and validation rows.
    random_state : int, RandomState or None
        Chooses the training rows set aside as validation rows. Unless it is an integer, one is drawn from it.
        ``settings["seed"]`` is that integer, if rows were set aside.
    n_jobs, progress : as for `knn_eval`, but progress counts trainings that try a C
    verbose : int
        Above 0: print one line for each training.

    Returns
    -------
    ResultTable
        One row for each C tried: accuracy on the ``validation`` rows and, for the chosen C only, ``top1`` on the test rows
        after the fit on all rows. The smallest of equally accurate C is chosen. If it is an end of the protocol's grid,
        ``settings["note"]`` says so.

    Raises
    ------
    InputError

    Warns
    -----
    sklearn.exceptions.ConvergenceWarning
        If the last fit stops before it meets its tolerance.
    """
    chosen = PROBE_PRESETS[one_of("preset", preset, PROBE_PRESETS)]
    seed = seed_of(random_state)
    classes, codes = check_pair(train, y)
    check_two_classes(classes)
    checked, truth = check_test(test, y_test, classes, "l2")
    extra = None if validation is None else _checked_validation(validation, classes)
    X = _whole(list(check_shards(train, len(codes), "l2")))
    check_same_features(X, checked.rows)
    if extra is not None:
        check_same_features(X, extra[0], "validation")
        if extra[0].dtype != X.dtype:
            raise InputError(f"validation is {extra[0].dtype} and train is {X.dtype}; convert one of them")
    X_all = X if extra is None else np.concatenate([X, extra[0]])
    codes_all = codes if extra is None else np.concatenate([codes, extra[1]])
    drawn = {}
    if chosen.exponents:
        if extra is None:
            drawn = {"seed": seed}
            kept, held = _set_aside(codes, chosen, seed)
            sweep = _Sweep(X[kept], codes[kept], X[held], codes[held], chosen, n_jobs, progress, verbose)
        else:
            sweep = _Sweep(X, codes, *extra, chosen, n_jobs, progress, verbose)
        tried = sweep.halving() if chosen.halving else sweep.all()
        best = max(tried, key=lambda exponent: (tried[exponent], -exponent))
        costs: dict[float, float | None] = {10.0**exponent: accuracy for exponent, accuracy in sorted(tried.items())}
        cost = 10.0**best
    else:
        cost = X.shape[1] * len(classes) / 100
        costs = {cost: None}
    at_end = advice_at_end("C", cost, [10.0**exponent for exponent in chosen.exponents], costs[cost] or 0.0)
    begun = time.perf_counter()
    model = _classifier(chosen, cost, n_jobs).fit(X_all, codes_all)
    if verbose:
        print(f"linear probe: C = {cost:.4g} on all rows, {model.n_iter_} iterations, {time.perf_counter() - begun:.1f} s")
    right = int(np.count_nonzero(model.predict(checked.rows) == truth))
    rows = tuple((float(c), accuracy, right / len(truth) if c == cost else None) for c, accuracy in costs.items())
    title = (
        f"linear probe by the protocol of {chosen.name}: {len(X_all):,} training, {counted(len(truth), 'test row')}, "
        f"top1 {right / len(truth):.4f} at C = {cost:.4g}"
    )
    settings = {
        "name": chosen.name,
        "source": chosen.source,
        "max_iter": chosen.max_iter,
        "tol": chosen.tol,
        **drawn,
        "C": float(cost),
        "iterations": int(model.n_iter_),
    }
    if at_end is not None:  # a note, not a warning: the protocol fixes the grid
        settings["note"] = at_end.replace("tried; ", "that the protocol tries; ").removesuffix(": try some")
    return ResultTable(title, ("C", "validation", "top1"), rows, settings)


def _whole(parts: list[CheckedRows]) -> np.ndarray:
    return parts[0].rows if len(parts) == 1 else np.concatenate([part.rows for part in parts])


def _checked_validation(validation: Any, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, labels = check_validation(validation)
    checked, codes = check_test(rows, labels, classes, "l2", "validation")
    if (codes < 0).any():
        known, _ = check_labels(labels, len(checked.rows), "y_validation")
        unknown = [label for label in known.tolist() if label not in set(classes.tolist())]
        raise InputError(f"y_validation holds the label {unknown[0]!r}, which does not occur in y: leave these rows out")
    return checked.rows, codes


def _set_aside(codes: np.ndarray, chosen: ProbePreset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (training, validation): stratified for "clip", random for "dinov2", as published."""
    if chosen.halving:
        return train_validation_split(codes, validation_size=chosen.validation_size, random_state=seed)
    mixed = np.random.default_rng(seed).permutation(len(codes))
    n = max(1, int(len(codes) * chosen.validation_size))
    if n >= len(codes):
        raise InputError(
            f"train has {counted(len(codes), 'row')}, too few to set validation rows aside: give more, or validation rows"
        )
    kept, held = mixed[n:], mixed[:n]
    lost, first = np.unique(codes[held], return_index=True)
    first = first[~np.isin(lost, codes[kept])]  # a class without a training row gets one back
    kept, held = np.append(kept, held[first]), np.delete(held, first)
    if not len(held):
        raise InputError(
            f"train has {counted(len(codes), 'row')}, too few to set validation rows aside: give more, or validation rows"
        )
    return np.sort(kept), np.sort(held)


def _classifier(chosen: ProbePreset, cost: float, n_jobs: int | None) -> SoftmaxClassifier:
    return SoftmaxClassifier(
        C=cost,
        solver="lbfgs",
        center=True,
        scale=False,
        max_iter=chosen.max_iter,
        tol=chosen.tol,
        random_state=0,
        init_scale=0.0,
        n_jobs=n_jobs,
    )


class _Sweep:
    """Accuracy on the validation rows for exponents of C.

    Each fit starts from 0, as published: started from another fit's weights, a weakly regularised one would meet its
    tolerance at once and only repeat that fit's accuracy.
    """

    def __init__(self, X, codes, X_held, codes_held, chosen: ProbePreset, n_jobs, progress: Progress | None, verbose: int):
        self.data, self.held, self.chosen = (X, codes), (X_held, codes_held), chosen
        self.progress, self.verbose = progress, verbose
        self.model = _classifier(chosen, 1.0, n_jobs)
        self.found: dict[float, float] = {}

    def accuracy(self, exponent: float, n_in_all: int) -> float:
        if exponent not in self.found:
            X, codes = self.data
            begun = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # only the last fit is a result
                self.model.set_params(C=10.0**exponent).fit(X, codes)
            self.found[exponent] = float(np.mean(self.model.predict(self.held[0]) == self.held[1]))
            if self.verbose:
                print(
                    f"linear probe: {len(self.found)} of at most {n_in_all}, C = {10.0**exponent:.4g}, validation "
                    f"{self.found[exponent]:.4f}, {self.model.n_iter_} iterations, {time.perf_counter() - begun:.1f} s"
                )
            if self.progress is not None:
                self.progress(min(len(self.found), n_in_all), n_in_all)
        return self.found[exponent]

    def all(self) -> dict[float, float]:
        for exponent in self.chosen.exponents:
            self.accuracy(exponent, len(self.chosen.exponents))
        return self.found

    def halving(self) -> dict[float, float]:
        grid, step = self.chosen.exponents, 16  # two decades, in eighths of one
        n_in_all = len(grid[::step]) + 2 * int(math.log2(step))
        best = 0
        for at in range(0, len(grid), step):
            if self.accuracy(grid[at], n_in_all) > self.accuracy(grid[best], n_in_all):
                best = at
        while step > 1:
            step //= 2
            near = [at for at in (best - step, best, best + step) if 0 <= at < len(grid)]
            best = max(near, key=lambda at: (self.accuracy(grid[at], n_in_all), -at))
        return self.found
