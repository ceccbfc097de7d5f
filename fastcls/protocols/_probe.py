"""Linear probes: logistic regression on frozen features; C is chosen on validation rows, then refitted on all rows."""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np

from fastcls._runtime.pacing import Progress
from fastcls._scoring.numbers import answers_of_scores, softmax
from fastcls._scoring.repeats import count_repeats
from fastcls._scoring.table import ResultTable, add_note
from fastcls._validation.base import RandomState, check_random_state, check_run, check_switch, check_verbose
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_two_classes
from fastcls._validation.messages import counted
from fastcls._validation.rows import CheckedRows, check_same_features, check_same_names
from fastcls.linear import SoftmaxClassifier, fit_temperature
from fastcls.model_selection import advice_at_end, check_test
from fastcls.optim import shared_directions

from ..datasets import scores_test_rows, train_validation_split
from ._adamw import AdamWProbe, unit_rows
from ._draws import dinov2_split, dinov3_split
from ._evaluated import Evaluated
from ._label_probe import evaluate_label_probe
from ._logistic import Fits, Trained, scores_of, trained_to_minimum
from ._norm_penalty import at_minimum_of_norm
from ._presets import PROBE_PRESETS, ProbePreset
from ._probe_draws import probe_by_draws
from ._shards import whole
from ._validation import (
    VALIDATION,
    check_pair,
    check_preset,
    check_same_type,
    check_shards,
    check_validation,
    has_several_labels,
    published_seed,
)


@scores_test_rows
def linear_probe(
    train: Any,
    y: Any = None,
    test: Any = None,
    y_test: Any = None,
    *,
    preset: str = "clip",
    validation: Any = None,
    temperature_scaling: bool = False,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    verbose: int = 0,
) -> ResultTable:
    """Accuracy of multinomial logistic regression on test rows, by a published protocol.

    It minimises scikit-learn's function: C times the sum of the losses plus half the sum of the squared weights, with an
    unpenalised bias. Rows are centred internally, which with such a bias changes only the speed; they are not scaled. Fits
    end where no entry of the gradient of the mean loss is above 1e-6. At scikit-learn's 1e-4, predictions may still depend
    on the coordinates of the rows.

    As published, each C is a separate training that starts from 0 and runs for up to 1,000 iterations; weakly regularised
    ones use them all. "clip" trains 11 to 15 times and once more on all rows, "dinov2" 45 times and once more, "uni" once;
    `verbose` shows progress.

    Random rows are those of the published script where its seed and generator are known: "mteb", "dinov2" and "dinov3" draw
    exactly its rows if `random_state` is None. "clip-benchmark" has its first weights and order of batches; its rows are
    permuted before in a way that depends on the model built in the same process.

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
        "dinov3": the same, but a tenth of the rows of each class is set aside (facebookresearch/dinov3,
        dinov3/eval/log_regression.py and data.py).
        "uni": a single C, n_features x n_classes / 100; at most 1,000 iterations (mahmoodlab/UNI,
        uni/downstream/eval_patch_features/linear_probe.py with use_sklearn).
        "uni-torch": the same without use_sklearn, the script's default: the mean loss plus the norm of the weights, not its
        square, divided by 2 C. It takes five to seven fits of at most 1,000 iterations each (logistic_regression.py,
        compute_loss).
        "mteb": in each of 10 experiments, C = 1 and at most 100 iterations on 8 rows of each label, in float64; one row of
        the table for each experiment, and their mean (embeddings-benchmark/mteb 2.x, mteb/abstasks/classification.py).
        Rows, iterates and so the scores are those of mteb, for two classes its average precision of the predicted labels
        too.
        "torchgeo-bench": all 40 C of 10^linspace(-6, 4, 40), at most 2,000 iterations, then a fit of at most 4,000 on all
        rows (torchgeo/torchgeo-bench, src/torchgeo_bench/main.py, evaluate_logistic). With two classes it penalises the
        weights of both, which is scikit-learn's function with 2 C (src/torchgeo_bench/linear.py). Its data sets come with
        validation rows; if none are given, a stratified fifth of the training rows is set aside.
        "clip-benchmark": not L-BFGS but AdamW on rows of length 1, in float32, in minibatches of 64 for 10 epochs, learning
        rate 0.1 with a cosine schedule. With `validation`, one of 97 weight decays from 10^-6 to 10^2 is chosen by halving;
        without, it is 0, as published (LAION-AI/CLIP_benchmark, clip_benchmark/metrics/linear_probe.py).
        "mteb-multilabel", for several labels per row only: as "mteb", one logistic regression for each label, on rows drawn
        until each label has 8 (embeddings-benchmark/mteb 2.x, mteb/abstasks/multilabel_classification.py, with the
        MultiOutputClassifier(LogisticRegression()) of its audio tasks). See `knn_eval` for the names of the scores; lrap
        ranks the probabilities.
        "torchgeo-bench" takes several labels per row, too: one logistic regression for each label, on all rows, and for all
        labels the C of the best micro average precision on the validation rows (a random fifth if none are given).
        So does "dinov3", with the C of the best mean average precision of VOC 2007 (11 recalls) on a tenth of the rows of
        each label, which are the published ones; ``settings["voc2007"]`` is that of the test rows
        (dinov3/eval/log_regression.py).
        (For a model to keep, wrap `SoftmaxClassifier` in scikit-learn's OneVsRestClassifier.)
    validation : (rows, labels), optional
        Rows to choose C on, instead of training rows set aside. The last fit uses training and validation rows.
    temperature_scaling : bool
        Divide the scores by the temperature that minimises the log loss of the validation rows under a model of the chosen
        C that was trained without them (``settings["temperature"]``). It changes only the numbers of probabilities: log
        loss, calibration error and average precision.
    random_state : int, RandomState or None
        Chooses the training rows set aside as validation rows, and all other random rows. None: the published seed, if
        there is one. Unless it is an integer, one is drawn from it. ``settings["seed"]`` is that integer, if it was used.
    n_jobs, progress : as for `knn_eval`, but progress counts trainings that try a C
    verbose : int
        Above 0: print one line for each training.

    Returns
    -------
    ResultTable
        One row for each C (or weight decay) tried: accuracy on the ``validation`` rows and, for the chosen one only,
        ``top1`` and the other numbers (see `knn_eval`) on the test rows after the fit on all rows. The smallest of equally
        accurate C is chosen. If it is an end of the protocol's grid, ``settings["note"]`` says so. "mteb" has one row for
        each experiment.

    Raises
    ------
    InputError
        For rows or labels that cannot be read, an unknown preset, test or validation rows that do not fit the training
        rows, or an option that the preset does not have.

    Notes
    -----
    If the last fit stops before it meets its tolerance, ``settings["note"]`` says so.
    """
    check_random_state(random_state)
    check_verbose(verbose)
    check_switch("temperature_scaling", temperature_scaling)
    if has_several_labels(y, test):
        if temperature_scaling:
            raise InputError("temperature_scaling is for one label per row, and y has several: omit it")
        return evaluate_label_probe(
            train,
            y,
            test,
            y_test,
            preset=preset,
            validation=validation,
            random_state=random_state,
            n_jobs=n_jobs,
            progress=progress,
            verbose=verbose,
        )
    return evaluate_probe(
        train,
        y,
        test,
        y_test,
        preset=preset,
        validation=validation,
        temperature_scaling=temperature_scaling,
        random_state=random_state,
        n_jobs=n_jobs,
        progress=progress,
        verbose=verbose,
    ).table(repeats=True)


def evaluate_probe(
    train: Any,
    y: Any,
    test: Any,
    y_test: Any,
    *,
    preset: str,
    validation: Any = None,
    temperature_scaling: bool = False,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
    verbose: int = 0,
) -> Evaluated:
    """The answers of `linear_probe`."""
    check_run(n_jobs, progress)
    chosen = PROBE_PRESETS[check_preset(preset, PROBE_PRESETS)]
    if temperature_scaling and validation is None and not chosen.validation_size:
        raise InputError(
            f"temperature_scaling: preset={preset!r} sets no validation rows aside: give validation=(rows, labels)"
        )
    seed = published_seed(chosen.seed, random_state)
    classes, codes = check_pair(train, y)
    check_two_classes(classes)
    checked, truth, unknown = tested = check_test(test, y_test, classes, "l2")
    if chosen.n_draws is not None:
        if validation is not None:
            raise InputError(f"preset={chosen.name!r} chooses nothing on validation rows: omit validation")
        return probe_by_draws(chosen, train, codes, classes, tested, seed, n_jobs, progress, verbose)
    extra = None if validation is None else _checked_validation(validation, classes, checked)
    X = whole(check_shards(train, len(codes), "l2", checked))
    check_same_features(X, checked.rows)
    if extra is not None:
        check_same_features(X, extra[0], VALIDATION[0])
        check_same_type(extra[0], X)
    Q = checked.rows
    repeats = partial(count_repeats, X, codes, Q, truth)  # of rows that are not scaled yet
    if chosen.adamw is not None:
        X, Q, extra = unit_rows(X), unit_rows(Q), None if extra is None else (unit_rows(extra[0]), extra[1])
    X_all = X if extra is None else np.concatenate([X, extra[0]])
    codes_all = codes if extra is None else np.concatenate([codes, extra[1]])
    sweeps = bool(chosen.exponents) and (extra is not None or chosen.validation_size > 0)
    strength = "C" if chosen.adamw is None else "weight_decay"
    drawn = {"seed": seed} if chosen.adamw is not None or (sweeps and extra is None) else {}
    if sweeps:
        if extra is None:
            kept, aside = _set_aside(codes, chosen, seed)
            sweep = _Sweep(X[kept], codes[kept], X[aside], codes[aside], chosen, seed, n_jobs, progress, verbose)
        else:
            sweep = _Sweep(X, codes, *extra, chosen, seed, n_jobs, progress, verbose)
        tried = sweep.halving() if chosen.halving else sweep.all()
        best = best_of(tried)
        costs: dict[float, float | None] = {float(10.0**exponent): one for exponent, one in sorted(tried.items())}
        cost = 10.0**best
    else:
        fixed = X.shape[1] * len(classes) / 100 if chosen.C is None else chosen.C
        cost = float(fixed) if chosen.adamw is None else 0.0
        costs = {cost: None}
    grid = [10.0**exponent for exponent in chosen.exponents] if sweeps else []
    temperature = 1.0
    if temperature_scaling:
        (rows_apart, codes_apart), held = (sweep.data, sweep.held) if sweeps else ((X, codes), extra)
        apart = _trained(chosen, cost, rows_apart, codes_apart, seed, n_jobs, last=True)
        assert held is not None  # checked above
        temperature = fit_temperature(scores_of(apart.model, held[0], n_jobs), held[1])
    at_end = advice_at_end(strength, cost, grid, costs[cost] or 0.0, grid="those that the protocol tries")
    begun = time.perf_counter()
    model, converged, n_iter = _trained(chosen, cost, X_all, codes_all, seed, n_jobs, last=True)
    if verbose:
        took = f"{n_iter} iterations, {time.perf_counter() - begun:.1f} s"
        print(f"linear probe: {strength} = {cost:.4g} on all rows, {took}")
    shares = softmax(scores_of(model, Q, n_jobs), temperature)
    answers = answers_of_scores(shares, truth, are_probabilities=True)
    lines = [({strength: c, "validation": accuracy}, [answers] if c == cost else None) for c, accuracy in costs.items()]
    title = (
        f"linear probe by the protocol of {chosen.name}: {len(X_all):,} training, {counted(len(truth), 'test row')}, "
        f"top1 {np.mean(answers.predicted == truth):.4f} at {strength} = {cost:.4g}"
    )
    settings = {
        "name": chosen.name,
        "source": chosen.source,
        **_training_settings(chosen),
        **drawn,
        strength: float(cost),
        "iterations": n_iter,
        **({"temperature": temperature} if temperature_scaling else {}),
    }
    fits = None if chosen.adamw is not None else Fits(chosen.last_max_iter, [(converged, n_iter)])
    for note in (at_end, None if fits is None else fits.note()):  # no warnings: the protocol fixes grid and iterations
        add_note(settings, note)
    if isinstance(model, SoftmaxClassifier):
        model.classes_ = classes  # it was trained on codes
    to_keep = model if isinstance(model, SoftmaxClassifier) else None
    return Evaluated(
        title,
        settings,
        lines,
        truth,
        classes,
        unknown,
        model=to_keep,
        fits=fits,
        majority=int(np.bincount(codes_all).argmax()),
        count_repeats=repeats,
    )


def _training_settings(chosen: ProbePreset) -> dict[str, Any]:
    if chosen.adamw is not None:
        return asdict(chosen.adamw)
    return {"max_iter": chosen.last_max_iter, "tol": chosen.tol, **({"penalty": "norm"} if chosen.norm_penalty else {})}


def _checked_validation(validation: Any, classes: np.ndarray, test: CheckedRows) -> tuple[np.ndarray, np.ndarray]:
    rows, labels = check_validation(validation)
    checked, codes, unknown = check_test(rows, labels, classes, "l2", *VALIDATION)
    check_same_names(checked, test, VALIDATION[0], "test")
    if unknown:
        label = unknown[max(unknown)]
        raise InputError(f"{VALIDATION[1]} holds the label {label!r}, which does not occur in y: leave these rows out")
    return checked.rows, codes


def _set_aside(codes: np.ndarray, chosen: ProbePreset, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers (training, validation), as published; a class never loses its last training row."""
    if chosen.split == "stratified":
        return train_validation_split(codes, validation_size=chosen.validation_size, random_state=seed)
    split = dinov2_split if chosen.split == "dinov2" else dinov3_split
    kept, held = split(codes, chosen.validation_size, seed)
    lost, first = np.unique(codes[held], return_index=True)
    first = first[~np.isin(lost, codes[kept])]  # a class without a training row gets one back
    kept, held = np.append(kept, held[first]), np.delete(held, first)
    if not len(held):
        raise InputError(
            f"{counted(len(codes), 'training row')}: too few to set validation rows aside; give more, or validation rows"
        )
    return np.sort(kept), np.sort(held)


def _trained(
    chosen: ProbePreset, strength: float, X: np.ndarray, codes: np.ndarray, seed: int, n_jobs: int | None, *, last: bool
) -> Trained:
    """Train a model; `strength` is C or the weight decay.

    Each fit starts from 0, as published: started from another fit's weights, a weakly regularised one would meet its
    tolerance at once and only repeat that fit's accuracy.
    """
    if chosen.adamw is not None:
        probe = AdamWProbe(chosen.adamw, strength, seed, n_jobs).fit(X, codes, int(codes.max()) + 1)
        return Trained(probe, True, probe.n_iter_)
    max_iter = chosen.last_max_iter if last else chosen.max_iter
    if chosen.norm_penalty:
        return at_minimum_of_norm(X, codes, strength, max_iter=max_iter, tol=chosen.tol, n_jobs=n_jobs)
    if chosen.penalises_both and codes.max() == 1:
        strength = 2.0 * strength  # |-w/2|^2 + |w/2|^2 is half of the |w|^2 of scikit-learn
    return trained_to_minimum(X, codes, strength, max_iter=max_iter, tol=chosen.tol, n_jobs=n_jobs)


def best_of(tried: dict[float, float]) -> float:
    """The exponent with the highest accuracy; of equally accurate ones the smallest."""
    return max(tried, key=lambda exponent: (tried[exponent], -exponent))


def probe_of_best_cost(
    chosen: ProbePreset, X: np.ndarray, codes: np.ndarray, X_held: np.ndarray, codes_held: np.ndarray, n_jobs: int | None
) -> Any:
    """The model of the C that is most accurate on held-out rows, trained on the rows X alone."""
    tried = _Sweep(X, codes, X_held, codes_held, chosen, 0, n_jobs, None, 0).all()
    best = best_of(tried)
    return _trained(chosen, 10.0**best, X, codes, 0, n_jobs, last=True).model


class _Sweep:
    """Accuracy on the validation rows for exponents of C, or of the weight decay."""

    def __init__(
        self,
        X: np.ndarray,
        codes: np.ndarray,
        X_held: np.ndarray,
        codes_held: np.ndarray,
        chosen: ProbePreset,
        seed: int,
        n_jobs: int | None,
        progress: Progress | None,
        verbose: int,
    ) -> None:
        self.data, self.held, self.chosen = (X, codes), (X_held, codes_held), chosen
        self.progress, self.verbose, self.seed, self.n_jobs = progress, verbose, seed, n_jobs
        self.found: dict[float, float] = {}

    def accuracy(self, exponent: float, n_in_all: int) -> float:
        if exponent not in self.found:
            begun = time.perf_counter()
            model, _, n_iter = _trained(self.chosen, 10.0**exponent, *self.data, self.seed, self.n_jobs, last=False)
            self.found[exponent] = float(np.mean(scores_of(model, self.held[0], self.n_jobs).argmax(axis=1) == self.held[1]))
            if self.verbose:
                strength = "C" if self.chosen.adamw is None else "weight_decay"
                print(
                    f"linear probe: {len(self.found)} of at most {n_in_all}, {strength} = {10.0**exponent:.4g}, validation "
                    f"{self.found[exponent]:.4f}, {n_iter} iterations, {time.perf_counter() - begun:.1f} s"
                )
            if self.progress is not None:
                self.progress(min(len(self.found), n_in_all), n_in_all)
        return self.found[exponent]

    @shared_directions()
    def all(self) -> dict[float, float]:
        for exponent in self.chosen.exponents:
            self.accuracy(exponent, len(self.chosen.exponents))
        return self.found

    @shared_directions()
    def halving(self) -> dict[float, float]:
        grid, step = self.chosen.exponents, 16  # every 16th value first: two decades of C
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
