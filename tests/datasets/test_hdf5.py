"""HDF5 files, written by h5py: groups, text, chunks; files that refer to others, lack values or lie."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from _refused import check_refused, touch

from fastcls import datasets
from fastcls._runtime import memory
from fastcls._validation.errors import InputError

h5py = pytest.importorskip("h5py", reason="reading HDF5 needs h5py")

X = np.random.default_rng(0).normal(size=(12, 5)).astype(np.float32)
Y = np.arange(12) % 3


@pytest.fixture
def write(tmp_path):
    """Write a file with X (of the given options) and y, and return its path."""

    def written(**options):
        with h5py.File(tmp_path / "f.h5", "w") as file:
            file.create_dataset("X", **({"data": X} | options))
            file["y"] = Y
        return tmp_path / "f.h5"

    return written


@pytest.mark.parametrize("options", [{}, {"chunks": (5, 5)}, {"chunks": (4, 2), "compression": "gzip"}])
def test_groups_and_attributes_are_read(options, tmp_path):
    with h5py.File(tmp_path / "f.hdf5", "w") as file:
        file.create_dataset("train/features", data=X, **options)
        file["train/labels"], file["test/features"], file["test/labels"] = Y, X[:4], Y[:4]
        file.attrs["class_names"] = ["cat", "dog", "ship"]
    data = datasets.load(tmp_path / "f.hdf5")
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_array_equal(data.X_test, X[:4])
    assert data.class_names == ("cat", "dog", "ship")
    assert isinstance(data.X, np.memmap) == (not options)


GROUPED = {
    "resnet50": {"resnet50/features": X, "resnet50/labels": Y},
    "two deep": {"data/train/X": X, "data/train/y": Y},
    "parts": {"vit/train/X": X, "vit/train/y": Y, "vit/test/X": X[:4], "vit/test/y": Y[:4]},
}


@pytest.mark.parametrize("arrays", list(GROUPED.values()), ids=list(GROUPED))
def test_all_datasets_may_be_in_one_group(arrays, tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for name, array in arrays.items():
            file[name] = array
        file["circle"] = file["/"]
    data = datasets.load(tmp_path / "f.h5")
    np.testing.assert_array_equal(data.X, X)
    assert data.y.tolist() == Y.tolist()
    assert (data.X_test is not None) == (len(arrays) == 4)


def test_of_several_groups_the_labels_name_one(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        for group, rows in (("a", X), ("b", 2 * X)):
            file[f"{group}/features"], file[f"{group}/labels"] = rows, Y
    check_refused(lambda: datasets.load(tmp_path / "f.h5"), "has the datasets 'a/features', 'a/labels', 'b/features', 'b/")
    np.testing.assert_array_equal(datasets.load(tmp_path / "f.h5", labels="b/labels").X, 2 * X)


def test_many_links_to_one_group_are_read_once(tmp_path):
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["X"], file["y"] = X, Y
        for group in ("a", "b"):
            file.create_group(group)
        for name in range(300):  # 300 to the power of 8 ways down
            file[f"a/{name}"], file[f"b/{name}"] = file["b"], file["a"]
    np.testing.assert_array_equal(datasets.load(tmp_path / "f.h5").X, X)


def test_labels_may_be_text(tmp_path):
    for text in (["cat", "dog", "ship"] * 4, np.array([b"cat", b"dog", b"ship"] * 4)):
        with h5py.File(tmp_path / "f.h5", "w") as file:
            file["X"], file["y"] = X, text
        assert datasets.load(tmp_path / "f.h5").class_names == ("cat", "dog", "ship")


def test_open_datasets_are_arrays_and_come_in_parts(write):
    with h5py.File(write(chunks=(5, 5))) as file:
        np.testing.assert_array_equal(datasets.load((file["X"], file["y"])).X, X)
        parts = list(datasets.array_parts(file["X"], part_bytes=1))
    assert [len(part) for part in parts] == [5, 5, 2]


def test_other_files_are_not_read(tmp_path, write):
    touch(tmp_path / "secret", bytes(240))
    check_refused(
        lambda: datasets.load(write(data=None, shape=(12, 5), dtype="f4", external=[(str(tmp_path / "secret"), 0, 240)])),
        "refers to other files",
    )
    other = write().rename(tmp_path / "g.h5")
    layout = h5py.VirtualLayout((12, 5), "f4")
    layout[:] = h5py.VirtualSource(str(other), "X", (12, 5))
    for linked in (h5py.ExternalLink(str(other), "X"), h5py.SoftLink("/y"), layout):
        with h5py.File(tmp_path / "f.h5", "w") as file:
            if linked is layout:
                file.create_virtual_dataset("X", layout)
            else:
                file["X"] = linked
            file["y"] = Y
        check_refused(
            lambda: datasets.load(tmp_path / "f.h5"), "refers to other files" if linked is layout else "has the datasets 'y'"
        )


def test_values_that_were_never_written_are_no_zeros(write, tmp_path):
    check_refused(lambda: datasets.load(write(data=None, shape=(12, 5), dtype="f4")), "0 of its 1 chunks")
    path = write(data=None, shape=(12, 5), dtype="f4", chunks=(4, 5))
    with h5py.File(path, "a") as file:
        file["X"][:4] = 1
    check_refused(lambda: datasets.load(path), "has 1 of its 3 chunks")
    check_refused(lambda: datasets.load(write(data=None, shape=(10**9, 10**6), dtype="f4", chunks=(10, 10**5))), "chunks")


def test_rows_larger_than_memory_are_refused_before_they_are_read(write, monkeypatch):
    path = write(chunks=(4, 5))
    monkeypatch.setattr(memory, "fits", lambda n_bytes: n_bytes < X.nbytes)
    check_refused(lambda: datasets.load(path), "more than the free memory")


@pytest.mark.parametrize("content", [b"", b"text", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_damaged_files_are_refused(content, tmp_path):
    check_refused(lambda: datasets.load(touch(tmp_path / "f.h5", content)), "it is no HDF5 file, or damaged")
    whole = tmp_path / "g.h5"
    with h5py.File(whole, "w") as file:
        file["X"], file["y"] = X, Y
    touch(tmp_path / "f.h5", whole.read_bytes()[:-100])
    check_refused(lambda: datasets.load(tmp_path / "f.h5"), "damaged")


def test_a_damaged_table_of_chunks_is_refused_in_one_line(write, tmp_path):
    """Every byte of it: HDF5 finds some of the damages when it counts the chunks, others when it reads them."""
    content, refused = write(chunks=(4, 5), compression="gzip").read_bytes(), []
    table = content.index(b"TREE\x01")
    for place in range(table, table + 24 + 3 * 40):  # its head; then size, mask, three offsets and address of each chunk
        changed = bytearray(content)
        changed[place] ^= 2
        try:
            datasets.load(touch(tmp_path / "g.h5", bytes(changed)))
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 40
    assert all("\n" not in line and "g.h5" in line for line in refused)
    assert any("number of chunks" in line for line in refused)


def test_records_and_objects_are_refused(write, tmp_path):
    check_refused(lambda: datasets.load(write(data=np.zeros(12, [("a", "f4")]))), "holds")
    check_refused(lambda: datasets.load(write(data=X.astype(complex))), "holds 'complex128'")


def test_without_h5py_one_line_says_what_to_install(write, monkeypatch):
    path = write()
    monkeypatch.setitem(sys.modules, "h5py", None)
    check_refused(lambda: datasets.load(path), "pip install 'fastcls[formats]'")
