"""Evaluations of several labels per row: mteb's in a plain version, the other presets, the numbers and their intervals."""

from dataclasses import replace

import numpy as np
import pytest
from _embeddings import embeddings
from _plain_protocols import label_tables_and_scores
from _plain_protocols import mteb_label_draws as plain_draws
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    f1_score,
    jaccard_score,
    label_ranking_average_precision_score,
)
from sklearn.multiclass import OneVsRestClassifier

import fastcls
from fastcls._sampling.proportion import wilson_interval
from fastcls._scoring.intervals import percentiles, resamples
from fastcls._scoring.label_numbers import LABEL_NUMBERS, LabelAnswers, measure_labels, ranking_precision
from fastcls._validation.errors import InputError
from fastcls.optim import _preconditioner
from fastcls.protocols import KNN_PRESETS, MULTILABEL_PRESETS, PROBE_PRESETS, few_shot, knn_eval, linear_probe
from fastcls.protocols._draws import TorchGenerator, mteb_label_draws
from fastcls.protocols._logistic import Fits


def several(n=500, n_test=120, n_labels=6, seed=0, factor=1.0):
    """(train, Y, test, Y_test): no label, one or several for each row; labels of very different frequency."""
    X = embeddings(n=n, d=10, seed=seed)[0] * np.float32(factor)
    rng = np.random.default_rng(seed)
    scores = X @ rng.standard_normal((10, n_labels)) / factor + rng.standard_normal((n, n_labels))
    Y = (scores > np.quantile(scores, np.linspace(0.6, 0.96, n_labels), axis=0).diagonal()).astype(np.int64)
    return X[n_test:], Y[n_test:], X[:n_test], Y[:n_test]


# mteb ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("evaluate", "seed"), [(knn_eval, None), (knn_eval, 5), (linear_probe, None)])
def test_scores_of_mteb_are_those_of_plain_scikit_learn(evaluate, seed):
    train, Y, test, Y_test = several()
    Y_test[:, 4] = 0  # this label is drawn, but not scored
    table, got, wanted = label_tables_and_scores(evaluate, (train, Y, test, Y_test), seed)
    np.testing.assert_allclose(got, [*wanted, wanted.mean(axis=0)], rtol=1e-12)
    assert wanted.std(axis=0).min() > 0  # the draws differ
    assert table["experiment"] == [*range(1, 11), "mean"]
    assert table.settings["seed"] == (42 if seed is None else seed)
    assert table.settings["note"] == "1 of 6 labels left out: no test row has them"
    assert set(table.per_class[0]) == {0, 1, 2, 3, 5}
    for setting, value in (("per_label", 8), ("n_draws", 10)):
        assert table.settings[setting] == value
    assert table["std"][-1] == pytest.approx(wanted[:, 0].std(ddof=1))


def test_draws_are_those_of_mteb():
    rng = np.random.default_rng(1)
    Y = (rng.random((5000, 40)) < rng.random(40) ** 4).astype(np.uint8)
    wanted = list(plain_draws([np.flatnonzero(row).tolist() for row in Y], 7, 3))
    found = mteb_label_draws(Y, 8, 3, 7)
    assert [rows.tolist() for rows in found] == wanted
    counts = np.array([Y[rows].sum(axis=0) for rows in wanted])
    assert (counts >= np.minimum(8, Y.sum(axis=0))).all()
    assert (found[0] >= 0).all()
    assert Y[found[0]].any(axis=1).all()  # a row without labels is never drawn


def test_fits_that_stop_early_are_noted(monkeypatch):
    monkeypatch.setitem(
        MULTILABEL_PRESETS, "mteb-multilabel", replace(MULTILABEL_PRESETS["mteb-multilabel"], max_iter=3, n_draws=2)
    )
    table = linear_probe(*several(n=200, n_test=50), preset="mteb-multilabel")
    assert table.settings["note"] == "12 of 12 fits stopped after 3 iterations, as published"


@pytest.mark.parametrize("evaluate", [knn_eval, linear_probe])
def test_labels_without_a_training_row_are_noted(evaluate):
    train, Y, test, truth = several(n=200, n_test=50)
    Y = Y.copy()
    Y[:, 1] = 0
    preset = "dino" if evaluate is knn_eval else "dinov3"
    said = "1 label (column 1 of y) has no training row, so it is never predicted"
    assert said in evaluate(train, Y, test, truth, preset=preset).settings["note"]
    Y[:, 4] = 0
    said = "2 labels (columns 1, 4 of y) have no training row, so they are never predicted"
    assert said in evaluate(train, Y, test, truth, preset=preset).settings["note"]


# other presets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["dino", "torchgeo-bench", "uni"])
def test_votes_of_a_preset_are_those_of_the_classifier(preset):
    train, Y, test, Y_test = several()
    chosen = KNN_PRESETS[preset]
    table = knn_eval(train, Y, test, Y_test, preset=preset)
    if preset == "uni":  # the mean subtracted, length 1
        mean = train.astype(np.float64).mean(axis=0)
        rows = [part.astype(np.float64) - mean for part in (train, test)]
        train, test = ((part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32) for part in rows)
    assert table["k"] == list(chosen.ks)
    options = {"weights": chosen.weights, "metric": chosen.metrics[0], "temperature": chosen.temperature or 1.0}
    for line in table:
        model = fastcls.KNeighborsClassifier(line["k"], **options).fit(train, Y)
        named, shares = model.predict(test), model.predict_proba(test)
        assert line["subset_accuracy"] == model.score(test, Y_test)
        assert line["macro_f1"] == pytest.approx(f1_score(Y_test, named, average="macro"))
        assert line["macro_average_precision"] == pytest.approx(average_precision_score(Y_test, shares))
        assert line["lrap"] == pytest.approx(label_ranking_average_precision_score(Y_test, shares))
    assert "subset" in str(table)
    assert "95 % interval" in str(table)
    assert table.p_values()[int(np.argmax(table["subset_accuracy"]))] == 1.0


@pytest.mark.parametrize("preset", ["lightly", "mteb-multilabel"])
def test_parts_give_the_numbers_of_the_whole(preset):
    train, Y, test, Y_test = several()
    whole = knn_eval(train, Y, test, Y_test, preset=preset)
    parts = np.split(train, [1, 130])
    calls = []
    for given in (parts, iter(parts)) if preset == "lightly" else [iter(parts)]:
        found = knn_eval(given, Y > 0, test, Y_test.tolist(), preset=preset, progress=lambda *done: calls.append(done))
        assert found.rows == whole.rows
    assert calls


def test_a_label_that_all_rows_or_none_have_is_predicted_as_such(monkeypatch):
    few = replace(PROBE_PRESETS["torchgeo-bench"], exponents=(-1.0, 0.0), last_max_iter=3)
    monkeypatch.setitem(PROBE_PRESETS, "torchgeo-bench", few)
    train, Y, test, truth = several(n=300, n_test=80)
    Y[:, 1], Y[:, 3] = 0, 1
    calls = []
    table = linear_probe(
        iter(np.split(train, [100])),
        Y,
        test,
        truth,
        preset="torchgeo-bench",
        random_state=1,
        progress=lambda *done: calls.append(done),
    )
    (line,) = [one for one, row in zip(table.per_class, table, strict=True) if row["subset_accuracy"] is not None]
    assert line[1][0] == 0.0  # no row with the label is found
    assert line[3][0] == 1.0
    assert calls == [(1, 2), (2, 2)]
    assert "4 of 4 fits stopped after 3 iterations" in table.settings["note"]


def test_a_probe_of_labels_computes_the_directions_of_the_rows_once(monkeypatch):
    few = replace(PROBE_PRESETS["torchgeo-bench"], exponents=(-1.0, 0.0), last_max_iter=20)
    monkeypatch.setitem(PROBE_PRESETS, "torchgeo-bench", few)
    given = several(n=300, n_test=80)
    made, inner = [], _preconditioner._largest_directions
    monkeypatch.setattr(_preconditioner, "_largest_directions", lambda problem: (made.append(1), inner(problem))[1])
    table = linear_probe(*given, preset="torchgeo-bench", random_state=1)
    assert len(made) == 2  # of the rows without the validation rows, and of all
    monkeypatch.setattr(_preconditioner, "_directions_of", _preconditioner._largest_directions)
    assert linear_probe(*given, preset="torchgeo-bench", random_state=1).rows == table.rows
    assert len(made) == 2 + 3 * given[1].shape[1]


def test_the_probe_of_dinov3_is_that_of_plain_scikit_learn(monkeypatch):
    """Its rows set aside, OneVsRestClassifier for each C, VOC 2007's 11 recalls in a plain loop, a last fit on all rows."""
    few = replace(PROBE_PRESETS["dinov3"], exponents=(-4.0, -2.0, -1.0, 0.0))
    monkeypatch.setitem(PROBE_PRESETS, "dinov3", few)
    train, Y, test, truth = several(n=400, n_test=100)
    order = TorchGenerator(0).permutation(len(train))
    aside = np.zeros(len(train), dtype=bool)
    for label in range(Y.shape[1]):
        with_label = [row for row in order if Y[row, label]]
        aside[with_label[: max(1, len(with_label) // 10)]] = True

    def shares(C, rows, labels, queries):
        model = OneVsRestClassifier(LogisticRegression(C=C, max_iter=1000, tol=1e-8))
        return model.fit(rows.astype(np.float64), labels).predict_proba(queries.astype(np.float64))

    def voc(labels, given):
        found = []
        for own, share in zip(labels.T, given.T, strict=True):
            ranked = own[np.argsort(-share)]
            precision, recall = np.cumsum(ranked) / np.arange(1, len(ranked) + 1), np.cumsum(ranked) / ranked.sum()
            found += [precision[recall >= level / 10 - 1e-6].max() if level else 1.0 for level in range(11)]
        return np.mean(found)

    wanted = {10.0**e: voc(Y[aside], shares(10.0**e, train[~aside], Y[~aside], train[aside])) for e in few.exponents}
    table = linear_probe(train, Y, test, truth, preset="dinov3")
    assert dict(zip(table["C"], table["validation"], strict=True)) == pytest.approx(wanted, rel=1e-6)
    best = max(wanted, key=lambda C: (wanted[C], -C))
    of_all = shares(best, train, Y, test)
    assert table.settings["C"] == best
    assert table.settings["voc2007"] == pytest.approx(voc(truth, of_all), rel=1e-6)
    (value,) = [one for one in table["macro_average_precision"] if one is not None]
    assert value == pytest.approx(average_precision_score(truth, of_all), rel=1e-6)


def test_a_note_says_why_fits_ended_above_their_tolerance():
    ends = [(True, 7), (False, 100), (False, 3), (False, 0)]
    assert Fits(100, ends[:1]).note() is None
    assert Fits(100, ends[:2]).note() == "1 of 2 fits stopped after 100 iterations, as published"
    stopped, stuck = str(Fits(100, ends).note()).split("; ")
    assert stopped.startswith("1 of 4 fits stopped after")
    assert stuck.startswith("2 of 4 fits stopped early, because the line search found no step")


# numbers ---------------------------------------------------------------------------------------------------------------


def answers(seed, n=90, n_labels=4, digits=1):
    rng = np.random.default_rng(seed)
    truth = rng.random((n, n_labels)) < [0.1, 0.3, 0.6, 0.05]
    truth[:2], truth[2:4] = True, False
    scores = np.round(np.clip(truth * 0.3 + rng.random((n, n_labels)) * 0.7, 0, 1), digits)
    return truth, LabelAnswers(scores > 0.5, scores, scores)


def plain_numbers(truth, one):
    """Numbers by scikit-learn; labels that no row has are left out of means, as they have no recall and no precision."""
    either = truth.any(axis=0) | one.predicted.any(axis=0)
    return {
        "subset_accuracy": accuracy_score(truth, one.predicted),
        "jaccard": jaccard_score(truth, one.predicted, average="samples", zero_division=1.0),
        "micro_f1": f1_score(truth, one.predicted, average="micro"),
        "macro_f1": f1_score(truth[:, either], one.predicted[:, either], average="macro", zero_division=0.0),
        "micro_average_precision": average_precision_score(truth, one.scores, average="micro"),
        "macro_average_precision": average_precision_score(truth[:, truth.any(axis=0)], one.scores[:, truth.any(axis=0)]),
        "lrap": label_ranking_average_precision_score(truth, one.ranked),
    }


def test_numbers_and_intervals_are_those_of_plain_resampling(monkeypatch):
    monkeypatch.setattr("fastcls._scoring.label_numbers.resamples", lambda n, _=0: resamples(n, 12))
    (truth, first), (_, second) = (answers(seed, digits=digits) for seed, digits in ((0, 1), (1, 9)))
    tries = [first, second]
    alone, both = measure_labels(truth, [tries[:1], tries])
    drawn = [np.repeat(np.arange(90), counts.astype(int)) for chunk in resamples(90, 12) for counts in chunk.T]
    by_try = []
    for one in tries:
        parts = [(truth[rows], LabelAnswers(one.predicted[rows], one.scores[rows], one.ranked[rows])) for rows in drawn]
        by_try.append([plain_numbers(*part) for part in parts])
    for name in LABEL_NUMBERS:
        if name in ("macro_average_precision", "macro_f1"):  # test_numbers.py has their intervals
            continue
        values = [plain_numbers(truth, one)[name] for one in tries]
        resampled = np.array([[found[name] for found in of_try] for of_try in by_try])
        interval = wilson_interval(round(values[0] * 90), 90) if name == "subset_accuracy" else percentiles(resampled[0])
        np.testing.assert_allclose(alone.values[name], [values[0], *interval], rtol=1e-12, err_msg=name)
        wanted = [np.mean(values), *percentiles(resampled.mean(axis=0))]
        np.testing.assert_allclose(both.values[name], wanted, rtol=1e-12, err_msg=name)
    hits = np.count_nonzero(truth[:, 1] & tries[0].predicted[:, 1])
    assert alone.per_class[1] == (hits / truth[:, 1].sum(), *wilson_interval(int(hits), int(truth[:, 1].sum())))
    np.testing.assert_array_equal(alone.hits, (truth == tries[0].predicted).all(axis=1))
    assert alone.std is None
    assert both.std == pytest.approx(np.std([(truth == one.predicted).all(axis=1).mean() for one in tries], ddof=1))


@pytest.mark.parametrize("digits", [0, 1, 9])
def test_ranking_precision_of_a_row_is_that_of_scikit_learn(digits):
    truth, one = answers(3, digits=digits)
    wanted = [label_ranking_average_precision_score(truth[i : i + 1], one.scores[i : i + 1]) for i in range(len(truth))]
    np.testing.assert_allclose(ranking_precision(truth, one.scores), wanted, rtol=1e-12)


def test_labels_of_the_test_rows_do_not_choose_C():
    train, Y, test, Y_test = several(n=500, n_test=80, n_labels=4)
    fewer = Y_test.copy()
    fewer[:, 2:] = 0
    tables = [linear_probe(train, Y, test, truth, preset="dinov3") for truth in (Y_test, fewer)]
    assert tables[0].settings["C"] == tables[1].settings["C"]
    assert tables[0]["validation"] == tables[1]["validation"]


# refusals --------------------------------------------------------------------------------------------------------------

TRAIN, LABELS, TEST, TRUTH = several(n=200, n_test=50)
ONE_TEST_LABEL, ALL_HAVE = TRUTH.copy(), LABELS.copy()
ONE_TEST_LABEL[:, 1:] = 0
ALL_HAVE[:, 2] = 1
REFUSED = {
    "single labels": (knn_eval, (TRAIN, LABELS[:, 0], TEST, TRUTH[:, 0]), {}, "several labels per row: give y"),
    "single labels for a probe": (
        linear_probe,
        (TRAIN, LABELS[:, 0], TEST, TRUTH[:, 0]),
        {},
        "several labels per row: give y",
    ),
    "a preset of classes": (
        knn_eval,
        (TRAIN, LABELS, TEST, TRUTH),
        {"preset": "mteb-v1-knn"},
        "is for one label.*one of: dino",
    ),
    "a probe of classes": (
        linear_probe,
        (TRAIN, LABELS, TEST, TRUTH),
        {"preset": "dinov2"},
        "one of: mteb-multilabel, torchgeo-bench, dinov3; .*OneVsRest",
    ),
    "an unknown preset": (knn_eval, (TRAIN, LABELS, TEST, TRUTH), {"preset": "mteb-3"}, "is unknown; .*mteb-multilabel"),
    "another order": (knn_eval, (TRAIN, TEST, LABELS[:, 0], TRUTH), {"preset": "dino"}, "the order is train, y, test"),
    "test classes": (knn_eval, (TRAIN, LABELS, TEST, TRUTH[:, 0]), {}, "y_test has shape"),
    "other columns": (knn_eval, (TRAIN, LABELS, TEST, TRUTH[:, :4]), {}, "y_test has 4 columns and y has 6"),
    "another value": (knn_eval, (TRAIN, LABELS, TEST, TRUTH * 2), {}, "y_test has 2 at row"),
    "one label": (knn_eval, (TRAIN, LABELS, TEST, ONE_TEST_LABEL), {}, "the test rows have 1 label in all"),
    "fewer test labels": (knn_eval, (TRAIN, LABELS, TEST, TRUTH[:9]), {}, "y_test has 9 rows of labels for 50 rows of test"),
    "fewer labels": (knn_eval, (TRAIN, LABELS[:9], TEST, TRUTH), {}, "y has 9 labels, but train has 150 rows"),
    "fewer labels than parts": (knn_eval, ([TRAIN[:50], TRAIN[50:]], LABELS[:60], TEST, TRUTH), {}, "y has 60 labels"),
    "no labels at all": (knn_eval, (TRAIN, LABELS * 0, TEST, TRUTH), {}, "y is 0 everywhere"),
    "too few drawn": (knn_eval, (TRAIN[:4], LABELS[:4] | 1, TEST, TRUTH), {}, "needs at least 5 training rows"),
    "a label of all": (linear_probe, (TRAIN, ALL_HAVE, TEST, TRUTH), {}, "have the label in column 2 of y, so no probe"),
    "a label of none": (linear_probe, (TRAIN, 1 - ALL_HAVE, TEST, TRUTH), {}, "lack the label in column 2 of y"),
    "validation": (
        linear_probe,
        (TRAIN, LABELS, TEST, TRUTH),
        {"validation": (TEST, TRUTH)},
        "chooses nothing on validation",
    ),
    "a temperature": (linear_probe, (TRAIN, LABELS, TEST, TRUTH), {"temperature_scaling": True}, "for one label per row"),
    "validation columns": (
        linear_probe,
        (TRAIN, LABELS, TEST, TRUTH),
        {"preset": "torchgeo-bench", "validation": (TEST, TRUTH[:, :4])},
        "validation\\[1\\] has 4 columns",
    ),
    "validation width": (
        linear_probe,
        (TRAIN, LABELS, TEST, TRUTH),
        {"preset": "torchgeo-bench", "validation": (TEST[:, :3], TRUTH)},
        "features",
    ),
    "validation type": (
        linear_probe,
        (TRAIN, LABELS, TEST, TRUTH),
        {"preset": "torchgeo-bench", "validation": (TEST.astype(np.float64), TRUTH)},
        "validation\\[0\\] is float64",
    ),
    "validation without labels": (
        linear_probe,
        (TRAIN, LABELS, TEST, TRUTH),
        {"preset": "torchgeo-bench", "validation": (TEST, 0 * TRUTH)},
        "no validation row has any label",
    ),
    "another width": (knn_eval, (TRAIN, LABELS, TEST[:, :3], TRUTH), {}, "features"),
    "another width for a probe": (linear_probe, (TRAIN, LABELS, TEST[:, :3], TRUTH), {}, "features"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_in_one_line(case):
    evaluate, rows, options, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as caught:
        evaluate(*rows, **{"preset": "mteb-multilabel", **options})
    assert "\n" not in str(caught.value)


def test_few_shot_refuses_several_labels_per_row():
    with pytest.raises(InputError, match="y is 2-D, shape .*; wanted one label for each row"):
        few_shot(TRAIN, LABELS, TEST, TRUTH, n_per_class=3, n_tries=2)


def test_constants_are_as_published():
    (chosen,) = MULTILABEL_PRESETS.values()
    assert (chosen.k, chosen.per_label, chosen.n_draws, chosen.seed) == (5, 8, 10, 42)
    theirs = LogisticRegression()
    assert (chosen.C, chosen.max_iter, chosen.tol) == (theirs.C, theirs.max_iter, theirs.tol)
    assert "mteb/abstasks/multilabel_classification.py" in chosen.source
