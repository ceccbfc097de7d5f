"""The lecture's numbers for nearest neighbours, asserted through the compiled kernels."""

import numpy as np

from fastcls import KNeighborsClassifier, pairwise_distances, reference

TEST_IMAGE = np.array([[56, 32, 10, 18], [90, 23, 128, 133], [24, 26, 178, 200], [2, 0, 255, 220]], dtype=np.uint8)
TRAINING_IMAGE = np.array([[10, 20, 24, 17], [8, 10, 89, 100], [12, 16, 178, 170], [4, 32, 233, 112]], dtype=np.uint8)


def test_worked_l1_example_is_456():
    rows = TEST_IMAGE.reshape(1, -1), TRAINING_IMAGE.reshape(1, -1)
    assert pairwise_distances(*rows, "l1").item() == 456
    assert reference.l1(rows[0][0], rows[1]).item() == 456


def test_classic_mistake_on_bytes_gives_1128():
    wrapped = np.abs(TEST_IMAGE - TRAINING_IMAGE)  # uint8 - uint8 wraps around: 24 - 12 is 12, but 10 - 24 is 242
    assert wrapped.sum(dtype=np.int64) == 1128


def test_the_slides_loop_and_1nn_under_l1_agree():
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, size=(300, 48)).astype(np.uint8), rng.integers(0, 10, size=300)
    Q = rng.integers(0, 256, size=(100, 48)).astype(np.uint8)
    slide, wrapping = reference.LectureNearestNeighbor(), reference.LectureNearestNeighbor(wrap=True)
    slide.train(X, y)
    wrapping.train(X, y)
    ours = KNeighborsClassifier(1, metric="l1").fit(X, y).predict(Q)
    assert np.array_equal(ours, slide.predict(Q))
    assert (ours != wrapping.predict(Q)).mean() > 0.5


def test_k_1_always_works_perfectly_on_training_data():
    rng = np.random.default_rng(1)
    X, y = rng.integers(0, 256, size=(200, 12)).astype(np.uint8), rng.integers(0, 10, size=200)
    assert KNeighborsClassifier(1).fit(X, y).score(X, y) == 1.0
    assert KNeighborsClassifier(1).fit(X, y).predict(None).shape == (200,)
    assert np.mean(KNeighborsClassifier(1).fit(X, y).predict(None) == y) < 0.3
