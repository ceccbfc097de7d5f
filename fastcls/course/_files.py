"""Functions of the assignment in a learner's file, found without running it."""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterable
from pathlib import Path

from fastcls._validation.errors import InputError
from fastcls._validation.messages import absent, meant, quoted, reason

from ._assignment import SIGNATURES

#: A source file is smaller than this.
_LARGEST = 4 << 20


def functions_in(path: Path) -> dict[str, str]:
    """The functions of the assignment that a file defines, at its top or in a class.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict
        From the name of each function, in the order of `SIGNATURES`, to the name of its class, or "".

    Raises
    ------
    InputError
        If the file is not there, is no Python source, or cannot be parsed.
    """
    found = _defined(path)
    return {name: found[name][0] for name in SIGNATURES if name in found}


def misspelt_in(path: Path, known: Iterable[str]) -> dict[str, tuple[str, int]]:
    """Functions of a file whose names are nearly those of the assignment that it lacks.

    Parameters
    ----------
    path : Path
    known : iterable of str
        The functions of the assignment.

    Returns
    -------
    dict
        From the name in the file to the name in the assignment, and the line of the definition.
    """
    found = _defined(path)
    names = list(known)
    near = {name: (meant(name, names), line) for name, (_, line) in found.items() if name not in SIGNATURES}
    return {name: (wanted, line) for name, (wanted, line) in near.items() if wanted and wanted not in found}


def _defined(path: Path) -> dict[str, tuple[str, int]]:
    """All functions that a file defines, at its top or in a class: the name of the class, or "", and the line."""
    if path.is_dir():
        raise InputError(f"{quoted(path)} is a folder: give its files, such as {quoted(path / '*.py')} without quotes")
    if path.suffix == ".ipynb":
        raise InputError(f"{quoted(path)} is a notebook: export it first, with jupyter nbconvert --to script")
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(f"{quoted(path)} is larger than {_LARGEST >> 20} MB; wanted a Python source file")
        with tokenize.open(path) as file:
            tree = ast.parse(file.read())
    except FileNotFoundError:
        raise InputError(absent(path, "the path of a Python source file")) from None
    except OSError as error:
        raise InputError(f"{quoted(path)} cannot be read ({reason(error)}): check its permissions") from None
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise InputError(f"{quoted(path)} is no Python source ({type(error).__name__}{line}): correct it") from None
    found: dict[str, tuple[str, int]] = {}
    for node in tree.body:
        for owner, one in [("", node)] if not isinstance(node, ast.ClassDef) else [(node.name, part) for part in node.body]:
            if isinstance(one, ast.FunctionDef):
                found[one.name] = owner, one.lineno
    return found
