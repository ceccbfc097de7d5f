"""Columns that are read as features, and are noted because they may be none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _tables import formats, load

N = 60
RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((2, N)).round(4)
Y = RNG.permutation(np.arange(N) % 3)
CLASSES = np.array(["cat", "dog", "owl"])[Y]


def doubts(ending: str, folder: Path, **columns: object) -> list[str]:
    found = load(ending, folder / "f", {"a": A, **columns, "b": B, "label": CLASSES})
    assert found.feature_names == ("a", *columns, "b")
    return [note for note in found.notes if "read as" in note]


@formats
def test_copies_of_the_label_are_noted(ending: str, tmp_path: Path) -> None:
    said = (
        "'class_idx' has one value in all rows of a class, as a copy of the label has; it is read as a feature: if it is "
        "none, give drop=['class_idx']"
    )
    assert [note.partition(": ")[2] for note in doubts(ending, tmp_path, class_idx=7 - Y)] == [said]
    coarse = np.array([0.5, 0.5, 2.0])[Y]  # of a group of classes
    (both,) = doubts(ending, tmp_path, class_idx=Y, group=coarse)
    assert "'class_idx', 'group' have one value each in all rows of a class" in both
    almost = 1.0 * Y
    almost[np.flatnonzero(Y == 1)[-1]] = 5
    assert not doubts(ending, tmp_path, x=almost, same=np.full(N, 3))


@formats
@pytest.mark.parametrize("name", ["timestamp", "Date", "created_at", "ts", "ts_ms", "timestamp_ns"])
def test_times_are_noted(ending: str, name: str, tmp_path: Path) -> None:
    (said,) = doubts(ending, tmp_path, **{name: 1.6e9 + RNG.permutation(N) * 60})
    assert f"the values of '{name}' are times, or rise or fall from row to row; it is read as a feature" in said
    assert f"give drop=['{name}']" in said


@formats
def test_values_that_rise_or_fall_with_the_rows_are_noted(ending: str, tmp_path: Path) -> None:
    rising, falling = np.sort(RNG.random(N)), -(np.arange(N) ** 2.0)
    (said,) = doubts(ending, tmp_path, u=rising, v=falling)
    assert "the values of 'u', 'v' rise or fall from row to row; they are read as features" in said
    falling[-1] = 0
    rising[[30, 31]] = rising[[31, 30]]
    assert not doubts(ending, tmp_path, u=rising, v=falling)


def test_few_rows_of_many_classes_say_nothing(tmp_path: Path) -> None:
    """Two rows a class: a feature may well be the same in both."""
    y = np.arange(14) // 2
    rows = {"a": np.linspace(0, 1, 14) ** 2 * (-1) ** np.arange(14), "b": y * 1.5, "label": np.array(list("abcdefg"))[y]}
    assert not [note for note in load("csv", tmp_path / "f", rows).notes if "in all rows of a class" in note]
