"""The classifiers as parts of scikit-learn: pipelines, searches, calibration, votes, importances, curves, routing."""

import numpy as np
import pytest
import sklearn
from scipy.special import log_softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_validate, learning_curve
from sklearn.neighbors import KNeighborsClassifier as TheirNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastcls import KNeighborsClassifier, MulticlassSVM, SoftmaxClassifier, SoftmaxClassifierCV, datasets

DATA = datasets.train_test_split(datasets.load_digits(), random_state=0)
X, y, X_TEST, Y_TEST = DATA.X[:600], DATA.y[:600], DATA.X_test[:200], DATA.y_test[:200]
MODELS = [
    KNeighborsClassifier(3),
    SoftmaxClassifier(alpha=1e-3, max_iter=20, random_state=0),
    MulticlassSVM(alpha=1e-3, max_iter=20, random_state=0),
]
each = pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)


@each
def test_last_step_of_a_pipeline(model):
    steps = make_pipeline(StandardScaler(), sklearn.clone(model)).fit(X, y)
    scaler = StandardScaler().fit(X)
    alone = sklearn.clone(model).fit(scaler.transform(X), y)
    np.testing.assert_array_equal(steps.predict(X_TEST), alone.predict(scaler.transform(X_TEST)))
    assert steps.score(X_TEST, Y_TEST) > 0.9


def test_grid_search_chooses_the_k_of_scikit_learn():
    grid = {"kneighborsclassifier__n_neighbors": [1, 3, 9], "kneighborsclassifier__weights": ["uniform", "distance"]}
    found = [
        GridSearchCV(make_pipeline(StandardScaler(), kind()), grid, cv=3).fit(X, y)
        for kind in (KNeighborsClassifier, TheirNeighbors)
    ]
    assert found[0].best_params_ == found[1].best_params_
    np.testing.assert_allclose(*(one.cv_results_["mean_test_score"] for one in found))


@each
@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration(model, method):
    calibrated = CalibratedClassifierCV(sklearn.clone(model), method=method, cv=3).fit(X, y)
    shares = calibrated.predict_proba(X_TEST)
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert calibrated.score(X_TEST, Y_TEST) > 0.9


def test_votes_of_models():
    named = [("knn", MODELS[0]), ("softmax", MODELS[1])]
    soft = VotingClassifier(named, voting="soft").fit(X, y)
    shares = np.mean([sklearn.clone(model).fit(X, y).predict_proba(X_TEST) for _, model in named], axis=0)
    np.testing.assert_allclose(soft.predict_proba(X_TEST), shares, rtol=1e-12)
    hard = VotingClassifier([*named, ("svm", MODELS[2])]).fit(X, y)
    assert hard.score(X_TEST, Y_TEST) > 0.9


@each
def test_permutation_importance_finds_the_feature_that_is_noise(model):
    rng = np.random.default_rng(0)
    rows = np.column_stack([y * 9 + rng.integers(0, 3, len(y)), rng.integers(0, 3, len(y))]).astype(np.uint8)
    found = permutation_importance(sklearn.clone(model).fit(rows, y), rows, y, n_repeats=3, random_state=0)
    assert found.importances_mean[0] > 0.3
    assert abs(found.importances_mean[1]) < 0.1


@each
def test_learning_curve(model):
    sizes, _, scores = learning_curve(sklearn.clone(model), X, y, train_sizes=[60, 400], cv=3)
    assert sizes.tolist() == [60, 400]
    assert scores[1].mean() > scores[0].mean() > 0.5


@each
def test_html_in_a_notebook(model):
    shown = make_pipeline(StandardScaler(), model)._repr_html_()
    assert type(model).__name__ in shown


@each
@pytest.mark.parametrize("weighted", [False, True])
def test_weights_of_rows_are_routed(model, weighted):
    weights = np.where(y == 3, 1e-6, 1.0)
    if isinstance(model, KNeighborsClassifier):
        model = KNeighborsClassifier(100)  # 40 rows of a class among them, and 60 others
    with sklearn.config_context(enable_metadata_routing=True):
        wanted = sklearn.clone(model).set_fit_request(sample_weight=weighted).set_score_request(sample_weight=False)
        found = cross_validate(
            wanted, X, y, cv=3, params={"sample_weight": weights} if weighted else {}, return_estimator=True
        )
    rows = X[y == 3]
    hits = np.mean([one.predict(rows) == 3 for one in found["estimator"]])
    assert (hits < 0.7) if weighted else (hits > 0.9)


def test_logarithms_of_probabilities_do_not_end_at_zero():
    model = SoftmaxClassifier(alpha=1e-9, max_iter=50, random_state=0).fit(X, y)
    scores = model.decision_function(X_TEST)
    logs = model.predict_log_proba(X_TEST)
    np.testing.assert_array_equal(logs, log_softmax(scores, axis=1))
    np.testing.assert_allclose(np.exp(logs), model.predict_proba(X_TEST), atol=1e-12)
    model.coef_, model.intercept_ = 1000 * model.coef_, 1000 * model.intercept_
    assert np.isfinite(model.predict_log_proba(X_TEST)).all()
    assert (model.predict_proba(X_TEST) == 0).any()
    chosen = SoftmaxClassifierCV(alphas=[1e-3], cv=2, max_iter=5, random_state=0).fit(X, y)
    np.testing.assert_allclose(np.exp(chosen.predict_log_proba(X_TEST)), chosen.predict_proba(X_TEST), atol=1e-12)


@each
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_in_and_labels_out(model, library):
    frames = pytest.importorskip(library)
    columns = [f"pixel {at}" for at in range(64)]
    rows = {name: X[:, at] for at, name in enumerate(columns)}
    labels = np.array(["zero", *(f"digit {code}" for code in range(1, 10))])[y]
    fitted = sklearn.clone(model).fit(frames.DataFrame(rows), frames.Series(labels))
    test = frames.DataFrame({name: X_TEST[:, at] for at, name in enumerate(columns)})
    assert list(fitted.feature_names_in_) == columns
    assert set(fitted.predict(test)) <= set(labels)
    assert fitted.score(test, np.array(["zero", *(f"digit {code}" for code in range(1, 10))])[Y_TEST]) > 0.9
