"""EMNIST's IDX files: names of the sets, characters as class names, upright images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from _layouts import write_idx
from _refused import check_refused

from fastcls import datasets

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 7, 9), dtype=np.uint8)


def write_emnist(folder: Path, which: str, labels: np.ndarray, ending: str = "") -> None:
    folder.mkdir(exist_ok=True)
    for part, rows in (("train", slice(0, 20)), ("test", slice(20, 30))):
        write_idx(folder / f"emnist-{which}-{part}-images-idx3-ubyte{ending}", PIXELS[rows].transpose(0, 2, 1))
        write_idx(folder / f"emnist-{which}-{part}-labels-idx1-ubyte{ending}", labels[rows])


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize(
    ("which", "first", "names"),
    [("letters", 1, "ABC"), ("digits", 0, "012"), ("balanced", 35, "Zab"), ("byclass", 35, "Zab"), ("bymerge", 35, "Zab")],
)
def test_a_set_has_its_characters_upright(which: str, first: int, names: str, ending: str, tmp_path: Path) -> None:
    write_emnist(tmp_path, which, first + np.arange(30) % 3, ending)
    (tmp_path / f"emnist-{which}-mapping.txt").write_text("0 48")
    data = datasets.load(tmp_path)
    np.testing.assert_array_equal(data.X, PIXELS[:20].reshape(20, -1))
    np.testing.assert_array_equal(data.X_test, PIXELS[20:].reshape(10, -1))
    assert data.image_shape == (7, 9, 1)
    assert [data.class_names[code] for code in data.y[:3]] == list(names)


def test_one_of_several_sets_is_chosen_by_a_file(tmp_path: Path) -> None:
    write_emnist(tmp_path, "letters", 1 + np.arange(30) % 3)
    write_emnist(tmp_path, "digits", np.arange(30) % 3)
    check_refused(
        lambda: datasets.load(tmp_path), "several data sets ('digits', 'letters'): give the path of one of the files"
    )
    data = datasets.load(tmp_path / "emnist-letters-train-images-idx3-ubyte")
    assert len(data.class_names) == 26
    assert data.notes == ("EMNIST's images are stored transposed; they were turned upright",)


def test_labels_outside_the_set_and_unknown_sets_are_refused(tmp_path: Path) -> None:
    write_emnist(tmp_path / "a", "letters", np.arange(30) % 3)
    check_refused(lambda: datasets.load(tmp_path / "a"), "has the label 0 at row 0; wanted labels 1 to 26")
    write_emnist(tmp_path / "b", "balanced", np.full(30, 47))
    check_refused(lambda: datasets.load(tmp_path / "b"), "has the label 47 at row 0; wanted labels 0 to 46")
    write_emnist(tmp_path / "c", "runes", np.arange(30) % 3)
    check_refused(lambda: datasets.load(tmp_path / "c"), "the set 'runes' of EMNIST, which is not known")
