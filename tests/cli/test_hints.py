"""Messages that recognise misspelt words, paths and options."""

import numpy as np
import pytest
from _command import cli, here

from fastcls import KNeighborsClassifier, MulticlassSVM, datasets
from fastcls._validation.errors import InputError
from fastcls._validation.messages import meant, shortened
from fastcls.cli._text import as_options
from fastcls.model_selection import check_ks

__all__ = ["here"]  # the fixture that every test here is under

X, Y = np.eye(4), [0, 1, 0, 1]


def refusal(*words):
    result = cli(*words)
    assert result.exit_code == 2, result.stderr
    return result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"learning_rate": "Auto"}, "did you mean 'auto'"),
        ({"alpha": "AUTO"}, "did you mean 'auto'"),
        ({"solver": "sdg"}, "did you mean 'sgd'"),
        ({"learning_rate": "fast"}, "auto, or a number above 0"),
    ],
)
def test_misspelt_words_of_parameters_name_the_word(options, said):
    with pytest.raises(InputError, match=said):
        MulticlassSVM(**options).fit(X, Y)


def test_swapped_letters_are_known_and_others_are_not():
    assert meant("sdg", ["sgd", "gd"]) == "sgd"
    assert meant("xyz", ["sgd", "gd"]) is None


@pytest.mark.parametrize("label", [2**70, -(2**63) - 1])
def test_labels_beyond_64_bits_are_refused_in_words_of_their_own(label):
    for use in (lambda: KNeighborsClassifier(1).fit(X, [label, 0, 1, 2]), lambda: datasets.load((X, [label, 0, 1, 2]))):
        with pytest.raises(InputError, match="at row 0; wanted integers of at most 64 bits"):
            use()


def test_long_lists_of_numbers_are_shortened():
    assert shortened(range(1, 5)) == "1, 2, 3, 4"
    assert shortened(range(1, 100)) == "1, 2, 3, 4, 5, 6, ..., 99"
    with pytest.raises(InputError, match=r"ks=\[50, .*\.\.\., 99\]: the smallest training fold has 1 row;"):
        check_ks(range(50, 100), 1)


def test_misspelt_paths_suggest_the_right_one(here):
    (here / "pets").mkdir()
    np.savez("rows.npz", X=X, y=Y)
    assert "did you mean 'pets/'?" in refusal("run", "pet")
    assert "did you mean 'rows.npz'?" in refusal("run", "row.npz")
    with pytest.raises(InputError, match=r"did you mean 'rows\.npz'"):
        datasets.load("rows.npx")


def test_a_suggestion_is_not_an_option_and_a_pattern_has_none(here):
    (here / "-rows.npz").touch()
    assert "did you mean './-rows.npz'?" in refusal("run", "rows.npz")
    assert "there is no file or folder '*rows.npz', and no pattern is expanded: give" in refusal("run", "*rows.npz")


def test_parameters_of_the_library_are_options_on_the_command_line():
    for text, said in {
        "image_size=0; wanted 1 to 9": "--image-size 0; wanted 1 to 9",
        "give labels=, or": "give --labels, or",
        "follow links (follow_links=True)": "follow links (--follow-links)",
        "ks=[1, 5]: the": "--ks 1,5: the",
        "labels='foo' is": "--labels 'foo' is",
        "'labels=3.csv' is the data's, give labels=": "'labels=3.csv' is the data's, give --labels",
        "--folds=5, my_labels=3": "--folds=5, my_labels=3",
        "leave it out with drop=['a b', 'c'], or": "leave it out with --drop 'a b','c', or",
        "validation_size=0.2 for 1 row; wanted": "a hold-out of 20 % for 1 row; wanted",
        "test_size=300 for 3 rows": "a hold-out of 300 rows for 3 rows",
        "cv=5, but the class": "--folds 5, but the class",
        "a share, random_state=3": "a share, --seed 3",
        "with n_tries=1 and n_per_class=2": "with --tries 1 and --n-per-class 2",
        "'cv=5' stays, and my_test_size=3": "'cv=5' stays, and my_test_size=3",
    }.items():
        assert as_options(text) == said
    assert as_options("preset='dino' needs 10 rows") == "--preset dino needs 10 rows"
    assert as_options("preset='clip' needs 10 rows", preset="--probe") == "--probe clip needs 10 rows"


def test_model_and_data_in_the_wrong_order_are_answered_by_the_right_one(here):
    KNeighborsClassifier(1).fit(X, Y).save("knn.safetensors")
    (here / "pets").mkdir()
    for data in ("digits", "photo.jpg", "pets"):
        said = refusal("predict", data, "knn.safetensors")
        assert (
            said == f"fastcls: the first argument is the model, then comes the data: fastcls predict knn.safetensors {data}"
        )


def test_a_folder_in_place_of_a_model_names_its_models(here):
    (here / "fastcls-pets" / "models").mkdir(parents=True)
    assert "give a model (*.safetensors)" in refusal("predict", "fastcls-pets", "photo.jpg")
    KNeighborsClassifier(1).fit(X, Y).save("fastcls-pets/models/knn.safetensors")
    assert "'fastcls-pets/models/knn.safetensors'" in refusal("predict", "fastcls-pets", "photo.jpg")


def test_an_empty_out_is_refused(here):
    np.savez("rows.npz", X=X, y=Y)
    for command in (("run", "rows.npz"), ("predict", "m.safetensors", "rows.npz")):
        result = cli(*command, "--out", "")
        assert result.exit_code == 2
        assert "--out is empty" in result.stderr


def test_too_many_folds_say_what_limits_them(here):
    said = refusal("run", "digits", "--folds", "1000", "--limit", "60")
    assert "--folds=1000, but there are only 60 rows, and no class has more than" in said


def test_run_gives_only_advice_that_its_options_allow(here, monkeypatch):
    rng = np.random.default_rng(0)
    noisy = rng.standard_normal((300, 40))
    np.savez("noisy.npz", X=noisy, y=(noisy[:, 0] + 2 * rng.standard_normal(300) > 0).astype(int))
    result = cli("run", "noisy.npz", "--models", "softmax")
    assert result.exit_code == 0
    assert "alpha 1 " in result.stdout  # the largest of those tried
    assert "try some" not in result.stderr
