"""Files that name their rows, and have them in another order than the file that they are used with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _refused import check_refused
from _tables import write_csv, write_hdf5, write_npz, write_parquet

from fastcls import InputError, datasets
from fastcls.datasets import RowIds, check_same_rows, kept_row_ids, read_labels

N = 30
NAMES = [f"img_{row:03d}" for row in np.random.default_rng(0).permutation(N)]
Y = np.arange(N) % 3
X = np.random.default_rng(1).standard_normal((N, 4)) + Y[:, None]
OTHER = np.random.default_rng(2).permutation(N)


TABLES: dict[str, Callable[[Path, dict[str, object]], Path]] = {"csv": write_csv, "parquet": write_parquet}
ARRAYS: dict[str, Callable[[Path, dict[str, object]], Path]] = {"npz": write_npz, "h5": write_hdf5}
each_file = pytest.mark.parametrize("ending", [*TABLES, *ARRAYS])
each_of_labels = pytest.mark.parametrize("of_labels", [*TABLES, *ARRAYS])


def write_rows(folder: Path, ending: str, names: object) -> Path:
    path = folder / f"rows.{ending}"
    if ending in TABLES:
        return TABLES[ending](path, {"id": names, **{f"f{column}": X[:, column] for column in range(4)}})
    return ARRAYS[ending](path, {"X": X, "ids": names})


def write_labels(folder: Path, ending: str, names: object, y: np.ndarray) -> Path:
    return (TABLES | ARRAYS)[ending](folder / f"given.{ending}", {"id": names, "label": y})


@each_file
@each_of_labels
def test_labels_of_the_same_rows_in_another_order_are_refused(ending: str, of_labels: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path, ending, NAMES)
    labels = write_labels(tmp_path, of_labels, [NAMES[row] for row in OTHER], Y[OTHER])
    name = "id" if ending in TABLES else "ids"
    said = (
        f"'{rows}' and '{labels}' do not have the same rows in the same order: '{name}' of row 0 is '{NAMES[0]}' in '{rows}'"
    )
    check_refused(
        lambda: datasets.load(rows, labels=labels), f"{said} and '{NAMES[OTHER[0]]}' in '{labels}' (the same names)"
    )
    labels = write_labels(tmp_path, of_labels, NAMES, Y)
    np.testing.assert_array_equal(datasets.load(rows, labels=labels).y, Y)


def test_names_that_are_left_out_are_not_compared(tmp_path: Path) -> None:
    rows = write_rows(tmp_path, "csv", NAMES)
    labels = write_labels(tmp_path, "csv", [NAMES[row] for row in OTHER], Y)
    np.testing.assert_array_equal(datasets.load(rows, labels=labels, drop="id").y, Y)


def test_a_table_of_several_files_names_its_rows_too(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "parts")
    for part, rows in enumerate(np.array_split(np.arange(N), 3)):
        write_csv(
            tmp_path / "parts" / f"train-{part}.csv", {"id": [NAMES[row] for row in rows], "a": X[rows, 0], "b": X[rows, 1]}
        )
    labels = write_labels(tmp_path, "csv", [NAMES[row] for row in OTHER], Y[OTHER])
    check_refused(lambda: datasets.load(tmp_path / "parts", labels=labels), "do not have the same rows in the same order")
    labels = write_labels(tmp_path, "csv", NAMES, Y)
    np.testing.assert_array_equal(datasets.load(tmp_path / "parts", labels=labels).y, Y)


@each_of_labels
def test_what_a_file_of_labels_says_of_its_rows_is_collected(of_labels: str, tmp_path: Path) -> None:
    with kept_row_ids() as found:
        np.testing.assert_array_equal(read_labels(write_labels(tmp_path, of_labels, NAMES, Y)), Y)
    assert [list(ids.columns["id"]) for ids in found] == [NAMES]
    numbers = write_labels(tmp_path, of_labels, 7.0 * np.arange(N), Y)
    with kept_row_ids() as found:
        read_labels(numbers)
    assert [float(value) for value in found[0].columns["id"]] == [7.0 * row for row in range(N)]


def ids(where: str, **columns: list[str]) -> RowIds:
    return RowIds(where, columns)


def test_rows_are_compared_by_columns_of_the_same_name_where_there_are_some() -> None:
    own, its = ["a", "b", "c"], ["c", "b", "a"]
    check_same_rows(ids("A", id=own, index=["0", "1", "2"]), ids("B", id=own, index=["2", "1", "0"]))
    check_same_rows(ids("A", id=own, index=["0", "1", "2"]), ids("B", id=["0", "2", "1"], index=["0", "1", "2"]))
    for other in (ids("B", id=its), ids("B", IDs=its), ids("B", path=its)):  # another name, where none is in both
        with pytest.raises(InputError, match="A and B do not have the same rows in the same order"):
            check_same_rows(ids("A", id=own), other)
    check_same_rows(ids("A", id=own), ids("B", id=[*its, "d"]))  # another number of rows is refused elsewhere
    repeated = ["p1", "p1", "p2"]  # of persons
    check_same_rows(ids("A", id=repeated), ids("B", id=repeated))
    with pytest.raises(InputError, match=r"'id' of row 1 is 'p1' in A and 'p2' in B \(the same names\)"):
        check_same_rows(ids("A", id=repeated), ids("B", id=["p1", "p2", "p1"]))


def test_an_index_that_counts_the_rows_of_both_files_says_nothing() -> None:
    """As pandas writes it by default."""
    index = {"Unnamed: 0": ["0", "1", "2"]}
    with pytest.raises(InputError, match="'id' of row 0 is 'a' in A and 'c' in B"):
        check_same_rows(ids("A", **index, id=["a", "b", "c"]), ids("B", **index, id=["c", "b", "a"]))
    check_same_rows(ids("A", **index, id=["a", "b", "c"]), ids("B", **index, id=["a", "b", "c"]))
    check_same_rows(ids("A", **index), ids("B", **index))
    check_same_rows(ids("A", id=["1", "2", "3"]), ids("B", id=["1", "2", "3"]))


def test_rows_that_are_partly_others_are_refused_and_other_names_are_noted(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match=r"'id' of row 2 is 'c' in A and 'x' in B \(2 names of 3 in both\)"):
        check_same_rows(ids("A", id=["a", "b", "c"]), ids("B", id=["a", "b", "x"]))
    with caplog.at_level("INFO", "fastcls"):
        check_same_rows(ids("A", id=["a", "b"]), ids("B", path=["a.png", "b.png"]))
        assert not caplog.messages
        check_same_rows(ids("A", path=["d/a.png", "d/b.png"]), ids("B", file=["a.png", "b.png"]))
    assert caplog.messages == [
        "'path' in A and 'file' in B share no value, so whether both have the same rows in the same order is not checked"
    ]


def test_names_that_cannot_be_read_stop_nothing(tmp_path: Path) -> None:
    np.savez(tmp_path / "rows.npz", X=X, ids=np.array([{}] * N, dtype=object), names=np.zeros((N, 2)))
    labels = write_labels(tmp_path, "csv", NAMES, Y)
    np.testing.assert_array_equal(datasets.load(tmp_path / "rows.npz", labels=labels).y, Y)


def shuffled(values: list[object]) -> list[object]:
    return [values[row] for row in OTHER]


each_id = pytest.mark.parametrize("name", ["photo_id", "photoId", "PatientID", "asset-uuid", "sample.guid"])
each_kind = pytest.mark.parametrize("values", [[907.0 + 13 * row for row in range(N)], NAMES], ids=["numbers", "text"])


@pytest.mark.parametrize("ending", [*TABLES])
@each_id
@each_kind
def test_columns_called_as_ids_name_the_rows_if_all_are_different(
    ending: str, name: str, values: list[object], tmp_path: Path
) -> None:
    table = {name: values, "a": X[:, 0], "b": X[:, 1]}
    rows = TABLES[ending](tmp_path / f"rows.{ending}", table)
    found = datasets.load(TABLES[ending](tmp_path / f"labelled.{ending}", table | {"label": Y}))
    assert found.feature_names == ("a", "b")
    assert any(f"left out '{name}'" in note for note in found.notes)
    labels = TABLES[ending](tmp_path / f"labels.{ending}", {name: shuffled(values), "label": Y[OTHER]})
    check_refused(
        lambda: datasets.load(rows, labels=labels), f"do not have the same rows in the same order: '{name}' of row"
    )
    labels = TABLES[ending](tmp_path / f"labels.{ending}", {name: values, "label": Y})
    np.testing.assert_array_equal(datasets.load(rows, labels=labels).y, Y)


@pytest.mark.parametrize("ending", [*TABLES])
def test_numbers_called_as_ids_are_features_where_values_repeat(ending: str, tmp_path: Path) -> None:
    for values in (OTHER // 2, np.concatenate([np.arange(N // 2)] * 2)):
        found = datasets.load(TABLES[ending](tmp_path / f"rows.{ending}", {"area_id": values, "a": X[:, 0], "label": Y}))
        assert found.feature_names == ("area_id", "a")
    table = {"area_id": [*NAMES[1:], NAMES[1]], "a": X[:, 0], "label": Y}
    path = TABLES[ending](tmp_path / f"text.{ending}", table)
    check_refused(lambda: datasets.load(path), "the column 'area_id' has text")


@pytest.mark.parametrize("ending", [*TABLES])
@each_of_labels
def test_the_same_whole_numbers_in_another_order_are_refused(ending: str, of_labels: str, tmp_path: Path) -> None:
    numbers = np.random.default_rng(3).choice(9000, N, replace=False)
    rows = TABLES[ending](tmp_path / f"rows.{ending}", {"asset": numbers, "a": X[:, 0], "b": X[:, 1]})

    def labels(values: np.ndarray) -> Path:
        return (TABLES | ARRAYS)[of_labels](tmp_path / f"given.{of_labels}", {"asset": values, "label": Y})

    message = f"'asset' of row 0 is '{numbers[0]}' in '{rows}'"
    check_refused(lambda: datasets.load(rows, labels=labels(numbers[OTHER])), message)
    for other in (numbers, numbers[OTHER] + 1, np.where(OTHER == 0, 1.5, numbers[OTHER]), numbers // 50):
        assert datasets.load(rows, labels=labels(other)).feature_names == ("asset", "a", "b")


def test_many_columns_of_the_same_numbers_are_ranks(tmp_path: Path) -> None:
    ranks = {f"f{column}": X[:, column % 4].argsort() + 0 * column for column in range(4)}
    more = {"f4": OTHER, "f5": OTHER[::-1]}
    rows = write_csv(tmp_path / "rows.csv", ranks | more)
    labels = write_csv(tmp_path / "labels.csv", {name: values[OTHER] for name, values in (ranks | more).items()} | {"y": Y})
    np.testing.assert_array_equal(datasets.load(rows, labels=labels).y, Y)


@each_file
def test_only_what_works_for_a_file_is_advised(ending: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path, ending, NAMES)
    labels = write_labels(tmp_path, "csv", shuffled([*NAMES]), Y[OTHER])
    with pytest.raises(InputError) as refused:
        datasets.load(rows, labels=labels)
    said = str(refused.value).partition("where it does not name the rows, ")[2]
    assert said == ("rename it, or leave it out (drop=['id'])" if ending in TABLES else "rename it")
    if ending in TABLES:
        datasets.load(rows, labels=labels, drop=["id"])


def write_parts(folder: Path, train: dict[str, object], test: dict[str, object]) -> datasets.Dataset:
    rng = np.random.default_rng(5)
    for part, names in (("train", train), ("test", test)):
        n = len(next(iter(names.values())))  # type: ignore[arg-type]
        write_csv(folder / f"{part}.csv", names | {"a": rng.random(n), "b": rng.random(n), "label": np.arange(n) % 3})
    return datasets.load(folder)


def shared(found: datasets.Dataset) -> list[str]:
    return [note for note in found.notes if "trained on is too high" in note]


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("photo_id", list(range(100, 130)), list(range(126, 136))),
        ("file", NAMES, [*NAMES[3:7], *(f"new_{row}" for row in range(6))]),
        ("id", list(range(30)), [26, 27, 28, 29, 300, 301, 302, 303, 304, 305]),
    ],
)
def test_test_rows_that_are_training_rows_are_noted(
    name: str, train: list[object], test: list[object], tmp_path: Path
) -> None:
    (said,) = shared(write_parts(tmp_path, {name: train}, {name: test}))
    example = next(value for value in test if value in train)
    where = f"'{tmp_path / 'train.csv'}' and '{tmp_path / 'test.csv'}'"
    assert said.startswith(f"{where}: 4 test rows have the '{name}' of a training row, such as '{example}'")


def test_running_numbers_of_two_files_are_no_training_rows(tmp_path: Path) -> None:
    for start in (0, 1):
        train, test = np.random.default_rng(0).permutation(N) + start, np.arange(10) + start
        assert not shared(write_parts(tmp_path, {"id": train}, {"id": test}))
    assert not shared(write_parts(tmp_path, {"id": np.arange(N)}, {"id": 100 + np.arange(10)}))


@pytest.mark.parametrize("ending", [*TABLES])
def test_training_rows_among_the_test_rows_of_one_table_are_noted(ending: str, tmp_path: Path) -> None:
    split = ["train"] * 20 + ["test"] * 10
    table = {"id": [*NAMES[:29], NAMES[0]], "a": X[:, 0], "b": X[:, 1], "split": split, "label": Y}
    path = TABLES[ending](tmp_path / f"rows.{ending}", table)
    (said,) = shared(datasets.load(path))
    assert said.startswith(f"'{path}': 1 test row has the 'id' of a training row, such as '{NAMES[0]}'")
    table["id"] = NAMES
    assert not shared(datasets.load(TABLES[ending](tmp_path / f"rows.{ending}", table)))


@pytest.mark.parametrize("ending", [*ARRAYS])
def test_whole_numbers_next_to_rows_are_compared_too(ending: str, tmp_path: Path) -> None:
    numbers = np.random.default_rng(3).choice(9000, N, replace=False)
    rows = ARRAYS[ending](tmp_path / f"rows.{ending}", {"X": X, "asset": numbers, "Z": X})
    labels = write_csv(tmp_path / "labels.csv", {"asset": numbers[OTHER], "label": Y[OTHER]})
    with pytest.raises(
        InputError, match=r"do not have the same rows in the same order: 'asset' .*name the rows, rename it$"
    ):
        datasets.load(rows, labels=labels)
    labels = write_csv(tmp_path / "labels.csv", {"asset": numbers, "label": Y})
    np.testing.assert_array_equal(datasets.load(rows, labels=labels).y, Y)
