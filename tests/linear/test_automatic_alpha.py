"""alpha="auto": the formula on large data, a multiple of it chosen on held-out rows on small data."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from fastcls import MulticlassSVM, SoftmaxClassifier
from fastcls._sampling.hold_out import fold_of_rows
from fastcls.linear._choice import FACTORS, TIES, Ties, _best_of

KINDS = [SoftmaxClassifier, MulticlassSVM]


def gaussian(n=400, n_features=96, n_classes=5, seed=0):
    """Classes that overlap, far from their nearest linear fit: a strong penalty is better."""
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=n)
    X = rng.normal(size=(n_classes, n_features))[y] * 0.2 + rng.normal(size=(n, n_features))
    return (X / np.linalg.norm(X, axis=1, keepdims=True)).astype(np.float32), y


def formula(X, n=None):
    return X.shape[1] / (16 * (len(X) if n is None else n))


@pytest.mark.parametrize("kind", KINDS)
def test_small_data_chooses_a_multiple_of_the_formula(kind):
    X, y = gaussian()
    factor = kind(random_state=0).fit(X, y).alpha_ / formula(X)
    assert np.abs(np.array(FACTORS) / factor - 1).min() < 1e-9
    assert factor > 2  # these classes overlap


def test_few_rows_choose_well_too():
    """Measured with a quarter of the epochs on one draw of the folds: 5 points short for the SVM."""
    kind = MulticlassSVM
    X, y = gaussian(2300, n_features=64)
    scores = {}
    for alpha in ("auto", *(factor * formula(X, 300) for factor in FACTORS)):
        scores[alpha] = kind(alpha=alpha, random_state=0).fit(X[:300], y[:300]).score(X[300:], y[300:])
    assert scores["auto"] >= max(scores.values()) - 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_overlapping_classes_gain_most_of_what_the_best_multiple_would(kind):
    X, y = gaussian(2400)
    train, test = slice(400), slice(400, None)

    def score(alpha):
        return kind(alpha=alpha, random_state=0).fit(X[train], y[train]).score(X[test], y[test])

    of_formula, *others = (score(factor * formula(X, 400)) for factor in sorted(FACTORS, key=lambda factor: factor != 1))
    best = max(others)
    assert best > of_formula + 0.02
    assert score("auto") >= of_formula + 0.5 * (best - of_formula)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (SoftmaxClassifier, {}),
        (MulticlassSVM, {}),
        (SoftmaxClassifier, {"solver": "gd"}),
        (MulticlassSVM, {"early_stopping": True}),
        (SoftmaxClassifier, {"scale": False, "center": False}),
        (MulticlassSVM, {"nesterov": True}),
        (SoftmaxClassifier, {"max_iter": 7}),
        (MulticlassSVM, {"class_weight": "balanced", "fit_intercept": False}),
        (SoftmaxClassifier, {"max_norm": 1.0}),
    ],
    ids=str,
)
def test_the_chosen_alpha_given_by_hand_trains_the_same_bits(kind, options):
    X, y = gaussian(500 if "early_stopping" in options else 400, 24)  # without the rows that stop it, still not few
    for seed in (3,) if options else (3, np.random.RandomState(3)):
        auto = kind(random_state=seed, n_jobs=2, **options).fit(X, y)
        again = kind(alpha=auto.alpha_, random_state=3, n_jobs=1, **options).fit(X, y)
        assert auto.coef_.tobytes() == again.coef_.tobytes()
        assert auto.intercept_.tobytes() == again.intercept_.tobytes()


@pytest.mark.parametrize(
    ("kind", "dtype"), list(zip([*KINDS, *KINDS], ["uint8", "float16", "float32", "float64"], strict=True))
)
def test_threads_and_types_of_the_same_rows_choose_the_same(kind, dtype):
    X, y = load_digits(return_X_y=True)
    X, y = X[:600], y[:600]
    wanted = kind(random_state=0, n_jobs=1).fit(X.astype(np.uint8), y).alpha_
    assert kind(random_state=0, n_jobs=2).fit(X.astype(dtype), y).alpha_ == pytest.approx(wanted, rel=1e-9)


def test_large_data_few_rows_and_random_searches_take_the_formula(monkeypatch):
    X, y = gaussian()
    assert SoftmaxClassifier(random_state=0).fit(X[:59], y[:59]).alpha_ == formula(X, 59)
    search = SoftmaxClassifier(solver="random_search", max_iter=3, random_state=0)
    assert search.fit(X, y).alpha_ == formula(X)
    assert SoftmaxClassifier(penalty="l1", random_state=0).fit(X, y).alpha_ == 1e-4
    monkeypatch.setattr("fastcls.linear._choice._LARGEST_WORK", len(X) * 5 * 64 - 1)
    assert SoftmaxClassifier(random_state=0).fit(X, y).alpha_ == formula(X)


def test_partial_fit_chooses_nothing_and_keeps_the_alpha_of_a_fit():
    X, y = gaussian()
    assert SoftmaxClassifier(random_state=0).partial_fit(X, y).alpha_ == 1e-4
    model = SoftmaxClassifier(random_state=0).fit(X, y)
    chosen = model.alpha_
    assert chosen > formula(X)
    assert model.partial_fit(X[:100], y[:100]).alpha_ == chosen


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_weight_0_do_not_affect_the_choice(kind):
    X, y = gaussian(n=160)
    weight = np.where(np.arange(len(X)) % 4 == 0, 0.0, np.random.default_rng(0).choice([0.5, 2.0], len(X)))
    spoiled = np.where(weight[:, None] == 0, 1e3, X).astype(np.float32)
    counts = weight > 0
    class_weight = "balanced" if kind is MulticlassSVM else None
    found = kind(random_state=0, class_weight=class_weight).fit(spoiled, y, weight).alpha_
    wanted = kind(random_state=0, class_weight=class_weight).fit(X[counts], y[counts], weight[counts]).alpha_
    assert found == pytest.approx(wanted, rel=1e-9)


def test_the_choice_is_for_the_weighted_rows():
    """One strength is right on half of the rows, another on the other half: the heavier half decides."""
    y = np.zeros(100, dtype=np.int64)
    right, wrong = [1.0, 0.0], [0.0, 1.0]
    first, second = np.array([[right] * 50 + [wrong] * 50]), np.array([[wrong] * 50 + [right] * 50])
    scores = [None, first, second, None, None]
    heavy = np.where(np.arange(100) < 50, 3.0, 1.0)
    assert _best_of(scores, y, heavy / heavy.sum(), TIES) == FACTORS[1]
    assert _best_of(scores, y, heavy[::-1] / heavy.sum(), TIES) == FACTORS[2]


def test_the_formula_is_used_for_similar_strengths_and_if_all_models_diverged():
    y, counted = np.arange(90) % 3, np.full(90, 1 / 90)
    scores = (np.eye(3)[y] + np.random.default_rng(0).normal(size=(90, 3)))[None]
    assert _best_of([scores * times for times in (1.0, 9.0, 0.1, 1e-3, 2.0)], y, counted, TIES) == 1.0
    times = [scores * times for times in (1.0, 9.0, 0.1, 1e-3, 2.0)]
    assert _best_of(times, y, counted, Ties(errors=0.5, loss=0.01, factor=16.0)) == 16.0  # as an SVM
    assert _best_of([None] * 5, y, counted, TIES) == 1.0
    assert _best_of([None, None, None, scores, None], y, counted, TIES) == 16.0


def test_folds_are_stratified_and_of_equal_size():
    codes = np.random.default_rng(0).choice(4, 200, p=[0.6, 0.3, 0.08, 0.02])
    of_row = fold_of_rows(codes, 3, np.random.RandomState(0))
    for rows in (of_row, *(of_row[codes == code] for code in range(4))):
        sizes = np.bincount(rows, minlength=3)
        assert sizes.max() - sizes.min() <= 1


def test_a_class_with_a_single_row_and_extreme_rows_work():
    X, y = gaussian(120, 24)
    y = np.where(np.arange(len(y)) == 7, 9, y)
    for rows in (X, X * np.float32(1e18), X * np.float32(1e-18), np.zeros_like(X)):
        model = SoftmaxClassifier(random_state=0).fit(rows, y)
        assert np.isfinite(model.coef_).all()
        assert len(model.classes_) == 6
