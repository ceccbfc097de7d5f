"""The numbers of an evaluation: scikit-learn's, with intervals that plain resampling gives too."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from _embeddings import halves
from _plain_numbers import by_scikit_learn, random_shares
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    average_precision_score,
    log_loss,
    recall_score,
    top_k_accuracy_score,
)
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_limits

from fastcls import evaluate_k
from fastcls._scoring import intervals, numbers
from fastcls._scoring.numbers import Answers, answers_of_scores, measure
from fastcls._validation.errors import InputError
from fastcls.protocols import _few_shot, compare, few_shot, knn_eval, linear_probe
from fastcls.protocols._draws import TorchGenerator, mteb_draws


@pytest.mark.parametrize("n_classes", [2, 4, 7])
@pytest.mark.parametrize("digits", [None, 1])
@pytest.mark.parametrize("unknown", [False, True])
def test_numbers_are_those_of_scikit_learn(n_classes, digits, unknown):
    truth, shares = random_shares(n_classes=n_classes, digits=digits)
    shares = np.maximum(shares, 0)
    if unknown:
        truth[::9] = -1
        truth[1::9] = -2
    names = list(numbers.NUMBERS)
    (found,) = measure(truth, [[answers_of_scores(shares, truth, are_probabilities=True)]], n_classes, names=names)
    for name, value in by_scikit_learn(truth, shares).items():
        np.testing.assert_allclose(found.values[name][0], value, rtol=1e-12, err_msg=name)
    if not unknown and digits is None:
        np.testing.assert_allclose(found.values["log_loss"][0], log_loss(truth, shares), rtol=1e-9)
        if n_classes > 5:
            assert found.values["top5"][0] == top_k_accuracy_score(truth, shares, k=5)
    recalls = recall_score(truth, shares.argmax(axis=1), average=None, labels=np.unique(truth))
    np.testing.assert_allclose([found.per_class[code][0] for code in np.unique(truth)], recalls)
    np.testing.assert_array_equal(found.hits, shares.argmax(axis=1) == truth)


def halves_of(n_rows):
    return [np.flatnonzero(counts) for chunk in intervals.halves(n_rows) for counts in chunk.T]


def test_intervals_are_those_of_repeating_rows(monkeypatch):
    monkeypatch.setattr(numbers, "resamples", lambda n_rows, n=100: intervals.resamples(n_rows, min(n, 100)))
    truth, shares = random_shares(n=120, n_classes=3, digits=1)
    shares = np.maximum(shares, 0)
    answers = answers_of_scores(shares, truth, are_probabilities=True)
    (found,) = measure(truth, [[answers]], 3, names=list(numbers.NUMBERS))
    predicted = shares.argmax(axis=1)
    losses = -np.log(np.clip(shares[np.arange(120), truth], np.finfo(float).eps, 1 - np.finfo(float).eps))
    drawn, studentised = {name: [] for name in found.values}, []
    for counts in intervals.resamples(120, 100):
        for weights in counts.T:
            rows = np.repeat(np.arange(120), weights.astype(int))
            for name, value in by_scikit_learn(truth[rows], shares[rows]).items():
                drawn[name].append(value)
            studentised.append((losses[rows].mean() - losses.mean()) / losses[rows].std())
    assert len(drawn["top1"]) == 100
    assert sum(counts.shape[1] for counts in intervals.resamples(120)) == 1000
    ends = {name: np.percentile(of_name, (2.5, 97.5)) for name, of_name in drawn.items() if of_name}

    def assert_interval(name, *others):
        """The interval holds the percentiles, and the other intervals."""
        wanted = np.array([ends[name], *others])
        np.testing.assert_allclose(found.values[name][1:], [wanted[:, 0].min(), wanted[:, 1].max()], rtol=1e-9, err_msg=name)

    own = [predicted[truth == c] == c for c in range(3)]
    of_classes = np.array([intervals.wilson_interval(int(hits.sum()), len(hits)) for hits in own])
    recall = np.array([hits.mean() for hits in own])
    apart = np.sqrt(np.square(of_classes - recall[:, None]).sum(axis=0)) / 3 * [-1, 1]
    assert_interval("balanced_accuracy", recall.mean() + apart)
    of_all = np.array(intervals.wilson_interval(int(np.sum(predicted == truth)), 120)) - np.mean(predicted == truth)
    for name, width in (("macro_f1", apart), ("weighted_f1", of_all)):
        value = found.values[name][0]
        assert_interval(name, ends[name] + 2 * (value - np.mean(drawn[name])), value + width)
    t_low, t_high = np.percentile(studentised, (2.5, 97.5))
    largest = -np.log(np.finfo(float).eps)
    limit = largest * intervals.wilson_interval(int(np.ceil(losses.sum() / largest)), 120)[1]
    wanted = losses.mean() - losses.std() * np.array([t_high, t_low])
    assert_interval("log_loss", np.minimum(wanted, limit))
    assert wanted[1] > ends["log_loss"][1]
    value, low, high = found.values["average_precision"]
    of_halves = [by_scikit_learn(truth[kept], shares[kept])["average_precision"] for kept in halves_of(120)]
    ends, ranked = np.percentile(drawn["average_precision"], (2.5, 97.5)), np.array(drawn["average_precision"])
    twice = 2 * value - np.mean(of_halves) + ranked.mean()
    assert low == pytest.approx(min(ends[0], value, twice - ends[1]), rel=1e-9)
    assert high == pytest.approx(max(ends[1], value, twice - ends[0]), rel=1e-9)
    n_hits = np.count_nonzero(shares.argmax(axis=1) == truth)
    assert found.values["top1"][1:] == intervals.wilson_interval(n_hits, 120)
    own = (truth == 1) & (shares.argmax(axis=1) == 1)
    assert found.per_class[1][1:] == intervals.wilson_interval(own.sum(), (truth == 1).sum())


@pytest.mark.parametrize("at_once", [1, 1000, 1 << 21])
def test_intervals_do_not_depend_on_the_size_of_chunks(at_once, monkeypatch):
    truth, shares = random_shares(n=60)
    answers = [[answers_of_scores(shares, truth, are_probabilities=True)]]
    (wanted,) = measure(truth, answers, 4)
    monkeypatch.setattr(intervals, "_COUNTS_AT_ONCE", at_once)
    (found,) = measure(truth, answers, 4)
    for name, values in wanted.values.items():  # the sums of products are added in another order
        np.testing.assert_allclose(found.values[name], values, rtol=1e-12)


def test_sparse_scores_are_dense_scores_with_zeros():
    truth, shares = random_shares(digits=1)
    shares = np.maximum(shares, 0)
    dense = answers_of_scores(shares, truth, are_probabilities=True)
    thin = Answers(dense.predicted, dense.top, sparse.csc_array(shares), dense.confidence, dense.own)
    first, second = measure(truth, [[dense], [thin]], 4)
    for name, values in first.values.items():
        np.testing.assert_allclose(values, second.values[name], rtol=1e-12)


def test_means_over_tries_have_one_interval():
    truth, _ = random_shares(n=150)
    tries = [answers_of_scores(random_shares(n=150, seed=seed)[1], truth, are_probabilities=True) for seed in (0, 1, 2)]
    single, (found,) = measure(truth, [[one] for one in tries], 4), measure(truth, [tries], 4)
    for name, (value, low, high) in found.values.items():
        np.testing.assert_allclose(value, np.mean([one.values[name][0] for one in single]))
        if name == "calibration_error":
            assert np.isnan([low, high]).all()
            continue
        assert low <= value <= high
        assert low < high
    accuracies = [one.values["top1"][0] for one in single]
    np.testing.assert_allclose(found.std, np.std(accuracies, ddof=1))
    np.testing.assert_allclose(found.hits, np.mean([one.hits for one in single], axis=0))
    drawn = np.concatenate([found.hits @ counts / 150 for counts in intervals.resamples(150)])
    np.testing.assert_allclose(found.values["top1"][1:], np.percentile(drawn, (2.5, 97.5)))


def test_scores_without_a_scale_have_no_log_loss():
    truth, shares = random_shares()
    scores = np.log(shares) * 3 - 7  # negative: in the same order for each class only if rows are compared, not columns
    (found,) = measure(truth, [[answers_of_scores(scores, truth, are_probabilities=False)]], 4)
    assert set(found.values) == {"top1", "top5", "balanced_accuracy", "macro_f1", "average_precision"}
    wanted = np.mean([average_precision_score(truth == code, scores[:, code]) for code in range(4)])
    np.testing.assert_allclose(found.values["average_precision"][0], wanted)


def test_one_class_alone_gives_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        answers = answers_of_scores(np.eye(2)[[0, 0, 0]], np.zeros(3, int), are_probabilities=True)
        (found,) = measure(np.zeros(3, int), [[answers]], 2)
    assert found.values["balanced_accuracy"][0] == 1


def test_evaluate_k_has_the_numbers_of_scikit_learns_neighbours():
    train, y, test, y_test = halves()
    table = evaluate_k(train, y, test, y_test, [1, 9])
    codes, truth = (np.unique(labels, return_inverse=True)[1] for labels in (y, y_test))
    for row, per_class in zip(table, table.per_class, strict=True):
        shares = KNeighborsClassifier(row["k"]).fit(train, codes).predict_proba(test)
        for name, value in by_scikit_learn(truth, shares).items():
            if name != "weighted_f1":
                np.testing.assert_allclose(row[name], value, rtol=1e-9, err_msg=name)
        assert row["top1_low"] < row["top1"] < row["top1_high"]
        assert list(per_class) == sorted(set(y_test))
        assert per_class["class 3"][0] == np.mean(shares.argmax(axis=1)[truth == 3] == 3)


def test_a_probe_has_the_numbers_of_scikit_learns_logistic_regression():
    train, y, test, y_test = halves()
    codes, truth = (np.unique(labels, return_inverse=True)[1] for labels in (y, y_test))
    table = linear_probe(train, y, test, y_test, preset="uni")
    model = LogisticRegression(C=table["C"][0], tol=1e-9, max_iter=5000).fit(train.astype(np.float64), codes)
    wanted = by_scikit_learn(truth, model.predict_proba(test.astype(np.float64)))
    for name in ("average_precision", "log_loss"):
        np.testing.assert_allclose(table[name], [wanted[name]], rtol=1e-3)
    np.testing.assert_allclose(table["top5"], [top_k_accuracy_score(truth, model.predict_proba(test), k=5)], atol=1 / 150)


# p-values --------------------------------------------------------------------------------------------------------------


def test_p_values_are_mcnemars_and_for_means_those_of_a_paired_t_test():
    from scipy.stats import binomtest, ttest_rel

    train, y, test, y_test = halves(seed=4)
    table, probe = evaluate_k(train, y, test, y_test, [1, 40]), linear_probe(train, y, test, y_test, preset="uni")
    first, second = (one > 0 for one in table.hits)
    only, other = np.count_nonzero(first & ~second), np.count_nonzero(second & ~first)
    p = binomtest(only, only + other).pvalue
    assert table.p_values() == [p, 1.0]  # against the most accurate, k = 40
    assert table.p_values(table) == [1.0, 1.0]
    one = evaluate_k(train, y, test, y_test, [1])
    assert one.p_values(probe) == [intervals.mcnemar(first, probe.hits[0] > 0)[2]]
    few = few_shot(train, y, test, y_test, n_per_class=[1, 8], n_tries=5, random_state=0)
    p, best = few.p_values()
    assert p == pytest.approx(ttest_rel(*few.hits).pvalue)
    assert p < 0.05
    assert best == 1.0
    with pytest.raises(InputError, match="other has 1 rows and this table has 2"):
        table.p_values(one)
    with pytest.raises(InputError, match="different numbers of test rows"):
        table.p_values(evaluate_k(train, y, test[:-1], y_test[:-1], [1, 40]))


@pytest.mark.parametrize("n_tries", [3, 7, 100_000])
def test_the_same_difference_in_all_rows_is_no_spread_whatever_its_rounding(n_tries):
    shares = np.array([1, 2, n_tries, 2, 1]) / n_tries
    other = np.array([0, 1, n_tries - 1, 1, 0]) / n_tries
    assert 0 < np.ptp(shares - other) < 1e-15
    assert intervals.p_value_of(shares, other) == intervals.p_value_of(other, shares) == 0.0625  # a sign test of five rows
    assert intervals.p_value_of(shares, shares + 1e-16) == 1.0
    other[4] -= 1 / n_tries
    assert intervals.p_value_of(shares, other) < 0.02


# few rows per class ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classifier", ["mean", "knn", "linear"])
def test_shares_of_the_rows_are_shares_of_each_class(classifier):
    train, y, test, y_test = halves(n=500)
    counts = np.unique(y, return_counts=True)[1]
    table = few_shot(train, y, test, y_test, n_per_class=[0.001, 0.25, 1.0], n_tries=3, classifier=classifier)
    n_rows = [len(counts), np.maximum(counts // 4, 1).sum(), len(y)]
    assert sorted(set(table["n_rows"])) == sorted(n_rows)
    assert all((row["std"] is None) == (row["n_per_class"] == 1.0) for row in table)  # all rows: one try
    if classifier == "knn":
        whole = knn_eval(train, y, test, y_test, preset="dinov2")
        assert [row["top1"] for row in table if row["n_per_class"] == 1.0] == whole["top1"]


def test_few_shot_probe_of_mteb_is_mtebs_experiment():
    rows = halves(n=500)
    table = few_shot(*rows, n_per_class=[8, 2], n_tries=10, classifier="linear")
    probe = linear_probe(*rows, preset="mteb")
    assert table["top1"][0] == probe["top1"][-1]
    assert table["std"][0] == probe["std"][-1]
    assert table.settings["seed"] == 42


def test_few_shot_probe_of_dinov3_chooses_C_on_rows_set_aside(monkeypatch):
    from fastcls.protocols import PROBE_PRESETS
    from fastcls.protocols._draws import dino_draw, dinov3_split

    preset = PROBE_PRESETS["dinov3"]
    monkeypatch.setitem(PROBE_PRESETS, "dinov3", replace(preset, exponents=preset.exponents[::3]))  # 15 of 45
    train, y, test, y_test = halves(n=450)
    codes, truth = (np.unique(labels, return_inverse=True)[1] for labels in (y, y_test))
    table = few_shot(train, y, test, y_test, n_per_class=5, n_tries=2, preset="dinov3", classifier="linear")
    kept, held = dinov3_split(codes, 0.01, 0)
    assert np.bincount(codes[held]).tolist() == [1] * 7
    wide, found = train.astype(np.float64), []
    for seed in range(2):
        rows = kept[dino_draw(codes[kept], 5, seed)]
        best, chosen = -1.0, None
        for exponent in PROBE_PRESETS["dinov3"].exponents:
            with threadpool_limits(1):
                model = LogisticRegression(C=10**exponent, tol=1e-8, max_iter=2000).fit(wide[rows], codes[rows])
            if (accuracy := model.score(wide[held], codes[held])) > best:
                best, chosen = accuracy, model
        found.append(chosen.score(test.astype(np.float64), truth))
    np.testing.assert_allclose(table["top1"], [np.mean(found)], atol=1 / 300)
    assert table["n_rows"] == [35]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"n_per_class": 1.5}, "n_per_class=1.5"),
        ({"n_per_class": 0.0}, "n_per_class=0.0"),
        ({"classifier": "svm"}, "classifier='svm'"),
        ({"classifier": "linear", "preset": "uni"}, "preset='uni' has the classifier mean, not 'linear'"),
        ({"classifier": "mean", "preset": "dinov3"}, "preset='dinov3' has the classifier knn or linear, not 'mean'"),
    ],
)
def test_refusals_of_few_shot(given, said):
    with pytest.raises(InputError) as caught:
        few_shot(*halves(n=300), **{"n_per_class": 1, "n_tries": 1, **given})
    assert said in str(caught.value)


def test_few_shot_of_mteb_ranks_the_predicted_labels_as_mteb_does():
    """Its evaluator: average_precision_score(y_test, y_pred), if there are two classes."""
    train, y, test, y_test = halves(n=400, classes=2)
    y, y_test = (y == "class 1").astype(int), (y_test == "class 1").astype(int)
    table = few_shot(train, y, test, y_test, n_per_class=8, n_tries=10, preset="mteb")
    wanted = []
    for drawn in mteb_draws(y, 8, 10, 42):
        model = LogisticRegression(max_iter=100).fit(train[drawn].astype(np.float64), y[drawn])
        wanted.append(average_precision_score(y_test, model.predict(test.astype(np.float64))))
    assert table["average_precision"] == pytest.approx([np.mean(wanted)], rel=1e-12)
    assert few_shot(*halves(n=400), n_per_class=8, n_tries=2, preset="mteb").columns.count("average_precision") == 0
    few = knn_eval(train, y, test, y_test, preset="mteb-v1-knn")
    of_metric = []
    for drawn in mteb_draws(y, 8, 10, 42, restarts=False):
        predicted = KNeighborsClassifier(3).fit(train[drawn], y[drawn]).predict(test)
        of_metric.append(average_precision_score(y_test, predicted))
    assert few["average_precision"][1] == pytest.approx(np.mean(of_metric), rel=1e-12)


@pytest.mark.parametrize("preset", ["dinov2", "dinov3", "uni", "mteb"])
def test_the_largest_seed_serves_all_tries(preset):
    table = few_shot(*halves(n=300), n_per_class=2, n_tries=3, preset=preset, random_state=2**32 - 1)
    assert table.settings["seed"] == 2**32 - 1


def test_a_seed_of_torch_counts_by_its_lower_32_bits():
    """at::mt19937 takes ``seed & 0xffffffff``."""
    assert TorchGenerator(2**32 + 5).permutation(9).tolist() == TorchGenerator(5).permutation(9).tolist()


def test_rows_in_memory_are_checked_before_tries_are_drawn(monkeypatch):
    def refuse(*_):
        raise AssertionError("rows were drawn")

    monkeypatch.setattr(_few_shot, "_draws", refuse)
    train, y, test, y_test = halves(n=300)
    train = train.astype(np.float64)
    train[3, 2] = 1e200
    with pytest.raises(InputError, match="train has 1e"):
        few_shot(train, y, test.astype(np.float64), y_test, n_per_class=2, n_tries=3)
    for options, said in (({"n_jobs": 0}, "n_jobs=0"), ({"progress": 3}, "progress=3; wanted a function")):
        with pytest.raises(InputError, match=said):
            few_shot(train, y, test, y_test, n_per_class=2, n_tries=3, **options)
        for evaluate in (knn_eval, linear_probe, evaluate_k):
            with pytest.raises(InputError, match=said):
                evaluate(None, y, test, y_test, **options)


UNKNOWN = "5 test rows have labels that no training row has (9): no model can predict them, so they count as wrong"


@pytest.mark.parametrize(
    "evaluate",
    [
        lambda *data: knn_eval(*data, preset="torchgeo-bench"),
        lambda *data: knn_eval(*data, preset="mteb-v1-knn"),
        lambda *data: few_shot(*data, n_per_class=3, n_tries=2, random_state=0),
        lambda *data: linear_probe(*data, preset="uni"),
        lambda *data: linear_probe(*data, preset="mteb"),
        lambda *data: evaluate_k(*data, [1]),
        lambda train, y, test, truth: (
            compare({"a": train, "b": train}, y, {"a": test, "b": test}, truth, presets="torchgeo-bench").table
        ),
    ],
)
def test_labels_without_training_rows_count_as_wrong_and_are_noted_and_shown(evaluate):
    train = np.random.default_rng(0).normal(size=(90, 6)).astype(np.float32)
    y, test = np.arange(90) % 3, train[:30] + np.float32(0.1)
    table = evaluate(train, y, test, np.where(np.arange(30) < 5, 9, y[:30]))
    assert UNKNOWN in table.settings["note"]
    for per_class in table.per_class:
        assert list(per_class) == [0, 1, 2, 9]
        assert per_class[9][:2] == (0.0, 0.0)
        assert 0.4 < per_class[9][2] < 0.5  # Wilson's for none of 5
    assert max(table["top1"]) <= 25 / 30


@pytest.mark.parametrize("n_classes", [2, 4])
def test_test_rows_of_unknown_classes_alone_are_all_wrong(n_classes):
    _, shares = random_shares(30, n_classes)
    (found,) = measure(np.full(30, -1), [[answers_of_scores(shares, np.full(30, -1), are_probabilities=True)]], n_classes)
    assert {found.values[name][0] for name in ("top1", "top5", "balanced_accuracy", "macro_f1")} == {0.0}
    assert "average_precision" not in found.values  # nothing to rank
