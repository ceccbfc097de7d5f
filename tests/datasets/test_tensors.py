"""Tensors as rows: by DLPack without a copy, with a gradient, in bfloat16; anything with a shape, a dtype and slices."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from _refused import check_refused

import fastcls
from fastcls import datasets
from fastcls._validation.containers import read_rows
from fastcls._validation.rows import check_rows
from fastcls._validation.types import BFLOAT16, narrowed, widened

X = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
Y = np.arange(12) % 3


class OnlyDLPack:
    """A tensor of a library that is not here."""

    def __init__(self, array, device=1):
        self.array, self.device, self.shape = array, device, array.shape

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.device, 0


class WithGradient(OnlyDLPack):
    """A tensor that is read only after `detach`."""

    requires_grad = True

    def __dlpack__(self, **options):
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")

    def detach(self):
        return OnlyDLPack(self.array)


class OnlySlices:
    """A stored array without chunks."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        return self.array[rows]


def test_a_tensor_is_read_without_a_copy():
    data = datasets.load((OnlyDLPack(X), OnlyDLPack(Y)))
    assert np.shares_memory(data.X, X)
    assert data.y.tolist() == Y.tolist()
    check_refused(lambda: datasets.load((OnlyDLPack(X, device=2), Y)), "on a device")


def test_a_tensor_with_a_gradient_is_read_without_it():
    data = datasets.load((WithGradient(X), OnlyDLPack(Y)))
    assert np.shares_memory(data.X, X)
    model = fastcls.KNeighborsClassifier(1).fit(WithGradient(X), Y)
    assert np.shares_memory(model._rows.chunks[0], X)


BAD = np.where(np.eye(12, 5, -2), np.nan, X).astype(np.float32)


def test_nan_in_every_container_is_refused_by_row_and_column(tmp_path):
    np.save(tmp_path / "bad.npy", BAD)
    mapped = np.load(tmp_path / "bad.npy", mmap_mode="r")
    for rows in (BAD, mapped, OnlyDLPack(BAD), WithGradient(BAD), OnlySlices(BAD), BAD.tolist()):
        check_refused(lambda rows=rows: datasets.load((rows, Y)), "X contains NaN (first at row 2, column 0)")
        check_refused(lambda rows=rows: datasets.load((X, Y, rows, Y)), "X_test contains NaN (first at row 2, column 0)")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (Y[:-1], "y has 11 labels for 12 rows"),
        (np.where(Y == 1, 0.5, Y), "y has 0.5 at row 1"),
        (np.where(Y == 2, np.nan, Y), "y has nan at row 2"),
        ([None, *Y[1:].tolist()], "y has a missing value (None) at row 0"),
        (["a", 1] * 6, "(row 1 is the first that differs from row 0)"),
        (np.eye(3)[Y], "argmax"),
    ],
)
def test_wrong_labels_of_tensors_are_refused_by_row(labels, words):
    check_refused(lambda: datasets.load((OnlyDLPack(X), labels)), words)
    check_refused(lambda: datasets.load(OnlySlices(X), labels=labels), words)


def test_what_has_a_shape_a_dtype_and_slices_is_data():
    data = datasets.load((OnlySlices(X), Y))
    np.testing.assert_array_equal(data.X, X)
    assert [len(part) for part in datasets.array_parts(OnlySlices(X), part_bytes=5 * X[0].nbytes)] == [5, 5, 2]


FIELDS = np.zeros(12, [("a", "f4"), ("y", "i4")])


@pytest.mark.parametrize(
    ("arrays", "labels", "words"),
    [
        (FIELDS, None, "X is a structured array with the fields 'a', 'y'; wanted plain numbers: convert it"),
        (FIELDS, Y, "X is a structured array"),
        ((X, Y, FIELDS, Y), None, "X_test is a structured array"),
        ((X, FIELDS), None, "y has dtype"),
        ((X, None), None, "y is None: give labels"),
        ((None, Y), None, "X is None: give rows"),
        ((X, Y, X, None), None, "y_test is None: give labels, or (X, y) alone"),
    ],
)
def test_records_and_nothing_are_refused(arrays, labels, words):
    check_refused(lambda: datasets.load(arrays, labels=labels), words)


@pytest.mark.parametrize("part_bytes", [0, -5, 2.5])
def test_parts_of_no_size_are_refused(part_bytes):
    words = f"part_bytes={part_bytes}; wanted a whole number of at least 1"
    check_refused(lambda: datasets.array_parts(X, part_bytes=part_bytes), words)


def test_a_column_of_lists_is_refused_with_the_way_to_a_table():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = pandas.DataFrame({"embedding": list(X), "length": 1.0})
    check_refused(
        lambda: check_rows(frame), "X has a ndarray of 5 values at row 0, column 0; wanted one number: make a table"
    )
    assert np.stack(list(frame["embedding"])).tobytes() == X.tobytes()


def test_an_npy_file_comes_in_parts(tmp_path):
    np.save(tmp_path / "X.npy", X)
    np.testing.assert_array_equal(np.concatenate(list(datasets.array_parts(tmp_path / "X.npy", part_bytes=50))), X)


def test_bfloat16_of_ml_dtypes_keeps_its_bytes(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    half = X.astype(ml_dtypes.bfloat16)
    rows, notes = read_rows(half, "X")
    assert np.shares_memory(rows, half)
    assert (rows.dtype, notes) == (BFLOAT16, ())
    np.testing.assert_array_equal(widened(rows), half.astype(np.float32))
    data = datasets.load((half, Y))
    assert np.shares_memory(data.X, half)
    assert "; bfloat16; 3 classes" in repr(data)
    np.save(tmp_path / "X.npy", half)  # NumPy writes it as V2
    np.save(tmp_path / "y.npy", Y)
    data = datasets.load(tmp_path / "X.npy")
    assert isinstance(data.X, np.memmap)
    assert data.X.tobytes() == half.tobytes()
    assert "values of type V2, which numpy.save writes for bfloat16, are read as bfloat16" in data.notes[0]
    np.savez(tmp_path / "f.npz", X=half, y=Y)
    assert datasets.load(tmp_path / "f.npz").X.tobytes() == half.tobytes()


def test_bfloat16_in_safetensors_stays_in_the_file(tmp_path):
    bits = (X.view(np.uint32) >> 16).astype(np.uint16)
    described = {
        "X": {"dtype": "BF16", "shape": [12, 5], "data_offsets": [0, 120]},
        "y": {"dtype": "I64", "shape": [12], "data_offsets": [120, 216]},
    }
    text = json.dumps(described).encode()
    text += b" " * (-len(text) % 8)
    (tmp_path / "f.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bits.tobytes() + Y.tobytes())
    data = datasets.load(tmp_path / "f.safetensors")
    assert data.X.tobytes() == bits.tobytes()
    assert isinstance(data.X, np.memmap)
    assert (data.X.dtype, data.notes) == (BFLOAT16, ())
    model = fastcls.KNeighborsClassifier(1).fit(data.X, data.y)
    assert np.shares_memory(model._rows.chunks[0], data.X)
    assert model._rows.copied_bytes == 0
    assert model.predict(data.X).tolist() == Y.tolist()


def test_a_test_set_of_another_type_makes_both_float32():
    data = datasets.load((narrowed(X, BFLOAT16), Y, X[:4], Y[:4]))
    assert data.X.dtype == data.X_test.dtype == np.float32
    assert data.notes == ("X: bfloat16 converted to float32; no value changes",)


def test_tensors_of_torch():
    torch = pytest.importorskip("torch", reason="torch is not installed: it is too large for the tests")
    rows, labels = torch.from_numpy(X.copy()), torch.from_numpy(Y)
    with_gradient = rows.clone().requires_grad_()
    for tensor in (rows, with_gradient):
        data = datasets.load((tensor, labels))
        assert np.shares_memory(data.X, tensor.detach().numpy())
        model = fastcls.KNeighborsClassifier(1).fit(tensor, labels)
        np.testing.assert_array_equal(model.predict(tensor), Y)
    assert with_gradient.requires_grad
    half = rows.bfloat16()
    for tensor, n_bytes in ((half, 0), (half[:, ::2], 72), (half.T, 120), (list(half), 120)):
        checked = check_rows(tensor)
        wanted = torch.stack(tensor) if isinstance(tensor, list) else tensor
        np.testing.assert_array_equal(widened(checked.rows), wanted.float().numpy())
        assert (checked.rows.dtype, checked.notes, checked.copied_bytes) == (BFLOAT16, (), n_bytes)
    assert check_rows(half).rows.ctypes.data == half.data_ptr()
    assert check_rows(half, copy=True).rows.ctypes.data != half.data_ptr()
    assert fastcls.KNeighborsClassifier(1).fit(rows, half[:, 0].round()).classes_.dtype == np.float32


class Rows:
    """Rows that another package keeps."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __array__(self, dtype=None, copy=None):
        return self.array

    def __getitem__(self, rows):
        return Rows(self.array[rows])


class Computed(Rows):
    """Rows that are computed when they are read."""

    def __array__(self, dtype=None, copy=None):
        return self.array.copy()

    def __getitem__(self, rows):
        return Computed(self.array[rows])


def test_copied_bytes_are_reported_for_every_container():
    for given in (X, Rows(X), OnlyDLPack(X)):
        model = fastcls.KNeighborsClassifier(1).fit(given, Y)
        assert np.shares_memory(model._rows.chunks[0], X)
        assert model._rows.copied_bytes == 0
        protected = fastcls.KNeighborsClassifier(1).fit(given, Y, copy=True)
        assert not np.shares_memory(protected._rows.chunks[0], X)
        assert protected._rows.copied_bytes == X.nbytes
    for given in (X.tolist(), list(X), Computed(X)):
        assert fastcls.KNeighborsClassifier(1).fit(given, Y)._rows.copied_bytes == check_rows(given).rows.nbytes


def test_weights_that_numpy_cannot_read_are_refused():
    class Unreadable:
        def __array__(self, dtype=None, copy=None):
            raise TypeError("Got unsupported ScalarType BFloat16")

    fit = fastcls.SoftmaxClassifier().fit
    check_refused(lambda: fit(X, Y, sample_weight=Unreadable()), "sample_weight cannot be read by NumPy (Got unsupported")
