"""Adaptive chunk size: how much work one chunk does. Python runs between two chunks, so Ctrl-C waits for one chunk."""

from __future__ import annotations

from collections.abc import Callable

#: Reports progress: ``progress(done, total)``.
Progress = Callable[[int, int], object]

#: Target time of one chunk.
CHUNK_SECONDS = 0.05


class ChunkSize:
    """Counts chunks, and estimates from their times how much work fits into the next.

    The estimate uses the best rate so far. If other processes slow a search down, its chunks must not become smaller and
    smaller: after each chunk the threads wait for each other, and on a busy machine these waits are longer.
    """

    def __init__(self) -> None:
        self.chunks = 0
        self._rate = 0.0

    def record(self, amount: int, seconds: float) -> float:
        """Record the time of a chunk with this amount of work; return the amount that takes `CHUNK_SECONDS`."""
        self.chunks += 1
        self._rate = max(self._rate, amount / max(seconds, 1e-6))
        return self._rate * CHUNK_SECONDS
