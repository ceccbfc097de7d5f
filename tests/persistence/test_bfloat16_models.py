"""Models with rows of bfloat16 on disk: half the bytes of float32, the same answers, and files that other programs read."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest
from _models import answers, refusal
from _rows import assert_same_bytes

import fastcls
from fastcls._storage import safetensors as files
from fastcls._validation.types import BFLOAT16, narrowed, widened

X = narrowed(np.random.default_rng(0).normal(size=(9000, 64)), BFLOAT16)
WIDE = widened(X)
Y = np.arange(len(X)) % 3


def fitted(rows, **options):
    return fastcls.KNeighborsClassifier(3, **options).fit(rows, Y)


@pytest.mark.parametrize("metric", ["l1", "l2", "cosine"])
def test_a_saved_model_has_half_the_bytes_and_the_same_answers(tmp_path, metric):
    model, single = (fitted(rows, algorithm="filter", metric=metric) for rows in (X, WIDE))
    wanted = answers(single, WIDE[:20])
    for made, name in ((model, "half"), (single, "single")):
        made.save(tmp_path / name, codes=False)
    sizes = [(tmp_path / name).stat().st_size for name in ("half", "single")]
    assert sizes[1] - sizes[0] == X.nbytes
    model.save(tmp_path / "with codes")
    for name in ("half", "with codes"):
        again = fastcls.load(tmp_path / name, verify=True)
        assert (again._rows.dtype, again._rows.chunks[0].flags.writeable) == (BFLOAT16, False)
        assert answers(again, X[:20]) == wanted
        assert again.search_report_.path == "filter"
    assert answers(pickle.loads(pickle.dumps(model)), X[:20]) == wanted
    assert len(pickle.dumps(model)) < len(pickle.dumps(single)) - 0.9 * X.nbytes


def test_other_programs_read_the_rows(tmp_path):
    fitted(X, algorithm="brute").save(tmp_path / "m")
    whole = (tmp_path / "m").read_bytes()
    length = int.from_bytes(whole[:8], "little")
    of_rows = json.loads(whole[8 : 8 + length])["X"]
    begin, end = of_rows["data_offsets"]
    assert (of_rows["dtype"], of_rows["shape"]) == ("BF16", [9000, 64])
    assert whole[8 + length + begin : 8 + length + end] == X.tobytes()
    load_file = pytest.importorskip(
        "safetensors.torch", reason="torch is not installed: it is too large for the tests"
    ).load_file
    np.testing.assert_array_equal(load_file(tmp_path / "m")["X"].float().numpy(), WIDE)


def test_rows_stay_in_a_file_of_their_own(tmp_path):
    np.save(tmp_path / "rows.npy", X)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    model = fitted(mapped)
    model.save(tmp_path / "m", rows="external")
    assert (tmp_path / "m").stat().st_size < X.nbytes / 4
    again = fastcls.load(tmp_path / "m")
    assert isinstance(again._rows.chunks[0], np.memmap)
    assert answers(again, X[:20]) == answers(fitted(WIDE), WIDE[:20])
    assert again.search_report_.copied_bytes == 0
    with (tmp_path / "rows.npy").open("r+b") as file:
        file.seek(-3, 2)
        file.write(b"\x7f")
    damaged = fastcls.load(tmp_path / "m")
    with pytest.raises(fastcls.InputError, match="checksum mismatch"):
        damaged.predict(X[:1])


def test_nan_in_a_file_is_refused(tmp_path):
    bad = X.copy()
    bad.view(np.uint16)[7, 3] = 0x7FC1
    model = fitted(X, algorithm="brute")
    model._rows.chunks[0] = bad  # as another program may write it, with a checksum that fits
    model.save(tmp_path / "m")
    with pytest.raises(fastcls.InputError, match=r"X contains NaN \(first at row 7, column 3\)"):
        fastcls.load(tmp_path / "m").predict(X[:1])


def test_a_type_without_numbers_is_refused(tmp_path):
    fitted(X, algorithm="brute").save(tmp_path / "m")
    header = dict(files.read_header(tmp_path / "m", "a model"))
    files.write(tmp_path / "n", {**files.Arrays(tmp_path / "m", header), "X": X.view(np.uint16)}, unsigned(header))
    assert "array X is uint16" in refusal(tmp_path / "n")


def unsigned(header):
    return {name: text for name, text in header.items() if name not in ("digests", "checksum")}


def test_tensors_of_any_file(tmp_path):
    files.write(tmp_path / "f", {"X": [X[:5], X[5:9]], "y": Y[:9]}, {})
    tensors = files.Tensors(tmp_path / "f")
    assert tensors.types["X"] == "BF16"
    assert_same_bytes([tensors["X"]], [X[:9]])
