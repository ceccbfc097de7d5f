"""Labels and test rows in files next to a file of rows: which are found, which are not, and what is said."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from _refused import check_refused

from fastcls import datasets
from fastcls.datasets import load_npy

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = np.arange(12) % 3


def save(folder: Path, **arrays: np.ndarray) -> None:
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)


@pytest.mark.parametrize(
    ("rows", "labels"),
    [
        ("X_train", "y_train"),
        ("X_test", "y_test"),
        ("X_val", "y_val"),
        ("x_train", "Y_train"),
        ("train_X", "train_y"),
        ("xtrain", "ytrain"),
        ("features_train", "labels_train"),
        ("features_train", "y_train"),
        ("train_embeddings", "train_targets"),
        ("training_images", "training_labels"),
        ("clip_features", "clip_labels"),
        ("clip-embeddings", "clip-targets"),
        ("clip_train", "y_train"),
        ("clip_train", "train_labels"),
        ("clip.test", "labels_test"),
        ("X", "y"),
        ("X", "target"),
        ("rows", "targets"),
        ("X_train", "labels"),
        ("test", "labels"),  # no other rows are there
    ],
)
def test_labels_are_found_by_the_name_of_the_rows(rows: str, labels: str, tmp_path: Path) -> None:
    save(tmp_path, **{rows: X, labels: Y})
    found = datasets.load(tmp_path / f"{rows}.npy")
    assert found.y.tolist() == Y.tolist()
    assert found.notes == (f"labels of '{rows}.npy' are read from '{labels}.npy'",)


@pytest.mark.parametrize(
    ("rows", "others"),
    [
        ("X_test", {"y_train": Y}),
        ("X_train", {"y_test": Y}),
        ("X_test", {"X_train": X, "labels": Y}),  # those of the training rows
        ("X_val", {"X": X, "y": Y}),
        ("rows", {"y_train": Y}),
        ("latest", {"other_labels": Y}),
    ],
)
def test_labels_of_other_rows_are_not_taken(rows: str, others: dict[str, np.ndarray], tmp_path: Path) -> None:
    save(tmp_path, **{rows: X}, **others)
    check_refused(lambda: datasets.load(tmp_path / f"{rows}.npy"), f"{rows}.npy' has no labels next to it (looked for '")


def test_the_most_specific_labels_are_taken(tmp_path: Path) -> None:
    names = ("X_train_labels", "y_train", "labels_train", "labels", "y")
    save(tmp_path, X_train=X, **{name: np.full(12, number) for number, name in enumerate(names)})
    for number, name in enumerate(names):
        assert datasets.load(tmp_path / "X_train.npy").class_names == (str(number),)
        (tmp_path / f"{name}.npy").unlink()


@pytest.mark.parametrize(
    ("rows", "test", "labels"),
    [
        ("X_train", "X_test", "y_test"),
        ("train_features", "test_features", "test_labels"),
        ("Xtrain", "Xtest", "ytest"),
        ("clip_train", "clip_test", "y_test"),
        ("X", "X_test", "y_test"),
        ("clip", "clip_test", "clip_test_labels"),
    ],
)
def test_test_rows_are_found_with_their_labels(rows: str, test: str, labels: str, tmp_path: Path) -> None:
    save(tmp_path, **{rows: X, "labels": Y, test: X[::-1][:6], labels: Y[::-1][:6]})
    path = tmp_path / f"{rows}.npy"
    found = datasets.load(path)
    assert found.X_test is not None
    assert found.y_test is not None
    assert found.X_test.tolist() == X[::-1][:6].tolist()
    assert found.y_test.tolist() == Y[::-1][:6].tolist()
    assert f"test rows are read from '{test}.npy', and their labels from '{labels}.npy'" in found.notes
    assert load_npy(path, test_rows=False).X_test is None
    given = datasets.load(path, labels=Y)
    assert given.X_test is None
    assert any(f"'{test}.npy' next to '{rows}.npy' is not used, because labels are given" in note for note in given.notes)


def test_test_rows_without_labels_are_left_out_with_a_note(tmp_path: Path) -> None:
    save(tmp_path, X_train=X, y_train=Y, X_test=X[:6])
    found = datasets.load(tmp_path / "X_train.npy")
    assert found.X_test is None
    assert "'X_test.npy' next to 'X_train.npy' has no labels, so these test rows are not used" in found.notes


def test_all_rows_are_not_tested_on_a_part_of_them(tmp_path: Path) -> None:
    save(tmp_path, X=X, y=Y, X_train=X[:8], y_train=Y[:8], X_test=X[8:], y_test=Y[8:])
    assert datasets.load(tmp_path / "X.npy").X_test is None


def test_test_rows_that_do_not_fit_are_refused_by_file(tmp_path: Path) -> None:
    save(tmp_path, X_train=X, y_train=Y, X_test=X[:6, :2], y_test=Y[:6])
    check_refused(lambda: datasets.load(tmp_path / "X_train.npy"), "X_test.npy' of (2,): give the same shape in both")


@pytest.mark.parametrize("ending", ["csv", "npz", "safetensors", "parquet"])
def test_labels_next_to_rows_of_other_formats(ending: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, labels = tmp_path / f"X_train.{ending}", tmp_path / f"y_train.{ending}"
    if ending == "csv":
        np.savetxt(path, X, delimiter=",", header="a,b,c", comments="")
        np.savetxt(labels, Y, fmt="%d", header="label", comments="")
        (tmp_path / "X_test.csv").write_text("a,b,c\n1,2,3\n")
    elif ending == "npz":
        np.savez(path, X=X)
        np.save(labels.with_suffix(".npy"), Y)
    elif ending == "safetensors":
        from safetensors.numpy import save_file

        save_file({"X": X}, path)
        save_file({"y": Y}, labels)
    else:
        pa = pytest.importorskip("pyarrow", reason="Parquet files are written by pyarrow")
        parquet = pytest.importorskip("pyarrow.parquet", reason="Parquet files are written by pyarrow")
        parquet.write_table(pa.table({"features": list(X)}), path)
        parquet.write_table(pa.table({"species": Y}), labels)
    np.save(tmp_path / "labels.npy", Y[:5])  # says nothing about these rows
    with caplog.at_level(logging.INFO, logger="fastcls"):
        found = datasets.load(path)
    assert found.y.tolist() == Y.tolist()
    assert "labels of 'X_train." in caplog.text
    assert ("'X_test.csv' next to 'X_train.csv' is not read" in caplog.text) == (ending == "csv")


def test_a_folder_of_tables_of_rows_and_tables_of_labels(tmp_path: Path) -> None:
    for part, rows in (("train", slice(8)), ("test", slice(8, 12))):
        np.savetxt(tmp_path / f"X_{part}.csv", X[rows], delimiter=",", header="a,b,c", comments="")
        np.savetxt(tmp_path / f"y_{part}.csv", Y[rows], fmt="%d", header="species", comments="")
    found = datasets.load(tmp_path)
    assert found.X_test is not None
    assert found.y_test is not None
    assert (len(found.X), len(found.X_test)) == (8, 4)
    assert (found.y.tolist(), found.y_test.tolist()) == (Y[:8].tolist(), Y[8:].tolist())
    assert "labels of 'X_test.csv' are read from 'y_test.csv'" in found.notes
    given = datasets.load(tmp_path, labels=2 - Y[:8])
    assert given.y_test is not None
    assert (given.y.tolist(), given.y_test.tolist()) == ((2 - Y[:8]).tolist(), Y[8:].tolist())
    assert any("left out 'y_train.csv'" in note for note in given.notes)
