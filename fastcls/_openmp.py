"""Loads OpenMP's library with threads that wait for one another briefly awake, then asleep.

GNU's libgomp reads the environment once, when it is loaded, and lets threads spin for milliseconds by default. A training on
two threads has some ten thousand such waits a second, each of microseconds while both threads run. Where other work takes
one of their processors, the other thread spins through the time that the first would need: on two cores with a dozen other
processes 6 epochs of softmax on MNIST took 19 to 59 s, with short waits 0.6 to 1.4 s (bench/NOTES.md).

What the user has set in the environment is left alone, and the environment is as before once the library is loaded. Where
another package has loaded the same library first, its way of waiting stays.
"""

from __future__ import annotations

import os

#: Of libgomp's own loop, about 10 us: longer than a wait for a thread that runs, shorter than a visit to the scheduler.
_SPINS = "10000"
_OF_USER = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


def load() -> None:
    """Import the first compiled module, and with it the library."""
    is_free = not any(name in os.environ for name in _OF_USER)
    if is_free:
        os.environ["GOMP_SPINCOUNT"] = _SPINS
    try:
        from . import _kernels  # noqa: F401
    finally:
        if is_free:
            del os.environ["GOMP_SPINCOUNT"]
