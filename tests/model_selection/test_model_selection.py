"""One search per metric gives the accuracies of refitting on each fold."""

import numpy as np
import pytest

from fastcls import KNeighborsClassifier, MulticlassSVMCV, SoftmaxClassifierCV
from fastcls._validation.errors import InputError
from fastcls.model_selection._cross_validate import KSelection, cross_validate_k
from fastcls.model_selection._folds import make_folds


@pytest.mark.parametrize("weights", ["uniform", "distance", "softmax"])
def test_equals_refitting_per_fold_on_data_full_of_ties(weights):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 3, size=(120, 4)).astype(np.uint8), rng.choice(["a", "b", "c"], size=120)
    ks = [1, 2, 3, 5, 10, 50]
    found = cross_validate_k(X, y, ks=ks, metrics=("l1", "l2", "cosine"), cv=5, random_state=3, weights=weights)
    codes = np.unique(y, return_inverse=True)[1]
    fold = make_folds(5, codes, codes, random_state=3).of_row
    for metric in found.metrics:
        for i, k in enumerate(ks):
            for f in range(5):
                train, held_out = fold != f, fold == f
                model = KNeighborsClassifier(k, metric=metric, weights=weights).fit(X[train], y[train])
                assert found.fold_accuracy[metric][i, f] == model.score(X[held_out], y[held_out])


def test_a_splitter_gets_the_labels_and_its_folds_may_leave_rows_unused():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 3)), rng.choice(["a", "b", "c"], size=60)

    class Every:
        def split(self, X, y, groups=None):
            assert set(y) == {"a", "b", "c"}
            yield np.arange(20), np.arange(30, 50)
            yield np.arange(10, 52), np.arange(52, 60)

    with pytest.warns(UserWarning, match=r"k = 25, 30, 50, 100 left out: the smallest training fold has 20 rows"):
        found = cross_validate_k(X, y, cv=Every())
    assert found.ks == tuple(range(1, 21))
    for metric in found.metrics:
        for f, (train, held_out) in enumerate(Every().split(X, y)):
            for i, k in enumerate(found.ks):
                model = KNeighborsClassifier(k, metric=metric).fit(X[train], y[train])
                assert found.fold_accuracy[metric][i, f] == model.score(X[held_out], y[held_out])


def test_std_over_folds_divides_by_their_number():
    found = KSelection((1, 3), ("l2",), {"l2": np.array([[0.5, 1.0], [0.0, 1.0]])})
    np.testing.assert_array_equal(found.mean("l2"), [0.75, 0.5])
    np.testing.assert_array_equal(found.std("l2"), [0.25, 0.5])


def test_of_equal_means_the_first_metric_and_the_smallest_k_are_chosen():
    X, y = np.repeat(np.array([[0], [200]], dtype=np.uint8), 20, axis=0), np.repeat([0, 1], 20)
    found = cross_validate_k(X, y, ks=[5, 3, 7], metrics=("l2", "l1"), random_state=0)
    assert found.ks == (3, 5, 7)
    assert (found.best_metric, found.best_k, found.best_index) == ("l2", 3, 0)
    assert found.mean("l2").tolist() == [1.0, 1.0, 1.0]
    assert found.std("l2").tolist() == [0.0, 0.0, 0.0]


def test_large_ks_are_dropped_with_a_warning():
    X, y = np.arange(20, dtype=np.uint8).reshape(-1, 1), np.repeat([0, 1], 10)
    with pytest.warns(UserWarning, match="k = 17, 100 left out: the smallest training fold has 16 rows"):
        found = cross_validate_k(X, y, ks=[1, 16, 17, 100], random_state=0)
    assert found.ks == (1, 16)


def test_progress_rises_to_the_total():
    rng = np.random.default_rng(1)
    seen = []
    cross_validate_k(
        rng.integers(0, 9, size=(60, 2)).astype(np.uint8),
        np.repeat([0, 1, 2], 20),
        ks=[1],
        progress=lambda *p: seen.append(p),
        random_state=0,
    )
    assert seen[-1] == (7200, 7200)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


@pytest.mark.parametrize("kind", [SoftmaxClassifierCV, MulticlassSVMCV])
def test_scores_on_training_rows_are_those_of_the_models_of_the_folds(kind):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 4)).astype(np.float32), np.arange(60) % 3
    splits = [(np.arange(40), np.arange(40, 60)), (np.arange(20, 60), np.arange(20))]
    options = {"cv": splits, "solver": "lbfgs" if kind is SoftmaxClassifierCV else "sgd", "random_state": 0}
    assert "mean_train_score" not in kind([1e-3], **options).fit(X, y).cv_results_
    found = kind([1e-3], return_train_score=True, **options).fit(X, y)
    alone = []
    for train, test in splits:
        one = kind([1e-3], **{**options, "cv": [(train, train), (test, test)]}).fit(X, y)  # scored on its training rows
        alone.append(one.cv_results_["split0_test_score"][0])
    assert found.cv_results_["mean_train_score"] == pytest.approx([np.mean(alone)])
    with pytest.raises(InputError, match="return_train_score"):
        kind(return_train_score="yes").fit(X, y)


@pytest.mark.parametrize("kind", [SoftmaxClassifierCV, MulticlassSVMCV])
def test_equal_accuracies_of_a_sweep_share_the_smallest_rank_and_the_smaller_loss_is_chosen(kind):
    X, y = np.repeat(np.array([[0], [200]], dtype=np.uint8), 20, axis=0), np.repeat([0, 1], 20)
    found = kind([1e-4, 1e-2, 1e4], cv=2, random_state=0).fit(X, y)
    results = found.cv_results_
    assert results["rank_test_score"].dtype == np.int32
    assert results["rank_test_score"].tolist() == [
        1 + sum(results["mean_test_score"] > mean) for mean in results["mean_test_score"]
    ]
    assert results["rank_test_score"][:2].tolist() == [1, 1]
    assert found.best_index_ == np.lexsort((results["mean_test_loss"], -results["mean_test_score"]))[0]
    assert found.best_score_ == results["mean_test_score"].max()
