"""What a loader cannot use is refused with one clear line, and no refusal lets a control character through."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _refused import Case, cases, check_refused
from PIL import Image

import fastcls
from fastcls import datasets
from fastcls._validation.errors import InputError
from fastcls.datasets import Dataset

# ---------------------------------------------------------------- Dataset

GOOD = Dataset(np.zeros((3, 4), np.uint8), np.array([0, 1, 1]), class_names=("a", "b"))
DATASET_CASES = {
    "rows are no array": ({"X": [[1]]}, "of type list"),
    "one dimension": ({"X": np.zeros(3)}, "two-dimensional"),
    "no row": ({"X": np.zeros((0, 4))}, "at least one row"),
    "no column": ({"X": np.zeros((3, 0))}, "at least one row"),
    "dtype": ({"X": np.zeros((3, 4), np.int32)}, "dtype int32"),
    "too few labels": ({"y": np.array([0, 1])}, "2 labels in y for 3 rows"),
    "float labels": ({"y": np.zeros(3)}, "integer class codes"),
    "code too large": ({"y": np.array([0, 1, 2])}, "class code 2"),
    "code negative": ({"y": np.array([0, 1, -1])}, "class code -1"),
    "test rows alone": ({"X_test": np.zeros((1, 4), np.uint8)}, "only one of X_test and y_test"),
    "test width": ({"X_test": np.zeros((1, 5), np.uint8), "y_test": np.array([0])}, "4 features in X and 5"),
    "test dtype": ({"X_test": np.zeros((1, 4)), "y_test": np.array([0])}, "dtype uint8 in X and float64"),
    "test code": ({"X_test": np.zeros((1, 4), np.uint8), "y_test": np.array([5])}, "class code 5 in y_test"),
    "one string of names": ({"class_names": "ab"}, "sequence of strings"),
    "no names": ({"class_names": ()}, "at least one"),
    "names that are no strings": ({"class_names": ("a", 1)}, "all strings"),
    "a name twice": ({"class_names": ("a", "a")}, "more than once ('a')"),
    "image shape": ({"image_shape": (2, 2, 3)}, "product of 4"),
    "image channels": ({"image_shape": (2, 1, 2)}, "1 or 3 channels"),
    "image shape is no shape": ({"image_shape": 4}, "image_shape"),
    "recipe is no dict": ({"preprocessing": [1]}, "JSON-able"),
    "recipe with an array": ({"preprocessing": {"a": np.zeros(2)}}, "JSON"),
    "recipe with NaN": ({"preprocessing": {"a": float("nan")}}, "JSON"),
    "name": ({"name": 3}, "name of type int"),
}


@pytest.mark.parametrize(("changed", "words"), list(DATASET_CASES.values()), ids=list(DATASET_CASES))
def test_parts_that_do_not_fit_are_refused(changed: dict, words: str) -> None:
    check_refused(lambda: replace(GOOD, **changed), words)


# ---------------------------------------------------------------- load


def _touch(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


LOAD_CASES: dict[str, Case] = {
    "no such path": (lambda d: datasets.load(d / "nope"), "No such file"),
    "escape in the path": (lambda d: datasets.load(d / "\x1b[31mred\n"), r"\x1b[31mred\n"),
    "NUL in the path": (lambda d: datasets.load("a\0b"), r"a\x00b"),
    "empty path": (lambda d: datasets.load(""), "wanted the name 'digits'"),
    "path of another type": (lambda d: datasets.load(7), "got int; wanted a path"),  # type: ignore[arg-type]
    "empty class folders": (
        lambda d: datasets.load([(d / name).mkdir() for name in "ab"] and d),
        "has 2 folders without anything inside; put images there",
    ),
    "empty folder": (lambda d: datasets.load(d), "is an empty folder; put images into it by class, <class>/<file>"),
    "hidden files": (lambda d: datasets.load(_touch(d / "a" / ".DS_Store").parent), "is an empty folder"),
    "unknown folder": (
        lambda d: datasets.load(_touch(d / "a" / "b.doc").parent),
        "is a folder of no known layout, with 'b.doc'; help(fastcls.datasets.load) lists",
    ),
    "unknown file": (lambda d: datasets.load(_touch(d / "b.doc")), "is a file of no known layout; help(fastcls"),
    "one image": (lambda d: datasets.load(_touch(d / "b.JPG")), "is one image; wanted a folder of images by class"),
    "images without classes": (
        lambda d: datasets.load((_touch(d / "a" / "1.png"), _touch(d / "a" / "2.jpeg"))[0].parent),
        "has 2 images but no class folders; move them into one folder a class",
    ),
    **{
        f"file {name}": (lambda d, name=name: datasets.load(_touch(d / name)), f"wanted arrays: read it with {reader}")
        for name, reader in (
            ("b.csv", "pandas.read_csv"),
            ("b.TSV", "pandas.read_csv"),
            ("b.parquet", "pandas.read_parquet"),
            ("b.safetensors", "safetensors.numpy.load_file"),
            ("b.pt", "torch.load"),
            ("b.PTH", "torch.load"),
            ("b.pkl", "pickle.load (only if you trust"),
            ("b.h5", "h5py.File"),
            ("b.mat", "scipy.io.loadmat"),
            ("b.tfrecord", "tf.data.TFRecordDataset"),
            ("b.json", "pandas.read_json"),
            ("b.hdf5", "h5py.File"),
        )
    },
    **{
        f"photo {name}": (lambda d, name=name: datasets.load(_touch(d / name)), "convert it to PNG or JPEG")
        for name in ("b.heic", "b.AVIF", "b.dng")
    },
    "a folder around the images": (
        lambda d: datasets.load(two_classes(d / "inner").parent),
        "holds the images in 'inner'; give the path of that",
    ),
    "a folder of tables": (lambda d: datasets.load(_touch(d / "t" / "train.csv").parent), "read it with pandas.read_csv"),
    **{
        f"slip {name}": (lambda d, name=name: datasets.load(name), f"did you mean {meant!r}?")
        for name, meant in (
            ("Digits", "digits"),
            ("digit", "digits"),
            ("cifar-10", "cifar10"),
            ("minst", "mnist"),
            ("MNIST", "mnist"),
            ("CIFAR100", "cifar100"),
            ("fashion-mnist", "fashion_mnist"),
            ("FashionMNIST", "fashion_mnist"),
        )
    },
    "a slip to fetch": (lambda d: datasets.fetch("cifar-10"), "did you mean 'cifar10'?"),
    "no slip of a name": (lambda d: datasets.load("pets"), "No such file"),
    **{
        f"archive {name}": (lambda d, name=name: datasets.load(_touch(d / name)), "is an archive; unpack it, and give its")
        for name in ("b.zip", "b.tar.xz", "b.tar.bz2")
    },
    "labels for digits": (lambda d: datasets.load("digits", labels=[1]), "got labels for data of layout 'digits'"),
    "image size for digits": (lambda d: datasets.load("digits", image_size=8), "only 'images' take it"),
}


def test_a_saved_model_is_not_taken_for_data(tmp_path: Path) -> None:
    fastcls.NearestClassMean().fit(np.eye(2), [0, 1]).save(tmp_path / "m.safetensors")
    check_refused(lambda: datasets.load(tmp_path / "m.safetensors"), "is a saved model ('NearestClassMean'), not data")


def test_every_way_forward_is_one_short_line(tmp_path: Path) -> None:
    from fastcls.datasets._unknown import _READERS

    for ending in _READERS:
        with pytest.raises(InputError) as refused:
            datasets.load(_touch(tmp_path / f"b{ending}"))
        assert len(str(refused.value).replace(str(tmp_path), "")) < 190


@cases(LOAD_CASES)
def test_unknown_data_is_refused(act: Callable, words: str, tmp_path: Path) -> None:
    check_refused(lambda: act(tmp_path), words)


def test_answers_to_an_unknown_path_are_short_and_say_where_every_layout_is_listed(tmp_path: Path) -> None:
    from fastcls.datasets._load import LAYOUTS

    _touch(tmp_path / "b.doc")
    for path in (tmp_path, tmp_path / "b.doc", tmp_path / "nope"):
        with pytest.raises(InputError, match=r"help\(fastcls.datasets.load\)") as refused:
            datasets.load(path)
        assert len(str(refused.value).replace(str(tmp_path), "")) < 160
    assert all(layout.description in str(datasets.load.__doc__) for layout in LAYOUTS.values())


def test_a_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # so that it also fails for root
    check_refused(lambda: datasets.load(tmp_path), "Permission denied")


def test_a_class_folder_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "a" / "x.png")
    scandir = os.scandir

    def locked(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    check_refused(lambda: datasets.load_image_folder(tmp_path), "cannot list the folder")


# ---------------------------------------------------------------- IDX


def idx(shape: tuple[int, ...], data: bytes, magic: int | None = None) -> bytes:
    return struct.pack(f">{1 + len(shape)}I", magic or 0x0800 + len(shape), *shape) + data


IMAGES, LABELS = idx((2, 3, 3), bytes(18)), idx((2,), b"\x01\x02")
GZ = gzip.compress(IMAGES, mtime=0)  # the time would be part of the tests' names
IDX_CASES = {
    "magic": (idx((2, 3, 3), bytes(18), 0x0D03), LABELS, "0x00000d03; wanted 0x00000803"),
    "labels for images": (LABELS + bytes(12), LABELS, "wanted 0x00000803"),
    "header cut": (IMAGES[:10], LABELS, "is truncated: 10 bytes"),
    "empty file": (b"", LABELS, "is truncated: 0 bytes"),
    "one byte short": (IMAGES[:-1], LABELS, "truncated: 17 bytes"),
    "one byte long": (IMAGES + b"\0", LABELS, "too long: at least 19"),
    "labels one byte long": (IMAGES, LABELS + b"\0", "too long: at least 3"),
    "no image": (idx((0, 3, 3), b""), LABELS, "is empty"),
    "no pixel": (idx((2, 0, 3), b""), LABELS, "is empty"),
    "header that lies": (idx((1 << 31, 1 << 15, 1 << 15), bytes(18)), LABELS, "truncated"),
    "other count": (idx((3, 3, 2), bytes(18)), LABELS, "3 images and"),
    "label above 9": (IMAGES, idx((2,), b"\x01\x0a"), "label 10 at row 1"),
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
            _touch(tmp_path / (name + ".gz" * gzipped), gzip.compress(content) if gzipped else content)
    check_refused(lambda: datasets.load(tmp_path), words)


@pytest.mark.parametrize("content", [GZ[:-4], GZ[:20], GZ[:-8] + b"\0\0\0\0" + GZ[-4:], b""])
def test_a_damaged_gzip_is_refused(content: bytes, tmp_path: Path) -> None:
    _touch(tmp_path / "train-images-idx3-ubyte.gz", content)
    _touch(tmp_path / "train-labels-idx1-ubyte", LABELS)
    check_refused(lambda: datasets.load_mnist(tmp_path), "truncated")


def test_test_images_of_another_shape_are_refused(tmp_path: Path) -> None:
    for part, shape in (("train", (2, 3, 3)), ("t10k", (2, 9, 1))):
        _touch(tmp_path / f"{part}-images-idx3-ubyte", idx(shape, bytes(18)))
        _touch(tmp_path / f"{part}-labels-idx1-ubyte", LABELS)
    check_refused(lambda: datasets.load(tmp_path), "wanted one shape")
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
        _touch(tmp_path / batch, bytes(3073))
    datasets.load(tmp_path)
    _touch(tmp_path / name, content)
    check_refused(lambda: datasets.load(tmp_path), words)


@pytest.mark.parametrize("missing", BATCHES)
def test_a_missing_batch_is_refused(missing: str, tmp_path: Path) -> None:
    for batch in set(BATCHES) - {missing}:
        _touch(tmp_path / batch, bytes(3073))
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
    "one byte short": (ROWS[:-1], "48 bytes, and 47 are there"),
    "one byte long": (ROWS + b"\0", "48 bytes, and 49 are there"),
    "objects": (npy_bytes(np.array([[{}], [1], [2]], dtype=object)), "Python objects (a pickle)"),
    "records": (npy_bytes(np.zeros(3, dtype=[("a", "f4")])), "records of dtype"),
    "no .npy": (b"hello", "is not a sound .npy array"),
    "empty file": (b"", "is not a sound .npy array"),
    "header is code": (lying_npy("__import__('os').system('true')"), "is not a sound .npy array"),
    "header with a negative size": (
        lying_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 2)}"),
        "is empty",
    ),
    "unknown version": (lying_npy("{}", version=b"\x09\x00"), "is not a sound .npy array"),
    "no row": (npy_bytes(np.zeros((0, 2))), "is empty"),
    "one dimension": (npy_bytes(np.zeros(3)), "X has shape (3,)"),
    "no dimension": (npy_bytes(np.array(3.0)), "X has shape ()"),
    "five dimensions": (npy_bytes(np.zeros((3, 1, 1, 1, 1))), "(3, 1, 1, 1, 1)"),
    "four channels": (npy_bytes(np.zeros((3, 5, 5, 4))), "alpha channel"),
    "complex": (npy_bytes(np.zeros((3, 2), complex)), "dtype 'complex128'"),
    "strings": (npy_bytes(np.full((3, 2), "a")), "dtype '<U1'"),
    "dates": (npy_bytes(np.zeros((3, 2), "M8[s]")), "datetime64"),
    "integers beyond 2^53": (npy_bytes(np.full((3, 2), 2**53 + 1)), "beyond 2^53"),
    "fewer rows than labels": (npy_bytes(np.zeros((2, 2))), "3 labels in y for 2 rows"),
}


@pytest.mark.parametrize(("content", "words"), list(NPY_CASES.values()), ids=list(NPY_CASES))
def test_damaged_npy_is_refused(content: bytes, words: str, tmp_path: Path) -> None:
    check_refused(lambda: datasets.load(_touch(tmp_path / "a.npy", content), labels=[0, 1, 1]), words)


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
            _touch(path / name, data)
    check_refused(lambda: datasets.load(path), words)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs resource limits of POSIX systems")
def test_a_lying_header_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    import tracemalloc

    path = _touch(tmp_path / "a.npy", lying_npy("{'descr': '|u1', 'fortran_order': False, 'shape': (100000000, 2)}"))
    tracemalloc.start()
    check_refused(lambda: datasets.load(path, labels=[0]), "200,000,000 bytes, and 0 are there")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


X, y = np.zeros((3, 2)), np.array([0, 1, 1])
NPZ_CASES = {
    "other keys": ({"a": X, "b": y}, "has the arrays 'a', 'b'; wanted X, y or"),
    "escape in a key": ({"\x1b[2J": X}, r"\x1b[2J"),
    "no labels": ({"X": X}, "has the arrays 'X'"),
    "test rows alone": ({"X": X, "y": y, "X_test": X}, "only one of X_test and y_test"),
    "test width": (
        {"X": X, "y": y, "X_test": np.zeros((1, 3)), "y_test": [0]},
        "rows of shape (2,) and X_test of (3,)",
    ),
    "label count": ({"X": X, "y": [0, 1]}, "2 labels in y for 3 rows"),
    "test label count": ({"X": X, "y": y, "X_test": X, "y_test": [0]}, "1 label in y_test"),
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
    check_refused(lambda: datasets.load(_touch(path, sound[:-30])), "not an .npz archive")
    check_refused(lambda: datasets.load(_touch(path, b"hello")), "not an .npz archive")
    check_refused(lambda: datasets.load(_touch(path, sound[:at] + b"\xff" + sound[at + 1 :])), "is damaged")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_npz_member_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for name in ("X.npy", "X.npy", "y.npy"):
            archive.writestr(name, npy_bytes(X))
    check_refused(lambda: datasets.load(tmp_path / "a.npz"), "more than once")


def test_an_npy_without_labels_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "vec_f16.npy", X)
    check_refused(lambda: datasets.load(tmp_path / "vec_f16.npy"), "'vec_f16_labels.npy', 'vec_f16.labels.npy', 'vec_la")
    np.save(tmp_path / "y.npy", y)
    check_refused(lambda: datasets.load(tmp_path / "y.npy"), "no labels beside it")  # not its own labels
    check_refused(lambda: datasets.load(tmp_path / "vec_f16.npy", labels=tmp_path / "no.npy"), "No such file")


def test_a_folder_of_arrays_needs_its_pairs(tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", X)
    check_refused(lambda: datasets.load(tmp_path), "has no y.npy")
    check_refused(lambda: datasets.load_npy_folder(_touch(tmp_path / "e" / "f").parent), "has no X.npy")
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "X_test.npy", X)
    check_refused(lambda: datasets.load(tmp_path), "only one of X_test.npy and y_test.npy")


class Canary:
    """Whoever unpickles this creates the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {self.path}",)


OBJECT_FILES: dict[str, Callable[[Path, np.ndarray], Path]] = {
    "npy": lambda d, birds: _touch(d / "a.npy", npy_bytes(birds)),
    "npy folder": lambda d, birds: _touch(d / "f" / "X.npy", npy_bytes(birds)).parent,
    "npz": lambda d, birds: (np.savez(d / "a.npz", X=birds, y=y), d / "a.npz")[1],
    "npz, labels": lambda d, birds: (np.savez(d / "a.npz", X=X, y=birds[:, 0]), d / "a.npz")[1],
    "pickle called .npy": lambda d, birds: _touch(d / "a.npy", pickle.dumps(birds)),
    "pickle called .npz": lambda d, birds: _touch(d / "a.npz", pickle.dumps(birds)),
    "labels beside": lambda d, birds: (
        _touch(d / "a_labels.npy", npy_bytes(birds)),
        _touch(d / "a.npy", npy_bytes(X)),
    )[1],
}


@pytest.mark.parametrize("kind", OBJECT_FILES)
def test_objects_in_array_files_are_refused_and_never_made(kind: str, tmp_path: Path) -> None:
    bird = tmp_path / "bird"
    birds = np.empty((3, 1), dtype=object)
    birds[:, 0] = [Canary(bird) for _ in range(3)]
    path = OBJECT_FILES[kind](tmp_path, birds)
    labels = None if "labels" in kind or kind in ("npz", "pickle called .npz") else [0, 1, 1]
    words = {"pickle called .npy": "is not a sound .npy array", "pickle called .npz": "is not an .npz archive"}
    check_refused(lambda: datasets.load(path, labels=labels), words.get(kind, "Python objects (a pickle)"))
    assert not bird.exists()
    pickle.loads(pickle.dumps(Canary(bird)))
    assert bird.exists()  # the canary would have sung


def test_a_gzip_bomb_behind_an_idx_header_takes_no_more_than_the_header_says(tmp_path: Path) -> None:
    import tracemalloc

    with gzip.open(tmp_path / "train-images-idx3-ubyte.gz", "wb", compresslevel=1) as file:
        file.write(IMAGES)
        for _ in range(200):
            file.write(bytes(1 << 20))
    _touch(tmp_path / "train-labels-idx1-ubyte", LABELS)
    tracemalloc.start()
    check_refused(lambda: datasets.load(tmp_path), "too long")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5_000_000


def test_class_names_of_a_page_or_a_terminal_come_out_as_data_and_escaped(tmp_path: Path) -> None:
    names = ("\x1b[2J", "<script>")
    for name in names:
        picture(tmp_path / "set" / name / "x.png")
    data = datasets.load(tmp_path / "set")
    assert data.class_names == names
    assert repr(data).isprintable()
    for name in names:
        (tmp_path / "set" / name / "x.png").unlink()
        check_refused(lambda: datasets.load_image_folder(tmp_path / "set"), "has no image")
        picture(tmp_path / "set" / name / "x.png")


MEMORY_CASES: dict[str, Case] = {
    "one array": (lambda d: datasets.load(X), "without labels"),
    "labels twice": (lambda d: datasets.load((X, y), labels=y), "got labels beside 2 arrays"),
    "three arrays": (lambda d: datasets.load((X, y, X)), "got 3 arrays"),
    "no array": (lambda d: datasets.load((iter([[1]]), [0])), "X is a list_iterator"),
    "objects": (lambda d: datasets.load((np.array([[{}]]), [0])), "X holds a dict at row 0, column 0"),
    "one dimension": (lambda d: datasets.load((np.zeros(3), y)), "X has shape (3,)"),
    "too few labels": (lambda d: datasets.load((X, y[:2])), "2 labels in y for 3 rows"),
    "image size": (lambda d: datasets.load((X, y), image_size=3), "got image_size"),
    "cache": (lambda d: datasets.load(two_classes(d), cache=3), "cache of type int"),
    **{
        f"{name} {value!r}": (lambda d, name=name, value=value: getattr(datasets, name)(value), "at least 1")
        for name in ("make_parity", "make_ring", "make_three_modes")
        for value in (0, 1.5, True, "3")
    },
    "random state": (lambda d: datasets.make_ring(3, random_state=-1), "random_state=-1; wanted None"),
}


@cases(MEMORY_CASES)
def test_arrays_in_memory_that_cannot_be_used_are_refused(act: Callable, words: str, tmp_path: Path) -> None:
    check_refused(lambda: act(tmp_path), words)


# ---------------------------------------------------------------- folders of images


def picture(path: Path, size: tuple[int, int] = (4, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (9, 99, 199)).save(path)
    return path


def two_classes(root: Path) -> Path:
    for name in "ab":
        picture(root / name / "x.png")
    return root


def _with(write: Callable[[Path], object]) -> Callable[[Path], object]:
    return lambda d: (two_classes(d / "root"), write(d / "root"), datasets.load(d / "root"))


def _png_header(width: int, height: int) -> bytes:
    import zlib

    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [head, b"IDAT" + zlib.compress(bytes(100))]
    coded = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(coded)


FOLDER_CASES: dict[str, Case] = {
    "empty class": (_with(lambda r: (r / "empty").mkdir()), "has no image"),
    "class of other files": (_with(lambda r: _touch(r / "c" / "x.txt")), "has no image"),
    "folder in a class": (_with(lambda r: picture(r / "a" / "deep" / "x.png")), "holds a folder 'deep'"),
    "no picture": (_with(lambda r: _touch(r / "a" / "y.jpg", b"hello")), "a/y.jpg': not a readable picture"),
    "empty picture": (_with(lambda r: _touch(r / "a" / "y.jpg")), "1 of 3 images cannot be read"),
    "picture cut": (
        _with(lambda r: _touch(r / "a" / "y.png", picture(r / "a" / "z.png", (99, 99)).read_bytes()[:90])),
        "a/y.png': ",
    ),
    "format that is not on the list": (
        _with(lambda r: Image.new("RGB", (4, 4)).save(r / "a" / "y.png", format="ICO")),
        "not a readable picture of the formats JPEG",
    ),
    "control characters in a file name": (_with(lambda r: _touch(r / "a" / "\x1b[2J.png")), r"\x1b[2J.png"),
    "over the pixel cap": (_with(lambda r: _touch(r / "a" / "y.png", _png_header(8001, 8000))), "at most 64,000,000"),
    "over the cap, where Pillow warns": (
        _with(lambda r: _touch(r / "a" / "y.png", _png_header(10000, 10000))),
        "at most 64,000,000",
    ),
    "decompression bomb": (_with(lambda r: _touch(r / "a" / "y.png", _png_header(60000, 60000))), "64,000,000 pixels"),
    "float grey": (_with(lambda r: Image.new("F", (4, 4)).save(r / "a" / "y.tif")), "floating-point grey"),
    "wide grey": (_with(lambda r: Image.new("I", (4, 4), 70000).save(r / "a" / "y.tif")), "outside 0 to 65535"),
    "link to a file outside": (
        _with(lambda r: (r / "a" / "y.png").symlink_to(picture(r.parent / "secret.png"))),
        "a/y.png': a link that leads out of",
    ),
    "link to a class outside": (
        _with(lambda r: (r / "c").symlink_to(picture(r.parent / "out" / "secret.png").parent)),
        "is a link that leads out of",
    ),
    "broken link": (_with(lambda r: (r / "a" / "y.png").symlink_to("nowhere.png")), "a link to a file that is not there"),
    "link to itself": (_with(lambda r: (r / "a" / "y.png").symlink_to("y.png")), "a link to a file that is not there"),
    "class in test only": (
        lambda d: (
            two_classes(d / "train"),
            two_classes(d / "test"),
            picture(d / "test" / "c" / "x.png"),
            datasets.load(d),
        ),
        "classes that train/ has not: 'c'",
    ),
    "train and val": (
        lambda d: (two_classes(d / "train"), two_classes(d / "val"), datasets.load(d)),
        "but no test/; rename",
    ),
    "test without classes": (
        lambda d: (two_classes(d / "train"), picture(d / "test" / "x.png"), datasets.load(d)),
        "has 1 image but no class folders",
    ),
    "link to training outside": (
        lambda d: (
            (d / "root").mkdir(),
            (d / "root" / "train").symlink_to(two_classes(d / "o")),
            datasets.load(d / "root"),
        ),
        "is a link that leads out of",
    ),
    "labels": (lambda d: datasets.load(two_classes(d), labels=[0, 1]), "got labels for data of layout 'images'"),
    **{
        f"image size {size!r}": (lambda d, size=size: datasets.load(two_classes(d), image_size=size), "image_size")
        for size in (0, -1, 5000, 2.5, "32", True)
    },
}


@cases(FOLDER_CASES)
def test_a_folder_that_cannot_be_used_is_refused(
    act: Callable, words: str, tmp_path: Path, recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setenv("FASTCLS_CACHE", str(kept))
    monkeypatch.setattr("fastcls.datasets._cache.CACHED_FROM", 1)
    (tmp_path / "set").mkdir()
    check_refused(lambda: act(tmp_path / "set"), words)
    assert not any(kept.iterdir())  # of images that were decoded before the refusal nothing is kept
    datasets.load(two_classes(tmp_path / "sound"))
    assert any(kept.iterdir())
    assert not recwarn.list  # Pillow's own warnings would be a second voice


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(two_classes(tmp_path) / "a" / "y.png")
    start = time.monotonic()
    check_refused(lambda: datasets.load(tmp_path), "not a file")
    assert time.monotonic() - start < 10


def test_each_unreadable_file_is_counted_and_the_first_are_named(tmp_path: Path) -> None:
    two_classes(tmp_path)
    for i in range(5):
        _touch(tmp_path / "a" / f"bad{i}.jpg", b"x")
    with pytest.raises(InputError, match=r"5 of 7 images cannot be read: .*bad0.*bad1.*bad2.* and 2 more") as refused:
        datasets.load(tmp_path)
    assert "bad3" not in str(refused.value)


RECIPE = datasets.load("digits").preprocessing
PREPARE_CASES: dict[str, Case] = {
    "no recipe": (lambda d: datasets.prepare_image(picture(d / "x.png"), {}), "without a recipe"),
    "recipe is no dict": (lambda d: datasets.prepare_image(picture(d / "x.png"), None), "without a recipe"),  # type: ignore[arg-type]
    "other rules": (lambda d: datasets.prepare_image(picture(d / "x.png"), {**RECIPE, "version": 2}), "'version'"),
    "no such file": (lambda d: datasets.prepare_image(d / "x.png", RECIPE), "No such file"),
    "a folder": (lambda d: datasets.prepare_image(d, RECIPE), "not a file"),
    "no picture": (lambda d: datasets.prepare_image(_touch(d / "x.png", b"x"), RECIPE), "not a readable picture"),
    **{
        f"damaged {key} {value!r}": (
            lambda d, key=key, value=value: datasets.prepare_image(picture(d / "x.png"), {**RECIPE, key: value}),
            "is damaged",
        )
        for key, value in (
            ("mode", "CMYK"),
            ("size", [8]),
            ("size", [8, -8]),
            ("size", 8),
            ("white", 0),
            ("white", "1"),
        )
    },
}


@cases(PREPARE_CASES)
def test_an_image_that_cannot_be_prepared_is_refused(act: Callable, words: str, tmp_path: Path) -> None:
    check_refused(lambda: act(tmp_path), words)
