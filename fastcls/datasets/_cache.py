"""Decoded images of a folder, kept as one .npy file, so that a folder is decoded once and is a memory map from then on.

The file's name is a digest of all that decides the pixels: every file's path and content, the rules of ``_image.py`` and
the version of pillow. If one of them changes, another name is looked for.

Content of a file of up to ``_HASHED`` bytes is its bytes: to read and hash them takes a ninth of the processor time of
decoding them (CIFAR-10 as JPEG, 2 KB a file: 20 us each). Larger ones would take minutes where there are thousands of
photos, so they are known by size, inode, time of change of the content and time of change of the inode (ctime). No program
can set the last: ``cp -p``, ``rsync`` and ``touch -d``, which keep the time of the content, leave a new one. Its clock
ticks every few milliseconds, so a file that was changed less than ``_SETTLED`` seconds ago is read, too; and so is every
file on systems that have no such time (Windows).
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

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted
from fastcls.datasets._common import log
from fastcls.datasets._image import recipe_for
from fastcls.datasets._npy import read_npy

CACHED_FROM = 1000  # images; fewer are decoded in a moment
_HASHED = 1 << 17  # bytes
_SETTLED = 2.0  # seconds

#: why an image was not decoded, where it is not the image's fault
NO_MEMORY = "not enough memory"


class Decoded(NamedTuple):
    """What became of files: pixels (n, h, w, c) of those that can be read, what was done to them, which cannot and why."""

    pixels: np.ndarray
    notes: list[str]
    refused: dict[int, str]


def cache_folder() -> Path:
    """The folder for everything that is kept: ``FASTCLS_CACHE``, else ``fastcls`` in the user's cache folder."""
    named = os.environ.get("FASTCLS_CACHE")
    if named:
        return Path(named)
    if os.name == "nt":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "fastcls"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fastcls"


class ImageCache:
    """The kept pixels of these files, if they are kept.

    Parameters
    ----------
    files : list of path
        In the order of the rows.
    image_size : int or None
        As given to ``load_image_folder``.
    cache : bool, path or None
        None: in ``cache_folder()`` if there are ``CACHED_FROM`` images or more; a folder that cannot be written is
        logged. True or a path: there, or an error. False: not at all.
    """

    def __init__(self, files: list[Path], image_size: int | None, cache: bool | str | os.PathLike[str] | None) -> None:
        if cache is not None and not isinstance(cache, (bool, str, os.PathLike)):
            raise InputError(f"got cache of type {type(cache).__name__}; wanted None, True, False or a folder")
        self.insisted = cache is not None
        self.path: Path | None = None
        if cache is False or (cache is None and len(files) < CACHED_FROM):
            return
        folder = cache_folder() if cache is None or cache is True else Path(cache)
        self._files, self._image_size = files, image_size
        self.path = folder / f"images-{_digest(files, image_size)}.npy"

    def read(self, n: int) -> Decoded | None:
        """What became of the `n` files when they were decoded, the pixels as a memory map; or None."""
        if self.path is None or not self.path.is_file() or not self.path.with_suffix(".json").is_file():
            return None
        try:
            pixels = read_npy(self.path)
            told = json.loads(self.path.with_suffix(".json").read_text(encoding="utf-8"))
            notes = [str(text) for text in told["notes"]]
            refused = {int(place): str(why) for place, why in told["refused"]}
        except (InputError, OSError, ValueError, KeyError, TypeError) as error:
            log.warning("decoded anew, since what was kept is damaged: %s", error)
            return None
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or len(pixels) + len(refused) != n:
            log.warning("decoded anew, since %s holds something else", quoted(self.path))
            return None
        log.info("decoded images from %s", quoted(self.path))
        return Decoded(pixels, notes, refused)

    def write(self, decoded: Decoded) -> None:
        """Keep the pixels, and beside them what there is to say of them."""
        if self.path is None:
            return
        if self.path.name != f"images-{_digest(self._files, self._image_size)}.npy":
            log.warning("the decoded images are not kept: files were changed while they were read")
            return
        if NO_MEMORY in decoded.refused.values():  # another time there may be enough
            return
        from fastcls._storage.atomic import replacing  # late: it uses this package's names

        try:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"cannot make the folder {quoted(self.path.parent)}: {error.strerror}") from None
            with replacing(self.path.with_suffix(".json"), "the notes of the decoded images") as part:
                told = {"notes": decoded.notes, "refused": list(decoded.refused.items())}
                part.write_text(json.dumps(told), encoding="utf-8")
            with replacing(self.path, "the decoded images") as part, part.open("wb") as file:
                np.save(file, decoded.pixels, allow_pickle=False)
        except (InputError, OSError) as error:
            if self.insisted:
                raise InputError(f"{error}; give cache=False, or another folder") from None
            log.warning("the decoded images are not kept: %s", error)
        else:
            log.info("decoded images kept in %s; delete it at any time", quoted(self.path))


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
    """Bytes of a fixed length that change whenever the content of a file does."""
    found = hashlib.sha256()
    try:
        known = file.stat()
        if not stat.S_ISREG(known.st_mode):  # a pipe or a device would block the reader for ever
            return found.digest()
        old = abs(time.time() - known.st_ctime) > _SETTLED
        if known.st_size > _HASHED and old and os.name == "posix":
            found.update(f"{known.st_size} {known.st_ino} {known.st_mtime_ns} {known.st_ctime_ns}".encode())
        else:
            with file.open("rb") as content:
                found = hashlib.file_digest(content, "sha256")
    except OSError:  # the decoder will say what is wrong with it
        found.update(b"unreadable")
    return found.digest()
