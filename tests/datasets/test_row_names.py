"""Columns that name or number the rows of a table: which are left out, which stay, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _refused import check_refused
from _tables import formats, load

from fastcls import datasets

N = 24
A, B, Y = np.linspace(0, 1, N), np.sqrt(np.arange(N)), np.arange(N) % 3


@formats
@pytest.mark.parametrize(
    ("name", "values", "why"),
    [
        ("id", np.arange(N), "such a column names or numbers the rows"),
        ("id", Y, "such a column names or numbers the rows"),  # of persons, who must not be features either
        ("Unnamed: 0", np.arange(N), "such a column names or numbers the rows"),
        ("filename", [f"{row}.png" for row in range(N)], "such a column names or numbers the rows"),
        ("key", [f"k{row}" for row in range(N)], "such a column names or numbers the rows"),
        ("image_id", [f"img{row}" for row in range(N)], "such a column names or numbers the rows"),
        ("split", Y, "only text, train and test, in such a column divides the rows"),
        ("row", np.arange(N), "its values (0, 1, 2, ...) number the rows; rename the column to keep it"),
        ("Row", 5.0 + np.arange(N), "its values (5, 6, 7, ...) number the rows"),
        ("index", np.random.default_rng(0).permutation(N) + 300, "number the rows"),
        ("sample_id", np.arange(N) * 7, "its values (0, 7, 14, ...) number the rows"),
        ("idx", np.concatenate([np.arange(N // 2)] * 2), "number the rows"),  # of two tables in one
    ],
)
def test_columns_that_name_or_number_rows_are_left_out_with_the_reason(
    ending: str, name: str, values: object, why: str, tmp_path: Path
) -> None:
    found = load(ending, tmp_path / "f", {"a": A, name: values, "b": B, "label": Y})
    assert found.feature_names == ("a", "b")
    np.testing.assert_array_equal(found.X, np.column_stack([A, B]))
    assert any(f"left out '{name}', because " in note and why in note for note in found.notes), found.notes


@formats
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("key", 5 * np.arange(N) % 12),  # of a song
        ("index", 1.3 + A),  # of refraction
        ("row", np.arange(N) // 5),  # of a pixel
        ("number", np.arange(N) % 7),
    ],
)
def test_features_with_such_names_stay_in_their_place(ending: str, name: str, values: np.ndarray, tmp_path: Path) -> None:
    found = load(ending, tmp_path / "f", {"a": A, name: values, "b": B, "label": Y})
    assert found.feature_names == ("a", name, "b")
    np.testing.assert_array_equal(found.X, np.column_stack([A, values, B]))
    assert not any("left out" in note for note in found.notes)


@formats
def test_other_columns_that_count_the_rows_are_features_with_a_note(ending: str, tmp_path: Path) -> None:
    found = load(ending, tmp_path / "f", {"time": 1 + np.arange(N), "b": B, "label": Y})
    assert found.feature_names == ("time", "b")
    assert any(
        "the column 'time' counts its 24 rows; it is read as a feature: if it is none, give drop=['time']" in note
        for note in found.notes
    )


def test_a_column_of_numbers_of_rows_leaves_bytes_bytes(tmp_path: Path) -> None:
    found = load("csv", tmp_path / "f", {"row": np.arange(N) + 1000, "p": Y, "key": Y, "q": Y[::-1], "label": Y})
    assert found.X.dtype == np.uint8
    np.testing.assert_array_equal(found.X, np.column_stack([Y, Y, Y[::-1]]))
    check_refused(lambda: load("csv", tmp_path / "g", {"row": np.arange(N), "label": Y}), "no column of numbers next to")


@pytest.mark.parametrize("n", [1, 5])
def test_test_rows_have_the_features_of_the_training_rows(n: int, tmp_path: Path) -> None:
    """However few they are, so that what is a feature among the training rows seems to number them."""
    columns = {"key": 5 * np.arange(N) % 12, "row": np.arange(N), "a": A, "label": Y}
    load("csv", tmp_path / "train", columns)
    load("csv", tmp_path / "test", {name: values[:n] for name, values in columns.items()})
    found = datasets.load(tmp_path)
    assert found.feature_names == ("key", "a")
    assert found.X_test is not None
    np.testing.assert_array_equal(found.X_test, np.column_stack([5 * np.arange(n) % 12, A[:n]]))
