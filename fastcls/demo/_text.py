"""States as text, ``metric=l1&k=5&points=10,-20,0;...``, for `--state`, for the address of a page, and for the server.

`page/state.js` reads and writes the same text. It needs no escaping in an address; in a shell it needs quotes, because of
`&` and `;`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted

_LONGEST = 20_000


def fields(text: str, names: Iterable[str]) -> dict[str, str]:
    """Return the fields of the text by name; refuse unknown and repeated names."""
    names = list(names)
    if len(text) > _LONGEST:
        raise InputError(f"the state has {len(text)} characters; wanted at most {_LONGEST}: copy it from the demo again")
    found: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, equals, value = part.partition("=")
        if not equals or name not in names or name in found:
            raise InputError(
                f"got {quoted(part, 60)} in the state; wanted name=value, each name once, from: {', '.join(names)}"
            )
        found[name] = value
    return found


def one(name: str, value: str, good: Iterable[str]) -> str:
    """Return the value if it is one of ``good``."""
    good = list(good)
    if value not in good:
        raise InputError(f"got {name}={quoted(value, 60)} in the state; wanted one of {', '.join(good)}")
    return value


def whole(name: str, value: str, least: int, most: int) -> int:
    """Return the value as an integer from least to most."""
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise InputError(f"got {name}={quoted(value, 60)} in the state; wanted a whole number from {least} to {most}")
    return number


def real(name: str, value: str, least: float, most: float) -> float:
    """Return the value as a finite number from least to most."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not least <= number <= most:
        raise InputError(f"got {name}={quoted(value, 60)} in the state; wanted a number from {least:g} to {most:g}")
    return number


def read_points(value: str, n_classes: int, half: int, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the points of ``x,y,class;...``, float64 (n, 2) in whole hundredths, and their class codes."""
    rows: list[tuple[int, int, int]] = []
    for part in value.split(";"):
        numbers = part.split(",")
        if len(numbers) != 3 or len(rows) == most:
            raise InputError(
                f"got point {quoted(part, 60)} in the state; wanted 1 to {most} points x,y,class, separated by ;"
            )
        x, y = (whole("x or y of a point", number, -half, half) for number in numbers[:2])
        rows.append((x, y, whole("class of a point", numbers[2], 0, n_classes - 1)))
    return np.array([row[:2] for row in rows], dtype=np.float64), np.array([row[2] for row in rows], dtype=np.int64)


def write_points(points: np.ndarray, codes: np.ndarray) -> str:
    """Return points as text, for `read_points`."""
    return ";".join(f"{int(x)},{int(y)},{code}" for (x, y), code in zip(points, codes, strict=True))


def join(**values: Any) -> str:
    """Return fields as text."""
    return "&".join(f"{name}={value}" for name, value in values.items())
