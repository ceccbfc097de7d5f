"""The packed products, which models of 32 classes or more take: values, bytes, memory."""

import tracemalloc

import numpy as np
import pytest

from fastcls import InputError, LinearProblem, SoftmaxClassifier, _kernels, optim, simd
from fastcls._gradient import loops, predict_loops, prediction, problem
from fastcls.losses import LOSSES

MANY = 32  # packed.pyx
SINGLE = 2.0**-24


def made(loss, n_classes, n_jobs=2, n=700, d=300, dtype="float32", **options):
    rng = np.random.default_rng(n_classes)
    X = rng.integers(0, 256, (n, d)).astype(dtype) if dtype == "uint8" else rng.normal(size=(n, d)).astype(dtype)
    y = rng.integers(0, n_classes, n)
    W = rng.normal(size=(n_classes, d + 1)) / (2000 if dtype == "uint8" else 20)
    return LinearProblem(X, y, loss, alpha=0.01, fit_intercept=True, n_classes=n_classes, n_jobs=n_jobs, **options), W


@pytest.fixture(params=simd.available())
def isa(request):
    before = simd.active()
    simd.use(request.param)
    yield request.param
    simd.use(before)


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float32"])
@pytest.mark.parametrize("n_classes", [MANY - 1, MANY, 45])
def test_single_precision_is_within_its_bound(isa, n_classes, dtype):
    """A score has at most 256 + 3 roundings of its block and of the two sums of blocks, relative to sum |w x|.

    A softmax slope moves by at most twice that; its own roundings are three. An entry of the gradient is then a sum over
    rows of slope times |x|, with at most 512 + 1 roundings more for each tile.
    """
    one, W = made("softmax", n_classes, n=300, d=130, dtype=dtype)
    plain, _ = made("softmax", n_classes, n=300, d=130, dtype=dtype, arithmetic="float64")
    assert one.arithmetic == "float32"
    value, gradient = one.value_and_gradient(W)
    expected, slopes = plain.value_and_gradient(W)
    X = np.abs(one.X.astype(np.float64))
    score = 261 * SINGLE * float((X @ np.abs(W[:, :-1]).T + np.abs(W[:, -1])).max())
    assert abs(value - expected) <= 2 * score
    # the slopes of a row are at most 2 in sum
    assert np.abs(gradient - slopes)[:, :-1].max() <= (2 * score + 518 * SINGLE) * 2 * X.max()
    assert np.abs(gradient - slopes)[:, -1].max() <= (2 * score + 518 * SINGLE) * 2


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_classes", [MANY, 101])
def test_bytes_do_not_depend_on_threads(loss, n_classes):
    rows = np.random.default_rng(3).permutation(700)[:601]
    found = []
    for n_jobs in (1, 2, 3, 7):
        one, W = made(loss, n_classes, n_jobs)
        value, gradient = one.value_and_gradient(W)
        part, part_gradient = one.value_and_gradient(W, rows)
        found.append((value, gradient.tobytes(), part, part_gradient.tobytes(), one.per_sample(W).tobytes()))
    assert found[0] == found[1] == found[2] == found[3]


def test_bytes_do_not_depend_on_the_size_of_calls(monkeypatch):
    one, W = made("softmax", 40)
    value, gradient = one.value_and_gradient(W)
    monkeypatch.setattr(problem, "WORK_PER_CALL", 1)
    assert len(list(one._chunks(700, 40, 512))) == 2
    again = one.value_and_gradient(W)
    assert again[0] == value
    assert again[1].tobytes() == gradient.tobytes()


def test_scores_of_a_row_depend_on_that_row_only():
    one, W = made("softmax", 50)
    coef, intercept = one.to_raw(W)
    at_once = prediction.linear_scores(one.X, coef, intercept, 2)
    alone = np.vstack([prediction.linear_scores(one.X[i : i + 1], coef, intercept, 1) for i in range(40)])
    assert at_once[:40].tobytes() == alone.tobytes()
    np.testing.assert_allclose(at_once, one.X.astype(np.float64) @ coef.T + intercept, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n_classes", [MANY - 1, MANY, 5 * MANY + 7])
def test_scores_do_not_depend_on_how_classes_are_divided(isa, n_classes, monkeypatch):
    one, W = made("softmax", n_classes)
    coef, intercept = one.to_raw(W)
    wanted = prediction.linear_scores(one.X[:100], coef, intercept, 2)
    monkeypatch.setattr(prediction, "_MANY_WEIGHTS", 1)
    monkeypatch.setattr(prediction, "_WEIGHTS_AT_ONCE", 1)
    n_parts = prediction._parts_of_classes(100, coef)
    assert n_parts == (5 if n_classes > 2 * MANY else 1)
    assert prediction._parts_of_classes(257, coef) == 1
    assert prediction.linear_scores(one.X[:100], coef, intercept, 2).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("loss", ["softmax", "hinge"])
@pytest.mark.parametrize("batch_size", [64, 600])
def test_models_of_a_sweep_get_the_bytes_they_get_alone(loss, batch_size):
    """Minibatches of one tile, whose gradient is never stored, and of two."""
    one, W = made(loss, 37)
    settings = {"max_iter": 2, "batch_size": batch_size, "random_state": 0}
    strengths, rates = [(0.0, 1e-3, np.inf), (1e-4, 0.0, np.inf), (0.0, 0.1, 2.0)], [0.1, 0.01, 0.001]
    together, losses = optim.descend_many(one, [W] * 3, strengths, rates, **settings)
    for at in range(3):
        alone, loss_alone = optim.descend_many(one, [W], strengths[at : at + 1], rates[at : at + 1], **settings)
        assert alone[0].tobytes() == together[at].tobytes()
        assert loss_alone[0] == losses[at]


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_of_rows_count(loss):
    weights = np.random.default_rng(0).integers(0, 3, 700).astype(np.float64)
    one, W = made(loss, 33, sample_weight=weights, arithmetic="float64")
    repeated = np.repeat(np.arange(700), weights.astype(int))
    other = LinearProblem(
        one.X[repeated], one.y[repeated], loss, alpha=0.01, fit_intercept=True, n_classes=33, arithmetic="float64"
    )
    assert one.value_and_gradient(W)[0] == pytest.approx(other.value_and_gradient(W)[0], rel=1e-12)
    np.testing.assert_allclose(one.value_and_gradient(W)[1], other.value_and_gradient(W)[1], rtol=0, atol=1e-12)


def test_a_score_that_is_not_finite_gives_a_NaN_loss():
    one, W = made("softmax", 40)
    W[7, 3] = np.inf
    with np.errstate(invalid="ignore"):
        assert np.isnan(one.value_and_gradient(W)[0])


def test_a_tiny_loss_keeps_its_digits():
    X = np.ones((40, 1))
    one = LinearProblem(X, np.arange(40), "softmax", n_classes=40, fit_intercept=True)
    W = np.zeros((40, 2))
    W[5, 1] = 60.0
    assert one.per_sample(W)[5] == pytest.approx(39 * np.exp(-60.0), rel=1e-12)
    assert one.per_sample(W)[6] == pytest.approx(60.0, rel=1e-15)


@pytest.mark.parametrize(("loss", "kind"), [("softmax", "float32"), ("softmax", "uint8"), ("one_vs_all", "float64")])
def test_rounds_of_tiles_give_the_bytes_of_one_tile_after_the_other(loss, kind):
    """Five tiles and a bit: rounds of two and three tiles, with a tile or a few rows left; more threads share each tile."""
    n, rng = 5 * 512 + 37, np.random.default_rng(0)
    X = rng.integers(0, 255, (n, 70)).astype(kind)
    y, weights, W = rng.integers(0, 40, n), rng.uniform(0, 2, n), rng.normal(size=(40, 71)) / 1000
    found = set()
    for n_jobs in (1, 2, 3, 4, 7):
        problem = LinearProblem(X, y, loss, alpha=1e-3, fit_intercept=True, sample_weight=weights, n_jobs=n_jobs)
        value, gradient = problem.value_and_gradient(W)
        model = SoftmaxClassifier(n_jobs=n_jobs)
        model.classes_, model.n_features_in_, model.coef_, model.intercept_ = np.arange(40), 70, W[:, :-1], W[:, -1]
        losses, answers = problem.per_sample(W), model.predict_proba(X)
        found.add((value, gradient.tobytes(), losses.tobytes(), answers.tobytes(), model.predict(X).tobytes()))
        assert value == pytest.approx(np.average(losses, weights=weights) + 1e-3 * np.square(W).sum(), rel=1e-5)
        assert np.array_equal(answers.argmax(axis=1), model.predict(X))
    assert len(found) == 1


def test_a_scratch_for_more_threads_than_there_are_tiles_is_not_left():
    """A hundred threads share one tile; a call that is limited to four of them must not lay out four tiles in it."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(2100, 20)).astype(np.float32), rng.integers(0, 40, 2100)
    problem = LinearProblem(X, y, "softmax", n_classes=40, n_jobs=1)
    W = rng.normal(size=(40, 20))
    weights, b = problem.packed([W])
    kind, real = _kernels.TYPES["float32"], loops.REALS["float32"]
    size = loops.scratch_size(20, kind, real, 1, 40, 100)
    assert size < loops.scratch_size(20, kind, real, 1, 40, 4)
    memory = np.full(4 * size, 77, dtype=np.uint8)
    totals, gradient, b_gradient = np.zeros(1), np.zeros(weights.shape), np.zeros(40)
    none = np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 1))
    given = X.view(np.uint8), kind, none[0], 0, 2100, problem.y, none[1], weights.view(np.uint8), real, b, 1
    loops.loss_gradient(*given, problem.loss.code, none[1], none[2], totals, gradient, b_gradient, memory[:size], 4)
    assert (memory[size:] == 77).all()
    assert totals[0] / 2100 == pytest.approx(problem.value(W), rel=1e-6)


def test_scratch_does_not_grow_with_rows():
    one, W = made("softmax", 1000, n=5000, d=16)  # scores of all rows would take 20 MB as float32
    one.value_and_gradient(W)
    tracemalloc.start()
    one.value_and_gradient(W)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def scored(n=600, n_classes=64, d=300, dtype="float32"):
    """Rows, and a model whose classes 0 and 1, 2 and 3, ... differ by less than float32 can see at half of the rows."""
    one, W = made("softmax", n_classes, n=n, d=d, dtype=dtype)
    W[1::2] = W[::2] * (1 + 1e-9 * np.arange(n_classes // 2)[:, None])
    model = SoftmaxClassifier(alpha=1e-3, max_iter=1, learning_rate=1.0, random_state=0).fit(one.X, np.arange(n) % n_classes)
    model.coef_, model.intercept_ = np.ascontiguousarray(W[:, :-1]), np.ascontiguousarray(W[:, -1])
    return one.X, model


@pytest.mark.parametrize("dtype", ["uint8", "int8", "float16", "float32"])
def test_labels_are_those_of_float64_scores(isa, dtype, monkeypatch):
    X, model = scored(dtype=dtype)
    scores = model.decision_function(X)
    found = model.predict(X)
    assert np.array_equal(found, model.classes_[scores.argmax(axis=1)])
    probabilities = model.predict_proba(X)
    assert np.array_equal(found, model.classes_[probabilities.argmax(axis=1)])
    # Without the second scoring of near rows the test would see float32's labels, which differ.
    monkeypatch.setattr(prediction, "score_errors", lambda X, *given: np.zeros(len(X)))
    monkeypatch.setattr(prediction, "_LEAST_LEAD", -1.0)
    assert not np.array_equal(model.predict(X), found)


def test_float32_scores_are_within_their_bound(isa):
    for dtype, d in (("uint8", 1000), ("float32", 257), ("float16", 5)):
        X, model = scored(n=200, d=d, dtype=dtype)
        leads, classes = np.empty(200, np.float32), np.empty(200, np.int64)
        weights = np.zeros((64, loops.STRIP_FEATURES * -(-d // loops.STRIP_FEATURES)), np.float32)
        weights[:, :d] = model.coef_ + np.random.default_rng(0).normal(size=(64, d)) * 0.01
        coef = np.ascontiguousarray(weights[:, :d], dtype=np.float64)
        scratch = np.empty(loops.scratch_size(d, _kernels.TYPES[dtype], 0, 1, 64, 1), np.uint8)
        rows = X.view(np.uint8).reshape(200, -1)
        given = rows, _kernels.TYPES[dtype], weights.view(np.uint8), model.intercept_
        predict_loops.answers(*given, classes, leads, np.empty((0, 64)), scratch, 1)
        scores = np.sort(prediction.linear_scores(X, coef, model.intercept_, 1), axis=1)
        errors = prediction.score_errors(X, coef, model.intercept_, 1)
        assert (np.abs(leads - (scores[:, -1] - scores[:, -2])) <= 2 * errors).all()


def test_answers_depend_neither_on_threads_nor_on_other_rows(monkeypatch):
    X, model = scored(n=1100)
    found = model.predict_proba(X)
    for n_jobs in (1, 3):
        model.set_params(n_jobs=n_jobs)
        assert model.predict_proba(X).tobytes() == found.tobytes()
    assert model.predict_proba(X[37:600]).tobytes() == found[37:600].tobytes()
    monkeypatch.setattr(prediction, "WORK_PER_CALL", 1)
    assert model.predict_proba(X[:40]).tobytes() == found[:40].tobytes()


def test_rows_that_float32_cannot_score_are_scored_in_float64():
    X, model = scored(n=300)
    large = X.copy()
    large[::3] *= np.float32(1e6)  # errors far above a probability
    large[1] *= np.float32(1e37)  # beyond float32
    alone, weights = model.predict_proba(X), model.coef_
    for coef in (weights, weights * 1e40):  # those are beyond float32
        model.coef_ = coef
        for rows in (large, X.astype(np.float64)):
            assert np.array_equal(model.predict(rows), model.decision_function(rows).argmax(axis=1))
            assert np.isfinite(model.predict_proba(rows)).all()
    model.coef_ = weights
    assert model.predict_proba(large)[2::3].tobytes() == alone[2::3].tobytes()  # whatever other rows there are
    model.coef_ = weights * 1e300
    with pytest.raises(InputError, match="the scores of row 1 of X overflow float64"):
        model.predict(large)


def test_probabilities_are_those_of_float64_where_float32_is_too_coarse():
    X, model = scored(n=300)
    model.coef_ = np.random.default_rng(2).normal(size=(64, 300))  # no two classes are near
    X *= np.float32(2e-2 / prediction.score_errors(X, model.coef_, np.zeros(64), 1).min())
    scores = model.decision_function(X)
    expected = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=1e-12, atol=1e-290)


def test_the_predicted_class_has_the_largest_probability_where_leads_are_tiny():
    X = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32) / 100
    model = SoftmaxClassifier(alpha=1e-3, max_iter=1, learning_rate=1.0, random_state=0).fit(X, np.arange(300) % 40)
    model.coef_ = np.random.default_rng(1).normal(size=(40, 4)) * 1e-6
    model.intercept_ = np.zeros(40)
    scores = model.decision_function(X)
    assert 0 < np.diff(np.sort(scores, axis=1)[:, -2:]).max() < 1e-7
    assert np.array_equal(model.predict(X), scores.argmax(axis=1))
    assert np.array_equal(model.predict_proba(X).argmax(axis=1), scores.argmax(axis=1))


def test_few_classes_and_no_rows_have_no_such_answers_and_other_shapes_are_refused():
    X, model = scored(n=100)
    assert prediction.best_classes(X, model.coef_[:31], model.intercept_[:31], 1) is None  # the packed product is for 32
    assert prediction.best_classes(X[:0], model.coef_, model.intercept_, 1) is None
    with pytest.raises(ValueError, match="rows of 300 features"):
        prediction.best_classes(X, model.coef_[:, :64].copy(), model.intercept_, 1)
    given = [X.view(np.uint8), _kernels.TYPES["float32"], np.zeros((64, 320), np.float32).view(np.uint8), np.zeros(64)]
    out = [np.empty(100, np.int64), np.empty(100, np.float32), np.empty((0, 64)), np.empty(1 << 22, np.uint8), 1]
    predict_loops.answers(*given, *out)
    for at, wrong in ((3, np.zeros(63)), (4, out[0][:99]), (5, out[1][:99]), (6, np.empty((99, 64))), (7, out[3][:999])):
        call = [*given, *out]
        call[at] = wrong
        with pytest.raises(ValueError, match="other shapes"):
            predict_loops.answers(*call)


def test_probabilities_are_those_of_the_scores_and_take_no_second_array():
    one, W = made("softmax", 300, n=4000, d=20)
    model = SoftmaxClassifier(max_iter=1, random_state=0).fit(one.X, np.arange(4000) % 300)
    model.coef_, model.intercept_ = W[:, :-1] * 20, W[:, -1].copy()
    scores = model.decision_function(one.X)
    expected = np.exp(scores - scores.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    tracemalloc.start()
    found = model.predict_proba(one.X)
    peak = tracemalloc.get_traced_memory()[1]
    assert np.array_equal(model.predict(one.X), scores.argmax(axis=1))
    tracemalloc.reset_peak()
    before = tracemalloc.get_traced_memory()[0]
    model.predict(one.X)
    peak_of_labels = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    error = prediction.score_errors(one.X, model.coef_, model.intercept_, 1).max()
    np.testing.assert_allclose(found, expected, rtol=2.1 * error)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=300 * SINGLE)
    assert peak < 1.7 * found.nbytes  # the result, and a tile for each thread
    assert peak_of_labels < 0.7 * found.nbytes


def test_the_learning_rate_costs_one_column_whatever_the_classes(monkeypatch):
    columns, compiled = [], loops.loss_gradient
    monkeypatch.setattr(loops, "loss_gradient", lambda *given: columns.append(given[7].shape[0]) or compiled(*given))
    one, _ = made("softmax", 200, n=500, d=10)
    few = LinearProblem(one.X, one.y % 3, "softmax", alpha=0.01, fit_intercept=True, n_classes=3)
    curvature = optim.curvature(one, 64, np.random.RandomState(0))
    assert set(columns) == {1}
    assert curvature == optim.curvature(few, 64, np.random.RandomState(0))
