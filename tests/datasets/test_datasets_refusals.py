"""Data sets, paths and arrays in memory that cannot be used are refused in one clear line without control characters."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _refused import Case, cases, check_refused, picture, touch, two_classes

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
    "too few labels": ({"y": np.array([0, 1])}, "y has 2 labels for 3 rows"),
    "float labels": ({"y": np.zeros(3)}, "integer class codes"),
    "code too large": ({"y": np.array([0, 1, 2])}, "class code 2"),
    "code negative": ({"y": np.array([0, 1, -1])}, "class code -1"),
    "test rows alone": ({"X_test": np.zeros((1, 4), np.uint8)}, "only one of X_test and y_test"),
    "test width": ({"X_test": np.zeros((1, 5), np.uint8), "y_test": np.array([0])}, "X has 4 features and X_test has 5"),
    "test dtype": ({"X_test": np.zeros((1, 4)), "y_test": np.array([0])}, "X has dtype uint8 and X_test has float64"),
    "test code": ({"X_test": np.zeros((1, 4), np.uint8), "y_test": np.array([5])}, "y_test has the class code 5"),
    "one string of names": ({"class_names": "ab"}, "sequence of strings"),
    "no names": ({"class_names": ()}, "at least one"),
    "names that are no strings": ({"class_names": ("a", 1)}, "all strings"),
    "a name twice": ({"class_names": ("a", "a")}, "more than once ('a')"),
    "image shape": ({"image_shape": (2, 2, 3)}, "product of 4"),
    "image channels": ({"image_shape": (2, 1, 2)}, "1 or 3 channels"),
    "image shape is no shape": ({"image_shape": 4}, "image_shape"),
    "recipe is no dict": ({"preprocessing": [1]}, "preprocessing is of type list"),
    "recipe with an array": ({"preprocessing": {"a": np.zeros(2)}}, "JSON"),
    "recipe with NaN": ({"preprocessing": {"a": float("nan")}}, "JSON"),
    "name": ({"name": 3}, "name is of type int"),
}


@pytest.mark.parametrize(("changed", "words"), list(DATASET_CASES.values()), ids=list(DATASET_CASES))
def test_parts_that_do_not_fit_are_refused(changed: dict, words: str) -> None:
    check_refused(lambda: replace(GOOD, **changed), words)


# ---------------------------------------------------------------- load


LOAD_CASES: dict[str, Case] = {
    "no such path": (lambda d: datasets.load(d / "nope"), "there is no file or folder"),
    "escape in the path": (lambda d: datasets.load(d / "\x1b[31mred\n"), r"\x1b[31mred\n"),
    "NUL in the path": (lambda d: datasets.load("a\0b"), r"a\x00b"),
    "empty path": (lambda d: datasets.load(""), "the data is an empty string"),
    "path of another type": (lambda d: datasets.load(7), "the data is an int: give a path"),  # type: ignore[arg-type]
    "empty class folders": (
        lambda d: datasets.load([(d / name).mkdir() for name in "ab"] and d),
        "has 2 empty folders: put images there",
    ),
    "empty folder": (lambda d: datasets.load(d), "is an empty folder: put images into it by class, <class>/<file>"),
    "hidden files": (lambda d: datasets.load(touch(d / "a" / ".DS_Store").parent), "is an empty folder"),
    "unknown folder": (
        lambda d: datasets.load(touch(d / "a" / "b.doc").parent),
        "is a folder of unknown layout, with 'b.doc' and no images: fastcls run --help and",
    ),
    "folders without images": (
        lambda d: datasets.load([touch(d / name / f"{name}.doc") for name in ("a", "b")] and d),
        "is a folder of unknown layout, with 'a/', 'b/' and no images (only '.doc'): fastcls run --help and",
    ),
    "images of another format": (
        lambda d: datasets.load([touch(d / name / f"{name}.HEIC") for name in ("a", "b")] and d),
        "has images of a format that is not read (.heic): convert them to PNG or JPEG",
    ),
    "a folder of a text about it": (
        lambda d: datasets.load(touch(d / "a" / "README.txt").parent),
        "is a folder of unknown layout, with 'README.txt' and no images: fastcls run --help and",
    ),
    "unknown file": (lambda d: datasets.load(touch(d / "b.doc")), "is a file of unknown layout: fastcls run --help and"),
    "one image": (lambda d: datasets.load(touch(d / "b.JPG")), "is one image; wanted a folder of images by class"),
    "images without classes": (
        lambda d: datasets.load((touch(d / "a" / "1.png"), touch(d / "a" / "2.jpeg"))[0].parent),
        "has 2 images but no class folders: move them into one folder per class",
    ),
    **{
        f"file {name}": (lambda d, name=name: datasets.load(touch(d / name)), f"wanted arrays: read it with {reader}")
        for name, reader in (
            ("b.pt", "torch.load"),
            ("b.PTH", "torch.load"),
            ("b.pkl", "pickle.load (only if you trust"),
            ("b.mat", "scipy.io.loadmat"),
            ("b.tfrecord", "tf.data.TFRecordDataset"),
            ("b.json", "pandas.read_json"),
        )
    },
    **{
        f"photo {name}": (lambda d, name=name: datasets.load(touch(d / name)), "convert it to PNG or JPEG")
        for name in ("b.heic", "b.AVIF", "b.dng")
    },
    "a folder of tables": (lambda d: datasets.load(touch(d / "t" / "train.csv").parent), "has no rows"),
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
    "text": (
        lambda d: datasets.load(touch(d / "i.txt", b"x")),
        "wanted arrays: read it with numpy.loadtxt",
    ),
    "text is no table": (lambda d: datasets.load(touch(d / "i.txt", b"x")), "i.txt' is a text file"),
    "no slip of a name": (lambda d: datasets.load("pets"), "there is no file or folder 'pets': give the name"),
    **{
        f"archive {name}": (lambda d, name=name: datasets.load(touch(d / name)), "is an archive: unpack it, with python -m ")
        for name in ("b.zip", "b.tar.xz", "b.tar.bz2")
    },
    "a folder with an archive": (lambda d: datasets.load(touch(d / "in/b.zip").parent), "b.zip' is an archive: unpack it"),
    "labels for digits": (
        lambda d: datasets.load("digits", labels=[1]),
        "labels= is given for the data 'digits'; only arrays, tables and CIFAR-100 take it: leave it out",
    ),
    "image size for digits": (
        lambda d: datasets.load("digits", image_size=8),
        "image_size=8 is given for the data 'digits'; only folders of images and tables with",
    ),
}


def test_a_saved_model_is_not_mistaken_for_data(tmp_path: Path) -> None:
    fastcls.NearestClassMean().fit(np.eye(2), [0, 1]).save(tmp_path / "m.safetensors")
    check_refused(lambda: datasets.load(tmp_path / "m.safetensors"), "is a saved model ('NearestClassMean'), not data")


def test_a_link_to_itself_is_no_file_of_data(tmp_path: Path) -> None:
    for name in ("train-images-idx3-ubyte", "train.csv", "x.txt"):
        (tmp_path / name).symlink_to(name)
    check_refused(lambda: datasets.load(tmp_path), "is a folder of unknown layout")


def test_every_advice_is_one_short_line(tmp_path: Path) -> None:
    from fastcls.datasets._unknown import _READERS

    for ending in _READERS:
        with pytest.raises(InputError) as refused:
            datasets.load(touch(tmp_path / f"b{ending}"))
        assert len(str(refused.value).replace(str(tmp_path), "")) < 190


@cases(LOAD_CASES)
def test_unknown_data_is_refused(act: Callable, words: str, tmp_path: Path) -> None:
    check_refused(lambda: act(tmp_path), words)


def test_answers_to_an_unknown_path_are_short_and_say_where_every_layout_is_listed(tmp_path: Path) -> None:
    from fastcls.datasets._load import LAYOUTS

    touch(tmp_path / "b.doc")
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


# ---------------------------------------------------------------- arrays in memory

X, y = np.zeros((3, 2)), np.array([0, 1, 1])
MEMORY_CASES: dict[str, Case] = {
    "one array": (lambda d: datasets.load(X), "without labels"),
    "labels twice": (lambda d: datasets.load((X, y), labels=y), "labels= is given for 2 arrays"),
    "three arrays": (lambda d: datasets.load((X, y, X)), "3 arrays given"),
    "no array": (lambda d: datasets.load((iter([[1]]), [0])), "X is a list_iterator"),
    "objects": (lambda d: datasets.load((np.array([[{}]]), [0])), "X has a dict at row 0, column 0"),
    "one dimension": (lambda d: datasets.load((np.zeros(3), y)), "X is one-dimensional, shape (3,)"),
    "too few labels": (lambda d: datasets.load((X, y[:2])), "y has 2 labels for 3 rows"),
    "image size": (lambda d: datasets.load((X, y), image_size=3), "image_size=3 is given for arrays"),
    "cache": (lambda d: datasets.load(two_classes(d), cache=3), "cache is of type int"),
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
