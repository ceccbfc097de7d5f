"""Published accuracies on real images, from the whole test sets. Skipped if the data is missing."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastcls
from fastcls import KNeighborsClassifier, datasets, evaluate_k, reference


@pytest.fixture(scope="module")
def mnist(shared_data):
    return datasets.load(shared_data("mnist"))


@pytest.fixture(scope="module")
def cifar10(cifar10_folder):
    return datasets.load(cifar10_folder / "cifar-10-batches-bin")


def test_mnist_1nn_under_l2_makes_309_errors(mnist):
    model = KNeighborsClassifier(1).fit(mnist.X, mnist.y)
    assert np.count_nonzero(model.predict(mnist.X_test) != mnist.y_test) == 309


def test_mnist_accuracies_of_five_ks_under_l2_from_one_search(mnist):
    table = evaluate_k(mnist.X, mnist.y, mnist.X_test, mnist.y_test, (1, 3, 5, 7, 9), topk=(1,))
    right = [round(share * len(mnist.y_test)) for share in table["top1"]]
    assert dict(zip(table["k"], right, strict=True)) == {1: 9691, 3: 9705, 5: 9688, 7: 9694, 9: 9659}


@pytest.mark.process
def test_cifar10_jpeg_copy_1nn_under_l1_is_3845(cifar10):
    model = KNeighborsClassifier(1, metric="l1").fit(cifar10.X, cifar10.y)
    assert np.count_nonzero(model.predict(cifar10.X_test) == cifar10.y_test) == 3845
    assert model.search_report_.arithmetic == "integer"


@pytest.mark.process
def test_cifar10_bytes_that_wrap_around_are_the_classic_mistake(cifar10):
    wrapping, right = reference.LectureNearestNeighbor(wrap=True), KNeighborsClassifier(1, metric="l1")
    some, Q = slice(0, 5000), cifar10.X_test[:200]
    wrapping.train(cifar10.X[some], cifar10.y[some])
    right.fit(cifar10.X[some], cifar10.y[some])
    wrong_accuracy = np.mean(wrapping.predict(Q) == cifar10.y_test[:200])
    assert wrong_accuracy < right.score(Q, cifar10.y_test[:200])


@pytest.mark.process
def test_course_subset_of_cifar10_is_that_of_plain_numpy(cifar10):
    from fastcls.course import _evaluation as _course

    X, y, Q, truth = cifar10.X[:5000], cifar10.y[:5000], cifar10.X_test[:500], cifar10.y_test[:500]
    wide, queries = X.astype(np.float64), Q.astype(np.float64)  # every product below is a whole number below 2^53
    S = np.square(queries).sum(axis=1)[:, None] + np.square(wide).sum(axis=1) - 2 * queries @ wide.T
    order = np.argsort(S, axis=1, kind="stable")
    named = _course.votes_for(X, y, Q, _course.SHOWN_KS)
    for column, k in enumerate(_course.SHOWN_KS):
        wanted = np.array([np.bincount(y[row[:k]], minlength=10).argmax() for row in order])
        np.testing.assert_array_equal(named[:, column], wanted)
    assert (named == truth[:, None]).sum(axis=0).tolist() == [131, 132, 134]  # the original has 137, 139, 141


@pytest.mark.process
def test_every_width_of_image_bytes_agrees_with_the_reference(mnist, cifar10):
    for data in (mnist, cifar10):
        for metric in ("l1", "l2", "cosine"):
            model = KNeighborsClassifier(7, metric=metric).fit(data.X[:2000], data.y[:2000])
            wanted = reference.kneighbors(data.X_test[:5], data.X[:2000], 7, metric)
            got = model.kneighbors(data.X_test[:5])
            assert got[0].tobytes() == wanted[0].tobytes()
            assert got[1].tobytes() == wanted[1].tobytes()


@pytest.mark.process
def test_the_command_line_reports_309_errors_of_1nn_on_mnist(shared_data, tmp_path):
    pytest.importorskip("typer", reason="the command line needs the extra 'run'")
    arguments = ["run", shared_data("mnist"), "--ks", "1", "--metrics", "l2", "--models", "knn", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "fastcls.cli", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(Path(fastcls.__file__).parents[1])},
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    assert (results["n_train"], results["n_test"], results["test_set"]) == (60_000, 10_000, "own")
    assert results["models"]["knn"]["test_errors"] == 309
    assert results["test_evaluations"] == 1
