"""One file per rival, one signature: `ENGINES` maps a name to a class; who is not installed is not in `installed()`.

A new rival is a new file here with a class ``Engine(Base)``; nothing else need change.
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
    """The class of an engine; ImportError where its library is absent."""
    return importlib.import_module(f"{__name__}.{name}").Engine


def installed() -> list[str]:
    """Names of the engines whose library is here."""
    there = []
    for name in NAMES:
        try:
            engine(name)
        except ImportError:
            continue
        there.append(name)
    return there
