"""How many threads a call may use, and whether the system can start them."""

from __future__ import annotations

import contextlib
import functools
import io
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import joblib
from threadpoolctl import OpenBLASController, ThreadpoolController

from fastcls import _kernels
from fastcls._validation.base import check_n_jobs
from fastcls._validation.messages import quoted

from . import openmp

_OPENMP_AT_IMPORT = _kernels.openmp_limit()
_MOST_PER_PROCESSOR = 4  # more threads only cost memory, and libgomp ends the process if it cannot start one
_CPU_FOLDER = "/sys/devices/system/cpu"
_forked = False


class _OfThread(threading.local):
    """State of the calling thread: OpenMP keeps a team of threads for each calling thread."""

    notes: tuple[str, ...] = ()  # of the last `effective` or `of_worker`
    requested = 1  # the largest team that was tried
    made = 1  # how many of its threads can be alive at once


_own = _OfThread()


def _remember_fork() -> None:
    global _forked, _one_blas
    _forked = True
    _one_blas = _OneBlasThread()  # its lock may be held by a thread that the child does not have


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remember_fork)


def notes() -> tuple[str, ...]:
    """Notes for the search report: how the last request for threads from this thread was changed.

    libgomp's threads do not survive a fork, and a parallel region in the child would wait for them forever
    (scikit-learn#19272). So a process that was forked after fastcls was imported, or after its parent had used the same
    library (`openmp.py`), runs on one thread and says so.
    """
    if _forked:
        return ("one thread: this process was forked after fastcls was imported",)
    if openmp.threads_lost:
        return ("one thread: this process was forked from one that had used the same OpenMP library",)
    return _own.notes


@functools.lru_cache(maxsize=64)
def _warn_once(note: str) -> None:
    warnings.warn(note, UserWarning, stacklevel=3)


def _is_serial() -> bool:
    return not _kernels.HAS_OPENMP or _forked or openmp.threads_lost


def processors() -> int:
    """Logical processors that this process may use (affinity, cgroup and LOKY_MAX_CPU_COUNT respected)."""
    return _cores(physical=False)


def _cores(physical: bool) -> int:
    """Cores that this process may use. The system is queried again only if the affinity changes: it takes 0.1 ms."""
    allowed = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return _count_cores(physical, allowed, os.environ.get("LOKY_MAX_CPU_COUNT"))


@functools.lru_cache(maxsize=16)
def _count_cores(physical: bool, allowed: frozenset[int] | None, limit: str | None) -> int:
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore", UserWarning)  # joblib prints a traceback if it cannot count physical cores
        if limit is None or _is_whole(limit):
            return _count_with_joblib(physical)
        del os.environ["LOKY_MAX_CPU_COUNT"]
        try:
            return _count_with_joblib(physical)
        finally:
            os.environ["LOKY_MAX_CPU_COUNT"] = limit


def _count_with_joblib(physical: bool) -> int:
    usable = int(joblib.cpu_count())
    if not physical or usable < (os.cpu_count() or 1):
        return usable  # a limit was set: as joblib, no attempt to halve it
    return _physical_cores() or int(joblib.cpu_count(only_physical_cores=True))


def _physical_cores() -> int:
    """Cores of a Linux system, 0 if it does not list them. joblib starts lscpu for this number, which takes 3 ms."""
    try:
        names = [name for name in os.listdir(_CPU_FOLDER) if name[:3] == "cpu" and name[3:].isdecimal()]
        return len({Path(_CPU_FOLDER, name, "topology/thread_siblings_list").read_bytes() for name in names})
    except OSError:  # another system, or a processor that is off has no list
        return 0


def _is_whole(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _of_environment() -> tuple[int | None, list[str]]:
    """The number in OMP_NUM_THREADS, if any, and messages about the environment."""
    number, messages = _parsed(os.environ.get("LOKY_MAX_CPU_COUNT"), os.environ.get("OMP_NUM_THREADS", ""))
    return number, list(messages)


@functools.lru_cache(maxsize=16)
def _parsed(limit: str | None, text: str) -> tuple[int | None, tuple[str, ...]]:
    messages = []
    if limit is not None and not _is_whole(limit):
        messages.append(f"LOKY_MAX_CPU_COUNT={quoted(limit)} is not a number of processors and was ignored")
    first = text.split(",")[0].strip()
    if not (first.isascii() and first.isdecimal() and first.strip("0")):
        if first:
            messages.append(f"OMP_NUM_THREADS={quoted(text)} is not a number of threads and was ignored")
        return None, tuple(messages)
    return int(first) if len(first) < 19 else sys.maxsize, tuple(messages)


def effective(n_jobs: int | None) -> int:
    """Threads to use for `n_jobs`.

    None: OMP_NUM_THREADS if set, else all usable physical cores (affinity and cgroup respected). Positive: that many.
    Negative: all cores but ``-1 - n_jobs``. The result never exceeds a limit set by threadpoolctl, four times the usable
    processors, or the number of threads that can be started; `notes` says if a number was changed.
    """
    check_n_jobs(n_jobs)
    _own.notes = ()
    if _is_serial():
        return 1
    from_environment, messages = _of_environment()
    wanted = (from_environment or _cores(physical=True)) if n_jobs is None else _of_number(int(n_jobs))
    limit = _kernels.openmp_limit()
    # OpenMP cannot say whether its number is a default or a limit. It counts as a limit if somebody lowered it since import,
    # or if it is 1: then the environment or a pool of processes requests one thread each.
    if limit == 1 or limit < _OPENMP_AT_IMPORT:
        wanted = min(wanted, limit)
    return _possible(wanted, messages)


def of_worker(n_jobs: int | None, n_given: int) -> int:
    """Threads to use for `n_jobs` in a worker of a cluster that was started with `n_given` threads.

    OMP_NUM_THREADS and OpenMP's own number mean nothing there: Dask's nanny sets them to 1 for every worker.
    """
    check_n_jobs(n_jobs)
    _own.notes = ()
    if _is_serial():
        return 1
    return _possible(max(1, n_given) if n_jobs is None else _of_number(int(n_jobs)), [])


def _of_number(n_jobs: int) -> int:
    return n_jobs if n_jobs > 0 else max(1, _cores(physical=False) + 1 + n_jobs)


def _possible(wanted: int, messages: list[str]) -> int:
    """At most four threads per processor, and no more than the system lets this process start."""
    most = _MOST_PER_PROCESSOR * processors()
    n_threads = min(wanted, most)
    if n_threads < wanted:
        number = f"{wanted:,}" if wanted < sys.maxsize else f"{sys.maxsize:,} or more"
        messages.append(f"{number} threads requested, {most} used: at most four times the {processors()} usable processors")
    if n_threads > _own.requested:  # a larger team than this thread has had
        made = 1 + int(_kernels.threads_that_start(n_threads - 1, _stack_bytes()))
        # Near a limit, half is left for other threads of this process and for the memory of the search.
        _own.made = made if made == n_threads else (made + 1) // 2
        _own.requested = n_threads
        _kernels.start_team(min(n_threads, _own.made))
    if n_threads > _own.made:
        messages.append(
            f"{n_threads} threads requested, {_own.made} used: the system could not start more (see ulimit -u, ulimit -v "
            "and the limits of the control group)"
        )
    _own.notes = tuple(messages)
    for note in messages:
        _warn_once(note)
    return min(n_threads, _own.made)


_UNITS = {"B": 1, "": 1 << 10, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def _stack_bytes() -> int:
    """The stack size of OpenMP's threads, if the environment sets one; 0 for the system's default."""
    text = os.environ.get("OMP_STACKSIZE") or os.environ.get("GOMP_STACKSIZE") or ""
    found = re.fullmatch(r"\s*([0-9]{1,12})\s*([BKMG]?)\s*", text.upper())
    return min(int(found[1]) * _UNITS[found[2]], sys.maxsize) if found else 0


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def in_pool(work: Callable[[_Item], _Result], items: Iterable[_Item], n_threads: int) -> Iterator[_Result]:
    """``map(work, items)`` on up to `n_threads` Python threads, as many as can start; fewer than two: on this thread."""
    n_threads = min(n_threads, int(_kernels.threads_that_start(n_threads, 0))) if n_threads > 1 else 1
    if n_threads < 2:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        yield from pool.map(work, items)


@functools.cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def _release_blas() -> None:
    """Let the calling thread set the threads of OpenBLAS: from threadpoolctl 3.8 on, only the one that set them may."""
    if hasattr(OpenBLASController, "clear_controlling_thread"):
        OpenBLASController.clear_controlling_thread(force=True)


class _OneBlasThread:
    """The limit that callers of `one_blas_thread` share. It belongs to the process, so the last one to leave restores it."""

    def __init__(self) -> None:
        self.lock, self.n_inside = threading.Lock(), 0
        self.limit: Any = None

    def enter(self) -> None:
        with self.lock:
            if not self.n_inside:
                self.limit = _pools().limit(limits=1, user_api="blas")
            self.n_inside += 1

    def leave(self) -> None:
        with self.lock:
            self.n_inside -= 1
            if not self.n_inside:
                _release_blas()
                self.limit.restore_original_limits()
                _release_blas()


_one_blas = _OneBlasThread()


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """A context in which the BLAS uses one thread, also while other threads enter and leave such a context.

    After each call the threads of the BLAS spin for a while and occupy cores that our threads need, and vice versa. Many
    small calls then take ten times as long (scikit-learn#34764).
    """
    shared = _one_blas
    shared.enter()
    try:
        yield
    finally:
        shared.leave()


_OPERATIONS_PER_THREAD = 2_000_000  # about 0.1 ms, ten times the cost of waking a thread and waiting for it


def limit_by_work(n_threads: int, operations: int) -> int:
    """At most `n_threads`, and no more threads than `operations` simple steps can keep busy."""
    return min(n_threads, 1 + operations // _OPERATIONS_PER_THREAD)
