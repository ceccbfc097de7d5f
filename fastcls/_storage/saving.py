"""Models in files: a safetensors file with the arrays of the fitted state and a header that describes them."""

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
from fastcls._validation.base import check_switch, one_of
from fastcls._validation.errors import InputError
from fastcls._validation.paths import check_path

from .atomic import holds_model, replacing
from .external_rows import map_under
from .header import OF_THE_MACHINE, decoded_classes, header_of, param_from
from .safetensors import Arrays, Saved, write


class SaveMixin:
    """`save` for an estimator that implements `_saved_state` and `_restore_state`.

    A file holds the parameters of the fit: `set_params` after `fit` changes the next fit, not the fitted model. Parameters
    that are read whenever the model is used (`_read_when_used`) are saved with their current values.
    """

    _read_when_used: tuple[str, ...] = ("n_jobs", "callbacks")
    _fitted_params: Mapping[str, Any] = {}

    def _params_of_fit(self) -> dict[str, Any]:
        """Current values of the parameters that a fit reads; containers are copied, as they could change later."""
        params = self.get_params(deep=False)  # type: ignore[attr-defined]
        kept = {name: value for name, value in params.items() if name not in self._read_when_used}
        if not (kept.get("random_state") is None or isinstance(kept["random_state"], numbers.Integral)):
            del kept["random_state"]  # a generator has advanced during the fit, and no file can hold it
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
            An existing file is replaced only after the new one is complete on disk.
        metadata : dict, optional
            JSON-serializable information to store with the model; `fastcls.load` returns it as ``metadata_``. The
            ``metadata_`` of a loaded model is written again only if it is given here.

        Raises
        ------
        InputError
            If a parameter is not a plain value (a callable, a RandomState), or the path cannot be written.
        sklearn.exceptions.NotFittedError
            Before fit.

        Notes
        -----
        The file holds the parameters of the fit, even if `set_params` has changed them since. k-NN models read
        `n_neighbors`, `weights`, `temperature`, `tie_break` and `algorithm` at each use; their current values are saved.
        """
        save(self, path, metadata)

    def __getstate__(self) -> dict[str, Any]:
        """State for pickle, joblib and skops, with memory maps as plain arrays: skops cannot write maps."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        return {name: np.asarray(value) if type(value) is np.memmap else value for name, value in state.items()}

    def _saved_state(self) -> tuple[Saved, dict[str, Any]]:
        """Arrays and JSON-serializable values of the fitted state, without classes and feature names.

        An array may come as a list of parts, to be concatenated.
        """
        raise NotImplementedError

    def _restore_state(self, arrays: Arrays, values: dict[str, Any]) -> None:
        """Restore the fitted state from `_saved_state`; `classes_` is already set. Arrays may be read-only memory maps.

        The file may be damaged: read arrays through `expect`, and raise KeyError, TypeError or ValueError for anything
        invalid.
        """
        raise NotImplementedError

    def _training_rows(self) -> list[np.ndarray] | None:
        """Chunks of the training rows; None for a model that keeps none."""
        return None

    def _verify(self, verify: str | bool) -> None:
        """Check large arrays that `_restore_state` has not read, as ``load(verify=)`` says."""


class SaveBestMixin:
    """`save` for a search over settings: it writes the best estimator."""

    best_estimator_: Any

    def save(self, path: str | os.PathLike[str], *, metadata: Mapping[str, Any] | None = None) -> None:
        """Write `best_estimator_` to one safetensors file; `fastcls.load` returns that estimator, not the search.

        To keep results of the search, give them as metadata, such as ``{"accuracy": search.best_score_}``.

        Parameters
        ----------
        path, metadata : as of ``best_estimator_.save``

        Raises
        ------
        InputError
            If a parameter is not a plain value (a callable, a RandomState), or the path cannot be written.
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
        An existing file is replaced only after the new one is complete on disk.
    metadata : dict, optional
        JSON-serializable information to store with the model; `load` returns it as ``metadata_``.
    rows, codes
        For k-NN models, see ``KNeighborsClassifier.save``.

    Raises
    ------
    InputError
        If the model cannot be saved, the metadata is not JSON, or the file cannot be written.
    sklearn.exceptions.NotFittedError
        Before fit.
    """
    check_path(path, "a file to write the model to")
    one_of("rows", rows, ["embedded", "external"])
    check_switch("codes", codes)
    if isinstance(model, SaveBestMixin):
        model.save(path, metadata=metadata)
        return
    if not isinstance(model, SaveMixin) or type(model).__module__.partition(".")[0] != "fastcls":
        raise InputError(f"{type(model).__name__} cannot be saved; wanted one of fastcls's own estimators")
    model = frozen(model)
    check_is_fitted(model)
    options: dict[str, Any] = {} if rows == "embedded" else {"folder": Path(os.path.realpath(path)).parent}
    options |= {} if codes else {"codes": False}
    if options and model._training_rows() is None:
        raise InputError(f"{type(model).__name__} has no training rows; rows and codes are for k-NN models: omit them")
    arrays, values = model._saved_state(**options)
    header = header_of(model, metadata, values)
    with replacing(path, "the model", inputs=_files_of_rows(model), is_model=True) as file:
        write(file, arrays, header)


def _files_of_rows(model: Any) -> list[str]:
    """Files that hold the model's training rows, except a model file it was loaded from, which may be replaced."""
    maps = [map_under(chunk) for chunk in model._training_rows() or ()]
    files = dict.fromkeys(str(mapped.filename) for mapped in maps if mapped is not None)
    return [file for file in files if not holds_model(file)]


def restored(kind: type[Any], parts: Mapping[str, Any], arrays: Arrays) -> Any:
    """The model of a file.

    Parameters
    ----------
    kind : class of the estimator
    parts : dict
        What `header_of` wrote, decoded: params, classes, features, values, metadata.
    arrays : Arrays

    Returns
    -------
    estimator

    Raises
    ------
    KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError, MemoryError
        If the file is damaged.
    """
    unknown = sorted(set(parts["params"]) - set(kind._get_param_names()))
    if unknown:
        raise ValueError(f"{kind.__name__} has no parameter {unknown[0]}")
    model = kind(**{key: param_from(value) for key, value in parts["params"].items() if key not in OF_THE_MACHINE})
    model._fitted_params = model._params_of_fit()
    n_features = parts["features"]["n"]
    if type(n_features) is not int or n_features < 1 or not isinstance(parts["metadata"], dict):
        raise ValueError("features or metadata have the wrong type")
    model.n_features_in_ = n_features
    if parts["features"]["names"] is not None:
        names = np.array([str(item) for item in parts["features"]["names"]], dtype=object)
        if len(names) != n_features:
            raise ValueError(f"{len(names)} names for {n_features} features")
        model.feature_names_in_ = names
    classes = decoded_classes(parts["classes"])
    if classes is not None:
        model.classes_ = classes
    model._restore_state(arrays, parts["values"])
    if model.n_features_in_ != n_features:
        raise ValueError(f"arrays have {model.n_features_in_} features, but the header says {n_features}")
    model.metadata_ = parts["metadata"]
    return model


def verify_arrays(model: Any, verify: str | bool) -> None:
    """Check large arrays of a restored model, as ``load(verify=)`` says."""
    model._verify(verify)
