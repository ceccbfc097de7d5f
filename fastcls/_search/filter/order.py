"""An order of rows in which near rows are near: a tree of halves, by the codes of the first level.

The order affects only speed.
"""

from __future__ import annotations

import numpy as np

from fastcls._runtime import threads
from fastcls._sampling.evenly import evenly_spaced, spaced

from . import encode_loops
from .codes import Codes, Level

_AXES = 16  # principal axes of the codes, by which rows are divided; 32 gave the same times
_SAMPLE, _STEPS = 1024, 8  # rows that the axes are computed from, and steps of the subspace iteration
_SPLIT_SAMPLE = 512  # rows of a part, for the axis along which it is halved
_BYTES_AT_ONCE = 1 << 17  # of codes that a thread reads from panels at a time; as float32 they take four times as many


def order_of(codes: Codes, level: Level, n: int, leaf_rows: int, n_threads: int) -> np.ndarray:
    """The row of every place: parts are halved along their longest axis until they have at most `leaf_rows` rows.

    Every part begins at a panel.

    Parameters
    ----------
    codes : Codes
        Of a first level, in panels.
    level : Level
    n : int
        Number of rows.
    leaf_rows, n_threads : int

    Returns
    -------
    ndarray of shape (n,), int32
    """
    with threads.one_blas_thread():
        Y = _projections(codes, level, n, n_threads)
        order = np.arange(n, dtype=np.int32)
        _halve(order, Y, leaf_rows, encode_loops.PANEL_ROWS[level.kind])
    return order


def _projections(codes: Codes, level: Level, n: int, n_threads: int) -> np.ndarray:
    """The rows' codes on their principal axes: float32 (n, at most `_AXES`)."""
    step_bytes, number = encode_loops.STEP_BYTES[level.kind], np.uint8 if level.kind == "l1" else np.int8
    panel_rows = encode_loops.PANEL_ROWS[level.kind]
    panels = codes.codes.reshape(len(codes.codes), -1, panel_rows, step_bytes)
    some = evenly_spaced(n, _SAMPLE)
    sample = panels[some // panel_rows, :, some % panel_rows].reshape(len(some), -1).view(number).astype(np.float32)
    sample -= sample.mean(axis=0)
    products = sample.T @ sample
    axes = np.random.default_rng(0).standard_normal((level.width, min(_AXES, level.width)), dtype=np.float32)
    for _ in range(_STEPS):
        axes, _ = np.linalg.qr(products @ axes)
    Y = np.empty((n, axes.shape[1]), dtype=np.float32)
    at_once = max(1, _BYTES_AT_ONCE // (level.width * panel_rows)) * panel_rows

    def project(first: int) -> None:
        rows = np.empty((min(at_once, n - first), level.width), dtype=np.uint8)
        encode_loops.from_panels(codes.codes, step_bytes, first, rows, 1)
        np.matmul(rows.view(number).astype(np.float32), axes, out=Y[first : first + len(rows)])

    list(threads.in_pool(project, range(0, n, at_once), n_threads))
    return Y


def _halve(order: np.ndarray, Y: np.ndarray, leaf_rows: int, panel_rows: int) -> None:
    """Order a part in place."""
    half = (-(-len(order) // panel_rows) + 1) // 2 * panel_rows
    if len(order) <= leaf_rows or half >= len(order):
        return
    of_part = Y[order]
    some = spaced(of_part, _SPLIT_SAMPLE)
    some = some - some.mean(axis=0)
    _, vectors = np.linalg.eigh(some.T @ some)
    order[:] = order[np.argpartition(of_part @ vectors[:, -1], half)]
    _halve(order[:half], Y, leaf_rows, panel_rows)
    _halve(order[half:], Y, leaf_rows, panel_rows)
