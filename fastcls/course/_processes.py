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

from ._mistakes import mistake
from ._report import CourseReport, Mistake

#: Seconds until the process has imported fastcls, and the look for news of it.
_START, _LOOK = 120.0, 0.02
#: A function that sleeps uses no processor time: after this many times the limit it is ended as well.
_ASLEEP = 10.0


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
    with tempfile.TemporaryDirectory(prefix="fastcls-check-", ignore_cleanup_errors=True) as folder:
        while missing := {name: owner for name, owner in functions.items() if name not in found}:
            news = Path(folder) / f"news-{len(found)}"
            work = Path(folder) / f"work-{len(found)}"
            work.mkdir()
            job = {
                "path": str(path.resolve()),
                "functions": missing,
                "year": year,
                "timeout": timeout,
                "memory": memory,
                "news": str(news),
            }
            status, events = _run(job, news, work)
            found.update({event["name"]: _report_of(event["report"]) for event in events if event["event"] == "checked"})
            last = events[-1] if events else {"event": "started", "name": ""}
            if last["event"] == "failed":
                found.update(
                    _all_wrong(missing, found, year, mistake("cannot be imported", "file", f"raises {last['error']}"))
                )
            elif last["event"] == "started":
                wrong = _ended(status, timeout, "function" if last["name"] else "import")
                names = {last["name"]: ""} if last["name"] else missing
                found.update(_all_wrong(names, found, year, wrong))
    return {name: found[name] for name in functions}


def _all_wrong(
    names: dict[str, str], found: dict[str, CourseReport], year: int | None, wrong: Mistake
) -> dict[str, CourseReport]:
    return {name: CourseReport(name, year, (wrong,)) for name in names if name not in found}


def _ended(status: int | None, timeout: int, part: str) -> Mistake:
    """The mistake of a process that ended before it was ready; status None if it was ended for its time."""
    if status is None or status == -getattr(signal, "SIGXCPU", 0):
        return mistake("did not end", part, f"still running after {timeout} s")
    how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
    return mistake("ended the process", part, f"the process ended {how}")


def _report_of(given: dict[str, Any]) -> CourseReport:
    values = {name: value for name, value in given.items() if name != "passed"}
    values["mistakes"] = tuple(Mistake(**one) for one in values["mistakes"])
    return CourseReport(**{**values, "notes": tuple(values["notes"])})


def _run(job: dict[str, Any], news: Path, work: Path) -> tuple[int | None, list[dict[str, Any]]]:
    """Run a job to its end; its exit status (None if it was ended for its time) and its news."""
    home = str(Path(__file__).resolve().parents[2])
    program = f"import sys; sys.path.append({home!r}); from fastcls.course._child import main; main()"
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    process = subprocess.Popen(
        [sys.executable, "-c", program, json.dumps(job)],
        cwd=work,
        env={**os.environ, **threads, "PYTHONDONTWRITEBYTECODE": "1", "MPLBACKEND": "Agg"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    status: int | None = None
    try:
        for limit in _limits(news, job["timeout"]):
            try:
                status = process.wait(_LOOK)
                break
            except subprocess.TimeoutExpired:
                if time.monotonic() > limit:
                    break
    finally:
        _end(process)
    return status, _events(news)


def _limits(news: Path, timeout: int) -> Iterator[float]:
    """Again and again, the time at which the process is ended; it moves with each of its news."""
    n_known, limit = 0, time.monotonic() + _START
    while True:
        yield limit
        n_events = len(_events(news))
        if n_events != n_known:
            n_known, limit = n_events, time.monotonic() + _ASLEEP * timeout


def _events(news: Path) -> list[dict[str, Any]]:
    """The news so far: whole lines only, because the last one may still be written."""
    try:
        text = news.read_text(encoding="utf-8")
    except OSError:
        return []
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process, and what it has started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    elif process.poll() is None:
        process.kill()
    process.wait()
