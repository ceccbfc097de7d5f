"""Comparisons by cross-validation: what folds of other sizes share."""

import numpy as np
import pytest

from fastcls._scoring.numbers import Answers
from fastcls.model_selection._folds import make_folds
from fastcls.protocols import Evaluated, _comparison, _folds, compare


def uneven(n_small=17):
    """Labels of which one class has so many rows that its part in the training rows differs between five folds."""
    return np.repeat(np.arange(3), [n_small, 60, 60])


@pytest.mark.parametrize("protocol", ["mteb-few-shot", "dinov3-few-shot"])
def test_folds_with_other_numbers_of_drawn_rows_are_one_setting(protocol, tmp_path):
    y = uneven()
    rng = np.random.default_rng(2)
    some = {name: rng.standard_normal((len(y), 4)) + np.eye(3, 4)[y] * factor for name, factor in (("a", 2), ("b", 1))}
    given = {"presets": protocol, "cv": 5, "n_per_class": [2, 14, 0.5], "n_tries": 2, "cache": tmp_path}
    found = compare(some, y, **given)
    trained = [train for train, _ in map(make_folds(5, y, y, random_state=0).split, range(5))]
    assert len({len(train) for train in trained}) == 2
    # 13 or 14 rows of the small class, half of them 6 or 7
    assert sorted(set(found.table["n_rows"])) == [6, 13 + 14 + 14, 6 + 24 + 24]
    (pair,) = found.pairs
    chosen = [row for row in found.table if row["compared"]]
    assert {row["n_rows"] for row in chosen} == {54}
    assert pair["difference"] == pytest.approx(chosen[0]["top1"] - chosen[1]["top1"])
    again = compare(some, y, **given)
    assert (again.reused, again.pairs.rows) == ((("a", protocol), ("b", protocol)), found.pairs.rows)


@pytest.mark.filterwarnings("ignore:k = 200 left out")
def test_folds_compare_the_k_that_all_of_them_allow():
    y = np.arange(249) % 3
    X = np.random.default_rng(3).standard_normal((249, 4)) + np.eye(3, 4)[y]
    found = compare({"a": X, "b": X[:, :2]}, y, presets="dino", cv=5)  # folds of 199 and 200 training rows
    assert [row["setting"] for row in found.table] == ["k=10", "k=20", "k=100"] * 2


def fold(*settings):
    return Evaluated("", {}, [(one, [Answers(np.full(2, at))]) for at, one in enumerate(settings)], np.zeros(2), np.zeros(1))


def test_lines_of_folds_are_matched_by_their_setting_in_any_order():
    long, short = fold({"k": 10}, {"k": 20}, {"k": 200}), fold({"k": 20}, {"k": 199})
    for folds in ([long, short], [short, long]):
        ((setting, (answers,)),) = _folds.pooled(folds)
        assert setting == {"k": 20}
        assert sorted(answers.predicted.tolist()) == [0, 0, 1, 1]
    few = [fold({"n_per_class": 9, "n_rows": n, "k": n}, {"n_per_class": 9.0, "n_rows": 8, "k": 5}) for n in (9, 8)]
    settings = [setting for setting, _ in _folds.pooled(few)]
    assert settings == [{"n_per_class": 9, "n_rows": 8, "k": [9, 8]}, {"n_per_class": 9.0, "n_rows": 8, "k": 5}]
    assert _comparison.compared(settings) == 0  # the k nearest to 20
