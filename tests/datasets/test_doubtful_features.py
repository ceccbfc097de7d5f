"""Columns that are read as features, and are noted because they may be none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sklearn.datasets as sets
from _tables import formats, load, write_csv, write_hdf5, write_npz

from fastcls import datasets

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


ARRAYS = {"npz": write_npz, "h5": write_hdf5, "npy": None, "safetensors": None, "memory": None}


def noted(kind: str, folder: Path, X: np.ndarray, y: np.ndarray) -> list[str]:
    """The notes of arrays in a file of this kind, or in memory."""
    if kind == "memory":
        return list(datasets.load((X, y)).notes)
    path = folder / f"rows.{kind}"
    if kind == "npy":
        np.save(path, X)
        np.save(folder / "rows_labels.npy", y)
    elif kind == "safetensors":
        pytest.importorskip("safetensors.numpy", reason="safetensors is not installed").save_file({"X": X, "y": y}, path)
    else:
        (write_npz if kind == "npz" else write_hdf5)(path, {"X": X, "y": y})
    return [note for note in datasets.load(path).notes if "labels of" not in note]


@pytest.mark.parametrize("kind", ARRAYS)
def test_doubtful_columns_of_arrays_are_noted_by_number(kind: str, tmp_path: Path) -> None:
    X = RNG.standard_normal((N, 6))
    assert not noted(kind, tmp_path, X, Y)
    X[:, 3] = Y
    (said,) = noted(kind, tmp_path, X, Y)
    assert said.endswith(
        "column 3 has one value in all rows of a class, as a copy of the label has; it is read as a feature: if it is none, "
        "leave it out (numpy.delete(X, [3], 1))"
    )
    X[:, 3], X[:, 5] = np.arange(N), 1000 * RNG.random(N)
    counts, wide = noted(kind, tmp_path, X, Y)
    assert "column 3 counts its 60 rows" in counts
    assert "column 5 makes up 99" in wide


@formats
def test_copies_of_the_label_with_a_few_changes_are_noted(ending: str, tmp_path: Path) -> None:
    n = 3000
    y = RNG.permutation(np.arange(n) % 3)
    for n_changed, is_noted in ((2, True), (15, False), (60, False)):
        code = 10 - 2.5 * y
        changed = RNG.choice(n, n_changed, replace=False)
        code[changed] = 10 - 2.5 * ((y[changed] + 1) % 3)
        columns = {"a": RNG.standard_normal(n), "code": code, "label": np.array(["u", "v", "w"])[y]}
        said = [note for note in load(ending, tmp_path / "f", columns).notes if "'code'" in note]
        assert len(said) == is_noted
        assert all(
            "'code' has a value for each class, right for 99.9 % of the rows or more; it is read" in one for one in said
        )


@formats
def test_columns_that_may_be_ids_are_noted(ending: str, tmp_path: Path) -> None:
    numbers = RNG.choice(90000, N, replace=False)
    (said,) = doubts(ending, tmp_path, asset=numbers)
    assert "'asset' is called as an id, or has another whole number in each row; it is read as a feature" in said
    assert "give drop=['asset']" in said
    (said,) = doubts(ending, tmp_path, patient_id=RNG.permutation(N) // 2)
    assert "'patient_id' is called as an id" in said
    assert not doubts(ending, tmp_path, count=numbers // 10000, size=RNG.choice(90000, N) + 0.5)
    assert not doubts(ending, tmp_path, **{f"n{at}": RNG.choice(90000, N, replace=False) for at in range(5)})


@formats
def test_columns_that_outweigh_the_others_are_noted(ending: str, tmp_path: Path) -> None:
    embedding = {f"e{at}": RNG.standard_normal(N).round(3) for at in range(12)}
    wide = {"width": RNG.integers(0, 2000, N) * 2 // 3, "lat": RNG.uniform(-90, 90, N).round(2)}

    def notes(columns: dict[str, object]) -> list[str]:
        found = load(ending, tmp_path / "f", columns | {"label": CLASSES}).notes
        return [note for note in found if "squared distances" in note]

    assert not notes(embedding)
    (said,) = notes(embedding | wide)
    assert "'width', 'lat' make up 99.9 % of the squared distances between rows, because their values vary " in said
    assert said.endswith(
        "times as much as those of any other column: standardise the columns, or give drop=['width', 'lat']"
    )
    assert not notes(embedding | {"constant": np.full(N, 1000.5)})
    assert not notes({"width": wide["width"], "constant": np.full(N, 0.5)})


def test_few_rows_do_not_outweigh(tmp_path: Path) -> None:
    X = RNG.standard_normal((500, 8))
    X[[7, 400], 2] = 1e6
    assert not noted("npz", tmp_path, X, np.arange(500) % 3)


def test_a_wide_column_among_many_does_not_outweigh_them(tmp_path: Path) -> None:
    X = RNG.standard_normal((500, 300))
    X[:, 7] *= 20
    assert not noted("npz", tmp_path, X, np.arange(500) % 3)
    X[:, 7] *= 10
    assert len(noted("npz", tmp_path, X, np.arange(500) % 3)) == 1
    X[:, [*range(7), *range(8, 300)]] *= 1e-12  # rounding errors of projections on no direction
    assert not noted("npz", tmp_path, X, np.arange(500) % 3)


def test_sets_of_scikit_learn_are_noted_where_there_is_cause() -> None:
    for name in ("iris", "breast_cancer", "digits"):
        rows = getattr(sets, f"load_{name}")()
        assert not [note for note in datasets.load((rows.data, rows.target)).notes if "copied" not in note], name
    rows = sets.load_wine(as_frame=True)
    (said,) = datasets.load(rows.frame).notes[-1:]
    assert "'proline' makes up 99.8 % of the squared distances between rows, because its values vary 23 times" in said


def test_labels_of_a_file_of_their_own_show_copies_too(tmp_path: Path) -> None:
    write_csv(tmp_path / "rows.csv", {"a": A, "b": B, "code": 7 - Y})
    write_csv(tmp_path / "labels.csv", {"photo": np.arange(N), "species": CLASSES})
    for labels in (f"{tmp_path / 'labels.csv'}:species", CLASSES):
        assert any(
            "'code' has one value in all rows" in note for note in datasets.load(tmp_path / "rows.csv", labels=labels).notes
        )


@pytest.mark.parametrize("kind", ARRAYS)
def test_arrays_of_floats_that_are_read_as_images_are_noted(kind: str, tmp_path: Path) -> None:
    X = RNG.random((N, 8, 4)).astype(np.float32)
    for values, size in ((X, "grey images of 8 x 4"), (X.reshape(N, 4, 2, 4)[..., :3].copy(), "colour images of 4 x 2")):
        (said,) = [note for note in noted(kind, tmp_path, values, Y) if "read as" in note]
        assert said.endswith(
            f"shape {values.shape} is read as {size}: for features that are no images, give rows (n, d), such as "
            "X.reshape(len(X), -1)"
        )
    assert not noted(kind, tmp_path, X.reshape(N, -1), Y)
    assert not noted(kind, tmp_path, (255 * X).astype(np.uint8), Y)


def test_a_stated_shape_of_images_is_not_noted(tmp_path: Path) -> None:
    X = RNG.random((N, 8, 4)).astype(np.float32)
    write_npz(tmp_path / "f.npz", {"X": X, "y": Y, "image_shape": [8, 4]})
    found = datasets.load(tmp_path / "f.npz")
    assert found.image_shape == (8, 4, 1)
    assert not found.notes
