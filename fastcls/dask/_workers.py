"""Shards kept on workers, and rounds of questions to all of them that survive the loss of a worker.

A task that belongs to a shard may run at the shard's home only: Dask would otherwise steal it for an idle worker, which
would have to open the shard again and learn its filter anew. The price is that Dask cannot move such tasks when a worker
dies; so rounds are watched here, and asked again once the lost shards have new homes. What was scattered is lost with the
worker that held it (distributed#3149); that ends a round too, and the next scatters it again.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from concurrent import futures
from contextlib import suppress
from typing import Any

logger = logging.getLogger("fastcls")

_LOOK_SECONDS = 0.5  # between two looks at which workers there are
_WORKER_SECONDS = 60.0  # to wait for a first worker where all are gone: a nanny starts another in about two
_TRANSFER_SECONDS = 120.0  # for the results of one round, or what it scatters
_ATTEMPTS = 8  # of one round: a worker that dies of it each time, of its memory limit say, will not do it


class ClusterError(RuntimeError):
    """The cluster was lost, or loses a worker each time the same work is tried."""


class _LostError(Exception):
    """A worker went away with something that this round needs."""


def is_direct(client: Any) -> bool:
    """Whether client and workers talk to each other, past the scheduler: unless the client was told not to."""
    return client.direct_to_workers is not False


class Crew:
    """Workers of a cluster, each the home of some shards.

    Parameters
    ----------
    client : distributed.Client
    n_shards : int
    opening : callable
        ``opening(crew, i, home)`` submits the task that opens shard i at its home: its future, and what else must stay.
    near : sequence of sets of str, optional
        For every shard addresses that hold its rows already.
    """

    def __init__(
        self, client: Any, n_shards: int, opening: Callable[[Crew, int, str], tuple[Any, Any]], near: Sequence[set[str]] = ()
    ) -> None:
        self.client = client
        self.opening = opening
        self.near = near
        self.homes = [""] * n_shards
        self.shards: list[Any] = [None] * n_shards
        self._kept: list[Any] = [None] * n_shards
        self._lock = threading.RLock()

    @property
    def n_shards(self) -> int:
        return len(self.homes)

    def submit_at(self, home: str, function: Callable[..., Any], *args: Any) -> Any:
        """A task at one worker and no other."""
        return self.client.submit(function, *args, workers=[home], allow_other_workers=False, pure=False)

    def submit(self, i: int, function: Callable[..., Any], *args: Any) -> Any:
        """A task at the home of shard i, with the shard as its first argument."""
        return self.submit_at(self.homes[i], function, self.shards[i], *args)

    def by_home(self) -> dict[str, list[int]]:
        """The shards of every home."""
        found: dict[str, list[int]] = {}
        for i, home in enumerate(self.homes):
            found.setdefault(home, []).append(i)
        return found

    def broadcast(self, value: Any) -> Any:
        """A future of a value that every home has, sent to one and from worker to worker; it is in no graph."""
        return self._scatter(value, set(self.homes))

    def send(self, home: str, value: Any) -> Any:
        """A future of a value that one worker has."""
        return self._scatter(value, {home})

    def _scatter(self, value: Any, homes: set[str]) -> Any:
        async def scatter() -> Any:
            return await self.client.scatter(
                [value],
                workers=sorted(homes),
                broadcast=len(homes) > 1,
                direct=is_direct(self.client),
                hash=False,
                timeout=_TRANSFER_SECONDS,
                asynchronous=True,
            )

        return self._watched(scatter, homes)[0]

    def fetch(self, done: list[Any], homes: set[str]) -> list[Any]:
        """The results of futures that are done."""

        async def gather() -> Any:
            return await self.client.gather(done, direct=is_direct(self.client), asynchronous=True)

        found: list[Any] = self._watched(gather, homes)
        return found

    def _watched(self, ask: Callable[[], Coroutine[Any, Any, Any]], homes: set[str]) -> Any:
        """What a transfer gives; `_LostError` when one of the workers goes away, for which Dask itself would wait."""
        transfer = asyncio.run_coroutine_threadsafe(ask(), self.client.loop.asyncio_loop)
        end = time.monotonic() + _TRANSFER_SECONDS
        try:
            while True:
                try:
                    return transfer.result(timeout=_LOOK_SECONDS)
                except (OSError, TimeoutError, futures.CancelledError) as error:
                    if transfer.done() or time.monotonic() > end or not homes <= self.alive():
                        raise _LostError from error
        finally:
            transfer.cancel()

    def merged(self, parts: Sequence[Any], merge: Callable[[Any, Any], Any]) -> Any:
        """Neighbours merged pairwise, left before right, until one is left."""
        while len(parts) > 1:
            pairs = [parts[at : at + 2] for at in range(0, len(parts), 2)]
            parts = [self.client.submit(merge, *pair, pure=False) if len(pair) == 2 else pair[0] for pair in pairs]
        return parts[0]

    def ask(self, submit: Callable[[], list[Any]]) -> Round:
        """A round begun: `submit()` submits its tasks and gives the futures of its results."""
        return Round(self, submit)

    def alive(self) -> set[str]:
        """Addresses of the workers there are; waits for one where there is none."""
        end = time.monotonic() + _WORKER_SECONDS
        while self.client.status in ("running", "connecting"):
            with suppress(OSError, TimeoutError):  # the scheduler may be away for a moment
                found = set(self.client.nthreads())
                if found:
                    return found
            if time.monotonic() > end:
                raise ClusterError(f"no worker of the cluster is there, and none came in {_WORKER_SECONDS:.0f} s")
            time.sleep(_LOOK_SECONDS)
        raise ClusterError(f"the client is {self.client.status}: its cluster is gone; connect another and ask again")

    def place(self) -> None:
        """Give every shard that has no home, or lost it, a home, and begin to open it there."""
        with self._lock:
            alive = self.alive()
            lost = [i for i, home in enumerate(self.homes) if home not in alive or self._is_gone(self.shards[i])]
            if not lost:
                return
            if any(self.homes[i] for i in lost):
                logger.warning("a worker was lost: %d of %d shards are opened again elsewhere", len(lost), self.n_shards)
            load = Counter(home for i, home in enumerate(self.homes) if i not in lost)
            for at, i in enumerate(lost):
                home = self._home_for(i, sorted(alive), load, at, len(lost))
                load[home] += 1
                self.shards[i], self._kept[i] = self.opening(self, i, home)
                self.homes[i] = home  # last: what is to be sent may be lost with this one too, and the shard is as it was

    def _home_for(self, i: int, alive: list[str], load: Counter[str], at: int, n_lost: int) -> str:
        near = [home for home in sorted(self.near[i]) if home in alive] if self.near else []
        if near and load[near[0]] < -(-self.n_shards // len(alive)):
            return near[0]
        if n_lost == self.n_shards and not self.near:  # neighbouring shards side by side: what is merged first lies there
            return alive[at * len(alive) // n_lost] if n_lost >= len(alive) else alive[at]
        return min(alive, key=lambda home: (load[home], home))

    @staticmethod
    def _is_gone(shard: Any) -> bool:
        return shard is None or shard.status in ("cancelled", "lost", "error")


class Round:
    """One question to all shards under way; asked again when a worker is lost, a few times."""

    def __init__(self, crew: Crew, submit: Callable[[], list[Any]]) -> None:
        self.crew = crew
        self.submit = submit
        self._futures: list[Any] = []
        self._homes: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        self._futures = []
        try:
            self.crew.place()
            self._homes = set(self.crew.homes)
            self._futures = self.submit()
        except _LostError as error:  # something was to be sent to who is gone
            logger.info("a round of work could not begin: %r", error.__cause__)

    def results(self) -> list[Any]:
        """What came of it.

        Raises
        ------
        ClusterError
            Where it lost a worker too often.
        Exception
            What a task raised.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(min(attempt, 4) * _LOOK_SECONDS)
                self._begin()
            try:
                if self._futures:
                    self._wait()
                    return self.crew.fetch(self._futures, self._homes)
            except _LostError:
                logger.info("a round of work lost a worker, or what it had sent there")
        raise ClusterError(
            f"the same work lost a worker {_ATTEMPTS} times; has each worker the memory for its shards (docs/dask.md), and "
            "the same fastcls?"
        )

    def _wait(self) -> None:
        """Until the results are there; `_LostError` as soon as one cannot come."""
        from distributed import KilledWorker, wait

        while True:
            with suppress(TimeoutError, futures.CancelledError), self.crew.client.as_current():
                wait(self._futures, timeout=_LOOK_SECONDS, return_when="ALL_COMPLETED")
            states = {future.status for future in self._futures}
            if states == {"finished"}:
                return
            if states & {"cancelled", "lost"}:
                raise _LostError
            for future in self._futures:
                error = future.exception() if future.status == "error" else None
                if isinstance(error, KilledWorker):
                    raise _LostError
                if error is not None:
                    raise error
            if not self._homes <= self.crew.alive():
                raise _LostError
