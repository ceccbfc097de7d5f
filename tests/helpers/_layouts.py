"""The same small images in every layout: writers for the tests of loading."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from fastcls.datasets import Dataset
from fastcls.datasets._cifar import CLASS_NAMES


class Sample:
    """Small random images, in the order of their classes, so that a folder of classes keeps the order."""

    def __init__(self, shape: tuple[int, int, int], seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.shape = shape
        self.y, self.y_test = np.sort(rng.integers(0, 10, 30)), np.sort(rng.integers(0, 10, 12))
        self.y[:10] = np.arange(10)  # every class occurs in training
        self.y.sort()
        self.X, self.X_test = (rng.integers(0, 256, (n, *shape), dtype=np.uint8) for n in (30, 12))


def write_cifar(root: Path, sample: Sample) -> None:
    root.mkdir(exist_ok=True)
    parts = np.array_split(np.arange(30), 5)
    batches = [(f"data_batch_{i + 1}.bin", sample.X[rows], sample.y[rows]) for i, rows in enumerate(parts)]
    for name, X, y in [*batches, ("test_batch.bin", sample.X_test, sample.y_test)]:
        planes = X.transpose(0, 3, 1, 2).reshape(len(X), -1)
        (root / name).write_bytes(np.column_stack([y.astype(np.uint8), planes]).tobytes())


def write_idx(path: Path, array: np.ndarray) -> None:
    head = struct.pack(f">{1 + array.ndim}I", 0x0800 + array.ndim, *array.shape)
    content = head + array.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_mnist(root: Path, sample: Sample, mark: str = "-", ending: str = "") -> None:
    root.mkdir(exist_ok=True)
    for part, X, y in (("train", sample.X, sample.y), ("t10k", sample.X_test, sample.y_test)):
        write_idx(root / f"{part}-images{mark}idx3-ubyte{ending}", X[..., 0])
        write_idx(root / f"{part}-labels{mark}idx1-ubyte{ending}", y)


def write_images(root: Path, sample: Sample, names: tuple[str, ...]) -> None:
    for part, X, y in (("train", sample.X, sample.y), ("test", sample.X_test, sample.y_test)):
        for i, (pixels, code) in enumerate(zip(X, y, strict=True)):
            folder = root / part / names[code]
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(folder / f"{i}.png")


def write_npz(root: Path, sample: Sample, names: tuple[str, ...], keys: tuple[str, ...]) -> None:
    values = (sample.X, sample.y, sample.X_test, sample.y_test)
    np.savez(root, class_names=np.array(names), **dict(zip(keys, values, strict=True)))


def write_npy_folder(root: Path, sample: Sample, names: tuple[str, ...]) -> None:
    root.mkdir()
    for key in ("X", "y", "X_test", "y_test"):
        np.save(root / f"{key}.npy", getattr(sample, key))
    (root / "classes.txt").write_text("\n".join(names))


COLOUR_WRITERS: dict[str, Callable[[Path, Sample], None]] = {
    "cifar10": write_cifar,
    "images": lambda path, sample: write_images(path, sample, CLASS_NAMES),
    "own.npz": lambda path, sample: write_npz(path, sample, CLASS_NAMES, ("X", "y", "X_test", "y_test")),
    "keras.npz": lambda path, sample: write_npz(path, sample, CLASS_NAMES, ("x_train", "y_train", "x_test", "y_test")),
    "npy-folder": lambda path, sample: write_npy_folder(path, sample, CLASS_NAMES),
}
DIGITS = tuple("0123456789")
GREY_WRITERS: dict[str, Callable[[Path, Sample], None]] = {
    "mnist": write_mnist,
    "mnist-dot": lambda path, sample: write_mnist(path, sample, mark="."),
    "mnist-gz": lambda path, sample: write_mnist(path, sample, ending=".gz"),
    "images": lambda path, sample: write_images(path, sample, DIGITS),
    "own.npz": lambda path, sample: write_npz(path, sample, DIGITS, ("X", "y", "X_test", "y_test")),
    "npy-folder": lambda path, sample: write_npy_folder(path, sample, DIGITS),
}


def check_same(dataset: Dataset, sample: Sample, names: tuple[str, ...]) -> None:
    assert dataset.X_test is not None
    assert dataset.y_test is not None
    assert dataset.X.dtype == np.uint8
    assert dataset.X.flags.c_contiguous
    np.testing.assert_array_equal(dataset.X, sample.X.reshape(30, -1))
    np.testing.assert_array_equal(dataset.X_test, sample.X_test.reshape(12, -1))
    np.testing.assert_array_equal(dataset.y, sample.y)
    np.testing.assert_array_equal(dataset.y_test, sample.y_test)
    assert dataset.y.dtype == dataset.y_test.dtype == np.int64
    assert dataset.class_names == names
    assert dataset.image_shape == sample.shape
