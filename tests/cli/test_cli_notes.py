"""What ``fastcls predict`` notes about images and rows: dark and bright, rows seen in training, other test rows."""

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
from _command import Image, cli, here, write_images
from _tables import write_csv

import fastcls
from fastcls import datasets
from fastcls.datasets import polarity_note

__all__ = ["here"]  # the fixture that every test here is under


@pytest.mark.parametrize("trained_on_white", [False, True])
@pytest.mark.parametrize("inverted", [False, True])
def test_images_of_the_opposite_polarity_are_noted_once(trained_on_white, inverted):
    data = datasets.load_digits()
    pixels = np.rint(data.X.astype(float) * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)
    if trained_on_white:
        pixels = 255 - pixels
    np.savez("data.npz", X=pixels[:200], y=data.y[:200])
    assert cli("run", "data.npz", "--ks", "1", "--models", "knn").exit_code == 0
    model, files = "fastcls-data/models/knn.safetensors", [f"{number}.png" for number in range(5)]
    for file, image in zip(files, pixels[200:], strict=False):
        Image.fromarray(255 - image if inverted else image).save(file)
    said = cli("predict", model, *files).stderr
    given, trained = (32, 70) if trained_on_white else (68, 30)
    note = f"note: the mean of the images is {given}% of white, that of the model's training images {trained}%: if dark"
    assert said.count(note) == inverted, said
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        fastcls.load(model).predict(files)
    assert len([one for one in warned if "the mean of the images is" in str(one.message)]) == inverted


@pytest.mark.parametrize("trained_on_white", [False, True])
def test_single_images_of_the_opposite_polarity_are_named(trained_on_white):
    data = datasets.load_digits()
    pixels = np.rint(data.X.astype(float) * 255 / 16).astype(np.uint8).reshape(-1, 8, 8)
    if trained_on_white:
        pixels = 255 - pixels
    np.savez("data.npz", X=pixels[:200], y=data.y[:200])
    assert cli("run", "data.npz", "--ks", "1", "--models", "knn").exit_code == 0
    model = "fastcls-data/models/knn.safetensors"
    Image.fromarray(pixels[200]).save("own.png")
    Image.fromarray(255 - pixels[200]).save("other.png")
    said = cli("predict", model, "own.png", "other.png").stderr
    given, trained = ("dark", "bright (70% of white)") if trained_on_white else ("bright", "dark (30% of white)")
    note = (
        f"1 of 2 images is {given} and the model's training images {trained}: 'other.png': if dark and bright are exchanged"
    )
    assert said.count(note) == 1, said
    with pytest.warns(UserWarning, match=f"1 of 2 images is {given} .*: 'image 1': if dark"):
        fastcls.load(model).predict(["own.png", "other.png"])


def test_an_image_as_bright_as_a_training_image_is_not_named():
    rows = np.array([[255] * 4, [0] * 4], np.uint8)
    known = {"preprocessing": {"white": 255}, "mean_value": 51.0, "lowest_mean": 0.0}
    assert "'image 0'" in str(polarity_note(rows, {**known, "highest_mean": 200.0}))
    assert polarity_note(rows, {**known, "highest_mean": 255.0}) is None


def test_training_images_are_noted_without_labels_too():
    write_images(Path("pets"))
    assert cli("run", "pets", "--ks", "1", "--models", "knn").exit_code == 0
    said = cli("predict", "fastcls-pets/models/knn.safetensors", "pets/cat").stderr
    found = re.search(
        r"note: (\d+) of 12 rows equal a training row of the model: on these, the model shows memorisation", said
    )
    assert found is not None, said
    tested = [line.split(",")[0] for line in Path("fastcls-pets/predictions.csv").read_text().splitlines()[1:]]
    assert int(found[1]) == 12 - sum(name.startswith("cat/") for name in tested)


@pytest.mark.parametrize("kind", ["images", "rows"])
def test_a_run_of_some_test_rows_is_noted_when_all_are_predicted(kind):
    if kind == "images":
        write_images(Path("set/train"), each=6)
        write_images(Path("set/test"), each=4)
    else:
        rng = np.random.default_rng(0)
        X, y = rng.integers(0, 256, (50, 6)).astype(np.float32), np.arange(50) % 2
        Path("set").mkdir()
        for name, values in (("X", X[:38]), ("y", y[:38]), ("X_test", X[38:]), ("y_test", y[38:])):
            np.save(f"set/{name}.npy", values)
    assert cli("run", "set", "--ks", "1", "--models", "knn", "--limit", "8").exit_code == 0
    model = "fastcls-set/models/knn.safetensors"
    note = "the model's own run: all of its 12 test rows are predicted; the run tested the model on 8 of them"
    said = cli("predict", model, "set").stderr
    assert said.count(note) == 1, said
    assert cli("run", "set", "--ks", "1", "--models", "knn", "--out", "whole").exit_code == 0
    assert note not in cli("predict", "whole/models/knn.safetensors", "set").stderr


def test_images_in_an_inner_folder_are_known_as_the_data_of_the_run():
    write_images(Path("nest/inner"))
    result = cli("run", "nest", "--ks", "1", "--models", "knn")
    assert result.exit_code == 0, result.stderr
    assert json.loads(Path("fastcls-nest/results.json").read_text())["dataset"] == "nest"
    said = cli("predict", "fastcls-nest/models/knn.safetensors", "nest").stderr
    assert "of its 36 rows, only the 8 test rows are predicted" in said


def test_a_model_that_does_not_know_its_mean_notes_no_polarity():
    rows = np.full((2, 4), 255, np.uint8)
    recipe = {"white": 255}
    assert polarity_note(rows, {"preprocessing": recipe, "mean_value": 255 * 0.39}) is not None
    for metadata in ({"preprocessing": recipe}, {"preprocessing": recipe, "mean_value": "0"}, {"mean_value": 0.0}, {}):
        assert polarity_note(rows, metadata) is None
    assert polarity_note(rows, {"preprocessing": recipe, "mean_value": 255 * 0.41}) is None
    assert polarity_note(rows[:0], {"preprocessing": recipe, "mean_value": 0.0}) is None


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_compare_notes_copies_of_labels_that_are_given(ending, here):
    y = np.random.default_rng(0).permutation(np.arange(60) % 3)
    X = np.random.default_rng(1).standard_normal((60, 3)).round(3)
    X[:, 1] = 5 - y
    if ending == "csv":
        write_csv(here / "a.csv", {name: X[:, at] for at, name in enumerate(("u", "code", "v"))})
        said = "'a.csv': 'code' has one value in all rows of a class, as a copy of the label has; "
        said += "it is read as a feature: if it is none, give --drop 'code'"
    else:
        np.savez(here / "a.npz", X=X)
        said = "'a.npz': column 1 has one value in all rows of a class"
    np.save(here / "b.npy", X[:, [0, 2]])
    np.save(here / "y.npy", y)
    done = cli("compare", f"a.{ending}", "b.npy", "--labels", "y.npy", "--preset", "dino")
    assert done.exit_code == 0, done.stderr
    assert " ".join(done.stderr.split()).count(said) == 1
