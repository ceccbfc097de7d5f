"""NearestClassMean: equal to plain NumPy, to scikit-learn's rules, and to itself after a save."""

import numpy as np
import pytest
from _embeddings import halves, nearest_means
from sklearn.utils.estimator_checks import parametrize_with_checks

import fastcls
from fastcls import NearestClassMean


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint8])
def test_is_that_of_plain_numpy(center, normalize, dtype):
    train, y, test, _ = halves(n=3000, d=9, n_test=300)
    if dtype == np.uint8:
        train, test = np.clip(30 * train + 90, 0, 255), np.clip(30 * test + 90, 0, 255)
    train, test = train.astype(dtype), test.astype(dtype)
    model = NearestClassMean(center=center, normalize=normalize).fit(train, y)
    predicted = model.predict(test)
    wanted = nearest_means(train.astype(np.float64), y, test.astype(np.float64), center, normalize)
    np.testing.assert_array_equal(predicted, wanted)
    np.testing.assert_array_equal(model.classes_[model.decision_function(test).argmax(axis=1)], predicted)
    assert len(set(predicted)) == 7


@parametrize_with_checks([NearestClassMean()])
def test_passes_scikit_learns_checks(estimator, check):
    check(estimator)


def test_of_two_classes_is_saved_and_accepts_zero_rows(tmp_path):
    X = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 2.0]])
    model = NearestClassMean(center=False).fit(X, [0, 0, 1, 1])
    assert model.predict([[0.0, 0.0], [3.0, 1.0], [1.0, 3.0]]).tolist() == [0, 0, 1]
    scores = model.decision_function(X)
    assert scores.shape == (4,)
    assert ((scores > 0) == (model.predict(X) == 1)).all()
    model.save(tmp_path / "means.safetensors")
    np.testing.assert_array_equal(fastcls.load(tmp_path / "means.safetensors").decision_function(X), scores)
