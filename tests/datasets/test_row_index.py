"""Rows and labels of pandas whose indices show another order are refused, wherever they are given together."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from _refused import check_refused

from fastcls import datasets
from fastcls.model_selection import cross_validate_k, evaluate_k
from fastcls.protocols import compare, few_shot, knn_eval

pd = pytest.importorskip("pandas", reason="pandas is not installed")

N = 40
Y = np.arange(N) % 2
X = np.random.default_rng(0).standard_normal((N, 4)) + 4 * Y[:, None]
NAMES = [f"r{row}" for row in range(N)]
OTHER = np.random.default_rng(1).permutation(N)
FRAME = pd.DataFrame(X, index=NAMES, columns=list("abcd"))

ENTRIES: dict[str, Callable[[Any, Any], object]] = {
    "a pair": lambda rows, y: datasets.load((rows, y)),
    "four": lambda rows, y: datasets.load((X, Y, rows, y)),
    "labels": lambda rows, y: datasets.load(rows, labels=y),
    "cross_validate_k": lambda rows, y: cross_validate_k(rows, y, ks=[1]),
    "evaluate_k": lambda rows, y: evaluate_k(rows, y, X, Y, [1]),
    "evaluate_k, test": lambda rows, y: evaluate_k(X, Y, rows, y, [1]),
    "knn_eval": lambda rows, y: knn_eval(rows, y, X, Y, preset="dino"),
    "few_shot": lambda rows, y: few_shot(rows, y, test=X, y_test=Y, preset="uni", n_per_class=[2], n_tries=2),
    "compare": lambda rows, y: compare({"one": rows, "two": X}, y, presets="torchgeo-bench"),
    "compare, test": lambda rows, y: compare({"one": X, "two": X}, Y, {"one": rows, "two": X}, y, presets="torchgeo-bench"),
}
each_entry = pytest.mark.parametrize("entry", ENTRIES)


@each_entry
def test_the_same_index_in_another_order_is_refused(entry: str) -> None:
    other = pd.Series(Y[OTHER], index=[NAMES[row] for row in OTHER])
    check_refused(lambda: ENTRIES[entry](FRAME, other), "have the same index in another order: row ")
    check_refused(
        lambda: ENTRIES[entry](FRAME.set_axis(3 * OTHER), pd.Series(Y, index=3 * np.arange(N))), "in another order"
    )


@each_entry
def test_indices_that_are_equal_or_only_count_say_nothing(entry: str, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(), caplog.at_level("WARNING", "fastcls"):
        warnings.filterwarnings("error", message=".*indices")
        ENTRIES[entry](FRAME, pd.Series(Y, index=NAMES))
        ENTRIES[entry](FRAME, pd.Series(Y))
        ENTRIES[entry](FRAME.reset_index(drop=True), pd.Series(Y, index=OTHER))
        ENTRIES[entry](FRAME, Y.tolist())
    assert not [text for text in caplog.messages if "indices" in text]


@each_entry
def test_indices_that_share_few_values_are_noted(entry: str, caplog: pytest.LogCaptureFixture) -> None:
    for index, shared in ((range(100, 100 + N), "no value"), ([*NAMES[:3], *range(N - 3)], "3 values of 40")):
        caplog.clear()
        with warnings.catch_warnings(record=True) as warned, caplog.at_level("WARNING", "fastcls"):
            warnings.simplefilter("always")
            ENTRIES[entry](FRAME, pd.Series(Y, index=list(index)))
        said = [text for text in [*caplog.messages, *(str(one.message) for one in warned)] if "indices" in text]
        assert len(said) == 1
        assert f"share {shared}, so whether both have the same rows in the same order is not checked" in said[0]
        places = [one.filename for one in warned if "indices" in str(one.message)]
        assert set(places) <= {__file__}


def test_representations_in_another_order_are_refused() -> None:
    check_refused(
        lambda: compare({"one": FRAME, "two": FRAME.iloc[OTHER]}, Y),
        "one and two have the same index in another order: row ",
    )


def test_an_index_of_several_levels_is_compared() -> None:
    levels = pd.MultiIndex.from_arrays([NAMES, np.arange(N)])
    frame, y = FRAME.set_axis(levels), pd.Series(Y, index=levels)
    np.testing.assert_array_equal(datasets.load((frame, y)).y, Y)
    check_refused(lambda: datasets.load((frame, y.iloc[OTHER])), "row 0 is ('r0', 0) in X and ")
