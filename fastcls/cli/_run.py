"""``fastcls run``: from a data set to evaluated classifiers, one plain function per step.

load -> train and test rows -> k-NN (cross-validation of k and metric), random search, SVM, softmax (gradient check,
sweep of alpha) -> each evaluated once on the test set -> the files (``_writing.py``). Until then, only `TestSet.evaluate`
uses the test labels. A failed step is reported in one line, and the other results are kept.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from fastcls._runtime.pacing import Progress as Report
from fastcls._sampling.proportion import wilson_interval
from fastcls._scoring.intervals import mcnemar
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted_list
from fastcls._validation.types import name_of
from fastcls.model_selection import check_folds, check_ks, cross_validate_k
from fastcls.neighbors import KNeighborsClassifier

from ..datasets import Dataset
from . import _data, _linear, _results
from ._checks import MODELS, RunOptions
from ._checksum import checksums
from ._estimate import estimate_seconds
from ._failures import Failures, described
from ._folder import OutputFolder, default_folder
from ._outcome import Outcome
from ._predictions import names_of, write_errors, write_predictions, wrong_rows
from ._progress import Progress
from ._repeats import count_repeats, repeats_note
from ._significance import best_is_known, not_significantly_worse
from ._split import Division
from ._table import best_model
from ._test_set import Evaluation, TestSet
from ._text import about
from ._writing import source_of, write_all

#: a run whose estimate is longer than this suggests --limit
LONG_SECONDS = 600

#: folds without --folds, unless the classes are smaller
DEFAULT_FOLDS = 5

#: test rows in the figure of neighbours, and neighbours of each
SHOWN_QUERIES, SHOWN_NEIGHBORS = 8, 8


@dataclass
class Trained:
    """One model of the run, trained and not yet evaluated."""

    model: Any
    entry: dict[str, Any]
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """What the closing lines need."""

    results: dict[str, Any]
    folder: Path


Job = Callable[[RunOptions, Path, Progress], dict[str, Any]]


def run(options: RunOptions, progress: Progress, job: Job | None = None) -> Finished:
    """Do the whole job (default: `work`). The folder appears at the end, complete, or not at all."""
    target = options.out if options.out is not None else default_folder(options.data, options.folder_ending)
    folder = OutputFolder(target, force=options.force, data=options.data)
    if options.out is None and target.parent != Path():
        progress.line(f"the results will be in {target}, outside the folder of the data")
    try:
        with folder as temporary, progress.library_as_notes():
            results = (job or work)(options, temporary, progress)
            folder.publish()
    except KeyboardInterrupt:
        done = f"the results are in {folder.target}" if folder.published else "nothing was written"
        raise KeyboardInterrupt(f"interrupted; {done}") from None
    if folder.target != target:
        progress.line(f"note: {target} was created by another program during the run; the results are in {folder.target}")
    if folder.replaced is not None and folder.replaced != options.command.removesuffix(" --force"):
        progress.line(f"note: {target} had the results of another run, which are replaced: {folder.replaced}")
    if folder.left_over is not None:
        progress.line(f"note: {target} contained files that fastcls run did not write; they are now in {folder.left_over}")
    return Finished(results, folder.target)


def work(options: RunOptions, folder: Path, progress: Progress) -> dict[str, Any]:
    """Load, train, evaluate and write everything into ``folder``; return the contents of results.json."""
    with progress.step("loading the data") as report:
        dataset, division = load_data(options, report)
    announce_data(dataset, progress)
    division = replace(division, repeats=announce_repeats(dataset, progress), checksums=compute_checksums(dataset, progress))
    announce_duration(dataset, options, progress)
    X, y = dataset.X, dataset.y
    test = TestSet(*test_part(dataset))

    failures = Failures(progress)
    trained = train_all(X, y, options, progress, failures)
    evaluations: dict[str, Evaluation] = {}
    with failures.kept("evaluating the models"):
        evaluate_all(test, trained, progress, failures, evaluations)
    results = _results.results_head(
        dataset, division, options, len(test), progress.notes, evaluations=test.evaluations.total()
    )
    results["not_evaluated"] = {name: _results.as_plain(one.entry) for name, one in trained.items()}
    with failures.kept("collecting the results"):
        results = collect(dataset, division, options, trained, evaluations, test, progress.notes, failures)
    outcome = outcome_of(results, dataset, division, options, progress.notes, failures)
    if results["models"]:
        with failures.kept("preparing the report"):
            outcome = make_outcome(outcome, trained, evaluations)
    with failures.kept("writing predictions.csv"):
        write_predictions(dataset, division, evaluations, folder / "predictions.csv")
    with failures.kept("writing errors.csv"):
        write_errors(dataset, division, evaluations, folder / "errors.csv")
    write_all(outcome, {name: one.model for name, one in trained.items()}, folder, progress)
    return results


def load_data(options: RunOptions, report: Report) -> tuple[Dataset, Division]:
    """Return the data with a test set, and how it was divided. Data that cannot be used is refused here."""
    dataset, division = _data.load_divided(options, report)
    _data.refuse_one_class(dataset.y, dataset.class_names, f"training rows of {options.data}")
    if options.protocol is None and np.bincount(dataset.y).max() < 2:
        larger = ", or a larger --limit" if options.limit else ""
        raise InputError(
            f"each of the {len(dataset.y):,} training rows of {options.data} has a class of its own, so no setting can be "
            f"chosen: give at least two rows of one class{larger}"
        )
    if "knn" in options.models and options.protocol is None:
        folds = folds_of(options, dataset.y)
        check_ks(options.ks, len(dataset.y) - (1 if folds == "loo" else -(-len(dataset.y) // folds)))
    return dataset, division


def folds_of(options: RunOptions, y: np.ndarray) -> int | Literal["loo"]:
    """Return the number of folds: as given, else 5, or as many as the largest class has rows."""
    if options.folds == "loo":
        return "loo"
    if options.folds is not None:
        return check_folds(options.folds, y, "--folds")
    return check_folds(max(2, min(DEFAULT_FOLDS, int(np.bincount(y).max()))), y, "folds")


def test_part(dataset: Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and class codes of the test set, which `load_data` guarantees."""
    assert dataset.X_test is not None
    assert dataset.y_test is not None
    return dataset.X_test, dataset.y_test


def announce_data(dataset: Dataset, progress: Progress) -> None:
    """Print a line about the data, and note classes without training or test rows."""
    shape = "no image shape" if dataset.image_shape is None else "x".join(map(str, dataset.image_shape))
    y_test = test_part(dataset)[1]
    progress.line(
        f"{dataset.name}: {len(dataset.X):,} training and {counted(len(y_test), 'test row')}, "
        f"{counted(dataset.X.shape[1], 'feature')} ({shape}, {name_of(dataset.X.dtype)}), "
        f"{counted(len(dataset.class_names), 'class')}"
    )
    names = np.array(dataset.class_names, dtype=object)
    in_training, in_test = (np.bincount(codes, minlength=len(names)) for codes in (dataset.y, y_test))
    for absent, part in ((in_training == 0, "training"), (in_test == 0, "test")):
        if absent.any():
            have = "has" if absent.sum() == 1 else "have"
            note = f"{absent.sum():,} of {counted(len(names), 'class')} {have} no {part} rows: {quoted_list(names[absent])}"
            if part == "training" and (n_lost := int(in_test[absent].sum())):
                note += f"; no model can predict them, so their {counted(n_lost, 'test row')} will be wrong"
            progress.note(note)


def announce_repeats(dataset: Dataset, progress: Progress) -> dict[str, int]:
    """Count the test rows that equal a training row, and note them if there are any."""
    with progress.step("looking for test rows that equal a training row"):
        repeats = count_repeats(dataset.X, dataset.y, *test_part(dataset))
    if note := repeats_note(dataset, repeats):
        progress.note(note)
    return repeats


def compute_checksums(dataset: Dataset, progress: Progress) -> dict[str, str]:
    """Return the checksums of the training and the test rows."""
    with progress.step("computing the checksums of the data") as report:
        return checksums({"training": (dataset.X, dataset.y, None), "test": (*test_part(dataset), None)}, report)


def announce_duration(dataset: Dataset, options: RunOptions, progress: Progress) -> None:
    """Print how long the run will take."""
    try:
        with progress.step("estimating the time"):
            seconds = estimate_seconds(dataset, options)
    except Exception as error:  # the run itself may still succeed
        progress.note(f"the duration of the run could not be estimated: {described(error)}")
        return
    shorter = options.limit is None and seconds > LONG_SECONDS
    hint = "; for a quick first run on some of the rows, use --limit 5000" if shorter else ""
    progress.line(f"this will take {about(seconds)}{hint}")


# one function per model: training rows in, a trained model and its entry in results.json out ------------------------


def train_knn(X: np.ndarray, y: np.ndarray, options: RunOptions, progress: Progress, _: Failures) -> Trained:
    """Cross-validate every k under every metric, and fit the best pair on all training rows."""
    folds = folds_of(options, y)
    if options.folds is None and folds != "loo" and folds < DEFAULT_FOLDS:
        progress.note(
            f"k-NN: {counted(folds, 'fold')} instead of {DEFAULT_FOLDS}, because no class has more than "
            f"{counted(folds, 'training row')}"
        )
    how = "leave-one-out" if folds == "loo" else f"{folds}-fold cross-validation"
    with progress.step(f"k-NN: {how} of k ({', '.join(options.metrics)})") as report:
        selection = cross_validate_k(
            X, y, ks=options.ks, metrics=options.metrics, cv=folds, random_state=options.seed, progress=report
        )
    metric, k, best = selection.best_metric, int(selection.best_k), int(selection.best_index)
    started = time.perf_counter()
    model = KNeighborsClassifier(n_neighbors=k, metric=metric).fit(X, y)
    fit_seconds = time.perf_counter() - started
    candidates = [
        {"metric": name, "k": int(number), "cv_accuracy_mean": float(mean), "cv_accuracy_std": float(std)}
        for name in selection.metrics
        for number, mean, std in zip(selection.ks, selection.mean(name), selection.std(name), strict=True)
    ]
    entry = {
        "metric": metric,
        "k": k,
        "cv_accuracy_mean": float(selection.mean(metric)[best]),
        "cv_accuracy_std": float(selection.std(metric)[best]),
        "folds": folds,
        "candidates": candidates,
        "fit_seconds": fit_seconds,
    }
    return Trained(model, entry, {"selection": selection})


def train_random_search(X: np.ndarray, y: np.ndarray, options: RunOptions, progress: Progress, _: Failures) -> Trained:
    """Keep the best of many random W."""
    started = time.perf_counter()
    tries = _linear.random_tries(X.shape, len(np.unique(y)))
    if tries < _linear.MOST_TRIES:
        progress.note(
            f"random search: {tries:,} tries instead of the lecture's {_linear.MOST_TRIES:,}, so that it takes at most a "
            "tenth of the run"
        )
    with progress.step(f"random search: {tries:,} tries") as report:
        model, found = _linear.search_randomly(X, y, seed=options.seed, report=report)
    entry = {"tries": tries, "best_loss": float(found.value), "fit_seconds": time.perf_counter() - started}
    return Trained(model, entry, {"found": found})


def check_gradient(
    name: str, X: np.ndarray, y: np.ndarray, options: RunOptions, progress: Progress, failures: Failures
) -> float | None:
    """Return the largest relative error; None if the check itself failed. A wrong gradient stops the training."""
    wrong = None
    with failures.kept(f"gradient check of {MODELS[name]}", name):
        try:
            with progress.step(f"{MODELS[name]}: gradient check"):
                checked = _linear.check_on_sample(X, y, _linear.LOSSES[name], seed=options.seed)
            return _linear.require_correct(checked, MODELS[name])
        except _linear.GradientMismatch as mismatch:
            wrong = mismatch
    if wrong is not None:
        raise wrong
    return None


def _train_linear(name: str) -> Callable[..., Trained]:
    def train(X: np.ndarray, y: np.ndarray, options: RunOptions, progress: Progress, failures: Failures) -> Trained:
        """Check the gradient, choose alpha on validation rows, and fit on all training rows."""
        error = check_gradient(name, X, y, options, progress, failures)
        with progress.step(f"{MODELS[name]}: trying {len(_linear.ALPHAS)} values of alpha, fitting the best"):
            sweep = _linear.sweep(name, X, y, seed=options.seed)
        entry = {
            "alpha": sweep.alpha,
            "validation_accuracy": sweep.validation_accuracy,
            "validation_rows": sweep.validation_rows,
            "gradient_check_max_relative_error": error,
            "epochs": int(sweep.model.n_iter_),
            "candidates": sweep.candidates,
            "fit_seconds": sweep.fit_seconds,
        }
        return Trained(sweep.model, entry, {"sweep": sweep.candidates})

    return train


#: key of a model -> its training step; the order of `MODELS`
TRAINERS: dict[str, Callable[..., Trained]] = {
    "knn": train_knn,
    "random_search": train_random_search,
    "svm": _train_linear("svm"),
    "softmax": _train_linear("softmax"),
}


def train_all(
    X: np.ndarray, y: np.ndarray, options: RunOptions, progress: Progress, failures: Failures
) -> dict[str, Trained]:
    """Train every model, and return those that succeed. If none does, raise the first error: there is nothing to keep."""
    if len(options.models) == 1:
        (name,) = options.models
        return {name: TRAINERS[name](X, y, options, progress, failures)}
    trained = {}
    for name in options.models:
        with failures.kept(f"training {MODELS[name]}", name):
            trained[name] = TRAINERS[name](X, y, options, progress, failures)
    if not trained:
        raise failures.errors[0]
    return trained


# evaluating, collecting, writing ------------------------------------------------------------------------------------


def evaluate_all(
    test: TestSet, trained: dict[str, Trained], progress: Progress, failures: Failures, evaluations: dict[str, Evaluation]
) -> None:
    """Put the evaluation of each model into `evaluations`; the only call of `TestSet.evaluate`."""
    for name, one in trained.items():
        title = f"{MODELS[name]}: evaluating on {counted(len(test), 'test row')}"
        with failures.kept(f"evaluating {MODELS[name]}", name), progress.step(title):
            evaluations[name] = test.evaluate(name, one.model)


def collect(
    dataset: Dataset,
    division: Division,
    options: RunOptions,
    trained: dict[str, Trained],
    evaluations: dict[str, Evaluation],
    test: TestSet,
    notes: list[str],
    failures: Failures,
) -> dict[str, Any]:
    """Return the contents of results.json."""
    models = {
        name: {
            **one.entry,
            "test_accuracy": evaluations[name].accuracy,
            "test_errors": evaluations[name].errors,
            "test_accuracy_interval": list(evaluations[name].interval),
            "test_evaluations": test.evaluations[name],
            "predict_seconds": evaluations[name].seconds,
            "test_numbers": _results.test_numbers(evaluations[name]),
            "per_class": _results.per_class(dataset, evaluations[name]),
        }
        for name, one in trained.items()
        if name in evaluations
    }
    results = _results.results_head(dataset, division, options, len(test), notes, evaluations=test.evaluations.total()) | {
        "models": models,
        "not_evaluated": {name: one.entry for name, one in trained.items() if name not in evaluations},
        "baseline": baseline(dataset, test_part(dataset)[1]),
        "comparisons": [],
    }
    if models:
        with failures.kept("comparing the models"):
            results["comparisons"] = comparisons(evaluations, best_model(results))
        results |= {
            "fewest_errors": best_model(results),
            "not_significantly_worse": not_significantly_worse(results),
            "best": best_model(results) if best_is_known(results) else None,
        }
    with failures.kept("listing the wrong predictions"):
        results["wrong"] = {name: wrong_rows(dataset, division, found) for name, found in evaluations.items()}
    plain: dict[str, Any] = _results.as_plain(results)
    return plain


def baseline(dataset: Dataset, y_test: np.ndarray) -> dict[str, Any]:
    """Return the accuracy of always predicting the majority class of the training rows."""
    code = int(np.bincount(dataset.y).argmax())
    n_hits, n = int(np.count_nonzero(y_test == code)), len(y_test)
    return {
        "class_name": dataset.class_names[code],
        "test_accuracy": n_hits / n,
        "test_errors": n - n_hits,
        "test_accuracy_interval": list(wilson_interval(n_hits, n)),
    }


def comparisons(evaluations: dict[str, Evaluation], best: str) -> list[dict[str, Any]]:
    """Compare the best model with each other one, on the same test rows."""
    found = []
    for name in evaluations:
        if name != best:
            only_best, only_other, p_value = mcnemar(evaluations[best].hits, evaluations[name].hits)
            found.append(
                {
                    "model": best,
                    "other": name,
                    "only_model_right": only_best,
                    "only_other_right": only_other,
                    "p_value": p_value,
                }
            )
    return found


def outcome_of(
    results: dict[str, Any], dataset: Dataset, division: Division, options: RunOptions, notes: list[str], failures: Failures
) -> Outcome:
    """Return what any run has to report: the results, the data and its test rows, without models."""
    return Outcome(
        results,
        dataset,
        split=division.split,
        test_rows_of=division.test_rows_of,
        trained_on=division.trained_on,
        row_names=names_of(dataset, division),
        source=source_of(dataset, options),
        lecture=options.lecture,
        notes=list(notes),
        failures=failures,
    )


def make_outcome(outcome: Outcome, trained: dict[str, Trained], evaluations: dict[str, Evaluation]) -> Outcome:
    """Return the outcome with everything that the report draws of the models that were evaluated."""
    trained = {name: one for name, one in trained.items() if name in evaluations}
    search = trained["random_search"].extras["found"] if "random_search" in trained else None
    knn = trained.get("knn")
    neighbors = None
    if knn is not None:
        assert outcome.failures is not None
        with outcome.failures.kept("finding neighbours for the report"):
            neighbors = shown_neighbors(knn.model, outcome.dataset, evaluations["knn"].predicted)
    return replace(
        outcome,
        models={name: search if name == "random_search" else one.model for name, one in trained.items()},
        predictions={name: found.predicted for name, found in evaluations.items()},
        scores={name: found.scores for name, found in evaluations.items()},
        measures={name: found.measure for name, found in evaluations.items()},
        selection=None if knn is None else knn.extras["selection"],
        sweeps={name: one.extras["sweep"] for name, one in trained.items() if "sweep" in one.extras},
        random_search_best=None if search is None else np.asarray(search.best_values),
        neighbors=neighbors,
    )


def shown_neighbors(model: Any, dataset: Dataset, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the first test row of each predicted class (labels are not used) and its nearest training rows."""
    first = np.sort(np.unique(predicted, return_index=True)[1])[:SHOWN_QUERIES].astype(np.int64)
    k = min(SHOWN_NEIGHBORS, len(dataset.X))
    distances, indices = model.kneighbors(np.ascontiguousarray(test_part(dataset)[0][first]), n_neighbors=k)
    return first, distances, indices
