"""Load features and labels from a safetensors file, memory-mapped."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from fastcls._storage.safetensors import Tensors
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted
from fastcls.datasets._assemble import assemble_named
from fastcls.datasets._common import existing_path, note, noting
from fastcls.datasets._dataset import Dataset


def is_safetensors(path: Path) -> bool:
    """Tell whether `path` is a safetensors file of data, not a model that fastcls saved."""
    return path.is_file() and path.suffix.lower() == ".safetensors" and model_in(path) is None


def model_in(path: Path) -> str | None:
    """The class of the model in a safetensors file that fastcls saved; None for another file."""
    with contextlib.suppress(InputError):  # a damaged file is refused by its loader
        header = Tensors(path).metadata
        return str(header.get("class")) if header.get("format") == "fastcls" else None
    return None


@noting
def load_safetensors(path: str | os.PathLike[str], *, labels: Any = None, features: str | None = None) -> Dataset:
    """Load a safetensors file; large arrays stay on disk.

    Parameters
    ----------
    path : path
        Tensors ``X, y[, X_test, y_test]``, or with the other names that ``load_npz`` knows (``features``, ``labels``,
        ``train_embeddings``, ...). Rows are F64, F32, F16, BF16, I8, U8, or integers of another width. Its metadata may
        have ``class_names``, a JSON list.
    labels : path, name or array-like, optional
        The name of the tensor with the labels, or labels from elsewhere. The only tensor of two dimensions or more is then
        X, whatever its name.
    features : str, optional
        The name of the tensor that is X, see ``load_npz``.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If the file is damaged, tensors are missing, do not fit each other or have another type, rows are not finite, or
        labels are not whole numbers.
    """
    file = existing_path(path, wanted="a safetensors file")
    tensors = Tensors(file)
    text = tensors.metadata.get("class_names")
    class_names = names_in(text)
    if text and class_names is None:
        note(f"{quoted(file)}: class_names in its metadata is not used, because it is no JSON list of names")
    return assemble_named(
        {name: len(shape) for name, shape in tensors.shapes.items()},
        file,
        tensors.__getitem__,
        labels=labels,
        features=features,
        class_names=class_names,
        kind="tensors",
    )


def names_in(text: str | None) -> list[str] | None:
    """Class names from a JSON list; None if there is none."""
    try:
        found = json.loads(text) if text else None
    except (ValueError, RecursionError):
        found = None
    return [str(name) for name in found] if isinstance(found, list) and found else None
