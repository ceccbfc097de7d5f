"""What all estimators over a cluster share: a client that is never copied, and the methods that refuse."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from sklearn.base import clone

from fastcls._validation.errors import InputError

from ._sources import is_described, labels_of
from ._validation import check_client


def extend_signature(init: Any, base: type) -> Any:
    """`init`, with the base class's signature followed by its own keywords: scikit-learn reads parameters from it."""
    inherited = list(inspect.signature(base.__init__).parameters.values())  # type: ignore[misc]
    names = {p.name for p in inherited}
    own = [p for p in inspect.signature(init).parameters.values() if p.kind is p.KEYWORD_ONLY and p.name not in names]
    init.__signature__ = inspect.Signature([*inherited, *own])
    return init


class OverCluster:
    """An estimator whose `client` belongs to this process: copies share it, pickles leave it out."""

    # Paths in X are files of rows, not images.
    _reads_files_of_rows = True

    client: Any

    def __sklearn_clone__(self) -> Any:
        params = self.get_params(deep=False)  # type: ignore[attr-defined]
        client = params.pop("client")
        kind: Any = type(self)
        copied = kind(client=client, **{name: clone(value, safe=False) for name, value in params.items()})
        for name in ("_metadata_request", "_sklearn_output_config"):
            if name in self.__dict__:
                copied.__dict__[name] = copy.deepcopy(self.__dict__[name])
        return copied

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]
        state["client"] = None
        state.pop("_workers", None)
        return state

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy: the share of rows whose label is predicted correctly, between 0 and 1.

        Parameters
        ----------
        X : as for `fit`, or array-like of shape (n_rows, n_features)
        y : as for `fit`, or array-like of shape (n_rows,)
        sample_weight : as y, optional

        Returns
        -------
        float

        Raises
        ------
        InputError
            For data that cannot be read, or if it is on workers and there is no cluster.
        sklearn.exceptions.NotFittedError
            Before fit.
        """
        client = check_client(self.client) if is_described(X) or is_described(y) else None
        return super().score(X, labels_of(y, client), labels_of(sample_weight, client, "sample_weight"))  # type: ignore[misc]

    @property
    def partial_fit(self) -> Any:
        """Not available over a cluster: raises AttributeError."""
        raise AttributeError(
            f"fastcls.dask.{type(self).__name__} has no partial_fit: call fit with all rows, or use "
            f"fastcls.{type(self).__name__}"
        )


def refuse_saving(name: str) -> InputError:
    """The error for saving a model that does not hold its rows."""
    return InputError(
        f"fastcls.dask.{name} cannot be saved: its rows stay in the files or arrays it was fitted on; "
        f"fit fastcls.{name} on them to save a model"
    )
