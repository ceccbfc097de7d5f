"""Checksums of the rows of a run: equal numbers mean that two runs had the same rows and classes in the same order."""

from __future__ import annotations

import hashlib

import numpy as np

from fastcls._runtime.pacing import Progress as Report

from ..datasets import Dataset

#: values per chunk; a memory map is read chunk by chunk
_VALUES_AT_ONCE = 1 << 22


def checksums(dataset: Dataset, report: Report) -> dict[str, str]:
    """Return the SHA-256 of the training rows and of the test rows, as hexadecimal digits.

    Of each part: type and shape as text (``|u1 (1437, 64)``), the bytes of the rows, and the class codes as int64, all
    little-endian.
    """
    parts = {"training": (dataset.X, dataset.y), "test": (dataset.X_test, dataset.y_test)}
    total = sum(len(X) for X, _ in parts.values() if X is not None)
    found, done = {}, 0
    for name, (X, y) in parts.items():
        if X is None or y is None:
            continue
        little = X.dtype.newbyteorder("<")
        digest = hashlib.sha256(f"{little.str} {X.shape}".encode())
        step = max(1, _VALUES_AT_ONCE // X.shape[1])
        for start in range(0, len(X), step):
            digest.update(np.ascontiguousarray(X[start : start + step], dtype=little).data)
            report(done + min(start + step, len(X)), total)
        digest.update(np.ascontiguousarray(y, dtype="<i8").data)
        found[name], done = digest.hexdigest(), done + len(X)
    return found
