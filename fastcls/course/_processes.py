"""A learner's file, run in a process of its own with limits of time and memory.

The limits stop accidents: endless loops, huge arrays, calls of exit. They are no protection from malicious code, which may
read and write files like any program.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ._mistakes import mistake, of_error
from ._news import News
from ._report import CourseReport, Mistake

#: Seconds until the process has imported fastcls, and the look for news of it.
_START, _LOOK = 120.0, 0.02
#: A function that sleeps uses no processor time: after this many times the limit it is ended as well.
ASLEEP = 10.0


def check_file(
    path: Path, functions: dict[str, str], year: int | None = None, *, timeout: int = 30, memory: int = 4096
) -> dict[str, CourseReport]:
    """Check functions of a file, which is imported in another process.

    Parameters
    ----------
    path : Path
    functions : dict
        From names to classes, as `functions_in` returns them.
    year : int, optional
    timeout : int
        Seconds of processor time for the import, and for each function.
    memory : int
        Megabytes that the process may allocate (not on Windows; macOS does not keep to it).

    Returns
    -------
    dict
        From the name of each function to its report.
    """
    found: dict[str, CourseReport] = {}
    while missing := {name: owner for name, owner in functions.items() if name not in found}:
        job = {"path": str(path.resolve()), "functions": missing, "year": year, "timeout": timeout, "memory": memory}
        with tempfile.TemporaryDirectory(prefix="fastcls-check-", ignore_cleanup_errors=True) as folder:
            status, news = _run(job, Path(folder))
        found.update(news.reports)
        found.update({name: CourseReport(name, year, (_failure(error),)) for name, error in news.failures.items() if name})
        wrong = _wrong(status, news, timeout)
        if wrong is not None:  # of the import: of all functions that it was to give
            for name in [news.part] if news.part else missing:
                found.setdefault(name, CourseReport(name, year, (wrong,)))
    return {name: found[name] for name in functions}


def _failure(error: str) -> Mistake:
    """The mistake of an exception that ended the check of a function, and not only a call."""
    if error.startswith(("InputError", "AttributeError")):
        return mistake("cannot be checked", "function", f"raises {error}")
    return of_error(error, "function")


def _wrong(status: int | None, news: News, timeout: int) -> Mistake | None:
    """The mistake of a process that was not ready; None if the remaining functions are to be checked in another one."""
    part = "function" if news.part else "import"
    if news.wrong:
        return mistake("no valid result", part, "sent what this check would not send")
    if "" in news.failures:
        return mistake("cannot be imported", "file", f"raises {news.failures['']}")
    if news.part is None and (news.reports or news.failures):
        return None
    if status == -getattr(signal, "SIGXCPU", 0):
        return mistake("did not end", part, f"still running after {timeout} s of processor time")
    if status is None:
        return mistake("did not end", part, f"still running after {_seconds(news, timeout):.0f} s")
    return mistake("ended the process", part, f"the process ended {_how(status)}")


def _how(status: int) -> str:
    if status >= 0:
        return f"with status {status}"
    try:
        return f"by signal {signal.Signals(-status).name}"
    except ValueError:  # not every number has a name
        return f"by signal {-status}"


def _run(job: dict[str, Any], folder: Path) -> tuple[int | None, News]:
    """Run a job to its end; its exit status (None if it was ended for its time, or its news) and its news."""
    home = str(Path(__file__).resolve().parents[2])
    path, work = folder / "news", folder / "work"
    path.touch()
    work.mkdir()
    news = News(path, job["functions"], job["year"])
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    quiet = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8:backslashreplace", "MPLBACKEND": "Agg"}
    status: int | None = None
    try:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("_keeper.py")), home, json.dumps({**job, "news": str(path)})],
            cwd=work,
            env={**os.environ, **threads, **quiet},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            for limit in _limits(news, job["timeout"]):
                try:
                    status = process.wait(_LOOK)
                    break
                except subprocess.TimeoutExpired:
                    if news.wrong or time.monotonic() > limit:
                        break
        finally:
            _end(process)
        news.look()
    finally:
        news.close()
    return status, news


def _seconds(news: News, timeout: int) -> float:
    """Seconds until a process without further news is ended: it is about to begin, or works on a part."""
    return ASLEEP * timeout if news.n_events else _START


def _limits(news: News, timeout: int) -> Iterator[float]:
    """Again and again, the time at which the process is ended; it moves with each of its news."""
    n_known, since = 0, time.monotonic()
    while True:
        yield since + _seconds(news, timeout)
        news.look()
        if news.n_events != n_known:
            n_known, since = news.n_events, time.monotonic()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and what it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        process.terminate()  # the keeper ends the process that runs the file, even if that has left the group
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        process.kill()
    process.wait()
