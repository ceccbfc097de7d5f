"""Decoded images of a folder, kept as one .npy file, so that a folder is decoded once and is a memory map from then on.

The file's name is a digest of all that decides the pixels: every file's path, size and time of change, the rules of
``_image.py`` and the version of pillow. If one of them changes, another name is looked for.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from fastcls._shown import shown
from fastcls._validation import InputError
from fastcls.datasets._common import log
from fastcls.datasets._image import recipe_for
from fastcls.datasets._npy import read_npy

CACHED_FROM = 1000  # images; fewer are decoded in a moment


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
        self.path = folder / f"images-{_digest(files, image_size)}.npy"

    def read(self, n: int) -> tuple[np.ndarray, list[str]] | None:
        """The pixels (n, h, w, c) as a memory map, and what was said of them when they were decoded; or None."""
        if self.path is None or not self.path.is_file() or not self.path.with_suffix(".txt").is_file():
            return None
        try:
            pixels = read_npy(self.path)
            notes = self.path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
        except (InputError, OSError, ValueError) as error:
            log.warning("decoded anew, since what was kept is damaged: %s", error)
            return None
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or len(pixels) != n:
            log.warning("decoded anew, since %s holds something else", shown(self.path))
            return None
        log.info("decoded images from %s", shown(self.path))
        return pixels, notes

    def write(self, pixels: np.ndarray, notes: list[str]) -> None:
        """Keep the pixels (n, h, w, c), and beside them what there is to say of them, a line each."""
        if self.path is None:
            return
        from fastcls._files import replacing  # late: it uses this package's names

        try:
            try:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(f"cannot make the folder {shown(self.path.parent)}: {error.strerror}") from None
            with replacing(self.path.with_suffix(".txt"), "the notes of the decoded images") as part:
                part.write_text("".join(f"{note}\n" for note in notes), encoding="utf-8")
            with replacing(self.path, "the decoded images") as part, part.open("wb") as file:
                np.save(file, pixels, allow_pickle=False)
        except (InputError, OSError) as error:
            if self.insisted:
                raise InputError(f"{error}; give cache=False, or another folder") from None
            log.warning("the decoded images are not kept: %s", error)
        else:
            log.info("decoded images kept in %s; delete it at any time", shown(self.path))


def _digest(files: list[Path], image_size: int | None) -> str:
    from PIL import __version__ as pillow

    digest = hashlib.sha256(json.dumps([image_size, pillow, recipe_for((1, 1, 3))], sort_keys=True).encode())
    folders = {parent: os.fsencode(parent.resolve()) for parent in {file.parent for file in files}}
    for file in files:
        try:
            known = file.stat()
            fact = (known.st_size, known.st_mtime_ns)
        except OSError:
            fact = (0, 0)  # the decoder will say what is wrong with it
        digest.update(f"{fact}".encode() + folders[file.parent] + b"/" + os.fsencode(file.name) + b"\0")
    return digest.hexdigest()[:32]
