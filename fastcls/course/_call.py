"""Calls of a learner's function: with copies, without its output, and with its errors as results."""

from __future__ import annotations

import contextlib
import copy
import inspect
import os
import sysconfig
import traceback
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import kind, printable


@dataclass(frozen=True)
class Outcome:
    """What a call returned, or how it failed.

    Attributes
    ----------
    value : object
    error : str
        Empty, or the exception and its line, as `described` has them.
    changed : tuple of str
        Arguments that the call changed in place.
    """

    value: Any = None
    error: str = ""
    changed: tuple[str, ...] = ()


def call(function: Callable[..., Any], names: str, *arguments: Any, **options: Any) -> Outcome:
    """Call a function quietly with copies of its arguments.

    Parameters
    ----------
    function : callable
    names : str
        The names of the arguments, for `Outcome.changed`, separated by spaces.
    *arguments, **options
    """
    given = [copy.deepcopy(one) if isinstance(one, np.ndarray) else one for one in arguments]
    try:
        with (
            open(os.devnull, "w", encoding="utf-8", errors="backslashreplace") as quiet,
            contextlib.redirect_stdout(quiet),
            contextlib.redirect_stderr(quiet),
            warnings.catch_warnings(),
            np.errstate(all="ignore"),
        ):
            warnings.simplefilter("ignore")
            value = function(*given, **options)
    except (Exception, SystemExit) as error:
        return Outcome(error=described(error))
    changed = tuple(
        name
        for name, before, after in zip(names.split(), arguments, given, strict=False)
        if isinstance(before, np.ndarray) and not _same(before, after)
    )
    return Outcome(value, "", changed)


def _same(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether an array is unchanged but for the rounding of a number that was changed and restored."""
    return before.shape == after.shape and np.allclose(before, after, rtol=1e-9, atol=1e-11, equal_nan=True)


#: Characters of an exception's message, and of a name, that are shown.
_MESSAGE, _NAME = 160, 40


def described(error: BaseException) -> str:
    """One line: the exception, the beginning of its message, and the last line of the learner's code that it passed."""
    try:
        message = " ".join(str(error).split())
    except Exception:  # of the learner's own class
        message = ""
    name = _cut(type(error).__name__, _NAME)
    text = f"{name}: {_cut(message, _MESSAGE)}" if message else name
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_library(frame.filename)]
    if not own:
        return text
    return f"{text} ({_cut(os.path.basename(own[-1].filename), _NAME)}:{own[-1].lineno}, in {_cut(own[-1].name, _NAME)})"


def _cut(text: str, length: int) -> str:
    text = printable(text[: length + 1])
    return text if len(text) <= length else f"{text[: length - 3]}..."


_LIBRARIES = (
    sysconfig.get_paths()["stdlib"],
    sysconfig.get_paths()["purelib"],
    sysconfig.get_paths()["platlib"],
    "<__array",
)


def _is_library(filename: str) -> bool:
    return os.path.dirname(filename) == os.path.dirname(__file__) or filename.startswith(_LIBRARIES)


def as_array(value: Any) -> np.ndarray | None:
    """A result as a float64 array, or None if it holds no numbers."""
    try:
        found = np.asarray(value)
        return None if found.dtype.kind not in "biuf" else found.astype(np.float64)
    except (TypeError, ValueError):
        return None


class Method:
    """A function of the k-NN classifier: a method with the training rows in ``self``, or a function that takes them.

    Parameters
    ----------
    given : class, object, method or function
        A class or an object that has the method; a method; a function whose first argument is ``self``; or a function that
        takes the training rows (distances) or the training labels (votes) as a second argument.
    name : str
        The name of the method.
    training : str
        The name of the second argument: ``X_train`` or ``y_train``.
    """

    def __init__(self, given: Any, name: str, training: str) -> None:
        self.name, self.training = name, training
        self.function: Callable[..., Any] | None = None
        self.owner: Any = None
        if inspect.isclass(given) or not callable(given):
            if not callable(getattr(given, name, None)):
                raise InputError(f"{kind(given) if not inspect.isclass(given) else given.__name__} has no method {name}")
            self.owner = given
        elif inspect.ismethod(given):
            self.owner, self.name = given.__self__, given.__name__
        else:
            names = list(parameters(given))
            self.function = given
            if names[:1] == ["self"]:
                self.owner = _class_of(given)
            elif len(names) < 2:
                raise InputError(
                    f"{getattr(given, '__name__', name)} takes {len(names)} of the arguments (X, {training}): give a method "
                    f"of a class that has self.{training}, or a function that takes both"
                )

    def __call__(self, X_train: np.ndarray | None, y_train: np.ndarray, *arguments: Any, **options: Any) -> Any:
        """Call the method of a new object that holds these rows and labels."""
        if self.owner is not None:
            owner = self.owner() if inspect.isclass(self.owner) else copy.copy(self.owner)
            _train(owner, X_train, y_train)
            bound = getattr(owner, self.name, None) if self.function is None else types.MethodType(self.function, owner)
            assert bound is not None
            return _invoked(bound, arguments, options)
        assert self.function is not None
        training = X_train if self.training == "X_train" else y_train
        if self.training in parameters(self.function):
            return _invoked(self.function, arguments, {self.training: training, **options})
        return _invoked(self.function, (*arguments, training), options)


def _invoked(function: Callable[..., Any], arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Call with options by name; by position if the function has other names for them."""
    known = parameters(function)
    by_name = all(name in known for name in options) or any(one.kind is one.VAR_KEYWORD for one in known.values())
    return function(*arguments, **options) if by_name else function(*arguments, *options.values())


def parameters(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters of a function; none if Python cannot know them."""
    try:
        return dict(inspect.signature(function).parameters)
    except (TypeError, ValueError):
        return {}


def _class_of(function: Any) -> Any:
    """The class that a function was defined in, if it can be found, else a plain object."""
    owner = getattr(function, "__globals__", {}).get(function.__qualname__.partition(".")[0])
    if inspect.isclass(owner) and getattr(owner, function.__name__, None) is function:
        return owner
    return types.SimpleNamespace()


def _train(owner: Any, X_train: np.ndarray | None, y_train: np.ndarray) -> None:
    """Store the training rows as the class does, and under the names of the assignment."""
    if callable(getattr(owner, "train", None)):
        with contextlib.suppress(Exception):
            owner.train(X_train, y_train)
    owner.X_train, owner.y_train = X_train, y_train
