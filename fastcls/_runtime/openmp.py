"""Load the OpenMP library so that waiting threads spin only briefly, and detect a fork that happened before.

GNU's libgomp reads the environment once, when it is loaded, and by default lets waiting threads spin for milliseconds.
Training on two threads has about ten thousand such waits per second; each takes microseconds while both threads run. If
another process occupies one of the two processors, the spinning thread wastes the time that the other thread needs. On two
cores with a dozen other processes, 6 epochs of softmax on MNIST took 19 to 59 s; with short waits they took 0.6 to 1.4 s
(bench/LINEAR.md).

Settings of the user in the environment are respected, and the environment is restored once the library is loaded. If another
package has loaded the same library first, its setting stays.

libgomp's threads do not survive a fork, and a parallel region in the child waits for them forever (scikit-learn#19272). If
the parent has used the library (through LightGBM, numba or torch) and fastcls is first imported in the child, no hook of
ours sees the fork. Linux does: it marks a process that was forked and has not started another program since.
"""

from __future__ import annotations

import os
import threading

#: Iterations of libgomp's loop, about 10 us: longer than a wait for a running thread, shorter than a call of the scheduler.
_SPINS = "10000"
_OF_USER = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")

_FORKED_WITHOUT_EXEC = 0x40  # PF_FORKNOEXEC of the kernel

#: Whether the parent of this forked process had used, or may have used, the OpenMP library of the compiled modules.
threads_lost = False


def load() -> None:
    """Import the first compiled module, which loads the library."""
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
        # A library that was loaded just now is new; one that was mapped before may be the parent's. Its threads belong to
        # the thread that called it. Only the thread that forked lives on, as the main thread of the child: if it never had a
        # parallel region, there is nothing to wait for. LLVM's and Intel's libraries handle forks themselves.
        if here and here[0] in before and "gomp" in os.path.basename(here[0][2]):
            in_main_thread = threading.get_native_id() == os.getpid()
            threads_lost = not in_main_thread or _kernels.openmp_was_used()


def _was_forked() -> bool:
    """Whether Linux says that this process is a fork that has not started another program."""
    try:
        with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
            flags = int(file.read().rpartition(")")[2].split()[6])
    except (OSError, ValueError, IndexError):  # another system
        return False
    return bool(flags & _FORKED_WITHOUT_EXEC)


def _mappings() -> list[tuple[int, int, str]]:
    """(begin, end, file) of everything that is mapped into this process."""
    found = []
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
        for line in file:
            fields = line.rstrip("\n").split(maxsplit=5)
            begin, _, end = fields[0].partition("-")
            found.append((int(begin, 16), int(end, 16), fields[5] if len(fields) == 6 else ""))
    return found
