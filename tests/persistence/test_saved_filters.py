"""A k-NN model from a file, a pickle or a copy filters its first search; wrong codes or levels in the file are refused."""

import copy
import io
import json
import os
import pickle
import shutil

import joblib
import numpy as np
import pytest
from _models import refusal, rewritten
from _saved_filters import changed, fine_filter_of, first_search, model, put, rows

import fastcls
from fastcls._storage import safetensors as files
from fastcls._validation.errors import InputError
from fastcls.neighbors import _loaded

CASES = [
    ("uint8", "l2", 1),
    ("uint8", "l1", 3),
    ("uint8", "cosine", 1),
    ("int8", "l1", 1),
    ("int8", "l2", 3),
    ("float16", "cosine", 1),
    ("float32", "l2", 3),
    ("float64", "l1", 1),
]


def by_pickle(made, path):
    return pickle.loads(pickle.dumps(made))


def by_joblib(made, path):
    stream = io.BytesIO()
    joblib.dump(made, stream)
    stream.seek(0)
    return joblib.load(stream)


def by_file(made, path):
    made.save(path)
    return fastcls.load(path)


def by_file_and_pickle(made, path):
    return by_pickle(by_file(made, path), path)


WAYS = [by_file, by_pickle, by_joblib, by_file_and_pickle, lambda m, _: copy.deepcopy(m), lambda m, _: copy.copy(m)]


@pytest.mark.parametrize(("dtype", "metric", "parts"), CASES)
def test_the_first_search_of_a_loaded_model_is_filtered_like_that_of_the_fitted_one(tmp_path, dtype, metric, parts):
    made, Q = model(dtype, metric, parts), rows(dtype, n=1, seed=2)
    right = first_search(made, Q)
    assert right[2] == "filter"
    case = CASES.index((dtype, metric, parts))
    for way in WAYS if case == 0 else (by_file, WAYS[1 + case % 5]):
        assert first_search(way(made, tmp_path / "m"), Q) == right
    size = (tmp_path / "m").stat().st_size
    limit = 1.6 if dtype in ("int8", "float16") else 1.35
    assert size <= limit * sum(chunk.nbytes for chunk in made._rows.chunks) + 1_500_000


def test_levels_of_a_loaded_model_are_chosen_again_as_those_of_the_fitted_one(tmp_path):
    made, Q = model(), rows(n=1000, seed=2)
    again = by_file(made, tmp_path / "m")
    for one in (made, again):
        one.kneighbors(Q, n_neighbors=40)
    chosen = [[(level.bound, level.bytes) for level in one.search_report_.levels] for one in (made, again)]
    assert chosen[0] == chosen[1]  # their counts depend on when the filter is given up, which depends on the clock
    grown = by_file(made, tmp_path / "m")
    for one in (made, grown):
        one.partial_fit(rows(n=5000, seed=3), np.zeros(5000, int))
    assert first_search(grown, Q) == first_search(made, Q)
    assert len(grown._rows.filters["l2"].chunks) == len(grown._rows.chunks)


@pytest.mark.parametrize("options", [{"codes": False}, {"rows": "external"}])
def test_missing_codes_are_computed_at_the_first_search_and_reported(tmp_path, options):
    np.save(tmp_path / "X.npy", rows())
    made = fastcls.KNeighborsClassifier(3).fit(np.load(tmp_path / "X.npy", mmap_mode="r"), np.arange(6000) % 4)
    Q = rows(n=1, seed=2)
    right = first_search(made, Q)
    made.save(tmp_path / "m", **options)
    again = fastcls.load(tmp_path / "m")
    assert first_search(again, Q) == right
    assert any("made the codes of 6,000 rows" in note for note in again.search_report_.notes)
    assert first_search(again, Q) == right
    assert not again.search_report_.notes


def test_a_decision_for_brute_force_and_a_tree_are_remembered(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (6000, 64)).astype(np.uint8)
    made = fastcls.NearestNeighbors(3).fit(noise)
    assert made._rows.filters == {"l2": None}
    again = by_file(made, tmp_path / "m")
    again.kneighbors(noise[:1000])
    assert again._rows.filters == {"l2": None}
    few = np.random.default_rng(0).normal(size=(20_000, 3))
    made = fastcls.NearestNeighbors(3).fit(few)
    right = first_search(made, few[:1])
    assert right[2] == "tree"
    for way in WAYS:
        again = way(made, tmp_path / "m")
        assert first_search(again, few[:1]) == right
    again = by_file(made, tmp_path / "m")
    again.kneighbors(few[:1])
    assert any("made the tree of 20,000 rows" in note for note in again.search_report_.notes)
    again.kneighbors(few[:1])
    assert not any("made the tree" in note for note in again.search_report_.notes)


def test_a_file_without_a_filter_is_searched_by_brute_force_as_before(tmp_path):
    made, Q = model(), rows(n=1, seed=2)
    made.save(tmp_path / "m", codes=False)
    values = json.loads(files.read_header(tmp_path / "m", "a model")["values"])
    del values["filter"]
    again = fastcls.load(rewritten(tmp_path / "m", {"values": json.dumps(values)}))
    found = first_search(again, Q)
    assert found[:2] == first_search(made, Q)[:2]
    assert found[2] == "brute"


def test_options_of_knn_models_are_refused_for_others(tmp_path):
    linear = fastcls.SoftmaxClassifier(max_iter=1).fit(rows(n=20), np.arange(20) % 2)
    for options in ({"codes": False}, {"rows": "external"}):
        with pytest.raises(InputError, match="SoftmaxClassifier has no training rows"):
            fastcls.persistence.save(linear, tmp_path / "m", **options)
    with pytest.raises(InputError, match="codes=1; wanted True or False"):
        model().save(tmp_path / "m", codes=1)
    assert not (tmp_path / "m").exists()


# a stranger's file ----------------------------------------------------------------------------------------------------


LEVEL = {"basis": 0, "first": 0, "n": 63, "s": 126.0, "step": 20.0, "residual_offset": 1.0, "fine": False}
DAMAGED_L2 = [
    ({"chosen": []}, {}),
    ({"chosen": [9]}, {}),
    ({"chosen": [-1]}, {}),
    ({"chosen": [0, 0]}, {}),
    ({"chosen": [True]}, {}),
    ({"chosen": [1, 0]}, {}),
    ({"k": 0}, {}),
    ({"seconds": -1.0}, {}),
    ({"scales": []}, {}),
    ({"scales": [3.0]}, {}),
    ({"scales": [2.0]}, {}),
    ({"levels": []}, {}),
    ({"levels": [LEVEL] * 5}, {}),
    ({"levels": [LEVEL | {"s": 1e-5}] * 2}, {}),
    ({"levels": [LEVEL | {"basis": 1}] * 2}, {}),
    ({"levels": [LEVEL | {"first": 10**6}] * 2}, {}),
    ({"levels": [LEVEL | {"n": 2**40}] * 2}, {}),
    ({"levels": [LEVEL | {"step": 0.0}] * 2}, {}),
    ({"levels": [LEVEL | {"residual_offset": "x"}] * 2}, {}),
    ({"levels": [LEVEL | {"fine": 1}] * 2}, {}),
    ({"chunks": [5999, 1]}, {}),
    ({"chunks": [6001]}, {}),
    ({"chunks": [6000, 0]}, {}),
    ({"chunks": [7000, -1000]}, {}),
    ({"chunks": [5999, 1.0]}, {}),
    ({"metric": "l1"}, {}),
    ({"kind": "other"}, {}),
    ({"learned_rows": 0}, {}),
    ({}, {"filter_A_0": lambda A: A[:, :-1].copy()}),
    ({}, {"filter_A_0": lambda A: A.astype(np.float32)}),
    ({}, {"filter_A_0": put(5, -128)}),
    ({}, {"filter_A_0": lambda A: np.zeros((513, A.shape[1]), A.dtype)}),
    ({}, {"filter_A_0": lambda A: np.full_like(A, 127)}),
    ({}, {"filter_center_0": put(5, np.nan)}),
    ({}, {"filter_center_0": put(5, 0.5)}),
    ({}, {"filter_center_0": put(5, 256)}),
    ({}, {"filter_offsets": put(5, np.inf)}),
    ({}, {"filter_errors_0": put(5, np.nan)}),
    ({}, {"filter_errors_0": put(5, -1)}),
    ({}, {"filter_errors_0": lambda e: e[:-1]}),
    ({}, {"filter_starts_0": put(5, 2**31 - 1)}),
    ({}, {"filter_starts_0": put(5, -(2**31))}),
    ({}, {"filter_codes_0": lambda c: c[:-1]}),
    ({}, {"filter_codes_0": lambda c: c[:, :-1].copy()}),
    ({}, {"filter_codes_1": put((5, 5), 2033)}),
    ({}, {"filter_codes_1": lambda c: c[::-1].copy()}),
    ({}, {"filter_codes_0": lambda c: c[::-1].copy()}),
    ({}, {"filter_starts_0": lambda c: c[::-1].copy()}),
    ({}, {"filter_errors_1": np.zeros_like}),
]


@pytest.fixture(scope="module")
def whole_file(tmp_path_factory):
    return fine_filter_of(model(), tmp_path_factory.mktemp("whole") / "m")


@pytest.mark.parametrize(("values", "arrays"), DAMAGED_L2, ids=", ".join)
def test_a_damaged_filter_is_refused_before_it_is_used(tmp_path, whole_file, values, arrays):
    path = tmp_path / "m"
    shutil.copy(whole_file, path)
    with pytest.raises(InputError, match=r"m' (is damaged|cannot be used)"):
        fastcls.load(changed(path, values, arrays)).predict(rows(n=1))


DAMAGED_L1 = [put(5, -2), put(5, 1024), put(5, 2**31 - 1), put(slice(2), 7), lambda order: order[:-1]]


@pytest.mark.parametrize("change", DAMAGED_L1)
def test_damaged_segments_are_refused(tmp_path, change):
    path = tmp_path / "m"
    model(metric="l1").save(path, codes=False)
    with pytest.raises(InputError, match=r"m' is damaged"):
        fastcls.load(changed(path, arrays={"filter_order": change})).predict(rows(n=1))


@pytest.mark.parametrize("metric", ["l1", "l2"])
def test_other_levels_that_are_valid_change_no_answer(tmp_path, metric):
    """Levels need not be trusted: whatever passes the checks bounds distances from below."""
    made, path, Q = model(metric=metric), tmp_path / "m", rows(n=20, seed=2)
    made.save(path, codes=False)
    right = first_search(made, Q)[:2]
    rng = np.random.default_rng(0)
    if metric == "l1":
        arrays = {"filter_order": rng.permutation, "filter_signs": lambda signs: -signs}
    else:
        arrays = {"filter_A_0": lambda A: A[::-1].copy(), "filter_center_0": np.zeros_like, "filter_offsets": np.ones_like}
        levels = json.loads(files.read_header(path, "a model")["values"])["filter"]["levels"]
        levels = [level | {"s": 1e5, "step": 3 * level["step"], "residual_offset": 7.0} for level in levels]
    again = fastcls.load(changed(path, {} if metric == "l1" else {"levels": levels}, arrays))
    again.set_params(algorithm="filter")
    assert first_search(again, Q)[:2] == right
    assert again.search_report_.path == "filter"


# the one check --------------------------------------------------------------------------------------------------------


def with_a_wrong_byte(path, X):
    whole = bytearray(path.read_bytes())
    whole[whole.index(X.tobytes()) + 77] ^= 1
    path.write_bytes(whole)


def test_rows_are_checked_once_and_the_time_is_reported_separately(tmp_path):
    model().save(tmp_path / "m")
    again, Q = fastcls.load(tmp_path / "m"), rows(n=1)
    again.predict(Q)
    (note,) = again.search_report_.notes
    assert note.startswith("checked ")
    assert "before this search, once" in note
    again.predict(Q)
    assert not again.search_report_.notes
    at_load = fastcls.load(tmp_path / "m", verify=True)
    at_load.predict(Q)
    assert "when it was loaded" in at_load.search_report_.notes[0]
    copied = pickle.loads(pickle.dumps(fastcls.load(tmp_path / "m")))
    copied.predict(Q)
    assert not copied.search_report_.notes


def test_verify_says_when_rows_are_checked(tmp_path, monkeypatch):
    made, Q, path = model(), rows(n=1, seed=2), tmp_path / "m"
    made.save(path)
    with_a_wrong_byte(path, made._rows.chunks[0])
    with pytest.raises(InputError, match="corrupt"):
        fastcls.load(path, verify=True)
    with pytest.raises(InputError, match="corrupt"):
        fastcls.load(path).predict(Q)
    for verify, words in ((False, "verify=False"), ("auto", "verify='auto' reads at most")):
        monkeypatch.setattr(_loaded, "CHECKED_BYTES", 1000)
        monkeypatch.setattr("fastcls.neighbors._base.CHECKED_BYTES", 1000)
        again = fastcls.load(path, verify=verify)
        for _ in range(2):
            again.predict(Q)
            assert any("were not compared with their checksum" in note for note in again.search_report_.notes)
            assert any(words in note for note in again.search_report_.notes)
            assert again.search_report_.path == "filter"
        with pytest.raises(InputError, match="corrupt"):  # a new file would have a right checksum
            again.save(tmp_path / "again")
    for verify in ("never", 1, None):
        with pytest.raises(InputError, match="verify=.* is unknown; choose one of: auto, True, False"):
            fastcls.load(path, verify=verify)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.process
def test_forks_that_share_a_model_check_it_once(tmp_path):
    model().save(tmp_path / "m")
    again, Q = fastcls.load(tmp_path / "m"), rows(n=1)
    children = []
    for _ in range(4):
        reader, writer = os.pipe()
        pid = os.fork()
        if not pid:
            again.predict(Q)
            os.write(writer, json.dumps([again.search_report_.path, *again.search_report_.notes]).encode())
            os._exit(0)
        os.close(writer)
        children.append((pid, reader))
    answers = []
    for pid, reader in children:
        answers.append(json.loads(os.read(reader, 1 << 16)))
        os.close(reader)
        os.waitpid(pid, 0)
    assert [path for path, *_ in answers] == ["filter"] * 4
    assert sum(any(note.startswith("checked ") for note in notes) for _, *notes in answers) == 1
    again.predict(Q)
    assert not any(note.startswith("checked ") for note in again.search_report_.notes)


def test_structure_is_checked_at_load(tmp_path):
    path = tmp_path / "m"
    model().save(path)
    assert "is damaged" in refusal(changed(path, {"kind": 7}))


def test_verify_true_compares_the_codes_of_every_row(tmp_path, whole_file):
    """One forged code among 6,000 rows: a sample would miss it most of the time, and no checksum shows it."""
    path = tmp_path / "m"
    shutil.copy(whole_file, path)
    forged = changed(path, arrays={"filter_codes_1": put((4321, 3), 77)})
    with pytest.raises(InputError, match="codes do not match the rows"):
        fastcls.load(forged, verify=True)


@pytest.mark.parametrize("pass_on", [copy.copy, copy.deepcopy, pickle.dumps], ids=lambda call: call.__name__)
def test_no_copy_makes_unchecked_rows_look_checked(tmp_path, pass_on):
    path, X = tmp_path / "m", rows()
    model().save(path)
    with_a_wrong_byte(path, X)
    loaded = fastcls.load(path, verify=False)
    with pytest.raises(InputError, match="checksum mismatch"):
        pass_on(loaded)


def test_save_refuses_options_that_it_does_not_know(tmp_path):
    made = model()
    with pytest.raises(InputError, match="'typo'"):
        fastcls.persistence.save(made, tmp_path / "m", rows="typo")
    with pytest.raises(InputError, match="codes"):
        fastcls.persistence.save(made, tmp_path / "m", codes="no")
    assert not list(tmp_path.iterdir())


def test_a_path_that_no_system_has_is_refused_in_one_line():
    with pytest.raises(InputError, match=r"^cannot open [^\n]*$"):
        fastcls.load("a\0b")


def test_a_copy_on_write_map_is_no_external_file(tmp_path):
    """Its private pages may differ from the file that the model would name."""
    np.save(tmp_path / "X.npy", rows())
    X = np.load(tmp_path / "X.npy", mmap_mode="c")
    made = fastcls.KNeighborsClassifier(3).fit(X, np.arange(len(X)) % 4)
    with pytest.raises(InputError, match="copy-on-write"):
        made.save(tmp_path / "m", rows="external")
    assert not (tmp_path / "m").exists()


def test_a_loaded_tree_that_was_searched_unchecked_can_be_saved(tmp_path):
    X = np.random.default_rng(0).normal(size=(50_000, 3))  # so many that load does not read them
    fastcls.NearestNeighbors(3).fit(X).save(tmp_path / "m")
    again = fastcls.load(tmp_path / "m", verify=False)
    right = first_search(again, X[:5])
    assert right[2] == "tree"
    again.save(tmp_path / "again")  # this checks the rows
    assert first_search(fastcls.load(tmp_path / "again"), X[:5]) == right


def test_a_filter_that_lacks_the_last_rows_can_be_saved(tmp_path):
    made = model()
    made.set_params(algorithm="brute").partial_fit(rows(n=700, seed=3), np.zeros(700, int))
    made.set_params(algorithm="auto")
    assert len(made._rows.filters["l2"].chunks) < len(made._rows.chunks)
    for way in (by_file, by_pickle):
        again = way(made, tmp_path / "m")
        Q = rows(n=5, seed=2)
        assert first_search(again, Q)[:2] == first_search(made, Q)[:2]
        assert again.search_report_.path == "filter"
