"""Codes of rows: bytes whose differences are certain lower bounds on the distance of the rows.

A *level* maps rows to codes. The map never increases a distance: it computes signed sums over disjoint segments of features
under L1 (`levels_l1.py`), and under L2 PCA projections with the norm of the residual, or the features themselves
(`levels_l2.py`). The values are then rounded to bytes, and each row keeps the exact size of its rounding error.
docs/filter.md proves the bounds. These files only choose the maps, and no choice can make a bound false.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import scipy.linalg

from fastcls._sampling.evenly import spaced
from fastcls._validation.types import BFLOAT16, widened

from . import encode_loops

EPS = 2.0**-52
_BLOCK, _BLOCK_VALUES = 2048, 1 << 20  # rows encoded at a time; fewer long rows, so that a thread's copy takes 8 MB
_ROWS_AT_ONCE = 32_768  # whose codes are put into panels together
_SHARE, _SMALL_TYPE_SHARE = 0.35, 0.6
WIDEST = 32_768  # bytes of a code, see _simd/filter/contract.h
SAMPLE = 640  # rows to learn maps from: a 64-vector basis keeps 99 % of what a basis learned from all rows keeps
_FEW_FEATURES = 800  # up to this number, a basis is learned from products of features, and from more rows


@dataclass(frozen=True, eq=False)
class Codes:
    """Codes of some rows under one level.

    Attributes
    ----------
    codes : ndarray of uint8
        (n_rows, width); for training rows at the first level (n_panels, width x rows of a panel).
    starts : ndarray of int32
        L2 only. For training rows, the initial values of their keys; for queries, their squared norms.
    errors : ndarray of float32, shape (n_rows,)
        The rounding error of each row, rounded up, in code units. Infinite if no bound is known.
    panel_errors : ndarray of float32, shape (n_panels,)
        The largest error in each panel.
    """

    codes: np.ndarray
    starts: np.ndarray
    errors: np.ndarray
    panel_errors: np.ndarray

    @property
    def nbytes(self) -> int:
        return self.codes.nbytes + self.starts.nbytes + self.errors.nbytes + self.panel_errors.nbytes


class Level(Protocol):
    """A map from rows to codes.

    Attributes
    ----------
    kind : {"l1", "l2"}
    width : int
        Bytes of a code.
    per_unit : float
        Code units per unit of distance, never rounded down.
    bound : str
        A few words that describe the codes.
    fine : bool
        Whether codes are 16-bit numbers.
    """

    @property
    def kind(self) -> str: ...

    @property
    def width(self) -> int: ...

    @property
    def per_unit(self) -> float: ...

    @property
    def bound(self) -> str: ...

    @property
    def fine(self) -> bool: ...


def promised_share(dtype: np.dtype) -> float:
    """The share of the rows' bytes that codes may take; it is larger for int8, float16 and bfloat16."""
    return _SMALL_TYPE_SHARE if dtype in (np.int8, np.float16, BFLOAT16) else _SHARE


def blocks(n: int, d: int) -> Iterator[slice]:
    """The blocks in which n rows of d features are encoded, in order."""
    step = min(_BLOCK, max(64, _BLOCK_VALUES // d))
    for first in range(0, n, step):
        yield slice(first, min(n, first + step))


def rows_in_whole_blocks(d: int) -> int:
    """Rows of d features that are encoded before their codes are put into panels: whole blocks, and whole panels."""
    step = math.lcm(min(_BLOCK, max(64, _BLOCK_VALUES // d)), max(encode_loops.PANEL_ROWS.values()))
    return step * max(1, _ROWS_AT_ONCE // step)


def sample_of(rows: np.ndarray) -> np.ndarray:
    """Evenly spaced rows as float64.

    At least 640, and three per feature for narrow rows; eight per feature filtered no better.
    """
    n = SAMPLE if rows.shape[1] > _FEW_FEATURES else max(SAMPLE, 3 * rows.shape[1])
    return widened(spaced(rows, n)[:n], np.float64)


def leading_eigenvectors(products: np.ndarray, n: int) -> np.ndarray:
    """The eigenvectors of the `n` largest eigenvalues of a symmetric matrix, as columns, the largest last.

    LAPACK's search for some eigenvectors returns too few if eigenvalues are equal up to rounding (copies, or rows that
    differ in one feature each). Then all are computed, which cannot lose any.
    """
    size = len(products)
    n = min(n, size)
    try:
        _, vectors = scipy.linalg.eigh(products, subset_by_index=[size - n, size - 1], check_finite=False)
    except scipy.linalg.LinAlgError:
        vectors = np.empty((size, 0))
    if vectors.shape[1] < n or not np.isfinite(vectors).all():
        _, vectors = scipy.linalg.eigh(products, driver="evd", check_finite=False)
    return vectors[:, -n:]


def padded(width: int, kind: str) -> int:
    """Bytes of a row of `width` code bytes, filled up to whole steps of the kernels."""
    step = encode_loops.STEP_BYTES[kind]
    return -(-width // step) * step


def in_panels(codes: Codes, kind: str, n_threads: int) -> Codes:
    """The same codes in panels, the layout of the screen."""
    panel_rows = encode_loops.PANEL_ROWS[kind]
    n, width = codes.codes.shape
    n_panels = -(-n // panel_rows)
    panels = np.empty((n_panels, panel_rows * width), dtype=np.uint8)
    encode_loops.to_panels(codes.codes, encode_loops.STEP_BYTES[kind], panel_rows, panels, n_threads)
    return padded_terms(replace(codes, codes=panels), n, kind)


def padded_terms(codes: Codes, n: int, kind: str) -> Codes:
    """Codes of n rows in panels, with starts and errors as long as the panels, and the largest error of each."""
    panel_rows = encode_loops.PANEL_ROWS[kind]
    starts = np.zeros(len(codes.codes) * panel_rows, dtype=np.int32)
    starts[: len(codes.starts)] = codes.starts
    panel_errors = np.maximum.reduceat(codes.errors, np.arange(0, n, panel_rows))
    errors = np.full(len(starts), -np.inf, dtype=np.float32)  # padding: its bound is infinite
    errors[:n] = codes.errors
    return Codes(codes.codes, starts, errors, panel_errors)
