"""The matrix of all distances has the bits of the reference with every kernel."""

import itertools

import numpy as np
import pytest
from _rows import NUMPY_TYPES

from fastcls import _kernels, pairwise_distances, reference, simd
from fastcls._runtime import threads
from fastcls._search import matrix
from fastcls.metrics import METRICS


@pytest.fixture
def restored_isa():
    before = simd.active()
    yield
    simd.use(before)


def rows_of(rng, n, d, dtype):
    low, high = (0, 255) if np.dtype(dtype).kind == "f" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    rows = rng.integers(low, high + 1, (n, d)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        rows = (rows * rng.standard_normal(rows.shape)).astype(dtype)
    rows[0] = 0
    return rows


@pytest.mark.usefixtures("restored_isa")
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "dtypes", [*((name, name) for name in NUMPY_TYPES), ("uint8", "float32"), ("float64", "float16"), ("int8", "uint8")]
)
def test_every_kernel_has_the_bits_of_the_reference(dtypes, metric):
    rng = np.random.default_rng(0)
    for d in (1, 7, 16, 23, 64, 257):
        for n_queries, n_rows in ((1, 3), (7, 9), (8, 1), (9, 70), (30, 131)):
            Q, X = rows_of(rng, n_queries, d, dtypes[0]), rows_of(rng, n_rows, d, dtypes[1])
            if dtypes[0] == dtypes[1]:
                X[n_rows // 2] = Q[n_queries // 2]  # bitwise equal rows are at 0
            wanted = reference.rank_distances(Q, X, metric)
            for isa, n_threads in itertools.product(simd.available(), (1, 2)):
                simd.use(isa)
                found = matrix.all_pairs(X, Q, metric, n_threads=n_threads)
                assert found.tobytes() == wanted.tobytes(), (isa, d, n_queries, n_rows, n_threads)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_every_place_is_written_by_any_number_of_jobs(n_threads, dtype, monkeypatch):
    """Many queries are divided into jobs, few share the rows among the threads; two blocks of features share sums."""
    monkeypatch.setattr(threads, "_OPERATIONS_PER_THREAD", 1)
    monkeypatch.setattr(matrix, "_QUERIES_PER_JOB", 16)
    monkeypatch.setattr(matrix.bounds, "BLOCK_BYTES", 64)
    empty = np.empty
    monkeypatch.setattr(matrix.np, "empty", lambda *given, **more: filled(empty(*given, **more)))
    rng = np.random.default_rng(0)
    for d, n_queries in itertools.product((64, 100, 128, 150, 200), (9, 40, 100)):
        Q, X = rows_of(rng, n_queries, d, dtype), rows_of(rng, 70, d, dtype)
        for metric in METRICS:
            found = matrix.all_pairs(X, Q, metric, n_threads=n_threads)
            assert found.tobytes() == reference.rank_distances(Q, X, metric).tobytes(), (d, n_queries, metric)


def filled(array):
    """The array with numbers that no result has."""
    array.fill(77)
    return array


def test_bytes_wider_than_a_block_of_packed_features():
    rng = np.random.default_rng(0)
    for dtype in ("uint8", "int8"):
        Q, X = rows_of(rng, 9, 140_000, dtype), rows_of(rng, 5, 140_000, dtype)
        Q[1], X[1] = np.iinfo(dtype).min, np.iinfo(dtype).max
        for metric in METRICS:
            wanted = reference.rank_distances(Q, X, metric)
            assert matrix.all_pairs(X, Q, metric, n_threads=2).tobytes() == wanted.tobytes()


def test_the_fast_kernels_are_used(monkeypatch):
    def never(*given):
        raise AssertionError("one pair after the other")

    rng = np.random.default_rng(0)
    monkeypatch.setattr(_kernels, "distance_matrix", never)
    if _kernels.has_eight():
        for dtype in ("float16", "float32", "float64"):
            pairwise_distances(rows_of(rng, 20, 40, dtype), rows_of(rng, 30, 40, dtype), "l2")
        pairwise_distances(rows_of(rng, 20, 40, "uint8"), rows_of(rng, 30, 40, "float32"), "l1")
    if _kernels.panel_shape(_kernels.PANELS["dot_bytes"]) is not None:
        for metric in METRICS:
            pairwise_distances(rows_of(rng, 20, 40, "uint8"), rows_of(rng, 30, 40, "uint8"), metric)


@pytest.mark.parametrize("dtypes", [("float32",) * 2, ("float64", "float16"), ("uint8", "float32"), ("int8", "float64")])
def test_pixels_stored_as_floats_have_the_bits_of_the_reference(dtypes):
    rng = np.random.default_rng(0)
    Q, X = (rng.integers(0, 128, (n, 60)).astype(dtype) for n, dtype in zip((9, 20), dtypes, strict=True))
    X[3], X[4] = 0, Q[4]
    assert matrix._pixels(X).dtype == np.uint8
    for change in (None, 0.5, -1.0, 256.0, -0.0):
        if change is not None:
            X[-1, -1] = change
            assert matrix._pixels(X) is None
        for metric in METRICS:
            wanted = reference.rank_distances(Q, X, metric)
            assert matrix.all_pairs(X, Q, metric, n_threads=1).tobytes() == wanted.tobytes(), (change, metric)
