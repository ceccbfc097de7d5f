"""Stored arrays (zarr of both formats, or anything with slices) are read as they were written; others are refused."""

import json
import shutil
import sys

import numpy as np
import pytest

from fastcls import KNeighborsClassifier, datasets
from fastcls._runtime import memory
from fastcls._validation.errors import InputError
from fastcls.protocols import knn_eval

zarr = pytest.importorskip("zarr", reason="zarr is not installed")

rng = np.random.default_rng(0)
IMAGES = rng.integers(0, 256, (90, 8, 8, 3), dtype=np.uint8)
LABELS = np.arange(90) % 3
FORMATS = pytest.mark.parametrize("form", [2, 3])


def write(path, array, form=3, **options):
    made = zarr.create_array(
        str(path), shape=array.shape, dtype=array.dtype, chunks=(16, *array.shape[1:]), zarr_format=form, **options
    )
    made[:] = array
    return path


def group(folder, form=3, attributes=None, **arrays):
    path = folder / "set.zarr"
    made = zarr.create_group(str(path), zarr_format=form)
    made.attrs.update(attributes or {})
    for name, array in arrays.items():
        write(path / name, array, form)
    return path


def refusal(act):
    with pytest.raises(InputError) as caught:
        act()
    line = str(caught.value)
    assert line.isprintable()  # one line, no control character
    assert caught.value.__cause__ is None
    return line


@FORMATS
def test_group_is_the_data_set_of_the_same_arrays(tmp_path, form):
    attributes = {"class_names": ["a", "b", "c"]}
    path = group(tmp_path, form, attributes, X=IMAGES, y=LABELS, X_test=IMAGES[:7], y_test=LABELS[:7])
    found = datasets.load(path)
    np.testing.assert_array_equal(found.X, IMAGES.reshape(90, -1))
    assert found.X.dtype == np.uint8
    np.testing.assert_array_equal(found.X_test, IMAGES[:7].reshape(7, -1))
    assert (found.y.tolist(), found.y_test.tolist()) == (LABELS.tolist(), LABELS[:7].tolist())
    assert (found.class_names, found.image_shape, found.name) == (("a", "b", "c"), (8, 8, 3), "set")


@FORMATS
@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "float64"])
def test_numbers_keep_their_type_and_array_takes_labels(tmp_path, form, dtype):
    X = rng.normal(size=(50, 12)).astype(dtype)
    found = datasets.load(write(tmp_path / "X.zarr", X, form), labels=np.arange(50) % 2)
    assert found.X.dtype == dtype
    assert found.X.tobytes() == X.tobytes()


@FORMATS
@pytest.mark.parametrize("kind", ["U", "O"])
def test_labels_may_be_text(tmp_path, form, kind):
    text = np.array(["cat", "dog", "ä"], dtype=kind)
    path = group(tmp_path, form, X=IMAGES)
    made = zarr.open_group(str(path)).create_array("y", shape=(90,), dtype="str" if text.dtype == object else text.dtype)
    made[:] = text[LABELS]
    found = datasets.load(path)
    assert np.array(found.class_names)[found.y].tolist() == text[LABELS].tolist()


@FORMATS
def test_compressors_and_filters_of_numbers_are_read(tmp_path, form):
    from numcodecs import Delta

    options = {} if form == 3 else {"filters": [Delta(dtype="u1")]}
    path = write(tmp_path / "X.zarr", IMAGES, form, **options)
    np.testing.assert_array_equal(datasets.load(path, labels=LABELS).X, IMAGES.reshape(90, -1))
    if form == 3:
        path = write(tmp_path / "sharded.zarr", IMAGES, form, shards=(32, 8, 8, 3))
        np.testing.assert_array_equal(datasets.load(path, labels=LABELS).X, IMAGES.reshape(90, -1))
        assert [len(part) for part in datasets.array_parts(path, part_bytes=1)] == [32, 32, 26]


@FORMATS
def test_parts_cover_all_rows_in_order_by_whole_chunks(tmp_path, form):
    path = group(tmp_path, form, X=IMAGES, y=LABELS) / "X"
    for part_bytes, sizes in ((1, [16] * 5 + [10]), (35 * 192, [32, 32, 26]), (1 << 30, [90])):
        parts = list(datasets.array_parts(path, part_bytes=part_bytes))
        assert [len(part) for part in parts] == sizes
        np.testing.assert_array_equal(np.concatenate(parts), IMAGES.reshape(90, -1))


def test_parts_give_the_same_protocols_and_growth_as_the_whole(tmp_path):
    X, Q = IMAGES.reshape(90, -1), rng.integers(0, 256, (20, 192), dtype=np.uint8)
    path = write(tmp_path / "X.zarr", X)
    table = knn_eval(datasets.array_parts(path, part_bytes=1), LABELS, Q, LABELS[:20], preset="solo-learn")
    assert table.rows == knn_eval(X, LABELS, Q, LABELS[:20], preset="solo-learn").rows
    model, done = KNeighborsClassifier(3), 0
    for rows in datasets.array_parts(path, part_bytes=1):
        model.partial_fit(rows, LABELS[done : done + len(rows)], classes=[0, 1, 2] if done == 0 else None)
        done += len(rows)
    assert model.kneighbors(Q)[1].tolist() == KNeighborsClassifier(3).fit(X, LABELS).kneighbors(Q)[1].tolist()


class Sliced:
    """An array that can only be sliced, as one of h5py."""

    def __init__(self, array, chunks=(16,)):
        self.shape, self.dtype, self.chunks, self._array = array.shape, array.dtype, chunks, array

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self._array[rows]


@pytest.mark.parametrize(("chunks", "sizes"), [((16, 8, 8, 3), [32, 32, 26]), (None, [35, 35, 20])])
def test_anything_with_a_shape_a_dtype_and_slices_is_read(chunks, sizes, monkeypatch):
    X, y = Sliced(IMAGES, chunks), Sliced(LABELS)
    parts = list(datasets.array_parts(X, part_bytes=35 * 192))
    assert [len(part) for part in parts] == sizes
    np.testing.assert_array_equal(np.concatenate(parts), IMAGES.reshape(90, -1))
    for found in (datasets.load((X, y)), datasets.load(X, labels=y)):
        np.testing.assert_array_equal(found.X, IMAGES.reshape(90, -1))
        assert (found.y.tolist(), found.image_shape) == (LABELS.tolist(), (8, 8, 3))
    assert len(next(datasets.array_parts(IMAGES, part_bytes=1))) == 1
    assert "source is an int" in refusal(lambda: datasets.array_parts(3))
    monkeypatch.setattr(memory, "fits", lambda n_bytes: n_bytes < IMAGES.nbytes)
    assert "array_parts" in refusal(lambda: datasets.load((X, y)))


# hostile --------------------------------------------------------------------------------------------------------------


def _head(path, form):
    return path / ("zarr.json" if form == 3 else ".zarray")


def _rewrite(path, form, **changes):
    head = _head(path, form)
    head.write_text(json.dumps(json.loads(head.read_text()) | changes))
    return path


@FORMATS
def test_missing_arrays_are_refused(tmp_path, form):
    path = group(tmp_path, form, X=IMAGES)
    assert "has the zarr arrays 'X', but no labels: add them with the name y" in refusal(lambda: datasets.load(path))
    assert datasets.load(path, labels=LABELS).X.shape == (90, 192)
    write(path / "y", LABELS, form)
    write(path / "y_test", LABELS, form)
    assert "only one of X_test and y_test" in refusal(lambda: datasets.load(path))
    shutil.rmtree(path / "X")
    assert "has the zarr arrays 'y', 'y_test'" in refusal(lambda: datasets.load(path))
    assert "give labels=" in refusal(lambda: datasets.load(path / "y"))
    assert "is a zarr group; give the folder of an array" in refusal(lambda: datasets.array_parts(path))
    assert refusal(lambda: datasets.array_parts(tmp_path)).endswith("; give the folder of one")


@FORMATS
def test_arrays_of_wrong_lengths_and_widths_are_refused(tmp_path, form):
    path = group(tmp_path, form, X=IMAGES, y=LABELS[:-1])
    assert "y has 89 labels for 90 rows" in refusal(lambda: datasets.load(path))
    shutil.rmtree(path)
    path = group(tmp_path, form, X=IMAGES, y=LABELS, X_test=IMAGES[:, :4], y_test=LABELS)
    assert "give the same shape in both" in refusal(lambda: datasets.load(path))


@FORMATS
def test_incomplete_array_is_refused(tmp_path, form):
    path = write(tmp_path / "X.zarr", IMAGES, form)
    chunk = next(
        entry
        for entry in path.rglob("*")
        if entry.is_file() and entry.name != _head(path, form).name and not entry.name.startswith(".")
    )
    content = chunk.read_bytes()
    chunk.write_bytes(content[: len(content) // 2])
    assert "chunks that cannot be read" in refusal(lambda: datasets.load(path, labels=LABELS))
    chunk.unlink()
    assert "5 of its 6 chunks" in refusal(lambda: datasets.load(path, labels=LABELS))
    assert "5 of its 6 chunks" in refusal(lambda: datasets.array_parts(path))


class Trap:
    """What a pickle of runs: it would leave a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_codec_has_one_name(tmp_path):
    path = write(tmp_path / "X.zarr", IMAGES)
    _rewrite(path, 3, codecs=[{"id": "bytes", "name": "pickle"}])
    assert "codec 'bytes and pickle'" in refusal(lambda: datasets.array_parts(path))
    _rewrite(path, 3, codecs=[{"name": "sharding_indexed", "configuration": {"codecs": [{"name": "pickle"}]}}])
    assert "codec 'pickle'" in refusal(lambda: datasets.array_parts(path))


def test_pickle_as_a_codec_is_never_run(tmp_path):
    import pickle

    path = write(tmp_path / "X.zarr", IMAGES, 2)
    for place in ("compressor", "filters"):
        codec = {"id": "pickle", "protocol": 5}
        _rewrite(path, 2, **{place: codec if place == "compressor" else [codec], "dtype": "|u1"})
        for chunk in path.glob("[0-9]*"):
            chunk.write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
        assert "codec 'pickle', which may execute code" in refusal(lambda: datasets.load(path, labels=LABELS))
    # another format's innocent head next to it changes nothing
    shutil.copy(write(tmp_path / "innocent", IMAGES, 3) / "zarr.json", path)
    refusal(lambda: datasets.load(path, labels=LABELS))
    assert not (tmp_path / "sprung").exists()


@FORMATS
def test_objects_and_invalid_metadata_are_refused(tmp_path, form):
    path = write(tmp_path / "X.zarr", IMAGES, form)
    load = lambda: datasets.load(path, labels=LABELS)  # noqa: E731
    _rewrite(path, form, **({"data_type": "O"} if form == 3 else {"dtype": "|O"}))
    assert "Python objects" in refusal(load)
    for content in (b"", b"[]", b"{", b"\xff\x00", b'{"a": ' * 100_000, b"x" * (2 << 20)):
        _head(path, form).write_bytes(content)
        refusal(load)


@FORMATS
def test_metadata_damaged_anywhere_is_refused_or_harmless(tmp_path, form):
    path = write(tmp_path / "X.zarr", IMAGES, form)
    head = _head(path, form)
    content, damage, refused = head.read_bytes(), np.random.default_rng(0), []
    for place in damage.choice(len(content), size=120, replace=False):
        broken = bytearray(content)
        broken[place] = int(damage.integers(32, 127))
        head.write_bytes(broken)
        try:
            datasets.load(path, labels=LABELS)
        except InputError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert all(map(str.isprintable, refused))


@FORMATS
def test_array_larger_than_memory_is_refused_before_it_is_read_and_comes_in_parts(tmp_path, form, monkeypatch):
    path = group(tmp_path, form, X=IMAGES, y=LABELS)
    monkeypatch.setattr(memory, "fits", lambda n_bytes: n_bytes < IMAGES.nbytes)
    assert "array_parts" in refusal(lambda: datasets.load(path))
    assert sum(map(len, datasets.array_parts(path / "X", part_bytes=1))) == 90
    monkeypatch.setattr(memory, "fits", lambda n_bytes: n_bytes < 1000)
    assert "write smaller chunks" in refusal(lambda: datasets.array_parts(path / "X"))


def test_empty_array_is_refused(tmp_path):
    zarr.create_array(str(tmp_path / "X.zarr"), shape=(0, 4), dtype="u1")
    assert "is empty" in refusal(lambda: datasets.load(tmp_path / "X.zarr", labels=[]))


def test_without_zarr_one_line_says_what_to_install(tmp_path, monkeypatch):
    path = write(tmp_path / "X.zarr", IMAGES)
    monkeypatch.setitem(sys.modules, "zarr", None)
    assert refusal(lambda: datasets.load(path, labels=LABELS)).endswith("pip install 'fastcls[zarr]'")
