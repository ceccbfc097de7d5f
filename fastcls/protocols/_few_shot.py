"""Training on a few random rows of each class, repeated: label efficiency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._gradient.prediction import linear_scores
from fastcls._runtime import threads
from fastcls._runtime.pacing import Progress
from fastcls._scoring.accuracy import answers_of_votes
from fastcls._scoring.numbers import Answers, answers_of_scores, softmax
from fastcls._scoring.table import ResultTable, add_note
from fastcls._search.merge import nearest_at_once
from fastcls._search.rows import Rows
from fastcls._validation.base import RandomState, check_run, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.linear import check_two_classes
from fastcls._validation.messages import counted
from fastcls._validation.rows import CheckedRows, check_same_features
from fastcls.datasets import scores_test_rows
from fastcls.model_selection import check_test
from fastcls.neighbors import mean_distances

from ._draws import dino_draw, dinov3_split, draw, mteb_draws
from ._evaluated import Evaluated, names_of_mteb
from ._logistic import Fits, ended, fit_logistic
from ._presets import KNN_PRESETS, PROBE_PRESETS
from ._probe import probe_of_best_cost
from ._probe_draws import mteb_answers
from ._shards import gather
from ._validation import (
    are_parts,
    check_pair,
    check_per_class,
    check_preset,
    check_preset_ks,
    check_shards,
    check_tries,
    published_seed,
)

#: share of the rows of each class on which DINOv3 chooses C: dinov3/eval/log_regression.py, make_train_val_datasets
_VALIDATION_SHARE = 0.01


@dataclass(frozen=True)
class FewShotPreset:
    """A published way to draw rows, the classifiers that it has, the default first, and its seed if its draws are known."""

    classifiers: tuple[str, ...]
    seed: int | None = None


FEW_SHOT_PRESETS = {
    "uni": FewShotPreset(("mean",)),  # uni/downstream/eval_patch_features/fewshot.py, eval_fewshot: seeded by its caller
    "dinov2": FewShotPreset(("knn",), seed=0),  # dinov2/eval/knn.py, create_module_dict: seed=t
    "dinov3": FewShotPreset(("knn", "linear"), seed=0),  # dinov3/eval/data.py, create_train_dataset_dict: seed=t
    "mteb": FewShotPreset(("linear",), seed=42),  # mteb/abstasks/abstask.py
}
CLASSIFIERS = {"mean": "nearest class mean", "knn": "k-NN", "linear": "logistic regression"}
_DEFAULTS = {"mean": "uni", "knn": "dinov2", "linear": "mteb"}


@scores_test_rows
def few_shot(
    train: Any,
    y: Any = None,
    test: Any = None,
    y_test: Any = None,
    *,
    n_per_class: Any,
    n_tries: int,
    classifier: str | None = None,
    preset: str | None = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> ResultTable:
    """Numbers on all test rows after training on a few rows of each class, redrawn in each try: label efficiency.

    Parameters
    ----------
    train, y, test, y_test : as for `knn_eval`
        If train is given in parts, only the rows drawn are kept.
    n_per_class : int, float, or sequence of them
        int: rows drawn from each class; a class with fewer rows gives all of them. float: share of the rows of each class,
        at least one row; 1.0 means all rows, which are tried once.
    n_tries : int
    classifier : {"mean", "knn", "linear"}, optional
        Nearest class mean, k-NN or logistic regression. Default: that of `preset`; with neither, "mean".
    preset : {"uni", "dinov2", "dinov3", "mteb"}, optional
        Default: "uni" for "mean", "dinov2" for "knn", "mteb" for "linear".
        "uni": nearest class mean after subtracting the mean of the drawn rows and scaling to length 1 (mahmoodlab/UNI,
        uni/downstream/eval_patch_features/fewshot.py, eval_fewshot; its default is 1,000 tries).
        "dinov2": k-NN by cosine with votes exp(s / 0.07), for n_per_class and each k of 10, 20, 100, 200 below it
        (facebookresearch/dinov2, dinov2/eval/knn.py, --n-per-class-list, --n-tries).
        "dinov3" with "knn": the same, for each k of 10, 20, 100, 200 and at most the number of drawn rows
        (facebookresearch/dinov3, dinov3/eval/knn.py, FewShotConfig). With "linear": a hundredth of the rows of each class
        is set aside; each of 45 C is trained on the drawn rows, and the one that is most accurate on the rows set aside is
        kept (dinov3/eval/log_regression.py, FewShotConfig).
        "mteb": logistic regression with C = 1 and at most 100 iterations (embeddings-benchmark/mteb,
        mteb/abstasks/classification.py, whose samples_per_label is 8 and n_experiments 10). Its average precision ranks the
        predicted labels, and only two classes have one.
    random_state : int, RandomState or None
        Seeds the draws. None: the published seed, and exactly the published rows, for all presets but "uni". Try t of DINO
        uses the seed plus t; try t of "uni" uses NumPy's generator seeded with (random_state, n, t). Unless it is an
        integer, one is drawn from it. ``settings["seed"]`` is that integer.
    n_jobs, progress : as for `knn_eval`, but progress counts tries

    Returns
    -------
    ResultTable
        One row for each n_per_class (and k): ``n_rows``, the number of training rows, and the numbers of `knn_eval`, means
        over the tries, with ``std``, the standard deviation of top1 (ddof=1, as in the scripts of UNI and DINOv3; those of
        DINOv2 and mteb have none). "mean" has no probabilities.
        `fastcls.display.LabelEfficiencyDisplay` draws such tables.

    Raises
    ------
    InputError
        For rows or labels that cannot be read, an unknown option, test rows of another width, or too few training rows
        for the preset.
    """
    return evaluate_few_shot(
        train,
        y,
        test,
        y_test,
        n_per_class=n_per_class,
        n_tries=n_tries,
        classifier=classifier,
        preset=preset,
        random_state=random_state,
        n_jobs=n_jobs,
        progress=progress,
    ).table()


def evaluate_few_shot(
    train: Any,
    y: Any,
    test: Any,
    y_test: Any,
    *,
    n_per_class: Any,
    n_tries: int,
    classifier: str | None = None,
    preset: str | None = None,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> Evaluated:
    """The answers of `few_shot`."""
    classifier, preset = _check_classifier(classifier, preset)
    wanted = check_per_class(n_per_class)
    check_run(n_jobs, progress)
    n_tries = check_tries(n_tries)
    seed = published_seed(FEW_SHOT_PRESETS[preset].seed, random_state)
    classes, codes = check_pair(train, y)
    if classifier == "linear":
        check_two_classes(classes)
    metric = "cosine" if classifier == "knn" else "l2"
    checked, truth, unknown = check_test(test, y_test, classes, metric)
    # rows in memory are checked before the tries are drawn; of parts, only the drawn rows are kept
    parts: Iterable[CheckedRows] = check_shards(train, len(codes), metric, checked)
    parts = parts if are_parts(train) else list(parts)
    aside = np.zeros(0, dtype=np.int64)
    free = np.arange(len(codes))
    if (preset, classifier) == ("dinov3", "linear"):
        free, aside = dinov3_split(codes, _VALIDATION_SHARE, seed)
        if not len(aside):
            raise InputError("no class has two rows, so none can be set aside to choose C: give more rows")
    draws = [_draws(preset, free, codes, n, 1 if n == 1.0 and isinstance(n, float) else n_tries, seed) for n in wanted]
    numbers_of_rows = np.unique(np.concatenate([aside, *(drawn for of_n in draws for drawn in of_n)]))
    rows = gather(parts, numbers_of_rows)
    check_same_features(rows, checked.rows)
    held = (rows[np.searchsorted(numbers_of_rows, aside)], codes[aside])
    fit = _Fit(checked, truth, len(classes), preset, held, n_jobs)
    answer = {"mean": fit.means, "knn": fit.neighbors, "linear": fit.linear}[classifier]
    lines: list[tuple[dict[str, Any], list[Answers] | None]] = []
    n_done = 0
    for n, of_n in zip(wanted, draws, strict=True):
        found: dict[int | None, list[Answers]] = {}
        for drawn in of_n:
            for k, one in answer(rows[np.searchsorted(numbers_of_rows, drawn)], codes[drawn], n).items():
                found.setdefault(k, []).append(one)
            n_done += 1
            if progress is not None:
                progress(n_done, sum(map(len, draws)))
        for k, tries in found.items():
            lines.append(({"n_per_class": n, "n_rows": len(of_n[0]), **({} if k is None else {"k": k})}, tries))
    title = (
        f"{CLASSIFIERS[classifier]} by the protocol of {preset}: a few rows per class, {counted(n_tries, 'try', 'tries')}, "
        f"{counted(len(truth), 'test row')}"
    )
    settings = {
        "name": preset,
        "classifier": classifier,
        **_constants(preset, classifier),
        "n_per_class": list(wanted),
        "n_tries": n_tries,
        "seed": seed,
    }
    names = names_of_mteb(truth, len(classes)) if preset == "mteb" else None
    notes = notes_on_sizes(wanted, np.bincount(codes[free], minlength=len(classes)))
    for note in (*notes, fit.fits.note()):
        add_note(settings, note)
    return Evaluated(title, settings, lines, truth, classes, unknown, names, fits=fit.fits)


def notes_on_sizes(wanted: Sequence[int | float], counts: np.ndarray) -> list[str]:
    """What to know of classes that have too few rows (`counts` of each class) for a number or a share of them."""
    notes = []
    numbers, shares = ([n for n in wanted if isinstance(n, kind)] for kind in (int, float))
    if numbers and (n_small := int((counts < max(numbers)).sum())):
        has = "has" if n_small == 1 else "have"
        notes.append(
            f"{n_small:,} of {len(counts):,} classes {has} fewer than {max(numbers):,} rows: every try takes all of them"
        )
    if shares and (n_small := int((counts * min(shares) < 1.0).sum())):
        notes.append(
            f"a share of {min(shares):g} is less than one row of {n_small:,} of {len(counts):,} classes: it takes one"
        )
    return notes


def _check_classifier(classifier: str | None, preset: str | None) -> tuple[str, str]:
    """The classifier and the preset; one decides the other if it is None."""
    if preset is not None:
        check_preset(preset, FEW_SHOT_PRESETS)
    if classifier is not None:
        one_of("classifier", classifier, CLASSIFIERS)
    if preset is None:
        classifier = classifier or "mean"
        return classifier, _DEFAULTS[classifier]
    known = FEW_SHOT_PRESETS[preset].classifiers
    if classifier is not None and classifier not in known:
        raise InputError(
            f"preset={preset!r} has the classifier {' or '.join(known)}, not {classifier!r}: change one of them"
        )
    return classifier or known[0], preset


def _constants(preset: str, classifier: str) -> dict[str, Any]:
    if classifier == "mean":
        return {"metric": "l2", "centered": True}
    if classifier == "knn":
        chosen = KNN_PRESETS[preset]
        return {"metric": "cosine", "weights": chosen.weights, "temperature": chosen.temperature}
    return {"max_iter": PROBE_PRESETS[preset].max_iter, "tol": PROBE_PRESETS[preset].tol}


def _draws(preset: str, free: np.ndarray, codes: np.ndarray, n: int | float, n_tries: int, seed: int) -> list[np.ndarray]:
    """The row numbers of every try, drawn from the rows `free`."""
    if preset == "mteb":
        return mteb_draws(codes, n, n_tries, seed)
    if preset == "uni":
        key = n if isinstance(n, int) else int(n * 1e9)
        return [draw(codes, n, np.random.default_rng([seed, key, number])) for number in range(n_tries)]
    return [free[dino_draw(codes[free], n, seed + number)] for number in range(n_tries)]


class _Fit:
    """The answers of one try: by k, or under None."""

    def __init__(
        self,
        test: CheckedRows,
        truth: np.ndarray,
        n_classes: int,
        preset: str,
        held: tuple[np.ndarray, np.ndarray],
        n_jobs: int | None,
    ) -> None:
        self.test, self.truth, self.n_classes, self.preset, self.held = test, truth, n_classes, preset, held
        self.n_jobs, self.n_threads = n_jobs, threads.effective(n_jobs)
        self.fits = Fits(PROBE_PRESETS[preset].last_max_iter if preset in PROBE_PRESETS else 0, [])

    def means(self, part: np.ndarray, codes: np.ndarray, n: int | float) -> dict[int | None, Answers]:
        scores = -mean_distances(part, codes, self.n_classes, self.test.rows, n_jobs=self.n_jobs)
        return {None: answers_of_scores(scores, self.truth, are_probabilities=False)}

    def neighbors(self, part: np.ndarray, codes: np.ndarray, n: int | float) -> dict[int | None, Answers]:
        chosen, of_class = KNN_PRESETS[self.preset], np.bincount(codes)
        if self.preset == "dinov2" and not (isinstance(n, float) and n == 1.0):
            # every k up to the number of rows of a class, and that number
            most = min(n, len(part)) if isinstance(n, int) else int(of_class.max())
            ks = sorted({k for k in (*chosen.ks, most) if k <= most} or {len(part)})
        else:
            ks = check_preset_ks(chosen.ks, len(part), chosen.name, clamped=True).tolist()
        S, indices = nearest_at_once([CheckedRows(part, 0, ())], Rows.of(self.test), ks[-1], "cosine", self.n_threads)
        answers = answers_of_votes(
            S,
            indices,
            codes,
            self.truth,
            np.array(ks, dtype=np.int64),
            self.n_classes,
            "cosine",
            self.n_threads,
            weights=chosen.weights,
            temperature=chosen.temperature,
        )
        return dict(zip(ks, answers, strict=True))

    def linear(self, part: np.ndarray, codes: np.ndarray, n: int | float) -> dict[int | None, Answers]:
        chosen = PROBE_PRESETS[self.preset]
        if self.preset == "mteb":
            assert chosen.C is not None
            model: Any = fit_logistic(
                part, codes, self.n_classes, C=chosen.C, max_iter=chosen.max_iter, tol=chosen.tol, n_jobs=self.n_jobs
            )
        else:
            model = probe_of_best_cost(chosen, part, codes, *self.held, self.n_jobs)
        self.fits.ends.append(ended(model, self.fits.max_iter))
        scores = linear_scores(self.test.rows, model.coef_, model.intercept_, self.n_threads)
        if self.preset == "mteb":
            return {None: mteb_answers(scores, self.truth)}
        return {None: answers_of_scores(softmax(scores), self.truth, are_probabilities=True)}
