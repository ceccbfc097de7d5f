"""Splits keep shares and groups, and are functions of their seed; what cannot be split is refused."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _refused import Case, cases, check_refused

from fastcls import datasets
from fastcls.datasets import Dataset


def test_three_parts_are_disjoint_complete_and_stratified() -> None:
    y = np.repeat(np.arange(4), 50)
    parts = datasets.train_validation_test_split(y, validation_size=20, test_size=0.25, random_state=2)
    assert [len(part) for part in parts] == [130, 20, 50]
    assert sorted(np.concatenate(parts)) == list(range(200))
    for part in parts:
        counts = np.bincount(y[part], minlength=4)
        assert counts.max() - counts.min() <= 1
        assert (np.diff(part) > 0).all()
    again = datasets.train_validation_test_split(y, validation_size=20, test_size=0.25, random_state=2)
    for part, same in zip(parts, again, strict=True):
        np.testing.assert_array_equal(part, same)


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_both_sides(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, groups = rng.integers(0, 3, 300), rng.integers(0, 40, 300)
    train, test = datasets.group_split(y, groups, n_parts=5, random_state=seed)
    assert not set(groups[train]) & set(groups[test])
    assert sorted([*train, *test]) == list(range(300))
    assert 30 <= len(test) <= 90
    named = datasets.group_split(y, np.array([f"camera {g:02d}" for g in groups]), n_parts=5, random_state=seed)
    np.testing.assert_array_equal(named[1], test)
    assert not np.array_equal(test, datasets.group_split(y, groups, n_parts=5, random_state=seed + 100)[1])


def labelled(counts: list[int]) -> Dataset:
    y = np.repeat(np.arange(len(counts)), counts)
    X = np.arange(len(y), dtype=np.float32)[:, None]
    return Dataset(X, y, class_names=tuple(f"c{i}" for i in range(len(counts))))


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_split_keeps_each_class_share(seed: int) -> None:
    data = labelled([50, 100, 10])
    split = datasets.train_test_split(data, test_size=0.2, random_state=seed)
    assert split.X_test is not None
    assert split.y_test is not None
    assert np.bincount(split.y_test).tolist() == [10, 20, 2]
    together = np.concatenate([split.X, split.X_test]).ravel()
    assert sorted(together) == list(range(160))
    assert (np.diff(split.X.ravel()) > 0).all()
    np.testing.assert_array_equal(data.y[split.X_test.ravel().astype(int)], split.y_test)


def test_a_split_is_a_function_of_its_seed() -> None:
    y = labelled([20, 20]).y
    (a, b), (c, d), (e, _) = (datasets.train_validation_split(y, random_state=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(a, c)
    np.testing.assert_array_equal(b, d)
    assert a.tolist() != e.tolist()


@pytest.mark.parametrize("names", [("ant", "bee", "cat"), ("cat", "bee", "ant"), (2, 0, 1)])
def test_the_rows_are_those_of_scikit_learn_for_the_same_labels(names: tuple) -> None:
    from sklearn.model_selection import train_test_split

    y = np.array(names)[np.random.default_rng(0).integers(0, 3, 200)]
    wanted = train_test_split(np.arange(200), test_size=0.2, random_state=3, stratify=y)
    found = datasets.train_validation_split(y, validation_size=0.2, random_state=3)
    for rows, same in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(rows, np.sort(same))


def test_random_state_works_as_in_scikit_learn() -> None:
    y = labelled([40, 40]).y
    for split in (datasets.train_validation_split, lambda y, **given: datasets.group_split(y, np.arange(80) // 2, **given)):
        state = np.random.RandomState(7)
        first, second = (split(y, random_state=state)[1].tolist() for _ in range(2))
        assert first != second
        assert first == split(y, random_state=np.random.RandomState(7))[1].tolist()
        assert len({tuple(split(y)[1]) for _ in range(3)}) > 1
    assert not np.array_equal(datasets.make_ring(9).X, datasets.make_ring(9).X)


@pytest.mark.parametrize(
    ("counts", "size", "words", "all_classes_kept"),
    [
        ([20, 1, 20, 1], 0.2, "classes with a single row", True),
        ([5, 5, 5, 5], 1, "one random row of each class was kept", True),
        ([2] * 8, 7, "one random row of each class was kept", True),
        ([1, 1, 1], 1, "at random from all", False),
        ([1, 1], 0.5, "at random from all", False),
        ([2, 2, 2], 4, "at random from all", False),
        ([5, 1, 1, 1, 1, 1], 3, "classes with a single row", True),
        ([2, 2, 1], 2, "1 class with a single row stays out", True),
    ],
)
def test_classes_too_small_to_stratify_are_split_by_the_stated_rule_and_logged(
    counts: list[int], size: float, words: str, all_classes_kept: bool, caplog: pytest.LogCaptureFixture
) -> None:
    y = labelled(counts).y
    for seed in range(10):
        caplog.clear()
        train, validation = datasets.train_validation_split(y, validation_size=size, random_state=seed)
        assert len(validation) == (size if isinstance(size, int) else int(np.ceil(size * len(y))))
        assert sorted([*train, *validation]) == list(range(len(y)))
        assert not all_classes_kept or set(y[train]) == set(range(len(counts)))
        assert words in caplog.text
        assert len(caplog.records) == 1


def test_an_ordinary_split_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="fastcls")
    datasets.train_validation_split(np.repeat(["a", "b"], 10))
    assert caplog.records == []


def test_limit_keeps_shares_on_both_sides() -> None:
    data = datasets.train_test_split(labelled([100, 50]), test_size=30)
    small = datasets.limit(data, 15, random_state=0)
    assert small.y_test is not None
    assert np.bincount(small.y).tolist() == np.bincount(small.y_test).tolist() == [10, 5]
    assert len(datasets.limit(data, 60).y_test) == 30
    assert datasets.limit(data, 1000) is data
    assert len(datasets.limit(data, 1).y) == 1


# ---------------------------------------------------------------- refusals

GOOD = Dataset(np.zeros((3, 4), np.uint8), np.array([0, 1, 1]), class_names=("a", "b"))
SPLIT_CASES: dict[str, Case] = {
    "test set there": (
        lambda d: datasets.train_test_split(datasets.train_test_split(GOOD)),
        "has its own test set",
    ),
    **{
        f"size {size!r}": (lambda d, size=size: datasets.train_test_split(GOOD, test_size=size), "test_size")
        for size in (0, 3, -1, 0.0, 1.0, 1.5, float("nan"), "a", None, True)
    },
    "no row to train on": (
        lambda d: datasets.train_validation_split(np.array([0, 1]), validation_size=0.9),
        "at least one row on each side",
    ),
    **{
        f"random_state={seed!r}": (
            lambda d, seed=seed: datasets.train_test_split(GOOD, random_state=seed),
            f"random_state={seed!r}; wanted None",
        )
        for seed in (-1, 2**32, 1.5, "a")
    },
    "three parts, none to train on": (
        lambda d: datasets.train_validation_test_split(np.arange(4) % 2, validation_size=2, test_size=2),
        "leave none to train on",
    ),
    "groups of another length": (lambda d: datasets.group_split([0, 1], [0]), "1 group for 2 labels"),
    "one group": (lambda d: datasets.group_split([0, 1] * 5, [3] * 10, n_parts=2), "n_parts=2 is too many for 1 group"),
    "one part": (lambda d: datasets.group_split([0, 1], [0, 1], n_parts=1), "n_parts=1;"),
    "fractional groups": (lambda d: datasets.group_split([0, 1], [0.5, 1]), "0.5 at row 0"),
    **{f"limit {n!r}": (lambda d, n=n: datasets.limit(GOOD, n), "n=") for n in (0, -1, 1.5, None, "a", True)},
}


@cases(SPLIT_CASES)
def test_a_split_that_cannot_be_made_is_refused(act: Callable, words: str, tmp_path: Path) -> None:
    check_refused(lambda: act(tmp_path), words)
