"""Functions of the assignment in a learner's file, found without running it."""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator
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
    found = {name: owner for owner, name in _definitions(_parsed(path))}
    return {name: found[name] for name in SIGNATURES if name in found}


def misspelt_in(path: Path) -> dict[str, str]:
    """From the names of other functions of a file to those of the assignment that may be meant, and that it has not."""
    names = [name for _, name in _definitions(_parsed(path))]
    missing = [name for name in SIGNATURES if name not in names]
    near = {name: meant(name, missing) for name in names if name not in SIGNATURES and not name.startswith("_")}
    return {name: own for name, own in near.items() if own is not None}


def _parsed(path: Path) -> ast.Module:
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
    return tree


def _definitions(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(name of the class or "", name) of the functions at the top of a file or in a class."""
    for node in tree.body:
        for owner, one in [("", node)] if not isinstance(node, ast.ClassDef) else [(node.name, part) for part in node.body]:
            if isinstance(one, ast.FunctionDef):
                yield owner, one.name
