"""Models on disk: one safetensors file each, its JSON header saying what it is. Never pickle.

A file is data: it can name one of the classes in `CLASSES` and nothing else, so loading a stranger's model runs no code
of theirs. Header (every value is text, as safetensors wants it)::

    format "fastcls"        version "2"         class "KNeighborsClassifier"        fastcls_version "0.1.0"
    params    {"n_neighbors": 5, ...}           what the estimator was made with
    classes   {"dtype": "<U4", "values": [...]} or null
    features  {"n": 3072, "names": [...] or null}
    values    {...}         numbers of the fitted state that are no arrays
    metadata  {...}         the caller's: how new images are prepared, names of the classes, image shape, data set

Each estimator tells its fitted state as arrays and plain values (`_saved_state`) and takes it back (`_restore_state`).
"""

from __future__ import annotations

import copy
import importlib
import json
import math
import numbers
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ._files import holds_model, replacing
from ._fitted import frozen
from ._rows_files import RowsFileError, map_under
from ._safetensors import Arrays, Saved, read_header, write
from ._shown import reason, shown
from ._validation import InputError, check_characters

__all__ = ["SaveMixin", "load", "save"]

FORMAT, VERSION = "fastcls", "2"

#: class name -> module that holds it, imported when asked for
CLASSES = {
    "KNeighborsClassifier": "fastcls.neighbors",
    "NearestClassMean": "fastcls.class_mean",
    "NearestNeighbors": "fastcls.neighbors",
    "MulticlassSVM": "fastcls.linear",
    "SoftmaxClassifier": "fastcls.linear",
}

#: Parameters that no file holds and none is taken from: the training machine's threads, where fit writes.
_OF_THE_MACHINE = ("checkpoint", "resume", "n_jobs")

_LABEL_ITEM_BYTES = 1 << 16
#: Bytes of all classes in memory, and how many of them a byte of their text may mean: strings of "<U100" take 400 each.
_LABEL_BYTES, _LABEL_BYTES_OF_TEXT = 1 << 26, 64
#: kind of a dtype -> Python types its labels have in the header
_LABEL_TYPES: dict[str, Any] = {
    "b": bool, "i": int, "u": int, "f": (int, float), "U": str, "O": (str, bool, int, float),
}  # fmt: skip


#: Dicts whose keys are no strings, as JSON: their pairs under this key.
_PAIRS = "dict of pairs"


class SaveMixin:
    """`save` for an estimator that can tell its fitted state.

    A file holds the parameters that the model was fitted with: `set_params` after `fit` changes what the next fit does, not
    what was fitted. Those that are read whenever the model is used are `_read_when_used`, and are saved as they stand.
    """

    _read_when_used: tuple[str, ...] = ("n_jobs", "callbacks", "client", "n_shards")
    _fitted_params: Mapping[str, Any] = {}

    def _params_of_fit(self) -> dict[str, Any]:
        """Parameters as they stand, of those that a fit reads; containers are copied, or they could change later."""
        params = self.get_params(deep=False)  # type: ignore[attr-defined]
        kept = {name: value for name, value in params.items() if name not in self._read_when_used}
        if not (kept.get("random_state") is None or isinstance(kept["random_state"], numbers.Integral)):
            del kept["random_state"]  # a generator is no value: it has moved on, and no file can hold it
        return {name: copy.deepcopy(value) if isinstance(value, (Mapping, list)) else value for name, value in kept.items()}

    def _as_fitted(self) -> Any:
        """A shallow copy whose parameters are those of the fit."""
        made = copy.copy(self)
        made.__dict__.update(self._fitted_params)
        return made

    def save(self, path: str | os.PathLike[str], *, metadata: Mapping[str, Any] | None = None) -> None:
        """Write the fitted model to one safetensors file: whole, or not at all.

        Parameters
        ----------
        path : str or path
            The file; an older one is replaced only once the new one is complete on disk.
        metadata : dict, optional
            Whatever shall travel with the model, as JSON knows it: `fastcls.load` hands it back as ``metadata_``. A
            loaded model's own ``metadata_`` is not written again unless it is given here.

        Raises
        ------
        InputError
            If a parameter is no plain value (a callable, a RandomState), or the path cannot be written.
        sklearn.exceptions.NotFittedError
            Before fit.

        Notes
        -----
        The file holds the parameters of the fit, whatever `set_params` has changed since; of a k-NN model `n_neighbors`,
        `weights`, `temperature`, `tie_break` and `algorithm`, which are read whenever it is used, are saved as they stand.
        """
        save(self, path, metadata)

    def __getstate__(self) -> dict[str, Any]:
        """For pickle, joblib and skops: memory maps as the plain arrays they are read as; skops cannot make a map."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return {name: np.asarray(value) if type(value) is np.memmap else value for name, value in state.items()}

    def _saved_state(self) -> tuple[Saved, dict[str, Any]]:
        """(arrays, JSON-able values) of the fitted state, without the classes and the features' names.

        An array may come as a list of its parts, one below the other.
        """
        raise NotImplementedError

    def _restore_state(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """Take back what `_saved_state` told; `classes_` is set before. Arrays may be read-only memory maps.

        The file may be damaged: read arrays through `expect`. What does not fit is a KeyError, TypeError or
        ValueError.
        """
        raise NotImplementedError


class SaveBestMixin:
    """`save` for a search: it writes what was chosen."""

    best_estimator_: Any

    def save(self, path: str | os.PathLike[str], *, metadata: Mapping[str, Any] | None = None) -> None:
        """Write `best_estimator_` to one safetensors file: `fastcls.load` gives back the chosen estimator, not the search.

        What shall be known of the search must be given as metadata, such as ``{"accuracy": search.best_score_}``.

        Parameters
        ----------
        path, metadata : as of ``best_estimator_.save``

        Raises
        ------
        InputError
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        check_is_fitted(self, "best_estimator_")
        self.best_estimator_.save(path, metadata=metadata)


# what goes into the header --------------------------------------------------------------------------------------------


def _plain(value: Any, where: str) -> Any:
    """`value` in the types of JSON, or an error that says where the one stands that has none."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item, f"{where}[{place}]") for place, item in enumerate(value)]
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {str(key): _plain(item, f"{where}[{key!r}]") for key, item in value.items()}
    if callable(value):
        what = "a callable"
    elif isinstance(value, Mapping):
        what = "a dict whose keys are no strings"
    else:
        what = repr(value) if isinstance(value, float) else f"a {type(value).__name__}"
    raise InputError(
        f"{where} is {what}, which a model file cannot hold (it is never a pickle); wanted finite numbers, strings, "
        "True, False, None, or lists and dicts of these: give such a value before saving"
    )


def _plain_param(value: Any, where: str) -> Any:
    """The same of a parameter, which may be a dict with any plain keys: class weights by label."""
    if isinstance(value, Mapping) and not (all(isinstance(key, str) for key in value) and _PAIRS not in value):
        if any(isinstance(key, (tuple, Mapping)) for key in value):
            raise InputError(f"{where} has keys that a model file cannot hold; wanted numbers, strings, True or False")
        pairs = [[_plain(key, f"a key of {where}"), _plain(item, f"{where}[{key!r}]")] for key, item in value.items()]
        return {_PAIRS: pairs}
    return _plain(value, where)


def _param_from(stored: Any) -> Any:
    """What `_plain_param` made plain."""
    if isinstance(stored, dict) and set(stored) == {_PAIRS}:
        return dict(stored[_PAIRS])
    return stored


def _encoded_classes(classes: Any) -> dict[str, Any] | None:
    if classes is None:
        return None
    check_characters(classes, "classes_")
    kind, values = classes.dtype.kind, classes.tolist()
    if kind not in _LABEL_TYPES or not all(isinstance(item, _LABEL_TYPES[kind]) for item in values):
        raise InputError(
            f"classes_ has dtype {classes.dtype} with labels a model file cannot hold; wanted numbers or strings: fit "
            "with y.astype(str)"
        )
    stored = {"dtype": classes.dtype.newbyteorder("<").str, "values": _plain(values, "classes_")}
    if _is_too_wide(classes.dtype, stored):
        raise InputError(
            f"classes_ has dtype {classes.dtype}, far wider than its {len(classes)} labels need, and load refuses such a "
            "file; fit with labels of a narrower type, such as np.array(y.tolist())"
        )
    return stored


def _is_too_wide(dtype: np.dtype[Any], stored: dict[str, Any]) -> bool:
    """Whether classes would take more memory than a file of this size can mean."""
    size = dtype.itemsize * len(stored["values"])
    return dtype.itemsize > _LABEL_ITEM_BYTES or (
        size > _LABEL_BYTES and size > _LABEL_BYTES_OF_TEXT * len(json.dumps(stored["values"]))
    )


def _decoded_classes(stored: Any) -> np.ndarray | None:
    if stored is None:
        return None
    dtype, values = np.dtype(stored["dtype"]), stored["values"]
    kind = dtype.kind
    if kind not in _LABEL_TYPES or not isinstance(values, list) or not values:
        raise ValueError("classes of no known type")
    if _is_too_wide(dtype, stored):
        raise ValueError(f"{len(values)} classes of {dtype} take more memory than a file of this size can mean")
    if not all(isinstance(item, _LABEL_TYPES[kind]) for item in values):
        raise ValueError("classes of another type than the file says")
    restored = np.array(values, dtype=dtype.newbyteorder("="))
    if restored.tolist() != values:  # cut short, or out of the type's range
        raise ValueError("classes do not fit their type")
    if not (restored[:-1] < restored[1:]).all():  # as fit leaves them; predictions are looked up by bisection
        raise ValueError("classes that are not in ascending order, each once")
    return restored


def _header(model: Any, metadata: Mapping[str, Any] | None, values: dict[str, Any]) -> dict[str, str]:
    try:
        return _described(model, metadata, values)
    except RecursionError:
        raise InputError("metadata is nested too deeply for a model file; give lists and dicts of a few levels") from None


def _described(model: Any, metadata: Mapping[str, Any] | None, values: dict[str, Any]) -> dict[str, str]:
    from . import __version__

    given = {name: value for name, value in model.get_params(deep=False).items() if name not in _OF_THE_MACHINE}
    given |= {name: value for name, value in model._fitted_params.items() if name in given}
    params = {
        name: _plain_param(os.fspath(value) if isinstance(value, os.PathLike) else value, f"the parameter {name}")
        for name, value in given.items()
    }
    names = getattr(model, "feature_names_in_", None)
    if metadata is not None and not isinstance(metadata, Mapping):
        raise InputError(f"metadata is a {type(metadata).__name__}; wanted a dict of JSON-able values")
    parts = {
        "params": params,
        "classes": _encoded_classes(getattr(model, "classes_", None)),
        "features": {"n": int(model.n_features_in_), "names": None if names is None else [str(name) for name in names]},
        "values": _plain(values, "the fitted state"),
        "metadata": _plain(metadata or {}, "metadata"),
    }
    return {
        "format": FORMAT,
        "version": VERSION,
        "class": type(model).__name__,
        "fastcls_version": __version__,
        **{name: json.dumps(part, allow_nan=False) for name, part in parts.items()},
    }


# writing ---------------------------------------------------------------------------------------------


def _class_of(name: str) -> type[Any]:
    found: type[Any] = getattr(importlib.import_module(CLASSES[name]), name)
    return found


def save(
    model: Any, path: str | os.PathLike[str], metadata: Mapping[str, Any] | None = None, *, beside: bool = False
) -> None:
    """Write a fitted model to one safetensors file: whole, or not at all. The same as ``model.save(path)``.

    Parameters
    ----------
    model : estimator of fastcls
    path : str or path
        The file; an older one is replaced only once the new one is complete on disk.
    metadata : dict, optional
        What shall travel with the model, as JSON knows it: `load` hands it back as ``metadata_``.
    beside : bool
        Of a k-NN model: leave its rows in their own files, see `rows` of its `save`.
    """
    if isinstance(model, SaveBestMixin):
        model.save(path, metadata=metadata)
        return
    name = type(model).__name__
    if name not in CLASSES or type(model) is not _class_of(name):
        raise InputError(f"{name} cannot be saved; wanted one of fastcls's own estimators: {', '.join(CLASSES)}")
    model = frozen(model)
    check_is_fitted(model)
    arrays, values = model._saved_state(Path(os.path.realpath(path)).parent) if beside else model._saved_state()
    header = _header(model, metadata, values)
    with replacing(path, "the model", inputs=_files_of_rows(model), is_model=True) as file:
        write(file, arrays, header)


def _files_of_rows(model: Any) -> list[str]:
    """The files that hold the model's training rows; not a model that it was loaded from, which a new one may replace."""
    rows = getattr(model, "_rows", None)
    maps = [] if rows is None else [map_under(chunk) for chunk in rows.chunks]
    files = dict.fromkeys(str(mapped.filename) for mapped in maps if mapped is not None)
    return [file for file in files if not holds_model(file)]


# reading ---------------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str]) -> Any:
    """Read a model that `save` wrote.

    Arrays of a megabyte and more stay on disk, as read-only memory maps: a k-NN model loads at once, whatever its size.
    Write a new model to the same path with `save`, which puts a new file in its place; writing *into* a file that is in
    use as a model makes that model's results undefined.

    Parameters
    ----------
    path : str or path

    Returns
    -------
    estimator
        Fitted, with ``metadata_``: the dict that was given to `save` (empty if none was). If that holds ``preprocessing``
        and ``class_names`` (`fastcls run` saves them), methods that take rows take images, too: paths, bytes, PIL images or
        pixels, one or a list; `predict` then gives class names. See ``fastcls.datasets.prepare_images``.

    Raises
    ------
    InputError
        If the file is missing, truncated, damaged, of another format or version. The structure is checked and every
        array's type and shape, and the checksums of all but a k-NN model's rows: those are compared before its first search.

    Examples
    --------
    >>> import tempfile, numpy as np, fastcls
    >>> X = np.array([[0, 0], [0, 9], [9, 9]], dtype=np.uint8)
    >>> model = fastcls.KNeighborsClassifier(1).fit(X, ["a", "b", "b"])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     model.save(f"{folder}/tiny.safetensors", metadata={"unit": "pixels"})
    ...     again = fastcls.load(f"{folder}/tiny.safetensors")
    >>> again.predict(X).tolist(), again.metadata_
    (['a', 'b', 'b'], {'unit': 'pixels'})
    """
    header = read_header(path, "a model file that save wrote")
    _check_identity(header, path)
    try:
        parts = {name: json.loads(header[name]) for name in ("params", "classes", "features", "values", "metadata")}
        return _restored(header["class"], parts, Arrays(path, header))
    except RowsFileError:  # the model itself is sound
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        found = f"without {reason(error)}" if isinstance(error, KeyError) else reason(error)
        raise InputError(f"the model file {shown(path)} is damaged ({found}); save or copy it again") from None


def _check_identity(header: dict[str, str], path: str | os.PathLike[str]) -> None:
    if header.get("format") != FORMAT:
        raise InputError(f"{shown(path)} is a safetensors file, but no model of fastcls; give a file that save wrote")
    if header.get("version") != VERSION:
        raise InputError(
            f"{shown(path)} has model format version {shown(header.get('version'))}, written by fastcls "
            f"{shown(header.get('fastcls_version'))}; this fastcls reads version {VERSION!r}: install one that fits it"
        )
    if header.get("class") not in CLASSES:
        raise InputError(
            f"{shown(path)} holds a model of class {shown(header.get('class'))}; this fastcls has "
            f"{', '.join(CLASSES)}: install one that has it"
        )


def _restored(name: str, parts: dict[str, Any], arrays: Arrays) -> Any:
    made = _class_of(name)
    unknown = sorted(set(parts["params"]) - set(made._get_param_names()))
    if unknown:
        raise ValueError(f"{name} has no parameter {unknown[0]}")
    model = made(**{key: _param_from(value) for key, value in parts["params"].items() if key not in _OF_THE_MACHINE})
    model._fitted_params = model._params_of_fit()
    n_features = parts["features"]["n"]
    if type(n_features) is not int or n_features < 1 or not isinstance(parts["metadata"], dict):
        raise ValueError("features or metadata of another type")
    model.n_features_in_ = n_features
    if parts["features"]["names"] is not None:
        names = np.array([str(item) for item in parts["features"]["names"]], dtype=object)
        if len(names) != n_features:
            raise ValueError(f"{len(names)} names for {n_features} features")
        model.feature_names_in_ = names
    classes = _decoded_classes(parts["classes"])
    if classes is not None:
        model.classes_ = classes
    model._restore_state(arrays, parts["values"])
    if model.n_features_in_ != n_features:
        raise ValueError(f"arrays of {model.n_features_in_} features where the header says {n_features}")
    model.metadata_ = parts["metadata"]
    return model
