"""One file per rival, each with a class ``Engine(Base)``. `installed()` lists those whose library is installed.

All of them (PyTorch's build for processors is enough)::

    pip install faiss-cpu numkong opencv-python-headless scalable-vs scann-core scikit-learn-intelex torch usearch

A table skips a rival that is absent, and says so. To add a rival, add a file here; nothing else changes.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from ._base import Base

#: fastcls first: the others are its rivals
NAMES = ["ours", *sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name not in ("ours", "_base"))]

__all__ = ["NAMES", "Base", "absent", "engine", "installed"]


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


def absent() -> list[str]:
    """Names of the engines whose library is not installed."""
    there = installed()
    return [name for name in NAMES if name not in there]
