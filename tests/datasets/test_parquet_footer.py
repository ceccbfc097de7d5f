"""Sizes of columns from the footer of a Parquet file: those of pyarrow, and no byte of the footer ends the process."""

import numpy as np
import pytest

from fastcls import datasets
from fastcls._validation.errors import InputError
from fastcls.datasets import _parquet_footer
from fastcls.datasets._parquet_footer import column_chunks

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

COLUMNS = {
    **{f"f{number}": np.arange(30.0) for number in range(17)},  # more than a short list holds
    "text": ["a", "b", "c"] * 10,
    "flags": [True, False, None] * 10,
    "lists": [[1.0, 2.0]] * 30,
    "images": [{"bytes": b"abc", "path": "x"}] * 30,
}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"row_group_size": 7},
        {"version": "1.0", "compression": "gzip", "write_statistics": False},
        {"write_page_index": True, "write_page_checksum": True},
    ],
    ids=lambda options: " ".join(options) or "default",
)
def test_sizes_are_those_of_pyarrow(tmp_path, options):
    parquet.write_table(pyarrow.table(COLUMNS), tmp_path / "a.parquet", **options)
    described = parquet.ParquetFile(tmp_path / "a.parquet").metadata
    groups = [described.row_group(number) for number in range(described.num_row_groups)]
    wanted = [group.column(number) for group in groups for number in range(group.num_columns)]
    assert [tuple(chunk) for chunk in column_chunks(tmp_path / "a.parquet")] == [
        (column.path_in_schema, column.num_values, column.total_uncompressed_size) for column in wanted
    ]


def one_column(folder):
    """A file of one column of lists and one of labels."""
    table = pyarrow.table({"X": [[1.0, 2.0]] * 9, "y": [0, 1, 2] * 3})
    parquet.write_table(table, folder / "a.parquet")
    return (folder / "a.parquet").read_bytes()


def test_a_damaged_footer_gives_sizes_or_a_value_error(tmp_path):
    whole = one_column(tmp_path)
    begin = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    refused = 0
    for at in range(begin, len(whole), 3):
        for bit in (1, 16, 128):
            (tmp_path / "b").write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            try:
                assert all(chunk.num_values >= 0 for chunk in column_chunks(tmp_path / "b"))
            except ValueError:
                refused += 1
    assert refused > 100
    for content in (b"", b"PAR1", whole[:-1], whole[begin:], whole[:-8] + b"\xff\xff\xff\x7fPAR1"):
        (tmp_path / "b").write_bytes(content)
        with pytest.raises(ValueError, match="no footer of Parquet"):
            list(column_chunks(tmp_path / "b"))


@pytest.mark.parametrize(
    ("footer", "words"),
    [
        (b"", "ends too early"),
        (b"\x00", "without its lists"),
        (b"\x1c" * 99, "nested too deeply"),
        (b"\x19" + b"\x19" * 99, "nested too deeply"),
        (b"\x1b\xff\xff\xff\xff\x0f\x99", "more values than"),
        (b"\x18\xff\xff\xff\xff\x0f", "ends too early"),
        (b"\x16" + b"\xff" * 10, "more than 64 bits"),
        (b"\x1f\x00", "unknown type"),
        (b"\x49\x1c\x19\x1c\x00\x00\x00", "without a description"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[:6].hex(),
)
def test_what_is_wrong_with_a_footer_is_told(tmp_path, footer, words):
    (tmp_path / "a").write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ValueError, match=words):
        list(column_chunks(tmp_path / "a"))


def test_every_type_of_a_struct_is_read():
    text = b"\x11\x12\x13\x05\x14\x03\x15\x04\x17" + bytes(8) + b"\x18\x02ab\x19\x25\x02\x04\x1a\x11\x01"
    text += b"\x1b\x01\x85\x01a\x06\x1b\x00\x1c\x16\x01\x00\x1d" + bytes(16) + b"\x06\x28\x0e\x00"
    found = _parquet_footer._Compact(text).struct()
    assert list(found.values()) == [
        *(True, False, b"\x05", -2, 2, bytes(8), b"ab", [1, 2], [b"\x01"], [(b"a", 3)], [], {1: -1}, bytes(16), 7)
    ]
    assert list(found) == [*range(1, 14), 20]


def test_damaged_statistics_of_a_column_are_refused_or_loaded(tmp_path):
    """The description of such a column ends the process in some versions of pyarrow."""
    whole = one_column(tmp_path)
    begin, outcomes = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little"), set()
    for at in range(begin, begin + 200):
        (tmp_path / "b.parquet").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            outcomes.add(datasets.load(tmp_path / "b.parquet").X.shape[1])
        except InputError:
            outcomes.add("refused")
    assert "refused" in outcomes
    assert 2 in outcomes
