"""Arrays, texts and numbers from a pickle of unknown origin; nothing in it is executed.

The standard library's ``pickletools.genops`` splits a file into opcodes and runs none of them. `_ACTIONS` is the list of
opcodes that are carried out here, `_KNOWN` the list of names that a pickle may use; every other opcode or name is refused.
A name is compared and never imported or called. An array is ``np.frombuffer`` over bytes of the file, made after its shape,
type and size were found to agree. This is enough for a batch of CIFAR: a dictionary of texts, lists of whole numbers and
texts, and one array of bytes.

Memory is bounded by a few times the size of the file: strings are read once, the memo is a dictionary (Python's own
reserves as much as the file names), and nothing is repeated.
"""

from __future__ import annotations

import math
import pickletools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import kind, quoted

_MAX_DIMENSIONS = 4
_MARK = object()


@dataclass(frozen=True)
class _Name:
    """A global that the pickle names: 'module name', recorded and never looked up."""

    text: str


_ENCODE = _Name("_codecs encode")  # how Python 3 writes bytes in protocol 2
_NDARRAY, _DTYPE = _Name("numpy ndarray"), _Name("numpy dtype")
_RECONSTRUCT = (_Name("numpy.core.multiarray _reconstruct"), _Name("numpy._core.multiarray _reconstruct"))
_KNOWN = {_ENCODE, _NDARRAY, _DTYPE, *_RECONSTRUCT}


class _Bytes:
    """The dtype of unsigned bytes, the only dtype that is read."""


class _Array:
    """An array that the pickle announces; empty until its state is read."""

    value: np.ndarray | None = None


class _RefusedError(Exception):
    """What is wrong with a pickle, as the predicate of a sentence about the file."""


def read_pickle(content: bytes, path: Path | str) -> dict[str, Any]:
    """Return the dictionary in a pickle of arrays, texts and numbers.

    Parameters
    ----------
    content : bytes
        The whole pickle.
    path : path
        Its name, for error messages.

    Returns
    -------
    dict
        Keys are text; values are int, bool, None, str, bytes, lists, tuples, dictionaries and read-only uint8 arrays.

    Raises
    ------
    InputError
        If the pickle names any global except those of NumPy's arrays of bytes, is truncated or continues after its end,
        or an array's shape and bytes disagree. Nothing in it was executed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # genops warns of bad escapes in the arguments of opcodes that are refused
            found = _Machine().run(content)
    except _RefusedError as refusal:
        raise InputError(
            f"{quoted(path)} {refusal}; nothing in it was executed: download the file again from its source"
        ) from None
    except (IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError):
        raise InputError(
            f"{quoted(path)} is a damaged or truncated pickle; nothing in it was executed: download it again"
        ) from None
    if not isinstance(found, dict):
        raise InputError(f"{quoted(path)} is a pickle of {kind(found)}; wanted a dictionary: download it again")
    return {key.decode("latin-1") if isinstance(key, bytes) else key: _plain(value) for key, value in found.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.value
    return None if isinstance(value, _Name | _Bytes) else value


class _Machine:
    """The stack and the memo that opcodes work on. A wrong index or type in a damaged file raises Python's own error."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self, content: bytes) -> Any:
        place: int | None = None
        for opcode, argument, place in pickletools.genops(content):  # noqa: B007
            act = _ACTIONS.get(opcode.name)
            if act is None:
                raise _RefusedError(f"uses the pickle opcode {opcode.name}, which no array of bytes needs")
            act(self, argument)
        if place != len(content) - 1 or len(self.stack) != 1:
            raise ValueError("something after the end")
        return self.stack[0]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def since_mark(self) -> list[Any]:
        items = []
        while (value := self.stack.pop()) is not _MARK:
            items.append(value)
        return items[::-1]

    def push_tuple(self, n: int) -> None:
        if len(self.stack) < n:
            raise IndexError("too short a stack")
        self.stack[-n:] = [tuple(self.stack[-n:])]

    def extend(self, values: list[Any]) -> None:
        _checked(self.stack[-1], list).extend(values)

    def set_items(self, values: list[Any]) -> None:
        target = _checked(self.stack[-1], dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_checked(key, str, bytes)] = value

    def push_name(self, text: str) -> None:
        name = _Name(text)
        if name not in _KNOWN:
            raise _RefusedError(f"is a pickle that names {_quoted(name)}; only arrays of bytes are read")
        self.stack.append(name)

    def push_name_from_stack(self) -> None:
        name, module = _checked(self.stack.pop(), str), _checked(self.stack.pop(), str)
        self.push_name(f"{module} {name}")

    def reduce(self) -> None:
        arguments, called = _checked(self.stack.pop(), tuple), self.stack.pop()
        if called == _ENCODE:
            text, encoding = arguments
            if encoding != "latin1":
                raise _RefusedError(f"is a pickle that encodes text as {_quoted(encoding)}; only latin1 is read")
            self.stack.append(_checked(text, str).encode("latin-1"))
        elif called in _RECONSTRUCT and arguments[0] == _NDARRAY:
            self.stack.append(_Array())
        elif called == _DTYPE:
            if arguments[0] not in ("u1", b"u1"):
                raise _RefusedError(f"holds an array of dtype {_quoted(arguments[0])}; only bytes (u1) are read")
            self.stack.append(_Bytes())
        else:
            raise _RefusedError(f"is a pickle that calls {_quoted(called)}; only arrays of bytes are read")

    def build(self) -> None:
        state, target = _checked(self.stack.pop(), tuple), self.stack[-1]
        if isinstance(target, _Array) and target.value is None:
            _, shape, dtype, fortran, content = state
            _checked(dtype, _Bytes)
            target.value = _array(_checked(shape, tuple), bool(fortran), _checked(content, bytes))
        elif not isinstance(target, _Bytes):  # the state of a dtype is its byte order, which bytes do not have
            raise _RefusedError(f"is a pickle that sets the state of {kind(target)}; only arrays of bytes are read")


def _array(shape: tuple[Any, ...], fortran: bool, content: bytes) -> np.ndarray:
    """The read-only array of this shape over these bytes, if their number is the shape's."""
    if len(shape) > _MAX_DIMENSIONS or not all(type(size) is int and size >= 0 for size in shape):
        raise _RefusedError("holds an array whose shape is not a few whole numbers")
    if math.prod(shape) != len(content):
        raise _RefusedError(f"holds an array of shape {shape} with {len(content):,} bytes, not {math.prod(shape):,}")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape, order="F" if fortran else "C")


def _quoted(value: Any) -> str:
    """A value for a message. A tuple of tuples, written out, can be longer than memory, so only its type is named."""
    if isinstance(value, _Name):
        value = value.text.replace(" ", ".")
    return quoted(value, 80) if isinstance(value, str | bytes) else f"a value of type {type(value).__name__}"


def _checked(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds):
        raise TypeError(f"{type(value).__name__} where {kinds[0].__name__} should be")
    return value


_Action = Callable[[_Machine, Any], Any]
_ACTIONS: dict[str, _Action] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda m, _: None),
    **dict.fromkeys(("BININT1", "BININT2", "BININT"), _Machine.push),
    **dict.fromkeys(("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"), _Machine.push),
    **dict.fromkeys(("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"), _Machine.push),
    # Python 2's str, which genops decodes
    **dict.fromkeys(("SHORT_BINSTRING", "BINSTRING"), lambda m, text: m.push(text.encode("latin-1"))),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _Machine.put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda m, place: m.push(m.memo[place])),
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
    "MARK": lambda m, _: m.push(_MARK),
    "NONE": lambda m, _: m.push(None),
    "NEWTRUE": lambda m, _: m.push(True),
    "NEWFALSE": lambda m, _: m.push(False),
    "EMPTY_TUPLE": lambda m, _: m.push(()),
    "TUPLE1": lambda m, _: m.push_tuple(1),
    "TUPLE2": lambda m, _: m.push_tuple(2),
    "TUPLE3": lambda m, _: m.push_tuple(3),
    "TUPLE": lambda m, _: m.push(tuple(m.since_mark())),
    "EMPTY_LIST": lambda m, _: m.push([]),
    "APPEND": lambda m, _: m.extend([m.stack.pop()]),
    "APPENDS": lambda m, _: m.extend(m.since_mark()),
    "EMPTY_DICT": lambda m, _: m.push({}),
    "SETITEM": lambda m, _: m.set_items([m.stack.pop(), m.stack.pop()][::-1]),
    "SETITEMS": lambda m, _: m.set_items(m.since_mark()),
    "GLOBAL": _Machine.push_name,
    "STACK_GLOBAL": lambda m, _: m.push_name_from_stack(),
    "REDUCE": lambda m, _: m.reduce(),
    "BUILD": lambda m, _: m.build(),
}
