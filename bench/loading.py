"""Loading CIFAR-10 compared with just reading its files: ``python -m bench.loading [FOLDER]``.

The binary version is compared with reading the bytes into memory (np.fromfile of each batch, all kept), the Python version
with ``pickle.load`` of each batch, all kept. FOLDER holds cifar-10-batches-bin and cifar-10-batches-py; without it they are
converted from the JPEG copy in ``../shared/data`` into the cache folder. Files are in the system's cache. Figures are
medians of `RUNS` alternating runs, so that a slow moment affects both.
"""

from __future__ import annotations

import argparse
import pickle
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.data import SHARED, NotHereError, cache_folder
from fastcls import datasets

RUNS = 9
NAMES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def folders(given: Path | None) -> tuple[Path, Path]:
    """The folders of the binary and of the Python version."""
    root = given or cache_folder()
    binary, python = root / "cifar-10-batches-bin", root / "cifar-10-batches-py"
    if not ((binary / "test_batch.bin").is_file() and (python / "test_batch").is_file()):
        if given or not (SHARED / "make_cifar10.py").is_file():
            raise NotHereError(f"no CIFAR-10 in {root}: give the folder of both versions")
        subprocess.run([sys.executable, SHARED / "make_cifar10.py", "--format", "bin,py", root], check=True)
    return binary, python


def read_bytes(folder: Path) -> list[np.ndarray]:
    """The bytes of the binary version, one array per file."""
    return [np.fromfile(folder / f"{name}.bin", np.uint8) for name in NAMES]


def unpickle(folder: Path) -> list[dict]:
    """The Python version as pickle loads it. These files are our own; an untrusted pickle could run any code."""
    return [pickle.loads((folder / name).read_bytes(), encoding="bytes") for name in NAMES]


def seconds(act: Callable[[Path], object], folder: Path) -> float:
    """Seconds of one call, without freeing its result."""
    start = time.perf_counter()
    result = act(folder)
    taken = time.perf_counter() - start
    del result
    return taken


def main() -> None:
    """Measure and print one line per version."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path)
    binary, python = folders(parser.parse_args().folder)
    for name, folder, floor in (("binary", binary, read_bytes), ("python", python, unpickle)):
        pairs = [(seconds(datasets.load, folder), seconds(floor, folder)) for _ in range(RUNS + 1)][1:]
        ours, least = (statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{name}: load {ours * 1e3:.0f} ms, {floor.__name__} {least * 1e3:.0f} ms, ratio {ours / least:.2f}")


if __name__ == "__main__":
    main()
