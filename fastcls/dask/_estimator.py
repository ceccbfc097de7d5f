"""What all estimators over a cluster share: a client that is never copied, and what they leave to one process."""

from __future__ import annotations

import copy
import inspect
from typing import Any

from sklearn.base import clone

from fastcls._validation.errors import InputError

from ._sources import is_described, labels_of
from ._validation import check_client


def takes_also(init: Any, base: type) -> Any:
    """`init`, with the signature of the base class's and its own keywords behind: scikit-learn reads parameters from it."""
    of_base = list(inspect.signature(base.__init__).parameters.values())  # type: ignore[misc]
    names = {p.name for p in of_base}
    own = [p for p in inspect.signature(init).parameters.values() if p.kind is p.KEYWORD_ONLY and p.name not in names]
    init.__signature__ = inspect.Signature([*of_base, *own])
    return init


class OverCluster:
    """An estimator whose `client` belongs to this process: copies share it, pickles leave it out."""

    client: Any

    def __sklearn_clone__(self) -> Any:
        params = self.get_params(deep=False)  # type: ignore[attr-defined]
        client = params.pop("client")
        made: Any = type(self)
        copied = made(client=client, **{name: clone(value, safe=False) for name, value in params.items()})
        for name in ("_metadata_request", "_sklearn_output_config"):
            if name in self.__dict__:
                copied.__dict__[name] = copy.deepcopy(self.__dict__[name])
        return copied

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())  # type: ignore[call-overload]
        state["client"] = None
        state.pop("_crew", None)
        return state

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Share of rows named rightly; X and y as for `fit`, or as for one process."""
        client = check_client(self.client) if is_described(X) or is_described(y) else None
        return super().score(X, labels_of(y, client), labels_of(sample_weight, client, "sample_weight"))  # type: ignore[misc]

    @property
    def partial_fit(self) -> Any:
        """Not over a cluster: the rows of a fit lie on the workers."""
        raise AttributeError(
            f"fastcls.dask.{type(self).__name__} has no partial_fit; fit all rows anew, or use fastcls.{type(self).__name__}"
        )


def refuse_saving(name: str) -> InputError:
    """A model whose rows lie where the workers see them is no file."""
    return InputError(
        f"fastcls.dask.{name} cannot be saved: its rows stay in the files or arrays they were fitted from; "
        f"fit fastcls.{name} on them to save a model"
    )
