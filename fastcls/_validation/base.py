"""Checks that all packages share: names, numbers, missing values.

Public functions and estimators check their input before any work; code below them trusts its caller. A refusal is one line:
what came, what was wanted, what to do.
"""

from __future__ import annotations

import numbers
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from sklearn.utils import check_random_state as random_state_of

from .errors import InputError
from .messages import meant, shown


def one_of(name: str, value: Any, good: Iterable[str], *, also: str = "") -> Any:
    """`value`, if it is one of `good`; otherwise an error that lists them. `also` describes values that are not names."""
    names = list(good)
    if not isinstance(value, str) or value not in names:
        close = meant(value, names)
        hint = f"did you mean {close!r}? It is" if close else "choose"
        raise InputError(f"{name}={shown(value)} is unknown; {hint} one of: {', '.join(names)}{also}")
    return value


def check_number(name: str, value: Any, *, minimum: float, strict: bool = False, whole: bool = False) -> Any:
    """`value`, if it is a finite number in range (and an integer if `whole`)."""
    kinds = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    relation = "above" if strict else "of at least"
    wanted = f"{'a whole number' if whole else 'a finite number'} {relation} {minimum:g}"
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise InputError(f"{name}={shown(value)}; wanted {wanted}")
    if isinstance(value, int) and abs(value) >= 2**63:  # beyond any count, and beyond NumPy's integers
        raise InputError(f"{name} is {'-' * (value < 0)}2^{value.bit_length() - 1} or beyond; wanted {wanted}, below 2^63")
    if not np.isfinite(value):
        raise InputError(f"{name}={shown(value)}; wanted {wanted}")
    if value < minimum or (strict and value == minimum):
        raise InputError(f"{name}={shown(value)}; wanted {wanted}")
    return value


def check_fraction(name: str, value: Any, *, strict: bool = False) -> float:
    """A number from 0 (or above it) to below 1."""
    if check_number(name, value, minimum=0, strict=strict) >= 1:
        raise InputError(f"{name}={shown(value)}; wanted a number {'above' if strict else 'from'} 0 and below 1")
    return float(value)


def check_switch(name: str, value: Any) -> bool:
    """`value`, if it is a bool. Nothing else is accepted, so that a typing error does not count as True."""
    if not isinstance(value, (bool, np.bool_)):
        raise InputError(f"{name}={shown(value)}; wanted True or False")
    return bool(value)


def refuse_masked(given: Any, name: str) -> None:
    """Refuse masked entries, also in a list of arrays: a masked entry has no value."""
    arrays = given if isinstance(given, (list, tuple)) else [given]
    if any(isinstance(array, np.ma.MaskedArray) and np.ma.is_masked(array) for array in arrays):
        raise InputError(
            f"{name} is a masked array with masked entries: fill them ({name}.filled(value)) or remove their rows"
        )


def as_floats(name: str, given: Any) -> np.ndarray:
    """An array of real numbers as float64."""
    refuse_masked(given, name)
    try:
        found = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:
        why = str(error).splitlines()[0]
        raise InputError(f"{name} cannot be read by NumPy ({why}): pass an array of real numbers") from None
    try:
        if found.dtype.kind == "c":
            raise TypeError("they are complex")
        return found.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        why = str(error).splitlines()[0]
        raise InputError(f"{name} has values of type {found.dtype} ({why}); wanted real numbers") from None


def is_missing(value: Any) -> bool:
    """Whether a value is None, NaN, NaT or pandas' NA."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ArithmeticError):  # pandas' NA is neither equal nor unequal to itself; a signalling decimal NaN
        return True
    except ValueError:
        return False


def refuse_missing(values: np.ndarray, name: str) -> None:
    """Refuse None, NaN, NaT and pandas' NA in a one-dimensional array."""
    if values.dtype.kind == "O":
        bad = np.fromiter(map(is_missing, values), dtype=bool, count=len(values))
    elif values.dtype.kind in "mM":
        bad = np.isnat(values)
    else:
        return
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{name} has a missing value ({values[row]}) at row {row}: fill missing values or remove their rows"
        )


_LAST_CHARACTER = 0x10FFFF


def check_characters(labels: np.ndarray, name: str) -> None:
    """Refuse NumPy strings with invalid code points, which Python cannot convert to str."""
    if labels.dtype.kind != "U" or not labels.size or not labels.itemsize:
        return
    numbers = np.ascontiguousarray(labels, dtype=labels.dtype.newbyteorder("=")).reshape(-1).view(np.uint32)
    if numbers.max() > _LAST_CHARACTER:
        row = int(np.argmax(numbers > _LAST_CHARACTER)) // (labels.itemsize // 4)
        raise InputError(
            f"{name} has a string with the invalid code point {int(numbers.max()):#x} (the largest is "
            f"0x10ffff), first at row {row}: its bytes are damaged or of another type; create the labels again"
        )


def as_list(given: Any) -> list[Any]:
    """Several values as a list; a single value (a string, or anything not iterable) as a list of one."""
    if getattr(given, "ndim", None) == 0 and hasattr(given, "item"):
        return [given.item()]
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Iterable):
        return [given]
    return list(given)


#: what `random_state` may be
RandomState: TypeAlias = int | np.random.RandomState | None


def check_random_state(random_state: Any) -> np.random.RandomState:
    """The generator for a `random_state`: None, an integer or a generator."""
    try:
        found: np.random.RandomState = random_state_of(random_state)
    except (TypeError, ValueError):
        raise InputError(
            f"random_state={random_state!r}; wanted None, a whole number from 0 to 2^32 - 1, or a numpy.random.RandomState"
        ) from None
    return found


def seed_of(random_state: Any) -> int:
    """An integer `random_state` itself, or a number drawn from its generator."""
    generator = check_random_state(random_state)
    return int(random_state) if isinstance(random_state, numbers.Integral) else int(generator.randint(2**31 - 1))


def check_verbose(verbose: Any) -> None:
    """Refuse what is neither a switch nor a number of levels."""
    if not isinstance(verbose, (bool, np.bool_)):
        check_number("verbose", verbose, minimum=0, whole=True)


def check_n_jobs(n_jobs: Any) -> None:
    """Refuse an invalid number of threads."""
    if n_jobs is not None and (isinstance(n_jobs, bool) or not isinstance(n_jobs, numbers.Integral) or n_jobs == 0):
        raise InputError(f"n_jobs={n_jobs!r}: wanted None, a positive number of threads, or -1 for all of them")


def check_run(n_jobs: Any, progress: Any) -> None:
    """Refuse an invalid number of threads, and a `progress` that cannot be called, before any work."""
    check_n_jobs(n_jobs)
    if progress is not None and not callable(progress):
        raise InputError(f"progress={shown(progress)}; wanted a function of (done, total), or None")


def init_named(owner: type) -> Callable[..., None]:
    """The inherited `__init__` of a class under that class's name: Python's messages on wrong arguments show this name."""
    init: Any = owner.__init__  # type: ignore[misc]
    made = types.FunctionType(init.__code__, init.__globals__, init.__name__, init.__defaults__, init.__closure__)
    made.__kwdefaults__, made.__annotations__ = init.__kwdefaults__, init.__annotations__
    made.__module__, made.__qualname__ = init.__module__, f"{owner.__qualname__}.__init__"
    return made
