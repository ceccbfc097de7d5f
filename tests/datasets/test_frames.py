"""Data frames of pandas, polars and pyarrow: the same rows from each, and refusals by row and column."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pytest
from _refused import check_refused

from fastcls import datasets

pa = pytest.importorskip("pyarrow", reason="data frames need pyarrow")

X = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
Y = np.arange(12) % 3
SPECIES = np.array(["cat", "dog", "ship"])[Y]
F = {f"f{place}": X[:, place] for place in range(5)}
WIDE = pa.table({**F, "species": SPECIES})
LISTS = pa.table({"id": np.arange(12), "embedding": list(X), "species": SPECIES, "label": Y})


@pytest.fixture
def pd():
    return pytest.importorskip("pandas", reason="pandas is not installed")


@pytest.fixture
def pl():
    return pytest.importorskip("polars", reason="polars is not installed")


def check_same_rows(frame, classes=None):
    data = datasets.load(frame)
    np.testing.assert_array_equal(data.X, X)
    assert data.X.dtype == np.float32
    assert data.y.tolist() == Y.tolist()
    assert data.class_names == (classes or data.class_names)


def test_pyarrow():
    for table in (WIDE, LISTS):
        check_same_rows(table)
        check_same_rows(table.combine_chunks().to_batches()[0])
        check_same_rows(table.to_reader())


# pandas ---------------------------------------------------------------------------------------------------------------


def test_pandas_gives_the_same_rows(pd):
    check_same_rows(WIDE.to_pandas())
    check_same_rows(LISTS.to_pandas())
    for table in (WIDE, LISTS):  # columns of Arrow in pandas: lists keep their type
        check_same_rows(table.to_pandas(types_mapper=pd.ArrowDtype))
    check_same_rows(pd.DataFrame({"image": [row[:, None] for row in X], "label": Y}))
    nested = pa.table({"image": pa.array([row[:, None].tolist() for row in X], pa.list_(pa.list_(pa.float32())))})
    check_same_rows(nested.to_pandas().assign(label=Y))
    check_same_rows(pd.DataFrame(X).assign(label=Y))  # names that are numbers
    check_same_rows(pd.DataFrame({"Unnamed: 0": np.arange(12), **F, "label": Y}))


def test_labels_of_every_type_of_pandas(pd):
    numbers, names = ("0", "1", "2"), ("cat", "dog", "ship")
    check_same_rows(pd.DataFrame({**F, "label": pd.array(Y, "Int64")}), numbers)
    check_same_rows(pd.DataFrame({**F, "label": pd.Series(Y.tolist(), dtype=object)}), numbers)
    check_same_rows(pd.DataFrame({**F, "label": pd.Categorical(Y)}), numbers)
    check_same_rows(pd.DataFrame({**F, "label": pd.Categorical(SPECIES)}), names)
    check_same_rows(pd.DataFrame({**F, "label": pd.array(SPECIES, "string")}), names)
    check_same_rows(pd.DataFrame({**F, "label": pd.Series(SPECIES.tolist(), dtype=object)}), names)
    for dtype in (bool, "boolean"):
        data = datasets.load(pd.DataFrame({**F, "label": pd.Series(Y == 1, dtype=dtype)}))
        assert data.class_names == ("False", "True")  # as in every other table


def test_numbers_of_pandas_become_what_they_become_in_arrow(pd):
    frame = pd.DataFrame({"a": Y, "b": pd.array(Y, "Int64"), "c": Y == 1, "d": pd.Categorical(Y), "label": Y})
    data = datasets.load(frame)
    assert data.X.dtype == np.uint8
    assert data.X.tolist() == [[label, label, int(label == 1), label] for label in Y.tolist()]
    np.testing.assert_array_equal(data.X, datasets.load(pa.table(frame)).X)


def cells(value, row=1):
    """Three numbers, one of which is replaced."""
    found = [1.0, 2.0, 3.0]
    found[row] = value
    return found


LIST = [1.0, 2.0]
BAD_PANDAS = {
    "no rows": (lambda pd: pd.DataFrame({**F, "label": Y}).iloc[:0], "the data frame has no rows"),
    "no rows of lists": (lambda pd: LISTS.to_pandas().iloc[:0], "the data frame has no rows"),
    "one name twice": (lambda pd: pd.DataFrame(np.c_[X, Y], columns=list("aabcd") + ["label"]), "the columns 'a' more than"),
    "two columns of labels": (lambda pd: pd.DataFrame({**F, "y": X[:, 0], "label": Y}), "may be the labels, 'y', 'label'"),
    "NaN": (lambda pd: pd.DataFrame({"a": cells(np.nan), "y": [0, 1, 1]}), "the column 'a' has NaN at row 1"),
    "NA of Int64": (
        lambda pd: pd.DataFrame({"a": pd.array([1, 2, None], "Int64"), "y": [0, 1, 1]}),
        "'a' has no value at row 2",
    ),
    "NA of Float32": (
        lambda pd: pd.DataFrame({"a": pd.array(cells(None), "Float32"), "y": [0, 1, 1]}),
        "'a' has no value at row 1",
    ),
    "NA of Arrow": (
        lambda pd: pa.table({"a": cells(None), "y": [0, 1, 1]}).to_pandas(types_mapper=pd.ArrowDtype),
        "'a' has no value at row 1",
    ),
    "text among objects": (
        lambda pd: pd.DataFrame({"a": pd.Series(cells("x"), dtype=object), "y": [0, 1, 1]}),
        "'a' has object (a str at row 1)",
    ),
    "nothing among objects": (
        lambda pd: pd.DataFrame({"a": pd.Series(cells(None), dtype=object), "y": [0, 1, 1]}),
        "'a' has object (no value at row 1)",
    ),
    "numbers as objects": (
        lambda pd: pd.DataFrame({"a": pd.Series([1.0, 2.0, 3.0], dtype=object), "y": [0, 1, 1]}),
        "'a' has object (numbers): convert it with .astype(float)",
    ),
    "objects": (lambda pd: pd.DataFrame({"a": [object()] * 3, "y": [0, 1, 1]}), "'a' has object (an object at row 0)"),
    "decimals": (lambda pd: pd.DataFrame({"a": [decimal.Decimal(1)], "y": [0]}), "'a' has object (a Decimal at row 0)"),
    "times": (lambda pd: pd.DataFrame({"a": [1.0], "t": [pd.Timestamp("2020")], "y": [0]}), "'t' has datetime64"),
    "a category": (
        lambda pd: pd.DataFrame({"a": [1.0, 2.0], "c": pd.Categorical(["r", "g"]), "y": [0, 1]}),
        "'c' has text, 'r' at row 0",
    ),
    "sparse": (
        lambda pd: pd.DataFrame({"a": pd.arrays.SparseArray([1.0, 0.0]), "y": [0, 1]}),
        "'a' has Sparse[float64, nan]: convert it with .sparse.to_dense()",
    ),
    "a short list": (lambda pd: pd.DataFrame({"e": [LIST, [1], LIST], "y": [0, 1, 1]}), "a list of 1 value at row 1, but 2"),
    "uneven lists of lists": (
        lambda pd: pd.DataFrame({"e": [[LIST, LIST], [LIST, [1]]], "y": [0, 1]}),
        "lists of different lengths at row 1",
    ),
    "arrays of other shapes": (
        lambda pd: pd.DataFrame({"e": [np.ones((2, 2)), np.ones((2, 3))], "y": [0, 1]}),
        "an array of shape (2, 3) at row 1, but (2, 2) in the first row",
    ),
    "text in place of a list": (lambda pd: pd.DataFrame({"e": [LIST, "no"], "y": [0, 1]}), "a str without numbers at row 1"),
    "a list of text": (lambda pd: pd.DataFrame({"e": [LIST, ["a", "b"]], "y": [0, 1]}), "a list without numbers at row 1"),
    "no first list": (lambda pd: pd.DataFrame({"e": [None, LIST], "y": [0, 1]}), "'e' has no value at row 0"),
    "no list": (lambda pd: pd.DataFrame({"e": [LIST, np.nan], "y": [0, 1]}), "'e' has no value at row 1"),
    "None in a list": (
        lambda pd: pd.DataFrame({"e": [LIST, [1, None]], "y": [0, 1]}),
        "'e' has no value at row 1, column 1",
    ),
    "NaN in a list": (lambda pd: pd.DataFrame({"e": [LIST, [1, np.nan]], "y": [0, 1]}), "NaN (first at row 1, column 1)"),
    "empty lists": (lambda pd: pd.DataFrame({"e": [[], []], "y": [0, 1]}), "'e' has empty lists"),
    "NA as label": (
        lambda pd: pd.DataFrame({"a": [1.0, 2.0], "label": pd.array([1, None], "Int64")}),
        "the column 'label' has no value at row 1",
    ),
    "no category": (
        lambda pd: pd.DataFrame({"a": [1.0, 2.0], "label": pd.Categorical(["a", None])}),
        "the column 'label' has a missing value (nan) at row 1",
    ),
    "numbers and text as labels": (
        lambda pd: pd.DataFrame({"a": [1.0] * 3, "label": pd.Series([1, 2, "x"], dtype=object)}),
        "the column 'label' mixes labels of types that cannot be ordered (int, str): convert them to one type (row 2 is",
    ),
    "times as labels": (
        lambda pd: pd.DataFrame({"a": [1.0], "label": [pd.Timestamp("2020")]}),
        "the column 'label' has a Timestamp at row 0",
    ),
}


@pytest.mark.parametrize(("make", "words"), list(BAD_PANDAS.values()), ids=list(BAD_PANDAS))
def test_bad_frames_of_pandas_are_refused_by_row_and_column(make, words, pd):
    check_refused(lambda: datasets.load(make(pd)), words)


# polars ---------------------------------------------------------------------------------------------------------------


def test_polars_gives_the_same_rows(pl):
    check_same_rows(pl.from_arrow(WIDE))
    check_same_rows(pl.from_arrow(LISTS))
    check_same_rows(pl.DataFrame({"x": pl.Series(X.tolist(), dtype=pl.Array(pl.Float32, 5)), "y": Y}))
    check_same_rows(pl.DataFrame({"image": pl.Series(X[:, :, None]), "y": Y}))
    names = ("cat", "dog", "ship")
    check_same_rows(pl.DataFrame({**F, "label": pl.Series(SPECIES, dtype=pl.Categorical)}), names)
    check_same_rows(pl.DataFrame({**F, "label": pl.Series(SPECIES, dtype=pl.Enum(["ship", "dog", "cat"]))}), names)
    assert datasets.load(pl.DataFrame({**F, "label": Y == 1})).class_names == ("False", "True")


BAD_POLARS = {
    "no rows": (lambda pl: pl.DataFrame({**F, "label": Y}).head(0), "the data frame has no rows"),
    "a lazy frame": (lambda pl: pl.DataFrame({**F, "label": Y}).lazy(), "is a LazyFrame: give the result of its collect()"),
    "a type that Arrow does not have": (
        lambda pl: pl.DataFrame({"a": pl.Series([1], dtype=pl.Int128), "y": [0]}),
        "the data frame cannot be read",
    ),
    "null": (lambda pl: pl.DataFrame({"a": cells(None), "y": [0, 1, 1]}), "'a' has no value at row 1"),
    "NaN": (lambda pl: pl.DataFrame({"a": cells(np.nan), "y": [0, 1, 1]}), "'a' has NaN at row 1"),
    "no list": (lambda pl: pl.DataFrame({"e": [LIST, None], "y": [0, 1]}), "'e' has no value at row 1"),
    "no array": (
        lambda pl: pl.DataFrame({"e": pl.Series([LIST, None], dtype=pl.Array(pl.Float32, 2)), "y": [0, 1]}),
        "'e' has no value at row 1",
    ),
    "a short list": (lambda pl: pl.DataFrame({"e": [LIST, [1.0]], "y": [0, 1]}), "a list of 1 value at row 1, but 2"),
    "no label": (lambda pl: pl.DataFrame({"a": [1.0, 2.0], "label": [1, None]}), "'label' has no value at row 1"),
    "no category": (
        lambda pl: pl.DataFrame({"a": [1.0, 2.0], "label": pl.Series(["a", None], dtype=pl.Categorical)}),
        "'label' has no value at row 1",
    ),
    "a date": (lambda pl: pl.DataFrame({"a": [datetime.date(2020, 1, 1)], "y": [0]}), "'a' has date32"),
    "a decimal": (lambda pl: pl.DataFrame({"a": [decimal.Decimal(1)], "y": [0]}), ": cast it to float64"),
    "a struct": (lambda pl: pl.DataFrame({"a": [{"b": 1.0}], "y": [0]}), "'a' has struct"),
    "two columns of labels": (lambda pl: pl.DataFrame({**F, "y": Y, "label": Y}), "may be the labels, 'y', 'label'"),
}


@pytest.mark.parametrize(("make", "words"), list(BAD_POLARS.values()), ids=list(BAD_POLARS))
def test_bad_frames_of_polars_are_refused_by_row_and_column(make, words, pl):
    check_refused(lambda: datasets.load(make(pl)), words)
