"""The results folder: checked before any work, filled under a temporary name, renamed when it is complete.

``with OutputFolder(target, force=...) as temporary`` creates a temporary folder next to ``target``, so that the last step
is an atomic rename. ``publish()`` does that step. Leaving the block in any other way (an error, Ctrl-C) deletes the
temporary folder and leaves ``target`` as it was. Only files that ``fastcls run`` has written are ever deleted.
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
from fastcls._validation.messages import printable, quoted, reason
from fastcls.datasets import NAMES, path_and_name

from ._checks import MODELS

#: bytes; a larger results.json or report.html was not written by a run
_MOST_RESULTS, _MOST_REPORT = 1 << 26, 1 << 28

#: how a report begins; see report.html.j2
_OUR_REPORT = b'<meta name="generator" content="fastcls">'


#: how the first line of a table begins
_OUR_COLUMNS = {
    "predictions.csv": (b"path,label", b"row,label"),
    "errors.csv": (b"model,path,label", b"model,row,label"),
}

#: endings of files of data, which are no part of the name of the results' folder
FILE_SUFFIXES = (
    *(".npz", ".npy", ".safetensors", ".h5", ".hdf5", ".hdf", ".csv", ".tsv"),
    *(".parquet", ".pq", ".arrow", ".feather", ".ipc"),
)


def default_folder(data: str, protocol: str | None = None) -> Path:
    """Return ``fastcls-<name>`` in the current folder, with the name of the data's file or folder, without its suffix.

    A protocol has a folder of its own, ``fastcls-<name>-<protocol>``, so that it never replaces an ordinary run. If
    that were inside the data's folder, it is next to it instead: there, the next run would read it as a class.
    """
    data, features = path_and_name(data)
    path = Path(data)
    if path.exists():  # "." and "data/.." have no name of their own
        path = path.resolve()
    name = path.stem if path.suffix.lower() in FILE_SUFFIXES else path.name
    name = name if features is None else f"{name}-{features}"
    kept = "".join(char if char.isalnum() or char in "._-" else "-" for char in name).strip(".-")
    folder = Path("-".join(["fastcls", kept or "run", *([] if protocol is None else [protocol])]))
    if is_inside_data(folder, data):
        return Path(os.path.relpath(Path(data).resolve().parent / folder))
    return folder


def is_inside_data(folder: Path, data: str | None) -> bool:
    """Return whether `folder` is (or would be) the data's folder or inside it, whatever links lead there."""
    data = None if data is None or data in NAMES else path_and_name(data)[0]
    if data is None or not os.path.isdir(data):
        return False
    place = folder.resolve()
    return any(os.path.samefile(above, data) for above in (place, *place.parents) if os.path.isdir(above))


def own_files(folder: Path) -> set[str]:
    """Return the relative paths of the files in ``folder`` that an earlier ``fastcls run`` wrote; empty if there are none.

    A folder of results has a results.json of this program. The files are that, the models that it lists, a report with our
    mark, and predictions with the columns of a run. Any other file, even with one of these names, is foreign.
    """
    try:
        results = json.loads(read_small(folder / "results.json", _MOST_RESULTS))
        ours = type(results["schema"]) is int and str(results["command"]).startswith("fastcls run ")
        failed = [one.get("model") for one in results.get("failures", ())]  # may be saved: a later step failed
        of_protocol = (results.get("protocol") or {}).get("models", ())
        listed = (*results["models"], *results.get("not_evaluated", ()), *failed, *of_protocol)
        models = [name for name in listed if name in MODELS]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return set()
    if not ours:
        return set()
    wanted = {"results.json", *(f"models/{name}.safetensors" for name in models)}
    with contextlib.suppress(OSError):
        if _OUR_REPORT in read_small(folder / "report.html", _MOST_REPORT)[:4096]:
            wanted.add("report.html")
    for name, columns in _OUR_COLUMNS.items():
        with contextlib.suppress(OSError), open(folder / name, "rb") as lines:
            if lines.readline(4096).startswith(columns):
                wanted.add(name)
    return {name for name in wanted if (folder / name).is_file() and not (folder / name).is_symlink()}


def earlier_command(folder: Path) -> str | None:
    """Return the command whose results `folder` has, without --force; None if it has none."""
    try:
        command = str(json.loads(read_small(folder / "results.json", _MOST_RESULTS))["command"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return command.removesuffix(" --force") if command.startswith("fastcls run ") else None


def _is_empty(folder: Path) -> bool:
    """Return whether this is a folder, not a link to one, with nothing in it."""
    return folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir())


def foreign_file(folder: Path) -> str | None:
    """Return the first entry in ``folder`` that ``fastcls run`` did not write, or None."""
    own = own_files(folder)
    for entry in sorted(folder.rglob("*")):
        name = entry.relative_to(folder).as_posix()
        if name not in own and (name != "models" or entry.is_symlink() or not entry.is_dir()):
            return name
    return None


@contextlib.contextmanager
def _signals_deferred() -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM to the end of the block, which takes milliseconds and must not be left half done."""
    if threading.current_thread() is not threading.main_thread():  # signals interrupt only the main thread
        yield
        return
    received: list[int] = []

    def remember(number: int, frame: FrameType | None) -> None:
        received.append(number)

    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, remember) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if received:
            signal.raise_signal(received[0])


class OutputFolder:
    """A folder that appears complete, or not at all.

    Parameters
    ----------
    target : Path
        Where the folder will be.
    force : bool
        Replace an earlier result of ``fastcls run`` at `target`. An empty folder is always used.
    data : str, optional
        The data that is read; a folder that contains it is never replaced.

    Attributes
    ----------
    target : Path
        Where the folder is; `publish` may change it.
    published : bool
    replaced : str or None
        The command whose results `publish` replaced.
    left_over : Path or None
        Where other files are now that appeared in the replaced folder during the run.

    Raises
    ------
    InputError
        If the folder exists and is not empty (and ``force`` is not given, or it has other files), or cannot be created. Its
        parent must exist, so that a misspelt path creates no folders.
    """

    def __init__(self, target: Path, *, force: bool, data: str | None = None):
        self.target = Path(target)
        self.published = False
        self.replaced: str | None = None
        self.left_over: Path | None = None
        self._place = self.target.resolve()  # if it is a link, the folder it points to is replaced
        self._temporary: Path | None = None
        self._force = force
        self._refuse_existing(data)

    def _refuse_existing(self, data: str | None) -> None:
        target = self.target
        if is_inside_data(target, data):
            raise InputError(
                f"cannot write to {quoted(target)}: it is in the folder of the data, {quoted(data)}, and the next run would "
                "read it as data; choose a folder outside with --out"
            )
        if not os.path.isdir(self._place.parent):
            raise InputError(f"cannot write to {quoted(target)}: its parent folder does not exist; create it first")
        if not os.path.lexists(self._place):
            return
        if not self._place.is_dir():
            raise InputError(f"{target} exists and is not a folder: choose another with --out")
        if os.path.ismount(self._place):  # it cannot be renamed at the end
            raise InputError(f"{target} is where a file system is mounted: give a folder inside it with --out")
        if _is_empty(self._place):
            return
        foreign = foreign_file(self._place)
        if foreign is not None and not self._force:
            raise InputError(
                f"the folder {target} exists and contains {printable(foreign)}, which fastcls run did not write: choose "
                "another with --out"
            )
        if not self._force:
            earlier = earlier_command(self._place)
            of_run = "" if earlier is None else f" (the results of: {printable(earlier)})"
            raise InputError(f"the folder {target} exists{of_run}: choose another with --out, or replace it with --force")
        if data is not None and Path(path_and_name(data)[0]).resolve().is_relative_to(self._place):
            raise InputError(f"the data is inside {target}, which --force would replace: choose another with --out")
        if foreign is not None:
            raise InputError(
                f"--force replaces only files that fastcls run wrote, but {target} contains {printable(foreign)}: choose "
                "another folder with --out, or remove this one yourself"
            )

    def __enter__(self) -> Path:
        temporary = self._place.with_name(f".{self._place.name}.{secrets.token_hex(4)}.partial")
        try:
            temporary.mkdir()
        except OSError as error:
            raise InputError(
                f"cannot write to {quoted(self.target)}: {reason(error)}; choose another folder with --out"
            ) from None
        self._temporary = temporary
        return temporary

    def publish(self) -> None:
        """Rename the complete folder to its final name, and delete the earlier result that was there.

        If something that may not be replaced has appeared there meanwhile, ``target`` gets a random ending.
        """
        assert self._temporary is not None, "publish() belongs inside the with block"
        old = self._temporary.with_suffix(".old")
        with _signals_deferred():
            if not self._force and os.path.lexists(self._place) and not _is_empty(self._place):
                ending = secrets.token_hex(4)
                self.target, self._place = (path.with_name(f"{path.name}-{ending}") for path in (self.target, self._place))
            try:
                if self._place.is_dir():
                    shutil.copymode(self._place, self._temporary)
                    os.rename(self._place, old)
                os.rename(self._temporary, self._place)
            except BaseException:
                if old.exists() and not self._place.exists():
                    os.rename(old, self._place)
                raise
            self.published = True
            if old.exists():
                self._remove_replaced(old)

    def _remove_replaced(self, old: Path) -> None:
        """Delete the files of the earlier result by name, and nothing else."""
        self.replaced = earlier_command(old)
        for name in own_files(old):
            with contextlib.suppress(OSError):
                (old / name).unlink()
        for folder in (old / "models", old):
            with contextlib.suppress(OSError):  # it does not exist, or something else is in it
                folder.rmdir()
        if old.exists():
            self.left_over = self._place.with_name(f"{self._place.name}.{secrets.token_hex(4)}.old")
            os.rename(old, self.left_over)

    def __exit__(self, *error: object) -> None:
        with _signals_deferred():
            if self._temporary is not None:
                shutil.rmtree(self._temporary, ignore_errors=True)
