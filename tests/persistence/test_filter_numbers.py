"""Numbers of a saved filter: each limit is that of what can be saved, in every part of the rows, and changes no answer."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from _saved_filters import changed, fine_filter_of, first_search, model, put, rows

import fastcls
from fastcls._search.filter import stored
from fastcls._storage import safetensors as files
from fastcls._validation.errors import InputError


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    return fine_filter_of(model(), tmp_path_factory.mktemp("whole") / "m")


@pytest.fixture(scope="module")
def file_of_two_parts(tmp_path_factory):
    made = model(parts=3)
    assert [len(chunk) for chunk in made._rows.chunks] == [4000, 2000]
    return fine_filter_of(made, tmp_path_factory.mktemp("parts") / "m")


OF_PARTS = [
    {"filter_errors_0": put(5999, -1)},
    {"filter_starts_0": put(5999, 2**31 - 1)},
    {"filter_codes_1": put((5999, 5), 2033)},
    {"filter_codes_1": put((5999, 5), -2033)},
]


@pytest.mark.parametrize("arrays", OF_PARTS, ids=", ".join)
def test_damage_in_the_last_part_of_the_rows_is_refused(tmp_path, file_of_two_parts, arrays):
    path = tmp_path / "m"
    shutil.copy(file_of_two_parts, path)
    with pytest.raises(InputError, match=r"m' is damaged"):
        fastcls.load(changed(path, {}, arrays)).predict(rows(n=1))


def test_limits_of_a_filters_numbers_are_those_that_codes_can_reach(tmp_path, whole_file):
    """At a limit a number is compared with the rows, one step beyond it is refused at once."""
    width = 64
    largest = 128 * 127 * width
    for name, place, limit in (
        ("filter_starts_0", 5, largest),
        ("filter_starts_0", 5, -largest - 127 * 127 * width // 2 - 1),
        ("filter_codes_1", (5, 5), 16 * 127),
        ("filter_codes_1", (5, 5), -16 * 127),
    ):
        for value, words in ((limit, "cannot be used"), (limit + int(np.sign(limit)), "is damaged")):
            shutil.copy(whole_file, tmp_path / "m")
            with pytest.raises(InputError, match=rf"m' {words}"):
                fastcls.load(changed(tmp_path / "m", {}, {name: put(place, value)}), verify=True)


@pytest.mark.parametrize("sign", [-1, 1])
def test_scales_and_projections_of_a_loaded_filter_change_no_answer_up_to_their_limits(tmp_path, sign):
    made, Q = model("float32"), rows("float32", n=5, seed=2)
    made.save(tmp_path / "m", codes=False)
    right = first_search(made, Q)[:2]
    levels = json.loads(files.read_header(tmp_path / "m", "a model")["values"])["filter"]["levels"]
    wide = {"levels": [level | {"s": 1e9} if level["basis"] == 0 else level for level in levels]}
    unit = {"step": 1e290} if sign < 0 else {"step": 1e-290, "s": 1e290}  # of distance: 0 or infinity
    no_unit = {"scales": [2.0 ** (470 * sign), 1.0], "levels": [levels[0] | unit, *levels[1:]]}
    for values, arrays, fits in (
        ({"scales": [2.0 ** (470 * sign), 1.0]}, {}, True),
        ({"scales": [2.0 ** (471 * sign), 1.0]}, {}, False),
        (no_unit, {}, False),
        ({"scales": [1.0, 2.0]}, {}, False),  # the features themselves have no scale
        ({"levels": [level | {"s": 0.9 * level["s"]} if level["basis"] == 0 else level for level in levels]}, {}, False),
        (wide, {"filter_A_0": put((0, 0), 2.0 * sign)}, True),
        (wide, {"filter_A_0": put((0, 0), 2.000001 * sign)}, False),
        (wide, {"filter_A_0": lambda A: np.resize(A, (512, A.shape[1]))}, True),
        (wide, {"filter_A_0": lambda A: np.resize(A, (513, A.shape[1]))}, False),
    ):
        forged = changed(shutil.copy(tmp_path / "m", tmp_path / "forged"), values, arrays)
        if fits:
            assert first_search(fastcls.load(forged).set_params(algorithm="filter"), Q)[:2] == right
        else:
            with pytest.raises(InputError, match="forged' is damaged"):
                fastcls.load(forged).predict(Q)


@pytest.mark.parametrize("n_levels", [4, 5])
def test_a_filter_has_at_most_four_levels_and_bytes_have_no_scale(tmp_path, n_levels):
    made, Q = model(), rows(n=5, seed=2)
    made.save(tmp_path / "m", codes=False)
    first = json.loads(files.read_header(tmp_path / "m", "a model")["values"])["filter"]["levels"][0]
    values = {"levels": [first] * n_levels, "chosen": [0]}
    arrays = {"filter_offsets": lambda offsets: np.tile(offsets[: first["n"]], n_levels)}
    forged = changed(shutil.copy(tmp_path / "m", tmp_path / "forged"), values, arrays)
    if n_levels == 4:
        right = first_search(made, Q)[:2]
        assert first_search(fastcls.load(forged).set_params(algorithm="filter"), Q)[:2] == right
        forged = changed(forged, {"scales": [2.0]})
    with pytest.raises(InputError, match="forged' is damaged"):
        fastcls.load(forged).predict(Q)


def test_sizes_of_parts_are_whole_positive_and_add_up_to_the_rows():
    assert stored.chunk_sizes({"chunks": [5, 4]}, 9) == [5, 4]
    for sizes in ([9, 0], [10, -1], [5, 4.0], [8, True], [5, 5], [], "9", None):
        with pytest.raises(ValueError, match="chunk"):
            stored.chunk_sizes({"chunks": sizes}, 9)


def test_codes_are_compared_as_the_numbers_that_they_are():
    """As bytes without a sign, -1 and 0 would be far apart."""
    kinds = {("l1", False): np.uint8, ("l2", False): np.int8, ("l2", True): np.int16}
    for (kind, fine), wanted in kinds.items():
        assert stored._type_of(SimpleNamespace(kind=kind, fine=fine)) is wanted
