"""Which instruction set the kernels use: what was built, what can run here, what is in use.

``FASTCLS_ISA`` in the environment chooses one at import. The answer of a search never depends on the choice.
"""

from __future__ import annotations

import os
from typing import Any

from fastcls._validation.base import one_of
from fastcls._validation.errors import InputError

from ._simd import isas

__all__ = ["active", "available", "built", "use"]


def built() -> list[str]:
    """Names of the instruction sets this build has kernels for, worst first."""
    return [name for name, _ in isas.isas()]


def available() -> list[str]:
    """Names of the instruction sets that this build has kernels for and this processor can run, worst first."""
    return [name for name, can_run in isas.isas() if can_run]


def active() -> str:
    """The name of the best instruction set in use; a kernel it lacks is taken from the next best."""
    return isas.active()


def use(name: str) -> None:
    """Use no better instruction set than this, in the whole process, from the next call on.

    Parameters
    ----------
    name : str
        One of `available()`, or "auto" for the best of them.

    Raises
    ------
    InputError
        For another name; the good ones are listed, and a set that was built but cannot run here is called so.
    """
    _use("isa", name)


def _checked(name: str, isa: Any, available: list[str], built: list[str]) -> str:
    """The name of an instruction set that can run here; `auto` means the best of them."""
    if isinstance(isa, str) and isa in built and isa not in available:
        good = ", ".join([*available, "auto"])
        raise InputError(f"{name}={isa!r} was built, but this processor cannot run it; choose one of: {good}")
    one_of(name, isa, [*available, "auto"])
    return available[-1] if isa == "auto" else isa


def _use(what: str, name: str) -> None:
    isas.use(built().index(_checked(what, name, available(), built())))


if os.environ.get("FASTCLS_ISA"):
    _use("FASTCLS_ISA", os.environ["FASTCLS_ISA"])
