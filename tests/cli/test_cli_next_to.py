"""Files of labels and test rows next to a file of rows, as ``run``, ``compare`` and ``predict`` take them."""

import json

import numpy as np
import pytest
from _command import QUICK, cli, here, refused

__all__ = ["here"]  # the fixture that every test here is under

Y = np.arange(90) % 3
X = (np.random.default_rng(0).standard_normal((90, 6)) + 2 * np.eye(3, 6)[Y]).astype(np.float32)
READ = "note: labels of 'X_train.npy' are read from 'y_train.npy'\n"
TEST = "note: test rows are read from 'X_test.npy', and their labels from 'y_test.npy'\n"


@pytest.fixture(autouse=True)
def files(here):
    np.save("X_train.npy", X[:60])
    np.save("y_train.npy", Y[:60])
    np.save("X_test.npy", X[60:])
    np.save("y_test.npy", Y[60:])


@pytest.mark.parametrize("words", [QUICK, ["--preset", "torchgeo-bench"]])
def test_run_takes_labels_and_test_rows_and_says_which(words):
    done = cli("run", "X_train.npy", *words, "--out", "out")
    assert done.exit_code == 0, done.stderr
    assert READ in done.stderr
    assert TEST in done.stderr
    assert "X_train: 60 training and 30 test rows" in done.stderr
    *_, last = done.stdout.splitlines()
    assert last == "Next: fastcls predict out/models/knn.safetensors X_test.npy"
    predicted = cli("predict", "out/models/knn.safetensors", "X_test.npy")
    assert len(predicted.stdout.splitlines()) == 31
    assert "labels of 'X_test.npy' are read from 'y_test.npy'" in predicted.stderr
    assert "(30 labelled rows)" in predicted.stderr or "of 30 labelled rows)" in predicted.stderr
    assert len(cli("predict", "out/models/knn.safetensors", "X_train.npy").stdout.splitlines()) == 61  # the rows of the file


def test_given_labels_are_those_of_the_only_file(here):
    done = cli("run", "X_train.npy", *QUICK, "--labels", "y_train.npy", "--out", "out")
    assert "X_train: 48 training and 12 test rows" in done.stderr
    assert "'X_test.npy' next to 'X_train.npy' is not used, because labels are given" in done.stderr
    assert done.stdout.splitlines()[-1].endswith(" X_train.npy --labels y_train.npy")
    assert "leave them out, or give the folder\n" in done.stderr
    for name in ("X_train", "X_test", "y_test"):
        (here / f"{name}.npy").rename(f"clip_{name}.npy")
    done = cli("run", "clip_X_train.npy", *QUICK, "--labels", "y_train.npy", "--out", "clip")
    assert "is not used, because labels are given: to test on it, leave them out\n" in done.stderr  # no folder of X and y


def test_compare_takes_labels_and_test_rows():
    np.save("Z_train.npy", X[:60, :3])
    np.save("Z_test.npy", X[60:, :3])
    words = ("compare", "X_train.npy", "Z_train.npy", "--preset", "torchgeo-bench", "--json")
    done = cli(*words)
    assert done.exit_code == 0, done.stderr
    assert READ in done.stderr
    assert TEST in done.stderr
    results = json.loads(done.stdout)
    assert (results["n_train"], results["n_test"], results["rows"]) == (60, 30, "test rows as given")
    same = json.loads(cli(*words, "--test", "X_test.npy,Z_test.npy").stdout)
    assert same["table"][0]["top1"] == results["table"][0]["top1"]
    for others in (["--labels", "y_train.npy"], ["--folds", "3"]):  # no test rows but those that are named
        assert json.loads(cli(*words, *others).stdout)["n_test"] < 61
    assert json.loads(cli(*words, "--labels", "y_train.npy").stdout)["n_test"] == 12


def test_compare_leaves_out_test_rows_that_not_all_have():
    np.save("Z_train.npy", X[:60, :3])
    done = cli("compare", "X_train.npy", "Z_train.npy", "--preset", "torchgeo-bench", "--json")
    assert done.exit_code == 0, done.stderr
    assert "the test rows of 'X_train.npy' are not used, because not all representations have some" in done.stderr
    assert json.loads(done.stdout)["n_test"] == 12


def test_predict_says_where_labels_would_be(here):
    (here / "y_test.npy").unlink()
    assert cli("run", "X_train.npy", *QUICK, "--out", "out").exit_code == 0
    said = cli("predict", "out/models/knn.safetensors", "X_test.npy").stderr
    assert "accuracy" not in said
    np.save("y_test.npy", Y[:7])
    said = cli("predict", "out/models/knn.safetensors", "X_test.npy").stderr
    assert "the labels of 'X_test.npy' are not used: 'y_test.npy' has 7 labels for 30 rows of 'X_test.npy'" in said
    (here / "y_train.npy").unlink()
    (here / "y_test.npy").unlink()
    assert refused(cli("run", "X_train.npy"), "has no labels next to it (looked for 'X_train_labels.npy',", "give --labels")


@pytest.mark.parametrize("limit", [[], ["--limit", "40"]])
def test_predictions_of_the_training_rows_are_noted_as_such(limit):
    assert cli("run", "X_train.npy", "--models", "softmax", *limit, "--out", "out").exit_code == 0
    model = "out/models/softmax.safetensors"
    said = "X_train.npy has the training rows of the model: the accuracy on them measures memorisation"
    assert said in cli("predict", model, "X_train.npy").stderr
    assert "training rows of the model" not in cli("predict", model, "X_test.npy").stderr
    np.save("X_train.npy", X[:59])
    assert "training rows of the model" not in cli("predict", model, "X_train.npy").stderr


@pytest.mark.parametrize("n", [1, 5])
def test_predicted_rows_have_the_features_of_the_model(n, here):
    """However few they are, so that what is a feature among the training rows seems to number them."""
    table = np.column_stack([5 * np.arange(90) % 12, np.arange(90), X, Y])
    for name, rows in (("songs.csv", table), ("new.csv", table[:n])):
        np.savetxt(name, rows, delimiter=",", header="key,row,a,b,c,d,e,f,label", comments="")
    assert cli("run", "songs.csv", *QUICK, "--out", "out").exit_code == 0
    done = cli("predict", "out/models/knn.safetensors", "new.csv")
    assert done.exit_code == 0, done.stderr
    assert len(done.stdout.splitlines()) == 1 + n
    words = ("compare", "songs.csv", "again=songs.csv", "--preset", "torchgeo-bench", "--json")
    assert cli(*words, "--test", "new.csv,new.csv").exit_code == 0
