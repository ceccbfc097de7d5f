"""The lecture's numbers for nearest neighbours, asserted through the compiled kernels."""

import numpy as np

from fastcls import KNeighborsClassifier, datasets, pairwise_distances, reference
from fastcls._scoring.accuracy import hits

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


def hits_of_settings() -> np.ndarray:
    """Which of 1,497 digits each of 400 settings of k-NN on 300 others gets right: bool (400, 1497)."""
    data = datasets.load_digits()
    order = np.random.default_rng(0).permutation(len(data.X))
    X, y, Q, truth = data.X[order[:300]], data.y[order[:300]], data.X[order[300:]], data.y[order[300:]]
    ks, found = np.arange(1, 51), []
    for metric in ("l1", "l2"):
        distances, indices = KNeighborsClassifier(50, metric=metric).fit(X, y).kneighbors(Q)
        for weights in (None, 1 / np.maximum(distances, 1e-9)):
            for tie_break in ("smallest", "nearest"):
                found.append(
                    hits(
                        y[indices].astype(np.int64),
                        weights,
                        truth.astype(np.int64),
                        ks,
                        10,
                        topk=(1,),
                        tie_break=tie_break,
                        n_threads=1,
                    )[0]
                )
    return np.concatenate(found)


def test_choosing_on_test_rows_is_optimistic_and_choosing_on_validation_rows_is_not() -> None:
    hits = hits_of_settings()
    assert len(hits) == 400
    rng = np.random.default_rng(0)
    optimism: dict[str, list[float]] = {"idea 2": [], "idea 3": []}
    for _ in range(200):
        test, validation, untouched = np.split(rng.permutation(hits.shape[1]), [100, 200])
        for idea, chosen_on in (("idea 2", test), ("idea 3", validation)):
            chosen = hits[:, chosen_on].sum(axis=1).argmax()
            optimism[idea].append(hits[chosen, test].mean() - hits[chosen, untouched].mean())
    mean = {idea: np.mean(values) for idea, values in optimism.items()}
    error = {idea: np.std(values, ddof=1) / 200**0.5 for idea, values in optimism.items()}
    print({idea: f"{100 * mean[idea]:.2f} +- {100 * error[idea]:.2f} points" for idea in mean})
    assert mean["idea 2"] > 5 * error["idea 2"]
    assert abs(mean["idea 3"]) < 3 * error["idea 3"]
