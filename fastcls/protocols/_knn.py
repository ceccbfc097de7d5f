"""k-NN evaluations: one search gives every k of a preset."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastcls._runtime import threads
from fastcls._runtime.pacing import Progress
from fastcls._scoring.accuracy import answers_of_votes
from fastcls._scoring.numbers import Answers
from fastcls._scoring.table import ResultTable
from fastcls._search.merge import nearest_at_once
from fastcls._search.rows import Rows
from fastcls._validation.base import RandomState, check_random_state, check_run
from fastcls._validation.messages import counted
from fastcls._validation.rows import CheckedRows
from fastcls._validation.types import as_numbers
from fastcls.datasets import scores_test_rows
from fastcls.metrics import METRICS
from fastcls.model_selection import CheckedTest, check_test

from ._draws import mteb_draws
from ._evaluated import Evaluated, names_of_mteb, with_labels_ranked
from ._multilabel import neighbors_of_labels
from ._nearest import nearest_by_preset
from ._presets import KNN_PRESETS, KNNPreset, settings_of
from ._shards import gather
from ._validation import check_pair, check_preset, check_preset_ks, check_shards, has_several_labels, published_seed

#: distance up to which neighbours are compared with a query, value by value: equal rows are this near in spite of rounding
_NO_DISTANCE = 1e-6


@scores_test_rows
def knn_eval(
    train: Any,
    y: Any = None,
    test: Any = None,
    y_test: Any = None,
    *,
    preset: str = "dino",
    random_state: RandomState = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> ResultTable:
    """Accuracy of k-NN on test rows by a published protocol; one search gives all its k.

    Parameters
    ----------
    train : array-like of shape (n_rows, n_features), or list, tuple or iterator of such arrays
        Parts (shards, memory maps) give the result of the whole, byte for byte; the parts of an iterator are searched one
        after the other and released. Only "uni" normalises rows in memory. Instead of all four arguments, a `Dataset` with a
        test set: it counts the evaluation, and warns at the second.
    y : array-like of shape (n_rows,) or (n_rows, n_labels)
        Labels of all training rows, in the order of the rows. With two columns or more: several labels per row, 1 where the
        row has the label of the column, else 0.
    test, y_test : array-like of shape (n_queries, n_features), (n_queries,) or (n_queries, n_labels)
        A label that does not occur in y counts as an error, and a note says so.
    preset : str
        ================ ============== ====== =========== =====================================================
        preset           k              metric vote        source
        ================ ============== ====== =========== =====================================================
        "dino"           10 20 100 200  cosine exp(s/0.07) facebookresearch/dino, eval_knn.py
        "dinov2"         10 20 100 200  cosine exp(s/0.07) facebookresearch/dinov2, dinov2/eval/knn.py
        "dinov3"         10 20 100 200  cosine exp(s/0.07) facebookresearch/dinov3, dinov3/eval/knn.py
        "moco"           200            cosine exp(s/0.1)  facebookresearch/moco, colab/moco_cifar10_demo.ipynb
        "lightly"        200            cosine exp(s/0.1)  lightly-ai/lightly, lightly/utils/benchmarking/knn.py
        "lightly-vit"    200            cosine exp(s/0.07) lightly-ai/lightly, benchmarks/imagenet/vitb16/main.py
        "vissl"          200            cosine exp(s/0.1)  facebookresearch/vissl, vissl/config/defaults.yaml
        "solo-learn"     20             cosine exp(s/0.07) vturrisi/solo-learn, solo/utils/knn.py
        "uni"            20             l2     1 each      mahmoodlab/UNI, eval_patch_features/fewshot.py
        "torchgeo-bench" 5              l2     1 each      torchgeo/torchgeo-bench, src/torchgeo_bench/knn.py
        "mteb-v1-knn"    3              both   1 each      embeddings-benchmark/mteb 1.x, AbsTaskClassification.py
        ================ ============== ====== =========== =====================================================

        "uni" subtracts the mean of the training rows from all rows and scales them to length 1, which copies all rows in
        float32 (float64 rows in float64). "mteb-v1-knn" trains on 8 rows of each class (on all rows of a smaller class) in
        each of 10 draws; its main score is the mean over the draws of the better metric, and its average precision, of two
        classes, is that of the predicted labels. (mteb 2 has a linear probe:
        ``linear_probe(preset="mteb")``.) VISSL compares plain dot products unless its option L2_NORM_FEATS is set; this
        preset always compares as if it were set. A k above the number of training rows is dropped with a warning; "dinov3"
        takes all rows instead, as its script does.

        With several labels per row, a label is predicted if it has more than half of the votes. "mteb-v1-knn" does not take
        them, and "mteb-multilabel" takes nothing else: k = 5 under l2 with votes of 1 each, on rows drawn until each label
        has 8, in 10 experiments; one row of the table for each, and their mean (embeddings-benchmark/mteb 2.x,
        mteb/abstasks/multilabel_classification.py). Its rows and scores are those of the first split that a task of mteb
        evaluates, on the given test rows: accuracy is ``subset_accuracy``, f1 ``macro_f1``, hamming ``jaccard``, and lrap
        ranks the predicted labels.
    random_state : int, RandomState or None
        Seeds the draws of "mteb-v1-knn" and "mteb-multilabel"; no other preset draws rows. None: 42, and the rows are those
        that mteb draws.
        Unless it is an integer, one is drawn from it. ``settings["seed"]`` is that integer.
    n_jobs : int, optional
    progress : callable, optional
        ``progress(done, total)`` in pairs of rows.

    Returns
    -------
    ResultTable
        One row for each k (and metric) with ``top1`` and ``top5`` as shares, balanced accuracy, macro F1, average precision,
        log loss and calibration error, with 95 % intervals. A class's probability is its share of the votes. A class
        is among the top five only if a neighbour voted for it; classes with equal votes are ranked in sorted order.
        With several labels per row: the numbers of several labels (see `ResultTable`).

    Raises
    ------
    InputError
        For rows or labels that cannot be read, an unknown preset, test rows of another width, or too few training rows
        for the preset.
    """
    options: dict[str, Any] = {"preset": preset, "random_state": random_state, "n_jobs": n_jobs, "progress": progress}
    check_random_state(random_state)
    if has_several_labels(y, test):
        return neighbors_of_labels(train, y, test, y_test, **options)
    return evaluate_neighbors(train, y, test, y_test, **options).table(repeats=True)


def evaluate_neighbors(
    train: Any,
    y: Any,
    test: Any,
    y_test: Any,
    *,
    preset: str,
    random_state: RandomState = None,
    n_jobs: int | None = None,
    progress: Progress | None = None,
) -> Evaluated:
    """The answers of `knn_eval`."""
    check_run(n_jobs, progress)
    chosen = KNN_PRESETS[check_preset(preset, KNN_PRESETS)]
    seed = published_seed(chosen.seed, random_state)
    classes, codes = check_pair(train, y)
    checked, truth, unknown = tested = check_test(test, y_test, classes, chosen.metrics[0])
    n_threads = threads.effective(n_jobs)
    if chosen.n_draws is not None:
        return _by_draws(chosen, train, codes, classes, tested, seed, n_threads, progress)
    ks = check_preset_ks(chosen.ks, len(codes), chosen.name, chosen.clamped)
    metric = chosen.metrics[0]
    S, indices = nearest_by_preset(chosen, train, len(codes), checked, int(ks[-1]), n_threads, progress)
    answers = answers_of_votes(
        S, indices, codes, truth, ks, len(classes), metric, n_threads, weights=chosen.weights, temperature=chosen.temperature
    )
    lines: list[tuple[dict[str, Any], list[Answers] | None]]
    lines = [({"k": int(k)}, [one]) for k, one in zip(ks, answers, strict=True)]
    return Evaluated(
        _title(chosen, len(codes), len(truth)),
        settings_of(chosen),
        lines,
        truth,
        classes,
        unknown,
        majority=int(np.bincount(codes).argmax()),
        count_repeats=lambda: _count_repeats(train, S, indices, codes, checked, truth, metric),
    )


def _count_repeats(
    train: Any, S: np.ndarray, indices: np.ndarray, codes: np.ndarray, test: CheckedRows, truth: np.ndarray, metric: str
) -> dict[str, int]:
    """What `fastcls._scoring.repeats.count_repeats` counts, among the nearest neighbours: the search has found equal rows.

    Neighbours at no distance are compared value by value (under cosine, multiples of the row are there too). More than k of
    them hide others, so a class may be missed; parts of an iterator are gone by now, and none are counted.
    """
    is_near = METRICS[metric].to_distance(S.copy()) <= _NO_DISTANCE
    queries = np.flatnonzero(is_near.any(axis=1))
    if not len(queries) or isinstance(train, Iterator):
        return {"test_rows": 0, "other_class": 0}
    wanted = np.unique(indices[is_near])
    rows = gather(check_shards(train, len(codes), metric, test), wanted)
    n_equal = n_other_class = 0
    for query in queries:
        near = indices[query][is_near[query]]
        equal = near[(as_numbers(rows[np.searchsorted(wanted, near)]) == as_numbers(test.rows[query])).all(axis=1)]
        n_equal += len(equal) > 0
        n_other_class += bool((codes[equal] != truth[query]).any())
    return {"test_rows": n_equal, "other_class": n_other_class}


def _by_draws(
    chosen: KNNPreset,
    train: Any,
    codes: np.ndarray,
    classes: np.ndarray,
    checked: CheckedTest,
    seed: int,
    n_threads: int,
    progress: Progress | None,
) -> Evaluated:
    """A preset that trains on a few rows of each class, several times; all metrics use the same draws."""
    assert chosen.per_class is not None
    assert chosen.n_draws is not None
    test, truth, unknown = checked
    draws = mteb_draws(codes, chosen.per_class, chosen.n_draws, seed, restarts=False)
    ks = check_preset_ks(chosen.ks, len(draws[0]), chosen.name)
    wanted = np.unique(np.concatenate(draws))
    rows = gather(check_shards(train, len(codes), chosen.metrics[0], test), wanted)
    queries, k = Rows.of(test), int(ks[-1])
    answers: list[list[Answers]] = [[] for _ in chosen.metrics]
    for number, drawn in enumerate(draws):
        part = [CheckedRows(rows[np.searchsorted(wanted, drawn)], 0, ())]
        for of_metric, metric in zip(answers, chosen.metrics, strict=True):
            S, indices = nearest_at_once(part, queries, k, metric, n_threads)
            some = answers_of_votes(
                S, indices, codes[drawn], truth, ks, len(classes), metric, n_threads, weights=chosen.weights
            )
            of_metric += [with_labels_ranked(one, truth, len(classes)) for one in some]
        if progress is not None:
            progress(number + 1, len(draws))
    better = [max(tries, key=lambda one: np.count_nonzero(one.predicted == truth)) for tries in zip(*answers, strict=True)]
    names = [*chosen.metrics, "better"]
    lines: list[tuple[dict[str, Any], list[Answers] | None]]
    lines = [({"metric": name, "k": k}, tries) for name, tries in zip(names, [*answers, better], strict=True)]
    settings = {**settings_of(chosen), "seed": seed}
    names_of_numbers = names_of_mteb(truth, len(classes))
    return Evaluated(_title(chosen, len(codes), len(truth)), settings, lines, truth, classes, unknown, names_of_numbers)


def _title(chosen: KNNPreset, n_rows: int, n_queries: int) -> str:
    return f"k-NN by the protocol of {chosen.name}: {n_rows:,} training, {counted(n_queries, 'test row')}"
