"""Arrays, texts and numbers out of a stranger's pickle, of which nothing is ever run.

The file's opcodes are read here, one by one; Python's own ``pickle`` has no part in it. What a batch of CIFAR needs is
known: a dictionary of texts, lists of whole numbers and of texts, and one array of bytes. So there is a short list of
opcodes and a short list of names. A name becomes an inert ``_Name``: it is compared, never imported, never called. An
array is ``np.frombuffer`` over the file's own bytes, made after its shape, its type and its size were found to agree.
Whatever else a pickle may ask for is refused with the name it asked for.

Memory is bounded by the file: the memo is a dictionary (Python's own reserves as much as the file names), nothing is
repeated, and long strings of bytes are views.

Format: ``pickletools.py`` in Python's own library describes every opcode; protocols 0 to 4, of which 0's text forms are
left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import kind, shown

_VIEWED_FROM = 1 << 16  # bytes; shorter strings are copied, longer ones are views of the file
_SMALL_INTS = re.compile(rb"(?:K.)+", re.DOTALL)
_MOST_DIMENSIONS = 4
_MARK = object()


class _Name(NamedTuple):
    """A global that the pickle names: recorded, never looked up."""

    module: str
    name: str


_ENCODE = _Name("_codecs", "encode")  # how Python 3 writes bytes under protocol 2
_NDARRAY, _DTYPE = _Name("numpy", "ndarray"), _Name("numpy", "dtype")
_RECONSTRUCT = (_Name("numpy.core.multiarray", "_reconstruct"), _Name("numpy._core.multiarray", "_reconstruct"))
_KNOWN = {_ENCODE, _NDARRAY, _DTYPE, *_RECONSTRUCT}


class _Bytes:
    """The dtype of unsigned bytes, the only one there is here."""


class _Array:
    """An array that the pickle announces, empty until its state is read."""

    value: np.ndarray | None = None


class _RefusedError(Exception):
    """What the pickle asks for and does not get."""


def read_pickle(content: bytes | memoryview, path: Path | str) -> dict[str, Any]:
    """Return the dictionary in a pickle of arrays, texts and numbers.

    Parameters
    ----------
    content : bytes
        The whole pickle.
    path : path
        Its name, for the refusal.

    Returns
    -------
    dict
        Keys as text; values are int, bool, None, str, bytes, lists, tuples, dictionaries and read-only uint8 arrays.

    Raises
    ------
    InputError
        If the pickle names any global but those of NumPy's arrays of bytes, is truncated or goes on after its end, or
        an array's shape and bytes disagree. Nothing in it was run.
    """
    try:
        found = _Machine(content).run()
    except _RefusedError as refusal:
        raise InputError(f"{shown(path)} {refusal}; nothing of it was run: get the file from its source again") from None
    except (IndexError, KeyError, ValueError, TypeError, AttributeError, OverflowError):
        raise InputError(f"{shown(path)} is a damaged or truncated pickle; nothing of it was run: get it again") from None
    if not isinstance(found, dict):
        raise InputError(f"{shown(path)} is a pickle of {kind(found)}; wanted a dictionary")
    return {key.decode("latin-1") if isinstance(key, bytes) else key: _settled(value) for key, value in found.items()}


def _settled(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.value
    if isinstance(value, _Name | _Bytes):
        return None
    return value


class _Machine:
    """The stack and memo that opcodes work on. A wrong index or type on a damaged file raises what Python raises."""

    def __init__(self, content: bytes | memoryview) -> None:
        self.view = memoryview(content).cast("B")
        self.content = content if isinstance(content, bytes) else bytes(content)
        self.at = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        content, acts = self.content, _ACTS
        while True:
            code = content[self.at]
            self.at += 1
            if code == _STOP:
                break
            act = acts.get(code)
            if act is None:
                raise _RefusedError(f"uses the pickle opcode 0x{code:02x}, which no array of bytes needs")
            act(self)
        if self.at != len(content) or len(self.stack) != 1:
            raise ValueError("something after the end")
        return self.stack[0]

    def number(self, size: int, *, signed: bool = False) -> int:
        """The number in the next bytes. Beyond the end it is too small, and `run` finds no further opcode."""
        at = self.at
        self.at = at + size
        return int.from_bytes(self.content[at : at + size], "little", signed=signed)

    def take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self.content):
            raise ValueError("truncated")
        taken = self.content[self.at : end]
        self.at = end
        return taken

    def string(self, width: int) -> bytes | memoryview:
        size = self.number(width)
        if size < _VIEWED_FROM:
            return self.take(size)
        if self.at + size > len(self.content):
            raise ValueError("truncated")
        self.at += size
        return self.view[self.at - size : self.at]

    def line(self) -> str:
        end = self.content.index(b"\n", self.at, self.at + 256)
        text = self.content[self.at : end].decode("ascii", "backslashreplace")
        self.at = end + 1
        return text

    def since_mark(self) -> list[Any]:
        stack = self.stack
        place = len(stack) - 1
        while stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise IndexError("no mark")
        items = stack[place + 1 :]
        del stack[place:]
        return items

    # ------------------------------------------------------------ what an opcode does

    def text(self, width: int) -> None:
        self.stack.append(str(self.string(width), "utf-8"))

    def small_ints(self) -> None:
        """All of a run of one-byte numbers at once: a batch has 10,000 labels in a row."""
        run = _SMALL_INTS.match(self.content, self.at - 1)
        if run is None:
            raise ValueError("truncated")
        self.stack.extend(run[0][1::2])
        self.at = run.end()

    def put(self, width: int) -> None:
        self.memo[self.number(width)] = self.stack[-1]

    def memoize(self) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, width: int) -> None:
        self.stack.append(self.memo[self.number(width)])

    def tuple_of(self, n: int) -> None:
        if len(self.stack) < n:
            raise IndexError("too short a stack")
        self.stack[-n:] = [tuple(self.stack[-n:])]

    def append(self) -> None:
        value = self.stack.pop()
        _checked(self.stack[-1], list).append(value)

    def appends(self) -> None:
        values = self.since_mark()
        _checked(self.stack[-1], list).extend(values)

    def set_items(self, values: list[Any]) -> None:
        target = _checked(self.stack[-1], dict)
        for key, value in zip(values[::2], values[1::2], strict=True):
            target[_checked(key, str, bytes)] = value

    def set_item(self) -> None:
        values = self.stack[-2:]
        del self.stack[-2:]
        self.set_items(values)

    def name(self, module: Any, name: Any) -> None:
        named = _Name(module, name)
        if named not in _KNOWN:
            raise _RefusedError(f"is a pickle that asks for {shown(f'{module}.{name}', 80)}, and only arrays are read")
        self.stack.append(named)

    def stack_name(self) -> None:
        module, name = self.stack[-2:]
        del self.stack[-2:]
        self.name(_checked(module, str), _checked(name, str))

    def reduce(self) -> None:
        arguments = _checked(self.stack.pop(), tuple)
        called = self.stack.pop()
        if called == _ENCODE:
            text, encoding = arguments
            if encoding != "latin1":
                raise _RefusedError(f"is a pickle that encodes text as {_told(encoding)}, and only arrays are read")
            self.stack.append(_checked(text, str).encode("latin-1"))
        elif called in _RECONSTRUCT and arguments[0] == _NDARRAY:
            self.stack.append(_Array())
        elif called == _DTYPE:
            if arguments[0] not in ("u1", b"u1"):
                raise _RefusedError(f"holds an array of dtype {_told(arguments[0])}, and only bytes (u1) are read")
            self.stack.append(_Bytes())
        else:
            raise _RefusedError(f"is a pickle that calls {_told(called)}, and only arrays are read")

    def build(self) -> None:
        state = _checked(self.stack.pop(), tuple)
        target = self.stack[-1]
        if isinstance(target, _Array) and target.value is None:
            _, shape, dtype, fortran, content = state
            _checked(dtype, _Bytes)
            target.value = _array(_checked(shape, tuple), bool(fortran), content)
        elif not isinstance(target, _Bytes):  # a dtype of single bytes has no byte order to be told
            raise _RefusedError(f"is a pickle that sets the state of {kind(target)}, and only arrays are read")


def _array(shape: tuple[Any, ...], fortran: bool, content: Any) -> np.ndarray:
    """The array of this shape over these bytes, if they are as many as it wants."""
    if len(shape) > _MOST_DIMENSIONS or not all(type(size) is int and size >= 0 for size in shape):
        raise _RefusedError("holds an array whose shape is not a few whole numbers")
    there = len(_checked(content, bytes, memoryview))
    if math.prod(shape) != there:
        raise _RefusedError(f"holds an array of shape {shape} with {there:,} bytes, not {math.prod(shape):,}")
    values = np.frombuffer(content, dtype=np.uint8)
    values.flags.writeable = False
    return values.reshape(shape, order="F" if fortran else "C")


def _told(value: Any) -> str:
    """A value for a message. A tuple of tuples can be longer than memory when written out, so only its type is told."""
    return shown(value, 80) if isinstance(value, str | bytes | _Name) else f"a value of type {type(value).__name__}"


def _checked(value: Any, *kinds: type) -> Any:
    if not isinstance(value, kinds) or isinstance(value, _Name):
        raise TypeError(f"{type(value).__name__} where {kinds[0].__name__} should be")
    return value


def _push(value: Callable[[], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(value())


_STOP = ord(".")
_ACTS: dict[int, Callable[[_Machine], Any]] = {
    0x80: lambda m: m.take(1),  # PROTO
    0x95: lambda m: m.take(8),  # FRAME
    ord("("): _push(lambda: _MARK),
    ord("N"): _push(lambda: None),
    0x88: _push(lambda: True),
    0x89: _push(lambda: False),
    ord("K"): _Machine.small_ints,  # BININT1
    ord("M"): lambda m: m.stack.append(m.number(2)),  # BININT2
    ord("J"): lambda m: m.stack.append(m.number(4, signed=True)),  # BININT
    ord("X"): lambda m: m.text(4),  # BINUNICODE
    0x8C: lambda m: m.text(1),  # SHORT_BINUNICODE
    0x8D: lambda m: m.text(8),  # BINUNICODE8
    ord("U"): lambda m: m.stack.append(m.string(1)),  # SHORT_BINSTRING, Python 2's str
    ord("T"): lambda m: m.stack.append(m.string(4)),  # BINSTRING
    ord("C"): lambda m: m.stack.append(m.string(1)),  # SHORT_BINBYTES
    ord("B"): lambda m: m.stack.append(m.string(4)),  # BINBYTES
    0x8E: lambda m: m.stack.append(m.string(8)),  # BINBYTES8
    ord("q"): lambda m: m.put(1),  # BINPUT
    ord("r"): lambda m: m.put(4),  # LONG_BINPUT
    0x94: _Machine.memoize,
    ord("h"): lambda m: m.get(1),  # BINGET
    ord("j"): lambda m: m.get(4),  # LONG_BINGET
    ord(")"): _push(lambda: ()),
    0x85: lambda m: m.tuple_of(1),
    0x86: lambda m: m.tuple_of(2),
    0x87: lambda m: m.tuple_of(3),
    ord("t"): lambda m: m.stack.append(tuple(m.since_mark())),
    ord("]"): _push(list),
    ord("a"): _Machine.append,
    ord("e"): _Machine.appends,
    ord("}"): _push(dict),
    ord("s"): _Machine.set_item,
    ord("u"): lambda m: m.set_items(m.since_mark()),
    ord("c"): lambda m: m.name(m.line(), m.line()),  # GLOBAL
    0x93: _Machine.stack_name,
    ord("R"): _Machine.reduce,
    ord("b"): _Machine.build,
}
