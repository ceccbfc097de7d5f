"""Rows of bfloat16: two bytes are kept, and every answer has the bytes of the same rows in float32."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from _refused import check_refused
from _rows import assert_same_bytes, hostile_rows

import fastcls
from fastcls import KNeighborsClassifier, datasets, knn, pairwise_distances, simd
from fastcls._validation.rows import check_rows
from fastcls._validation.types import BFLOAT16, largest_magnitude, narrowed, widened

METRICS = ("l1", "l2", "cosine")


def both(X):
    """Rows of bfloat16, and the same values in float32."""
    rows = narrowed(np.asarray(X), BFLOAT16)
    return rows, widened(rows)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture(scope="module")
def texts(shared_data):
    return both(np.load(shared_data("debian_minilm_f16.npy"), mmap_mode="r")[:6000])


@pytest.fixture(params=simd.available())
def isa(request):
    before = simd.active()
    simd.use(request.param)
    yield request.param
    simd.use(before)


def models(X, wide, **options):
    y = np.arange(len(X)) % 7
    return [KNeighborsClassifier(**options).fit(rows, y) for rows in (X, wide)]


# name -> rows, features, queries, k, path, kernel
WAYS = {
    "panels": (900, 40, 60, 5, "brute", "panels"),
    "pairs": (300, 40, 5, 5, "brute", "pairwise"),
    "few features": (900, 5, 60, 5, "brute", "low_dimensional"),
    "tree": (10_000, 3, 40, 5, "tree", "boxes"),
    "filter": (900, 64, 60, 5, "filter", "codes"),
}


#: instruction set, way, metric; a tree, and rows of few features, are widened by the same loop in all sets
CASES = [(isa, way, metric) for isa in simd.available() for way in ("panels", "pairs", "filter") for metric in METRICS]
CASES += [(simd.active(), way, metric) for way in ("few features", "tree") for metric in ("l1", "l2")]


@pytest.mark.parametrize(("isa", "way", "metric"), CASES, indirect=["isa"])
def test_every_way_of_searching_gives_the_bytes_of_float32(way, metric, isa, rng):
    n_rows, d, n_queries, k, path, kernel = WAYS[way]
    (X, wide), (Q, wide_Q) = (both(rng.normal(size=(n, d))) for n in (n_rows, n_queries))
    algorithm = "filter" if way == "filter" else "auto"
    model, single = models(X, wide, n_neighbors=k, metric=metric, algorithm=algorithm)
    assert_same_bytes(model.kneighbors(Q), single.kneighbors(wide_Q), isa)
    assert model.search_report_.arithmetic == "float64"
    report = model.search_report_
    assert (report.path, report.kernel) == (single.search_report_.path, single.search_report_.kernel)
    if way != "panels" or isa not in ("scalar", "ssse3"):  # which have no panels
        assert (report.path, report.kernel) == (path, kernel)
    assert_same_bytes(model.kneighbors(), single.kneighbors(), f"{isa}, leave-one-out")
    assert model.predict(Q).tolist() == single.predict(wide_Q).tolist()


@pytest.mark.parametrize("metric", METRICS)
def test_embeddings_are_filtered_and_keep_two_bytes(texts, metric):
    X, wide = texts
    model, single = models(X[60:], wide[60:], n_neighbors=10, metric=metric)
    assert_same_bytes(model.kneighbors(X[:60]), single.kneighbors(wide[:60]), metric)
    report, other = model.search_report_, single.search_report_
    assert model._rows.chunks[0].base is not None
    assert (report.path, other.path, report.copied_bytes) == ("filter", "filter", 0)
    assert report.computed < report.pairs / 20
    assert report.filter_bytes <= 0.6 * X[60:].nbytes
    assert model._rows.chunks[0].nbytes * 2 == single._rows.chunks[0].nbytes


@pytest.mark.parametrize(
    ("name", "metric"),
    list(zip(hostile_rows(np.random.default_rng(0), 8, 3, "float32"), itertools.cycle(METRICS), strict=False)),
)
def test_hostile_rows(name, metric):
    X, wide = both(hostile_rows(np.random.default_rng(1), 500, 48, "float32", metric)[name])
    for algorithm in ("brute", "filter"):
        model, single = models(X, wide, n_neighbors=4, metric=metric, algorithm=algorithm)
        assert_same_bytes(model.kneighbors(X[::9]), single.kneighbors(wide[::9]), algorithm)
        assert model.search_report_.path == single.search_report_.path
    assert_same_bytes([pairwise_distances(X, X, metric)], [pairwise_distances(wide, wide, metric)])


def test_the_largest_and_the_smallest_values(rng):
    """Squares of 3.4e38 fit into float64, so they are not refused, as in float32."""
    bits = np.array([0x7F7F, 0xFF7F, 0x7F00, 0x0001, 0x8001, 0x0000, 0x8000, 0x0080], dtype=np.uint16)
    X = rng.choice(bits, size=(600, 64)).view(BFLOAT16)
    wide = widened(X)
    assert largest_magnitude(X) == float(np.abs(wide).max()) == 3.3895313892515355e38
    for metric in METRICS:
        for algorithm in ("brute", "filter"):
            model, single = models(X, wide, n_neighbors=3, metric=metric, algorithm=algorithm)
            assert_same_bytes(model.kneighbors(X[:40]), single.kneighbors(wide[:40]), f"{metric} {algorithm}")


def test_every_value_is_widened_exactly():
    every = np.arange(1 << 16, dtype=np.uint16)
    wide = widened(every.view(BFLOAT16))
    assert ((wide.view(np.uint32) >> 16).astype(np.uint16) == every).all()
    assert not (wide.view(np.uint32) & 0xFFFF).any()
    finite = np.isfinite(wide)
    distances = pairwise_distances(np.zeros((1, 1)), every[finite].view(BFLOAT16).reshape(-1, 1), "l1")
    assert distances[0].tobytes() == np.abs(wide[finite].astype(np.float64)).tobytes()
    assert narrowed(wide[finite], BFLOAT16).tobytes() == every[finite].tobytes()


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float32", "float64"])
def test_queries_and_rows_of_different_types(dtype, rng):
    whole = rng.integers(0, 100, size=(330, 24))
    X, wide = both(whole)
    other = (whole + 0.5 * (dtype[:3] == "flo")).astype(dtype)
    for metric in METRICS:
        assert_same_bytes(knn(other[:30], X, 4, metric), knn(other[:30], wide, 4, metric), f"{metric}: queries of {dtype}")
        assert_same_bytes(knn(X[:30], other, 4, metric), knn(wide[:30], other, 4, metric), f"{metric}: rows of {dtype}")
        assert_same_bytes([pairwise_distances(X, other, metric)], [pairwise_distances(wide, other, metric)])


def test_queries_of_bfloat16_are_filtered_among_rows_of_float32(texts):
    X, wide = texts
    model = KNeighborsClassifier(5).fit(wide, np.arange(len(wide)) % 2)
    assert_same_bytes(model.kneighbors(X[:20]), model.kneighbors(wide[:20]))
    model.predict(X[:20])
    assert model.search_report_.path == "filter"
    assert model.search_report_.notes == (
        "bfloat16 queries converted to float32, the type of the training rows; no value changes",
    )


def test_digits_are_exact_and_searched_as_bytes():
    data = datasets.load_digits()
    rows, y = data.X, data.y
    X, wide = both(rows)
    assert (wide == rows).all()
    assert_same_bytes([pairwise_distances(X, X, "l1")], [pairwise_distances(rows, rows, "l1")])
    for cv in ("loo", 3):
        searches = [fastcls.KNeighborsClassifierCV(ks=[1, 5], metrics=["l2"], cv=cv, random_state=0) for _ in range(3)]
        fitted = [search.fit(of[:900], y[:900]) for search, of in zip(searches, (X, wide, rows), strict=True)]
        scores = [search.cv_results_["mean_test_score"].tobytes() for search in fitted]
        assert scores[0] == scores[1] == scores[2]


def test_radius_and_duplicates_are_those_of_float32(rng):
    X, wide = both(np.repeat(rng.normal(size=(150, 20)), 2, axis=0))
    for metric, radius in (("l1", 12.0), ("l2", 4.0), ("cosine", 0.5)):
        found = [fastcls.NearestNeighbors(metric=metric).fit(rows).radius_neighbors(rows[:30], radius) for rows in (X, wide)]
        for part, single in zip(*found, strict=True):
            assert_same_bytes(part, single, metric)
        pairs = [fastcls.duplicates(rows, metric=metric) for rows in (X, wide)]
        assert_same_bytes([pairs[0].pairs], [pairs[1].pairs])
        assert len(pairs[0]) >= 150


def test_growth_keeps_the_type(rng):
    X, wide = both(rng.normal(size=(300, 20)))
    y = np.arange(300) % 3
    model, single = (KNeighborsClassifier(3).fit(rows[:200], y[:200]).partial_fit(rows[200:], y[200:]) for rows in (X, wide))
    assert_same_bytes(model.kneighbors(X[:30]), single.kneighbors(wide[:30]))
    check_refused(lambda: model.partial_fit(wide, y), "X is float32, but the rows of KNeighborsClassifier are bfloat16")
    check_refused(lambda: single.partial_fit(X, y), "X is bfloat16, but the rows of KNeighborsClassifier are float32")


@pytest.mark.parametrize(
    "model",
    [
        fastcls.SoftmaxClassifier(random_state=0, alpha=0.01, learning_rate=0.1, max_iter=3, tol=None),
        fastcls.SoftmaxClassifier(random_state=0, alpha=0.01, solver="lbfgs", max_iter=3, tol=None),
        fastcls.MulticlassSVM(random_state=0, alpha=0.01, learning_rate=0.1, max_iter=3, tol=None),
        fastcls.NearestClassMean(normalize=True),
    ],
)
@pytest.mark.parametrize("n_classes", [3, 40])  # of which 40 are packed
@pytest.mark.filterwarnings("ignore")  # few iterations
def test_linear_models_have_the_weights_of_float32(model, n_classes, isa, rng):
    X, wide = both(rng.normal(size=(400, 37)))
    y = np.arange(400) % n_classes
    state = "means_" if isinstance(model, fastcls.NearestClassMean) else "coef_"
    found, single = (getattr(model.fit(rows, y), state).copy() for rows in (X, wide))
    assert found.tobytes() == single.tobytes()
    assert (model.predict(X) == model.predict(wide)).all()


def test_arithmetic_of_training_is_that_of_float32(rng):
    X, wide = both(np.where(np.arange(60).reshape(20, 3) == 7, 2e18, 1.0))
    y = np.arange(20) % 2
    for rows in (X, wide):
        assert fastcls.LinearProblem(rows, y).arithmetic == "float64", "products of float32 could overflow"
        assert fastcls.LinearProblem(rows[3:], y[3:]).arithmetic == "float32"
    W = rng.normal(size=(2, 3))
    problem, single = (fastcls.LinearProblem(rows[3:], y[3:]) for rows in (X, wide))
    for check in (fastcls.gradcheck.check_arithmetic, fastcls.gradcheck.check_gradient):
        assert str(check(problem, W)) == str(check(single, W))


def test_rows_of_signed_zeros_are_zero(rng):
    """Their bits differ: rows are compared by value where two rows may differ, and where a row may be zero."""
    X = np.where(rng.random((30, 5)) < 0.5, 0x8000, 0).astype(np.uint16).view(BFLOAT16)
    assert fastcls.SoftmaxClassifier(max_iter=2, random_state=0, tol=None).fit(X, np.arange(30) % 2).scale_ == 1.0
    assert (pairwise_distances(X, X, "cosine") == 1.0).all()


@pytest.mark.parametrize(("bits", "what"), [(0x7FC0, "NaN"), (0xFFC1, "NaN"), (0x7F80, "infinity"), (0xFF80, "infinity")])
def test_nan_and_infinity_are_refused_by_row_and_column(bits, what, rng):
    X = narrowed(rng.normal(size=(9, 4)), BFLOAT16)
    X.view(np.uint16)[7, 2] = bits
    for refuse in (
        lambda: KNeighborsClassifier(1).fit(X, np.arange(9)),
        lambda: fastcls.SoftmaxClassifier().fit(X, np.arange(9) % 2),
        lambda: datasets.load((X, np.arange(9))).X.tolist() and check_rows(X),
        lambda: knn(X, X[:7], 1),
    ):
        check_refused(refuse, f"contains {what} (first at row 7, column 2)")


def test_bits_are_never_taken_for_numbers(rng):
    """An array of uint16 is whole numbers, as before; NumPy refuses to compute with rows of bfloat16."""
    whole = rng.integers(0, 1 << 16, size=(20, 4)).astype(np.uint16)
    assert check_rows(whole).rows.dtype == np.float64
    assert check_rows(whole).notes == ("X: uint16 converted to float64 (uint8 and int8 are kept as they are)",)
    for compute in (
        np.mean,
        np.abs,
        lambda rows: rows + 1,
        lambda rows: rows.astype(np.float32),
        lambda rows: rows @ rows.T,
    ):
        with pytest.raises((TypeError, ValueError)):
            compute(whole.view(BFLOAT16))


def test_bytes_at_odd_addresses_are_copied_once(rng):
    X, wide = both(rng.normal(size=(50, 6)))
    shifted = np.frombuffer(b"." + X.tobytes(), dtype=np.uint8)[1:].view(BFLOAT16).reshape(X.shape)
    assert check_rows(X).copied_bytes == 0
    assert check_rows(shifted).copied_bytes == X.nbytes
    assert_same_bytes(knn(shifted, X[::2], 2), knn(wide, wide[::2], 2))
