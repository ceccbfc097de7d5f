"""The same values give the same answer, refusal and note in every container."""

import logging
import unicodedata

import numpy as np
import pytest
from _pairwise import pairwise

import fastcls
from fastcls import LinearProblem, datasets, knn, pairwise_distances
from fastcls._validation.errors import InputError
from fastcls._validation.rows import check_rows

pandas = pytest.importorskip("pandas")

VALUES = np.random.default_rng(0).integers(0, 100, (12, 4))
Y = np.arange(12) % 3


class WithArray:
    """A tensor of another library, which NumPy reads by __array__."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array if dtype is None else self.array.astype(dtype)


class WithDlpack:
    """A tensor that can only be handed over by DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Columns:
    """A data frame like those of polars: columns that are arrays."""

    def __init__(self, array):
        self.array, self.shape, self.columns = array, array.shape, [f"c{i}" for i in range(array.shape[1])]

    def __len__(self):
        return len(self.array)

    def iter_columns(self):
        return iter(self.array.T.copy())


class Subclass(np.ndarray):
    pass


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def swapped(array):
    return array.astype(array.dtype.newbyteorder())


def mixed_frame(array):
    """One column of another type, which can hold its values."""
    frame = pandas.DataFrame(array)
    small = abs(frame[1].astype(float)).max() < 100 and array.dtype.kind != "b"
    return frame.assign(**{"1": frame.pop(1).astype("float16" if small else array.dtype)})[[0, "1", 2, 3]].set_axis(
        range(4), axis=1
    )


def of_file(tmp_path, array):
    np.save(tmp_path / "rows.npy", array)
    return np.load(tmp_path / "rows.npy", mmap_mode="r")


#: containers that keep the type of their values
TYPED = {
    "array": lambda array: array,
    "Fortran order": np.asfortranarray,
    "every second column": lambda array: np.repeat(array, 2, axis=1)[:, ::2],
    "read-only": read_only,
    "byte order": swapped,
    "subclass": lambda array: array.view(Subclass),
    "nothing masked": np.ma.masked_array,
    "matrix": lambda array: np.asmatrix(array),
    "list of arrays": list,
    "__array__": WithArray,
    "__dlpack__": WithDlpack,
    "columns": Columns,
    "data frame": pandas.DataFrame,
    "data frame, byte order": lambda array: pandas.DataFrame(swapped(array)),
}
#: containers that do not: Python's own numbers, or several types
OTHER = {
    "list": lambda array: array.tolist(),
    "tuples": lambda array: tuple(map(tuple, array.tolist())),
    "objects": lambda array: array.astype(object),
    "data frame of objects": lambda array: pandas.DataFrame(array.astype(object)),
    "data frame of nullable columns": lambda array: pandas.DataFrame(array).convert_dtypes(),
    "data frame of several types": mixed_frame,
}
DTYPES = ("uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "bool", "float16", "float32", "float64")

ESTIMATORS = {
    "KNeighborsClassifier": {"n_neighbors": 2},
    "KNeighborsClassifierCV": {"ks": [1, 2], "cv": 2, "random_state": 0},
    "NearestClassMean": {},
    "NearestNeighbors": {"n_neighbors": 2},
    "MulticlassSVM": {"max_iter": 2, "random_state": 0, "tol": None},
    "SoftmaxClassifier": {"max_iter": 2, "random_state": 0, "tol": None},
    "MulticlassSVMCV": {"alphas": [0.1], "learning_rates": [0.01], "cv": 2, "max_iter": 2, "random_state": 0},
    "SoftmaxClassifierCV": {"alphas": [0.1], "learning_rates": [0.01], "cv": 2, "max_iter": 2, "random_state": 0},
}


def values_as(dtype):
    return (VALUES % 2 if dtype == "bool" else VALUES).astype(dtype)


SWEEPS = [name for name in ESTIMATORS if name.endswith("CV")]  # these train several times, of the rows that others are given
ALIKE = pairwise([name for name in ESTIMATORS if name not in SWEEPS], DTYPES, [*TYPED, *OTHER])
ALIKE += pairwise(SWEEPS, DTYPES, ["byte order", "list", "data frame of objects", "__dlpack__"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "dtype"), sorted({case[:2] for case in ALIKE}))
def test_estimators_give_the_same_answer_for_every_container(name, dtype):
    """Every two of estimator, type and container; `check_rows` is tried with all of them below."""
    array = values_as(dtype)

    def answers(given):
        model = getattr(fastcls, name)(**ESTIMATORS[name])
        model.fit(given) if name == "NearestNeighbors" else model.fit(given, Y)
        found = model.kneighbors(given)[0] if name == "NearestNeighbors" else model.predict(given)
        return np.asarray(found, dtype=float), np.asarray(getattr(model, "coef_", 0.0))

    wanted = {True: answers(array), False: answers(array.astype(np.float64))}
    for container in [container for *of, container in ALIKE if of == [name, dtype]]:
        kept, make = container in TYPED, {**TYPED, **OTHER}[container]
        for found, right in zip(answers(make(array)), wanted[kept], strict=True):
            if kept or "float" not in dtype:
                np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5, err_msg=container)
            if kept:
                np.testing.assert_array_equal(found, right, err_msg=container)


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_rows_and_the_same_note(dtype, tmp_path, caplog):
    caplog.set_level(logging.INFO, "fastcls")
    array = values_as(dtype)
    plain = check_rows(array)
    assert len(plain.notes) == (dtype not in ("uint8", "int8", "float16", "float32", "float64"))
    for container, make in {**TYPED, "memory map": lambda array: of_file(tmp_path, array)}.items():
        caplog.clear()
        found = check_rows(make(array))
        np.testing.assert_array_equal(found.rows, plain.rows, err_msg=container)
        assert (found.rows.dtype, found.notes) == (plain.rows.dtype, plain.notes), container
        assert [record.getMessage() for record in caplog.records] == list(plain.notes)
    for container, make in OTHER.items():
        found = check_rows(make(array))
        np.testing.assert_array_equal(found.rows, plain.rows, err_msg=container)
        assert len(found.notes) <= 1, container
        from_object = "object" in container
        assert not from_object or "object converted to float64" in found.notes[0]


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
@pytest.mark.parametrize("container", [*TYPED, *OTHER])
def test_whole_numbers_that_float64_cannot_hold_are_refused_everywhere(container, dtype):
    array = VALUES.astype(dtype)
    array[3, 2] = 2**53 + 1
    given = {**TYPED, **OTHER}[container](array)
    calls = [
        lambda: knn(given, VALUES, 1),
        lambda: knn(VALUES, given, 1),
        lambda: pairwise_distances(given, VALUES),
        lambda: LinearProblem(given, Y),
        lambda: fastcls.NearestNeighbors().fit(VALUES).kneighbors(given, 1),
    ]
    calls += [lambda name=name: getattr(fastcls, name)(**ESTIMATORS[name]).fit(given, Y) for name in ESTIMATORS]
    for call in calls:
        with pytest.raises(InputError, match=r"above 2\^53"):
            call()
    with pytest.raises(InputError, match=r"2\^53"):
        datasets.load((given, Y))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_rows_between_addresses_are_copied_to_where_c_may_read_them(dtype):
    array = values_as(dtype)
    unaligned = np.frombuffer(b"\0" + array.tobytes(), np.uint8)[1:].view(dtype).reshape(array.shape)
    assert not unaligned.flags.aligned
    found = check_rows(unaligned).rows
    assert found.flags.aligned
    np.testing.assert_array_equal(found, array)


def test_lists_of_whole_numbers_and_fractions_keep_their_digits_or_are_refused():
    with pytest.raises(InputError, match=r"above 2\^53"):
        check_rows([[2**53 + 1, 0.5], [1, 2]])
    with pytest.raises(InputError, match=r"above 2\^53"):
        check_rows([[2**70, 1], [1, 2]])
    assert check_rows([[2**53, 0.5], [1e300, 2]]).rows[0, 0] == 2.0**53


def test_small_floats_of_other_packages_become_single_floats():
    ml_dtypes = pytest.importorskip("ml_dtypes")
    found = check_rows((VALUES % 8).astype(ml_dtypes.float8_e4m3fn))
    assert found.rows.dtype == np.float32
    np.testing.assert_array_equal(found.rows, VALUES % 8)
    assert found.notes == ("X: float8_e4m3fn converted to float32",)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_labels_in_every_container(name):
    if name == "NearestNeighbors":
        return
    words = np.array(["cat", "dog", "bird"])[Y]
    series = pandas.Series(words)
    for labels in (words, words.astype(object), words.tolist(), series, series.astype("category"), series.astype("string")):
        model = getattr(fastcls, name)(**ESTIMATORS[name]).fit(VALUES.astype(float), labels)
        assert model.classes_.tolist() == ["bird", "cat", "dog"]
        assert model.classes_.dtype.kind == "U"
    for labels in (Y.astype(object), pandas.Series(Y, dtype="Int64"), swapped(Y), tuple(Y.tolist()), Y.astype(np.uint8)):
        model = getattr(fastcls, name)(**ESTIMATORS[name]).fit(VALUES.astype(float), labels)
        assert model.classes_.tolist() == [0, 1, 2]
        assert model.classes_.dtype.kind in "iu"


def test_arrays_in_memory_load_from_every_container():
    wanted = datasets.load((VALUES, Y)).X
    for container, make in {**TYPED, **OTHER}.items():
        found = datasets.load((make(VALUES), Y.astype(object)))
        np.testing.assert_array_equal(found.X, wanted, err_msg=container)


def test_classes_that_look_alike_are_reported():
    names = [unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD")]
    labels = [names[i % 2] for i in range(12)]
    with pytest.warns(UserWarning, match=r"look alike, 'cafe\\u0301' and 'caf\\xe9'"):
        fastcls.KNeighborsClassifier().fit(VALUES, labels)
    note, *_ = datasets.load((VALUES, labels)).notes
    assert "look alike" in note


def test_rows_too_small_for_cosine_are_refused():
    small = np.full((3, 5), 1e-160)
    rows = np.ones((3, 5))
    for call in (
        lambda: knn(small, rows, 1, "cosine"),
        lambda: knn(rows, small, 1, "cosine"),
        lambda: pairwise_distances(rows, small, "cosine"),
        lambda: fastcls.KNeighborsClassifier(metric="cosine").fit(small, [0, 1, 1]),
        lambda: fastcls.NearestNeighbors(metric="cosine").fit(rows).kneighbors(small, 1),
        lambda: fastcls.KNeighborsClassifierCV([1], ("cosine",), cv=2).fit(small, [0, 0, 1]),
    ):
        with pytest.raises(InputError, match=r"row 0.*row of zeros: scale the data up"):
            call()
    assert pairwise_distances(np.zeros((1, 5)), rows, "cosine").tolist() == [[1, 1, 1]]
    np.testing.assert_allclose(pairwise_distances(rows * 1e-150, rows, "cosine"), 0, atol=1e-15)


def test_underflowing_squares_equal_the_reference():
    """Under L2 rows 1e-170 apart are at distance 0, in the order of their index: so the arithmetic of the reference says."""
    rows = np.array([[0.0, 3e-170], [0.0, 0.0], [0.0, 1e-170]])
    distances, indices = knn(rows[1:2], rows, 3, "l2")
    assert (distances.tolist(), indices.tolist()) == ([[0, 0, 0]], [[0, 1, 2]])
    assert knn(rows[1:2], rows, 3, "l1")[1].tolist() == [[1, 2, 0]]
    np.testing.assert_array_equal(fastcls.reference.rank_distances(rows, rows, "l2"), pairwise_distances(rows, rows, "l2"))


def test_columns_of_two_data_frames_have_the_same_names():
    frame = pandas.DataFrame(VALUES, columns=list("abcd"))
    other = frame[list("badc")]
    asked = {
        "Q has the columns of X": [
            lambda rows: knn(rows, frame, 1),
            lambda rows: pairwise_distances(rows, frame),
        ],
        "Y has the columns of X": [lambda rows: fastcls.duplicates(frame, rows)],
        "test has the columns of train": [lambda rows: fastcls.model_selection.evaluate_k(frame, Y, rows, Y, [1])],
    }
    for words, functions in asked.items():
        for ask in functions:
            ask(frame)
            ask(VALUES)
            ask(other.set_axis(range(4), axis=1))  # numbers are no names
            with pytest.raises(InputError, match=f"{words} in another order: give both in one order"):
                ask(other)
            with pytest.raises(InputError, match="have different columns, the first lacks 'd' and also has 'e'"):
                ask(frame.rename(columns={"d": "e"}))
