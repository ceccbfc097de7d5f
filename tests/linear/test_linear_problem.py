"""The function being minimised: the compiled loop against the plain one, and what must not change its bytes."""

import itertools

import numpy as np
import pytest

from fastcls import LinearProblem, _kernels, optim, penalties, reference, simd
from fastcls._gradient import loops, prediction, problem
from fastcls._validation.errors import InputError
from fastcls.losses import LOSSES

DTYPES = ("uint8", "int8", "float16", "float32", "float64")
EPS = np.finfo(np.float64).eps


def rows_of(dtype, n, d, seed=0):
    rng = np.random.default_rng(seed)
    if dtype in ("uint8", "int8"):
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        return rng.integers(low, high, (n, d), endpoint=True).astype(dtype)
    return rng.normal(size=(n, d)).astype(dtype)


def assert_equals_the_plain_loop(X, y, W, b, loss, alpha=0.0):
    """Value and gradients against `reference.evaluate_linear`, within what rounding can do.

    A score of d terms differs by at most (d + 2) eps sum |w x| between two orders of adding; a loss moves by at most
    twice as much for each class (a squared one times twice its largest excess), and so does its slope (smooth losses) or not
    at all (hinges, away from their kinks). The gradient
    then adds n rows: n more roundings of terms no larger than max|x|. Eight times that is allowed.
    """
    n, d = X.shape
    value, gradient_W, gradient_b = reference.evaluate_linear(X, y, W, b, loss=loss, alpha=alpha)
    made = LinearProblem(
        X, y, loss=loss, alpha=alpha, fit_intercept=True, n_classes=len(W), penalize_intercept=False, arithmetic="float64"
    )
    found, gradient = made.value_and_gradient(np.hstack([W, b[:, None]]))
    wide = np.abs(X.astype(np.float64))
    score_error = (d + 2) * EPS * ((wide @ np.abs(W).T).max() + np.abs(b).max())
    scores = wide @ np.abs(W).T + np.abs(b)
    steepness = 2 * (1 + 2 * scores.max()) if loss == "squared_hinge" else 1.0
    allowed = 8 * (2 * len(W) * score_error + n * EPS) * steepness
    penalty_error = 8 * EPS * alpha * (W * W).sum() * W.size
    assert abs(found - value) <= allowed + 8 * n * EPS * abs(value) + penalty_error
    at_most = max(float(wide.max()), 1.0)
    np.testing.assert_allclose(gradient[:, :-1], gradient_W, rtol=0, atol=allowed * at_most + 8 * EPS * alpha)
    np.testing.assert_allclose(gradient[:, -1], gradient_b, rtol=0, atol=allowed)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES)
def test_compiled_loop_equals_the_plain_one(loss, dtype):
    sizes = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 65)
    for n, d in itertools.chain(((size, 5) for size in sizes), ((5, size) for size in sizes), [(65, 65), (33, 129)]):
        for n_classes in (2, 3, 33):
            rng = np.random.default_rng([n, d, n_classes])
            X, y = rows_of(dtype, n, d, seed=d), rng.integers(0, n_classes, n)
            W = rng.normal(size=(n_classes, d)) / max(1.0, float(np.abs(X.astype(float)).max()))
            assert_equals_the_plain_loop(X, y, W, rng.normal(size=n_classes), loss, alpha=0.1)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("loss", LOSSES)
def test_extremes_of_bytes_do_not_wrap(loss, dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    X = np.array([[low, high] * 40, [high, low] * 40, [high] * 80], dtype=dtype)
    W = np.random.default_rng(0).normal(size=(4, 80)) / 256
    assert_equals_the_plain_loop(X, np.array([0, 3, 1]), W, np.zeros(4), loss)


def test_every_float16_is_widened_exactly():
    every = np.arange(65536, dtype=np.uint16).view(np.float16)
    every = every[np.isfinite(every)][:, None]
    scores = prediction.linear_scores(every, np.ones((1, 1)), np.zeros(1), 1)
    np.testing.assert_array_equal(scores[:, 0], every[:, 0].astype(np.float64))


def big_problem(loss, n_jobs, n=700, d=800, n_classes=12):
    X = rows_of("uint8", n, d)
    y = np.random.default_rng(1).integers(0, n_classes, n)
    center = X.mean(axis=0)
    return LinearProblem(X, y, loss=loss, alpha=0.01, fit_intercept=True, center=center, scale=60.0, n_jobs=n_jobs)


@pytest.mark.parametrize("loss", LOSSES)
def test_n_threads_agnosticism(loss):
    W = np.random.default_rng(2).normal(size=(12, 801)) / 30
    rows = np.random.default_rng(3).permutation(700)[:601]
    found = []
    for n_jobs in (1, 2, 3):
        made = big_problem(loss, n_jobs)
        value, gradient = made.value_and_gradient(W)
        part, part_gradient = made.value_and_gradient(W, rows)
        found.append((value, gradient.tobytes(), part, part_gradient.tobytes(), made.per_sample(W).tobytes()))
    # Large enough that threads are used: 700 x 800 x 12 multiply-adds.
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("loss", LOSSES)
def test_chunk_size_agnosticism(loss, monkeypatch):
    """Calls on consecutive runs of whole tiles give the bytes of one call."""
    W = np.random.default_rng(2).normal(size=(12, 801)) / 30
    whole = big_problem(loss, 2)
    value, gradient = whole.value_and_gradient(W)
    monkeypatch.setattr(problem, "WORK_PER_CALL", 1)
    assert len(list(whole._chunks(700, 12, 256))) == 3
    assert whole.value_and_gradient(W)[0] == value
    assert whole.value_and_gradient(W)[1].tobytes() == gradient.tobytes()


def test_scores_of_a_row_depend_on_that_row_only():
    made = big_problem("softmax", 2)
    W, b = made.to_raw(np.random.default_rng(2).normal(size=(12, 801)))
    at_once = prediction.linear_scores(made.X, W, b, 2)
    one_by_one = np.vstack([prediction.linear_scores(made.X[i : i + 1], W, b, 1) for i in range(50)])
    assert at_once[:50].tobytes() == one_by_one.tobytes()


@pytest.mark.parametrize("loss", LOSSES)
def test_rows_by_number_by_slice_and_by_copy_agree(loss):
    X, y = rows_of("float32", 60, 9), np.random.default_rng(0).integers(0, 4, 60)
    W = np.random.default_rng(1).normal(size=(4, 9))
    made = LinearProblem(X, y, loss=loss, n_classes=4)
    run, numbers = made.value_and_gradient(W, slice(7, 29)), made.value_and_gradient(W, np.arange(7, 29))
    copied = LinearProblem(X[7:29].copy(), y[7:29], loss=loss, n_classes=4).value_and_gradient(W)
    assert run[0] == numbers[0] == copied[0]
    assert run[1].tobytes() == numbers[1].tobytes() == copied[1].tobytes()
    stepped = made.value_and_gradient(W, slice(0, 60, 3))
    assert stepped[1].tobytes() == made.value_and_gradient(W, np.arange(0, 60, 3))[1].tobytes()


@pytest.mark.parametrize("loss", LOSSES)
def test_centring_and_scaling_are_folded_in(loss):
    """The same value and gradient as on rows that were centred and scaled beforehand."""
    X, y = rows_of("uint8", 50, 20), np.random.default_rng(0).integers(0, 3, 50)
    center, scale = X.mean(axis=0), np.random.default_rng(5).uniform(40, 90, 20)
    W = np.random.default_rng(1).normal(size=(3, 21))
    folded = LinearProblem(X, y, loss=loss, alpha=0.3, fit_intercept=True, center=center, scale=scale, arithmetic="float64")
    direct = LinearProblem((X - center) / scale, y, loss=loss, alpha=0.3, fit_intercept=True)
    one, other = folded.value_and_gradient(W), direct.value_and_gradient(W)
    assert one[0] == pytest.approx(other[0], rel=1e-12)
    np.testing.assert_allclose(one[1], other[1], rtol=0, atol=1e-11)


@pytest.mark.parametrize("some", [None, slice(4, 31), np.array([2, 3, 40])], ids=["all", "slice", "numbers"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("intercept", [False, True])
def test_second_moments_are_those_of_the_standardized_rows(intercept, weighted, some):
    """Mean of z (z . v), which a step's size is made of; z as `standardized` makes it, with the bias."""
    rng, X = np.random.default_rng(0), rows_of("uint8", 50, 20)
    center, scale, weights = X.mean(axis=0), rng.uniform(40, 90, 20), rng.integers(1, 4, 50).astype(float)
    made = LinearProblem(
        X, np.arange(50) % 3, fit_intercept=intercept, center=center, scale=scale, arithmetic="float64",
        sample_weight=weights if weighted else None,
    )  # fmt: skip
    Z = np.hstack([(X - center) / scale, np.ones((50, int(intercept)))])
    np.testing.assert_allclose(made.standardized(np.array([7, 3])), Z[[7, 3]], rtol=1e-14)
    Z, of_each = (Z, weights) if some is None else (Z[some], weights[some])
    of_each = of_each if weighted else np.ones(len(Z))
    v = rng.normal(size=Z.shape[1])
    wanted = (of_each[:, None] * Z * (Z @ v)[:, None]).sum(axis=0) / of_each.sum()
    np.testing.assert_allclose(made.second_moment_times(v, some), wanted, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", ["read-only", "memory map", "Fortran", "strided"])
def test_rows_of_any_layout(kind, tmp_path):
    X, y = rows_of("uint8", 40, 12), np.random.default_rng(0).integers(0, 3, 40)
    W = np.random.default_rng(1).normal(size=(3, 12)) / 100
    expected = LinearProblem(X, y).value(W)
    if kind == "read-only":
        given = X.copy()
        given.setflags(write=False)
    elif kind == "memory map":
        np.save(tmp_path / "X.npy", X)
        given = np.load(tmp_path / "X.npy", mmap_mode="r")
    else:
        given = np.asfortranarray(X) if kind == "Fortran" else np.repeat(X, 2, axis=1)[:, ::2]
    made = LinearProblem(given, y)
    assert made.value(W) == expected
    if kind in ("read-only", "memory map"):
        assert np.shares_memory(made.X, given)


def test_data_is_not_copied_to_float():
    import tracemalloc

    X = np.zeros((20_000, 500), dtype=np.uint8)  # 10 MB; as float64 it would be 80
    made = LinearProblem(X, np.arange(20_000) % 3)
    W = np.zeros((3, 500))
    tracemalloc.start()
    made.value_and_gradient(W)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20  # one tile of 8 MB, and the losses


def test_bias_trick_is_one_more_feature_of_ones():
    X, y = rows_of("float64", 30, 6), np.random.default_rng(0).integers(0, 3, 30)
    W = np.random.default_rng(1).normal(size=(3, 7))
    trick = LinearProblem(X, y, alpha=0.2, fit_intercept=True).value_and_gradient(W)
    ones = LinearProblem(np.hstack([X, np.ones((30, 1))]), y, alpha=0.2).value_and_gradient(W)
    assert trick[0] == pytest.approx(ones[0], rel=1e-14)
    np.testing.assert_allclose(trick[1], ones[1], atol=1e-14)


@pytest.mark.parametrize("penalty", penalties.PENALTIES)
def test_penalty_gradient_is_the_numerical_one(penalty):
    row = penalties.PENALTIES[penalty]
    W, D = np.random.default_rng(0).normal(size=(2, 3, 5))
    slope = (row.value(W + 1e-6 * D) - row.value(W - 1e-6 * D)) / 2e-6
    assert slope == pytest.approx((row.gradient(W) * D).sum(), rel=1e-8)
    X, y = rows_of("float64", 10, 4), np.arange(10) % 3
    value = LinearProblem(X, y, penalty=None, fit_intercept=True).value(W)
    options = {"penalty": penalty, "alpha": 0.5, "fit_intercept": True, "max_norm": 9.0, "l1_ratio": 0.3}
    whole = LinearProblem(X, y, **options).value(W)
    assert whole == pytest.approx(value + 0.5 * row.value(W, 0.3))
    free = LinearProblem(X, y, penalize_intercept=False, **options).value(W)
    assert free == pytest.approx(value + 0.5 * row.value(W[:, :-1], 0.3))


def test_penalties_of_known_weights():
    W = np.array([[3.0, -4.0], [0.0, 1.0]])
    values = {name: row.value(W, 0.25) for name, row in penalties.PENALTIES.items()}
    assert values == {"l2": 26.0, "l1": 8.0, "elasticnet": 0.25 * 8 + 0.75 * 26, "max_norm": 0.0}
    np.testing.assert_allclose(penalties.project(W, 2.5), [[1.5, -2.0], [0.0, 1.0]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("arithmetic", ["float32", "float64"])
@pytest.mark.parametrize("isa", simd.available())
def test_every_instruction_set_equals_the_plain_loop(isa, arithmetic, dtype):
    """Widths around every number of lanes and strips, numbers of classes around every tile.

    Allowed is what `gradcheck.check_arithmetic` derives, with 2^-53 in float64; losses move by at most the scores' error
    times the slopes' sum of magnitudes, 2.
    """
    eps = 2.0**-24 if arithmetic == "float32" and dtype != "float64" else 2.0**-53
    simd.use(isa)
    try:
        for n, d, n_classes in (
            [(5, size, 3) for size in (1, 7, 8, 9, 15, 16, 17, 63, 64, 65, 127, 129, 193)]
            + [(size, 70, 2) for size in (1, 2, 3, 4, 31, 33, 257)]
            + [(9, 66, size) for size in (2, 4, 5, 6, 7, 11, 13)]
        ):
            rng = np.random.default_rng([n, d, n_classes])
            X, y = rows_of(dtype, n, d, seed=d), rng.integers(0, n_classes, n)
            wide = np.abs(X.astype(float))
            W = rng.normal(size=(n_classes, d)) / max(1.0, wide.max())
            value, gradient, _ = reference.evaluate_linear(X, y, W, loss="softmax")
            made = LinearProblem(X, y, n_classes=n_classes, arithmetic=arithmetic)
            found = made.value_and_gradient(W)
            score_error = 4 * eps * (np.sqrt(d) + 4) * (wide @ np.abs(W).T).max()
            assert abs(found[0] - value) <= 2 * score_error + 8 * n * EPS * abs(value)
            allowed = (0.5 * score_error + 4 * eps * 20) * max(1.0, wide.max())
            np.testing.assert_allclose(found[1], gradient, rtol=0, atol=allowed)
            np.testing.assert_allclose(made.scores(W), X.astype(float) @ W.T, rtol=0, atol=1e-11)
    finally:
        simd.use("auto")


def test_the_instruction_set_in_use_is_the_one_that_runs():
    """Without an effect of `simd.use` on these kernels the test above proves nothing: other orders round differently."""
    X, y = rows_of("float32", 200, 900), np.arange(200) % 5
    W = np.random.default_rng(0).normal(size=(5, 900)) / 30
    found = set()
    try:
        for isa in simd.available():
            simd.use(isa)
            found.add(LinearProblem(X, y).value_and_gradient(W)[1].tobytes())
    finally:
        simd.use("auto")
    assert len(found) >= min(2, len(simd.available()))


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_are_repetitions(loss):
    X, y = rows_of("float64", 30, 6), np.arange(30) % 3
    times = np.random.default_rng(3).integers(0, 4, 30)
    W = np.random.default_rng(1).normal(size=(3, 6))
    weighted = LinearProblem(X, y, loss=loss, sample_weight=times).value_and_gradient(W)
    repeated = LinearProblem(np.repeat(X, times, axis=0), np.repeat(y, times), loss=loss, n_classes=3).value_and_gradient(W)
    assert weighted[0] == pytest.approx(repeated[0], rel=1e-13)
    np.testing.assert_allclose(weighted[1], repeated[1], atol=1e-14)
    doubled = LinearProblem(X, y, loss=loss, sample_weight=2.0 * times).value_and_gradient(W)
    assert doubled[0] == pytest.approx(weighted[0], rel=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_problem_of_some_rows_equals_one_of_their_copy(loss):
    X, y, weights = rows_of("uint8", 60, 9), np.arange(60) % 4, np.linspace(0.5, 2, 60)
    some = np.random.default_rng(0).permutation(60)[:33]
    W = np.random.default_rng(1).normal(size=(4, 9)) / 100
    part = LinearProblem(X, y, loss=loss, rows=some, sample_weight=weights)
    copy = LinearProblem(X[some], y[some], loss=loss, sample_weight=weights[some], n_classes=4)
    np.testing.assert_array_equal(part.per_sample(W), copy.per_sample(W))
    assert part.value(W) == pytest.approx(copy.value(W), rel=1e-14)
    np.testing.assert_array_equal(part.scores(W), copy.scores(W))
    for rows in (None, np.array([4, 4, 7])):
        np.testing.assert_allclose(
            part.value_and_gradient(W, rows)[1], copy.value_and_gradient(W, rows)[1], rtol=1e-14, atol=1e-14
        )


def test_row_numbers_and_codes_are_kept_as_they_were_given():
    """The compiled loops index memory with them."""
    X, y, rows = rows_of("uint8", 6, 3), np.arange(6) % 2, np.array([3, 1, 4])
    problem = LinearProblem(X, y, rows=rows)
    W = np.ones((2, 3))
    before = problem.value_and_gradient(W)
    rows[:], y[:] = 10**9, 10**9
    after = problem.value_and_gradient(W)
    assert before[0] == after[0]
    np.testing.assert_array_equal(before[1], after[1])
    for kept in (problem.rows, problem.y):
        assert not kept.flags.writeable


def test_other_rows_than_those_of_the_problem_weigh_nothing():
    """The heaviest weight limits the learning rate, and some row must have a weight."""
    X, y, weights = rows_of("uint8", 6, 3), np.arange(6) % 2, np.array([9.0, 1, 0, 3, 50, 0])
    assert LinearProblem(X, y, rows=np.array([3, 1]), sample_weight=weights).weights.tolist() == [0, 0.5, 0, 1.5, 0, 0]
    with pytest.raises(InputError, match="weight"):
        LinearProblem(X, y, rows=np.array([2, 5]), sample_weight=weights)


@pytest.mark.parametrize("loss", LOSSES)
def test_many_models_in_one_pass_equal_each_alone(loss):
    X, y = rows_of("uint8", 300, 70), np.arange(300) % 4
    made = LinearProblem(X, y, loss=loss, alpha=0.1, fit_intercept=True, scale=80.0, center=X.mean(axis=0))
    Ws = list(np.random.default_rng(1).normal(size=(9, 4, 71)) / 10)
    together = made.values(Ws)
    assert [float(value) for value in together] == [float(made.values([W])[0]) for W in Ws]
    np.testing.assert_allclose(together, [made.value(W) for W in Ws], rtol=1e-5)


def test_large_values_choose_float64():
    y = np.arange(6) % 2
    X = rows_of("float32", 6, 4)
    assert LinearProblem(X, y).arithmetic == "float32"
    assert LinearProblem(X * np.float32(1e30), y).arithmetic == "float64"
    assert LinearProblem(X, y, center=np.full(4, 1e4)).arithmetic == "float64"
    assert np.isfinite(LinearProblem(X * np.float32(1e38), y).value_and_gradient(np.ones((2, 4)))[1]).all()


X4, Y4 = np.eye(4), np.array([0, 1, 2, 1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: LinearProblem(X4, Y4, loss="squared"), "hinge"),
        (lambda: LinearProblem(X4, Y4, penalty="l7"), "elasticnet, max_norm, or None"),
        (lambda: LinearProblem(X4, Y4, penalty=["l2"]), "elasticnet, max_norm, or None"),
        (lambda: LinearProblem(X4, Y4, alpha=-1), "alpha=-1"),
        (lambda: LinearProblem(X4, Y4, l1_ratio=2), "l1_ratio=2"),
        (lambda: LinearProblem(X4, Y4, penalty="max_norm"), "needs the parameter max_norm"),
        (lambda: LinearProblem(X4, Y4, max_norm=0), "max_norm=0"),
        (lambda: LinearProblem(X4, Y4, sample_weight=[1, 2]), "one weight per row"),
        (lambda: LinearProblem(X4, Y4, sample_weight=[1, 2, -1, 1]), "-1 at row 2"),
        (lambda: LinearProblem(X4, Y4, sample_weight=np.zeros(4)), "zero for every row"),
        (lambda: LinearProblem(X4, Y4, rows=[0, 9]), "rows has numbers 0 to 9; wanted 0 to 3"),
        (lambda: LinearProblem(X4, Y4, arithmetic="float16"), "float32, float64"),
        (lambda: LinearProblem(X4, Y4, sample_weight=[0, 1, 1, 1]).value_and_gradient(np.zeros((3, 4)), [0]), "weight 0"),
        (lambda: LinearProblem(X4, Y4, alpha=float("nan")), "alpha=nan"),
        (lambda: LinearProblem(X4, Y4[:2]), "each of the 4 rows"),
        (lambda: LinearProblem(X4, Y4 * 0.5), "integer class code"),
        (lambda: LinearProblem(X4, Y4 - 1), "has the code -1; wanted class codes 0, 1, 2"),
        (lambda: LinearProblem(X4, Y4, n_classes=2), "wanted 0 to 1"),
        (lambda: LinearProblem(X4, Y4, center=np.zeros(3)), "4 of them"),
        (lambda: LinearProblem(X4, Y4, scale=0.0), "scale contains 0"),
        (lambda: LinearProblem(X4, Y4, loss="hinge", margin=-1.0), "margin=-1"),
        (lambda: LinearProblem(X4, Y4, margin=2.0), "no option 'margin'"),
        (lambda: LinearProblem(X4 * np.nan, Y4), "NaN"),
        (lambda: LinearProblem(X4, Y4, n_jobs=0), "n_jobs=0"),
        (lambda: LinearProblem(X4, Y4).value(np.zeros((3, 5))), r"needs \(3, 4\)"),
        (lambda: LinearProblem(X4, Y4, fit_intercept=True).value(np.zeros((3, 4))), "last column is the bias"),
        (lambda: LinearProblem(X4, Y4).value_and_gradient(np.zeros((3, 4)), [4]), "numbers 4 to 4; wanted 0 to 3"),
        (lambda: LinearProblem(X4, Y4).value_and_gradient(np.zeros((3, 4)), [-1]), "numbers -1 to -1; wanted 0 to 3"),
        (lambda: LinearProblem(X4, Y4).value_and_gradient(np.zeros((3, 4)), []), "at least one"),
        (lambda: LinearProblem(X4, Y4).value_and_gradient(np.zeros((3, 4)), slice(2, 2)), "at least one"),
    ],
)
def test_wrong_input_is_refused_in_one_line(call, words):
    with pytest.raises(InputError, match=words) as caught:
        call()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("n_classes", [2, 3, 10, 37])
@pytest.mark.parametrize("spread", [1.0, 1e-4, 1e-7])
def test_bytes_with_float32_weights_stay_within_the_rounding_of_float32(n_classes, spread):
    """Weights and slopes are float32, sums of 333 or 257 of them: 2^-20 of the magnitudes, a few times over."""
    rng = np.random.default_rng(n_classes)
    X, y = rng.integers(0, 256, (700, 333), dtype=np.uint8), rng.integers(0, n_classes, 700)
    W = rng.normal(size=(n_classes, 333)) / 1000 * np.where(rng.random(333) < 0.01, 1.0, spread)
    W[:, 0] = 1e-3  # so that every scale is one: mostly tiny weights with a few large ones
    single = LinearProblem(X, y, "crammer_singer", None)
    double = LinearProblem(X, y, "crammer_singer", None, arithmetic="float64")
    assert single.arithmetic == "float32"
    moved = 255 * 333 * (2.0**-22 * np.abs(W).max(axis=1, keepdims=True) + 2.0**-20 * np.abs(W).mean(axis=1, keepdims=True))
    # The loss has slope 1 in two scores, and its kinks are met by chance only.
    assert abs(single.value_and_gradient(W)[0] - double.value_and_gradient(W)[0]) <= 2 * moved.max()
    for rows in (slice(0, 63), slice(0, 64), slice(0, 257), None):
        (_, here), (_, there) = single.value_and_gradient(W, rows), double.value_and_gradient(W, rows)
        assert np.abs(here - there).max() <= 255 * 2.0**-19


def test_steps_give_the_same_bytes_however_they_are_divided_among_calls():
    """Six calls of one step are one call of six, but for the rounding of W between calls."""
    rng = np.random.default_rng(3)
    X, y = rng.integers(0, 256, (256, 500), dtype=np.uint8), rng.integers(0, 7, 256)
    problem = LinearProblem(X, y, "softmax", "l2", 1e-3, True, center=np.full(500, 127.5), scale=70.0)
    W = rng.normal(size=problem.shape) / 100
    whole = optim.GradientDescent(6, 0.3, momentum=0.0, tol=None).minimize(problem, W).W
    for _ in range(6):
        W = optim.GradientDescent(1, 0.3, momentum=0.0, tol=None).minimize(problem, W).W
    # Between calls W goes to the scaled space in float64 and back: at most one rounding of a float32 per step.
    assert np.abs(whole - W).max() <= 6 * 2.0**-22 * np.abs(W).max()


def test_a_models_bytes_do_not_depend_on_other_models_of_the_pass():
    rng = np.random.default_rng(4)
    X, y = rng.integers(0, 256, (400, 300), dtype=np.uint8), rng.integers(0, 5, 400)
    problem = LinearProblem(X, y)
    W = rng.normal(size=problem.shape) / 1000
    spiky = W * 1e-5
    spiky[:, 7] = 1e-2
    alone = problem.values([W])[0]
    assert alone == problem.values([W, spiky])[0] == problem.values([spiky, W])[1] == problem.values([W] * 40)[39]


def test_small_slopes_are_kept_next_to_a_large_one():
    """Features that the heaviest row does not have get their gradient from the other rows, to float32's precision."""
    rng = np.random.default_rng(5)
    X, y, weights = rng.integers(0, 256, (256, 128), dtype=np.uint8), rng.integers(0, 3, 256), np.ones(256)
    X[0, :64], weights[0] = 0, 1e8
    W = rng.normal(size=(3, 128)) / 1000
    (_, single), (_, double) = (
        LinearProblem(X, y, sample_weight=weights, arithmetic=of).value_and_gradient(W) for of in ("float32", "float64")
    )
    assert np.abs(single - double)[:, :64].max() <= 1e-5 * np.abs(double[:, :64]).max()


@pytest.mark.parametrize(
    ("n_classes", "d", "loss", "kind"),
    [
        (2, 70, "softmax", "uint8"),
        (10, 70, "hinge", "float32"),
        (31, 300, "softmax", "float64"),
        (10, 7000, "softmax", "float16"),  # a tile's part of the gradient is too large for its thread: all share the tile
    ],
)
def test_rounds_of_tiles_give_the_bytes_of_one_tile_after_the_other(n_classes, d, loss, kind):
    """Five tiles and a bit, with few classes: each thread sums the gradient of its own tile."""
    n, rng = 5 * 256 + 37, np.random.default_rng(0)
    X = rng.integers(0, 100, (n, d)).astype(kind)
    y, weights, W = rng.integers(0, n_classes, n), rng.uniform(0, 2, n), rng.normal(size=(n_classes, d + 1)) / 1000
    options = {"loss": loss, "alpha": 1e-3, "fit_intercept": True, "sample_weight": weights, "n_classes": n_classes}
    plain, found = LinearProblem(X.astype("f8"), y, **options).value_and_gradient(W), set()
    for n_jobs in (1, 2, 3, 4, 7, 70):
        value, gradient = LinearProblem(X, y, **options, n_jobs=n_jobs).value_and_gradient(W)
        found.add((value, gradient.tobytes()))
        np.testing.assert_allclose(gradient, plain[1], rtol=0, atol=1e-4 * np.abs(plain[1]).max())
    assert len(found) == 1


def test_the_scratch_of_a_round_is_not_left():
    rng = np.random.default_rng(0)
    X, y, W = rng.normal(size=(1100, 70)).astype("f4"), rng.integers(0, 10, 1100), rng.normal(size=(10, 70))
    problem = LinearProblem(X, y, "softmax", n_classes=10)
    weights, b = problem.packed([W])
    kind, real = _kernels.TYPES["float32"], loops.REALS["float32"]
    size = loops.scratch_size(70, kind, real, 1, 10, 4)
    assert size > 2 * loops.scratch_size(70, kind, real, 1, 10, 1)
    memory = np.full(2 * size, 77, dtype=np.uint8)
    totals, gradient, b_gradient = np.zeros(1), np.zeros(weights.shape), np.zeros(10)
    none = np.zeros(0, np.int64), np.zeros(0), np.zeros((0, 1))
    given = X.view(np.uint8), kind, none[0], 0, 1100, problem.y, none[1], weights.view(np.uint8), real, b, 1
    loops.loss_gradient(*given, problem.loss.code, none[1], none[2], totals, gradient, b_gradient, memory[:size], 4)
    assert (memory[size:] == 77).all()
    assert totals[0] / 1100 == pytest.approx(problem.value(W), rel=1e-6)
