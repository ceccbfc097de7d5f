"""Refusals of the command line: one line, exit status 2, nothing written."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from _command import cli, fresh, here, listing, refused, write_embeddings

from fastcls.cli import _run

__all__ = ["here"]  # the fixture that every test here is under


@pytest.mark.parametrize("ending", ["zip", "7z", "rar"])
@pytest.mark.parametrize(
    "words", [["run"], ["predict", "m.safetensors"], ["compare", "a.npy"], ["gradcheck"], ["compare", "x.npy", "--test"]]
)
def test_an_archive_is_refused_before_the_imports_that_take_seconds(words, ending, monkeypatch):
    for name in ("_checks", "_predict", "_compare_options", "_gradcheck"):
        monkeypatch.setitem(sys.modules, f"fastcls.cli.{name}", None)  # an import of it fails
    file = Path(f"my pets.{ending}")
    file.touch()
    said = "'my pets.zip' is an archive: unpack it, with python -m zipfile -e 'my pets.zip' 'my pets', and give its folder\n"
    other = f"'my pets.{ending}' is an archive: unpack it, and give its folder\n"
    assert refused(cli(*words, file), said if ending == "zip" else other)
    if words == ["compare", "a.npy"]:
        assert refused(cli(*words, f"photos={file}"), "is an archive: unpack it")


# refusals ------------------------------------------------------------------------------------------

REFUSALS = {
    "unknown model": (["run", "digits", "--models", "knn,tree"], ["tree", "knn, random_search, svm, softmax"]),
    "no model": (["run", "digits", "--models", ","], ["knn, random_search, svm, softmax"]),
    "unknown metric": (["run", "digits", "--metrics", "l3"], ["l3", "l1, l2, sqeuclidean, cosine"]),
    "k of 0": (["run", "digits", "--ks", "0,1"], ["--ks '0,1'", "positive integers"]),
    "k not a number": (["run", "digits", "--ks", "1,many"], ["--ks '1,many'", "positive integers"]),
    "one fold": (["run", "digits", "--folds", "1"], ["--folds '1'", "at least 2"]),
    "folds unknown": (["run", "digits", "--folds", "lpo"], ["--folds 'lpo'", "or loo (leave-one-out)"]),
    "folds of a preset": (["run", "digits", "--preset", "dino", "--folds", "loo"], ["sets --folds itself"]),
    "seed not a number": (
        ["run", "digits", "--seed", "1.5"],
        ["--seed '1.5': wanted a whole number (see: fastcls run --help)"],
    ),
    "limit not a number": (["run", "digits", "--limit", "abc"], ["--limit 'abc': wanted a whole number"]),
    "size not a number": (["run", "digits", "--image-size", "8x8"], ["--image-size '8x8': wanted a whole number"]),
    "top not a number": (
        ["predict", "m", "digits", "--top", "x"],
        ["--top 'x': wanted a whole number (see: fastcls predict"],
    ),
    "seed of a check": (["gradcheck", "digits", "--seed", ""], ["--seed '': wanted a whole number"]),
    "port of a demo": (["demo", "knn", "--port", "70000"], ["--port '70000': wanted 0 to 65535"]),
    "limit of 0": (["run", "digits", "--limit", "0"], ["--limit 0"]),
    "negative seed": (["run", "digits", "--seed=-1"], ["--seed -1"]),
    "no such labels": (["run", "digits", "--labels", "no.npy"], ["--labels: there is no file or folder 'no.npy': give"]),
    "no such data": (
        ["run", "no-such-thing"],
        ["there is no file or folder 'no-such-thing': give the name digits, or a path to data\n"],
    ),
    "no such model": (
        ["predict", "no.safetensors", "no-such-thing"],
        ["there is no file or folder 'no.safetensors': give a model file"],
    ),
    "no such data to check": (
        ["gradcheck", "no-such-thing"],
        ["there is no file or folder 'no-such-thing': give the name digits, or a path to data\n"],
    ),
    "zero byte in a path": (["run", "no\0thing"], ["cannot open"]),
    "image size of rows": (
        ["run", "digits", "--image-size", "9"],
        ["--image-size 9 is given for the data 'digits'; only folders of images and tables"],
    ),
    "missing argument": (["run"], ["DATA"]),
    "unknown option": (["run", "digits", "--fast"], ["--fast"]),
    "unknown command": (["walk"], ["walk"]),
    "predict without a model": (["predict", "no.safetensors", "digits"], ["no.safetensors"]),
    "gradcheck of an unknown loss": (["gradcheck", "digits", "--loss", "huber"], ["huber", "hinge", "softmax"]),
}


@pytest.mark.parametrize("what", sorted(REFUSALS))
def test_refusal_is_one_line_and_leaves_nothing(what, here):
    words, fragments = REFUSALS[what]
    result = cli(*words)
    assert refused(result, *fragments)
    assert listing(here) == []


@pytest.mark.process
def test_refusal_in_a_real_process_has_no_traceback(here):
    done = fresh("run", "no-such-thing", cwd=here)
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1


def test_default_folds_adapt_to_small_classes_and_given_folds_are_refused():
    write_embeddings("few.npz", n=12, classes=4)
    refusal = cli("run", "few.npz", "--folds", "5")
    assert refusal.exit_code == 2
    assert "--folds=5, but no class has more than 3 rows" in refusal.stderr.splitlines()[-1]
    result = cli("run", "few.npz", "--ks", "1", "--models", "knn")
    assert result.exit_code == 0, result.stderr
    results = json.loads(Path("fastcls-few/results.json").read_text())
    assert results["models"]["knn"]["folds"] == 3
    assert "k-NN: 3 folds instead of 5, because no class has more than 3 training rows" in results["notes"]
    assert "--folds" not in results["command"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ks", "5000"], "--ks 5000: the smallest training fold has 1,149 rows"),
        (["--folds", "999"], "--folds=999, but no class has more than"),
    ],
)
def test_settings_that_the_data_is_too_small_for_are_refused_in_one_line(words, said, here):
    assert refused(cli("run", "digits", *words), said)
    assert listing(here) == []


@pytest.mark.parametrize("keys", [("X", "y"), ("x_train", "y_train"), None])
@pytest.mark.parametrize("words", [["run"], ["gradcheck"]])
def test_bad_number_is_named_as_in_the_users_file(keys, words, here):
    X = np.ones((60, 5), dtype=np.float32)
    X[3, 2] = np.nan
    file = "bad.npy" if keys is None else "bad.npz"
    if keys is None:
        np.save(file, X)
        np.save("bad_labels.npy", np.arange(60) % 3)
    else:
        np.savez(file, **dict(zip(keys, (X, np.arange(60) % 3), strict=True)))
    result = cli(*words, file)
    assert result.exit_code == 2, result.stdout
    named = f"'{file}'" if keys is None else f"'{file}': {keys[0]}"
    assert result.stderr.splitlines()[-1].startswith(f"fastcls: {named} contains NaN (first at row 3, column 2)")


@pytest.mark.parametrize("words", [["run"], ["run", "--preset", "dino"], ["run", "--probe", "clip"]])
@pytest.mark.parametrize("bad", ["X", "X_test"])
def test_a_number_whose_square_overflows_is_named_with_its_file(bad, words, here):
    arrays = {"X": np.ones((60, 5)), "X_test": np.ones((30, 5))}
    arrays[bad][3, 2] = 1e200
    np.savez("bad.npz", **arrays, y=np.arange(60) % 3, y_test=np.arange(30) % 3)
    assert refused(cli(*words, "bad.npz"), "'bad.npz' has 1e+200 at row 3, column 2; above", "scale the data down")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_unusable_rows_are_refused_before_any_training(bad, here, monkeypatch):
    X = np.ones((40, 3), dtype=np.float32)
    X[7, 2] = bad
    np.savez("bad.npz", X=X, y=np.arange(40) % 2)
    monkeypatch.setattr(_run, "TRAINERS", {})  # a KeyError if training begins
    result = cli("run", "bad.npz")
    assert result.exit_code == 2, result.exception
    assert "Traceback" not in result.stderr
    assert listing(here) == ["bad.npz"]


def test_unusable_test_rows_are_refused_before_any_training(here, monkeypatch):
    X = np.ones((40, 3), dtype=np.float32)
    X_test = X[:4].copy()
    X_test[1, 1] = np.nan
    np.savez("bad.npz", X=X, y=np.arange(40) % 2, X_test=X_test, y_test=np.arange(4) % 2)
    monkeypatch.setattr(_run, "TRAINERS", {})
    result = cli("run", "bad.npz")
    assert result.exit_code == 2, result.exception
    assert "NaN" in result.stderr
    assert listing(here) == ["bad.npz"]


def test_one_class_is_refused(here):
    np.savez("one.npz", X=np.ones((20, 3), dtype=np.float32), y=np.zeros(20, dtype=int))
    result = cli("run", "one.npz")
    assert result.exit_code == 2
    assert "class" in result.stderr.splitlines()[-1]
    assert listing(here) == ["one.npz"]


def test_missing_labels_are_refused_with_the_option_for_them(here):
    np.save("rows.npy", np.ones((20, 3), dtype=np.float32))
    assert refused(cli("run", "rows.npy"), "give --labels, such as the path of an .npy file")
