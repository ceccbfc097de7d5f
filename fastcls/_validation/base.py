"""Checks that all packages share: names, numbers, missing values.

Public functions and estimators call checks before any work; what lies below trusts its caller. A refusal is one line: what
came, what was wanted, what to do.
"""

from __future__ import annotations

import logging
import numbers
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from sklearn.utils import check_random_state as random_state_of

from .errors import InputError
from .messages import meant

logger = logging.getLogger("fastcls")


def one_of(name: str, value: Any, good: Iterable[str], *, also: str = "") -> Any:
    """`value`, if it is one of `good`; otherwise an error that lists them, and `also` what is no name."""
    names = list(good)
    if not isinstance(value, str) or value not in names:
        close = meant(value, names)
        hint = f"did you mean {close!r}? It is" if close else "choose"
        raise InputError(f"{name}={value!r} is unknown; {hint} one of: {', '.join(names)}{also}", argument=name)
    return value


def check_number(name: str, value: Any, *, minimum: float, strict: bool = False, whole: bool = False) -> Any:
    """`value`, if it is a finite number in range (and whole, where asked)."""
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    relation = "above" if strict else "at least"
    wanted = f"{'a whole number' if whole else 'a finite number'} {relation} {minimum:g}"
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise InputError(f"{name}={value!r}; wanted {wanted}", argument=name)
    if isinstance(value, int) and abs(value) >= 2**63:  # no count is so large, and NumPy knows no such integers
        raise InputError(
            f"{name} is {'-' * (value < 0)}2^{value.bit_length() - 1} or beyond; wanted {wanted}, below 2^63", argument=name
        )
    if not np.isfinite(value):
        raise InputError(f"{name}={value!r}; wanted {wanted}", argument=name)
    if value < minimum or (strict and value == minimum):
        raise InputError(f"{name}={value!r}; wanted {wanted}", argument=name)
    return value


def refuse_masked(given: Any, name: str) -> None:
    """Refuse masked entries, also in a list of arrays: what lies under a mask is no value."""
    parts = given if isinstance(given, (list, tuple)) else [given]
    if any(isinstance(part, np.ma.MaskedArray) and np.ma.is_masked(part) for part in parts):
        raise InputError(
            f"{name} is a masked array with masked entries; fill them first ({name}.filled(value)), or leave their rows out",
            argument=name,
        )


def _is_missing(value: Any) -> bool:
    try:
        return value is None or bool(value != value)
    except TypeError:  # pandas' NA is neither equal nor unequal
        return True
    except ValueError:
        return False


def refuse_missing(values: np.ndarray, name: str) -> None:
    """Refuse None, NaN, NaT and pandas' NA among values of one dimension."""
    if values.dtype.kind == "O":
        bad = np.fromiter(map(_is_missing, values), dtype=bool, count=len(values))
    elif values.dtype.kind in "mM":
        bad = np.isnat(values)
    else:
        return
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{name} has a missing value ({values[row]}) at row {row}; fill such values first, or leave their rows out",
            argument=name,
        )


_LAST_CHARACTER = 0x10FFFF


def check_characters(labels: np.ndarray, name: str) -> None:
    """Refuse strings of NumPy's with numbers that are no characters: Python cannot make strings of them."""
    if labels.dtype.kind != "U" or not labels.size or not labels.itemsize:
        return
    numbers = np.ascontiguousarray(labels, dtype=labels.dtype.newbyteorder("=")).reshape(-1).view(np.uint32)
    if numbers.max() > _LAST_CHARACTER:
        row = int(np.argmax(numbers > _LAST_CHARACTER)) // (labels.itemsize // 4)
        raise InputError(
            f"{name} holds a string with number {int(numbers.max()):#x}, which is no character (0x10ffff is the last), "
            f"first at {row}; its bytes are damaged or of another type: make the labels again",
            argument=name,
        )


def listed(given: Any) -> list[Any]:
    """Several values, or one as a list of one: a word is one value, and so is what cannot be iterated over."""
    if getattr(given, "ndim", None) == 0 and hasattr(given, "item"):
        return [given.item()]
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        return [given]
    return list(given)


#: what `random_state` may be
RandomState: TypeAlias = int | np.random.RandomState | None


def check_random_state(random_state: Any) -> np.random.RandomState:
    """The generator that a `random_state` stands for."""
    try:
        found: np.random.RandomState = random_state_of(random_state)
    except (TypeError, ValueError):
        raise InputError(
            f"random_state={random_state!r}; wanted None, a whole number from 0 to 2^32 - 1, or a numpy.random.RandomState",
            argument="random_state",
        ) from None
    return found


def seed_of(random_state: Any) -> int:
    """An integer `random_state` itself, or a number drawn from the generator that it stands for."""
    generator = check_random_state(random_state)
    return int(random_state) if isinstance(random_state, numbers.Integral) else int(generator.randint(2**31 - 1))


def check_n_jobs(n_jobs: Any) -> None:
    """Refuse what is no number of threads."""
    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, numbers.Integral) or n_jobs == 0):
        raise InputError(
            f"n_jobs={n_jobs!r}: wanted None, a positive number of threads, or -1 for all of them", argument="n_jobs"
        )
