"""Training on a few random rows of each class, repeated."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastcls._runtime import threads
from fastcls._scoring.accuracy import count_hits
from fastcls._scoring.table import ResultTable
from fastcls._search.merge import Progress, nearest_at_once
from fastcls._search.rows import Rows
from fastcls._validation.base import RandomState, check_number, one_of, seed_of
from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted
from fastcls._validation.rows import CheckedRows, check_same_features
from fastcls.model_selection import check_test
from fastcls.neighbors import NearestClassMean

from ._draws import draw
from ._presets import KNN_PRESETS
from ._shards import gather
from ._validation import check_counts, check_pair, check_shards

FEW_SHOT_PRESETS = ("uni", "dinov2")
_MOST_TRIES = 100_000  # the row numbers of all tries are drawn first


def few_shot(
    train: Any,
    y: Any,
    test: Any,
    y_test: Any,
    *,
    n_per_class: Any,
    n_tries: int,
    preset: str = "uni",
    random_state: RandomState = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> ResultTable:
    """Accuracy on all test rows after training on a few rows of each class, redrawn in each try.

    Parameters
    ----------
    train, y, test, y_test : as for `knn_eval`
        If train is given in parts, only the rows drawn are kept.
    n_per_class : int or sequence of int
        Rows drawn from each class; a class with fewer rows gives all of them.
    n_tries : int
    preset : {"uni", "dinov2"}
        "uni": nearest class mean after subtracting the mean of the drawn rows and scaling to length 1 (mahmoodlab/UNI,
        uni/downstream/eval_patch_features/fewshot.py, eval_fewshot; its default is 1,000 tries).
        "dinov2": k-NN by cosine with votes exp(s / 0.07), for n_per_class and each k of 10, 20, 100, 200 below it
        (facebookresearch/dinov2, dinov2/eval/knn.py, --n-per-class-list, --n-tries).
    random_state : int, RandomState or None
        Seeds the draws: try t with n rows per class uses NumPy's generator seeded with (random_state, n, t). Unless it is an
        integer, one is drawn from it. ``settings["seed"]`` is that integer.
    n_jobs, progress : as for `knn_eval`, but progress counts tries

    Returns
    -------
    ResultTable
        ``top1`` (and ``top5`` for "dinov2"), means over the tries, and ``std``, the standard deviation of top1.

    Raises
    ------
    InputError
    """
    one_of("preset", preset, FEW_SHOT_PRESETS)
    counts = check_counts("n_per_class", n_per_class)
    if check_number("n_tries", n_tries, minimum=1, whole=True) > _MOST_TRIES:
        raise InputError(f"n_tries={n_tries}; wanted at most {_MOST_TRIES:,}: the means converge after some hundreds")
    seed = seed_of(random_state)
    classes, codes = check_pair(train, y)
    metric = "l2" if preset == "uni" else "cosine"
    checked, truth = check_test(test, y_test, classes, metric)
    draws = {n: [draw(codes, n, np.random.default_rng([seed, n, number])) for number in range(n_tries)] for n in counts}
    wanted = np.unique(np.concatenate([drawn for of_n in draws.values() for drawn in of_n]))
    rows = gather(check_shards(train, len(codes), metric), wanted)
    check_same_features(rows, checked.rows)
    lines: list[tuple[Any, ...]] = []
    for done, (n, of_n) in enumerate(draws.items()):
        found = []
        for number, drawn in enumerate(of_n):
            part = rows[np.searchsorted(wanted, drawn)]
            if preset == "uni":
                found.append(_by_means(part, codes[drawn], checked, truth, n_jobs))
            else:
                found.append(_by_neighbors(part, codes[drawn], checked, truth, n, len(classes), n_jobs))
            if progress is not None:
                progress(done * n_tries + number + 1, len(draws) * n_tries)
        for setting in range(len(found[0])):
            scores = np.array([of_try[setting][1:] for of_try in found])
            k, means = found[0][setting][0], [float(mean) for mean in scores.mean(axis=0)]
            lines.append((n, *([] if k is None else [k]), *means, float(scores[:, 0].std())))
    columns = ("n_per_class", "top1", "std") if preset == "uni" else ("n_per_class", "k", "top1", "top5", "std")
    what = "nearest class mean" if preset == "uni" else "k-NN"
    title = (
        f"{what} by the protocol of {preset}: a few rows per class, {counted(n_tries, 'try', 'tries')}, "
        f"{counted(len(truth), 'test row')}"
    )
    by_means = {"metric": metric, "centered": True}
    by_votes = {"metric": metric, "weights": KNN_PRESETS["dinov2"].weights, "temperature": KNN_PRESETS["dinov2"].temperature}
    settings = {
        "name": preset,
        **(by_means if preset == "uni" else by_votes),
        "n_per_class": list(counts),
        "n_tries": n_tries,
        "seed": seed,
    }
    return ResultTable(title, columns, tuple(lines), settings)


def _by_means(part: np.ndarray, codes: np.ndarray, test: CheckedRows, truth: np.ndarray, n_jobs: int | None) -> list[Any]:
    """The list [(None, top1)]."""
    model = NearestClassMean(n_jobs=n_jobs)._average(part, np.arange(codes.max() + 1), codes)
    return [(None, np.count_nonzero(model.predict(test.rows) == truth) / len(truth))]


def _by_neighbors(
    part: np.ndarray, codes: np.ndarray, test: CheckedRows, truth: np.ndarray, n: int, n_classes: int, n_jobs: int | None
) -> list[Any]:
    """One (k, top1, top5) for each usable k."""
    preset, n_threads = KNN_PRESETS["dinov2"], threads.effective(n_jobs)
    ks = np.array(sorted({k for k in (*preset.ks, n) if k <= min(n, len(part))} or {len(part)}), dtype=np.int64)
    S, indices = nearest_at_once([CheckedRows(part, 0, ())], Rows.of(test), int(ks[-1]), "cosine", n_threads)
    top1, top5 = count_hits(
        S, indices, codes, truth, ks, n_classes, "cosine", n_threads, weights=preset.weights, temperature=preset.temperature
    )
    return [(int(k), one / len(truth), five / len(truth)) for k, one, five in zip(ks, top1, top5, strict=True)]
