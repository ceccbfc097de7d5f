"""Every instruction set that runs here gives the same bytes as the definition, and reads nothing beyond the rows."""

import signal
import sys

import numpy as np
import pytest
from _rows import assert_same_bytes, assert_search_is_reference, hostile_rows, python, python_process, random_rows

from fastcls import NearestNeighbors, knn, metrics, reference, simd
from fastcls._validation.types import STORED_TYPES

METRICS = list(metrics.METRICS)
FLOATS = [name for name in STORED_TYPES if name.startswith("float")]
BYTES = [name for name in STORED_TYPES if name.endswith("int8")]
# around the steps and registers of every instruction set: 4, 8, 16, 32 and 64 bytes
TAILS = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 23, 31, 32, 33, 47, 63, 64, 65, 127, 128, 129]


@pytest.fixture(params=simd.available())
def isa(request):
    before = simd.active()
    simd.use(request.param)
    yield request.param
    simd.use(before)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", STORED_TYPES)
def test_every_isa_equals_reference_at_tail_sizes(isa, metric, dtype):
    rng = np.random.default_rng(0)
    for width in TAILS:
        n_queries, n_rows = 9 + width % 13, 65 + width % 64  # many queries are packed; tiles are 3 or 6 x 8 to 64
        Q, X = random_rows(rng, n_queries, width, dtype), random_rows(rng, n_rows, width, dtype)
        X[n_rows // 2], X[-1], X[5] = Q[1], Q[-1], np.zeros(1, X.dtype)
        wanted = reference.kneighbors(Q, X, 8, metric)
        assert_same_bytes(knn(Q, X, 8, metric), wanted, f"{width} features")
        few = [part[:3] for part in wanted]  # a few are searched one pair at a time
        assert_same_bytes(knn(Q[:3], X, 8, metric), few, f"{width} features, 3 queries")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_hostile_floats_equal_reference_on_every_isa(isa, metric, dtype):
    rng = np.random.default_rng(1)
    for name, X in hostile_rows(rng, 170, 37, dtype, metric).items():
        Q = X[::8]
        model = NearestNeighbors(metric=metric, algorithm="brute").fit(X)
        distances, indices = model.kneighbors(Q, 20)
        assert model.search_report_.isa == isa
        assert_same_bytes((distances, indices), reference.kneighbors(Q, X, 20, metric), name)
        assert (distances >= 0).all(), name  # false of NaN, too
        assert_search_is_reference(Q[:2], X, 20, metric, name)


@pytest.mark.parametrize("dtype", BYTES)
@pytest.mark.parametrize("width", [33_025, 33_026, 66_052, 150_528])
def test_all_255_rows_do_not_wrap_on_any_isa(isa, dtype, width):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    X = np.full((3, width), high, dtype)
    X[1], X[2, 7] = low, low
    for n_queries in (1, 9):  # by pairs; packed
        for value, of_rows in ((high, (0, 255, 1)), (low, (255, 0, 255))):
            Q = np.full((n_queries, width), value, dtype)
            for metric, size in (("l1", 255), ("sqeuclidean", 65_025)):
                whole = size * width
                of_last = size if value == high else whole - size
                wanted = {0: 0, 255: whole, 1: of_last}
                S = [wanted[of_rows[0]], wanted[of_rows[1]], of_last]
                distances, indices = knn(Q, X, 3, metric)
                order = sorted(range(3), key=lambda row, S=S: (S[row], row))
                assert indices.tolist() == [order] * n_queries
                assert distances.tolist() == [[float(S[row]) for row in order]] * n_queries
        Q = np.full((n_queries, width), high, dtype)
        assert_search_is_reference(Q, X, 3, "cosine")


GUARDED = """
import ctypes, mmap, sys
import numpy as np
from fastcls import knn, reference, simd
from fastcls._validation.types import narrowed, type_of

libc, page = ctypes.CDLL(None, use_errno=True), mmap.PAGESIZE
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
kept = []

def guarded(rows, behind):
    # the same rows up against an unreadable page, behind them or before them
    inside = -(-rows.nbytes // page) * page
    memory = mmap.mmap(-1, inside + 2 * page)
    kept.append(memory)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for wall in (start, start + page + inside):
        assert libc.mprotect(wall, page, 0) == 0
    offset = page + (inside - rows.nbytes if behind else 0)
    copy = np.frombuffer(memory, rows.dtype, rows.size, offset).reshape(rows.shape)
    copy[:] = rows
    return copy

rng, dtype, beyond = np.random.default_rng(2), sys.argv[1], len(sys.argv) > 2
for width, n_queries, n_rows in ((1, 9, 70), (17, 13, 131), (33, 2, 67), (65, 9, 257), (127, 31, 65), (3073, 8, 41)):
    rows = [narrowed(rng.integers(-100, 100, size=(n, width)), type_of(dtype)) for n in (n_queries, n_rows)]
    wanted = {metric: reference.kneighbors(*rows, 5, metric) for metric in ("l1", "l2", "cosine")}
    for behind in (True, False):
        Q, X = (guarded(part, behind) for part in rows)
        if beyond:
            longer = np.lib.stride_tricks.as_strided(X, (n_rows + 1, width))
            print("reads the page behind", flush=True)
            knn(Q, longer, 5, "l1")
        for name in simd.available():
            simd.use(name)
            for metric, answer in wanted.items():
                found = knn(Q, X, 5, metric)
                assert all(a.tobytes() == b.tobytes() for a, b in zip(found, answer)), (name, metric, width)
print("all read")
"""


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect of POSIX systems")
@pytest.mark.parametrize("dtype", STORED_TYPES)
def test_nothing_beyond_the_rows_is_read_on_any_isa(dtype):
    assert python(GUARDED, dtype).splitlines() == ["all read"]


@pytest.mark.process
@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect of POSIX systems")
def test_guarded_pages_see_a_read_beyond_the_rows():
    done = python_process(GUARDED, "uint8", "one row beyond")
    assert done.stdout == "reads the page behind\n"
    assert done.returncode == -signal.SIGSEGV
