"""Shards on workers, and round trips to all of them that survive the loss of a worker.

The tasks of a shard may only run on its owner: Dask would otherwise steal one for an idle worker, which would have to open
the shard and learn its filter again. In return, Dask cannot move these tasks when a worker dies. So this module watches each
round trip, and repeats it once the lost shards have new owners. Scattered data is lost with the worker that held it
(distributed#3149); that ends a round trip too, and the next attempt scatters it again.
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

_POLL_SECONDS = 0.5  # between two checks of which workers are alive
_WORKER_SECONDS = 60.0  # how long to wait for a worker if all are lost: a nanny starts another in about two
_TRANSFER_SECONDS = 120.0  # for the results of one round trip, or for the data it scatters
_ATTEMPTS = 8  # of one round trip: if a worker dies each time, say by its memory limit, more attempts do not help


class ClusterError(RuntimeError):
    """The cluster is lost, or loses a worker each time it tries the same work."""


class _LostError(Exception):
    """A worker that this round trip needs is lost."""


def is_direct(client: Any) -> bool:
    """Whether client and workers exchange data directly, not through the scheduler: the default."""
    return client.direct_to_workers is not False


class Workers:
    """The workers of a cluster, each the owner of some shards.

    Parameters
    ----------
    client : distributed.Client
    n_shards : int
    open_shard : callable
        ``open_shard(workers, i, owner)`` submits the task that opens shard i on its owner. It returns the task's future and
        whatever else must be kept alive.
    holders : sequence of sets of str, optional
        For each shard, the addresses of the workers that already hold its rows.
    """

    def __init__(
        self,
        client: Any,
        n_shards: int,
        open_shard: Callable[[Workers, int, str], tuple[Any, Any]],
        holders: Sequence[set[str]] = (),
    ) -> None:
        self.client = client
        self.open_shard = open_shard
        self.holders = holders
        self.owners = [""] * n_shards
        self.shards: list[Any] = [None] * n_shards
        self._kept: list[Any] = [None] * n_shards
        self._lock = threading.RLock()

    @property
    def n_shards(self) -> int:
        return len(self.owners)

    def submit_at(self, owner: str, function: Callable[..., Any], *args: Any) -> Any:
        """Submit a task to one worker and no other."""
        return self.client.submit(function, *args, workers=[owner], allow_other_workers=False, pure=False)

    def submit(self, i: int, function: Callable[..., Any], *args: Any) -> Any:
        """Submit a task to the owner of shard i, with the shard as its first argument."""
        return self.submit_at(self.owners[i], function, self.shards[i], *args)

    def by_owner(self) -> dict[str, list[int]]:
        """The shards of each owner."""
        found: dict[str, list[int]] = {}
        for i, owner in enumerate(self.owners):
            found.setdefault(owner, []).append(i)
        return found

    def broadcast(self, value: Any) -> Any:
        """Send a value to one owner, and from worker to worker to all others; returns its future. It enters no graph."""
        return self._scatter(value, set(self.owners))

    def send(self, owner: str, value: Any) -> Any:
        """Send a value to one worker; returns its future."""
        return self._scatter(value, {owner})

    def _scatter(self, value: Any, owners: set[str]) -> Any:
        async def scatter() -> Any:
            return await self.client.scatter(
                [value],
                workers=sorted(owners),
                broadcast=len(owners) > 1,
                direct=is_direct(self.client),
                hash=False,
                timeout=_TRANSFER_SECONDS,
                asynchronous=True,
            )

        return self._transferred(scatter, owners)[0]

    def fetch(self, done: list[Any], owners: set[str]) -> list[Any]:
        """The results of finished futures."""

        async def gather() -> Any:
            return await self.client.gather(done, direct=is_direct(self.client), asynchronous=True)

        found: list[Any] = self._transferred(gather, owners)
        return found

    def _transferred(self, start: Callable[[], Coroutine[Any, Any, Any]], owners: set[str]) -> Any:
        """The result of a transfer; raises `_LostError` if one of the workers is lost.

        Dask would wait for it, or fail with whatever its scheduler stumbles over: a KeyError with the worker's address.
        """
        transfer = asyncio.run_coroutine_threadsafe(start(), self.client.loop.asyncio_loop)
        end = time.monotonic() + _TRANSFER_SECONDS
        try:
            while True:
                try:
                    return transfer.result(timeout=_POLL_SECONDS)
                except (OSError, TimeoutError, futures.CancelledError) as error:
                    if transfer.done() or time.monotonic() > end or not owners <= self.alive():
                        raise _LostError from error
                except Exception as error:
                    if owners <= self.alive():
                        raise
                    raise _LostError from error
        finally:
            transfer.cancel()

    def merged(self, parts: Sequence[Any], merge: Callable[[Any, Any], Any]) -> Any:
        """Merge results in pairs, left before right, until one is left."""
        while len(parts) > 1:
            pairs = [parts[at : at + 2] for at in range(0, len(parts), 2)]
            parts = [self.client.submit(merge, *pair, pure=False) if len(pair) == 2 else pair[0] for pair in pairs]
        return parts[0]

    def round_trip(self, submit: Callable[[], list[Any]]) -> RoundTrip:
        """Start a round trip: `submit()` submits its tasks and returns the futures of its results."""
        return RoundTrip(self, submit)

    def alive(self) -> set[str]:
        """Addresses of the workers that are alive; waits for one if there is none."""
        end = time.monotonic() + _WORKER_SECONDS
        while self.client.status in ("running", "connecting"):
            with suppress(OSError, TimeoutError):  # the scheduler may be unreachable for a moment
                found = set(self.client.nthreads())
                if found:
                    return found
            if time.monotonic() > end:
                raise ClusterError(
                    f"the cluster has no worker left, and none joined within {_WORKER_SECONDS:.0f} s: start a worker"
                )
            time.sleep(_POLL_SECONDS)
        raise ClusterError(
            f"the client is {self.client.status}: its cluster is gone; connect another client and repeat the call"
        )

    def assign(self) -> None:
        """Give each shard without a living owner a new one, and start to open it there."""
        with self._lock:
            alive = self.alive()
            lost = [i for i, owner in enumerate(self.owners) if owner not in alive or self._is_gone(self.shards[i])]
            if not lost:
                return
            if any(self.owners[i] for i in lost):
                logger.warning("lost a worker: opening %d of %d shards again on others", len(lost), self.n_shards)
            load = Counter(owner for i, owner in enumerate(self.owners) if i not in lost)
            for at, i in enumerate(lost):
                owner = self._owner_for(i, sorted(alive), load, at, len(lost))
                load[owner] += 1
                self.shards[i], self._kept[i] = self.open_shard(self, i, owner)
                self.owners[i] = owner  # last: if this worker is lost during the transfer, the shard still counts as lost

    def _owner_for(self, i: int, alive: list[str], load: Counter[str], at: int, n_lost: int) -> str:
        holders = [owner for owner in sorted(self.holders[i]) if owner in alive] if self.holders else []
        if holders and load[holders[0]] < -(-self.n_shards // len(alive)):
            return holders[0]
        if n_lost == self.n_shards and not self.holders:  # consecutive shards on one worker: they are merged first
            return alive[at * len(alive) // n_lost] if n_lost >= len(alive) else alive[at]
        return min(alive, key=lambda owner: (load[owner], owner))

    @staticmethod
    def _is_gone(shard: Any) -> bool:
        return shard is None or shard.status in ("cancelled", "lost", "error")


class RoundTrip:
    """Tasks for all shards that are running; repeated, a few times, when a worker is lost."""

    def __init__(self, workers: Workers, submit: Callable[[], list[Any]]) -> None:
        self.workers = workers
        self.submit = submit
        self._futures: list[Any] = []
        self._owners: set[str] = set()
        self._start()

    def _start(self) -> None:
        self._futures = []
        try:
            self.workers.assign()
            self._owners = set(self.workers.owners)
            self._futures = self.submit()
        except _LostError as error:  # a worker was lost while data was sent to it
            logger.info("a round trip could not start: %r", error.__cause__)

    def results(self) -> list[Any]:
        """Wait for the results.

        Raises
        ------
        ClusterError
            If a worker was lost in each of several attempts.
        Exception
            The error that a task raised.
        """
        for attempt in range(_ATTEMPTS):
            if attempt:
                time.sleep(min(attempt, 4) * _POLL_SECONDS)
                self._start()
            try:
                if self._futures:
                    self._wait()
                    return self.workers.fetch(self._futures, self._owners)
            except _LostError:
                logger.info("a round trip lost a worker, or data sent to it")
        raise ClusterError(
            f"a worker was lost in each of {_ATTEMPTS} attempts at the same work: check that each worker has the memory for "
            "its shards (docs/dask.md) and the same version of fastcls"
        )

    def _wait(self) -> None:
        """Wait until the results are there; raises `_LostError` as soon as one cannot come."""
        from distributed import KilledWorker, wait

        while True:
            with suppress(TimeoutError, futures.CancelledError), self.workers.client.as_current():
                wait(self._futures, timeout=_POLL_SECONDS, return_when="ALL_COMPLETED")
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
            if not self._owners <= self.workers.alive():
                raise _LostError
