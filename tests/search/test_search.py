"""The compiled search against the definition in fastcls.reference, byte for byte, for every metric and type."""

import numpy as np
import pytest
from _pairwise import pairwise
from _rows import NUMPY_TYPES, assert_same_bytes, assert_search_is_reference, hostile_rows, random_rows

from fastcls import _kernels, knn, metrics, pairwise_distances, reference
from fastcls._runtime import pacing, threads
from fastcls._search import brute, matrix, plan, tiles
from fastcls._validation.errors import InputError
from fastcls._validation.rows import check_rows

METRICS = list(metrics.METRICS)
# tails of 8 lanes, of 16-byte and 64-byte registers, of tiles; then digits, MNIST and CIFAR-10 widths
WIDTHS = [*range(1, 66), 784, 3072]


def test_assert_same_bytes_sees_one_ulp_and_one_type():
    a = np.array([1.0, 2.0])
    with pytest.raises(AssertionError):
        assert_same_bytes([a], [np.nextafter(a, 3)])
    with pytest.raises(AssertionError):
        assert_same_bytes([np.array([0.0])], [np.array([-0.0])])
    with pytest.raises(AssertionError):
        assert_same_bytes([np.zeros(2, np.int64)], [np.zeros(2, np.int32)])


def test_random_rows_vary():
    rows = random_rows(np.random.default_rng(0), 50, 7, "uint8")
    assert rows.min() < 5
    assert rows.max() > 250
    assert len(np.unique(rows, axis=0)) == 50


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_equals_reference_at_every_width(metric, dtype):
    rng = np.random.default_rng(1)
    for width in WIDTHS:
        Q, X = random_rows(rng, 5, width, dtype), random_rows(rng, 40, width, dtype)
        X[3] = Q[1]
        X[4] = Q[1]
        X[5] = 0
        assert_search_is_reference(Q, X, 7, metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_equals_reference_at_every_number_of_rows(metric, dtype):
    rng = np.random.default_rng(2)
    for n in range(1, 66):
        Q, X = random_rows(rng, n, 9, dtype), random_rows(rng, 66 - n, 9, dtype)
        assert_search_is_reference(Q, X, 1 + n % len(X), metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_matrix_equals_reference(metric, dtype):
    rng = np.random.default_rng(3)
    for n_queries, n_rows, width in [(1, 1, 1), (33, 300, 17), (70, 5, 64), (3, 40, 3072)]:
        Q, X = random_rows(rng, n_queries, width, dtype), random_rows(rng, n_rows, width, dtype)
        wanted = reference.distances(reference.rank_distances(Q, X, metric), metric)
        assert_same_bytes([pairwise_distances(Q, X, metric)], [wanted])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("width", [1, 65, 3072, 33_026, 66_052, 150_528])
def test_bytes_at_the_ends_of_their_range_do_not_wrap(metric, dtype, width):
    info = np.iinfo(dtype)
    low, high = np.full((1, width), info.min, dtype), np.full((2, width), info.max, dtype)
    high[1, 0] = info.min
    rows = np.vstack([high, low])
    assert_search_is_reference(low, rows, 3, metric)
    assert_search_is_reference(high, rows, 3, metric)
    if metric == "l1":
        assert pairwise_distances(low, high, metric)[0, 0] == 255.0 * width
    if metric == "sqeuclidean":
        assert pairwise_distances(low, high, metric)[0, 0] == 65_025.0 * width


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_ties_keep_the_order_of_the_training_index(metric, dtype):
    rng = np.random.default_rng(4)
    Q, X = (random_rows(rng, n, 4, "uint8", 0, 3).astype(dtype) for n in (60, 500))
    S = reference.rank_distances(Q, X, metric)
    ordered = np.sort(S, axis=1)
    assert (ordered[:, 9] == ordered[:, 10]).mean() > 0.3, "the case must have ties at the k-th place"
    for k in (1, 10, 499, 500):
        assert_search_is_reference(Q, X, k, metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("Q_dtype", NUMPY_TYPES)
@pytest.mark.parametrize("X_dtype", NUMPY_TYPES)
def test_mixed_types_are_compared_in_float64(metric, Q_dtype, X_dtype):
    rng = np.random.default_rng(5)
    Q, X = random_rows(rng, 9, 19, "int8", 0, 9).astype(Q_dtype), random_rows(rng, 30, 19, "int8", 0, 9).astype(X_dtype)
    X[2] = Q[4].astype(X_dtype)
    assert_search_is_reference(Q, X, 5, metric)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_n_threads_and_batch_size_agnosticism(metric, dtype):
    rng = np.random.default_rng(6)
    Q, X = random_rows(rng, 150, 41, dtype), random_rows(rng, 900, 41, dtype)  # enough to be worth three threads
    wanted = knn(Q, X, 11, metric, n_jobs=1)
    for n_jobs in (2, 3, -1, None):
        assert_same_bytes(knn(Q, X, 11, metric, n_jobs=n_jobs), wanted)
    one_by_one = [knn(Q[i : i + 1], X, 11, metric) for i in range(len(Q))]
    assert_same_bytes([np.concatenate(part) for part in zip(*one_by_one, strict=True)], wanted)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_memory_layout_agnosticism(metric, dtype, tmp_path):
    rng = np.random.default_rng(7)
    Q, X = random_rows(rng, 10, 24, dtype), random_rows(rng, 50, 24, dtype)
    wanted = reference.kneighbors(Q, X, 5, metric)
    np.save(tmp_path / "X.npy", X)
    read_only = X.copy()
    read_only.flags.writeable = False
    unaligned = np.frombuffer(b"\0" + X.tobytes(), dtype=np.uint8)[1:].view(X.dtype).reshape(X.shape)
    layouts = {
        "Fortran": np.asfortranarray(X),
        "strided rows": np.repeat(X, 2, axis=0)[::2],
        "strided columns": np.repeat(X, 3, axis=1)[:, ::3],
        "reversed": X[::-1].copy()[::-1],
        "read-only": read_only,
        "memory map": np.load(tmp_path / "X.npy", mmap_mode="r"),
        "swapped bytes": X.astype(X.dtype.newbyteorder(">")),
        "unaligned": unaligned,
    }
    assert unaligned.dtype.itemsize == 1 or not unaligned.flags.aligned
    assert check_rows(unaligned).rows.flags.aligned
    for name, layout in layouts.items():
        np.testing.assert_array_equal(layout, X, err_msg=name)
        assert_same_bytes(knn(Q, layout, 5, metric), wanted)
        assert_same_bytes(knn(np.asfortranarray(Q), layout, 5, metric), wanted)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("metric", METRICS)
def test_hostile_floats_equal_reference(metric, dtype):
    rng = np.random.default_rng(8)
    for name, X in hostile_rows(rng, 40, 13, dtype).items():
        largest = np.abs(X.astype(np.float64)).max(axis=1)
        if metric == "cosine" and ((largest > 0) & (largest < 1e-154)).any():
            with pytest.raises(InputError, match="row of zeros"):
                knn(X[:9], X, 40, metric)
            continue
        assert_search_is_reference(X[:9], X, 40, metric, name)
        distances, _ = knn(X[:9], X, 40, metric)
        assert np.isfinite(distances).all(), name
        assert (distances >= 0).all(), name


def test_cosine_of_equal_and_zero_rows():
    X = np.array([[0.1, 0.2, 0.7], [0.0, 0.0, 0.0], [-0.1, -0.2, -0.7], [1e-200, 0.0, 0.0]])
    assert matrix.all_pairs(X, X, "cosine", n_threads=1).tolist() == [
        [0.0, 1.0, 2.0, 1.0],
        [1.0, 1.0, 1.0, 1.0],
        [2.0, 1.0, 0.0, 1.0],
        [1.0, 1.0, 1.0, 0.0],
    ]


def test_half_floats_are_widened_exactly():
    every_half = np.arange(65536, dtype=np.uint16).view(np.float16)
    finite = every_half[np.isfinite(every_half)].reshape(-1, 1)
    distances = pairwise_distances(np.zeros((1, 1)), finite, "l1")
    assert distances[0].tobytes() == np.abs(finite[:, 0].astype(np.float64)).tobytes()


# Enough queries to be packed, a few that are searched by pairs, and few that share out the rows among threads.
PIECES = {
    "packed": (130, 700, 31, 5),
    "by pairs": (170, 300, 9, 60),
    "packed, rows shared out": (40, 1500, 18, 5),
    "by pairs, rows shared out": (6, 1500, 20, 5),
}


@pytest.fixture
def smallest_pieces(monkeypatch):
    """Every search is worth two threads, and is cut as small as can be."""
    monkeypatch.setattr(tiles, "FIRST_CHUNK", 1)
    monkeypatch.setattr(pacing, "CHUNK_SECONDS", 1e-12)  # every chunk makes the next one smaller
    monkeypatch.setattr(brute, "_QUERIES_PER_JOB", 12)
    monkeypatch.setattr(tiles, "_QUERIES_PER_TILE", 12)
    monkeypatch.setattr(threads, "_OPERATIONS_PER_THREAD", 1)


def cut(rows, *at):
    """Chunks of rows: copies, so that no chunk is followed in memory by the next."""
    return plan.Rows([part.copy() for part in np.split(rows, at)])


@pytest.mark.parametrize(("dtype", "metric", "case", "grouped"), pairwise(NUMPY_TYPES, METRICS, list(PIECES), [False, True]))
def test_search_in_many_pieces_and_chunks_equals_reference(smallest_pieces, dtype, metric, case, grouped):
    rng = np.random.default_rng(9)
    n_queries, n_rows, width, k = PIECES[case]
    Q, X = random_rows(rng, n_queries, width, dtype), random_rows(rng, n_rows, width, dtype)
    # every row has a length of its own, in no order, so that another row's norm, or group, gives another answer
    of_rows = (rng.permutation(n_rows) * 6.0 / n_rows + 0.3)[:, None]
    X = (X * of_rows / 6.3).astype(dtype)
    X[n_rows // 3], X[n_rows - 2], X[n_rows // 2] = Q[1], Q[-1], 0
    groups = rng.integers(0, 3, size=n_queries), rng.integers(0, 3, size=n_rows)
    groups = groups if grouped else (None, None)
    calls = []
    S, indices, report = plan.search(
        cut(X, n_rows // 3, n_rows // 3 + 1, n_rows // 2),
        cut(Q, n_queries // 4, n_queries // 2),
        k,
        metric,
        n_threads=2,
        query_groups=groups[0],
        row_groups=groups[1],
        progress=lambda done, total: calls.append((done, total)),
    )
    assert_same_bytes((reference.distances(S, metric), indices), reference.kneighbors(Q, X, k, metric, *groups))
    assert report.threads == 2 or not _kernels.HAS_OPENMP
    assert report.chunks >= 12, "three chunks of queries and four of rows make twelve, and each must be cut again"
    assert len(calls) == report.chunks
    assert calls[-1] == (n_queries * n_rows, n_queries * n_rows)
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("dtype", NUMPY_TYPES)
def test_leave_one_out_over_chunks_equals_reference(smallest_pieces, dtype, metric):
    rng = np.random.default_rng(11)
    X = random_rows(rng, 260, 18, dtype)
    X[100:130], X[200] = X[130:160], 0
    own = np.arange(260)
    S, indices, _ = plan.search(cut(X, 90, 91, 150), None, 6, metric, n_threads=2, query_groups=own, row_groups=own)
    assert_same_bytes((reference.distances(S, metric), indices), reference.kneighbors(X, X, 6, metric, own, own))
    assert (indices != own[:, None]).all()


@pytest.mark.parametrize("metric", METRICS)
def test_a_group_never_sees_itself(metric):
    rng = np.random.default_rng(10)
    X = random_rows(rng, 90, 4, "uint8", 0, 3)
    groups = rng.integers(0, 4, size=90)
    S, indices, _ = plan.search(plan.Rows([X]), None, 12, metric, n_threads=2, query_groups=groups, row_groups=groups)
    wanted = reference.kneighbors(X, X, 12, metric, groups, groups)
    assert_same_bytes((reference.distances(S, metric), indices), wanted)
    assert (groups[indices] != groups[:, None]).all()


def test_a_search_that_others_slow_down_is_not_cut_ever_smaller():
    chunk_size = pacing.ChunkSize()
    assert chunk_size.record(100, 0.1) == pytest.approx(1000 * pacing.CHUNK_SECONDS)
    assert chunk_size.record(100, 10.0) == pytest.approx(
        1000 * pacing.CHUNK_SECONDS
    )  # slower: the rate is the best there was
    assert chunk_size.record(400, 0.1) == pytest.approx(4000 * pacing.CHUNK_SECONDS)
    assert chunk_size.chunks == 3
