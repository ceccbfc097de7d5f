"""Rows that come in parts: after any number of partial_fits the answers are those of one fit, and the work is too."""

import pickle

import numpy as np
import pytest
from _pairwise import pairwise
from _rows import NUMPY_TYPES, assert_same_bytes, hostile_rows, random_rows
from hypothesis import given, settings
from hypothesis import strategies as st

import fastcls
from fastcls import KNeighborsClassifier, NearestNeighbors, SoftmaxClassifier
from fastcls._search import plan, tree
from fastcls._search import rows as _rows
from fastcls._search.filter import costs
from fastcls._search.filter import filter as filtering
from fastcls._search.rows import Rows
from fastcls._validation.errors import InputError
from fastcls.metrics import METRICS

ALGORITHMS = ("brute", "auto", "filter")
WEIGHTS = ("uniform", "distance", "softmax")


@pytest.fixture
def small_parts_stay(monkeypatch):
    """Nothing is joined: every part is a chunk, however small."""
    monkeypatch.setattr(_rows, "_WHOLE_BYTES", 1)


def blobs(rng, n, d, dtype, n_classes=5):
    """Rows about a few points, which spread along a few directions: filters rule out much. And the number of the point."""
    centers, directions = rng.normal(size=(n_classes, d)), rng.normal(size=(6, d))
    y = rng.integers(n_classes, size=n)
    rows = centers[y] + 0.3 * rng.normal(size=(n, 6)) @ directions + 0.01 * rng.normal(size=(n, d))
    if np.dtype(dtype).kind != "f":
        info = np.iinfo(dtype)
        rows = np.clip(rows * 40 + (info.min + info.max) / 2, info.min, info.max)
    return np.ascontiguousarray(rows.astype(dtype)), y


def cut(X, places):
    return [part for part in np.split(X, sorted(places)) if len(part)]


def grown(model, X, y, places, **options):
    """The model after a partial_fit of each part."""
    for part, labels in zip(cut(X, places), cut(y, places), strict=True):
        model.partial_fit(part, labels, classes=np.unique(y), **options)
    return model


def answers(model, Q):
    """All that a search and a vote say, of these queries and of the rows themselves."""
    return (
        *model.kneighbors(Q),
        *model.kneighbors(),
        model.predict_proba(Q),
        model.predict_proba(),
        model.predict_ties(Q),
        model.predict(Q),
        model.predict(),
        model.classes_,
    )


def assert_grown_is_fitted(X, y, Q, places, what="", k=5, **options):
    model, whole = (KNeighborsClassifier(k, n_jobs=1, **options) for _ in range(2))
    grown(model, X, y, places)
    whole.fit(X, y)
    assert model.n_samples_fit_ == len(X)
    assert_same_bytes(answers(model, Q), answers(whole, Q), what)
    return model


@pytest.mark.parametrize(("dtype", "metric", "algorithm"), pairwise(NUMPY_TYPES, list(METRICS), ALGORITHMS))
def test_grown_is_fitted(dtype, metric, algorithm):
    rng = np.random.default_rng(0)
    for d in (3, 40):
        X, y = blobs(rng, 600, d, dtype)
        X[100:140] = X[500:540]  # ties across parts
        for weights in WEIGHTS if algorithm == "auto" else WEIGHTS[:1]:
            assert_grown_is_fitted(
                X,
                y,
                X[::20],
                [1, 200, 210, 500],
                f"{d} features, {weights}",
                metric=metric,
                weights=weights,
                algorithm=algorithm,
            )


@pytest.mark.usefixtures("small_parts_stay")
@pytest.mark.parametrize(
    ("dtype", "metric", "algorithm"), pairwise(["float16", "float32", "float64"], list(METRICS), ALGORITHMS)
)
def test_hostile_rows_in_chunks_are_as_in_one(dtype, metric, algorithm):
    rng = np.random.default_rng(1)
    for d in (5, 40):
        for name, X in hostile_rows(rng, 150, d, dtype, metric).items():
            model, whole = (NearestNeighbors(9, metric=metric, algorithm=algorithm, n_jobs=2) for _ in range(2))
            for part in cut(X, [40, 41, 100]):
                model.partial_fit(part)
            assert len(model._rows.chunks) == 4
            assert_same_bytes(model.kneighbors(X[::7]), whole.fit(X).kneighbors(X[::7]), f"{name}, {d} features")


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_cut_gives_the_same(data):
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    n, d = data.draw(st.integers(2, 300)), data.draw(st.integers(1, 40))
    X, y = rng.integers(0, 4, size=(n, d)).astype(data.draw(st.sampled_from(NUMPY_TYPES))), rng.integers(0, 3, size=n)
    places = data.draw(st.lists(st.integers(1, n - 1), max_size=8))
    options = {"metric": data.draw(st.sampled_from(list(METRICS))), "algorithm": data.draw(st.sampled_from(ALGORITHMS))}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_rows, "_WHOLE_BYTES", data.draw(st.sampled_from([1, 500, 1 << 22])))
        assert_grown_is_fitted(X, y, X[:10], places, k=data.draw(st.integers(1, n - 1)), **options)


@pytest.mark.parametrize("metric", list(METRICS))
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_levels_and_codes_of_rows_before_are_kept(dtype, metric, monkeypatch):
    monkeypatch.setattr(_rows, "_WHOLE_BYTES", 1)
    rng = np.random.default_rng(2)
    X, y = blobs(rng, 9000, 256, dtype)
    model = KNeighborsClassifier(5, metric=metric, algorithm="filter", n_jobs=2).fit(X[:5000], y[:5000])
    ((name, before),) = model._rows.filters.items()
    model.kneighbors(X[:20])
    norms, statistics = (dict(known) for known in (model._rows._norms, model._rows._statistics))
    rows_before = model._rows
    model.partial_fit(X[5000:9000], y[5000:9000])
    after = model._rows.filters[name]
    assert after is not before, "a search under way has the old one"
    assert (len(before.chunks), len(after.chunks)) == (1, 2)
    assert after.levels is before.levels
    assert after.chunks[0] is before.chunks[0]
    assert len(rows_before.chunks) == 1
    for kind, known in norms.items():
        assert model._rows.norms(kind, 1)[0] is known[0]
    for kind, known in statistics.items():
        assert model._rows.statistics("cosine" if kind else "l2", 1)[0] is known[0]
    whole = NearestNeighbors(5, metric=metric, algorithm="brute").fit(X)
    assert_same_bytes(model.kneighbors(X[:50]), whole.kneighbors(X[:50]))


def test_trees_of_rows_before_are_kept():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(400_000, 3))
    model = NearestNeighbors(5).fit(X[:200_000])
    (first,) = model._rows.filters["tree"].chunks
    model.partial_fit(X[200_000:])
    assert model._rows.filters["tree"].chunks[0] is first
    assert_same_bytes(model.kneighbors(X[:2000]), NearestNeighbors(5).fit(X).kneighbors(X[:2000]))
    assert model.search_report_.path == "tree"


def test_large_arrays_are_referenced_and_copies_reported():
    rng = np.random.default_rng(4)
    parts = [random_rows(rng, 2000, 3072, "uint8") for _ in range(3)]
    model = NearestNeighbors(algorithm="brute")
    for part in parts:
        model.partial_fit(part)
    assert all(chunk is part for chunk, part in zip(model._rows.chunks, parts, strict=True))
    model.kneighbors(parts[0][:2])
    assert model.search_report_.copied_bytes == 0
    model.partial_fit(parts[0][:10]).partial_fit(parts[0][:10])
    assert all(chunk is part for chunk, part in zip(model._rows.chunks, parts, strict=False))
    assert list(map(len, model._rows.chunks)) == [2000, 2000, 2000, 20]
    model.kneighbors(parts[0][:2])
    assert model.search_report_.copied_bytes == 20 * 3072, "two small parts were joined"
    protected = NearestNeighbors(algorithm="brute").partial_fit(parts[0], copy=True).partial_fit(parts[1], copy=True)
    assert not any(np.may_share_memory(chunk, part) for chunk in protected._rows.chunks for part in parts)
    protected.kneighbors(parts[0][:2])
    assert protected.search_report_.copied_bytes == 2 * 2000 * 3072


@pytest.mark.parametrize(
    ("sizes", "wanted"),
    [
        ([1, 100], [1, 100]),  # a large part behind a small one
        ([120, 70], [120, 70]),  # a small one behind a large one that is less than twice as large
        ([99, 50], [149]),
        ([100, 50], [100, 50]),
        ([99, 49], [99, 49]),
        ([40, 20, 10, 10], [80]),
        ([1, 100, 1, 1], [1, 100, 2]),
        ([60, 60, 60], [120, 60]),
    ],
)
def test_only_what_is_small_is_joined(sizes, wanted, monkeypatch):
    monkeypatch.setattr(_rows, "_WHOLE_BYTES", 100)
    parts = [np.full((size, 1), number, np.uint8) for number, size in enumerate(sizes)]
    rows = Rows(parts[:1])
    for part in parts[1:]:
        rows = rows.extended(Rows([part]))
    assert list(map(len, rows.chunks)) == wanted
    assert np.array_equal(np.concatenate(rows.chunks), np.concatenate(parts))
    for chunk in rows.chunks:
        assert len(chunk) not in sizes or any(chunk is part for part in parts)


def test_a_buffer_filled_anew_needs_copy_and_gets_it():
    rng = np.random.default_rng(5)
    X = random_rows(rng, 60, 4, "float64")
    buffer, model = np.empty((10, 4)), NearestNeighbors(3)
    for first in range(0, 60, 10):
        buffer[:] = X[first : first + 10]
        model.partial_fit(buffer, copy=True)
    assert_same_bytes(model.kneighbors(X), NearestNeighbors(3).fit(X).kneighbors(X))


@pytest.mark.parametrize("n_each", [1, 10, 33])
def test_many_small_parts_are_few_chunks_copied_seldom(n_each):
    """Of n bytes in parts of b: n / W + log2(W / b) + 1 chunks, and log2(W / b) + 1 copies of a row."""
    d, whole = 64, _rows._WHOLE_BYTES
    part = Rows([np.zeros((n_each, d), np.uint8)])
    times = np.ceil(np.log2(whole / part.chunks[0].nbytes)) + 1
    rows, n_parts = part, 3 * whole // part.chunks[0].nbytes // 4 * 4
    for number in range(1, min(n_parts, 9000)):
        rows = rows.extended(part)
        assert rows.n_rows == (number + 1) * n_each
        n_bytes = rows.n_rows * d
        assert len(rows.chunks) <= n_bytes / whole + times
    assert rows.copied_bytes <= n_bytes * times


def test_a_thousand_small_parts_cost_about_what_one_does(monkeypatch):
    """Counted, not timed: rows encoded, and chunks to search."""
    rng = np.random.default_rng(6)
    X, y = blobs(rng, 15_000, 256, "uint8")
    encoded = []
    encode = filtering._levels.encode
    model = KNeighborsClassifier(5, n_jobs=1).partial_fit(X[:5000], y[:5000], classes=np.arange(5))
    monkeypatch.setattr(filtering._levels, "encode", lambda *a, **k: encoded.append(len(a[1])) or encode(*a, **k))
    for first in range(5000, 15_000, 10):
        model.partial_fit(X[first : first + 10], y[first : first + 10])
    assert len(model._rows.chunks) < 16
    assert sum(encoded) < 15 * 10_000
    assert len(model._rows.filters["l2"].chunks) == len(model._rows.chunks)
    whole = KNeighborsClassifier(5).fit(X, y)
    assert_same_bytes(model.kneighbors(X[:200]), whole.kneighbors(X[:200]))
    assert model.search_report_.path == whole.search_report_.path == "filter"


def test_levels_are_learned_once_there_are_rows_enough_and_again_only_if_there_were_none(monkeypatch):
    rng = np.random.default_rng(7)
    X, y = blobs(rng, 24_000, 256, "uint8")
    learned, learn, brute_cost = [], filtering.Filter.learn.__func__, costs.brute_cost

    def sizes_learned_at(model):
        learned.clear()
        sizes = []
        for first in range(0, 24_000, 1000):
            model.partial_fit(X[first : first + 1000], y[first : first + 1000], classes=np.arange(5))
            sizes += [first + 1000] * (len(learned) > len(sizes))
            if first >= 9000:
                monkeypatch.setattr(costs, "brute_cost", brute_cost)
        return sizes

    def counted(cls, *args, **options):
        learned.append(args[0].n_rows)
        return learn(cls, *args, **options)

    monkeypatch.setattr(filtering.Filter, "learn", classmethod(counted))
    model = KNeighborsClassifier(5, n_jobs=1)
    assert sizes_learned_at(model) == [5000]
    late = KNeighborsClassifier(5, n_jobs=1)
    monkeypatch.setattr(costs, "brute_cost", lambda *args: 0.0)  # up to 10,000 rows brute force seems to be free
    assert sizes_learned_at(late) == [5000, 10_000, 20_000]
    wanted = NearestNeighbors(5, algorithm="brute").fit(X).kneighbors(X[:300])
    for one in (model, late):
        assert_same_bytes(one.kneighbors(X[:300]), wanted)
        assert one.search_report_.path == "filter"


def test_a_sample_is_of_all_chunks():
    for sizes in ([5, 100_000], [30_000, 30_000, 30_000], [1, 1, 1], [7000, 1, 7000]):
        chunks = [np.full((n, 3), number, np.uint8) for number, n in enumerate(sizes)]
        sample = filtering._sample(Rows(chunks))
        share = np.bincount(sample[:, 0], minlength=len(sizes)) / len(sample)
        assert np.allclose(share, np.array(sizes) / sum(sizes), atol=1e-3)
        assert min(sum(sizes), filtering._LEAST_SAMPLE) <= len(sample) <= 2 * filtering._LEAST_SAMPLE + len(sizes)


@pytest.mark.parametrize("metric", list(METRICS))
@pytest.mark.parametrize("dtype", ["uint8", "int8", "float32"])
def test_later_rows_unlike_the_first_are_found(dtype, metric):
    """Levels fit the first rows and no others: bounds are poor there, answers are not."""
    rng = np.random.default_rng(8)
    first, _ = blobs(rng, 6000, 64, dtype)
    info = np.iinfo(dtype) if np.dtype(dtype).kind != "f" else None
    second = random_rows(rng, 5000, 64, dtype) if info else (1e4 * rng.normal(size=(5000, 64))).astype(dtype)
    X = np.concatenate([first, second])
    Q = np.concatenate([first[::300], second[::300]])
    for algorithm in ("auto", "filter"):
        model = NearestNeighbors(7, metric=metric, algorithm=algorithm, n_jobs=2).fit(first)
        model.partial_fit(second)
        wanted = NearestNeighbors(7, metric=metric, algorithm="brute").fit(X).kneighbors(Q)
        assert_same_bytes(model.kneighbors(Q), wanted)


def test_a_tree_that_did_not_pay_is_tried_again_among_twice_the_rows():
    rng = np.random.default_rng(9)
    X = random_rows(rng, 20_000, 15, "float32")
    model = NearestNeighbors(10, n_jobs=2).fit(X[:10_000])
    model.kneighbors(X[:300])
    assert model.search_report_.path == "tree then brute"
    model.partial_fit(X[10_000:12_000])
    model.kneighbors(X[:300])
    assert model.search_report_.path == "brute", "it is remembered"
    model.partial_fit(X[12_000:])
    assert model._rows.filters["tree"].is_profitable(METRICS["l2"], 10)
    model.kneighbors(X[:300])
    assert "tree" in model.search_report_.path


# ------------------------------------------------------------------------------------------------ what scikit-learn asks


def test_classes_are_those_of_the_first_call():
    X, y = np.eye(4), np.array(["d", "b", "b", "a"])
    model = KNeighborsClassifier(1).partial_fit(X[:2], y[:2], classes=["d", "b", "a", "c"])
    assert model.classes_.tolist() == ["a", "b", "c", "d"]
    assert model.predict_proba(X[:1]).tolist() == [[0, 0, 0, 1]]
    assert model.partial_fit(X[2:], y[2:]).predict(X).tolist() == y.tolist()
    assert model.partial_fit(X[:1], ["c"], classes=["a", "b", "c", "d"]).n_samples_fit_ == 5
    after_fit = KNeighborsClassifier(1).fit(X, y).partial_fit(X + 9, y[::-1])
    assert after_fit.predict(X + 9).tolist() == y[::-1].tolist()
    by_number = KNeighborsClassifier(1).partial_fit(X, [3, 1, 1, 0]).partial_fit(X + 9, [0.0, 1.0, 3.0, 3.0])
    assert by_number.predict(X + 9).tolist() == [0, 1, 3, 3]


def refusals():
    """Name -> (call on a model fitted on two features of uint8 with the classes 0 and 1, words of the refusal)."""
    X, y = np.array([[1, 2], [3, 4]], np.uint8), [0, 1]
    return {
        "width": (lambda m: m.partial_fit(np.zeros((2, 3), np.uint8), y), "X has 3 features, but .* expecting 2 features"),
        "dtype": (lambda m: m.partial_fit(X.astype(np.float32), y), r"X is float32, but .* uint8: .*astype\('uint8'\)"),
        "other integers": (lambda m: m.partial_fit(X.astype(int), y), "X is float64, but the rows .* are uint8"),
        "label": (lambda m: m.partial_fit(X, [0, 2]), r"the label 2, which is not among the classes \[0, 1\]: name all"),
        "text for number": (lambda m: m.partial_fit(X, ["0", "1"]), "the label '0', which is not among the classes"),
        "classes": (lambda m: m.partial_fit(X, y, classes=[0, 1, 2]), r"classes=\[0, 1, 2\] differ from those of the first"),
        "no labels": (lambda m: m.partial_fit(X, None), "y is None"),
        "labels too few": (lambda m: m.partial_fit(X, [0]), "y has 1 label for 2 rows"),
        "no rows": (lambda m: m.partial_fit(X[:0], []), "minimum of 1 is required"),
        "options": (lambda m: m.set_params(n_neighbors=0).partial_fit(X, y), "n_neighbors=0"),
        "metric": (lambda m: m.set_params(metric="far").partial_fit(X, y), "metric='far' is unknown"),
    }


@pytest.mark.parametrize("name", refusals())
def test_a_refused_part_leaves_the_estimator_as_it_was(name):
    call, words = refusals()[name]
    X, y = np.array([[1, 2], [3, 4]], np.uint8), [0, 1]
    model = KNeighborsClassifier(1).fit(X, y)
    fitted = {key: value for key, value in vars(model).items() if key not in model.get_params()}
    chunks = list(model._rows.chunks)
    with pytest.raises(ValueError, match=words) as caught:
        call(model)
    assert "\n" not in str(caught.value)
    now = {key: value for key, value in vars(model).items() if key not in model.get_params()}
    assert now.keys() == fitted.keys()
    assert all(now[key] is fitted[key] for key in fitted)
    assert model._rows.chunks == chunks
    model.set_params(metric="l2", n_neighbors=1)
    assert model.partial_fit(X + 9, y).n_samples_fit_ == 4


def test_a_refused_first_part_leaves_nothing():
    model = KNeighborsClassifier(1)
    for call in (
        lambda: model.partial_fit(np.zeros((2, 2)), [0, 1], classes=[0, 2]),
        lambda: model.partial_fit(np.zeros((2, 2)), [0, 1], classes=[]),
        lambda: model.partial_fit(np.full((2, 2), np.nan), [0, 1]),
    ):
        with pytest.raises(InputError):
            call()
        assert vars(model) == vars(KNeighborsClassifier(1))


@pytest.mark.parametrize("way", ["fit", "partial_fit"])
def test_an_interrupted_fit_leaves_the_estimator_as_it_was(way, monkeypatch):
    X, y = np.zeros((4, 3)), [0, 1, 0, 1]
    model = KNeighborsClassifier(1).fit(X, y)
    before = dict(vars(model))

    def interrupt(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(plan, "prepare", interrupt)
    wider = np.zeros((4, 5)) if way == "fit" else X
    with pytest.raises(KeyboardInterrupt):
        getattr(model, way)(wider, y)
    assert vars(model) == before


def test_a_metric_changed_between_parts_is_that_of_all():
    rng = np.random.default_rng(10)
    X, y = blobs(rng, 300, 8, "float64")
    model = KNeighborsClassifier(4, metric="l2").fit(X[:200], y[:200]).set_params(metric="l1").partial_fit(X[200:], y[200:])
    assert_same_bytes(answers(model, X[:9]), answers(KNeighborsClassifier(4, metric="l1").fit(X, y), X[:9]))
    large = NearestNeighbors(1, metric="l1").fit(np.full((3, 2), 1e200)).set_params(metric="l2")
    with pytest.raises(InputError, match="could overflow"):
        large.partial_fit(np.zeros((1, 2)))
    assert large.n_samples_fit_ == 3


@pytest.mark.parametrize("kind", [NearestNeighbors, KNeighborsClassifier, SoftmaxClassifier])
def test_names_of_features_are_those_of_the_first_part(kind):
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    frame, y = pd.DataFrame(np.eye(3), columns=["a", "b", "c"]), () if kind is NearestNeighbors else ([0, 1, 2],)
    model = kind().partial_fit(frame, *y).partial_fit(frame + 1, *y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="feature names"):
        model.partial_fit(frame[["b", "a", "c"]], *y)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.partial_fit(np.eye(3), *y)
    assert model.feature_names_in_.tolist() == ["a", "b", "c"]
    assert getattr(model, "n_samples_fit_", 9) == 9
    assert not hasattr(model.fit(np.eye(3), *y), "feature_names_in_")


def test_a_conversion_is_noted_once():
    model = NearestNeighbors(1)
    for _ in range(5):
        model.partial_fit(np.eye(3, dtype=np.int32))
    model.kneighbors(np.eye(3))
    assert len(model.search_report_.notes) == 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_pickled_and_saved_models_go_on_growing(algorithm, tmp_path):
    rng = np.random.default_rng(11)
    X, y = blobs(rng, 900, 40, "uint8")
    model = grown(KNeighborsClassifier(5, algorithm=algorithm), X[:600], y[:600], [400, 590])
    model.save(tmp_path / "model.safetensors")
    whole = KNeighborsClassifier(5, algorithm=algorithm).fit(X, y)
    for again in (pickle.loads(pickle.dumps(model)), fastcls.load(tmp_path / "model.safetensors"), model):
        assert_same_bytes(answers(again, X[:30]), answers(KNeighborsClassifier(5).fit(X[:600], y[:600]), X[:30]))
        again.partial_fit(X[600:], y[600:])
        assert_same_bytes(answers(again, X[:30]), answers(whole, X[:30]))


def test_a_copied_model_grows_alone():
    import copy

    rng = np.random.default_rng(12)
    X, y = blobs(rng, 300, 6, "float32")
    model = KNeighborsClassifier(3).fit(X[:200], y[:200])
    other = copy.copy(model)
    model.partial_fit(X[200:250], y[200:250])
    other.partial_fit(X[250:], y[250:])
    assert_same_bytes(answers(model, X[:9]), answers(KNeighborsClassifier(3).fit(X[:250], y[:250]), X[:9]))
    rows = np.r_[0:200, 250:300]
    assert_same_bytes(answers(other, X[:9]), answers(KNeighborsClassifier(3).fit(X[rows], y[rows]), X[:9]))
    assert tree.LEAST_ROWS > 300, "no tree was looked for"
