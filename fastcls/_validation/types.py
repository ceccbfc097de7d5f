"""Types of rows that are kept as they are, and bfloat16, which NumPy does not have.

A bfloat16 is the upper half of a float32. Rows of it have NumPy's type of two bytes without a meaning (``V2``), the type
that `numpy.save` gives them too. The compiled loops read these bytes. Views, slices, memory maps and pickles keep the type,
and no arithmetic of NumPy accepts it, so bits are never taken for numbers. Code that computes in NumPy converts some rows at
a time (`widened`). Distances are those of the same values in float32, to the last bit, because every conversion is exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

STORED_TYPES = ("float64", "float32", "float16", "bfloat16", "uint8", "int8")
BFLOAT16 = np.dtype("V2")
_WITHOUT_SIGN = 0x7FFF


def type_of(name: str) -> np.dtype:
    """The type of rows of this name, one of `STORED_TYPES`."""
    return BFLOAT16 if name == "bfloat16" else np.dtype(name)


def name_of(dtype: np.dtype) -> str:
    """The name of a type, in any byte order."""
    return "bfloat16" if dtype == BFLOAT16 else dtype.newbyteorder("=").name


def is_floating(dtype: np.dtype) -> bool:
    """Whether rows of this type are floats, not bytes or other integers."""
    return dtype.kind == "f" or dtype == BFLOAT16


def is_numeric(dtype: np.dtype) -> bool:
    """Whether arrays of this type are numbers: booleans, integers, floats."""
    return dtype.kind in "biuf" or name_of(dtype) == "bfloat16"


def is_aligned(rows: np.ndarray) -> bool:
    """Whether every value begins at a multiple of its size, as C wants it."""
    return (rows.view(np.uint16) if rows.dtype == BFLOAT16 else rows).flags.aligned


def widened(rows: np.ndarray, dtype: DTypeLike = np.float32) -> np.ndarray:
    """The values of rows of any type in another one, as a copy; of bfloat16 exact in float32 and float64."""
    if rows.dtype != BFLOAT16:
        return rows.astype(dtype)
    bits = rows.view(np.uint16).astype(np.uint32)
    bits <<= 16
    return bits.view(np.float32).astype(dtype, copy=False)


def narrowed(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Values near these in another type: rounded, to bfloat16 towards zero."""
    if dtype != BFLOAT16:
        return values.astype(dtype)
    return (values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(BFLOAT16)


def as_numbers(rows: np.ndarray) -> np.ndarray:
    """Rows as NumPy computes with them: bfloat16 as float32, any other type as it is, without a copy."""
    return widened(rows) if rows.dtype == BFLOAT16 else rows


def largest_magnitude(rows: np.ndarray) -> float:
    """The largest absolute value of numbers, 0 if there are none; infinity or NaN if there is one."""
    if not rows.size:
        return 0.0
    if rows.dtype in (
        np.float16,
        BFLOAT16,
    ):  # without the sign, 16-bit floats are ordered like their bits; NumPy compares them one by one
        negative, positive = int(rows.view(np.uint16).max()) & _WITHOUT_SIGN, int(rows.view(np.int16).max())
        return float(widened(np.array([max(negative, positive)], dtype=np.uint16).view(rows.dtype))[0])
    return max(-float(rows.min()), float(rows.max()))  # both return NaN if there is one


def is_zero(rows: np.ndarray) -> np.ndarray:
    """Whether all values of a row are 0: bool (n_rows,)."""
    if rows.dtype == BFLOAT16:
        rows = rows.view(np.uint16) & _WITHOUT_SIGN  # -0.0 is 0
    return np.logical_not(rows.any(axis=1))
