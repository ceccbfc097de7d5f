"""A loaded model equals the saved one; other files are refused; an interrupted write leaves the old file."""

import contextlib
import errno
import json
import os
import pickle
import sys
import warnings

import numpy as np
import pytest
import safetensors
import safetensors.numpy
from _labels import LABELS
from _models import answers, fitted, refusal, rewritten, rows, saved
from sklearn.exceptions import NotFittedError

import fastcls
from fastcls import persistence
from fastcls._storage import safetensors as files
from fastcls._validation.errors import InputError

NAMES = sorted(persistence.classes())
DTYPES = ("uint8", "int8", "float16", "float32", "float64")


# the same model ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", NAMES)
def test_loaded_model_answers_with_the_same_bytes(tmp_path, name, dtype):
    model, Q = fitted(name, dtype), rows(dtype, n=17, seed=1)
    model.save(tmp_path / "m.safetensors")
    again = fastcls.load(tmp_path / "m.safetensors")
    assert type(again) is type(model)
    assert again.get_params() == model.get_params()
    assert answers(again, Q) == answers(model, Q)
    assert len(set(answers(model, Q).popitem()[1][0])) > 1  # the answers vary: equality says something


@pytest.mark.parametrize("name", NAMES)
def test_every_fitted_attribute_comes_back(tmp_path, name):
    model = fitted(name)
    model.save(tmp_path / "m")
    again = fastcls.load(tmp_path / "m")
    public = {key for key in vars(model) if key.endswith("_") and not key.startswith("_")}
    assert public <= set(vars(again)), sorted(public - set(vars(again)))
    for key in public:
        np.testing.assert_array_equal(getattr(again, key), getattr(model, key), err_msg=key)


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("name", [name for name in NAMES if hasattr(getattr(fastcls, name), "predict")])
def test_labels_keep_their_values_and_dtype(tmp_path, name, kind):
    model = fitted(name, labels=LABELS[kind])
    model.save(tmp_path / "m")
    classes = fastcls.load(tmp_path / "m").classes_
    assert classes.dtype == model.classes_.dtype
    assert classes.tolist() == model.classes_.tolist()


@pytest.mark.parametrize("dtype", DTYPES)
def test_training_rows_keep_their_dtype_and_stay_on_disk(tmp_path, dtype):
    X = rows(dtype, n=20_000, d=64)
    assert X.nbytes >= files.MAPPED_FROM_BYTES
    path = saved(tmp_path, X=X)
    (kept,) = fastcls.load(path)._rows.chunks
    assert isinstance(kept, np.memmap)
    assert kept.dtype == X.dtype
    assert kept.flags.c_contiguous
    assert not kept.flags.writeable
    np.testing.assert_array_equal(kept, X)


def test_small_arrays_are_writable_memory(tmp_path):
    model = fastcls.load(saved(tmp_path, "SoftmaxClassifier"))
    assert type(model.coef_) is np.ndarray
    model.coef_ += 1


@pytest.mark.parametrize("name", NAMES)
def test_metadata_is_saved_with_the_model(tmp_path, name):
    metadata = {"class_names": ["ä", "b"], "image_shape": (28, np.int64(28), 1), "preprocessing": {"resize": None}}
    fitted(name).save(tmp_path / "m", metadata=metadata)
    assert fastcls.load(tmp_path / "m").metadata_ == {**metadata, "image_shape": [28, 28, 1]}
    fitted(name).save(tmp_path / "m")
    assert fastcls.load(tmp_path / "m").metadata_ == {}


@pytest.mark.parametrize("container", ["pandas", "polars"])
@pytest.mark.parametrize("name", NAMES)
def test_names_of_features_come_back(tmp_path, name, container):
    frame_of = pytest.importorskip(container, reason=f"{container} is not installed").DataFrame
    names = [f"pixel {i}" for i in range(6)]
    frame = frame_of(dict(zip(names, rows("float64").T.copy(), strict=True)))
    model = fitted(name, X=frame)
    model.save(tmp_path / "m")
    for made in (model, fastcls.load(tmp_path / "m"), pickle.loads(pickle.dumps(model))):
        assert made.feature_names_in_.tolist() == names
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            expected = answers(made, frame)
        for ask in (getattr(made, way) for way in expected):
            with pytest.raises(ValueError, match="must be in the same order as they were in fit"):
                ask(frame[names[::-1]])
            with pytest.raises(ValueError, match="Feature names unseen at fit time:\n- other"):
                ask(frame.rename({"pixel 0": "other"}, **({"axis": 1} if container == "pandas" else {})))
        with pytest.warns(UserWarning, match="X does not have valid feature names, but .* was fitted with feature names"):
            assert answers(made, rows("float64")) == expected
    with pytest.warns(UserWarning, match="X has feature names, but .* was fitted without feature names"):
        answers(fitted(name, "float64"), frame)


def test_loaded_model_can_be_saved_over_its_own_file(tmp_path):
    path = saved(tmp_path, X=rows(n=20_000, d=64))
    model = fastcls.load(path)
    before = answers(model, rows(n=5, d=64))
    model.save(path)
    assert answers(model, rows(n=5, d=64)) == before
    assert answers(fastcls.load(path), rows(n=5, d=64)) == before


def test_strided_and_fortran_arrays_are_saved_in_row_order(tmp_path):
    X = np.asfortranarray(rows("float32", n=60, d=12))[::2, ::2]
    Q = rows("float32", n=5)
    model = fitted("KNeighborsClassifier", X=X)
    model.save(tmp_path / "m")
    assert answers(fastcls.load(tmp_path / "m"), Q) == answers(model, Q)
    linear = fitted("SoftmaxClassifier")
    linear.coef_ = np.asfortranarray(linear.coef_)
    linear.save(tmp_path / "m")
    np.testing.assert_array_equal(fastcls.load(tmp_path / "m").coef_, linear.coef_)


@pytest.mark.parametrize("name", NAMES)
def test_file_is_plain_safetensors_with_a_json_header(tmp_path, name):
    path = saved(tmp_path, name)
    with safetensors.safe_open(path, framework="np") as opened:
        header = opened.metadata()
    assert (header["format"], header["version"], header["class"]) == ("fastcls", "2", name)
    assert header["fastcls_version"] == fastcls.__version__
    for part in ("params", "classes", "features", "values", "metadata"):
        json.loads(header[part], parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))


# what cannot be saved ---------------------------------------------------------------------------------------------


def test_callable_parameter_is_refused(tmp_path):
    model = fitted("KNeighborsClassifier", weights=lambda d: 1 / (1 + d))
    with pytest.raises(InputError, match=r"parameter weights is a callable.*never a pickle"):
        model.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


UNSAVABLE = [np.random.RandomState(0), float("nan"), {1: 2}, object()]


@pytest.mark.parametrize("value", UNSAVABLE, ids=["state", "nan", "key", "object"])
def test_metadata_that_json_cannot_hold_is_refused_by_place(tmp_path, value):
    with pytest.raises(InputError, match=r"metadata\['a'\]\[1\] is"):
        fitted("NearestNeighbors").save(tmp_path / "m", metadata={"a": [0, value]})
    assert list(tmp_path.iterdir()) == []


def test_only_own_estimators_are_saved(tmp_path):
    class Mine(fastcls.NearestNeighbors):
        pass

    for model in (Mine().fit(rows()), type("NearestNeighbors", (fastcls.NearestNeighbors,), {})().fit(rows())):
        with pytest.raises(InputError, match="fastcls's own estimators"):
            model.save(tmp_path / "m")


@pytest.mark.parametrize("name", NAMES)
def test_unfitted_model_is_refused(tmp_path, name):
    with pytest.raises(NotFittedError):
        persistence._class_of(name)().save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_target_that_cannot_be_written_is_refused(tmp_path):
    model = fitted("NearestNeighbors")
    with pytest.raises(InputError, match="is a folder"):
        model.save(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        model.save(tmp_path / "missing" / "m")
    with pytest.raises(InputError, match="File name too long"):
        model.save(tmp_path / ("m" * 250))


# an interrupted write ---------------------------------------------------------------------------------------------


class Stopped(Exception):
    """Stands for a full disk, a lost connection, a Ctrl-C."""


def _half_a_file(path, arrays, header):
    path.write_bytes(b"half")
    raise Stopped


def _stop(*args, **options):
    raise Stopped


@pytest.mark.parametrize(
    ("where", "stop"),
    [("fastcls._storage.saving.write", _half_a_file), ("os.fsync", _stop), ("os.replace", _stop)],
    ids=["while writing", "before it is on disk", "before it has its name"],
)
def test_interrupted_write_leaves_the_old_file_whole_and_nothing_else(tmp_path, monkeypatch, where, stop):
    path = saved(tmp_path)
    old = path.read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr(where, stop)
        with pytest.raises(Stopped):
            fitted("KNeighborsClassifier", n_neighbors=1).save(path)
    assert path.read_bytes() == old
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    fitted("KNeighborsClassifier", n_neighbors=1).save(path)
    assert fastcls.load(path).n_neighbors == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions and symbolic links as POSIX has them")
def test_permissions_are_those_of_any_new_file_and_links_stay_links(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    path = saved(tmp_path)
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    link = tmp_path / "latest"
    link.symlink_to(path.name)
    fitted("KNeighborsClassifier", n_neighbors=2).save(link)
    assert link.is_symlink()
    assert fastcls.load(path).n_neighbors == 2


# a file that is no model ---------------------------------------------------------------------------------------------


def test_missing_file_and_folder_are_refused(tmp_path):
    assert "there is no file or folder" in refusal(tmp_path / "missing")
    assert "directory" in refusal(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="opens a pipe for reading and writing at once")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    kept_open = os.open(tmp_path / "pipe", os.O_RDWR)  # or who opens it waits for ever
    try:
        assert "is a pipe or a device" in refusal(tmp_path / "pipe")
    finally:
        os.close(kept_open)


def test_header_and_arrays_come_from_the_same_file(tmp_path, monkeypatch):
    path = saved(tmp_path)
    other = fitted("KNeighborsClassifier", X=rows(seed=5))
    header = files.read_header(path, "a model")
    with monkeypatch.context() as patched:
        patched.setattr(persistence, "read_header", lambda *args: (header, other.save(path))[0])
        assert "another program replaced the file while it was read" in refusal(path)


@pytest.mark.parametrize("name", ["MulticlassSVM", "SoftmaxClassifier"])
def test_the_path_of_a_checkpoint_is_not_saved(tmp_path, name):
    fitted(name, checkpoint=tmp_path / "state", resume=True, random_state=0).save(tmp_path / "m")
    assert b"state" not in (tmp_path / "m").read_bytes().replace(b"random_state", b"")
    header = files.read_header(tmp_path / "m", "a model")
    params = json.dumps({**json.loads(header["params"]), "checkpoint": "/somewhere", "resume": True})
    for path in (tmp_path / "m", rewritten(tmp_path / "m", {"params": params})):
        again = fastcls.load(path)
        assert (again.checkpoint, again.resume) == (None, False)


def test_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "model.pkl"
    for content in (b"", b"short", b"\x00" * 100, b"\xff" * 100, pickle.dumps({"a": np.zeros(99)}), b"PK\x03\x04" * 50):
        path.write_bytes(content)
        assert "not a whole safetensors file" in refusal(path)


@pytest.mark.parametrize("name", NAMES)
def test_file_cut_anywhere_is_refused(tmp_path, name):
    path = saved(tmp_path, name)
    content = path.read_bytes()
    for length in {0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1}:
        path.write_bytes(content[:length])
        refusal(path)
    path.write_bytes(content + b"x")
    refusal(path)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_damaged_at_any_byte_is_refused(tmp_path, name):
    """One wrong byte anywhere ends in one line, unless it says the same in JSON (a space, the case of a digit)."""
    path = saved(tmp_path, name)
    content = path.read_bytes()
    right = answers(fastcls.load(path), rows(n=17, seed=1))
    rng, taken = np.random.default_rng(0), 0
    for place in rng.choice(len(content), size=200, replace=False):
        broken = bytearray(content)
        broken[place] ^= int(rng.integers(1, 256))
        path.write_bytes(broken)
        with contextlib.suppress(InputError):
            assert answers(fastcls.load(path), rows(n=17, seed=1)) == right, place
            taken += 1
    assert taken < 5


def test_safetensors_file_of_somebody_else_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    for metadata in (None, {"format": "pt"}):
        safetensors.numpy.save_file({"W": np.zeros((2, 3))}, path, metadata=metadata)
        assert "not a fastcls model" in refusal(path)


def test_other_version_and_other_class_are_refused(tmp_path):
    path = saved(tmp_path)
    assert "format version '3'" in refusal(rewritten(path, {"version": "3", "fastcls_version": "9.0\n"}))
    path = saved(tmp_path)
    assert "class 'os.system'" in refusal(rewritten(path, {"class": "os.system"}))


@pytest.mark.parametrize(
    "header",
    [
        *({part: None} for part in ("params", "classes", "features", "values", "metadata")),
        *({part: "[" * 100_000} for part in ("params", "classes")),
        {"params": '{"n_neighbours": 5}'},
        {"params": "[]"},
        {"metadata": "[]"},
        {"features": '{"n": 5, "names": null}'},
        {"features": '{"n": 6, "names": ["a"]}'},
        {"features": '{"n": true, "names": null}'},
        {"classes": "null"},
        {"classes": '{"dtype": "<i8", "values": [0, 1]}'},
        {"classes": '{"dtype": "|u1", "values": [0, 1, 256]}'},
        {"classes": '{"dtype": "<U1", "values": ["a", "b", "cut"]}'},
        {"classes": '{"dtype": "<U999999999", "values": ["a", "b", "c"]}'},
        {"classes": '{"dtype": "|O", "values": [[], {}, null]}'},
        {"classes": '{"dtype": "no type", "values": [0, 1, 2]}'},
        {"classes": '{"dtype": "<i8", "values": [0, 2, 1]}'},
        {"classes": '{"dtype": "<i8", "values": [0, 1, 1]}'},
        {"classes": '{"dtype": "<f8", "values": [0.0, NaN, 1.0]}'},
        {"classes": '{"dtype": "<U1", "values": ["b", "a", "c"]}'},
    ],
    ids=lambda header: " ".join(f"{key} {text}"[:40] for key, text in header.items()),
)
@pytest.mark.parametrize("name", ["KNeighborsClassifier", "SoftmaxClassifier"])
def test_header_that_does_not_fit_is_refused(tmp_path, name, header):
    assert "is damaged" in refusal(rewritten(saved(tmp_path, name), header))


@pytest.mark.parametrize(
    "arrays",
    [
        {"X": None},
        {"codes": None},
        {"X": np.zeros(40, dtype=np.uint8)},
        {"X": np.zeros((40, 6), dtype=np.int32)},
        {"X": np.zeros((0, 6), dtype=np.uint8)},
        {"codes": np.zeros(39, dtype=np.int64)},
        {"codes": np.full(40, 3)},
        {"codes": np.full(40, -1)},
        {"codes": np.zeros(40, dtype=np.float64)},
        {"codes": np.zeros((40, 1), dtype=np.int64)},
    ],
    ids=[
        "no X",
        "no codes",
        "X flat",
        "X int32",
        "X empty",
        "codes short",
        "code high",
        "code low",
        "codes float",
        "codes 2-D",
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, arrays):
    """The kernels trust their caller, so a code out of range in a file must be refused before."""
    assert "is damaged" in refusal(rewritten(saved(tmp_path), arrays=arrays))


@pytest.mark.parametrize(
    "arrays",
    [{"coef_": None}, {"coef_": np.zeros((3, 5))}, {"coef_": np.zeros((2, 6))}, {"intercept_": np.zeros(4)}],
    ids=["none", "width", "height", "intercept"],
)
@pytest.mark.parametrize("name", ["MulticlassSVM", "SoftmaxClassifier"])
def test_weights_that_do_not_fit_are_refused(tmp_path, name, arrays):
    path = saved(tmp_path, name)
    with safetensors.safe_open(path, framework="np") as opened:
        stored = {key.rstrip("_"): key for key in opened.keys()}  # noqa: SIM118
    arrays = {stored[key.rstrip("_")]: array for key, array in arrays.items()}
    assert "is damaged" in refusal(rewritten(path, arrays=arrays))


def test_rows_that_changed_on_disk_are_refused_by_the_first_search_and_by_save(tmp_path):
    X = rows(n=20_000, d=64)
    path = saved(tmp_path, X=X)
    whole = path.read_bytes()
    place = whole.index(X.tobytes()) + 777_777
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    for act in (
        lambda model: model.predict(X[:1]),
        lambda model: model.kneighbors(),
        lambda model: model.save(tmp_path / "again"),
        lambda model: model.partial_fit(X[:1], [0]),
        lambda model: pickle.loads(pickle.dumps(model)).predict(X[:1]),
    ):
        model = fastcls.load(path)
        for _ in range(2):
            with pytest.raises(InputError, match=r"training data in .* is corrupt \(checksum mismatch\)"):
                act(model)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    path.write_bytes(whole)
    again = fastcls.load(path)
    assert (again.predict(X[:9]) == fitted("KNeighborsClassifier", X=X).predict(X[:9])).all()
    again.fit(X + np.uint8(1), np.arange(len(X)) % 3).predict(X[:1])


def test_growing_model_is_saved_without_joining_its_parts(tmp_path, monkeypatch):
    parts = [rows(n=80_000, d=64, seed=seed) for seed in range(3)]
    model = fastcls.NearestNeighbors(2)
    for part in parts:
        model.partial_fit(part)
    assert len(model._rows.chunks) == 3
    with monkeypatch.context() as patched:
        patched.setattr("numpy.concatenate", lambda *args, **options: pytest.fail("rows were copied"))
        model.save(tmp_path / "m")
    whole = fastcls.load(tmp_path / "m")
    np.testing.assert_array_equal(whole._rows.chunks[0], np.concatenate(parts))
    assert answers(whole, parts[0][:5]) == answers(model, parts[0][:5])


def test_array_of_a_type_that_numpy_lacks_is_refused(tmp_path):
    path = saved(tmp_path)
    content = path.read_bytes()
    assert content.count(b'"I64"') == 1
    path.write_bytes(content.replace(b'"I64"', b'"C64"'))
    assert "type C64" in refusal(path)


@pytest.mark.parametrize(("name", "param"), [("KNeighborsClassifier", "checkpoint"), ("SoftmaxClassifier", "n_neighbors")])
def test_a_parameter_that_the_class_lacks_is_refused_by_name(tmp_path, name, param):
    """Also one of those that other classes have and no file restores."""
    assert f"{name} has no parameter {param}" in refusal(rewritten(saved(tmp_path, name), {"params": f'{{"{param}": 1}}'}))


def test_rows_whose_sums_could_overflow_are_refused_in_a_file_too(tmp_path):
    """Small singles have no such limit: no sum of squares of 1e30 overflows."""
    for dtype, large in (("float64", 1e200), ("float32", 1e30)):
        X = rows(dtype)
        path = saved(tmp_path, dtype=dtype)
        X[2, 1] = large
        rewritten(path, arrays={"X": X})
        if dtype == "float32":
            assert fastcls.load(path).kneighbors(X[2:3], 1)[1].tolist() == [[2]]
            continue
        with pytest.raises(InputError, match=r"X has 1e\+200 at row 2, column 1; above .* could overflow"):
            fastcls.load(path).predict(X[:1])


def test_a_file_can_name_no_code_to_run(tmp_path):
    """A header that asks for a class outside the registry imports nothing."""
    import sys

    path = rewritten(saved(tmp_path), {"class": "this.Zen"})
    refusal(path)
    assert "this" not in sys.modules


def test_full_disk_names_the_file_and_what_to_do(tmp_path, monkeypatch):
    path = saved(tmp_path)
    old = path.read_bytes()

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(
        InputError, match=rf"cannot write the model to '.*{path.name}': No space left on device; free some space"
    ):
        fitted("KNeighborsClassifier", n_neighbors=1).save(path)
    assert path.read_bytes() == old
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
