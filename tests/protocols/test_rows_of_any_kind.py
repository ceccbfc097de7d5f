"""Rows and labels in anything that has a shape, a type and slices; and lists of tables of any package."""

import itertools

import numpy as np
import pytest

from fastcls import KNeighborsClassifier, evaluate_k, knn
from fastcls._validation.errors import InputError
from fastcls.protocols import few_shot, knn_eval, linear_probe

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(90, 6)).astype(np.float32), np.arange(90) % 3
NUMBERS = itertools.count()
TEST, TRUTH = X[:30] + np.float32(0.1), Y[:30]


class Sliced:
    """The least that rows on disk offer."""

    def __init__(self, values):
        self.shape, self.dtype, self._values = values.shape, values.dtype, values

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self._values[rows]


def hdf5(values):
    h5py = pytest.importorskip("h5py")
    name = f"{next(NUMBERS)}.h5"
    return h5py.File(name, "w", driver="core", backing_store=False).create_dataset("X", data=values)


def mapped(values, folder):
    np.save(folder / "rows.npy", values)
    return np.load(folder / "rows.npy", mmap_mode="r")


def made(kind, values, folder):
    if kind == "sliced":
        return Sliced(values)
    if kind == "zarr":
        return pytest.importorskip("zarr").array(values)
    if kind == "polars":
        return pytest.importorskip("polars").DataFrame(values)
    return hdf5(values) if kind == "h5py" else mapped(values, folder)


EVALUATIONS = {
    "knn_eval": lambda train, y, test: knn_eval(train, y, test, TRUTH, preset="torchgeo-bench"),
    "linear_probe": lambda train, y, test: linear_probe(train, y, test, TRUTH, preset="uni"),
    "mteb": lambda train, y, test: linear_probe(train, y, test, TRUTH, preset="mteb"),
    "few_shot": lambda train, y, test: few_shot(train, y, test, TRUTH, n_per_class=3, n_tries=2, random_state=0),
    "labels": lambda train, y, test: knn_eval(train, np.eye(3)[Y], test, np.eye(3)[TRUTH], preset="mteb-multilabel"),
}


@pytest.mark.parametrize("kind", ["sliced", "zarr", "h5py", "mapped", "polars"])
@pytest.mark.parametrize("name", EVALUATIONS)
def test_rows_on_disk_give_the_numbers_of_the_array(name, kind, tmp_path):
    evaluation = EVALUATIONS[name]
    wanted = evaluation(X, Y, TEST).rows
    whole = made(kind, X, tmp_path)
    assert evaluation(whole, Y, TEST).rows == wanted
    assert evaluation(X, Y, made(kind, TEST, tmp_path) if kind != "mapped" else TEST).rows == wanted
    if kind != "polars":
        assert evaluation(X, made(kind, Y, tmp_path), TEST).rows == wanted
    if kind in ("sliced", "zarr", "polars"):
        parts = [made(kind, X[:50], tmp_path), made(kind, X[50:], tmp_path)]
        assert evaluation(parts, Y, TEST).rows == wanted
    if kind == "sliced":
        with pytest.raises(InputError, match="y has 89 labels, but train has 90 rows"):
            knn_eval(whole, Y[:89], TEST, TRUTH)


def test_estimators_and_functions_read_slices():
    model = KNeighborsClassifier(3).fit(Sliced(X), Sliced(Y))
    assert (model.predict(Sliced(TEST)) == KNeighborsClassifier(3).fit(X, Y).predict(TEST)).all()
    assert evaluate_k(Sliced(X), Sliced(Y), Sliced(TEST), Sliced(TRUTH), [1]).rows == evaluate_k(X, Y, TEST, TRUTH, [1]).rows


@pytest.mark.parametrize("first", [45, 50])
def test_a_list_of_frames_is_refused_in_one_line_where_parts_are_not_taken(first):
    polars = pytest.importorskip("polars")
    frames = [polars.DataFrame(X[:first]), polars.DataFrame(X[first:])]
    labels = [polars.DataFrame({"y": Y[:first]}), polars.DataFrame({"y": Y[first:]})]
    for refused in (lambda: KNeighborsClassifier(3).fit(frames, Y), lambda: knn(TEST, frames, 1)):
        with pytest.raises(InputError, match="X is a list of 2 tables; wanted a single one: join them"):
            refused()
    with pytest.raises(InputError, match="y is a list of 2 tables"):
        KNeighborsClassifier(3).fit(X, labels)
    with pytest.raises(InputError, match="y "):
        knn_eval(X, labels, TEST, TRUTH)
    with pytest.raises(
        InputError, match=r"X is a list of 2 tables; wanted a single one: join them with np.concatenate\(X\)"
    ):
        knn(TEST, [X[:50], X[50:]], 1)
