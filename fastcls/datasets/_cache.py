"""Cache the decoded images of a folder as one .npy file: a folder is decoded once and is a memory map afterwards.

The name of the file is a digest of everything that decides the pixels: path and content of every image file, the rules of
``_image.py`` and the version of Pillow. If one of them changes, so does the name.

Files of up to ``_HASHED_BYTES`` are identified by their bytes. Reading and hashing them takes a ninth of the processor time
of decoding them (CIFAR-10 as JPEG, 2 KB a file: 20 us each). For thousands of photos it would take minutes, so larger files
are identified by size, inode, modification time (mtime) and change time of the inode (ctime). No program can set the ctime:
``cp -p``, ``rsync`` and ``touch -d`` keep the mtime but leave a new ctime. Its clock ticks every few milliseconds, so a file
that was changed less than ``_RECENT`` seconds ago is read as well. So is every file on systems without a ctime (Windows).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import time
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastcls._storage.atomic import replacing
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted
from fastcls._validation.paths import check_path
from fastcls.datasets._common import log, warn
from fastcls.datasets._image import recipe_for
from fastcls.datasets._npy import read_npy

CACHED_FROM = 1000  # images; fewer are decoded quickly
_HASHED_BYTES = 1 << 17
_RECENT = 2.0  # seconds

#: the reason of an image that is not decoded although it may be sound
NO_MEMORY = "not enough memory"


class Decoded(NamedTuple):
    """The result of decoding files: pixels (n, h, w, c) of the readable ones, notes, and why the others cannot be read."""

    pixels: np.ndarray
    notes: list[str]
    refused: dict[int, str]


def cache_folder() -> Path:
    """The folder for all cached files: ``FASTCLS_CACHE``, else ``fastcls`` in the user's cache folder."""
    named = os.environ.get("FASTCLS_CACHE")
    if named:
        return Path(named)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "fastcls"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastcls"


class ImageCache:
    """The cached pixels of some files.

    Parameters
    ----------
    files : list of path
        In the order of the rows.
    image_size : int or None
        As given to ``load_image_folder``.
    cache : bool, path or None
        None: in ``cache_folder()`` if there are ``CACHED_FROM`` images or more; if it cannot be written, a line is logged.
        True: in ``cache_folder()``; a path: there; if it cannot be written, an error is raised. False: no cache.
    """

    def __init__(self, files: list[Path], image_size: int | None, cache: bool | str | os.PathLike[str] | None) -> None:
        if cache is not None and not isinstance(cache, (bool, str, os.PathLike)):
            raise InputError(f"cache is of type {type(cache).__name__}: give None, True, False or a folder")
        self.insisted = cache is not None
        self.path: Path | None = None
        if cache is False or (cache is None and len(files) < CACHED_FROM):
            return
        folder = cache_folder() if cache is None or cache is True else Path(check_path(cache, "a folder", "cache"))
        self._files, self._image_size = files, image_size
        self.path = folder / f"images-{_digest(files, image_size)}.npy"

    def read(self, n: int) -> Decoded | None:
        """The cached result for the `n` files, with the pixels as a memory map; None if there is none."""
        if self.path is None or not self.path.is_file() or not self.path.with_suffix(".json").is_file():
            return None
        try:
            pixels = read_npy(self.path)
            kept = json.loads(self.path.with_suffix(".json").read_text(encoding="utf-8"))
            notes = [str(text) for text in kept["notes"]]
            refused = {int(place): str(why) for place, why in kept["refused"]}
        except (InputError, OSError, ValueError, KeyError, TypeError) as error:
            warn(f"the cache is damaged, so the images are decoded again: {error}")
            return None
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or len(pixels) + len(refused) != n:
            warn(f"{quoted(self.path)} is of other images, so the images are decoded again")
            return None
        log.info("decoded images are read from %s", quoted(self.path))
        return Decoded(pixels, notes, refused)

    def write(self, decoded: Decoded) -> None:
        """Write the pixels, and a JSON file with the notes."""
        if self.path is None:
            return
        if self.path.name != f"images-{_digest(self._files, self._image_size)}.npy":
            warn("the decoded images are not cached: files changed while they were read")
            return
        if NO_MEMORY in decoded.refused.values():  # there may be enough the next time
            return
        try:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"cannot make the folder {quoted(self.path.parent)} ({error.strerror})") from None
            with replacing(self.path.with_suffix(".json"), "the notes of the decoded images") as part:
                kept = {"notes": decoded.notes, "refused": list(decoded.refused.items())}
                part.write_text(json.dumps(kept), encoding="utf-8")
            with replacing(self.path, "the decoded images") as part, part.open("wb") as file:
                np.save(file, decoded.pixels, allow_pickle=False)
        except (InputError, OSError) as error:
            if self.insisted:
                raise InputError(f"{error}: give cache=False, or another folder") from None
            warn(f"the decoded images are not cached: {error}")
        else:
            log.info("decoded images are cached in %s, which can be deleted at any time", quoted(self.path))


def _digest(files: list[Path], image_size: int | None) -> str:
    from joblib import cpu_count
    from PIL import __version__ as pillow

    digest = hashlib.sha256(json.dumps([image_size, pillow, recipe_for((1, 1, 3))], sort_keys=True).encode())
    folders = {parent: os.fsencode(parent.resolve()) for parent in {file.parent for file in files}}
    with ThreadPool(min(16, cpu_count())) as pool:
        for file, fact in zip(files, pool.imap(_fact, files, chunksize=64), strict=True):
            digest.update(fact + folders[file.parent] + b"/" + os.fsencode(file.name) + b"\0")
    return digest.hexdigest()[:32]


def _fact(file: Path) -> bytes:
    """A digest that changes whenever the content of the file changes."""
    found = hashlib.sha256()
    try:
        known = file.stat()
        if not stat.S_ISREG(known.st_mode):  # a pipe or a device would block for ever
            return found.digest()
        old = abs(time.time() - known.st_ctime) > _RECENT
        if known.st_size > _HASHED_BYTES and old and os.name == "posix":
            found.update(f"{known.st_size} {known.st_ino} {known.st_mtime_ns} {known.st_ctime_ns}".encode())
        else:
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256")
    except OSError:  # the decoder reports what is wrong with it
        found.update(b"unreadable")
    return found.digest()
