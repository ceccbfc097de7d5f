"""Chunks of a zarr array, before they are unpacked: what each expands to is compared with what a chunk may hold.

A decoder makes as much as the packed bytes say, and zarr compares only then. Here the formats that say their size are asked
for it (blosc, lz4, zstd); the others are unpacked piece by piece, and the pieces dropped, up to the size allowed.
"""

from __future__ import annotations

import bz2
import lzma
import os
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from fastcls._validation.errors import InputError
from fastcls._validation.messages import reason, shown

_PIECE = 1 << 20
_HEADS = ("zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata")
_NUMBERS = re.compile(r"\d+(?:[./]\d+)*")
#: Codecs that make fewer bytes into more.
PACKERS = ("blosc", "zlib", "gzip", "bz2", "lzma", "zstd", "lz4")


def check_files(folder: Path) -> None:
    """Refuse an array whose folder holds something that a reader would wait for."""
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            if not path.is_file():
                raise InputError(f"{shown(path)} is a pipe, a device or a broken link; wanted a zarr array's files alone")


def check_chunks(
    folder: Path, codecs: list[str], first: int, stop: int, most: int, *, a_shard: int = 0, index_codecs: Sequence[str] = ()
) -> None:
    """Refuse chunks that expand to more than `most` bytes, in files of these numbers of the first dimension.

    Parameters
    ----------
    codecs : list of str
        Of a chunk.
    a_shard : int
        Chunks in a file, where files are shards; their index is packed by `index_codecs`.
    """
    packers = [codec for codec in codecs if codec in PACKERS]
    if len(packers) > 1:
        raise InputError(f"{shown(folder)} is packed twice ({' and '.join(packers)}); write it again with one of them")
    if not packers:
        return
    for path in _chunk_files(folder, first, stop):
        try:
            with path.open("rb") as file:
                sizes = [
                    _expands_to(file, begin, end, packers[0], codecs[-1], most)
                    for begin, end in (_in_shard(path, file, a_shard, index_codecs) if a_shard else [(0, _size(path))])
                ]
        except (OSError, EOFError, ValueError, IndexError, zlib.error, lzma.LZMAError, struct.error) as error:
            raise InputError(f"{shown(path)} is no chunk that can be read ({reason(error)}); write it again") from None
        if max(sizes, default=0) > most:
            raise InputError(f"{shown(path)} expands to more than the {most:,} bytes of a chunk; write the array again")


def _chunk_files(folder: Path, first: int, stop: int) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            key = path.relative_to(folder).as_posix().removeprefix("c/")
            if name in _HEADS:
                continue
            numbers = _NUMBERS.fullmatch(key)
            if numbers is None or first <= int(re.split(r"[./]", key)[0]) < stop:
                yield path


def _size(path: Path) -> int:
    return path.stat().st_size


def _in_shard(path: Path, file: IO[bytes], n_chunks: int, index_codecs: Sequence[str]) -> list[tuple[int, int]]:
    """Begin and end of every chunk of a shard, from the index at its end: offset and length of each, all ones for none."""
    if list(index_codecs) not in (["bytes"], ["bytes", "crc32c"]):
        raise ValueError("an index that is packed")
    tail = 4 * (len(index_codecs) - 1)
    if _size(path) < 16 * n_chunks + tail:
        raise ValueError("no index of a shard")
    file.seek(-16 * n_chunks - tail, os.SEEK_END)
    index = struct.iter_unpack("<QQ", file.read(16 * n_chunks))
    return [(offset, offset + length) for offset, length in index if length != 2**64 - 1]


def _expands_to(file: IO[bytes], begin: int, end: int, packer: str, last: str, most: int) -> int:
    """Bytes that a chunk says it expands to, or does; something above `most` if it is more."""
    begin += 4 * (last in ("crc32", "adler32"))  # format 2 puts these before the bytes, format 3 its crc32c behind
    file.seek(begin)
    if packer in ("zlib", "gzip", "bz2", "lzma"):
        return _counted(file, end - begin, packer, most)
    head = file.read(18)
    if packer == "zstd":
        return _size_of_zstd(head)
    return int(struct.unpack_from("<I", head, 4 if packer == "blosc" else 0)[0])


def _size_of_zstd(head: bytes) -> int:
    """The content size of a frame's header (RFC 8878, 3.1.1.1)."""
    if head[:4] != b"\x28\xb5\x2f\xfd":
        raise ValueError("no zstd frame")
    descriptor = head[4]
    single, kind = descriptor >> 5 & 1, descriptor >> 6
    at = 5 + (1 - single) + (0, 1, 2, 4)[descriptor & 3]
    length = (1 if single else 0, 2, 4, 8)[kind]
    if length == 0:
        raise ValueError("a zstd frame that does not say its size")
    return int.from_bytes(head[at : at + length], "little") + (256 if length == 2 else 0)


def _counted(file: IO[bytes], n_packed: int, packer: str, most: int) -> int:
    made: Any = {
        "zlib": lambda: zlib.decompressobj(47),
        "gzip": lambda: zlib.decompressobj(47),
        "bz2": bz2.BZ2Decompressor,
        "lzma": lzma.LZMADecompressor,
    }[packer]
    done, decoder, rest = 0, made(), b""
    while done <= most:
        packed = rest
        if not packed and getattr(decoder, "needs_input", True):
            packed = file.read(min(_PIECE, n_packed))
            n_packed -= len(packed)
            if not packed:
                break
        done += len(decoder.decompress(packed, _PIECE))
        rest = getattr(decoder, "unconsumed_tail", b"")
        if decoder.eof:  # another member may follow
            rest = decoder.unused_data
            decoder = made()
    return done
