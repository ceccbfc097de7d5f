"""One fitted state for the duration of a call, while another thread fits the same estimator.

The state of an estimator is its ``__dict__``. `frozen` copies it in one step and `publish` replaces it in one step, so a
call answers from one fit, never from parts of two.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

from fastcls._validation.rows import remember_features

_Method = TypeVar("_Method", bound=Callable[..., Any])

_LIVE = "_live_estimator"  # in a frozen estimator: the estimator it was copied from


def frozen(estimator: Any) -> Any:
    """The estimator in its current state: a shallow copy that no other thread changes."""
    if _LIVE in estimator.__dict__:
        return estimator
    made = object.__new__(type(estimator))
    made.__dict__.update(estimator.__dict__)
    made.__dict__[_LIVE] = estimator
    return made


def live(estimator: Any) -> Any:
    """The estimator that a frozen one was copied from; any other estimator is returned as it is."""
    return estimator.__dict__.get(_LIVE, estimator)


def publish(estimator: Any, X: Any = None, **fitted: Any) -> None:
    """Set the results of a fit in one step; with X, also the number and the names of its features."""
    estimator = live(estimator)
    made = object.__new__(type(estimator))
    made.__dict__.update(estimator.__dict__)
    if X is not None:
        remember_features(made, X)
    made.__dict__.update(fitted)
    estimator.__dict__ = made.__dict__


def fitted_attributes(estimator: Any) -> dict[str, Any]:
    """The fitted attributes, by scikit-learn's naming rule."""
    return {name: value for name, value in vars(estimator).items() if name.endswith("_") and not name.startswith("_")}


def of_one_fit(method: _Method) -> _Method:
    """Decorator: the method reads the estimator's state once, when it is called."""

    @functools.wraps(method)
    def call(self: Any, *args: Any, **options: Any) -> Any:
        return method(frozen(self), *args, **options)

    return call  # type: ignore[return-value]
