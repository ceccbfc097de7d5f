"""One measurement in its own process: ``python -m bench.child '{"data": ..., "engine": ...}'`` prints a JSON object.

So engines do not share threads, allocator or BLAS, the instruction set and the number of threads are set before any library
is loaded, and the peak memory is that of one search.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
WARM_UP_QUERIES = 64
LEAST_QUERIES = 256  # of a sample that is scaled up: smaller samples are not reliable
DISTURBED = 0.03  # share of the processors used by other processes above which a round is dropped if there are better ones
SAMPLE = 16  # queries whose answers are compared between engines


@dataclass(frozen=True)
class Spec:
    """What to measure.

    Attributes
    ----------
    data, engine, metric : str
    k : int
    algorithm : str
        Passed through to fastcls.
    queries : int or None
        Use only the first `queries` queries; None is all, 0 is as many as `seconds` allow, at least 256.
    seconds : float
        Rounds are repeated (at most 7) until this time has passed; at least one is made. Rounds in which other processes
        used more than 3 % of the processors are dropped if there are better ones; `disturbed` is the smallest share.
    threads : int
    isa : str
        Value of FASTCLS_ISA; "" leaves the choice to the library.
    what : {"search", "latency", "predict", "memory"}
        Fit and search; one query at a time; `KNeighborsClassifier` on all queries, without the fit; peak memory.
    """

    data: str
    engine: str
    metric: str
    k: int
    algorithm: str = "brute"
    queries: int | None = None
    seconds: float = 10.0
    threads: int = 2
    isa: str = ""
    what: str = "search"


def measure(spec: Spec) -> dict[str, Any]:
    """Run `spec` in a new process and return its figures; RuntimeError with the end of its stderr if it failed."""
    import fastcls  # not at the top: the process of a rival does not need it

    environment = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "FASTCLS_ISA")}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[name] = str(spec.threads)
    if spec.isa:
        environment["FASTCLS_ISA"] = spec.isa
    home = Path(fastcls.__file__).parents[1]  # the same fastcls as in this process, installed or next to bench/
    environment["PYTHONPATH"] = os.pathsep.join([str(home), str(ROOT), environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-P", "-m", "bench.child", json.dumps(asdict(spec))]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{spec}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


class Foreign:
    """Measures the share of the processors that other processes used since its creation; 0 if unknown."""

    def __init__(self) -> None:
        self.begun = time.perf_counter()
        self.busy, self.own = self._busy(), sum(os.times()[:4])

    @staticmethod
    def _busy() -> float | None:
        try:
            fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        except OSError:
            return None
        user, nice, system, _, _, irq, soft, steal = map(int, fields[:8])
        return (user + nice + system + irq + soft + steal) / os.sysconf("SC_CLK_TCK")

    def share(self) -> float:
        busy = self._busy()
        if busy is None or self.busy is None:
            return 0.0
        wall = (time.perf_counter() - self.begun) * (os.cpu_count() or 1)
        return max(0.0, (busy - self.busy) - (sum(os.times()[:4]) - self.own)) / wall


def _rounds(call, seconds: float) -> list[float]:
    """Shares of other processes, one per call, for `seconds`; up to three times as long while all calls are disturbed."""
    shares: list[float] = []
    begun = time.perf_counter()
    while True:
        foreign = Foreign()
        call()
        shares.append(foreign.share())
        passed = time.perf_counter() - begun
        next_end = passed + passed / len(shares)
        quiet = min(shares) <= DISTURBED
        if (quiet and (next_end > seconds or len(shares) >= 7)) or next_end > 3 * seconds:
            return shares


def _search(spec: Spec, engine, X, Q) -> dict[str, Any]:
    """Median seconds of fit plus search, scaled to all queries if only some of them were used."""
    n_all = len(X) if Q is None else len(Q)
    n = n_all if spec.queries is None or Q is None else spec.queries
    if n == 0:
        begun = time.perf_counter()
        engine.search(Q[:LEAST_QUERIES], spec.k)
        per_query = (time.perf_counter() - begun) / min(LEAST_QUERIES, n_all)
        n = min(n_all, max(LEAST_QUERIES, int(spec.seconds / 3 / per_query)))
    some = None if Q is None else Q[:n]
    fits: list[float] = []
    searches: list[float] = []
    answer = None

    def once() -> None:
        nonlocal answer
        begun = time.perf_counter()
        engine.prepare(X)
        middle = time.perf_counter()
        answer = engine.search(some, spec.k)
        fits.append(middle - begun)
        searches.append(time.perf_counter() - middle)

    shares = _rounds(once, spec.seconds)
    scale = 1.0 if Q is None else n_all / n
    totals = [fit + search * scale for fit, search in zip(fits, searches, strict=True)]
    good = [i for i, share in enumerate(shares) if share <= max(DISTURBED, min(shares))]
    return {
        "seconds": statistics.median(totals[i] for i in good),
        "fit_seconds": statistics.median(fits[i] for i in good),
        "search_seconds": statistics.median(searches[i] for i in good),
        "all_seconds": totals,
        "rounds": len(good),
        "disturbed": round(min(shares), 3),
        "queries": n_all if Q is None else n,
        "of": n_all,
        "kth_distances": [float(row[-1]) for row in answer[0][:SAMPLE]],
        "nearest": hashlib.sha256(np.asarray(answer[1][:SAMPLE], dtype="<i8").tobytes()).hexdigest()[:16],
        "report": _report(engine),
    }


def _report(engine) -> dict[str, Any]:
    report = getattr(getattr(engine, "model", None), "search_report_", None)
    return report.as_dict() if hasattr(report, "as_dict") else {}


def _latency(spec: Spec, engine, X, Q) -> dict[str, Any]:
    """Median seconds of one query at a time."""
    engine.prepare(X)
    foreign = Foreign()
    times: list[float] = []
    until = time.perf_counter() + spec.seconds
    for i in range(len(Q)):
        begun = time.perf_counter()
        engine.search(Q[i : i + 1], spec.k)
        times.append(time.perf_counter() - begun)
        if i >= 20 and time.perf_counter() > until:
            break
    times = times[3:]
    return {
        "seconds": statistics.median(times),
        "rounds": len(times),
        "queries": 1,
        "of": 1,
        "disturbed": round(foreign.share(), 3),
        "report": _report(engine),
    }


def _predict(spec: Spec, engine, X, Q) -> dict[str, Any]:
    """Median seconds of `KNeighborsClassifier.predict`, search and vote, on all queries."""
    import fastcls

    model = fastcls.KNeighborsClassifier(spec.k, metric=spec.metric, algorithm=spec.algorithm, n_jobs=spec.threads)
    model.fit(X, [i % 3 for i in range(len(X))]).predict(Q)
    times, foreign = [], Foreign()
    until = time.perf_counter() + spec.seconds
    while len(times) < 21 or time.perf_counter() < until:
        begun = time.perf_counter()
        model.predict(Q)
        times.append(time.perf_counter() - begun)
    return {
        "seconds": statistics.median(times),
        "rounds": len(times),
        "queries": len(Q),
        "of": len(Q),
        "disturbed": round(foreign.share(), 3),
        "report": model.search_report_.as_dict(),
    }


def _resident(field: str) -> int:
    """Bytes of VmRSS or VmHWM."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {field} in /proc/self/status")


def _memory(spec: Spec, engine, X, Q) -> dict[str, Any]:
    """Peak memory of fit and search in bytes, above what was in use before, without the answer itself.

    Rows and queries are already in memory; libraries and threads have been warmed up on small arrays.
    """
    some = Q[: spec.queries or len(Q)].copy()
    Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
    before = _resident("VmRSS")
    engine.prepare(X)
    distances, indices = engine.search(some, spec.k)
    peak = _resident("VmHWM")
    return {
        "bytes": peak - before - distances.nbytes - indices.nbytes,
        "queries": len(some),
        "of": len(Q),
        "report": _report(engine),
    }


def main() -> None:
    """Measure the `Spec` given as the first argument."""
    spec = Spec(**json.loads(sys.argv[1]))
    from bench import data, rivals

    kind = rivals.engine(spec.engine)
    X, Q = data.rows(spec.data)
    if Q is not None and spec.data != "grid_2d":  # first calls load code, start threads, and choose kernels
        warm = kind(spec.metric, spec.threads, spec.algorithm, spec.k)
        warm.prepare(X[:2000])
        warm.search(Q[:WARM_UP_QUERIES], min(spec.k, 2000))
        del warm
    engine = kind(spec.metric, spec.threads, spec.algorithm, spec.k)
    if spec.what == "search" and spec.queries == 0:
        engine.prepare(X)
    what = {"search": _search, "latency": _latency, "predict": _predict, "memory": _memory}[spec.what]
    print(json.dumps({**what(spec, engine, X, Q), "version": kind.versions()}))


if __name__ == "__main__":
    main()
