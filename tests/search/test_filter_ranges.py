"""The filter's work is cut by queries and by rows: no cut changes a neighbour or a count, and the tiles stay full."""

import itertools
import tracemalloc

import _filter_cases as cases
import numpy as np
import pytest
from _filter_cases import METRICS
from _pairwise import pairwise
from _rows import NUMPY_TYPES, assert_same_bytes

from fastcls import NearestNeighbors, metrics
from fastcls._runtime import pacing, threads
from fastcls._search.filter import codes, costs, filter_loops, levels_l2
from fastcls._search.filter import filter as filtering
from fastcls._search.filter import levels as levels_of_rows
from fastcls._search.filter import search as filter_search
from fastcls._search.rows import Rows

PAIRS = (1, 3000, 40_000, 10**9)  # of a chunk of work: one panel, a few, many, all


@pytest.fixture
def cut_into(monkeypatch):
    """A function that fixes the number of pairs of every chunk of work, and makes every search worth two threads."""
    monkeypatch.setattr(threads, "_OPERATIONS_PER_THREAD", 1)

    def cut(pairs):
        def record(self, amount, seconds):
            self.chunks += 1
            return pairs

        monkeypatch.setattr(pacing.ChunkSize, "record", record)
        monkeypatch.setattr(filter_search, "_FIRST_CHUNK", pairs * 64)

    return cut


def tied(rng, n, d, dtype):
    """Rows in clusters; every row has an equal one far behind it, so that ties lie in different ranges."""
    rows = cases.stored(cases.HOSTILE["forty clusters"](rng, n, d), dtype)
    rows[n // 2 : 2 * (n // 2)] = rows[: n // 2]
    return rows


@pytest.mark.parametrize(
    ("metric", "dtype", "n_queries", "n_threads"), pairwise(METRICS, NUMPY_TYPES, [1, 6, 40, 130], [1, 2])
)
def test_ranges_give_the_bytes_of_brute_force(metric, dtype, n_queries, n_threads, cut_into):
    rng = np.random.default_rng(3)
    X = tied(rng, 1300, 70, dtype)
    Q = np.concatenate([X[rng.choice(1300, n_queries // 2, replace=False)], tied(rng, n_queries, 70, dtype)])[:n_queries]
    chunks = cases.chunks_of(X, (800, 801))
    levels = cases.every_level(chunks[0], metric)
    groups = {"query_groups": rng.integers(5, size=n_queries), "row_groups": rng.integers(5, size=1300)}
    for k, of_groups in ((9, {}), (100, groups)):  # 100 neighbours: more than the rows of a range
        wanted = cases.search(Rows(chunks), Q, k, metric, "brute", **of_groups)
        reports = []
        for pairs in PAIRS:
            cut_into(pairs)
            rows = cases.with_levels(chunks, metric, levels)
            S, indices, report = cases.search(rows, Q, k, metric, "filter", n_threads, **of_groups)
            assert_same_bytes((S, indices), wanted[:2])
            reports.append(report)
        if n_threads == 1 or n_queries > 6:  # each thread has all rows: cuts cost no pair
            assert len({(report.computed, report.levels) for report in reports}) == 1
        chunks_of_work = [report.chunks for report in reports]
        assert chunks_of_work == sorted(chunks_of_work, reverse=True)
        assert chunks_of_work[0] > chunks_of_work[-1]


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(("metric", "dtype"), [("l1", "uint8"), ("l2", "uint8"), ("l2", "float32"), ("cosine", "float16")])
def test_lists_that_advance_together_give_the_bytes_of_brute_force(metric, dtype, n_threads):
    """Noise: most rows pass every level, and codes and rows take many blocks.

    The last row is near to all queries, but the bounds do not show it.
    """
    rng = np.random.default_rng(5)
    X, Q = (cases.HOSTILE["white noise"](rng, n, 512) for n in (6001, 130))
    X, Q = (cases.stored(part, dtype) for part in (X, 0.98 * Q + 0.2 * X[-1]))
    rows = cases.with_levels([X], metric, cases.every_level(X, metric))
    found = cases.search(rows, Q, 9, metric, "filter", n_threads)
    assert_same_bytes(found[:2], cases.search(Rows([X]), Q, 9, metric, "brute")[:2])
    assert (found[1] == 6000).sum() > 20
    report = found[2]
    # several entries for a row, in the lists of a thread
    assert min(level.pairs_in for level in report.levels) > 4 * 6001 * n_threads


def test_leave_one_out_in_ranges(cut_into):
    X = tied(np.random.default_rng(4), 1500, 64, "float32")
    brute = NearestNeighbors(5, algorithm="brute").fit(X).kneighbors()
    cut_into(5000)
    model = NearestNeighbors(5, algorithm="filter", n_jobs=2).fit(X)
    assert_same_bytes(model.kneighbors(), brute)
    assert model.search_report_.path == "filter"


def calls_of(monkeypatch):
    """The list that every call of the compiled loop is appended to: queries, range of panels, queries of a job, scratch."""
    calls, search = [], filter_loops.search

    def counted(*args):
        calls.append((len(args[0]), args[6], args[7], args[-7], len(args[-3])))
        search(*args)

    monkeypatch.setattr(filter_loops, "search", counted)
    return calls


@pytest.mark.parametrize("n_queries", [96, 500, 2000])
def test_jobs_stay_full_however_small_a_chunk_of_work_is(n_queries, monkeypatch, cut_into):
    """A chunk of two panels: the queries of a block do not become fewer."""
    rng = np.random.default_rng(5)
    X = tied(rng, 6000, 64, "float32")
    model = NearestNeighbors(5, algorithm="filter", n_jobs=2).fit(X)
    cut_into(2 * 64 * 96)
    calls = calls_of(monkeypatch)
    model.kneighbors(tied(rng, n_queries, 64, "float32"))
    blocks = [len_Q for len_Q, first, *_ in calls if first == 0]
    assert sum(blocks) == n_queries
    assert min(blocks[1:]) >= min(72, n_queries - blocks[0])  # after the first block, which decides whether to filter
    assert blocks[0] <= max(12, n_queries // 8)
    for len_Q, _, _, per_job, n_scratch in calls:
        assert per_job >= min(-(-len_Q // 2), 30)
        assert n_scratch >= -(-len_Q // per_job)


def test_many_rows_are_shared_by_many_queries(monkeypatch, cut_into):
    """A block has more queries than a round of jobs where not all rows fit into a chunk of work."""
    rng = np.random.default_rng(6)
    X, Q = tied(rng, 6000, 64, "float32"), tied(rng, 3000, 64, "float32")
    model = NearestNeighbors(5, algorithm="filter", n_jobs=2).fit(X)
    monkeypatch.setattr(filter_search, "_RANGE_BYTES", 8 * 64 * 64)
    cut_into(8 * 64 * 480)  # eight panels for 480 queries
    calls = calls_of(monkeypatch)
    found = model.kneighbors(Q)
    blocks = [len_Q for len_Q, first, *_ in calls if first == 0]
    assert blocks[0] == 96
    assert all(300 <= n <= 480 for n in blocks[1:])
    assert_same_bytes(found, NearestNeighbors(5, algorithm="brute").fit(X).kneighbors(Q))


def test_progress_counts_every_pair_once_and_the_filter_is_given_up_between_blocks(monkeypatch, cut_into):
    rng = np.random.default_rng(7)
    X, Q = tied(rng, 5000, 64, "float32"), tied(rng, 900, 64, "float32")
    wanted = cases.search(Rows([X]), Q, 9, "l2", "brute")
    monkeypatch.setattr(costs, "LEAST_ROWS", 0)
    monkeypatch.setattr(filter_search, "brute_cost", lambda *_: 0.0)
    cut_into(20_000)
    seen = []
    rows = cases.with_levels(cases.chunks_of(X), "l2", cases.every_level(X, "l2"))
    S, indices, report = cases.search(rows, Q, 9, "l2", "auto", 2, progress=lambda done, total: seen.append((done, total)))
    assert report.path == "filter then brute"
    filtered, rest = divmod(report.levels[0].pairs_in, len(X))
    assert rest == 0
    assert filtered == 96
    assert [total for _, total in seen] == [900 * 5000] * len(seen)
    done = [0, *(pairs for pairs, _ in seen)]
    assert done[-1] == 900 * 5000
    assert all(after > before for before, after in itertools.pairwise(done))
    assert_same_bytes((S, indices), wanted[:2])


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_search_in_the_progress_of_another_one_leaves_its_lists_alone(n_threads, cut_into):
    """Lists of small searches are in memory that a thread uses again."""
    rng = np.random.default_rng(8)
    X, Q = tied(rng, 3000, 64, "float32"), tied(rng, 3, 64, "float32")
    levels = cases.every_level(X, "l2")
    rows, others = (cases.with_levels([X], "l2", levels) for _ in range(2))
    wanted = cases.search(rows, Q, 9, "l2", "filter", n_threads)
    assert wanted[2].scratch_bytes <= filter_search._KEPT_BYTES
    cut_into(300)
    kept = []

    def search_others(done, total):
        assert not hasattr(filter_search._kept, "scratch")  # the outer search has it
        cases.search(others, X[-2:], 9, "l2", "filter", n_threads)
        kept.append(filter_search._kept.__dict__.pop("scratch"))

    found = cases.search(rows, Q, 9, "l2", "filter", n_threads, progress=search_others)
    assert found[2].chunks > 1
    assert len(kept) == found[2].chunks
    assert_same_bytes(found[:2], wanted[:2])
    assert filter_search._kept.scratch.nbytes == filter_search._KEPT_BYTES


@pytest.mark.parametrize(
    ("at", "value", "message"),
    [
        (6, -1, "panels -1 to"),
        (6, 10**6, "panels 1000000 to"),
        (7, 10**6, "panels 0 to 1000000"),
        (-3, np.empty((2, 100), np.uint8), "scratch are too few"),
        (-5, 1025, "lists of 2048 entries that are refined after 1025"),
    ],
)
def test_the_compiled_loop_refuses_panels_and_scratch_that_are_not_there(at, value, message, monkeypatch):
    X = tied(np.random.default_rng(9), 3000, 64, "float32")
    search = filter_loops.search

    def spoilt(*args):
        args = list(args)
        args[at] = value
        search(*args)

    monkeypatch.setattr(filter_loops, "search", spoilt)
    rows = cases.with_levels([X], "l2", cases.every_level(X, "l2"))
    with pytest.raises(ValueError, match=message):
        cases.search(rows, X[:100], 9, "l2", "filter", 2)


def test_the_compiled_loop_refuses_ranges_without_lists_for_every_job(monkeypatch, cut_into):
    X = tied(np.random.default_rng(9), 3000, 64, "float32")
    monkeypatch.setattr(filter_search, "_RANGE_BYTES", 64)
    cut_into(64 * 480)
    search = filter_loops.search
    monkeypatch.setattr(filter_loops, "search", lambda *args: search(*args[:-3], args[-3][:2], *args[-2:]))
    rows = cases.with_levels([X], "l2", cases.every_level(X, "l2"))
    with pytest.raises(ValueError, match="2 rows of scratch for"):
        cases.search(rows, X[:500], 9, "l2", "filter", 2)


@pytest.mark.parametrize(("metric", "dtype"), list(itertools.product(METRICS, NUMPY_TYPES)))
def test_rows_encoded_in_parts_have_the_codes_of_all_at_once(metric, dtype, monkeypatch):
    X = cases.stored(cases.low_rank(np.random.default_rng(10), 4200, 70), dtype)
    levels = cases.every_level(X, metric)
    whole = levels_of_rows.encode(levels, X, 2)
    whole[0] = codes.in_panels(whole[0], levels[0].kind, 2)
    monkeypatch.setattr(codes, "_ROWS_AT_ONCE", 1)
    assert codes.rows_in_whole_blocks(70) < len(X)
    for level, once, parts in zip(levels, whole, levels_of_rows.encode_rows(levels, X, 2), strict=True):
        for name in ("codes", "errors", "panel_errors") if level.fine else vars(once):  # fine codes have no starts
            assert_same_bytes([getattr(parts, name)], [getattr(once, name)])


def test_codes_exist_once_while_they_are_made():
    X = np.random.default_rng(11).integers(0, 256, size=(200_000, 64)).astype(np.float16)
    of = filtering.Filter(metrics.METRICS["l2"], levels_l2._features(X, codes.sample_of(X), False))
    tracemalloc.start()
    made = of.extended([X], 2)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert made.nbytes > 64 * len(X)
    assert peak < 1.5 * made.nbytes
