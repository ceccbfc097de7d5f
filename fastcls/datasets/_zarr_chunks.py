"""Chunks of a zarr array, before they are unpacked: what a chunk expands to is compared with what it may hold.

A decoder makes as many bytes as the packed bytes say, and zarr compares only then. The formats that state their size are
read for it (blosc, lz4, zstd). The others are unpacked in small blocks, which are dropped, up to the size allowed.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason

_BLOCK_BYTES = 1 << 20
_HEADS = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
_NUMBERS = re.compile(r"\d+(?:[./]\d+)*")
_STREAMS: dict[str, Callable[[Any], IO[bytes]]] = {"gzip": gzip.open, "bz2": bz2.open, "lzma": lzma.open}  # type: ignore[dict-item]
#: codecs that expand bytes
_PACKERS = ("blosc", "zlib", *_STREAMS, "zstd", "lz4")
_DAMAGED = (OSError, EOFError, ArithmeticError, ValueError, IndexError, zlib.error, lzma.LZMAError, struct.error)


class Chunks(NamedTuple):
    """How the chunks of an array are packed, and how much one may hold."""

    folder: Path
    codecs: list[str]  # of a chunk
    most: int  # bytes that a chunk may expand to
    n_in_shard: int = 0  # chunks in a file, if files are shards
    index_codecs: Sequence[str] = ()  # of the index of a shard


def check_files(folder: Path) -> None:
    """Refuse an array whose folder holds something that would block a reader."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if not path.is_file():
                raise InputError(f"{quoted(path)} is a pipe, a device or a broken link: remove it from the zarr array")


def check_chunks(chunks: Chunks, first: int, stop: int) -> None:
    """Refuse chunks that expand to more than they may hold, in files `first` to `stop` of the first dimension."""
    packers = [codec for codec in chunks.codecs if codec in _PACKERS]
    if len(packers) > 1:
        raise InputError(f"{quoted(chunks.folder)} is packed twice ({' and '.join(packers)}): write it with one of them")
    if not packers:
        return
    for path in _files(chunks.folder, first, stop):
        try:
            with path.open("rb") as file:
                ends = _in_shard(file, chunks) if chunks.n_in_shard else [(0, path.stat().st_size)]
                sizes = [_expanded(file, begin, end, packers[0], chunks) for begin, end in ends]
        except _DAMAGED as error:
            raise InputError(f"{quoted(path)} is a damaged chunk ({reason(error)}): write the array again") from None
        if max(sizes, default=0) > chunks.most:
            raise InputError(
                f"{quoted(path)} expands to more than the {chunks.most:,} bytes of a chunk: write the array again"
            )


def _files(folder: Path, first: int, stop: int) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            key = path.relative_to(folder).as_posix().removeprefix("c/")
            if name in _HEADS:
                continue
            numbers = _NUMBERS.fullmatch(key)
            if numbers is None or first <= int(re.split(r"[./]", key)[0]) < stop:
                yield path


def _in_shard(file: IO[bytes], chunks: Chunks) -> list[tuple[int, int]]:
    """Begin and end of every chunk of a shard, from the offsets and lengths at the shard's end; all ones mean no chunk."""
    if list(chunks.index_codecs) not in (["bytes"], ["bytes", "crc32c"]):
        raise ValueError("an index that is packed")
    n_tail = 16 * chunks.n_in_shard + 4 * (len(chunks.index_codecs) - 1)
    if file.seek(0, os.SEEK_END) < n_tail:
        raise ValueError("no index of a shard")
    file.seek(-n_tail, os.SEEK_END)
    index = struct.iter_unpack("<QQ", file.read(16 * chunks.n_in_shard))
    return [(offset, offset + length) for offset, length in index if length != 2**64 - 1]


def _expanded(file: IO[bytes], begin: int, end: int, packer: str, chunks: Chunks) -> int:
    """The number of bytes that a chunk states or expands to; if it is more than allowed, some number above that."""
    begin += 4 * (chunks.codecs[-1] in ("crc32", "adler32"))  # format 2 puts checksums first, format 3 last
    file.seek(begin)
    if packer in ("blosc", "lz4"):
        return int(struct.unpack_from("<I", file.read(8), 4 * (packer == "blosc"))[0])
    if packer == "zstd":
        return _size_of_zstd(file.read(18))
    # packed bytes can be a little more than the unpacked ones; what is longer than that ends too early
    packed = file.read(min(end - begin, 2 * chunks.most + _BLOCK_BYTES))
    if packer == "zlib":
        return len(zlib.decompressobj().decompress(packed, chunks.most + 1))
    done = 0
    with _STREAMS[packer](io.BytesIO(packed)) as stream:
        while done <= chunks.most and (block := stream.read(_BLOCK_BYTES)):
            done += len(block)
    return done


def _size_of_zstd(head: bytes) -> int:
    """The content size of a frame's header (RFC 8878, 3.1.1.1)."""
    if head[:4] != b"\x28\xb5\x2f\xfd":
        raise ValueError("no zstd frame")
    descriptor = head[4]
    single, kind = descriptor >> 5 & 1, descriptor >> 6
    at = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3]
    length = (1 if single else 0, 2, 4, 8)[kind]
    if length == 0:
        raise ValueError("a zstd frame that does not state its size")
    return int.from_bytes(head[at : at + length], "little") + (256 if length == 2 else 0)
