"""A check that is done once, by whichever thread or forked process comes first."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager

try:
    import fcntl
except ImportError:  # no such locks, and no fork
    fcntl = None  # type: ignore[assignment]


class Once:
    """A flag that is set at most once, and seen by all threads of this process and of processes forked from it.

    The flag is a byte of a file without a name, which forked processes share. Its lock is released when its owner dies.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._threads, self._owner = threading.Lock(), os.getpid()
        self._file = -1
        if fcntl is not None:
            if hasattr(os, "memfd_create"):
                self._file = os.memfd_create("fastcls")
            else:
                with tempfile.TemporaryFile() as file:
                    self._file = os.dup(file.fileno())
            weakref.finalize(self, os.close, self._file)

    @property
    def is_set(self) -> bool:
        if not self._is_set and self._file >= 0:
            self._is_set = os.pread(self._file, 1, 0) == b"1"
        return self._is_set

    @contextmanager
    def unless_set(self) -> Iterator[bool]:
        """Whether the block is to do the work; at its end the flag is set, unless it failed. Others wait until then."""
        if self._owner != os.getpid():  # a thread of the parent may have held the lock
            self._threads, self._owner = threading.Lock(), os.getpid()
        with self._threads, self._locked():
            if self.is_set:
                yield False
                return
            yield True
            if self._file >= 0:
                os.pwrite(self._file, b"1", 0)
            self._is_set = True

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._file < 0:
            yield
            return
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._file, fcntl.LOCK_UN)
