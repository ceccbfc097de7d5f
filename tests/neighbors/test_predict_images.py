"""A model that `fastcls run` saved takes images from Python: paths, bytes, PIL images, pixels; and names their classes."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from _command import Image, cli, write_images
from _refused import check_refused

import fastcls
from fastcls import datasets
from fastcls._validation.errors import InputError
from fastcls.persistence import classes

KINDS = [name for name, kind in classes().items() if hasattr(kind, "predict")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_images(tmp_path_factory.mktemp("data") / "pets", each=6)


@pytest.fixture(scope="module", params=KINDS)
def model(request, folder, tmp_path_factory):
    """A loaded model of every kind, with the metadata that a run saves."""
    data = datasets.load(folder)
    made = getattr(fastcls, request.param)()
    if "random_state" in made.get_params():
        made.set_params(random_state=0)
    path = tmp_path_factory.mktemp("model") / "m.safetensors"
    made.fit(data.X, data.y).save(
        path, metadata={"preprocessing": data.preprocessing, "class_names": list(data.class_names), "largest_value": 255.0}
    )
    return fastcls.load(path)


def written(content):
    file = io.BytesIO()
    file.write(content)
    return file


def pixels_of(path):
    return np.asarray(Image.open(path))


WAYS = {
    "path": str,
    "Path": Path,
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "PIL": Image.open,
    "pixels": pixels_of,
    "pixels as int64": lambda path: pixels_of(path).astype(np.int64),
    "pixels from 0 to 1": lambda path: pixels_of(path) / 255,
    "pixels of 16 bits": lambda path: pixels_of(path).astype(np.uint16) * 257,
    "BytesIO": lambda path: io.BytesIO(path.read_bytes()),
    "BytesIO just written": lambda path: written(path.read_bytes()),
    "pixels with alpha": lambda path: np.dstack([pixels_of(path), np.full(pixels_of(path).shape[:2], 255, np.uint8)]),
}


@pytest.mark.parametrize("way", WAYS)
def test_images_of_every_kind_get_the_class_names_of_their_rows(model, folder, way):
    data = datasets.load(folder)
    files = [folder / name for name in data.files]
    wanted = np.array(data.class_names)[model.predict(data.X)]
    images = [WAYS[way](path) for path in files]
    for given in (images, tuple(images)):
        np.testing.assert_array_equal(model.predict(given), wanted)
    np.testing.assert_array_equal(model.predict(images[0]), wanted[:1])
    for method in ("predict_proba", "decision_function", "kneighbors"):
        if hasattr(model, method):
            for got, right in zip(getattr(model, method)(images), getattr(model, method)(data.X), strict=True):
                np.testing.assert_array_equal(got, right)
    assert model.score(images, [path.parent.name for path in files]) == model.score(data.X, data.y)


def test_rows_of_the_models_own_width_stay_rows(model, folder):
    data = datasets.load(folder)
    for rows in (data.X, data.X.astype(np.float32), data.X[:1], data.X[:3].tolist(), np.asfortranarray(data.X)):
        assert model.predict(rows).dtype == np.int64
    assert model.predict(data.X[:5]).tolist() == data_codes(model, data, 5)
    check_refused(lambda: model.predict(np.zeros((100, 120), np.uint8)), "if X is one grey image, give it in a list, [X]")
    with pytest.raises(ValueError, match="features"):
        model.predict(data.X[:, :9].tolist())


def data_codes(model, data, n):
    return [int(model.predict(data.X[i : i + 1])[0]) for i in range(n)]


def test_stacks_and_shapes_of_pixel_arrays(model):
    rng = np.random.default_rng(0)
    stack = rng.integers(0, 256, (5, 50, 40, 3), dtype=np.uint8)
    one_by_one = [str(model.predict(image)[0]) for image in stack]
    assert model.predict(stack).tolist() == one_by_one
    assert model.predict(stack.transpose(0, 3, 1, 2)).tolist() == one_by_one
    grey = stack[..., 0]
    assert model.predict(grey).tolist() == [str(model.predict([image])[0]) for image in grey]
    assert model.predict(grey[..., None]).tolist() == model.predict(grey).tolist()
    assert len(model.predict([stack[0], grey[0], stack[1][:20]])) == 3
    assert len(model.predict(np.zeros((32, 32), np.uint8))) == 1
    check_refused(lambda: model.predict(np.zeros((3, 50, 40), np.uint8)), "can be one image (channels, ")


REFUSED = {
    "no such file": (lambda d: "nope.jpg", "there is no file or folder"),
    "no picture": (lambda d: b"hello", "not a readable image"),
    "a folder": (lambda d: d, "not a file"),
    "mixed": (lambda d: [b"x", 3], "a list of images has an int at index 1"),
    "two broken": (lambda d: [b"x", b"y"], "2 of 2 images cannot be read"),
    "five channels": (lambda d: [np.zeros((9, 9, 5), np.uint8)], "1, 3 or 4 channels"),
    "beyond a pixel": (lambda d: [np.full((9, 9, 3), 300)], "values from 300 to 300"),
    "below zero": (lambda d: [np.full((9, 9, 3), -1.0)], "values from -1 to -1"),
    "halves": (lambda d: [np.full((9, 9, 3), 1.5)], "wanted whole pixels from 0 to 255"),
    "NaN": (lambda d: [np.full((9, 9, 3), np.nan)], "finite"),
    "no pixel": (lambda d: [np.zeros((0, 9, 3), np.uint8)], "wanted pixels"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_images_that_cannot_be_used_are_refused(model, kind, tmp_path):
    make, words = REFUSED[kind]
    check_refused(lambda: model.predict(make(tmp_path)), words)


def test_models_without_a_recipe_take_rows_alone(tmp_path):
    model = fastcls.NearestClassMean().fit(np.eye(4), [0, 1, 0, 1])
    model.save(tmp_path / "m.safetensors", metadata={"class_names": ["a", "b"]})
    again = fastcls.load(tmp_path / "m.safetensors")
    assert again.predict(np.eye(4)).tolist() == [0, 1, 0, 1]
    for made in (model, again):
        for given, came in {
            "p.jpg": "the path 'p.jpg'",
            ("p.jpg",): "a list that begins with the path 'p.jpg'",
            b"p": "an image",
        }.items():
            with pytest.raises(
                InputError, match=rf"X is {came}.* takes rows of 4 features: give an array, or .*fastcls run"
            ):
                made.predict(list(given) if isinstance(given, tuple) else given)


def test_a_new_fit_drops_the_saved_metadata(model, folder, tmp_path):
    data = datasets.load(folder)
    model.save(tmp_path / "m.safetensors", metadata=model.metadata_)
    again = fastcls.load(tmp_path / "m.safetensors").fit(data.X[:, ::-1], data.y)
    assert not hasattr(again, "metadata_")


@pytest.mark.parametrize(("factor", "warned"), [(1, False), (0.5, False), (1 / 255, True), (16 / 255, True)])
def test_rows_of_another_scale_get_one_warning(model, folder, factor, warned):
    X = datasets.load(folder).X * factor
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.predict(X)
    assert sum("if their scales differ" in str(one.message) for one in caught) == warned


def test_a_run_saves_all_that_is_needed(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fastcls.cli.report._page.write_report", lambda outcome, path: path.write_text(""))
    assert cli("run", folder, "--ks", "1", "--models", "knn", "--out", "out").exit_code == 0
    model = fastcls.load("out/models/knn.safetensors")
    path = folder / "ship" / "3.jpg"
    (said,) = [row for row in cli("predict", "out/models/knn.safetensors", path).stdout.splitlines() if "ship/3.jpg" in row]
    with io.BytesIO(path.read_bytes()) as file:
        assert model.predict(Image.open(file)).tolist() == model.predict(path).tolist() == [said.split(",")[1]]


def test_digits_in_their_own_scale_and_as_pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = datasets.load("digits")
    fastcls.NearestClassMean().fit(data.X, data.y).save(
        "m.safetensors", metadata={"preprocessing": data.preprocessing, "class_names": list(data.class_names)}
    )
    model = fastcls.load("m.safetensors")
    own = data.X[:9].reshape(9, 8, 8).astype(float)  # as scikit-learn's `images`: 0 to 16
    wanted = [data.class_names[code] for code in model.predict(data.X[:9])]
    assert model.predict(own).tolist() == model.predict(own[..., None]).tolist() == wanted
    assert [str(model.predict(image)[0]) for image in own] == wanted
    pictures = np.round(own * 255 / 16).astype(np.uint8)
    np.testing.assert_array_equal(datasets.prepare_images(pictures, data.preprocessing), data.X[:9])
    np.testing.assert_array_equal(datasets.prepare_images(pictures / 255, data.preprocessing), data.X[:9])
    large = [np.kron(image, np.ones((5, 5), np.uint8)) for image in pictures]
    assert model.predict(large).tolist() == wanted


def test_open_files_and_arrays_of_objects_are_images(model, folder):
    data = datasets.load(folder)
    paths = [folder / name for name in data.files[:3]]
    wanted = np.array(data.class_names)[model.predict(data.X[:3])]
    files = [path.open("rb") for path in paths]
    np.testing.assert_array_equal(model.predict(files), wanted)
    np.testing.assert_array_equal(model.predict(files[0]), wanted[:1])  # read again from its start
    for file in files:
        file.close()
    pixels = [pixels_of(path) for path in paths]
    np.testing.assert_array_equal(model.predict(np.array(pixels, dtype=object)), wanted)
    apart = np.empty(3, dtype=object)
    apart[:] = pixels
    np.testing.assert_array_equal(model.predict(apart), wanted)
    check_refused(lambda: model.predict([]), "empty list: give at least one image or row")
    with paths[0].open(encoding="latin-1") as text:
        check_refused(lambda: model.predict(text), "open it in binary mode")


@pytest.mark.parametrize("shape", [(8, 8), (5, 9), (40, 30)])
def test_one_grey_array_is_one_image_and_its_16_bits_are_those_of_a_png(shape, tmp_path):
    rng = np.random.default_rng(0)
    recipe = datasets.load("digits").preprocessing | {"size": [8, 8]}
    grey = rng.integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(datasets.prepare_images(grey, recipe), datasets.prepare_images([grey], recipe))
    wide = rng.integers(0, 65536, shape).astype(np.uint16)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    np.testing.assert_array_equal(
        datasets.prepare_images(wide, recipe)[0], datasets.prepare_image(tmp_path / "wide.png", recipe)
    )
