"""Models on disk: one safetensors file each, described by a JSON header. Never pickle.

A file is data: it can name only an estimator of `PACKAGES`, so loading an untrusted model runs no code from it. The header
(all values are text, as safetensors requires)::

    format "fastcls"        version "2"         class "KNeighborsClassifier"        fastcls_version "0.1.0"
    params    {"n_neighbors": 5, ...}           parameters of the estimator
    classes   {"dtype": "<U4", "values": [...]} or null; with several labels per row the values of each, 0 and 1
    features  {"n": 3072, "names": [...] or null}
    values    {...}         plain values of the fitted state; of k-NN models also the filter and the files of external rows
    metadata  {...}         given by the caller: image preprocessing, class names, image shape, data set

Each estimator gives its fitted state as arrays and plain values (`_saved_state`) and restores it (`_restore_state`).
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Sequence
from typing import Any

from fastcls._storage.external_rows import RowsFileError
from fastcls._storage.header import FORMAT, VERSION
from fastcls._storage.safetensors import Arrays, read_header
from fastcls._storage.saving import SaveMixin, restored, save, verify_arrays
from fastcls._validation.base import one_of
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason

__all__ = ["load", "save"]

#: packages whose estimators a file may name; imported when a file names one
PACKAGES = ("fastcls.neighbors", "fastcls.linear")


def classes(packages: Sequence[str] = PACKAGES) -> dict[str, type[Any]]:
    """Class name -> class, of the estimators in these packages' `__all__` that have a saved state."""
    found: dict[str, type[Any]] = {}
    for package in packages:
        module = importlib.import_module(package)
        for name in module.__all__:
            kind = getattr(module, name)
            if isinstance(kind, type) and issubclass(kind, SaveMixin):
                found[name] = kind
    return found


def load(path: str | os.PathLike[str], *, verify: str | bool = "auto") -> Any:
    """Read a model that `save` wrote.

    Arrays of a megabyte and more stay on disk as read-only memory maps, so a k-NN model of any size loads in milliseconds.
    To replace the file, `save` to the same path, which creates a new file. Writing *into* a file that is in use as a model
    makes that model's results undefined.

    Parameters
    ----------
    path : str or path
    verify : {"auto", True, False}
        When to check the training rows of a k-NN model and the codes of its filter (checksums, finite values, a sample of
        the codes). "auto": before the first search if they take up to 2 GB, otherwise never. True: now, with all codes.
        False: never.
        ``search_report_.notes`` gives the time of the check, or says that there was none. All other data is always checked
        now. The levels of a large model's filter are checked before its first search.

    Returns
    -------
    estimator
        Fitted, with ``metadata_``: the dict that was given to `save` (empty if there was none). If it has ``preprocessing``
        and ``class_names`` (`fastcls run` saves them), methods that take rows also take images: paths, bytes, PIL images or
        pixels, one or a list. For images `predict` returns class names; for rows it returns the labels of ``classes_``,
        whose names are ``metadata_["class_names"]``. `score` compares labels of the same kind. See
        ``fastcls.datasets.prepare_images``.

    Raises
    ------
    InputError
        If the file is missing, truncated or damaged, or of another format or version.

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
    if not isinstance(verify, bool):
        one_of("verify", verify, ["auto"], also=", True, False")
    header = read_header(path, "a model file that save wrote")
    kind = _checked_class(header, path)
    try:
        parts = {name: json.loads(header[name]) for name in ("params", "classes", "features", "values", "metadata")}
        model = restored(kind, parts, Arrays(path, header))
    except RowsFileError:  # the model file itself is valid
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError, MemoryError) as error:
        found = f"without {reason(error)}" if isinstance(error, KeyError) else reason(error)
        raise InputError(f"the model file {quoted(path)} is damaged ({found}); save or copy it again") from None
    verify_arrays(model, verify)
    return model


def _checked_class(header: dict[str, str], path: str | os.PathLike[str]) -> type[Any]:
    if header.get("format") != FORMAT:
        raise InputError(f"{quoted(path)} is a safetensors file, but not a fastcls model; give a file that save wrote")
    if header.get("version") != VERSION:
        raise InputError(
            f"{quoted(path)} has model format version {quoted(header.get('version'))}, written by fastcls "
            f"{quoted(header.get('fastcls_version'))}; this fastcls reads version {VERSION!r}: "
            "install a version of fastcls that reads it"
        )
    kind = _class_of(header.get("class"))
    if kind is None:
        raise InputError(
            f"{quoted(path)} holds a model of class {quoted(header.get('class'))}; this fastcls has "
            f"{', '.join(classes())}: install a version of fastcls that has this class"
        )
    return kind


def _class_of(name: str | None) -> type[Any] | None:
    return next((kind for package in PACKAGES for known, kind in classes([package]).items() if known == name), None)
