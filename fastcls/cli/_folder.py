"""The output folder: refused before any work, filled beside its place, moved there whole at the end.

``with OutputFolder(target, force=...) as room`` gives a temporary folder in the same directory as ``target`` (so that
the last step is a rename, which either happens or does not). ``publish()`` moves it to its place; leaving the block in
any other way (an error, Ctrl-C) removes it and leaves what stood there before untouched. Nothing is ever deleted that
``fastcls run`` has not written.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from fastcls._storage.atomic import read_small
from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason
from fastcls.datasets import NAMES

from ._checks import MODELS
from ._text import printable

#: bytes: what of these names is larger was not written by a run
_MOST_RESULTS, _MOST_REPORT = 1 << 26, 1 << 28

#: how a report begins; see report.html.j2
_OUR_REPORT = b'<meta name="generator" content="fastcls">'


def default_folder(data: str) -> Path:
    """``fastcls-<name>`` in the current directory, where the name is the file's or folder's without its ending."""
    path = Path(data)
    if path.exists():  # "." and "data/.." have no name of their own
        path = path.resolve()
    name = path.stem if path.suffix in (".npz", ".npy") else path.name
    kept = "".join(char if char.isalnum() or char in "._-" else "-" for char in name).strip(".-")
    folder = Path(f"fastcls-{kept or 'run'}")
    if is_inside_data(folder, data):  # beside it: among the images, it would be read as a class the next time
        return Path(os.path.relpath(Path(data).resolve().parent / folder))
    return folder


def is_inside_data(folder: Path, data: str | None) -> bool:
    """Whether `folder` is, or would be, the data's folder or a place in it, by whatever names these are called."""
    if data is None or data in NAMES or not os.path.isdir(data):
        return False
    place = folder.resolve()
    return any(os.path.samefile(above, data) for above in (place, *place.parents) if os.path.isdir(above))


def own_files(folder: Path) -> set[str]:
    """What of an earlier result of ``fastcls run`` stands in ``folder``: the names below it; empty if it holds none.

    A result is known by its results.json. Of it are that file, the models named there, a report that says who made
    it, and predictions with the columns of a run: another file under one of these names is somebody's own.
    """
    try:
        results = json.loads(read_small(folder / "results.json", _MOST_RESULTS))
        ours = type(results["schema"]) is int and str(results["command"]).startswith("fastcls run ")
        failed = [one.get("model") for one in results.get("failures", ())]  # saved, although a later step failed
        models = [name for name in (*results["models"], *results.get("not_evaluated", ()), *failed) if name in MODELS]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()
    if not ours:
        return set()
    wanted = {"results.json", *(f"models/{name}.safetensors" for name in models)}
    with contextlib.suppress(OSError):
        if _OUR_REPORT in read_small(folder / "report.html", _MOST_REPORT)[:4096]:
            wanted.add("report.html")
    with contextlib.suppress(OSError), open(folder / "predictions.csv", "rb") as predictions:
        if predictions.readline(4096).startswith((b"path,label", b"row,label")):
            wanted.add("predictions.csv")
    return {name for name in wanted if (folder / name).is_file() and not (folder / name).is_symlink()}


def foreign_file(folder: Path) -> str | None:
    """The first thing in ``folder`` that ``fastcls run`` has not written, or None."""
    own = own_files(folder)
    for entry in sorted(folder.rglob("*")):
        name = entry.relative_to(folder).as_posix()
        if name not in own and (name != "models" or entry.is_symlink() or not entry.is_dir()):
            return name
    return None


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C and a request to end wait until the block is done: it takes milliseconds, and half of it is no state."""
    if threading.current_thread() is not threading.main_thread():  # others are never interrupted
        yield
        return
    came: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        came.append(number)

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


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
        If the folder exists (and ``force`` is not given, or it is not ours), or cannot be made: the one it stands in is
        never made.
    """

    def __init__(self, target: Path, *, force: bool, data: str | None = None):
        self.target = Path(target)
        self._place = self.target.resolve()  # a link stays; what it points to is replaced
        self._refuse_what_stands_there(force, data)
        self.room: Path | None = None
        #: what stood in the place and was not ours to delete: it came there while the run was under way
        self.left_over: Path | None = None
        self.published = False
        self._force = force

    def _refuse_what_stands_there(self, force: bool, data: str | None) -> None:
        shown = self.target
        if is_inside_data(shown, data):
            raise InputError(
                f"cannot write to {quoted(shown)}: it is in the folder of the data, {quoted(data)}, and "
                "would be read as data the next time; choose a place outside with --out"
            )
        if not os.path.isdir(self._place.parent):  # as for every other file that is written: a slip makes no folders
            raise InputError(f"cannot write to {quoted(shown)}: there is no such folder to put it in; create it first")
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
            raise InputError(
                f"--force replaces only what fastcls run has written, and {shown} holds {printable(foreign)}: "
                "choose another folder with --out, or remove this one yourself"
            )

    def __enter__(self) -> Path:
        room = self._place.with_name(f".{self._place.name}.{secrets.token_hex(4)}.partial")
        try:
            room.mkdir()
        except OSError as error:
            raise InputError(
                f"cannot write to {quoted(self.target)}: {reason(error)}; choose another place with --out"
            ) from None
        self.room = room
        return room

    def publish(self) -> None:
        """Move the finished folder to its place; what stood there goes only once the new one is complete.

        Where something has come there that may not be replaced, the folder gets a name of its own beside it, and
        ``target`` says which.
        """
        assert self.room is not None, "publish() belongs inside the with block"
        aside = self.room.with_suffix(".old")
        with _undisturbed():
            if not self._force and os.path.lexists(self._place):
                ending = secrets.token_hex(4)
                self.target, self._place = (path.with_name(f"{path.name}-{ending}") for path in (self.target, self._place))
            try:
                if self._place.is_dir():
                    os.rename(self._place, aside)
                os.rename(self.room, self._place)
            except BaseException:
                if aside.exists() and not self._place.exists():
                    os.rename(aside, self._place)
                raise
            self.published = True
            if aside.exists():
                self._remove_replaced(aside)

    def _remove_replaced(self, aside: Path) -> None:
        """Delete the files of the earlier result one by one, by name, and no other."""
        for name in own_files(aside):
            with contextlib.suppress(OSError):  # it stays, and is told of
                (aside / name).unlink()
        for folder in (aside / "models", aside):
            with contextlib.suppress(OSError):  # something else is in it, or there is none
                folder.rmdir()
        if aside.exists():
            self.left_over = self._place.with_name(f"{self._place.name}.{secrets.token_hex(4)}.old")
            os.rename(aside, self.left_over)

    def __exit__(self, *error: object) -> None:
        with _undisturbed():
            if self.room is not None:  # a folder that only this run has written to
                shutil.rmtree(self.room, ignore_errors=True)
