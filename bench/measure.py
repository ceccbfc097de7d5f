"""From a row of work.py to its figures: which engines are measured, on how many queries, and the value of the row."""

from __future__ import annotations

import datetime
import itertools
import os
import platform
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from . import data, rivals
from .child import DISTURBED, Foreign, Spec, measure
from .limits import limits
from .work import Work

FULL_SECONDS = 20.0  # for all rounds of fastcls or of the fastest rival; one round may take longer
PART = 0.45  # of that for the first measurement of every rival, on some of the queries
AGREE = 2e-3  # relative difference of k-th distances: above float32's error for 3,072 bytes, far below another metric's


def machine() -> dict[str, Any]:
    """Processor, system and Python version."""
    model = platform.processor()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        fields = dict(line.split(":", 1) for line in cpuinfo.read_text().split("\n\n")[0].splitlines() if ":" in line)
        found = {key.strip(): value.strip() for key, value in fields.items()}
        model = f"{found.get('model name', model)}, family {found.get('cpu family')} model {found.get('model')}"
    return {
        "processor": model,
        "cpus": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


class Bench:
    """Measures rows of one table; the limits of the machine are measured once.

    Parameters
    ----------
    algorithm : str
        Passed to fastcls.
    n_threads : int
        Threads of every engine.
    known : dict
        Rivals' figures of an earlier run, by `_key`; they are not measured again.
    say : callable
        Called with one line of text per measurement.
    names : list of str
        Rivals to measure; those whose library is absent are left out.
    seconds : float
        For all rounds of one measurement.
    """

    def __init__(
        self, algorithm: str, n_threads: int, known: dict[str, Any], say, names: list[str], seconds: float = FULL_SECONDS
    ) -> None:
        self.algorithm, self.n_threads, self.known, self.say, self.seconds = algorithm, n_threads, known, say, seconds
        self.names = [name for name in rivals.installed() if name in names and name != "ours"]
        self._limits: dict[str, float | None] = {}
        self._limits_disturbed = 0.0

    def row(self, work: Work) -> dict[str, Any]:
        """The figures of a row: `value`, `met` (None without a target), and all measurements."""
        figures = getattr(self, f"_{work.kind}")(work)
        value, at_most = figures["value"], work.kind in ("memory", "doubling", "seconds")
        met = None if work.target is None else bool(value <= work.target if at_most else value >= work.target)
        share = self._disturbed(work, figures)
        if share > DISTURBED:
            self.say(f"{work.name}: disturbed, other processes used {share:.0%} of the processors")
        return {
            "work": asdict(work),
            "algorithm": self.algorithm,
            "threads": self._threads(work),
            "met": met,
            "disturbed": share,
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            **figures,
        }

    def _threads(self, work: Work) -> int:
        return work.threads or self.n_threads

    def _spec(self, work: Work, engine: str = "ours", **changes) -> Spec:
        n_threads = self._threads(work)
        spec = Spec(work.data, engine, work.metric, work.k, self.algorithm, work.queries, self.seconds, n_threads)
        return replace(spec, **changes)

    def _disturbed(self, work: Work, figures: dict[str, Any]) -> float:
        """The largest share of the processors that other processes used in any measurement behind the row's value."""
        used = [figures["ours"], figures.get("others", {}).get(figures.get("other"), {}), *figures.get("sizes", {}).values()]
        of_limits = self._limits_disturbed if "limit" in figures else 0.0
        return 0.0 if work.kind == "memory" else max(of_limits, *(found.get("disturbed", 0.0) for found in used))

    def _measure(self, spec: Spec) -> dict[str, Any]:
        """One measurement, repeated once if other processes disturbed it; the less disturbed one counts."""
        found = measure(spec)
        if found.get("disturbed", 0.0) > DISTURBED:
            found = min(found, measure(spec), key=lambda one: one["disturbed"])
        how = f"{spec.algorithm} {spec.isa} {spec.what}" if spec.engine == "ours" else ""
        self.say(f"{spec.engine} {spec.data} {spec.metric} k={spec.k} {how}: {brief(found)}")
        return {**found, "processor": machine()["processor"]}

    def _rival(self, work: Work, name: str) -> dict[str, Any]:
        """Figures of a rival, on some of the queries if all would take too long."""
        key = self._key(work, name)
        if key not in self.known:
            self.known[key] = self._measure(self._spec(work, name, queries=0, seconds=PART * self.seconds))
        return self.known[key]

    def _in_full(self, work: Work, name: str) -> dict[str, Any]:
        self.known[self._key(work, name)] = found = self._measure(self._spec(work, name, queries=None))
        return found

    def _key(self, work: Work, name: str) -> str:
        return f"{name} {work.data} {work.metric} k={work.k} threads={self._threads(work)}"

    def _rivals(self, work: Work) -> dict[str, Any]:
        X, Q = data.rows(work.data)
        others = {}
        for name in self.names:
            if rivals.engine(name).supported(work.metric, X.dtype.name, X.shape[1], Q is None):
                others[name] = self._rival(work, name)
        if not others:
            raise data.NotHereError("none of the installed rivals can do this")
        while True:  # measuring the fastest in full may show that another one is faster
            fastest = min(others, key=lambda name: others[name]["seconds"])
            if others[fastest]["queries"] == others[fastest]["of"]:
                break
            others[fastest] = self._in_full(work, fastest)
        ours = self._measure(self._spec(work))
        for name, found in others.items():
            if not np.allclose(found["kth_distances"], ours["kth_distances"], rtol=AGREE, atol=AGREE):
                raise AssertionError(f"{work.name}: the distances of {name} and fastcls differ")
            ordered = rivals.engine(name).same_order(work.metric, X.dtype.name) and "nearest" in found
            if ordered and found["nearest"] != ours["nearest"]:
                raise AssertionError(f"{work.name}: the neighbours of {name} and fastcls differ")
        return {"value": others[fastest]["seconds"] / ours["seconds"], "ours": ours, "others": others, "other": fastest}

    def _own(self, work: Work) -> dict[str, Any]:
        ours, brute = self._measure(self._spec(work)), self._measure(self._spec(work, algorithm="brute"))
        return {"value": brute["seconds"] / ours["seconds"], "ours": ours, "others": {"ours": brute}, "other": "ours"}

    def _latency(self, work: Work) -> dict[str, Any]:
        ours = self._measure(self._spec(work, what="latency", seconds=4.0))
        brute = self._measure(self._spec(work, what="latency", seconds=4.0, algorithm="brute"))
        return {"value": brute["seconds"] / ours["seconds"], "ours": ours, "others": {"ours": brute}, "other": "ours"}

    def _limit_of(self, names: str) -> float:
        for _ in range(2):  # repeated once if other processes disturbed it
            if self._limits and self._limits_disturbed <= DISTURBED:
                break
            foreign = Foreign()
            self._limits = limits(self.n_threads)
            self._limits_disturbed = round(foreign.share(), 3)
            self.say(f"limits: {self._limits}")
        rates = [rate for name in names.split() if (rate := self._limits.get(name)) is not None]
        if not rates:
            raise data.NotHereError(f"{names} is not measured on this processor")
        return max(rates)

    def _limit(self, work: Work) -> dict[str, Any]:
        (X, Q), limit = data.rows(work.data), self._limit_of(work.against)
        ours = self._measure(self._spec(work))
        rate = len(Q) * X.size / ours["seconds"] * 1e-9
        return {"value": rate / limit, "ours": ours, "rate": rate, "limits": self._limits, "limit": limit}

    def _bandwidth(self, work: Work) -> dict[str, Any]:
        (X, _), limit = data.rows(work.data), self._limit_of(work.against)
        ours = self._measure(self._spec(work, what="latency", seconds=4.0))
        rate = X.nbytes / ours["seconds"] * 1e-9
        return {"value": rate / limit, "ours": ours, "rate": rate, "limits": self._limits, "limit": limit}

    def _isa(self, work: Work) -> dict[str, Any]:
        best = self._measure(self._spec(work, seconds=8.0))
        forced = self._measure(self._spec(work, seconds=8.0, isa=work.against))
        if forced["report"]["isa"] != work.against:
            raise AssertionError(f"{work.name}: {forced['report']['isa']} was used instead of {work.against}")
        return {"value": best["seconds"] / forced["seconds"], "ours": forced, "others": {"ours": best}, "other": "ours"}

    def _memory(self, work: Work) -> dict[str, Any]:
        ours = self._measure(self._spec(work, what="memory"))
        return {"value": ours["bytes"], "ours": ours}

    def _doubling(self, work: Work) -> dict[str, Any]:
        sizes = {name: self._measure(self._spec(replace(work, data=name))) for name in work.data.split()}
        seconds = [found["seconds"] for found in sizes.values()]
        growth = [after / before for before, after in itertools.pairwise(seconds)]
        return {"value": max(growth), "ours": next(iter(sizes.values())), "sizes": sizes, "growth": growth}

    def _seconds(self, work: Work) -> dict[str, Any]:
        ours = self._measure(self._spec(work, what="predict", seconds=4.0))
        return {"value": ours["seconds"], "ours": ours}


def brief(found: dict[str, Any]) -> str:
    """One measurement in a few words."""
    if "bytes" in found:
        return f"{found['bytes'] / 1e6:.1f} MB"
    words = f"{found['seconds']:.4g} s"
    if found["queries"] < found["of"]:
        words += f" (scaled from {found['queries']:,} of {found['of']:,} queries)"
    if found.get("disturbed", 0) > DISTURBED:
        words += f" (disturbed: other processes used {found['disturbed']:.0%} of the processors)"
    return words
