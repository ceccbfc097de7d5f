"""Damaged or hostile IDX, CIFAR-10, .npy and .npz files are refused in one clear line, and nothing in them is executed."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from _refused import check_refused, touch

from fastcls import datasets

# ---------------------------------------------------------------- IDX


def idx(shape: tuple[int, ...], data: bytes, magic: int | None = None) -> bytes:
    return struct.pack(f">{1 + len(shape)}I", magic or 0x0800 + len(shape), *shape) + data


IMAGES, LABELS = idx((2, 3, 3), bytes(18)), idx((2,), b"\x01\x02")
GZ = gzip.compress(IMAGES, mtime=0)  # the time would be part of the tests' names
IDX_CASES = {
    "magic": (idx((2, 3, 3), bytes(18), 0x0D03), LABELS, "0x00000d03; wanted 0x00000803"),
    "labels for images": (LABELS + bytes(12), LABELS, "wanted 0x00000803"),
    "header cut": (IMAGES[:10], LABELS, "is truncated to 10 bytes"),
    "empty file": (b"", LABELS, "is truncated to 0 bytes"),
    "one byte short": (IMAGES[:-1], LABELS, "truncated: it has 17 bytes"),
    "one byte long": (IMAGES + b"\0", LABELS, "too long: it has 19 bytes or more"),
    "labels one byte long": (IMAGES, LABELS + b"\0", "too long: it has 3 bytes or more"),
    "no image": (idx((0, 3, 3), b""), LABELS, "is empty"),
    "no pixel": (idx((2, 0, 3), b""), LABELS, "is empty"),
    "header that lies": (idx((1 << 31, 1 << 15, 1 << 15), bytes(18)), LABELS, "2,305,843,009,213,693,952"),
    "other count": (idx((3, 3, 2), bytes(18)), LABELS, "3 images and"),
    "label above 9": (IMAGES, idx((2,), b"\x01\x0a"), "has the label 10 at row 1"),
    "labels missing": (IMAGES, None, "has no train-labels-idx1-ubyte"),
    "images missing": (None, LABELS, "has no train-images-idx3-ubyte"),
}


@pytest.mark.parametrize("gzipped", [False, True])
@pytest.mark.parametrize(("images", "labels", "words"), list(IDX_CASES.values()), ids=list(IDX_CASES))
def test_damaged_idx_is_refused(
    images: bytes | None, labels: bytes | None, words: str, gzipped: bool, tmp_path: Path
) -> None:
    for name, content in (("train-images-idx3-ubyte", images), ("train-labels-idx1-ubyte", labels)):
        if content is not None:
            touch(tmp_path / (name + ".gz" * gzipped), gzip.compress(content) if gzipped else content)
    check_refused(lambda: datasets.load(tmp_path), words)


@pytest.mark.parametrize("content", [GZ[:-4], GZ[:20], GZ[:-8] + b"\0\0\0\0" + GZ[-4:], b""])
def test_a_damaged_gzip_is_refused(content: bytes, tmp_path: Path) -> None:
    touch(tmp_path / "train-images-idx3-ubyte.gz", content)
    touch(tmp_path / "train-labels-idx1-ubyte", LABELS)
    check_refused(lambda: datasets.load_mnist(tmp_path), "truncated")


def test_test_images_of_another_shape_are_refused(tmp_path: Path) -> None:
    for part, shape in (("train", (2, 3, 3)), ("t10k", (2, 9, 1))):
        touch(tmp_path / f"{part}-images-idx3-ubyte", idx(shape, bytes(18)))
        touch(tmp_path / f"{part}-labels-idx1-ubyte", LABELS)
    check_refused(lambda: datasets.load(tmp_path), "give one shape")
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    check_refused(lambda: datasets.load(tmp_path), "has no t10k-labels")


# ---------------------------------------------------------------- CIFAR-10

BATCHES = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
CIFAR_CASES = {
    "one byte short": ("data_batch_2.bin", bytes(3072), "3,072 bytes, not a positive multiple"),
    "one byte long": ("data_batch_2.bin", bytes(3074), "not a positive multiple"),
    "empty": ("test_batch.bin", b"", "0 bytes"),
    "label": ("data_batch_5.bin", bytes(3073) + b"\x0a" + bytes(3072), "label 10 at record 1"),
    "test label": ("test_batch.bin", b"\xff" + bytes(3072), "label 255 at record 0"),
    "too few names": ("batches.meta.txt", b"a\nb\n", "has 2 lines"),
    "blank name": ("batches.meta.txt", b"a\n\nb\nc\nd\ne\nf\ng\nh\ni\n", "wanted 10 class names"),
    "huge names": ("batches.meta.txt", bytes((1 << 20) + 1), "larger than"),
}


@pytest.mark.parametrize(("name", "content", "words"), list(CIFAR_CASES.values()), ids=list(CIFAR_CASES))
def test_damaged_cifar10_is_refused(name: str, content: bytes, words: str, tmp_path: Path) -> None:
    for batch in BATCHES:
        touch(tmp_path / batch, bytes(3073))
    datasets.load(tmp_path)
    touch(tmp_path / name, content)
    check_refused(lambda: datasets.load(tmp_path), words)


@pytest.mark.parametrize("missing", BATCHES)
def test_a_missing_batch_is_refused(missing: str, tmp_path: Path) -> None:
    for batch in set(BATCHES) - {missing}:
        touch(tmp_path / batch, bytes(3073))
    check_refused(lambda: datasets.load(tmp_path), f"has no {missing}")


# ---------------------------------------------------------------- arrays


def npy_bytes(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def lying_npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data


HUGE = lying_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000, 1000)}", bytes(100))
ROWS = npy_bytes(np.zeros((3, 2)))
NPY_CASES = {
    "header asks for petabytes": (HUGE, "1,000,000,000,000,000 bytes"),
    "one byte short": (ROWS[:-1], "has 47 bytes of data, but its header states 48 bytes"),
    "one byte long": (ROWS + b"\0", "has 49 bytes of data, but its header states 48 bytes"),
    "objects": (npy_bytes(np.array([[{}], [1], [2]], dtype=object)), "Python objects (a pickle)"),
    "records": (npy_bytes(np.zeros(3, dtype=[("a", "f4")])), "records of dtype"),
    "no .npy": (b"hello", "is not a valid .npy array"),
    "empty file": (b"", "is not a valid .npy array"),
    "header is code": (lying_npy("__import__('os').system('true')"), "is not a valid .npy array"),
    "header with a negative size": (
        lying_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 2)}"),
        "is empty",
    ),
    "unknown version": (lying_npy("{}", version=b"\x09\x00"), "is not a valid .npy array"),
    "no row": (npy_bytes(np.zeros((0, 2))), "is empty"),
    "one dimension": (
        npy_bytes(np.zeros(3)),
        "is one-dimensional, shape (3,); wanted rows (n, d): did you swap rows and labels? One row is",
    ),
    "no dimension": (npy_bytes(np.zeros(())), "is a single value, not an array of rows; wanted rows (n, d)"),
    "five dimensions": (npy_bytes(np.zeros((3, 1, 1, 1, 1))), "(3, 1, 1, 1, 1)"),
    "four channels": (npy_bytes(np.zeros((3, 5, 5, 4))), "alpha channel"),
    "complex": (npy_bytes(np.zeros((3, 2), complex)), "dtype 'complex128'"),
    "strings": (npy_bytes(np.full((3, 2), "a")), "dtype '<U1'"),
    "dates": (npy_bytes(np.zeros((3, 2), "M8[s]")), "datetime64"),
    "integers beyond 2^53": (npy_bytes(np.full((3, 2), 2**53 + 1)), "beyond 2^53"),
    "fewer rows than labels": (npy_bytes(np.zeros((2, 2))), "y has 3 labels for 2 rows"),
}


@pytest.mark.parametrize(("content", "words"), list(NPY_CASES.values()), ids=list(NPY_CASES))
def test_damaged_npy_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    check_refused(lambda: datasets.load(touch(tmp_path / "a.npy", content), labels=[0, 1, 1]), words)


@pytest.mark.parametrize("layout", ["npz", "npy-folder"])
@pytest.mark.parametrize(("content", "words"), list(NPY_CASES.values())[:8], ids=list(NPY_CASES)[:8])
def test_damaged_arrays_are_refused_in_every_container(content: bytes, words: str, layout: str, tmp_path: Path) -> None:
    members = {"X.npy": content, "y.npy": npy_bytes(np.array([0, 1, 1]))}
    path = tmp_path / ("a.npz" if layout == "npz" else "a")
    if layout == "npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    else:
        for name, data in members.items():
            touch(path / name, data)
    check_refused(lambda: datasets.load(path), words)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs resource limits of POSIX systems")
def test_a_lying_header_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = touch(tmp_path / "a.npy", lying_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (100000000, 2)}"))
    tracemalloc.start()
    check_refused(lambda: datasets.load(path, labels=[0]), "has 0 bytes of data, but its header states 200,000,000 bytes")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


X, y = np.zeros((3, 2)), np.array([0, 1, 1])
NPZ_CASES = {
    "other keys": ({"a": X, "b": y}, "has the arrays 'a', 'b': name them X, y or"),
    "escape in a key": ({"\x1b[2J": X}, r"\x1b[2J"),
    "no labels": ({"X": X}, "has the arrays 'X'"),
    "test rows alone": ({"X": X, "y": y, "X_test": X}, "only one of X_test and y_test"),
    "test width": (
        {"X": X, "y": y, "X_test": np.zeros((1, 3)), "y_test": [0]},
        "rows of shape (2,) and X_test of (3,)",
    ),
    "label count": ({"X": X, "y": [0, 1]}, "y has 2 labels for 3 rows"),
    "test label count": ({"X": X, "y": y, "X_test": X, "y_test": [0]}, "y_test has 1 label"),
    "one-hot labels": ({"X": X, "y": np.eye(3)}, "argmax"),
    "fractional labels": ({"X": X, "y": [0, 1, 1.5]}, "1.5 at row 2"),
    "NaN label": ({"X": X, "y": [0, np.nan, 1]}, "nan at row 1"),
    "infinite label": ({"X": X, "y": [0, np.inf, 1]}, "inf at row 1"),
    "object labels": ({"X": X, "y": np.array([0, "a", None], object)}, "Python objects (a pickle)"),
    "date labels": ({"X": X, "y": np.zeros(3, "M8[s]")}, "class labels"),
    "huge label": ({"X": X, "y": np.array([0, 1, 2**64 - 1], np.uint64)}, "below 2^63"),
    "unseen test label": ({"X": X, "y": y, "X_test": X, "y_test": [0, 1, 7]}, "label '7' at row 2"),
    "test labels of another kind": ({"X": X, "y": y, "X_test": X, "y_test": ["a"] * 3}, "different kinds"),
    "code beyond the names": ({"X": X, "y": [0, 1, 2], "class_names": ["a", "b"]}, "label 2 at row 2"),
    "negative code": ({"X": X, "y": [0, 1, -1], "class_names": ["a", "b"]}, "label -1 at row 2"),
    "label not among the names": ({"X": X, "y": ["a", "b", "\x07"], "class_names": ["a", "b"]}, r"'\x07' at row 2"),
    "a name twice": ({"X": X, "y": [0, 1, 1], "class_names": ["a", "a"]}, "more than once"),
    "image shape": ({"X": X, "y": y, "image_shape": [3, 3]}, "product of 2"),
}


@pytest.mark.parametrize(("arrays", "words"), list(NPZ_CASES.values()), ids=list(NPZ_CASES))
def test_arrays_that_do_not_fit_are_refused(arrays: dict, words: str, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    check_refused(lambda: datasets.load(tmp_path / "a.npz"), words)


def test_a_damaged_npz_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, X=np.arange(20000.0).reshape(10000, 2), y=np.zeros(10000, int))
    sound = path.read_bytes()
    at = sound.index(np.float64(17777).tobytes())
    check_refused(lambda: datasets.load(touch(path, sound[:-30])), "not an .npz archive")
    check_refused(lambda: datasets.load(touch(path, b"hello")), "not an .npz archive")
    check_refused(lambda: datasets.load(touch(path, sound[:at] + b"\xff" + sound[at + 1 :])), "is damaged")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_npz_member_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("X.npy", "X.npy", "y.npy"):
            archive.writestr(name, npy_bytes(X))
    check_refused(lambda: datasets.load(tmp_path / "a.npz"), "more than once")


def test_an_npy_without_labels_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "vec_f16.npy", X)
    check_refused(lambda: datasets.load(tmp_path / "vec_f16.npy"), "'vec_f16_labels.npy', 'vec_f16.labels.npy', 'vec_la")
    np.save(tmp_path / "y.npy", X)
    check_refused(lambda: datasets.load(tmp_path / "y.npy"), "no labels next to it")  # not its own labels
    check_refused(lambda: datasets.load(tmp_path / "vec_f16.npy", labels=tmp_path / "no.npy"), "there is no file or folder")


def test_a_folder_of_arrays_needs_its_pairs(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", X)
    check_refused(lambda: datasets.load(tmp_path), "has the files 'X', but no labels: add them with the name y")
    check_refused(lambda: datasets.load_npy_folder(touch(tmp_path / "e" / "f").parent), "has the files none: name them X, y")
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "X_test.npy", X)
    check_refused(lambda: datasets.load(tmp_path), "only one of X_test and y_test")


class Canary:
    """Whoever unpickles this creates the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.path}",)


OBJECT_FILES: dict[str, Callable[[Path, np.ndarray], Path]] = {
    "npy": lambda d, birds: touch(d / "a.npy", npy_bytes(birds)),
    "npy folder": lambda d, birds: touch(d / "f" / "X.npy", npy_bytes(birds)).parent,
    "npz": lambda d, birds: (np.savez(d / "a.npz", X=birds, y=y), d / "a.npz")[1],
    "npz, labels": lambda d, birds: (np.savez(d / "a.npz", X=X, y=birds[:, 0]), d / "a.npz")[1],
    "pickle called .npy": lambda d, birds: touch(d / "a.npy", pickle.dumps(birds)),
    "pickle called .npz": lambda d, birds: touch(d / "a.npz", pickle.dumps(birds)),
    "labels next to it": lambda d, birds: (
        touch(d / "a_labels.npy", npy_bytes(birds)),
        touch(d / "a.npy", npy_bytes(X)),
    )[1],
}


@pytest.mark.parametrize("kind", OBJECT_FILES)
def test_objects_in_array_files_are_refused_and_never_made(kind: str, tmp_path: Path) -> None:
    bird = tmp_path / "bird"
    birds = np.empty((3, 1), dtype=object)
    birds[:, 0] = [Canary(bird) for _ in range(3)]
    path = OBJECT_FILES[kind](tmp_path, birds)
    labels = None if "labels" in kind or kind in ("npz", "pickle called .npz") else [0, 1, 1]
    words = {"pickle called .npy": "is not a valid .npy array", "pickle called .npz": "is not an .npz archive"}
    check_refused(lambda: datasets.load(path, labels=labels), words.get(kind, "Python objects (a pickle)"))
    assert not bird.exists()
    pickle.loads(pickle.dumps(Canary(bird)))
    assert bird.exists()  # the canary would have sung


def test_a_gzip_bomb_behind_an_idx_header_takes_no_more_than_the_header_says(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb", compresslevel=1) as file:
        file.write(IMAGES)
        for _ in range(200):
            file.write(bytes(1 << 20))
    touch(tmp_path / "train-labels-idx1-ubyte", LABELS)
    tracemalloc.start()
    check_refused(lambda: datasets.load(tmp_path), "too long")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000
