"""Features and labels in files of named arrays: safetensors, .npz, folders of .npy. Bad values have their row and column."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _refused import check_refused, touch
from safetensors.numpy import save_file

from fastcls import datasets
from fastcls.datasets._assemble import array_names

RNG = np.random.default_rng(0)
X, X_TEST = RNG.normal(size=(12, 5)).astype(np.float32), RNG.normal(size=(6, 5)).astype(np.float32)
Y, Y_TEST = np.arange(12) % 3, np.arange(6) % 3


def npy_folder(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    path.mkdir()
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)
    return path


def safetensors(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def hdf5(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    h5py = pytest.importorskip("h5py", reason="reading HDF5 needs h5py")
    with h5py.File(path.with_suffix(".h5"), "w") as file:
        for name, array in arrays.items():
            file[name] = array
    return path.with_suffix(".h5")


def npz(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    np.savez(path, **arrays)
    return path.with_suffix(".npz")


#: files of named arrays, each written by its own library
WRITERS: dict[str, Callable[[Path, dict[str, Any]], Path]] = {
    "safetensors": safetensors,
    "hdf5": hdf5,
    "npz": npz,
    "npy-folder": npy_folder,
}
ALL = pytest.mark.parametrize("write", list(WRITERS.values()), ids=list(WRITERS))


@ALL
@pytest.mark.parametrize(
    "names",
    [
        ("X", "y", "X_test", "y_test"),
        ("x_train", "y_train", "x_test", "y_test"),
        ("features", "labels", "test_features", "test_labels"),
        ("train_embeddings", "train_targets", "test_embeddings", "test_targets"),
    ],
)
def test_arrays_are_found_by_their_names(write, names, tmp_path):
    path = write(tmp_path / "f", dict(zip(names, (X, Y, X_TEST, Y_TEST), strict=True)))
    data = datasets.load(path)
    for found, wanted in ((data.X, X), (data.y, Y), (data.X_test, X_TEST), (data.y_test, Y_TEST)):
        np.testing.assert_array_equal(found, wanted)
    assert data.X.dtype == np.float32
    assert data.class_names == ("0", "1", "2")


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        (["X", "y"], ("X", "y", None, None)),
        (["y", "x", "ids"], ("x", "y", None, None)),
        (["train/features", "train/labels", "test/features", "test/labels"], None),
        (["Embeddings", "Label"], ("Embeddings", "Label", None, None)),
        (["data", "features", "label"], ("features", "label", None, None)),
        (["image_features", "text_features"], (None, None, None, None)),
        (["train_X_test", "labelsy"], (None, None, None, None)),
    ],
)
def test_names(there, wanted):
    assert tuple(array_names(there)) == (tuple(there) if wanted is None else wanted)


@ALL
def test_labels_may_be_named(write, tmp_path):
    path = write(tmp_path / "f", {"X": X, "coarse": Y // 2, "fine": Y})
    assert datasets.load(path, labels="fine").y.tolist() == Y.tolist()
    assert datasets.load(path, labels="coarse").class_names == ("0", "1")
    check_refused(lambda: datasets.load(path), "but no labels: add them with the name y, or give labels=")
    np.save(tmp_path / "own.npy", Y[::-1])
    assert datasets.load(path, labels=tmp_path / "own.npy").y.tolist() == Y[::-1].tolist()


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "NaN": (
        {"features": np.where(np.eye(12, 5, -2), np.nan, X), "y": Y},
        "features contains NaN (first at row 2, column 0)",
    ),
    "infinity in the test rows": (
        {"X": X, "y": Y, "X_test": np.where(np.eye(6, 5, 1), np.inf, X_TEST), "y_test": Y_TEST},
        "X_test contains infinity (first at row 0, column 1)",
    ),
    "too few labels": ({"X": X, "y": Y[:-1]}, "y has 11 labels for 12 rows"),
    "fractional label": ({"X": X, "y": Y + 0.5 * (np.arange(12) == 4)}, "y has 1.5 at row 4"),
    "one-hot labels": ({"X": X, "y": np.eye(12)}, "argmax"),
    "a test label unknown in training": (
        {"X": X, "y": Y, "X_test": X_TEST, "y_test": np.where(np.arange(6) == 3, 7, Y_TEST)},
        "y_test has the label '7' at row 3",
    ),
    "other width": ({"X": X, "y": Y, "X_test": X_TEST[:, 1:], "y_test": Y_TEST}, "rows of shape (5,) and X_test of (4,)"),
    "only test rows": ({"X": X, "y": Y, "X_test": X_TEST}, "only one of X_test and y_test"),
    "other names": ({"a": X, "b": Y}, "'a', 'b': name them X, y"),
    "one dimension": ({"X": X[0], "y": Y[:5]}, "X is one-dimensional, shape (5,)"),
    "no feature": ({"X": X[:, :0], "y": Y}, "at least one"),
    "NaN in half": (
        {"features": np.where(np.eye(12, 5, -2), np.nan, X).astype("f2"), "y": Y},
        "features contains NaN (first at row 2, column 0)",
    ),
    "NaN as label": ({"features": X, "labels": np.where(Y == 1, np.nan, Y)}, "labels has nan at row 1"),
    "too few labels of another name": ({"features": X, "labels": Y[:-1]}, "labels has 11 labels for 12 rows"),
    "no row": ({"X": X[:0], "y": Y[:0]}, "at least one"),
}


@pytest.mark.parametrize("write", [safetensors, hdf5])
@pytest.mark.parametrize(("arrays", "words"), list(REFUSALS.values()), ids=list(REFUSALS))
def test_bad_arrays_are_refused_by_row_and_column(arrays, words, write, tmp_path):
    path = write(tmp_path / "f", arrays)
    check_refused(lambda: datasets.load(path), words)


def test_safetensors_stay_on_disk_and_their_metadata_names_the_classes(tmp_path):
    path = tmp_path / "f.safetensors"
    save_file({"features": X.astype(np.float16), "labels": Y}, path, {"class_names": json.dumps(["cat", "dog", "ship"])})
    before = path.read_bytes()
    data = datasets.load(path)
    assert isinstance(data.X, np.memmap)
    assert data.X.dtype == np.float16
    assert data.class_names == ("cat", "dog", "ship")
    assert not data.X.flags.writeable
    assert path.read_bytes() == before


def test_class_names_that_are_no_list_are_noted(tmp_path):
    save_file({"features": X, "labels": Y}, tmp_path / "f.safetensors", {"class_names": "cat, dog, ship"})
    data = datasets.load(tmp_path / "f.safetensors")
    assert data.class_names == ("0", "1", "2")
    assert any("class_names in its metadata is not used" in text for text in data.notes)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i1", "u1", "i8"])
def test_safetensors_of_every_type(dtype, tmp_path):
    rows = (10 * X).astype(dtype)
    save_file({"features": rows, "labels": Y.astype("i4")}, tmp_path / "f.safetensors")
    data = datasets.load(tmp_path / "f.safetensors")
    np.testing.assert_array_equal(data.X, rows)
    assert data.X.dtype == ("f8" if dtype == "i8" else dtype)
    assert data.y.tolist() == Y.tolist()


def test_the_only_wide_tensor_needs_no_name_if_the_labels_have_one(tmp_path):
    path = safetensors(tmp_path / "f", {"resnet50": X, "target_id": Y})
    np.testing.assert_array_equal(datasets.load(path, labels="target_id").X, X)
    check_refused(lambda: datasets.load(path), "has the tensors 'resnet50', 'target_id': name them X, y")
    path = safetensors(tmp_path / "g", {"resnet50": X, "vit": X, "target_id": Y})
    check_refused(lambda: datasets.load(path, labels="target_id"), "name them X, y")


def _tensor_file(described: dict[str, Any], data: bytes = bytes(40), length: int | None = None) -> bytes:
    text = json.dumps(described).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


DAMAGED = {
    "empty": b"",
    "text": b"hello world, this is text",
    "longer than the file": _tensor_file({"X": {"dtype": "F32", "shape": [2, 5], "data_offsets": [0, 40]}}, length=1 << 40),
    "offsets beyond the file": _tensor_file({"X": {"dtype": "F32", "shape": [1 << 40, 5], "data_offsets": [0, 5 << 42]}}),
    "shape of another size": _tensor_file({"X": {"dtype": "F32", "shape": [3, 5], "data_offsets": [0, 40]}}),
    "cut within the header": _tensor_file({"X": {"dtype": "F32", "shape": [2, 5], "data_offsets": [0, 40]}})[:30],
    "overlapping": _tensor_file(
        {
            "X": {"dtype": "F32", "shape": [2, 5], "data_offsets": [0, 40]},
            "y": {"dtype": "I64", "shape": [2], "data_offsets": [24, 40]},
        }
    ),
    "negative offsets": _tensor_file({"X": {"dtype": "F32", "shape": [2, 5], "data_offsets": [-40, 0]}}),
    "truncated": _tensor_file({"X": {"dtype": "F32", "shape": [2, 5], "data_offsets": [0, 40]}}, bytes(39)),
}


@pytest.mark.parametrize("content", list(DAMAGED.values()), ids=list(DAMAGED))
def test_damaged_safetensors_are_refused(content, tmp_path):
    path = touch(tmp_path / "f.safetensors", content)
    check_refused(lambda: datasets.load(path, labels=[0, 1]), "is not a whole safetensors file")


def test_a_tensor_of_a_type_without_a_meaning_here_is_refused(tmp_path):
    described = {
        "X": {"dtype": "F8_E4M3", "shape": [8, 4], "data_offsets": [0, 32]},
        "y": {"dtype": "U8", "shape": [8], "data_offsets": [32, 40]},
    }
    path = touch(tmp_path / "f.safetensors", _tensor_file(described))
    check_refused(lambda: datasets.load(path), "the tensor 'X' of")
