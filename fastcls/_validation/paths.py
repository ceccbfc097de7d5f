"""The check of a path that a caller gives, before anything is opened."""

from __future__ import annotations

import os
from typing import Any

from .errors import InputError
from .messages import kind


def check_path(path: Any, wanted: str, name: str = "path") -> str:
    """`path` as text, if it is a string or a path object with text in it.

    An integer is never a path: Python would open the file that has this number in the process, such as 1 for the output,
    and close it at the end.

    Parameters
    ----------
    path : as the caller gave it
    wanted : str
        What the path should name: "a model file".
    name : str
        Name of the argument.

    Raises
    ------
    InputError
        For anything else, and for an empty string.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if isinstance(text, str) and text:
        return text
    if path is None or text == "" or isinstance(path, (bool, float)) or (isinstance(path, int) and abs(path) < 2**63):
        given = f"{name}={path!r}"
    else:
        given = f"{name} is {kind(path)}"
    raise InputError(f"{given}; wanted the path of {wanted}, a string or a pathlib.Path")
