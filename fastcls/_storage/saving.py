"""`save` of estimators: a safetensors file with arrays of the fitted state, and a header that says what they are."""

from __future__ import annotations

import copy
import numbers
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from fastcls._runtime.fitted_state import frozen
from fastcls._validation.errors import InputError

from .atomic import holds_model, replacing
from .external_rows import map_under
from .header import header_of
from .safetensors import Arrays, Saved, write


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

    def _verify(self, verify: str | bool) -> None:
        """Do as ``load(verify=)`` says with large arrays that `_restore_state` has not read."""


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


def save(
    model: Any,
    path: str | os.PathLike[str],
    metadata: Mapping[str, Any] | None = None,
    *,
    rows: str = "embedded",
    codes: bool = True,
) -> None:
    """Write a fitted model to one safetensors file: whole, or not at all. The same as ``model.save(path)``.

    Parameters
    ----------
    model : estimator of fastcls
    path : str or path
        The file; an older one is replaced only once the new one is complete on disk.
    metadata : dict, optional
        What shall travel with the model, as JSON knows it: `load` hands it back as ``metadata_``.
    rows, codes
        For k-NN models, see ``KNeighborsClassifier.save``.
    """
    if isinstance(model, SaveBestMixin):
        model.save(path, metadata=metadata)
        return
    if not isinstance(model, SaveMixin) or type(model).__module__.partition(".")[0] != "fastcls":
        raise InputError(f"{type(model).__name__} cannot be saved; wanted one of fastcls's own estimators")
    model = frozen(model)
    check_is_fitted(model)
    options: dict[str, Any] = {} if rows == "embedded" else {"folder": Path(os.path.realpath(path)).parent}
    options |= {} if codes else {"codes": False}
    if options and not hasattr(model, "_rows"):
        raise InputError(f"{type(model).__name__} has no training rows; rows and codes are for k-NN models: omit them")
    arrays, values = model._saved_state(**options)
    header = header_of(model, metadata, values)
    with replacing(path, "the model", inputs=_files_of_rows(model), is_model=True) as file:
        write(file, arrays, header)


def _files_of_rows(model: Any) -> list[str]:
    """The files that hold the model's training rows; not a model that it was loaded from, which a new one may replace."""
    rows = getattr(model, "_rows", None)
    maps = [] if rows is None else [map_under(chunk) for chunk in rows.chunks]
    files = dict.fromkeys(str(mapped.filename) for mapped in maps if mapped is not None)
    return [file for file in files if not holds_model(file)]
