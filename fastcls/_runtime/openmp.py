"""Loads OpenMP's library with threads that wait for one another briefly awake, then asleep; and knows of a fork before that.

GNU's libgomp reads the environment once, when it is loaded, and lets threads spin for milliseconds by default. A training on
two threads has some ten thousand such waits a second, each of microseconds while both threads run. Where other work takes
one of their processors, the other thread spins through the time that the first would need: on two cores with a dozen other
processes 6 epochs of softmax on MNIST took 19 to 59 s, with short waits 0.6 to 1.4 s (bench/NOTES.md).

What the user has set in the environment is left alone, and the environment is as before once the library is loaded. Where
another package has loaded the same library first, its way of waiting stays.

libgomp's threads do not survive a fork, and a parallel region in the child waits for them for ever (scikit-learn#19272).
Where the parent has used the library (by LightGBM, numba, torch) and fastcls is imported first in the child, no hook of ours
sees the fork. Linux remembers it: a process that was forked and has started no other program since is marked so.
"""

from __future__ import annotations

import os
import threading

#: Of libgomp's own loop, about 10 us: longer than a wait for a thread that runs, shorter than a visit to the scheduler.
_SPINS = "10000"
_OF_USER = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")

_FORKED_WITHOUT_EXEC = 0x40  # PF_FORKNOEXEC of the kernel

#: Whether this process was forked by one that had used, or may have used, the OpenMP library of the compiled modules.
threads_lost = False


def load() -> None:
    """Import the first compiled module, and with it the library."""
    global threads_lost
    is_free = not any(name in os.environ for name in _OF_USER)
    before = _mappings() if _was_forked() else None
    if is_free:
        os.environ["GOMP_SPINCOUNT"] = _SPINS
    try:
        from fastcls import _kernels
    finally:
        if is_free:
            del os.environ["GOMP_SPINCOUNT"]
    if before is not None and _kernels.HAS_OPENMP:
        here = [mapping for mapping in _mappings() if mapping[0] <= _kernels.openmp_address() < mapping[1]]
        # A library that was loaded here is new; one that was there before may be the parent's. Its threads belong to the
        # thread that called it, and of the parent's threads only the one that forked lives on, as the main thread: if that
        # never had a parallel region, there is nothing to wait for. LLVM's and Intel's libraries handle forks themselves.
        if here and here[0] in before and "gomp" in os.path.basename(here[0][2]):
            in_main_thread = threading.get_native_id() == os.getpid()
            threads_lost = not in_main_thread or _kernels.openmp_was_used()


def _was_forked() -> bool:
    """Whether Linux says that this process is a copy of another one's, not a program that was started."""
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            flags = int(file.read().rpartition(")")[2].split()[6])
    except (OSError, ValueError, IndexError):  # another system
        return False
    return bool(flags & _FORKED_WITHOUT_EXEC)


def _mappings() -> list[tuple[int, int, str]]:
    """(begin, end, file) of what is mapped into this process."""
    found = []
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.rstrip("\n").split(maxsplit=5)
            begin, _, end = fields[0].partition("-")
            found.append((int(begin, 16), int(end, 16), fields[5] if len(fields) == 6 else ""))
    return found
