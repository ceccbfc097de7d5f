"""CSV, Parquet, Arrow and saved datasets: the same rows from each, and refusals by row and column."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tracemalloc

import numpy as np
import pytest
from _refused import check_refused, touch
from PIL import Image

from fastcls import datasets
from fastcls._runtime import memory
from fastcls._validation.errors import InputError
from fastcls.datasets import _csv

pa = pytest.importorskip("pyarrow", reason="tables need pyarrow")
import pyarrow.feather as feather  # noqa: E402
import pyarrow.parquet as parquet  # noqa: E402

X = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
Y = np.arange(12) % 3
SPECIES = np.array(["cat", "dog", "ship"])[Y]
WIDE = pa.table({**{f"f{place}": X[:, place] for place in range(5)}, "species": SPECIES})
LISTS = pa.table({"id": np.arange(12), "embedding": list(X), "species": SPECIES, "label": Y})


def as_csv(table, path):
    rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
    lines = [table.column_names, *(map(repr, row) for row in rows)]
    path.write_text("".join(",".join(line) + chr(10) for line in lines).replace(chr(39), ""))


FILES = {
    "f.parquet": lambda table, path: parquet.write_table(table, path),
    "groups.parquet": lambda table, path: parquet.write_table(table, path, row_group_size=5, compression="gzip"),
    "f.feather": lambda table, path: feather.write_feather(table, path),
    "plain.arrow": lambda table, path: feather.write_feather(table, path, compression="uncompressed", chunksize=5),
}


def stream(table, path):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=5)


FILES["stream.arrow"] = stream


@pytest.mark.parametrize("name", FILES)
def test_lists_and_columns_give_the_same_rows(name, tmp_path):
    for table, names in ((WIDE, ("cat", "dog", "ship")), (LISTS, ("0", "1", "2"))):
        FILES[name](table, tmp_path / name)
        before = (tmp_path / name).read_bytes()
        data = datasets.load(tmp_path / name)
        np.testing.assert_array_equal(data.X, X)
        np.testing.assert_array_equal(data.y, Y)
        assert data.X.dtype == np.float32
        assert data.class_names == names
        assert (tmp_path / name).read_bytes() == before
    assert datasets.load(tmp_path / name, labels="species").class_names == ("cat", "dog", "ship")


ROWS_ONE_BY_ONE = pa.array(X.ravel())
#: other types of Arrow for the same rows and labels
SAME_ROWS = {
    "fixed_size_list": {"e": pa.FixedSizeListArray.from_arrays(ROWS_ONE_BY_ONE, 5)},
    "fixed_size_list, sliced": {"e": pa.FixedSizeListArray.from_arrays(pa.array(np.r_[X, X].ravel()), 5).slice(12)},
    "large_list": {"e": pa.array(list(X), pa.large_list(pa.float32()))},
    "list of lists": {"image": pa.array([row[:, None].tolist() for row in X], pa.list_(pa.list_(pa.float32())))},
    "tensor": {"e": pa.FixedShapeTensorArray.from_numpy_ndarray(X)},
    "chunks": {"e": pa.chunked_array([list(X[:5]), pa.array([], pa.list_(pa.float32())), list(X[5:])])},
    "dictionary of numbers": {f"f{place}": pa.array(X[:, place]).dictionary_encode() for place in range(5)},
}
SAME_LABELS = {
    "dictionary": pa.array(SPECIES).dictionary_encode(),
    "large_string": pa.array(SPECIES.tolist(), pa.large_string()),
    "string_view": pa.array(SPECIES.tolist(), pa.string_view()),
    "binary": pa.array([name.encode() for name in SPECIES.tolist()]),
    "dictionary of integers": pa.array(Y).dictionary_encode(),
}


@pytest.mark.parametrize("columns", list(SAME_ROWS.values()), ids=list(SAME_ROWS))
@pytest.mark.parametrize("name", ["f.parquet", "f.feather", "stream.arrow"])
def test_every_type_of_rows_gives_the_same_rows(columns, name, tmp_path):
    table = pa.table({**columns, "label": Y})
    FILES[name](table, tmp_path / name)
    for source in (table, tmp_path / name):
        data = datasets.load(source)
        np.testing.assert_array_equal(data.X, X)
        assert data.X.dtype == np.float32
        assert data.y.tolist() == Y.tolist()


@pytest.mark.parametrize("labels", list(SAME_LABELS.values()), ids=list(SAME_LABELS))
@pytest.mark.parametrize("name", ["f.parquet", "f.feather", "stream.arrow"])
def test_every_type_of_labels_gives_the_same_labels(labels, name, tmp_path):
    table = pa.table({"e": list(X), "label": labels})
    FILES[name](table, tmp_path / name)
    for source in (table, tmp_path / name):
        data = datasets.load(source)
        assert data.y.tolist() == Y.tolist()
        assert data.class_names in (("cat", "dog", "ship"), ("0", "1", "2"))


def test_booleans_are_features_and_labels(tmp_path):
    table = pa.table({"a": Y == 1, "b": Y == 2, "label": Y == 0})
    for name in ("f.parquet", "f.feather"):
        FILES[name](table, tmp_path / name)
        data = datasets.load(tmp_path / name)
        assert data.X.tolist() == [[int(label == 1), int(label == 2)] for label in Y]
        assert data.class_names == ("False", "True")


def test_csv_keeps_every_digit(tmp_path):
    table = WIDE.set_column(0, "f0", pa.array(X[:, 0].astype(np.float64) / 3))
    as_csv(table, tmp_path / "f.csv")
    data = datasets.load(tmp_path / "f.csv")
    np.testing.assert_array_equal(data.X[:, 0], X[:, 0].astype(np.float64) / 3)
    assert data.class_names == ("cat", "dog", "ship")
    assert any("the labels are the column 'species'" in text for text in data.notes)


def test_csv_of_pixels_becomes_bytes(tmp_path):
    (tmp_path / "f.csv").write_text("label,pixel0,pixel1\n7,0,255\n1,12,3\n")
    data = datasets.load(tmp_path / "f.csv")
    assert data.X.dtype == np.uint8
    assert data.X.tolist() == [[0, 255], [12, 3]]
    assert data.class_names == ("1", "7")
    touch(tmp_path / "g.tsv", b"a\tb\tclass\n1.5\t2\t'x'\n")
    assert datasets.load(tmp_path / "g.tsv").X.tolist() == [[1.5, 2.0]]
    touch(tmp_path / "h.csv", b"1;2;cat\n3;4;dog\n")  # no names of columns
    assert datasets.load(tmp_path / "h.csv").X.tolist() == [[1, 2], [3, 4]]
    touch(tmp_path / "i.csv", b"7,1,2\n8,3,4\n")
    assert datasets.load(tmp_path / "i.csv", labels="0").class_names == ("7", "8")


@pytest.mark.parametrize(
    ("cells", "names"),
    [
        (("1.000000000000000000e+00", "0.000000000000000000e+00"), ("0", "1")),  # numpy.savetxt
        (("1.0", "2"), ("1", "2")),
        (("1e3", "2e3"), ("1e3", "2e3")),  # a text, such as an identifier
    ],
)
def test_whole_numbers_are_labels_however_they_are_written(cells, names, tmp_path):
    touch(tmp_path / "f.csv", "".join(f"1.5,{cell}\n" for cell in cells).encode())
    assert datasets.load(tmp_path / "f.csv", labels="1").class_names == names


#: text, labels=, and whether the first line could have been a row
HEADS = {
    "names are numbers": ("0,1,2,label\n.5,1,2,0\n3,4,5,1\n", None, False),
    "names are numbers, labels are text": ("0,1,2,label\n.5,1,2,r\n3,4,5,s\n", None, True),
    "names are numbers, labels are called otherwise": ("0,1,2,species\n.5,1,2,r\n3,4,5,s\n", None, True),
    "all names are numbers": ("0,1,2,3\n.5,1,2,0\n3,4,5,1\n", "3", True),
    "names are other numbers": ("400,401,402,label\n.5,1,2,r\n3,4,5,s\n", None, True),
    "the name is given": ("400,401,402,species\n.5,1,2,r\n3,4,5,s\n", "species", True),
    "an index": (",0,1,2,label\n0,.5,1,2,r\n1,3,4,5,s\n", None, False),
    "an index that was read and written": ("Unnamed: 0,0,1,2,label\n0,.5,1,2,r\n1,3,4,5,s\n", None, False),
    "a byte order mark": ("\ufeff0,1,2,label\n.5,1,2,r\n3,4,5,s\n", None, True),
    "quotes and semicolons": ('"a";"b; c";"d";"label"\n".5";1;2;0\n3;4;5;1\n', None, False),
    "empty lines": ("a,b,c,label\n\n.5,1,2,0\n   \n3,4,5,1\n\n", None, False),
}


@pytest.mark.parametrize(("text", "labels", "is_noted"), list(HEADS.values()), ids=list(HEADS))
def test_the_first_line_has_the_names(text, labels, is_noted, tmp_path):
    data = datasets.load(touch(tmp_path / "f.csv", text.encode()), labels=labels)
    assert data.X.tolist() == [[0.5, 1, 2], [3, 4, 5]]
    assert data.y.tolist() == [0, 1]
    assert any("is read as the names of the columns" in text for text in data.notes) == is_noted


def test_pandas_writes_and_this_reads(tmp_path):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    for frame in (pandas.DataFrame(X).assign(label=SPECIES), WIDE.to_pandas()):
        for index in (True, False):
            frame.to_csv(tmp_path / "f.csv", index=index)
            data = datasets.load(tmp_path / "f.csv")
            np.testing.assert_array_equal(data.X.astype(np.float32), X)
            assert data.y.tolist() == Y.tolist()


def test_csv_of_thousands_of_columns(tmp_path):
    lines = [",".join([*(f"f{place}" for place in range(3000)), "label"])]
    lines += [",".join([*map(str, range(row, row + 3000)), f"c{row}"]) for row in range(3)]
    data = datasets.load(touch(tmp_path / "f.csv", "\n".join(lines).encode()))
    assert data.X[:, [0, -1]].tolist() == [[0, 2999], [1, 3000], [2, 3001]]


def test_wide_csv_is_converted_some_cells_at_a_time(tmp_path):
    """As text, a cell takes 61 bytes, so 60 rows of 20,000 columns take 73 MB."""
    line = ",".join(["12.5"] * 20_000)
    names = ",".join([*(f"f{place}" for place in range(20_000)), "label"])
    path = touch(tmp_path / "f.csv", "\n".join([names, *(f"{line},{row % 2}" for row in range(60))]).encode())
    tracemalloc.start()
    data = datasets.load(path)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_array_equal(data.X, np.full((60, 20_000), 12.5))
    assert most < 72e6


def test_csv_has_bytes_only_if_all_blocks_are_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(_csv, "_MOST_CELLS", 6)
    for last, dtype in (("3", np.uint8), ("256", np.float64), ("-1", np.float64), ("0.5", np.float64)):
        text = "".join(f"{row},{row},0\n" for row in range(7))
        data = datasets.load(touch(tmp_path / "f.csv", f"a,b,label\n{text}1,{last},1\n".encode()))
        assert data.X.dtype == dtype
        assert data.X.tolist() == [*([row, row] for row in range(7)), [1, float(last)]]


CSV_REFUSALS = {
    "no value in the first row": ("a,b,species\n,2,0\n1,2,1\n", "but no labels: call the column"),
    "no value in the first row, with labels": ("a,b,y\n,2,0\n", "has no value in line 2, column 'a'"),
    "NA in the first row": ("a,b,y\nNA,2,0\n", "has 'NA' in line 2, column 'a'"),
    "a decimal comma": (
        "a;b;y\n1,5;2;0\n",
        "has '1,5' in line 2, column 'a'; wanted a finite number: write a decimal point",
    ),
    "thousands": ('a,y\n1,0\n"1,000.5",1\n', "has '1,000.5' in line 3, column 'a'; wanted a finite number: write"),
    "NaN as label": ("a,y\n1,0\n2,nan\n", "has the label 'nan' in line 3, but numbers in the others"),
    "Latin-1": (b"a,label\n1,caf\xe9\n", "is not text in UTF-8 (first in line 2): save it in UTF-8; from Latin-1, that is"),
    "a name in Latin-1": (b"gr\xf6\xdfe,y\n1,0\n", "is not text in UTF-8 (first in line 1)"),
    "UTF-16": ("a,y\n1,0\n".encode("utf-16"), "is text in UTF-16: save it in UTF-8"),
    "zero bytes": ("\ufeffa\0,\0y\0", "has zero bytes, so it is no text in UTF-8"),
    "other separators": ("a|b|label\n1|2|x\n", "has one column, 'a|b|label': separate cells by commas, semicolons or tabs"),
    "spaces": ("a b label\n1 2 x\n", "has one column, 'a b label'"),
    "an open quote": ('a,label\n1,"x\n2,y\n', "is not CSV (unexpected end of data, line 3)"),
    "two columns of labels": ("a,y,label\n1,2,x\n", "several columns that may be the labels, 'y', 'label'"),
    "text": ("a,b,y\n1,2,0\n1,x,1\n", "has 'x' in line 3, column 'b'"),
    "no value": ("a,b,y\n1,2,0\n1,,1\n", "has no value in line 3, column 'b'"),
    "NaN": ("a,b,y\n1,2,0\nnan,1,1\n", "has 'nan' in line 3, column 'a'"),
    "infinity": ("a,b,y\n1,2,0\n-inf,1,1\n", "has '-inf' in line 3, column 'a'"),
    "a short row": ("a,b,y\n1,2,0\n1,1\n", "has 2 cells in line 3, but 3 columns"),
    "no label": ("a,b,y\n1,2,\n1,2,1\n", "has no label in line 2"),
    "fractional labels": ("a,b,y\n1,2,1\n1,2,0.5\n", "has the label '0.5' in line 3: give whole numbers as class labels"),
    "no column of labels": (
        "a,b,c\n1,2,3\n",
        "has the columns 'a', 'b', 'c' (from its first line), but no labels: call the column",
    ),
    "two columns of text": ("a,b,c\n1,x,y\n", "the column 'b' has text, 'x' in line 2"),
    "no names and no labels": (
        "1,2\n3,4\n",
        "the columns '0', '1' (numbered, because its first line is a row), but no labels",
    ),
    "after an empty line": ("a,b,y\n1,2,0\n\n1,x,1\n", "has 'x' in line 4, column 'b'"),
    "without names": ("1,2,cat\n1,3,dog\n1,x,dog\n", "has 'x' in line 3, column '1'"),
    "one name twice": ("a,a,y\n1,2,3\n", "'a' more than once"),
    "empty": ("", "has no rows"),
    "only names": ("a,b,y\n", "has no rows"),
    "digits that float64 does not hold": (
        "a,y\n9007199254740992,0\n9007199254740993,1\n",
        "has '9007199254740993' in line 3, column 'a', which float64 cannot hold",
    ),
    "no features": ("y\n1\n", "no column of numbers"),
}


@pytest.mark.parametrize(("text", "words"), list(CSV_REFUSALS.values()), ids=list(CSV_REFUSALS))
def test_bad_csv_is_refused_by_line_and_column(text, words, tmp_path):
    path = touch(tmp_path / "f.csv", text if isinstance(text, bytes) else text.encode())
    check_refused(lambda: datasets.load(path), words)


EYE = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
REFUSALS = {
    "a short list": (
        {"e": [[1.0, 2.0], [1.0, 2.0], [1.0]], "y": [0, 1, 1]},
        "a list of 1 value at row 2, but 2 in the first",
    ),
    "a missing list": ({"e": [[1.0, 2.0], None, [1.0, 3.0]], "y": [0, 1, 1]}, "'e' has no value at row 1"),
    "a missing value": ({"e": [[1.0, 2.0], [1.0, None], [0.0, 3.0]], "y": [0, 1, 1]}, "no value at row 1, column 1"),
    "NaN in a list": ({"e": [[1.0, 2.0], [np.nan, 1.0], [0.0, 3.0]], "y": [0, 1, 1]}, "NaN (first at row 1, column 0)"),
    "empty lists": ({"e": pa.array([[], [], []], pa.list_(pa.float32())), "y": [0, 1, 1]}, "empty lists"),
    "NaN in a column": ({"a": [1.0, np.nan, 2.0], "y": [0, 1, 1]}, "'a' has NaN at row 1"),
    "infinity in a column": ({"a": [1.0, 1.0, -np.inf], "y": [0, 1, 1]}, "'a' has infinity at row 2"),
    "a missing number": ({"a": [1.0, None, 2.0], "y": [0, 1, 1]}, "'a' has no value at row 1"),
    "text among numbers": (
        {"a": [1.0, 1.0, 2.0], "c": ["r", "g", "b"], "y": [0, 1, 1]},
        "'c' has text, 'r' at row 0: leave it out with drop=['c']",
    ),
    "dates": ({"a": [1.0, 1.0, 2.0], "d": pa.array([1, 2, 3], pa.date32()), "y": [0, 1, 1]}, "'d' has date32"),
    "timestamps": (
        {"a": [1.0], "t": pa.array([0], pa.timestamp("us")), "y": [0]},
        "'t' has timestamp[us]: leave it out with drop=['t'], or encode it as numbers",
    ),
    "decimals": ({"a": pa.array([1], pa.decimal128(3, 1)), "y": [0]}, "'a' has decimal128(3, 1): cast it to float64"),
    "a column of nothing": (
        {"a": [1.0], "n": pa.nulls(1), "y": [0]},
        "'n' has null: fill it, or leave it out with drop=['n']",
    ),
    "structs": ({"a": [{"b": 1.0}], "y": [0]}, "'a' has struct<b: double>"),
    "lists of text": ({"a": [["b"]], "y": [0]}, "'a' has list"),
    "bytes": ({"a": [b"1234"], "y": [0]}, "'a' has binary"),
    "a missing fixed list": (
        {"e": pa.array([[1.0], None, [2.0]], pa.list_(pa.float32(), 1)), "y": [0, 1, 1]},
        "'e' has no value at row 1",
    ),
    "a missing value of a fixed list": (
        {"e": pa.array([[1.0, 2.0], [1.0, None]], pa.list_(pa.float32(), 2)), "y": [0, 1]},
        "'e' has no value at row 1, column 1",
    ),
    "an uneven chunk": (
        {"e": pa.chunked_array([[[1.0, 2.0]], [[1.0, 2.0], [1.0]]]), "y": [0, 1, 1]},
        "'e' has a list of 1 value at row 2, but 2 in the first row",
    ),
    "uneven lists of lists": ({"e": [[[1.0, 2.0]], [[1.0]]], "y": [0, 1]}, "a list of 1 value at row 1, but 2 in the first"),
    "a missing number in a dictionary": (
        {"a": pa.array([1.0, None, 2.0]).dictionary_encode(), "y": [0, 1, 1]},
        "'a' has no value at row 1",
    ),
    "a missing label in a dictionary": (
        {"e": EYE, "y": pa.array(["a", "b", None]).dictionary_encode()},
        "'y' has no value at row 2",
    ),
    "a missing number as label": ({"e": EYE, "y": pa.array([1, None, 2])}, "'y' has no value at row 1"),
    "NaN as label": ({"e": EYE, "label": [0.0, 1.0, np.nan]}, "the column 'label' has nan at row 2"),
    "decimals as labels": (
        {"e": EYE, "y": pa.array([1, 2, 3], pa.decimal128(3, 1))},
        "the column 'y' has a Decimal at row 0",
    ),
    "times as labels": ({"e": EYE, "y": pa.array([1, 2, 3], pa.timestamp("us"))}, "the column 'y' has dtype datetime64[us]"),
    "a label beyond 2^63": ({"e": EYE, "y": pa.array([1, 2, 2**63], pa.uint64())}, "label 9223372036854775808"),
    "no rows in lists": ({"e": pa.array([], pa.list_(pa.float32())), "y": pa.array([], pa.int64())}, "has no rows"),
    "a missing label": ({"e": EYE, "y": ["a", None, "b"]}, "'y' has no value at row 1"),
    "fractional labels": ({"e": EYE, "y": [0.0, 1.5, 1.0]}, "the column 'y' has 1.5 at row 1"),
    "lists as labels": ({"e": EYE, "y": EYE}, "argmax"),
    "no labels": ({"e": EYE, "z": [1, 2, 3]}, "has the columns 'z', 'e', but no labels"),
    "two columns of labels": (
        {"a": [1.0, 2.0], "y": [0.5, 1.5], "label": [0, 1]},
        "may be the labels, 'y', 'label': name one with",
    ),
    "labels in two cases": ({"e": EYE, "Label": [0, 1, 1], "label": ["a", "b", "c"]}, "may be the labels, 'Label', 'label'"),
    "a fractional label of a divided table": (
        {"e": EYE, "split": ["test", "train", "train"], "y": [0.0, 1.0, 0.5]},
        "the column 'y' has 0.5 at row 2",
    ),
    "two columns of lists": ({"a": EYE, "b": EYE, "y": [0, 1, 1]}, "several columns of vectors ('a', 'b')"),
    "no rows": ({"a": pa.array([], pa.float32()), "y": pa.array([], pa.int64())}, "has no rows"),
    "split": ({"e": EYE, "y": [0, 1, 1], "split": ["a", "b", "b"]}, "'split' has 'b': 2, 'a': 1"),
}


@pytest.mark.parametrize(("columns", "words"), list(REFUSALS.values()), ids=list(REFUSALS))
def test_bad_tables_are_refused_by_row_and_column(columns, words, tmp_path):
    table = pa.table(columns)
    for name in ("f.parquet", "stream.arrow"):
        FILES[name](table, tmp_path / name)
        check_refused(lambda name=name: datasets.load(tmp_path / name), words)
    check_refused(lambda: datasets.load(table), words)


def test_a_named_column_of_labels_leaves_the_others_out(tmp_path):
    table = WIDE.append_column("y", pa.array(X[:, 0])).append_column("label", pa.array(Y))
    as_csv(table.drop_columns(["species"]), tmp_path / "f.csv")
    for name in ("f.parquet", "stream.arrow"):
        FILES[name](table.drop_columns(["species"]), tmp_path / name)
    for source in (table.drop_columns(["species"]), *(tmp_path / name for name in ("f.csv", "f.parquet", "stream.arrow"))):
        data = datasets.load(source, labels="label")
        np.testing.assert_array_equal(data.X, X)
        assert data.y.tolist() == Y.tolist()
        assert any("'y' left out, because labels are no features" in text for text in data.notes)
        check_refused(lambda source=source: datasets.load(source), "may be the labels, 'y', 'label': name one with labels=")
        check_refused(
            lambda source=source: datasets.load(source, labels="labelz"),
            "no file or folder 'labelz': give a file of labels, or one of the names 'f0', 'f1'",
        )


def test_a_column_described_as_labels_is_preferred(tmp_path):
    table = pa.table({"e": EYE, "category": ["r", "g", "g"], "label": [0, 1, 1]})
    saved(tmp_path / "d", table, {"label": LABEL})
    assert datasets.load(tmp_path / "d").class_names == ("cat", "dog")


def test_a_split_column_divides_the_rows(tmp_path):
    table = LISTS.append_column("split", pa.array(["train"] * 7 + ["test"] * 4 + ["validation"]))
    parquet.write_table(table, tmp_path / "f.parquet")
    data = datasets.load(tmp_path / "f.parquet")
    np.testing.assert_array_equal(data.X, X[:7])
    np.testing.assert_array_equal(data.X_test, X[7:11])
    assert data.y_test.tolist() == Y[7:11].tolist()
    assert any("left out 1 row" in text for text in data.notes)


@pytest.mark.parametrize("name", FILES)
def test_damaged_files_are_refused(name, tmp_path):
    FILES[name](LISTS, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    damage = np.random.default_rng(0)
    for content in (b"", b"text", whole[: len(whole) // 2], whole[:-3]):
        if content != whole[:-3] or name != "stream.arrow":
            check_refused(lambda content=content: datasets.load(touch(tmp_path / name, content)), "damaged")
    for _ in range(40):
        broken = bytearray(whole)
        broken[damage.integers(len(whole))] ^= int(damage.integers(1, 256))
        touch(tmp_path / name, bytes(broken))
        with contextlib.suppress(InputError):  # refused or harmless, and nothing else
            datasets.load(tmp_path / name)


def test_memory_is_capped_before_values_are_decoded(tmp_path, monkeypatch):
    flat = pa.table({"e": [[0.0] * 1000] * 5000, "y": [0, 1] * 2500})
    parquet.write_table(flat, tmp_path / "f.parquet")
    assert (tmp_path / "f.parquet").stat().st_size < 200_000  # 40 MB of values
    allowed = []
    monkeypatch.setattr(memory, "fits", lambda n_bytes: allowed.append(n_bytes) or n_bytes < 1_000_000)
    check_refused(lambda: datasets.load(tmp_path / "f.parquet"), "do not fit into memory")
    assert max(allowed) >= 40_000_000
    touch(tmp_path / "f.csv", b"a,y" + b"\n1,2" * 1_000_000)
    check_refused(lambda: datasets.load(tmp_path / "f.csv"), "do not fit into memory")


def _png(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return pixels, content.getvalue()


PICTURES = [_png(seed) for seed in range(6)]
IMAGES = pa.table(
    {"image": [{"bytes": content, "path": f"{at}.png"} for at, (_, content) in enumerate(PICTURES)], "label": [0, 1] * 3}
)


def saved(folder, table, features):
    """A dataset as ``save_to_disk`` writes it."""
    folder.mkdir(parents=True)
    stream(table, folder / "data-00000-of-00001.arrow")
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features}))


LABEL = {"names": ["cat", "dog"], "_type": "ClassLabel"}


def test_saved_datasets_of_images(tmp_path):
    for part, rows in (("train", slice(0, 4)), ("test", slice(4, 6)), ("validation", slice(0, 1))):
        table = IMAGES.slice(rows.start, rows.stop - rows.start)
        saved(tmp_path / "d" / part, table, {"image": {"_type": "Image"}, "label": LABEL})
    (tmp_path / "d/dataset_dict.json").write_text(json.dumps({"splits": ["train", "test", "validation"]}))
    data = datasets.load(tmp_path / "d")
    np.testing.assert_array_equal(data.X, [pixels.ravel() for pixels, _ in PICTURES[:4]])
    np.testing.assert_array_equal(data.X_test, [pixels.ravel() for pixels, _ in PICTURES[4:]])
    assert any("'validation'; only 'train' and 'test' are read" in note for note in data.notes)
    assert data.image_shape == (6, 8, 3)
    assert data.class_names == ("cat", "dog")
    np.testing.assert_array_equal(datasets.prepare_image(PICTURES[0][1], data.preprocessing), data.X[0])
    assert datasets.load(tmp_path / "d" / "train", image_size=4).image_shape == (4, 4, 3)


def test_the_library_itself_wrote_this_one(monkeypatch):
    folder = __import__("pathlib").Path(__file__).parent / "saved_dataset"  # of datasets 5.2.0: ten digits in two splits
    data = datasets.load(folder)
    assert data.X.shape == (6, 64)
    assert data.X_test.shape == (4, 64)
    assert data.class_names == tuple("0123456789")
    np.testing.assert_array_equal(data.X, datasets.load_digits().X[:6])
    np.testing.assert_array_equal(data.y, datasets.load_digits().y[:6])


def test_bad_saved_datasets_are_refused(tmp_path):
    broken = pa.table({"image": [{"bytes": b"no image", "path": ""}] + IMAGES["image"].to_pylist()[1:], "label": [0, 1] * 3})
    saved(tmp_path / "a", broken, {"label": LABEL})
    check_refused(lambda: datasets.load(tmp_path / "a"), "1 of 6 images cannot be read: 'image 0'")
    skipped = datasets.load(tmp_path / "a", on_error="skip")
    assert (len(skipped.X), skipped.unreadable[0][0]) == (5, "image 0")
    outside = pa.table({"image": pa.array([{"bytes": None, "path": "/etc/passwd"}], IMAGES["image"].type), "label": [0]})
    saved(tmp_path / "b", outside, {"label": LABEL})
    check_refused(lambda: datasets.load(tmp_path / "b"), "has no bytes at row 0, and paths are not followed")
    saved(tmp_path / "c", pa.table({"e": EYE, "label": [0, 1, 2]}), {"label": LABEL})
    check_refused(lambda: datasets.load(tmp_path / "c"), "label 2 at row 2, but there are 2 class names")
    for listed in ("../a/data-00000-of-00001.arrow", "/etc/passwd", 7):
        (tmp_path / "c/state.json").write_text(json.dumps({"_data_files": [{"filename": listed}]}))
        check_refused(lambda: datasets.load(tmp_path / "c"), "lists no files of its own")
    for text in ("", "[]", "{", '{"splits": ["../a"]}', '{"splits": ["a", "b"]}'):
        (tmp_path / "dataset_dict.json").write_text(text)
        check_refused(lambda: datasets.load(tmp_path), "")


def test_without_pyarrow_one_line_says_what_to_install(tmp_path, monkeypatch):
    parquet.write_table(LISTS, tmp_path / "f.parquet")
    for name in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    check_refused(lambda: datasets.load(tmp_path / "f.parquet"), "pip install 'fastcls[formats]'")


def test_a_pyarrow_that_runs_code_is_not_used(tmp_path, monkeypatch):
    parquet.write_table(LISTS, tmp_path / "f.parquet")
    monkeypatch.setattr(pa, "__version__", "14.0.0")
    check_refused(lambda: datasets.load(tmp_path / "f.parquet"), "pip install 'pyarrow>=15'")
