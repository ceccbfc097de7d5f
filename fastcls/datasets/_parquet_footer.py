"""Sizes of the columns of a Parquet file, read from its footer.

pyarrow gives them too, but an exception of C++ leaves its description of a column whose statistics are damaged, and ends the
process. The footer is a struct in Thrift's compact protocol; here it is read far enough to find the columns of row groups.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_MAGIC = b"PAR1"
_MOST_DEPTH = 32
_TRUE, _FALSE, _I8, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 1, 2, 3, 7, 8, 9, 10, 11, 12, 13
_INTEGERS = (4, 5, 6)  # of 16, 32 and 64 bits: all are written alike
_SIZE_OF = {_I8: 1, _DOUBLE: 8, _UUID: 16}
# fields of parquet.thrift
_ROW_GROUPS, _COLUMNS, _META_DATA = 4, 1, 3
_PATH, _NUM_VALUES, _UNCOMPRESSED = 3, 5, 6


class ColumnChunk(NamedTuple):
    """One column of one row group."""

    path: str  # parts of a list or a struct are joined by dots, as in pyarrow's path_in_schema
    num_values: int
    uncompressed_bytes: int


def column_chunks(file: Path) -> Iterator[ColumnChunk]:
    """Every column of every row group.

    Raises
    ------
    ValueError
        If the footer is damaged.
    """
    footer = _Compact(_footer(file)).struct()
    for group in _list(footer, _ROW_GROUPS):
        for column in _list(group, _COLUMNS):
            described = column.get(_META_DATA)
            if not isinstance(described, dict):
                raise ValueError("a column without a description")
            path, n_values, n_bytes = _list(described, _PATH), described.get(_NUM_VALUES), described.get(_UNCOMPRESSED)
            if not all(isinstance(part, bytes) for part in path):
                raise ValueError("a column without a path")
            if not isinstance(n_values, int) or not isinstance(n_bytes, int) or min(n_values, n_bytes) < 0:
                raise ValueError("a column without sizes")
            yield ColumnChunk(b".".join(path).decode(), n_values, n_bytes)


def _footer(file: Path) -> bytes:
    with file.open("rb") as opened:
        size = opened.seek(0, os.SEEK_END)
        opened.seek(max(0, size - 8))
        tail = opened.read(8)
        length = int.from_bytes(tail[:4], "little")
        if tail[4:] != _MAGIC or length > size - 12:
            raise ValueError("no footer of Parquet")
        opened.seek(size - 8 - length)
        return opened.read(length)


def _list(struct: Any, field: int) -> list[Any]:
    found = struct.get(field) if isinstance(struct, dict) else None
    if not isinstance(found, list):
        raise ValueError("a footer without its lists")
    return found


class _Compact:
    """A reader of Thrift's compact protocol: structs as dicts by the number of the field, text as bytes."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def struct(self, depth: int = 0) -> dict[int, Any]:
        """The struct that begins here."""
        if depth > _MOST_DEPTH:
            raise ValueError("structs are nested too deeply")
        found: dict[int, Any] = {}
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self._integer()
            type_ = head & 15
            found[field] = type_ == _TRUE if type_ in (_TRUE, _FALSE) else self._value(type_, depth)
        return found

    def _value(self, type_: int, depth: int) -> Any:
        if type_ in _INTEGERS:
            return self._integer()
        if type_ == _BINARY:
            return self._bytes(self._varint())
        if type_ == _STRUCT:
            return self.struct(depth + 1)
        if type_ in (_LIST, _SET):
            head = self._byte()
            return self._values(head & 15, self._varint() if head >> 4 == 15 else head >> 4, depth + 1)
        if type_ == _MAP:
            n = self._varint()
            types = self._byte() if n else 0
            return [(self._item(types >> 4, depth + 1), self._item(types & 15, depth + 1)) for _ in self._counted(n)]
        if type_ in _SIZE_OF:
            return self._bytes(_SIZE_OF[type_])
        raise ValueError("a value of an unknown type")

    def _values(self, type_: int, n: int, depth: int) -> list[Any]:
        return [self._item(type_, depth) for _ in self._counted(n)]

    def _item(self, type_: int, depth: int) -> Any:
        """One of a list or a map: a switch takes a byte there."""
        if depth > _MOST_DEPTH:
            raise ValueError("lists are nested too deeply")
        return self._bytes(1) if type_ in (_TRUE, _FALSE) else self._value(type_, depth)

    def _counted(self, n: int) -> range:
        """Each takes a byte or more."""
        if n > len(self.content) - self.at:
            raise ValueError("more values than the footer has bytes")
        return range(n)

    def _byte(self) -> int:
        if self.at >= len(self.content):
            raise ValueError("the footer ends too early")
        self.at += 1
        return self.content[self.at - 1]

    def _bytes(self, n: int) -> bytes:
        if n > len(self.content) - self.at:
            raise ValueError("the footer ends too early")
        self.at += n
        return self.content[self.at - n : self.at]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) >= 128:
            value |= (byte & 127) << shift
            shift += 7
            if shift > 63:
                raise ValueError("a number of more than 64 bits")
        return value | byte << shift

    def _integer(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)
