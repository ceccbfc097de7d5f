"""Files that name their rows in another order: ``fastcls compare`` and ``fastcls run`` refuse them."""

from pathlib import Path

import numpy as np
import pytest
from _command import cli, here
from _tables import write_csv, write_npz

__all__ = ["here"]  # the fixture that every test here is under

N = 60
NAMES = [f"img_{row:03d}" for row in np.random.default_rng(0).permutation(N)]
Y = np.arange(N) % 3
X = np.random.default_rng(1).standard_normal((N, 3)) + Y[:, None]
OTHER = np.random.default_rng(2).permutation(N)


@pytest.fixture(autouse=True)
def files(here):
    """Each pair of files has the same rows, in two orders."""
    for name, rows in (("a", np.arange(N)), ("b", OTHER)):
        named = {"id": [NAMES[row] for row in rows]}
        write_csv(here / f"{name}.csv", named | {f"f{at}": X[rows, at] for at in range(3)})
        write_csv(here / f"{name}_labelled.csv", named | {f"f{at}": X[rows, at] for at in range(3)} | {"label": Y[rows]})
        write_csv(here / f"y_{name}.csv", named | {"label": Y[rows]})
        write_npz(here / f"{name}.npz", named | {"X": X[rows], "y": Y[rows]})


@pytest.mark.parametrize(
    "words",
    [
        ["compare", "a_labelled.csv", "b.csv"],
        ["compare", "b.csv", "a.npz"],
        ["compare", "a.csv", "n=a.npz", "--labels", "y_b.csv"],
        ["compare", "a.csv", "n=a.npz", "--labels", "y_a.csv", "--test", "b.csv,a.npz", "--test-labels", "y_b.csv"],
        ["compare", "a.csv", "n=a.npz", "--labels", "y_a.csv", "--test", "a.csv,a.npz", "--test-labels", "y_b.csv"],
        ["run", "a.csv", "--labels", "y_b.csv"],
        ["run", "a.npz", "--labels", "y_b.csv"],
    ],
)
def test_rows_in_another_order_are_refused(words):
    done = cli(*words)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert "do not have the same rows in the same order: 'id' of row 0 is " in done.stderr
    assert not list(Path().glob("fastcls-*"))


def test_the_same_whole_numbers_in_another_order_are_refused(here):
    numbers = np.random.default_rng(3).choice(9000, N, replace=False)
    for name, rows in (("u", np.arange(N)), ("v", OTHER)):
        write_csv(here / f"{name}.csv", {"asset": numbers[rows]} | {f"f{at}": X[rows, at] for at in range(3)})
        write_csv(here / f"y_{name}.csv", {"asset": numbers[rows], "label": Y[rows]})
    for words in (["compare", "u.csv", "v.csv", "--labels", "y_u.csv"], ["run", "u.csv", "--labels", "y_v.csv"]):
        done = cli(*words)
        assert done.exit_code == 2
        assert f"do not have the same rows in the same order: 'asset' of row 0 is '{numbers[0]}' in " in done.stderr
        assert "leave it out (--drop 'asset')" in done.stderr
    done = cli("run", "u.csv", "--labels", "y_v.csv", "--drop", "asset", "--ks", "1", "--models", "knn")
    assert done.exit_code == 0, done.stderr


def test_test_files_with_training_rows_are_noted(here):
    for name, rows in (("c", np.arange(20)), ("d", np.arange(15, 25))):
        write_csv(here / f"{name}.csv", {"file": NAMES[rows[0] : rows[-1] + 1], "a": X[rows, 0], "label": Y[rows]})
        write_csv(here / f"{name}2.csv", {"b": X[rows, 0], "label": Y[rows]})
    done = cli("compare", "c.csv", "c2.csv", "--test", "d.csv,d2.csv", "--preset", "dino")
    assert done.exit_code == 0, done.stderr
    assert f"'c.csv' and 'd.csv': 5 test rows have the 'file' of a training row, such as '{NAMES[15]}'" in " ".join(
        done.stderr.split()
    )
