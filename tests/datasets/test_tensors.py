"""Tensors as rows: by DLPack without a copy, with a gradient, in bfloat16; anything with a shape, a dtype and slices."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from _refused import check_refused

import fastcls
from fastcls import datasets
from fastcls._validation.containers import from_bfloat16, read_rows

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


def test_what_has_a_shape_a_dtype_and_slices_is_data():
    data = datasets.load((OnlySlices(X), Y))
    np.testing.assert_array_equal(data.X, X)
    assert [len(part) for part in datasets.array_parts(OnlySlices(X), part_bytes=5 * X[0].nbytes)] == [5, 5, 2]


def test_an_npy_file_comes_in_parts(tmp_path):
    np.save(tmp_path / "X.npy", X)
    np.testing.assert_array_equal(np.concatenate(list(datasets.array_parts(tmp_path / "X.npy", part_bytes=50))), X)


def test_bfloat16_is_the_upper_half_of_float32():
    bits = np.arange(1 << 16, dtype=np.uint16)
    wide = from_bfloat16(bits).view(np.uint32)
    np.testing.assert_array_equal(wide >> 16, bits)
    assert not (wide & 0xFFFF).any()


def test_bfloat16_of_ml_dtypes_is_converted_exactly_and_said():
    ml_dtypes = pytest.importorskip("ml_dtypes", reason="ml_dtypes is not installed")
    half = X.astype(ml_dtypes.bfloat16)
    rows, notes = read_rows(half, "X")
    np.testing.assert_array_equal(rows, half.astype(np.float32))
    assert notes == ("X: bfloat16 converted to float32",)
    assert "bfloat16 converted to float32; no value changes" in datasets.load((half, Y)).notes


def test_bfloat16_in_safetensors(tmp_path):
    bits = (X.view(np.uint32) >> 16).astype(np.uint16)
    described = {
        "X": {"dtype": "BF16", "shape": [12, 5], "data_offsets": [0, 120]},
        "y": {"dtype": "I64", "shape": [12], "data_offsets": [120, 216]},
    }
    text = json.dumps(described).encode()
    (tmp_path / "f.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bits.tobytes() + Y.tobytes())
    data = datasets.load(tmp_path / "f.safetensors")
    np.testing.assert_array_equal(data.X, from_bfloat16(bits))
    assert type(data.X) is np.ndarray
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
    np.testing.assert_array_equal(read_rows(half, "X")[0], half.float().numpy())
    assert read_rows(half, "X")[1] == ("X: bfloat16 converted to float32",)
    assert half.dtype == torch.bfloat16
