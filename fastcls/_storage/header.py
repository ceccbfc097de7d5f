"""The header of a model file: class, parameters, labels and metadata, as JSON."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastcls._validation.base import check_characters
from fastcls._validation.errors import InputError
from fastcls._validation.messages import kind
from fastcls._version import __version__

FORMAT, VERSION = "fastcls", "2"

#: Parameters that are never written or read: threads of the training machine, paths that fit writes to.
OF_THE_MACHINE = ("checkpoint", "resume", "n_jobs")

_LABEL_ITEM_BYTES = 1 << 16
#: Most bytes of all classes in memory, and most bytes in memory per byte of their JSON text. A string of dtype "<U100" takes
#: 400 bytes.
_LABEL_BYTES, _LABEL_BYTES_OF_TEXT = 1 << 26, 64
#: kind of a dtype -> Python types its labels have in the header
_LABEL_TYPES: dict[str, Any] = {
    "b": bool,
    "i": int,
    "u": int,
    "f": (int, float),
    "U": str,
    "O": (str, bool, int, float),
}


#: A dict with keys that are not strings is stored as a list of pairs under this key.
_PAIRS = "dict of pairs"


def plain(value: Any, where: str) -> Any:
    """Convert `value` to JSON types; the error for a value without one says where it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (list, tuple)):
        return [plain(item, f"{where}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str(key): plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if callable(value):
        what = "a callable"
    elif isinstance(value, Mapping):
        what = "a dict whose keys are not all strings"
    else:
        what = repr(value) if isinstance(value, float) else kind(value)
    raise InputError(
        f"{where} is {what}, which a model file cannot hold (it is never a pickle); wanted finite numbers, strings, "
        "True, False, None, or lists and dicts of these: give such a value before saving"
    )


def plain_param(value: Any, where: str) -> Any:
    """Convert a parameter, which may be a dict with any plain keys, such as class weights by label."""
    if isinstance(value, Mapping) and not (all(isinstance(key, str) for key in value) and _PAIRS not in value):
        if any(isinstance(key, (tuple, Mapping)) for key in value):
            raise InputError(f"{where} has keys that a model file cannot hold; wanted numbers, strings, True or False")
        pairs = [[plain(key, f"a key of {where}"), plain(item, f"{where}[{key!r}]")] for key, item in value.items()]
        return {_PAIRS: pairs}
    return plain(value, where)


def param_from(stored: Any) -> Any:
    """Inverse of `plain_param`."""
    if isinstance(stored, dict) and set(stored) == {_PAIRS}:
        return dict(stored[_PAIRS])
    return stored


def encoded_classes(classes: Any) -> dict[str, Any] | None:
    """Sorted class labels (n_classes,) as their dtype and a list, for JSON; None for an estimator without classes.

    Of classes (n_labels, 2), of several labels per row, the first row is kept.

    Raises
    ------
    InputError
        For labels that a model file cannot hold.
    """
    if classes is None:
        return None
    if classes.ndim == 2:  # several labels per row: each has the same values, 0 and 1
        classes = classes[0]
    check_characters(classes, "classes_")
    kind, values = classes.dtype.kind, classes.tolist()
    if kind not in _LABEL_TYPES or not all(isinstance(item, _LABEL_TYPES[kind]) for item in values):
        raise InputError(
            f"classes_ has dtype {classes.dtype} with labels a model file cannot hold; wanted numbers or strings: fit "
            "with y.astype(str)"
        )
    stored = {"dtype": classes.dtype.newbyteorder("<").str, "values": plain(values, "classes_")}
    if _is_too_wide(classes.dtype, stored):
        raise InputError(
            f"classes_ has dtype {classes.dtype}, far wider than its {len(classes)} labels need, and load refuses such a "
            "file; fit with labels of a narrower type, such as np.array(y.tolist())"
        )
    return stored


def _is_too_wide(dtype: np.dtype[Any], stored: dict[str, Any]) -> bool:
    """Whether classes would take far more memory than their text in the file justifies."""
    size = dtype.itemsize * len(stored["values"])
    return dtype.itemsize > _LABEL_ITEM_BYTES or (
        size > _LABEL_BYTES and size > _LABEL_BYTES_OF_TEXT * len(json.dumps(stored["values"]))
    )


def decoded_classes(stored: Any) -> np.ndarray | None:
    """The class labels (n_classes,) that `encoded_classes` wrote.

    Raises
    ------
    KeyError, TypeError, ValueError
        For anything that `encoded_classes` does not write.
    """
    if stored is None:
        return None
    dtype, values = np.dtype(stored["dtype"]), stored["values"]
    kind = dtype.kind
    if kind not in _LABEL_TYPES or not isinstance(values, list) or not values:
        raise ValueError("classes have an unknown type")
    if _is_too_wide(dtype, stored):
        raise ValueError(f"{len(values)} classes of {dtype} need far more memory than their text justifies")
    if not all(isinstance(item, _LABEL_TYPES[kind]) for item in values):
        raise ValueError("classes do not have the type given in the file")
    restored = np.array(values, dtype=dtype.newbyteorder("="))
    if restored.tolist() != values:  # cut short, or out of the type's range
        raise ValueError("classes do not fit their type")
    if not (restored[:-1] < restored[1:]).all():  # as fit leaves them; predictions are looked up by bisection
        raise ValueError("classes are not in ascending order without repeats")
    return restored


def header_of(model: Any, metadata: Mapping[str, Any] | None, values: dict[str, Any]) -> dict[str, str]:
    """The header of a model's file: its class, and its parameters, classes, features, `values` and metadata as JSON.

    Raises
    ------
    InputError
        If one of them cannot be written as JSON.
    """
    try:
        return _described(model, metadata, values)
    except RecursionError:
        raise InputError("metadata is nested too deeply for a model file; give lists and dicts of a few levels") from None


def _described(model: Any, metadata: Mapping[str, Any] | None, values: dict[str, Any]) -> dict[str, str]:
    given = {name: value for name, value in model.get_params(deep=False).items() if name not in OF_THE_MACHINE}
    given |= {name: value for name, value in model._fitted_params.items() if name in given}
    params = {
        name: plain_param(os.fspath(value) if isinstance(value, os.PathLike) else value, f"the parameter {name}")
        for name, value in given.items()
    }
    names = getattr(model, "feature_names_in_", None)
    if metadata is not None and not isinstance(metadata, Mapping):
        raise InputError(f"metadata is {kind(metadata)}; wanted a dict of JSON-able values")
    parts = {
        "params": params,
        "classes": encoded_classes(getattr(model, "classes_", None)),
        "features": {"n": int(model.n_features_in_), "names": None if names is None else [str(name) for name in names]},
        "values": plain(values, "the fitted state"),
        "metadata": plain(metadata or {}, "metadata"),
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "class": type(model).__name__,
        "fastcls_version": __version__,
        **{name: json.dumps(part, allow_nan=False) for name, part in parts.items()},
    }
