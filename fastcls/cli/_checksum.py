"""Checksums of rows: equal numbers mean that two runs or comparisons had the same rows and classes in the same order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from fastcls._runtime.pacing import Progress as Report

#: values per chunk; a memory map is read chunk by chunk
_VALUES_AT_ONCE = 1 << 22

#: rows, class codes, and the numbers of those that belong to the part; None for all
Portion = tuple[np.ndarray, np.ndarray, np.ndarray | None]


def checksums(parts: Mapping[str, Portion], report: Report) -> dict[str, str]:
    """Return the SHA-256 of each part, as hexadecimal digits.

    Of type and shape as text (``|u1 (1437, 64)``), the bytes of the rows, and the class codes as int64, all little-endian.
    """
    chosen = {name: (X, y if numbers is None else y[numbers], numbers) for name, (X, y, numbers) in parts.items()}
    total = sum(len(y) for _, y, _ in chosen.values())
    found, done = {}, 0
    for name, (X, y, numbers) in chosen.items():
        little = X.dtype.newbyteorder("<")
        digest = hashlib.sha256(f"{little.str} {(len(y), X.shape[1])}".encode())
        step = max(1, _VALUES_AT_ONCE // X.shape[1])
        for start in range(0, len(y), step):
            some = X[start : start + step] if numbers is None else X[numbers[start : start + step]]
            digest.update(np.ascontiguousarray(some, dtype=little).data)
            report(done + min(start + step, len(y)), total)
        digest.update(np.ascontiguousarray(y, dtype="<i8").data)
        found[name], done = digest.hexdigest(), done + len(y)
    return found
