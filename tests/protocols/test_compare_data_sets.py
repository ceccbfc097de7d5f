"""`compare` takes data sets in place of arrays: their rows, labels and test rows."""

import numpy as np
import pytest

from fastcls import InputError, datasets
from fastcls.protocols import compare


def test_data_sets_are_compared_as_their_arrays():
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X, Z = (rng.standard_normal((60, 4)) + y[:, None] for _ in range(2))
    names = np.array(["cat", "dog", "owl"])[y]
    for labels in (y, names):
        sets = {"x": datasets.load((X, labels)), "z": datasets.load((Z, labels))}
        wanted = numbers_of({"x": X, "z": Z}, labels)
        assert numbers_of(sets) == numbers_of({"x": sets["x"], "z": Z}) == wanted
    sets = {name: datasets.train_test_split(one, random_state=0) for name, one in sets.items()}
    arrays = {name: one.X for name, one in sets.items()}, names_of(sets["x"], "y")
    wanted = numbers_of(*arrays, {name: one.X_test for name, one in sets.items()}, names_of(sets["x"], "y_test"))
    assert numbers_of(sets) == wanted
    assert [one.test_evaluations for one in sets.values()] == [1, 1]
    with pytest.warns(datasets.ReusedTestRowsWarning) as warned:
        compare(sets, presets="torchgeo-bench")
    assert warned[0].filename == __file__
    with pytest.raises(InputError, match=r"^x has test rows, but z has not: give"):
        compare({"x": sets["x"], "z": datasets.load((sets["z"].X, names_of(sets["z"], "y")))}, presets="torchgeo-bench")
    with pytest.raises(InputError, match=r"^the labels of x and z differ, first at row 0 \(0 and 1\)"):
        compare({"x": datasets.load((X, y)), "z": datasets.load((Z, (y + 1) % 3))}, presets="torchgeo-bench")


def names_of(data, part):
    return np.array(data.class_names)[getattr(data, part)]


def numbers_of(*data):
    """The table of a comparison without the times."""
    return [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in compare(*data, presets="torchgeo-bench").table
    ]
