"""CIFAR-10, binary version: records of one label byte and 3,072 pixel bytes, the planes red, green, blue.

Source: https://www.cs.toronto.edu/~kriz/cifar.html .
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from fastcls._validation import InputError
from fastcls.datasets._common import existing_path, file_size, log, name_of, shown, text_lines
from fastcls.datasets._dataset import Dataset
from fastcls.datasets._image import recipe_for

CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_TRAIN = tuple(f"data_batch_{i}.bin" for i in range(1, 6))
_TEST = "test_batch.bin"
_SUBFOLDER = "cifar-10-batches-bin"
_H, _W, _C = 32, 32, 3
_RECORD = 1 + _H * _W * _C
_PUBLISHED = 10_000  # records a batch
_WANTED = f"a folder with {_TRAIN[0]} to {_TRAIN[-1]} and {_TEST}"


def is_cifar10(path: Path) -> bool:
    """Tell whether `path` is a folder of CIFAR-10's binary batches, its parent, or one of the batches."""
    if path.is_file():
        return path.name in (*_TRAIN, _TEST)
    return any((path / sub / name).is_file() for sub in (".", _SUBFOLDER) for name in (*_TRAIN, _TEST))


def load_cifar10(path: str | os.PathLike[str]) -> Dataset:
    """Load CIFAR-10's binary version.

    Parameters
    ----------
    path : path
        The folder ``cifar-10-batches-bin``, the folder that holds it, or one of the batches. Class names come from
        ``batches.meta.txt``; without that file they are the published ones.

    Returns
    -------
    Dataset
        X uint8 of shape (50000, 3072), rows in (h, w, c) order (the file's planes are transposed once); test set
        likewise.

    Raises
    ------
    InputError
        If a batch is missing, its size is not a multiple of 3,073 bytes, or a label is above 9.
    """
    folder = existing_path(path, wanted=_WANTED)
    if folder.is_file():
        folder = folder.parent
    if not (folder / _TRAIN[0]).is_file() and (folder / _SUBFOLDER).is_dir():
        folder = folder / _SUBFOLDER
    missing = [name for name in (*_TRAIN, _TEST) if not (folder / name).is_file()]
    if missing:
        raise InputError(f"{shown(folder)} has no {', '.join(missing)}; wanted {_WANTED}")
    counts = {name: _n_records(folder / name) for name in (*_TRAIN, _TEST)}
    if set(counts.values()) != {_PUBLISHED}:
        log.info("%s has batches of %s records; the published ones have %d", shown(folder), [*counts.values()], _PUBLISHED)
    X, y = _read_batches({folder / name: counts[name] for name in _TRAIN})
    X_test, y_test = _read_batches({folder / _TEST: counts[_TEST]})
    shape = (_H, _W, _C)
    return Dataset(
        X,
        y,
        X_test,
        y_test,
        class_names=_class_names(folder / "batches.meta.txt"),
        image_shape=shape,
        preprocessing=recipe_for(shape),
        name=name_of(folder),
    )


def _read_batches(counts: dict[Path, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels of files of so many records each."""
    X = np.empty((sum(counts.values()), _H * _W * _C), dtype=np.uint8)
    y = np.empty(len(X), dtype=np.int64)
    start = 0
    for path, count in counts.items():
        records = np.fromfile(path, dtype=np.uint8, count=count * _RECORD).reshape(count, _RECORD)
        labels = records[:, 0]
        if labels.max() > 9:
            row = int(np.argmax(labels > 9))
            raise InputError(f"{shown(path)}: label {labels[row]} at record {row}; wanted labels 0 to 9")
        planes = records[:, 1:].reshape(count, _C, _H * _W)
        X[start : start + count].reshape(count, _H * _W, _C)[...] = planes.transpose(0, 2, 1)
        y[start : start + count] = labels
        start += count
    return X, y


def _n_records(path: Path) -> int:
    size = file_size(path)
    if size == 0 or size % _RECORD:
        raise InputError(
            f"{shown(path)} has {size:,} bytes, not a positive multiple of {_RECORD:,}; "
            "wanted whole records of one label and 3,072 pixels: the file is truncated or of another format"
        )
    return size // _RECORD


def _class_names(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        return CLASS_NAMES
    names = text_lines(path)
    if len(names) != 10 or not all(names):
        raise InputError(f"{shown(path)} has {len(names)} lines; wanted ten class names, one a line")
    return tuple(names)
