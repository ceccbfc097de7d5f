"""``fastcls predict``: labels of the rows, what the accuracy on them means, and why there is none; its own refusals."""

from pathlib import Path

import numpy as np
import pytest
from _command import Image, cli, here, refused

import fastcls

__all__ = ["here"]  # the fixture that every test here is under

Y = np.arange(40) % 4
X = (np.random.default_rng(0).normal(size=(40, 6)) + 3 * np.eye(4, 6)[Y]).astype(np.float32)


@pytest.fixture
def model():
    """A model file, and its training rows in rows.npy with their labels in labels.npy."""
    fastcls.KNeighborsClassifier(3, metric="cosine", weights="softmax").fit(X, Y).save("m.safetensors")
    np.save("rows.npy", X)
    np.save("labels.npy", Y)
    return "m.safetensors"


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_equal_a_training_row_are_noted(model, dtype):
    changed = X.astype(dtype)
    changed[3:] *= 2  # at cosine distance 0, but not equal
    np.save("rows.npy", changed)
    said = cli("predict", model, "rows.npy").stderr
    assert "note: 3 of 40 rows equal a training row of the model: on these, accuracy measures memorisation" in said
    np.save("rows.npy", changed[3:] + dtype(1e-9))
    np.save("labels.npy", Y[3:])
    assert "training row" not in cli("predict", model, "rows.npy").stderr


def test_a_model_without_rows_notes_no_repeats(model):
    fastcls.SoftmaxClassifier(random_state=0).fit(X, Y).save("linear.safetensors")
    said = cli("predict", "linear.safetensors", "rows.npy").stderr
    assert "accuracy: " in said
    assert "training row" not in said


def test_labels_that_share_no_class_with_the_model_are_noted(model):
    np.savez("rows.npz", X=X, y=np.array(list("abcd"))[Y])
    said = cli("predict", model, "rows.npz").stderr
    assert "no accuracy: the labels ('a', 'b', 'c') share no class with the model ('0', '1', '2')" in said


def test_labels_next_to_the_rows_that_do_not_fit_are_noted(model):
    np.save("ten.npy", X[:10])
    result = cli("predict", model, "ten.npy")
    assert result.exit_code == 0
    assert (
        "the labels of 'ten.npy' are not used: 'labels.npy' has 40 labels for 10 rows of 'ten.npy': give one label per row\n"
        in result.stderr
    )


@pytest.mark.parametrize(
    ("arrays", "n", "said"),
    [
        ({"X": X[:7]}, 7, ""),
        ({"anything": X[:7]}, 7, ""),
        ({"X_test": X[:7]}, 7, ""),
        ({"X": X, "y": Y, "X_test": X[:7]}, 7, "has only one of X_test and y_test"),
        ({"X": X[:7], "y": np.full(7, None)}, 7, "note: the labels of 'rows.npz' are not used: "),
        ({"X": X, "y": Y, "X_test": X[:7], "y_test": Y[:7]}, 7, "(7 of 7 labelled rows)"),
    ],
)
def test_labels_of_an_npz_are_optional_and_its_test_rows_are_preferred(arrays, n, said, model):
    np.savez("rows.npz", **arrays)
    result = cli("predict", model, "rows.npz")
    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1 + n
    assert said in result.stderr
    assert said or "not used" not in result.stderr


@pytest.mark.parametrize("data", ["rows.npy", "rows.npz"])
def test_given_labels_are_used_instead_of_those_nearby(model, data):
    np.savez("rows.npz", X=X, y=(Y + 1) % 4)
    np.save("labels.npy", (Y + 1) % 4)
    np.save("right.npy", Y)
    assert "(0 of 40 labelled rows)" in cli("predict", model, data).stderr
    assert "(40 of 40 labelled rows)" in cli("predict", model, data, "--labels", "right.npy").stderr
    np.save("right.npy", Y[:9])
    assert refused(cli("predict", model, data, "--labels", "right.npy"), "9 labels for 40 rows")
    assert refused(cli("predict", model, data, "--labels", "wrong.npy"), "wrong.npy")
    assert refused(cli("predict", model, data, data, "--labels", "right.npy"), "--labels is given for 2 paths")
    assert refused(cli("predict", model, data, "--labels", data), "--labels is the same file as the data")


def test_swapped_files_are_named(model):
    assert refused(
        cli("run", "labels.npy", "--labels", "rows.npy"), "'labels.npy' is one-dimensional", "did you swap rows and labels?"
    )
    assert refused(cli("run", "rows.npy", "--labels", "rows.npy"), "--labels is the same file as the data, 'rows.npy'")
    np.save("one.npy", X[0])
    assert refused(cli("predict", model, "one.npy"), "'one.npy' is one-dimensional, shape (6,)")


def test_refusals_say_what_predict_takes(model):
    wanted = "give an image, a folder of images, an .npy or .npz file"
    assert refused(cli("predict", model, "nosuch.jpg"), f"there is no file or folder 'nosuch.jpg': {wanted}")
    Path("empty").mkdir()
    assert refused(cli("predict", model, "empty"), f"there is nothing to predict in the folder 'empty': {wanted}")
    Image.new("RGB", (8, 8)).save("photo.jpg")
    assert refused(cli("predict", model, "photo.jpg"), "'photo.jpg' is an image, but the model has no", "6 features")
    Path("photos").mkdir()
    Image.new("RGB", (8, 8)).save("photos/photo.jpg")
    assert refused(cli("predict", model, "photos"), "'photos' is a folder of images, but the model has no", "6 features")


@pytest.mark.parametrize("ending", ["npy", "npz", "csv"])
@pytest.mark.parametrize("labels", [None, 7])
def test_nan_in_the_rows_is_named_by_row_and_column_with_and_without_labels(model, ending, labels, here):
    (here / "labels.npy").unlink()
    new = X[:30].copy()
    new[3, 5] = np.nan
    if ending == "npy":
        np.save("new.npy", new)
    elif ending == "npz":
        np.savez("new.npz", X=new)
    else:
        Path("new.csv").write_text("a,b,c,d,e,f\n" + "\n".join(",".join(map(str, row)) for row in new.tolist()))
    if labels is not None:
        np.save("new_labels.npy", Y[:labels])
    said = {
        "npy": "'new.npy' contains NaN (first at row 3, column 5)",
        "npz": "'new.npz': X contains NaN (first at row 3, column 5)",
        "csv": "'new.csv' has 'nan' in line 5, column 'f'",
    }
    done = cli("predict", model, f"new.{ending}")
    assert done.exit_code == 2
    assert said[ending] in done.stderr.splitlines()[-1]
