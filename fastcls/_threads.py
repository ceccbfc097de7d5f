"""How many threads a call may use."""

from __future__ import annotations

import functools
import os
from contextlib import AbstractContextManager

import joblib
from threadpoolctl import ThreadpoolController

from . import _kernels
from ._validation import check_n_jobs

_OPENMP_AT_IMPORT = _kernels.openmp_limit()
_forked = False


def _remember_fork() -> None:
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_remember_fork)


def notes() -> tuple[str, ...]:
    """What a search report should say of the threads.

    libgomp's threads do not survive a fork, and a parallel region in the child would wait for them for ever
    (scikit-learn#19272); so a process forked after fastcls was imported runs on one thread, and says so.
    """
    return ("one thread: this process was forked after fastcls was imported",) if _forked else ()


def _cores(physical: bool) -> int:
    """Cores this process may use. Asked of the system again only when the affinity changes: it takes 0.1 ms."""
    allowed = frozenset(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return _count_cores(physical, allowed, os.environ.get("LOKY_MAX_CPU_COUNT"))


@functools.lru_cache(maxsize=16)
def _count_cores(physical: bool, allowed: frozenset[int] | None, limit: str | None) -> int:
    return int(joblib.cpu_count(only_physical_cores=physical))


def effective(n_jobs: int | None) -> int:
    """Threads to use for `n_jobs`.

    None: OMP_NUM_THREADS if set, else all usable physical cores (affinity and cgroup respected). Positive: that many.
    Negative: all cores but ``-1 - n_jobs``. Always at most the limit that threadpoolctl has set, if it has set one.
    """
    check_n_jobs(n_jobs)
    if not _kernels.HAS_OPENMP or _forked:
        return 1
    if n_jobs is None:
        from_environment = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
        asked = int(from_environment) if from_environment.isdigit() else 0
        wanted = asked if asked > 0 else _cores(physical=True)
    elif n_jobs > 0:
        wanted = int(n_jobs)
    else:
        wanted = max(1, _cores(physical=False) + 1 + int(n_jobs))
    limit = _kernels.openmp_limit()
    # OpenMP cannot say whether its number is a default or a limit. It is taken as a limit where somebody lowered it since
    # import, and where it is 1: then the environment or a pool of processes asks for one thread each.
    return min(wanted, limit) if limit == 1 or limit < _OPENMP_AT_IMPORT else wanted


def of_worker(n_jobs: int | None, n_given: int) -> int:
    """Threads to use for `n_jobs` in a worker of a cluster that was given `n_given` by whoever started it.

    OMP_NUM_THREADS and OpenMP's own number say nothing there: Dask's nanny sets them to 1 for every worker.
    """
    check_n_jobs(n_jobs)
    if not _kernels.HAS_OPENMP or _forked:
        return 1
    if n_jobs is None:
        return max(1, n_given)
    return int(n_jobs) if n_jobs > 0 else max(1, _cores(physical=False) + 1 + int(n_jobs))


@functools.cache
def _pools() -> ThreadpoolController:
    return ThreadpoolController()


def one_blas_thread() -> AbstractContextManager[object]:
    """A context in which the BLAS uses one thread.

    Its own threads go on spinning for a while after each call and take the cores from ours, which do the same: many small
    calls, one after the other, then take ten times as long (scikit-learn#34764).
    """
    return _pools().limit(limits=1, user_api="blas")


_WORTH_A_THREAD = 2_000_000  # operations: about 0.1 ms, ten times what waking a thread and waiting for it costs


def worth(n_threads: int, operations: int) -> int:
    """Threads that `operations` simple steps are worth, at most `n_threads`."""
    return min(n_threads, 1 + operations // _WORTH_A_THREAD)
