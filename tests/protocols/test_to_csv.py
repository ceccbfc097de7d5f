"""`ResultTable.to_csv`: one line for each row, in a file that grows without repeating itself."""

import csv

import numpy as np
import pytest

from fastcls import InputError
from fastcls._scoring.table import check_csv
from fastcls.protocols import ResultTable

SETTINGS = {"name": "dino", "ks": [1, 5]}
TABLE = ResultTable(
    "a table", ("k", "top1", "seconds"), ((1, 0.1 + 0.2, 3.0), (5, None, 3.0)), {"name": "dino", "ks": [1, 5]}
)


def lines(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_second_run_adds_only_what_is_new(tmp_path):
    path = tmp_path / "all.csv"
    assert len(TABLE.to_csv(path).splitlines()) == 3
    assert TABLE.to_csv(path).splitlines() == [""]
    slower = ResultTable(TABLE.title, TABLE.columns, ((1, 0.1 + 0.2, 4.0), (9, 0.5, 4.0)), TABLE.settings)
    assert [row["k"] for row in csv.DictReader(slower.to_csv(path).splitlines())] == ["9"]  # times do not count
    assert [row["k"] for row in lines(path)] == ["1", "5", "9"]
    assert float(lines(path)[0]["top1"]) == 0.1 + 0.2  # all digits
    assert (lines(path)[1]["top1"], lines(path)[0]["ks"], lines(path)[0]["name"]) == ("", "1 5", "dino")


def test_tables_of_other_columns_fit_into_the_file(tmp_path):
    path = tmp_path / "all.csv"
    TABLE.to_csv(path)
    other = ResultTable("another", ("C", "top1"), ((0.5, np.float64(0.25)),), {})
    other.to_csv(path)
    first, _, last = lines(path)
    assert (first["C"], first["k"], last["C"], last["k"], last["top1"]) == ("", "1", "0.5", "", "0.25")
    assert TABLE.to_csv(path).splitlines() == [""]


def test_names_are_no_formulas_and_no_control_characters(tmp_path):
    table = ResultTable("t", ("representation", "top1"), (("=HYPERLINK(1)", -0.5), ("a\x1b[2J\nb", 1e-9)))
    found = list(csv.DictReader(table.to_csv().splitlines()))
    assert [row["representation"] for row in found] == ["'=HYPERLINK(1)", "a\\x1b[2J\\nb"]
    assert [float(row["top1"]) for row in found] == [-0.5, 1e-9]


def test_a_file_that_could_not_be_written_is_refused_before_any_work(tmp_path):
    path = tmp_path / "all.csv"
    check_csv(path)
    assert list(tmp_path.iterdir()) == []  # a check leaves nothing
    TABLE.to_csv(path)
    content = path.read_bytes()
    check_csv(path)
    assert (path.read_bytes(), [one.name for one in tmp_path.iterdir()]) == (content, ["all.csv"])
    with pytest.raises(
        InputError, match=r"cannot write the table to '.*all\.csv': there is no such folder; create it first"
    ):
        check_csv(tmp_path / "no" / "all.csv")
    with pytest.raises(InputError, match="cannot write the table to"):
        check_csv(path / "all.csv")  # in a file


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n1,2\n", "its first column is not 'fastcls'"),
        (b"fastcls,b\n1\n", "line 2 has not one cell for each column"),
        (b"fastcls\xff\n", "name another file"),
    ],
)
def test_a_foreign_file_stays_as_it_is(content, message, tmp_path):
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        TABLE.to_csv(path)
    assert path.read_bytes() == content
