"""The tables of the benchmark as data: one `Work` per row.

Targets are minimum ratios: speed relative to the other (for kind "rivals" and "own"), or share of the limit (for "limit",
"bandwidth" and "isa"). For "doubling" (a ratio), "memory" (bytes) and "seconds" they are maxima.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import unseen


@dataclass(frozen=True)
class Work:
    """One row of a table.

    Attributes
    ----------
    name : str
        For ``--only``; unique in its table.
    kind : {"rivals", "own", "limit", "bandwidth", "isa", "latency", "memory", "doubling", "seconds"}
        rivals: fit and search against the fastest rival. own: against fastcls with algorithm="brute".
        limit: the rate against a rate of limits.c. bandwidth: the bytes per second of one query against memory bandwidth.
        isa: one FASTCLS_ISA against the best. latency: one query at a time, against algorithm="brute". memory: peak memory
        without inputs and outputs. doubling: the largest growth of time when the training rows double. seconds: the time.
    data : str
        A name of `data.DATA`; for "doubling" several, separated by spaces.
    metric : str
    k : int
    target : float or None
        None: measured without a target.
    against : str
        Names of rates of limits.c (the best of them counts), or the value of FASTCLS_ISA.
    queries : int or None
        Number of queries, from the first; None is all.
    threads : int or None
        Of every engine; None is what the command says.
    """

    name: str
    kind: str
    data: str
    metric: str
    k: int
    target: float | None = None
    against: str = ""
    queries: int | None = None
    threads: int | None = None


_SAD, _DOT = "sad_rows sad_panel sad_double", "dot_registers"

BRUTE = [
    Work("cifar10-l1", "rivals", "cifar10", "l1", 7, 11),
    Work("cifar10-l1-limit", "limit", "cifar10", "l1", 7, 0.85, _SAD),
    Work("cifar10-l2", "rivals", "cifar10", "l2", 7, 7),
    Work("cifar10-l2-limit", "limit", "cifar10", "l2", 7, 0.75, _DOT),
    Work("noise-uint8-l1", "rivals", "noise_uint8", "l1", 7),
    Work("noise-uint8-l2", "rivals", "noise_uint8", "l2", 7),
    Work("noise-float32-l2", "rivals", "noise_float32", "l2", 10, 1),
    Work("debian-l1", "rivals", "debian_float32", "l1", 20, 2),
    Work("debian-l2", "rivals", "debian_float32", "l2", 20, 1),
    Work("debian-l2-one-thread", "rivals", "debian_float32", "l2", 20, 1, threads=1),
    *(Work(f"{name}-l2", "rivals", name, "l2", 10, 1) for name in ("colours", "gradients", "sources", "programs")),
    Work("avx2-uint8-l1", "isa", "cifar10", "l1", 7, 0.55, "avx2", 3000),
    Work("avx2-uint8-l2", "isa", "cifar10", "l2", 7, 0.15, "avx2", 3000),
    Work("avx2-float32-l1", "isa", "debian_float32", "l1", 20, 0.45, "avx2", 3000),
    Work("avx2-float32-l2", "isa", "noise_float32", "l2", 10, 0.45, "avx2", 3000),
    Work("scalar-uint8-l1", "isa", "cifar10", "l1", 7, None, "scalar", 512),
    Work("scalar-uint8-l2", "isa", "cifar10", "l2", 7, None, "scalar", 512),
    Work("scalar-float32-l1", "isa", "debian_float32", "l1", 20, None, "scalar", 512),
    Work("scalar-float32-l2", "isa", "noise_float32", "l2", 10, None, "scalar", 512),
    Work("one-query-l1", "bandwidth", "cifar10", "l1", 7, 0.7, "read"),
    Work("one-query-l2", "bandwidth", "cifar10", "l2", 7, 0.7, "read"),
    Work("memory-2000", "memory", "cifar10", "l2", 7, 64e6, queries=2000),
    Work("memory-10000", "memory", "cifar10", "l2", 7, 64e6, queries=10_000),
    Work("memory-float32", "memory", "noise_float32", "l2", 10, 64e6, queries=10_000),
    Work("memory-l1", "memory", "cifar10", "l1", 7, 64e6, queries=10_000),
    Work("grid", "seconds", "grid_2d", "l2", 7, 0.005),
]

FILTER = [
    *(Work(f"cifar10-l1-k{k}", "rivals", "cifar10", "l1", k, target) for k, target in ((1, 60), (7, 45), (100, 25))),
    *(Work(f"cifar10-l2-k{k}", "rivals", "cifar10", "l2", k, target) for k, target in ((1, 20), (7, 15), (100, 6))),
    Work("cifar10-l1-one-thread", "rivals", "cifar10", "l1", 7, 45, threads=1),
    Work("cifar10-l2-one-thread", "rivals", "cifar10", "l2", 7, 15, threads=1),
    Work("cifar10-shuffled-l1", "rivals", "cifar10_shuffled", "l1", 7),
    Work("cifar10-shuffled-l2", "rivals", "cifar10_shuffled", "l2", 7),
    Work("mnist-l1", "rivals", "mnist", "l1", 10, 25),
    Work("mnist-l2", "rivals", "mnist", "l2", 10, 10),
    *(
        Work(f"debian-{metric}-{dtype}", "rivals", f"debian_{dtype}", metric, 20, 4)
        for dtype in ("float32", "float16")
        for metric in ("l2", "cosine")
    ),
    Work("debian-l2-one-thread", "rivals", "debian_float32", "l2", 20, 4, threads=1),
    *(Work(f"debian-all-{metric}", "rivals", "debian_all", metric, 20, 8) for metric in ("l2", "cosine")),
    Work("noise-float32-l2", "rivals", "noise_float32", "l2", 10, 2.5),
    Work("noise-uint8-l1", "own", "noise_uint8", "l1", 7, 1 / 1.05),
    Work("noise-uint8-l2", "own", "noise_uint8", "l2", 7, 1 / 1.05),
    *(Work(f"{name}-{metric}", "rivals", name, metric, 10, 10) for name in unseen.NAMES for metric in ("l1", "l2")),
    Work("points-3d", "rivals", "points_3d", "l2", 10, 1),
    Work("one-query-l1", "latency", "cifar10", "l1", 7, 20),
    Work("one-query-l2", "latency", "cifar10", "l2", 7, 20),
    *(
        Work(f"doubling-{metric}", "doubling", "mnist mnist_120k mnist_240k mnist_480k", metric, 10, 2.0)
        for metric in ("l1", "l2")
    ),
    *(Work(f"memory-{metric}", "memory", "cifar10", metric, 7, None, queries=10_000) for metric in ("l1", "l2")),
]

#: name of the table -> (algorithm passed to fastcls, rows)
TABLES: dict[str, tuple[str, list[Work]]] = {"brute": ("brute", BRUTE), "filter": ("auto", FILTER)}
