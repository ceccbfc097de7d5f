"""Notes of protocols on rows and labels that leave little to measure: equal rows, equal representations, one class."""

import numpy as np
import pytest

from fastcls import InputError
from fastcls._scoring.numbers import Answers
from fastcls.protocols import KNN_PRESETS, Evaluated, compare, knn_eval, linear_probe
from fastcls.protocols._comparison import compared

RNG = np.random.default_rng(0)
Y, Y_TEST = np.arange(300) % 3, np.arange(60) % 3
X, X_TEST = ((RNG.standard_normal((len(y), 6)) + 3 * np.eye(3, 6)[y]).astype(np.float32) for y in (Y, Y_TEST))
KNN = "torchgeo-bench"
ORDER = "are rows and labels in the same order?"


def knn(X, y, X_test, y_test):
    return knn_eval(X, y, X_test, y_test, preset=KNN)


def cosine(X, y, X_test, y_test):
    return knn_eval(X, y, X_test, y_test, preset="dino")


def probe(X, y, X_test, y_test):
    return linear_probe(X, y, X_test, y_test, preset="uni")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("evaluate", [knn, cosine, probe])
def test_equal_test_rows_are_counted_and_those_of_another_class(evaluate):
    assert "note" not in evaluate(X, Y, X_TEST, Y_TEST).settings
    rows, classes = X_TEST.copy(), Y_TEST.copy()
    rows[:7] = X[:7]
    classes[:2] = (Y[:2] + 1) % 3
    note = evaluate(X, Y, rows, classes).settings["note"]
    assert "7 of 60 test rows equal a training row, and 2 of these equal one of another class: on these rows" in note
    rows[1:7] = X_TEST[1:7]
    classes[0] = Y[0]
    assert "1 of 60 test rows equals a training row: on these rows" in evaluate(X, Y, rows, classes).settings["note"]
    rows[0] = np.nextafter(X[0], np.float32(9))  # as near as can be, and not equal
    assert "note" not in evaluate(X, Y, rows, classes).settings


def test_a_multiple_of_a_row_is_not_equal_to_it_under_cosine():
    rows = np.concatenate([2 * X[:9], X_TEST])
    assert "note" not in knn_eval(X, Y, rows, np.concatenate([Y[:9], Y_TEST]), preset="dino").settings
    assert KNN_PRESETS["dino"].metrics == ("cosine",)
    train = np.concatenate([X, 2 * X[:9]]), np.concatenate([Y, (Y[:9] + 1) % 3])
    note = cosine(*train, np.concatenate([X[:9], X_TEST]), np.concatenate([Y[:9], Y_TEST])).settings["note"]
    assert note.startswith("9 of 69 test rows equal a training row: on these")


def test_rows_in_parts_are_compared_too_and_those_of_an_iterator_are_not():
    rows = np.concatenate([X[:3], X[-3:], X_TEST])
    test = rows, np.concatenate([Y[:3], Y[-3:], Y_TEST])
    assert "6 of 66 test rows equal" in knn([X[:100], X[100:]], Y, *test).settings["note"]
    assert "note" not in knn(iter([X[:100], X[100:]]), Y, *test).settings


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("evaluate", [knn, cosine, probe])
def test_accuracy_that_does_not_exceed_that_of_the_majority_class_is_noted(evaluate):
    wrong_order = evaluate(X, np.random.default_rng(1).permutation(Y), X_TEST, Y_TEST)
    assert wrong_order.settings["majority"] == pytest.approx(1 / 3)
    assert ORDER in wrong_order.settings["note"]
    assert "note" not in evaluate(X, Y, X_TEST, Y_TEST).settings
    often = np.where(Y == 0, 0, 1)
    found = evaluate(X, often, X_TEST, np.where(Y_TEST == 0, 0, 1)).settings
    assert found["majority"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(("n_hits", "said"), [(20, "not better"), (26, "not significantly better"), (45, None)])
def test_the_interval_of_the_best_setting_decides(n_hits, said):
    truth = np.arange(60) % 3
    worse, best = (np.where(np.arange(60) < n, truth, (truth + 1) % 3) for n in (5, n_hits))
    lines = [({"k": k}, [Answers(predicted, {})]) for k, predicted in ((1, worse), (2, best))]
    note = Evaluated("title", {}, lines, truth, np.arange(3), names=["top1"], majority=0).table().settings.get("note")
    assert (note is None) == (said is None)
    assert said is None or said in note


def test_compare_notes_each_representation_that_is_no_better_than_the_majority_class():
    noise = np.random.default_rng(2).standard_normal((300, 4))
    found = compare({"good": X, "noise": noise}, Y, presets=[KNN, "mteb-few-shot"], n_per_class=2, n_tries=2)
    notes = [note for note in found.settings["note"].split("; ") if ORDER in note]
    assert len(notes) == 1  # few rows of each class may well be no better
    assert notes[0].startswith(f"{KNN}, noise: accuracy 0.")


def test_compare_counts_the_majority_class_of_the_training_rows_of_each_fold():
    y = np.repeat([0, 1, 2], [30, 30, 60])
    rng = np.random.default_rng(3)
    rows = {"a": rng.standard_normal((120, 3)), "b": rng.standard_normal((120, 4))}
    assert "majority class of the training rows, 0.5000" in compare(rows, y, presets=KNN, cv=3).settings["note"]
    other = {"test": {name: rng.standard_normal((40, each.shape[1])) for name, each in rows.items()}}
    found = compare(rows, y, y_test=np.repeat([0, 1, 2], [20, 8, 12]), presets=KNN, **other)
    assert "majority class of the training rows, 0.3000" in found.settings["note"]


@pytest.mark.parametrize("test", [False, True])
def test_compare_notes_equal_representations(test):
    rows = {"one": X, "other": X[:, :5], "again": X.copy(), "once more": X[:, :5].astype(np.float64)}
    given = {"test": {name: each[:30] + 1 for name, each in rows.items()}, "y_test": Y[:30]} if test else {}
    found = compare(rows, Y, presets=KNN, **given)
    assert "these representations have the same rows: 'one' and 'again'" in found.settings["note"]
    assert "'other' and" not in found.settings["note"]  # of another type: as many bytes a row are not the same


def test_pairs_are_compared_under_the_first_metric_and_never_under_the_better():
    settings = [{"metric": name, "k": k} for name in ("cosine", "l2", "better") for k in (1, 20)]
    assert compared(settings) == 1
    assert compared(settings[2:]) == 1


@pytest.mark.parametrize("presets", [KNN, "clip-probe"])
def test_compare_refuses_one_class(presets):
    with pytest.raises(InputError, match="all training rows have the class '7': give rows of at least two classes"):
        compare({"a": X, "b": X[:, :2]}, np.full(300, 7), presets=presets)


def test_a_row_of_a_csv_file_is_known_again_whatever_the_notes_say(tmp_path):
    file = tmp_path / "all.csv"
    noise = np.random.default_rng(2).standard_normal((300, 4))
    compare({"good": X, "most": X[:, :4]}, Y, presets=KNN).table.to_csv(file)
    added = compare({"good": X, "most": X[:, :4], "noise": noise}, Y, presets=KNN).table.to_csv(file)
    assert [line.split(",")[1] for line in added.splitlines()] == ["representation", "noise"]
