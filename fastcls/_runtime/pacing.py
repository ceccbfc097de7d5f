"""How much of a search one piece takes. Between two pieces Python runs, so a piece is how long Ctrl-C waits."""

from __future__ import annotations

#: what a piece should take
CHUNK_SECONDS = 0.05


class ChunkSize:
    """Counts pieces, and learns from them how much fits into the next.

    By the best rate so far: a search that other processes slow down must not be cut ever smaller, for every cut costs the
    threads a wait for each other, which then is the longer.
    """

    def __init__(self) -> None:
        self.chunks = 0
        self._rate = 0.0

    def record(self, amount: int, seconds: float) -> float:
        """Note that a piece of this amount took so long; returns the amount of `CHUNK_SECONDS`."""
        self.chunks += 1
        self._rate = max(self._rate, amount / max(seconds, 1e-6))
        return self._rate * CHUNK_SECONDS
