"""The data sets of the benchmark: ``rows(name)`` returns training rows and queries as a user would have them.

CIFAR-10 is read in its binary layout from the folder FASTCLS_BENCH_CIFAR10; without that variable, it is converted from the
JPEG copy in ``../shared/data`` into the cache folder (FASTCLS_BENCH_CACHE, else ~/.cache/fastcls-bench).
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np

from . import unseen

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
Pair = tuple[np.ndarray, np.ndarray | None]


class NotHereError(Exception):
    """Data that this machine does not have; the message says what to do."""


def cache_folder() -> Path:
    """The folder for converted data and compiled programs."""
    folder = Path(os.environ.get("FASTCLS_BENCH_CACHE", Path.home() / ".cache" / "fastcls-bench"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _cifar_folder() -> Path:
    named = os.environ.get("FASTCLS_BENCH_CIFAR10")
    folder = Path(named) if named else cache_folder() / "cifar-10-batches-bin"
    if (folder / "test_batch.bin").is_file():
        return folder
    if named or not (SHARED / "make_cifar10.py").is_file():
        raise NotHereError(f"no CIFAR-10 in {folder}: set FASTCLS_BENCH_CIFAR10 to the folder with test_batch.bin")
    subprocess.run([sys.executable, SHARED / "make_cifar10.py", "--format", "bin", folder.parent], check=True)
    return folder


def _cifar10() -> Pair:
    """CIFAR-10 (JPEG copy): 50,000 and 10,000 rows of 3,072 uint8."""
    folder = _cifar_folder()
    names = [f"data_batch_{i}.bin" for i in range(1, 6)], ["test_batch.bin"]
    parts = [np.concatenate([np.fromfile(folder / name, np.uint8) for name in some]).reshape(-1, 3073) for some in names]
    train, test = (np.ascontiguousarray(part[:, 1:]) for part in parts)
    return train, test


def _cifar10_shuffled() -> Pair:
    """CIFAR-10 with the pixels in one fixed random order, so that adjacent features are not adjacent in the image."""
    order = np.random.default_rng(0).permutation(3072)
    train, test = _cifar10()
    return np.ascontiguousarray(train[:, order]), np.ascontiguousarray(test[:, order])


def _mnist_images(name: str) -> np.ndarray:
    path = SHARED / "mnist" / f"{name}-images-idx3-ubyte.gz"
    if not path.is_file():
        raise NotHereError(f"no MNIST: {path} is missing")
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28)


def _mnist(copies: int = 1) -> Pair:
    """MNIST: 60,000 x `copies` rows of 784 uint8, each copy shifted one pixel in a different direction; 10,000 queries."""
    images = _mnist_images("train")
    shifts = [(0, 0), (0, 1), (1, 0), (0, -1), (-1, 0), (1, 1), (-1, -1), (1, -1)][:copies]
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    shifted = [padded[:, 1 + down : 29 + down, 1 + right : 29 + right].reshape(-1, 784) for down, right in shifts]
    return np.concatenate(shifted), _mnist_images("t10k").reshape(-1, 784)


def _debian() -> np.ndarray:
    path = SHARED / "debian_minilm_f16.npy"
    if not path.is_file():
        raise NotHereError(f"no embeddings: {path} is missing")
    return np.load(path)


def _debian_split(dtype: str) -> Pair:
    """Embeddings of 63,666 Debian packages, 384 numbers each: 10,000 drawn at random are the queries."""
    rows = _debian().astype(dtype)
    order = np.random.default_rng(0).permutation(len(rows))
    return rows[order[10_000:]], rows[order[:10_000]]


def _noise(dtype: str, n_rows: int, n_queries: int, n_features: int) -> Pair:
    rng = np.random.default_rng(0)
    shapes = (n_rows, n_features), (n_queries, n_features)
    if dtype == "uint8":
        train, test = (rng.integers(0, 256, size=shape, dtype=np.uint8) for shape in shapes)
    else:
        train, test = (rng.standard_normal(shape, dtype=np.dtype(dtype)) for shape in shapes)
    return train, test


def _grid() -> Pair:
    """60 training points in the plane and a 300 x 300 grid of queries, as a picture of decision regions has."""
    points = np.random.default_rng(0).normal(size=(60, 2))
    axis = np.linspace(-3, 3, 300)
    return points, np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)


def _unseen(name: str) -> Pair:
    try:
        return unseen.rows(name, _cifar10, cache_folder() / "unseen")
    except unseen.LackError as lack:
        raise NotHereError(f"no {name}: {lack}") from None


#: name -> function that returns (training rows, queries); queries None is leave-one-out
DATA: dict[str, Callable[[], Pair]] = {
    "cifar10": _cifar10,
    "cifar10_shuffled": _cifar10_shuffled,
    "mnist": _mnist,
    "mnist_120k": lambda: _mnist(2),
    "mnist_240k": lambda: _mnist(4),
    "mnist_480k": lambda: _mnist(8),
    "debian_float32": lambda: _debian_split("float32"),
    "debian_float16": lambda: _debian_split("float16"),
    "debian_all": lambda: (_debian().astype(np.float32), None),
    "noise_uint8": lambda: _noise("uint8", 50_000, 10_000, 3072),
    "noise_float32": lambda: _noise("float32", 50_000, 10_000, 768),
    "points_3d": lambda: _noise("float64", 500_000, 10_000, 3),
    "grid_2d": _grid,
    **{name: partial(_unseen, name) for name in unseen.NAMES},
}


@cache
def rows(name: str) -> Pair:
    """(training rows, queries) of a data set; NotHereError if this machine does not have it."""
    return DATA[name]()
