"""The rows of the assignment, by their numbers."""

import numpy as np
import pytest

from fastcls import InputError, course, datasets

N, N_TEST = 50_100, 1_200


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X, Q = rng.integers(0, 256, (N, 3)).astype(np.uint8), rng.integers(0, 256, (N_TEST, 3)).astype(np.uint8)
    return datasets.load((X, np.arange(N) % 10, Q, np.arange(N_TEST) % 10))


def test_the_rows_are_those_of_the_notebooks(data):
    found = course.splits(data, random_state=231)
    assert np.shares_memory(found.X_train, data.X)
    for name, rows in {
        "train": slice(49_000),
        "val": slice(49_000, 50_000),
        "knn_train": slice(5_000),
        "dev": np.random.RandomState(231).choice(49_000, 500, replace=False),
    }.items():
        assert (getattr(found, f"X_{name}") == data.X[rows]).all()
        assert (getattr(found, f"y_{name}") == data.y[rows]).all()
    assert len(np.unique(found.dev_rows)) == 500
    for name, n in {"test": 1_000, "knn_test": 500}.items():
        assert (getattr(found, f"X_{name}") == data.X_test[:n]).all()
        assert (getattr(found, f"y_{name}") == data.y_test[:n]).all()


def test_prepared_rows_are_centred_by_the_training_rows_and_end_with_1(data):
    found = course.splits(data, random_state=0)
    mean = data.X[:49_000].astype(float).mean(axis=0)
    np.testing.assert_allclose(found.mean_image, mean, rtol=1e-13)
    rows = found.prepared(found.X_val)
    np.testing.assert_allclose(rows[:, :-1], data.X[49_000:50_000] - mean, atol=1e-10)
    assert (rows[:, -1] == 1).all()
    with pytest.raises(InputError, match=r"rows have 2 features; wanted those of the data, 3"):
        found.prepared(found.X_val[:, :2])


def test_a_path_is_loaded_and_small_data_are_refused(data, tmp_path):
    np.savez(tmp_path / "d.npz", X=data.X, y=data.y, X_test=data.X_test, y_test=data.y_test)
    assert (course.splits(tmp_path / "d.npz", random_state=1).dev_rows == course.splits(data, random_state=1).dev_rows).all()
    with pytest.raises(InputError, match=r"needs 50,000 training rows and 1,000 test rows, but digits has 1,797 and 0"):
        course.splits("digits")
