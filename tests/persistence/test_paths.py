"""A path is text: nothing else is opened, least of all the open file that has an integer's number."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

import fastcls
from fastcls import datasets, onnx, optim, persistence
from fastcls._storage.atomic import replacing
from fastcls._validation.errors import InputError

X = np.random.default_rng(0).integers(0, 256, size=(30, 4)).astype(np.uint8)
Y = np.arange(30) % 3
KNN = fastcls.KNeighborsClassifier(1).fit(X, Y)
SOFTMAX = fastcls.SoftmaxClassifier(random_state=0, max_iter=1).fit(X, Y)
RECIPE = datasets.load("digits").preprocessing

LOADERS = [name for name in datasets.__all__ if name.startswith("load_") and name not in ("load_arrays", "load_digits")]

#: Every public function that takes a path: name -> function of the path.
TAKERS = {
    "load": fastcls.load,
    "save": lambda path: persistence.save(KNN, path),
    "save external rows": lambda path: KNN.save(path, rows="external"),
    "save a search": lambda path: fastcls.KNeighborsClassifierCV([1], cv=2).fit(X, Y).save(path),
    "onnx.export": lambda path: onnx.export(SOFTMAX, path),
    "Checkpoint": optim.Checkpoint,
    "checkpoint=": lambda path: fastcls.SoftmaxClassifier(checkpoint=path, random_state=0).fit(X, Y),
    "datasets.load": datasets.load,
    "class_names=": lambda path: datasets.load((X, Y), class_names=path),
    "prepare_image": lambda path: datasets.prepare_image(path, RECIPE),
    "array_parts": datasets.array_parts,
    "fetch(folder=)": lambda path: datasets.fetch("mnist", folder=path),
    **{f"datasets.{name}": getattr(datasets, name) for name in LOADERS if name != "load_frame"},
    "replacing": lambda path: replacing(path, "the text").__enter__(),
}
#: None has a meaning there.
OPTIONAL = ("checkpoint=", "class_names=", "fetch(folder=)")


@pytest.mark.parametrize("name", TAKERS)
def test_an_integer_is_no_path_and_its_open_file_stays_open(name, tmp_path):
    if name == "onnx.export":
        pytest.importorskip("onnx")
    with open(tmp_path / "open", "wb") as file:
        for given in (file.fileno(), np.int64(file.fileno())):
            with pytest.raises(InputError) as caught:
                TAKERS[name](given)
            assert "\n" not in str(caught.value)
        os.fstat(file.fileno())  # raises if it was closed
        file.write(b"still open")
    assert (tmp_path / "open").read_bytes() == b"still open"


class BytesPath:
    def __fspath__(self):
        return b"m.safetensors"


@pytest.mark.parametrize("name", TAKERS)
@pytest.mark.parametrize(
    "given", [None, True, 1.5, {"a"}, object(), BytesPath()], ids=["None", "bool", "float", "set", "object", "bytes"]
)
def test_what_is_no_path_is_refused_in_one_line(name, given):
    if name == "onnx.export":
        pytest.importorskip("onnx")
    if given is None and name in OPTIONAL:
        return
    with pytest.raises(InputError) as caught:
        TAKERS[name](given)
    assert "\n" not in str(caught.value)
    assert "os.PathLike" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (1, "path=1; wanted the path of a model file that save wrote, a string or a pathlib.Path"),
        (True, "path=True; wanted"),
        (None, "path=None; wanted"),
        (1.5, "path=1.5; wanted"),
        ("", "path=''; wanted"),
        (["a"], "path is a list;"),
        (b"m.safetensors", "path is a bytes;"),
        (2**64, "path is an int;"),
        (io.BytesIO(b"m"), "path is a BytesIO;"),
    ],
)
def test_the_refusal_says_what_came_and_what_was_wanted(given, said):
    with pytest.raises(InputError) as caught:
        fastcls.load(given)
    assert str(caught.value).startswith(said)
    assert str(caught.value).count("wanted") == 1


def test_strings_and_path_objects_are_paths(tmp_path):
    for path in (str(tmp_path / "a"), Path(tmp_path, "b"), *(entry for entry in os.scandir(tmp_path))):
        KNN.save(path)
        assert fastcls.load(path).n_samples_fit_ == 30
