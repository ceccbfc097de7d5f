"""The instruction sets of the kernels: which were built, which this processor can run, and which is in use.

The environment variable ``FASTCLS_ISA`` selects one at import. The result of a search never depends on the choice.
"""

from __future__ import annotations

import os
from typing import Any

from fastcls._validation.base import one_of
from fastcls._validation.errors import InputError

from ._simd import isas

__all__ = ["active", "available", "built", "use"]


def built() -> list[str]:
    """Names of the instruction sets that this build has kernels for, slowest first.

    Returns
    -------
    list of str
    """
    return [name for name, _ in isas.isas()]


def available() -> list[str]:
    """Names of the instruction sets that this build has kernels for and this processor can run, slowest first.

    Returns
    -------
    list of str
    """
    return [name for name, can_run in isas.isas() if can_run]


def active() -> str:
    """The name of the instruction set in use. Kernels that it lacks come from the next best set.

    Returns
    -------
    str
    """
    return isas.active()


def use(name: str) -> None:
    """Use this instruction set, or lower ones for kernels that it lacks, in the whole process from the next call on.

    Parameters
    ----------
    name : str
        One of `available()`, or "auto" for the best.

    Raises
    ------
    InputError
        For any other name. The message lists the valid names, and says if a set was built but cannot run here.
    """
    _use("isa", name)


def _checked(name: str, isa: Any, available: list[str], built: list[str]) -> str:
    """The name of an instruction set that this processor can run; `auto` means the best."""
    if isinstance(isa, str) and isa in built and isa not in available:
        good = ", ".join([*available, "auto"])
        raise InputError(f"{name}={isa!r} was built, but this processor cannot run it; choose one of: {good}")
    one_of(name, isa, [*available, "auto"])
    return available[-1] if isa == "auto" else isa


def _use(what: str, name: str) -> None:
    isas.use(built().index(_checked(what, name, available(), built())))


if os.environ.get("FASTCLS_ISA"):
    _use("FASTCLS_ISA", os.environ["FASTCLS_ISA"])
