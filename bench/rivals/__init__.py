"""One file per rival, each with a class ``Engine(Base)``. `installed()` lists those whose library is installed.

To add a rival, add a file here; nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from ._base import Base

#: fastcls first: the others are its rivals
NAMES = ["ours", *sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in ("ours", "_base"))]

__all__ = ["NAMES", "Base", "engine", "installed"]


@cache
def engine(name: str) -> type[Base]:
    """The class of an engine; ImportError if its library is not installed."""
    return importlib.import_module(f"{__name__}.{name}").Engine


def installed() -> list[str]:
    """Names of the engines whose library is installed."""
    there = []
    for name in NAMES:
        try:
            engine(name)
        except ImportError:
            continue
        there.append(name)
    return there
