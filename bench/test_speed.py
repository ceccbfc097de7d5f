"""The rows of work.py as cases of pytest-benchmark: ``pytest bench/test_speed.py``, one group per row, one case per engine.

For a quick overview, and to compare two commits (--benchmark-save, --benchmark-compare). Every engine runs in this process,
on the first FASTCLS_BENCH_QUERIES queries (default 1,000); ``bench.table`` measures all queries, in separate processes.
"""

import os

import pytest

from bench import data, rivals
from bench.work import TABLES

pytest.importorskip("pytest_benchmark")
QUERIES = int(os.environ.get("FASTCLS_BENCH_QUERIES", "1000"))
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
CASES = [
    (table, algorithm, work, name)
    for table, (algorithm, works) in TABLES.items()
    for work in works
    if work.kind in ("rivals", "own")
    for name in rivals.NAMES
]


@pytest.mark.parametrize(
    ("table", "algorithm", "work", "name"), CASES, ids=[f"{table}-{work.name}-{name}" for table, _, work, name in CASES]
)
def test_speed(benchmark, table, algorithm, work, name):
    if "OPENBLAS_CORETYPE" in os.environ:
        pytest.fail("OPENBLAS_CORETYPE is set, which slows the rivals' BLAS: unset it")
    try:
        kind = rivals.engine(name)
        X, Q = data.rows(work.data)
    except (ImportError, data.NotHereError) as lack:
        pytest.skip(str(lack))
    if not kind.supported(work.metric, X.dtype.name, X.shape[1], Q is None):
        pytest.skip(f"{kind.title} cannot do this")
    some = None if Q is None else Q[:QUERIES]
    engine = kind(work.metric, THREADS, algorithm, work.k)

    def fit_and_search():
        engine.prepare(X)
        return engine.search(some, work.k)

    benchmark.group = f"{table} {work.name}"
    benchmark.extra_info.update(version=kind.versions(), queries=len(X) if Q is None else len(some), threads=THREADS)
    distances, indices = benchmark.pedantic(fit_and_search, rounds=3, warmup_rounds=1)
    assert distances.shape == indices.shape == (len(X) if Q is None else len(some), work.k)
