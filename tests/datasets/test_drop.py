"""Columns of a table that ``drop`` leaves out, in every layout of tables, and the refusals and notes that name it."""

import numpy as np
import pytest
from _refused import check_refused

from fastcls import datasets

pa = pytest.importorskip("pyarrow", reason="tables need pyarrow")
feather = pytest.importorskip("pyarrow.feather", reason="tables need pyarrow")
parquet = pytest.importorskip("pyarrow.parquet", reason="tables need pyarrow")
pandas = pytest.importorskip("pandas", reason="data frames need pandas")

N = 12
Y = np.arange(N) % 3
X = np.random.default_rng(0).standard_normal((N, 2))
COLUMNS = {"a": X[:, 0], "caption": [f"a dog {row}" for row in range(N)], "b": X[:, 1], "label": Y, "note": ["x"] * N}


def frame():
    return pandas.DataFrame(COLUMNS)


def of_folder(path):
    (path / "data").mkdir()
    frame().to_csv(path / "data/train.csv", index=False)
    frame().drop(columns="note").to_csv(path / "data/test.csv", index=False)  # test rows need not have what is dropped
    return path / "data"


def of_file(name, write):
    def make(path):
        write(path / name)
        return path / name

    return make


MAKERS = {
    "csv": of_file("t.csv", lambda file: frame().to_csv(file, index=False)),
    "parquet": of_file("t.parquet", lambda file: parquet.write_table(pa.table(COLUMNS), file)),
    "feather": of_file("t.feather", lambda file: feather.write_feather(pa.table(COLUMNS), file)),
    "folder": of_folder,
    "pandas": lambda path: frame(),
    "pyarrow": lambda path: pa.table(COLUMNS),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_columns_are_left_out(name, tmp_path):
    data = datasets.load(MAKERS[name](tmp_path), drop=["caption", "note"])
    assert data.feature_names == ("a", "b")
    np.testing.assert_allclose(data.X, X)
    np.testing.assert_array_equal(data.y, Y)
    if name == "folder":
        np.testing.assert_allclose(data.X_test, X)


@pytest.mark.parametrize("name", MAKERS)
def test_text_that_is_no_label_is_refused_with_the_names_for_drop(name, tmp_path):
    made = MAKERS[name](tmp_path)
    said = " (and 'note' no numbers either): leave them out with drop=['caption', 'note'], or write each category as"
    for words in ("the column 'caption' has text, 'a dog 0' ", said):
        check_refused(lambda: datasets.load(made), words)


def test_one_name_is_enough_and_features_may_be_dropped(tmp_path):
    file = MAKERS["csv"](tmp_path)
    check_refused(
        lambda: datasets.load(file, drop="caption"),
        "leave it out with drop=['note'], or write each category as a column of 0 and 1",
    )
    assert datasets.load(file, drop=("caption", "note", "a")).feature_names == ("b",)


@pytest.mark.parametrize("name", MAKERS)
def test_names_that_are_no_columns_are_refused(name, tmp_path):
    made = MAKERS[name](tmp_path)
    for said in ("drop=['captio'] is given, but ", "has the columns 'a', 'caption', 'b', 'label', 'note'"):
        check_refused(lambda said=said: datasets.load(made, drop=["captio", "note"]), said)


@pytest.mark.parametrize("drop", [7, [7], {"a": 1}])
def test_drop_must_be_names(drop, tmp_path):
    check_refused(
        lambda: datasets.load(MAKERS["csv"](tmp_path), drop=drop), "wanted the name of a column, or a list of names"
    )


def test_other_layouts_refuse_it(tmp_path):
    np.savez(tmp_path / "a.npz", X=X, y=Y)
    said = "only tables take it: leave it out"
    for data in (tmp_path / "a.npz", (X, Y), "digits"):
        check_refused(lambda data=data: datasets.load(data, drop=["a"]), said)


def test_the_labels_may_be_text_if_nothing_else_is_named_so(tmp_path):
    (tmp_path / "t.csv").write_text("a,kind,place\n1.5,x,p\n2.5,y,q\n")
    said = (
        "has text, 'x' in line 2 (and 'place' no numbers either): name the one that has the labels with labels=, and leave"
    )
    check_refused(lambda: datasets.load(tmp_path / "t.csv"), said)  # and no advice to leave out all
    assert datasets.load(tmp_path / "t.csv", drop="place").class_names == ("x", "y")


def test_of_several_columns_of_lists_all_but_one_are_dropped(tmp_path):
    table = pa.table({"clip": list(X), "dino": list(X[:, :1]), "label": Y})
    parquet.write_table(table, tmp_path / "t.parquet")
    said = "several columns of vectors ('clip', 'dino'): name one with features=, leave out the others, such as with"
    check_refused(lambda: datasets.load(tmp_path / "t.parquet"), said)
    assert datasets.load(tmp_path / "t.parquet", drop="clip").X.shape == (N, 1)


def test_what_divides_the_rows_is_noted():
    parts = ["train"] * 7 + ["test"] * 5
    table = pa.table({"a": X[:, 0], "fold": np.arange(N) % 4, "split": parts, "label": Y})
    data = datasets.load(table)
    assert data.feature_names == ("a",)
    assert len(data.X_test) == 5
    assert data.notes == (
        "the data frame: left out 'fold', because it has the fold of each row; rename the column to keep it",
        "the data frame: the column 'split' divides the rows: 7 train, 5 test",
    )
    assert datasets.load(table, drop="split").X_test is None
    named = datasets.load(table.rename_columns(["a", "folded", "split", "label"]))
    assert named.feature_names == ("a", "folded")


def test_a_column_without_a_name_has_one_in_notes(tmp_path):
    frame().drop(columns=["caption", "note"]).to_csv(tmp_path / "t.csv")
    assert datasets.load(tmp_path / "t.csv").notes[0].partition(": ")[2].startswith("left out '(a column without a name)', ")


@pytest.mark.parametrize("kind", [list, tuple, set, np.array, pandas.Index, lambda names: dict.fromkeys(names, 1).keys()])
def test_any_collection_of_names_will_do(kind):
    assert datasets.load(frame(), drop=kind(["caption", "note"])).feature_names == ("a", "b")


def test_labels_that_are_dropped_are_not_missing(tmp_path):
    frame().to_csv(tmp_path / "t.csv", index=False)
    for data in (frame(), tmp_path / "t.csv"):
        said = "drop=['label'] leaves out the labels of "
        check_refused(lambda data=data: datasets.load(data, drop=["label", "caption", "note"]), said)
        said = "the column 'note' has the labels, and drop=['note'] leaves it out: take it out of one"
        check_refused(lambda data=data: datasets.load(data, labels="note", drop=["note", "caption"]), said)
        assert datasets.load(data, labels=Y, drop=["label", "caption", "note"]).feature_names == ("a", "b")
