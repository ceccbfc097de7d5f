"""CIFAR-10 and CIFAR-100: binary and python version, as folders and as the official archives.

A record of the binary version is one label byte (CIFAR-100: two, coarse and fine) and 3,072 bytes of pixels: the planes red,
green, blue. The python version has pickles of the same; ``_pickles.py`` reads them and executes nothing.
Source: https://www.cs.toronto.edu/~kriz/cifar.html .
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import counted, quoted
from fastcls.datasets._archive import first_names, is_archive, read_archive
from fastcls.datasets._common import (
    entries,
    existing_path,
    file_size,
    lines_in,
    name_of,
    note,
    note_left_out,
    noting,
    text_lines,
)
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._image import recipe_for
from fastcls.datasets._listing import is_system
from fastcls.datasets._pickles import read_pickle
from fastcls.datasets._planes import CHANNELS, PIXELS, fill_from_array, fill_from_file

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_SHAPE = (32, 32, 3)
_WIDTH = PIXELS * CHANNELS
_MAX_FILE_BYTES = 256 << 20  # the largest official file has 155 million bytes


class _Version(NamedTuple):
    """The files of one version of one data set."""

    folder: str
    train: tuple[str, ...]
    test: str
    heads: tuple[str, ...]  # the label bytes of a record, or the keys of the labels in a pickle
    names: tuple[str, ...]  # the file of class names, or 'meta file:key', of each kind of label
    n_classes: tuple[int, ...]
    pickled: bool

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.train, self.test)

    @property
    def meta_files(self) -> tuple[str, ...]:
        return tuple(name.split(":")[0] for name in self.names)


_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
_ASIDE = frozenset(("readme.html", "file.txt~", "coarse_label_names.txt", "fine_label_names.txt"))
_CIFAR10 = (
    _Version(
        "cifar-10-batches-bin",
        tuple(f"{name}.bin" for name in _BATCHES),
        "test_batch.bin",
        ("labels",),
        ("batches.meta.txt",),
        (10,),
        False,
    ),
    _Version("cifar-10-batches-py", _BATCHES, "test_batch", ("labels",), ("batches.meta:label_names",), (10,), True),
)
_CIFAR100 = (
    _Version(
        "cifar-100-binary",
        ("train.bin",),
        "test.bin",
        ("coarse", "fine"),
        ("coarse_label_names.txt", "fine_label_names.txt"),
        (20, 100),
        False,
    ),
    _Version(
        "cifar-100-python",
        ("train",),
        "test",
        ("coarse_labels", "fine_labels"),
        ("meta:coarse_label_names", "meta:fine_label_names"),
        (20, 100),
        True,
    ),
)


def is_cifar10(path: Path) -> bool:
    """Tell whether `path` is CIFAR-10: a folder of batches, its parent, one of the batches, or an official archive."""
    return _recognise(path, _CIFAR10, any_file=True) is not None


def is_cifar100(path: Path) -> bool:
    """Tell whether `path` is CIFAR-100: a folder with train, test and class names, its parent, or an official archive."""
    return _recognise(path, _CIFAR100, any_file=False) is not None


@noting
def load_cifar10(path: str | os.PathLike[str]) -> Dataset:
    """Load CIFAR-10, binary or python version.

    Parameters
    ----------
    path : path
        The folder ``cifar-10-batches-bin`` or ``cifar-10-batches-py``; the folder that holds it (binary is preferred); one
        of the batches; or ``cifar-10-binary.tar.gz`` or ``cifar-10-python.tar.gz``, which is read in memory. Class names
        come from the meta file of the batches; without that file they are the published ones.

    Returns
    -------
    Dataset
        X is uint8 of shape (50000, 3072), with rows in (h, w, c) order (the planes of the file are transposed once). The
        test set has 10,000 rows. Every version gives the same arrays.

    Raises
    ------
    InputError
        If a batch is missing or has a wrong size, a label is above 9, a pickle names anything except arrays of bytes, or an
        archive has absolute paths or links.
    """
    return _load(path, _CIFAR10, "labels", any_file=True)


@noting
def load_cifar100(path: str | os.PathLike[str], *, labels: str | None = None) -> Dataset:
    """Load CIFAR-100, binary or python version.

    Parameters
    ----------
    path : path
        The folder ``cifar-100-binary`` or ``cifar-100-python``, the folder that holds it, or the official archive.
    labels : {'fine', 'coarse'}, optional
        The 100 classes (the default) or the 20 groups of them.

    Returns
    -------
    Dataset
        As for ``load_cifar10``, with 100 (or 20) classes.

    Raises
    ------
    InputError
        As for ``load_cifar10``.
    """
    if labels not in (None, "fine", "coarse"):
        kind = quoted(labels, 40) if isinstance(labels, str) else f"of type {type(labels).__name__}"
        raise InputError(f"labels={kind} for CIFAR-100; wanted 'fine' (100 classes) or 'coarse' (20)")
    return _load(path, _CIFAR100, labels or "fine", any_file=False)


def _recognise(path: Path, versions: tuple[_Version, ...], *, any_file: bool) -> tuple[_Version, Path] | None:
    """The version at `path`, and its folder or archive. With `any_file` one file is enough to recognise it."""
    if is_archive(path):
        there = set(first_names(path, 3))
        found = next((v for v in versions if there and there & {*v.files, *v.meta_files} and _all_known(there, v)), None)
        return found and (found, path)
    if path.is_file():
        for version in versions:
            if path.name in version.files and (any_file or _is_whole(path.parent, version)):
                return version, path.parent
        return None
    for version in versions:
        for folder in (path, path / version.folder):
            if _is_whole(folder, version) or (any_file and any((folder / name).is_file() for name in version.files)):
                return version, folder
    return None


def _all_known(there: set[str], version: _Version) -> bool:
    return there <= {*version.files, *version.meta_files, *_ASIDE}


def _is_whole(folder: Path, version: _Version) -> bool:
    """Tell whether all files of a version are there, with its class names: a name like 'train' alone says little."""
    return all((folder / name).is_file() for name in (*version.files, version.meta_files[-1]))


def _load(path: str | os.PathLike[str], versions: tuple[_Version, ...], kind: str, *, any_file: bool) -> Dataset:
    wanted = f"a folder with {' or '.join(f'{v.train[0]} ... {v.test}' for v in versions)}, or the official archive"
    place = existing_path(path, wanted=wanted)
    found = _recognise(place, versions, any_file=any_file)
    if found is None:
        raise InputError(f"{quoted(place)} has none of the files of {versions[0].folder}; wanted {wanted}")
    version, place = found
    known = {*version.files, *version.meta_files}
    others: list[str] = []
    if place.is_file():
        members = read_archive(place, lambda name: name in known, others)
        there = set(members)
    else:
        others = [entry.name for entry in entries(place) if entry.name not in known]
        members = {}
        there = {name for name in (*version.files, *version.meta_files) if (place / name).is_file()}
    missing = [name for name in version.files if name not in there]
    if missing:
        raise InputError(f"{quoted(place)} has no {', '.join(missing)}; wanted {wanted}")
    others = [name for name in others if name not in _ASIDE and not is_system(name)]
    note_left_out(name_of(place), others, f"{version.train[0]} ... {version.test}")
    column = next(i for i, head in enumerate(version.heads) if head.startswith(kind))
    source = _Source(place, version, members)
    X, y = source.read(version.train, column)
    X_test, y_test = source.read((version.test,), column)
    return Dataset(
        X,
        y,
        X_test,
        y_test,
        class_names=source.class_names(column),
        image_shape=_SHAPE,
        preprocessing=recipe_for(_SHAPE),
        name=name_of(place).removesuffix(".tar"),
    )


class _Source:
    """The files of one version, in a folder or in an archive that was read into memory."""

    def __init__(self, place: Path, version: _Version, members: Mapping[str, bytes]) -> None:
        self.place, self.version, self.members = place, version, members

    def read(self, names: tuple[str, ...], column: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows and labels of some of the files, in the order given."""
        parts = [self._pickled(name) if self.version.pickled else self._records(name) for name in names]
        counts = [len(part) if isinstance(part, np.ndarray) else part for part, _ in parts]
        X = np.empty((sum(counts), _WIDTH), dtype=np.uint8)
        y = np.empty(len(X), dtype=np.int64)
        n_head = 0 if self.version.pickled else len(self.version.heads)
        start = 0
        for name, (records, labels), count in zip(names, parts, counts, strict=True):
            rows = X[start : start + count]
            heads = np.empty((count, n_head), dtype=np.uint8)
            if isinstance(records, np.ndarray):
                fill_from_array(records, rows, heads)
            else:
                fill_from_file(self.place / name, n_head + _WIDTH, rows, heads)
            columns = labels if labels is not None else heads.T
            self._check_labels(name, columns)
            y[start : start + count] = columns[column]
            start += count
        return X, y

    def _check_labels(self, name: str, columns: Any) -> None:
        for labels, n_classes in zip(columns, self.version.n_classes, strict=True):
            wrong = (labels < 0) | (labels >= n_classes)
            if wrong.any():
                row = int(np.argmax(wrong))
                where = quoted(self.place / name)
                raise InputError(f"{where} has the label {labels[row]} at record {row}; wanted labels 0 to {n_classes - 1}")

    def _records(self, name: str) -> tuple[np.ndarray | int, None]:
        """The records of a member in memory; for a file, which is read in blocks, only their number."""
        width = len(self.version.heads) + _WIDTH
        size = len(self.members[name]) if self.members else file_size(self.place / name)
        if size == 0 or size % width:
            raise InputError(
                f"{quoted(self.place / name)} has {counted(size, 'byte')}, not a positive multiple of {width:,} (labels and "
                "3,072 pixels): the file is truncated or of another format; download it again"
            )
        if self.members:
            return np.frombuffer(self.members[name], dtype=np.uint8).reshape(-1, width), None
        return size // width, None

    def _pickled(self, name: str) -> tuple[np.ndarray, list[np.ndarray]]:
        where = self.place / name
        batch = read_pickle(self._content(name), where)
        data = batch.get("data")
        if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != _WIDTH or len(data) == 0:
            got = f"of shape {data.shape}" if isinstance(data, np.ndarray) else "missing or no array"
            raise InputError(
                f"the data of {quoted(where)} is {got}; wanted images in rows of {_WIDTH:,} bytes: download it again"
            )
        columns = []
        for key in self.version.heads:
            labels = batch.get(key)
            if not isinstance(labels, list) or len(labels) != len(data):
                got = counted(len(labels), "label") if isinstance(labels, list) else "no list"
                raise InputError(
                    f"{quoted(where)}: {key} has {got} for {counted(len(data), 'image')}; wanted one label per image"
                )
            if not all(type(label) is int for label in labels):
                raise InputError(f"{quoted(where)}: {key} has values that are not integers; wanted class labels")
            columns.append(np.array(labels, dtype=np.int64))
        return data, columns

    def _content(self, name: str) -> bytes:
        if self.members:
            return self.members[name]
        size = file_size(self.place / name)
        if size > _MAX_FILE_BYTES:
            raise InputError(
                f"{quoted(self.place / name)} has {counted(size, 'byte')}, more than {_MAX_FILE_BYTES:,}: download it again"
            )
        return (self.place / name).read_bytes()

    def class_names(self, column: int) -> tuple[str, ...]:
        file, _, key = self.version.names[column].partition(":")
        where, n_classes = self.place / file, self.version.n_classes[column]
        if (file not in self.members) if self.members else not where.is_file():
            if n_classes == len(CLASS_NAMES):
                return CLASS_NAMES
            note(f"{quoted(where)} is missing: classes are named by their numbers")
            return tuple(map(str, range(n_classes)))
        if key:
            given = read_pickle(self._content(file), where).get(key)
            names = [_class_name(name, where) for name in given or []]
        elif self.members:
            names = lines_in(self.members[file], where)
        else:
            names = text_lines(where)
        if len(names) != n_classes or not all(isinstance(name, str) and name.strip() for name in names):
            raise InputError(
                f"{quoted(where)} has {counted(len(names), 'line')}; wanted {n_classes} class names, none empty"
            )
        return tuple(name.strip() for name in names)


def _class_name(name: Any, where: Path) -> Any:
    """A name in a pickle as text that any encoding can write."""
    if isinstance(name, bytes):
        return lines_in(name, where)[0]
    return name.encode("utf-8", "backslashreplace").decode() if isinstance(name, str) else name
