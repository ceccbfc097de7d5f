"""The output folder: refused before any work, filled beside its place, moved there whole at the end.

``with OutputFolder(target, force=...) as room`` gives a temporary folder in the same directory as ``target`` (so that
the last step is a rename, which either happens or does not). ``publish()`` moves it to its place; leaving the block in
any other way (an error, Ctrl-C) removes it and leaves what stood there before untouched.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
from pathlib import Path

from .._validation import InputError
from ._text import printable


def default_folder(data: str) -> Path:
    """``fastcls-<name>`` in the current directory, where the name is the file's or folder's without its ending."""
    path = Path(data)
    if path.exists():  # "." and "data/.." have no name of their own
        path = path.resolve()
    name = path.stem if path.suffix in (".npz", ".npy") else path.name
    kept = "".join(char if char.isalnum() or char in "._-" else "-" for char in name).strip(".-")
    return Path(f"fastcls-{kept or 'run'}")


def foreign_file(folder: Path) -> str | None:
    """The first thing in ``folder`` that ``fastcls run`` does not write, or None if all of it is an earlier result."""
    for entry in sorted(folder.rglob("*")):
        name = entry.relative_to(folder).as_posix()
        model = entry.parent == folder / "models" and entry.suffix == ".safetensors"
        if not (name in ("report.html", "results.json", "models") or model) or entry.is_symlink():
            return name
    try:
        with open(folder / "results.json", encoding="utf-8") as stream:
            results = json.load(stream)
    except (OSError, ValueError):
        results = None
    ours = isinstance(results, dict) and isinstance(results.get("schema"), int)
    return None if ours else "results.json that is not of fastcls run, or none"


class OutputFolder:
    """A folder that appears whole or not at all.

    Parameters
    ----------
    target : Path
        Where the folder shall stand.
    force : bool
        Replace what stands there, if it is empty or an earlier result of ``fastcls run``.
    data : str, optional
        What is read: a folder that contains it is never replaced.

    Raises
    ------
    InputError
        If the folder exists (and ``force`` is not given, or it is not ours), or cannot be made.
    """

    def __init__(self, target: Path, *, force: bool, data: str | None = None):
        self.target = Path(target)
        self._place = self.target.resolve()  # a link stays; what it points to is replaced
        self._refuse_what_stands_there(force, data)
        self.room: Path | None = None
        self._aside: Path | None = None
        self._made_parents: list[Path] = []

    def _refuse_what_stands_there(self, force: bool, data: str | None) -> None:
        shown = self.target
        if not os.path.lexists(self._place):
            return
        if not self._place.is_dir():
            raise InputError(f"{shown} exists and is not a folder: choose another with --out")
        if not force:
            raise InputError(f"the folder {shown} exists: choose another with --out, or replace it with --force")
        if data is not None and Path(data).resolve().is_relative_to(self._place):
            raise InputError(f"the data is inside {shown}, which --force would replace: choose another with --out")
        foreign = foreign_file(self._place) if any(self._place.iterdir()) else None
        if foreign is not None:
            raise InputError(f"--force replaces only what fastcls run has written, and {shown} holds {printable(foreign)}: "
                             "choose another folder with --out, or remove this one yourself")

    def __enter__(self) -> Path:
        parent = self._place.parent
        room = parent / f".{self._place.name}.{secrets.token_hex(4)}.partial"
        try:
            self._make_parents(parent)
            room.mkdir()
        except OSError as reason:
            self._remove_parents()
            raise InputError(f"cannot write into {parent} ({reason.strerror}): "
                             "choose a folder that can be written with --out") from None
        self.room = room
        return room

    def _make_parents(self, parent: Path) -> None:
        missing = [folder for folder in (parent, *parent.parents) if not folder.exists()]
        for folder in reversed(missing):
            folder.mkdir()
            self._made_parents.append(folder)

    def _remove_parents(self) -> None:
        with contextlib.suppress(OSError):  # no longer empty: somebody else uses it now
            for folder in reversed(self._made_parents):
                folder.rmdir()

    def publish(self) -> None:
        """Move the finished folder to its place; what stood there goes only once the new one is complete."""
        assert self.room is not None, "publish() belongs inside the with block"
        self._aside = self.room.with_suffix(".old")
        try:
            if self._place.is_dir():
                os.rename(self._place, self._aside)
            os.rename(self.room, self._place)
        except BaseException:
            if self._aside.exists() and not self._place.exists():
                os.rename(self._aside, self._place)
            raise

    def __exit__(self, *error: object) -> None:
        if self.room is not None:
            shutil.rmtree(self.room, ignore_errors=True)
        if self._aside is not None and self._place.exists():  # the replaced one goes only now that the new one stands
            shutil.rmtree(self._aside, ignore_errors=True)
        if not self._place.exists():
            self._remove_parents()
