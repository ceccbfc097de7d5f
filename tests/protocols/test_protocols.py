"""Published protocols: results equal those of plain NumPy, parts give the result of the whole, refusals are one line."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from _embeddings import embeddings, halves, nearest_means, unit
from _plain_protocols import CONSTANTS, agree, mteb_v1_draws, prepared, reference

import fastcls
from fastcls._search import merge
from fastcls._validation.errors import InputError
from fastcls._validation.rows import CheckedRows
from fastcls.protocols import KNN_PRESETS, PROBE_PRESETS, _probe, _shards, compare, few_shot, knn_eval, linear_probe
from fastcls.protocols._draws import dino_draw, draw


@pytest.mark.parametrize("preset", [name for name in KNN_PRESETS if name != "mteb-v1-knn"])
def test_accuracies_are_those_of_plain_numpy(preset):
    train, y, test, y_test = halves()
    ks, weights, temperature = CONSTANTS[preset]
    expected, open_ones = reference(
        *[part for pair in zip(prepared(preset, train, test), (y, y_test), strict=True) for part in pair],
        ks,
        weights,
        temperature,
        KNN_PRESETS[preset].metrics[0],
    )
    table = knn_eval(train, y, test, y_test, preset=preset)
    assert table["k"] == list(ks)
    assert max(open_ones.values()) <= 1  # else the comparison says little
    agree(table, expected, open_ones, len(test))
    assert 0.2 < table["top1"][0] < 0.95  # neither chance nor certainty
    assert all(five > one for one, five in zip(table["top1"], table["top5"], strict=True))


@pytest.mark.parametrize("seed", [None, 5])
def test_draws_of_mteb_v1_are_those_of_plain_numpy(seed):
    train, y, test, y_test = halves(seed=3)
    _, codes = np.unique(y, return_inverse=True)
    scores = {"cosine": [], "l2": []}
    for rows in mteb_v1_draws(y, 42 if seed is None else seed):
        assert np.bincount(codes[rows]).tolist() == [8] * 7
        for metric, so_far in scores.items():
            found, open_ones = reference(train[rows], y[rows], test, y_test, [3], "uniform", None, metric)
            assert open_ones == {3: 0}
            so_far.append(found[3][0] / len(test))
    table = knn_eval(train, y, test, y_test, preset="mteb-v1-knn", random_state=seed)
    assert table.settings["seed"] == (42 if seed is None else seed)
    assert table["metric"] == ["cosine", "l2", "better"]
    better = np.maximum(scores["cosine"], scores["l2"])
    wanted = [np.mean(scores["cosine"]), np.mean(scores["l2"]), better.mean()]
    np.testing.assert_allclose(table["top1"], wanted, rtol=1e-12)
    np.testing.assert_allclose(table["std"][2], better.std(ddof=1), rtol=1e-12)
    assert table["std"][0] > 0  # the draws differ


def test_draws_take_all_rows_of_a_small_class_and_each_other_row_equally_often():
    codes = np.repeat([0, 1, 2], [3, 40, 40])
    drawn = [draw(codes, 8, np.random.default_rng(seed)) for seed in range(400)]
    assert all(np.bincount(codes[rows]).tolist() == [3, 8, 8] for rows in drawn)
    often = np.bincount(np.concatenate(drawn))[3:]
    assert often.min() > 40
    assert often.max() < 125  # 80 expected, standard deviation 8


FLOATS = (np.float16, np.float32, np.float64)


@pytest.mark.parametrize(
    ("preset", "dtype"), [(name, dtype) for at, name in enumerate(KNN_PRESETS) for dtype in (np.uint8, FLOATS[at % 3])]
)
def test_parts_give_the_result_of_the_whole(preset, dtype, tmp_path, monkeypatch):
    if KNN_PRESETS[preset].n_draws:
        monkeypatch.setitem(KNN_PRESETS, preset, replace(KNN_PRESETS[preset], n_draws=3))
    train, y, test, y_test = halves(seed=1)
    if dtype == np.uint8:  # full of ties
        train, test = (np.clip(2 * rows + 3, 0, 255) for rows in (train, test))
    train, test = train.astype(dtype), test.astype(dtype)
    np.save(tmp_path / "rows.npy", train)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    whole = knn_eval(train, y, test, y_test, preset=preset, random_state=0)
    cuts = (
        np.split(train, [1]),
        iter(np.split(train, [5, 205, 206, 400])),
        np.split(train, range(60, 540, 60)),
        [mapped[:200], mapped[200:]],
    )
    for parts in cuts if dtype == np.uint8 else cuts[1::2]:
        assert knn_eval(parts, y, test, y_test, preset=preset, random_state=0).rows == whole.rows


def test_neighbours_of_parts_are_those_of_the_whole():
    from fastcls._search.rows import Rows
    from fastcls._validation.rows import check_rows

    rng = np.random.default_rng(0)
    X, Q = rng.integers(3, size=(300, 4)).astype(np.uint8), rng.integers(3, size=(40, 4)).astype(np.uint8)
    for metric in ("l1", "l2", "cosine"):
        distances, indices = fastcls.knn(Q, X, 50, metric)
        for cuts in ([10], [1, 2, 100], [299]):
            parts = [check_rows(part) for part in np.split(X, cuts)]
            for find in (merge.nearest, merge.nearest_at_once):
                S, found = find(parts, Rows([Q]), 50, metric, 2)
                np.testing.assert_array_equal(found, indices)
                np.testing.assert_array_equal(np.sqrt(S) if metric == "l2" else S, distances)


@pytest.mark.parametrize("cuts", [[1], [1023, 1024, 1025], [700, 1500, 2047], list(range(10, 3000, 10))])
def test_centred_rows_of_parts_are_those_of_the_whole_byte_for_byte(cuts):
    from fastcls._validation.rows import check_rows
    from fastcls.protocols import _shards

    X, _ = embeddings(n=3000)
    whole, parts = [check_rows(X)], [check_rows(part) for part in np.split(X, cuts)]
    mean = _shards.mean_of(whole)
    np.testing.assert_allclose(mean, X.mean(axis=0, dtype=np.float64), rtol=1e-12)
    assert _shards.mean_of(parts).tobytes() == mean.tobytes()
    rows = _shards.centered(whole, mean)
    np.testing.assert_allclose(rows, unit(X - mean), atol=1e-6)
    assert _shards.centered(parts, mean).tobytes() == rows.tobytes()


def test_presets_and_docstrings_have_the_published_constants():
    assert {name: (one.ks, one.weights, one.temperature) for name, one in KNN_PRESETS.items()} == CONSTANTS
    assert (KNN_PRESETS["mteb-v1-knn"].per_class, KNN_PRESETS["mteb-v1-knn"].n_draws) == (8, 10)
    lines = knn_eval.__doc__.splitlines()
    for name, (ks, _, temperature) in CONSTANTS.items():
        (line,) = [line for line in lines if line.strip().startswith(f'"{name}" ') and "/" in line]
        assert " ".join(map(str, ks)) in line
        assert temperature is None or f"exp(s/{temperature:g})" in line
        assert KNN_PRESETS[name].source.split(",")[0] in line
    for name, preset in PROBE_PRESETS.items():
        assert f'"{name}":' in linear_probe.__doc__
        assert preset.source.split(",")[0].split()[0] in linear_probe.__doc__


def test_a_label_missing_from_training_counts_as_an_error():
    train, y, test, y_test = halves()
    strange = y_test.copy()
    strange[::3] = "never seen"
    table, known = knn_eval(train, y, test, strange, preset="dino"), knn_eval(train, y, test[1::3], y_test[1::3])
    rest = knn_eval(train, y, test[2::3], y_test[2::3])
    np.testing.assert_allclose(np.array(table["top5"]) * 150, np.array(known["top5"]) * 50 + np.array(rest["top5"]) * 50)


def test_ks_above_the_number_of_rows_are_dropped_with_a_warning():
    train, y, test, y_test = halves(n=300)
    with pytest.warns(UserWarning, match="k = 200 left out: the training set has only 150 rows"):
        assert knn_eval(train, y, test, y_test)["k"] == [10, 20, 100]


@pytest.mark.parametrize(("n_rows", "ks"), [(150, [10, 20, 100, 150]), (8, [8])])
def test_ks_of_dinov3_are_at_most_the_number_of_rows(n_rows, ks):
    """eval_knn: sorted(set([el if el < len(train_features) else len(train_features) for el in knn_config.ks]))."""
    train, y, test, y_test = halves(n=300)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = knn_eval(train[:n_rows], y[:n_rows], test, y_test, preset="dinov3")
    assert found["k"] == ks
    one = knn_eval(train[:n_rows], y[:n_rows], test, y_test, preset="dinov3").rows[-1]
    assert one == found.rows[-1]


# few rows per class ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_parts", [False, True])
def test_few_shot_accuracy_is_that_of_plain_numpy(in_parts):
    train, y, test, y_test = halves(seed=2)
    _, codes = np.unique(y, return_inverse=True)
    given = iter(np.split(train, [100, 333])) if in_parts else train
    table = few_shot(given, y, test, y_test, n_per_class=[1, 5], n_tries=4, random_state=9)
    for n, line in zip((1, 5), table, strict=True):
        drawn = [draw(codes, n, np.random.default_rng([9, n, number])) for number in range(4)]
        scores = [np.mean(nearest_means(train[rows], y[rows], test) == y_test) for rows in drawn]
        assert line["n_per_class"] == n
        np.testing.assert_allclose([line["top1"], line["std"]], [np.mean(scores), np.std(scores, ddof=1)], rtol=1e-12)


def test_shares_below_one_row_are_noted():
    X, y = np.arange(60.0).reshape(30, 2), np.repeat([0, 1], [10, 20])
    rows = X, y, X[:4], y[:4]
    table = few_shot(*rows, n_per_class=[0.06, 0.5], n_tries=1, random_state=0)
    assert table["n_rows"] == [2, 15]
    assert table.settings["note"] == "a share of 0.06 is less than one row of 1 of 2 classes: it takes one"
    both = few_shot(*rows, n_per_class=[0.01, 15], n_tries=1, random_state=0).settings["note"]
    assert both.startswith(
        "1 of 2 classes has fewer than 15 rows: every try takes all of them; a share of 0.01 is less than"
    )
    assert "note" not in few_shot(*rows, n_per_class=[0.1, 1.0, 10], n_tries=1, random_state=0).settings


def test_few_shot_k_nn_uses_the_ks_that_the_rows_allow():
    train, y, test, y_test = halves(seed=2)
    _, codes = np.unique(y, return_inverse=True)
    table = few_shot(train, y, test, y_test, n_per_class=[5, 24], n_tries=2, preset="dinov2", random_state=0)
    assert list(zip(table["n_per_class"], table["k"], strict=True)) == [(5, 5), (24, 10), (24, 20), (24, 24)]
    rows = [dino_draw(codes, 24, number) for number in range(2)]
    found = [reference(train[some], y[some], test, y_test, [10, 20, 24], "softmax", 0.07, "cosine") for some in rows]
    for line in list(table)[1:]:
        mean = np.mean([one[line["k"]] for one, _ in found], axis=0) / len(test)
        slack = sum(open_ones[line["k"]] for _, open_ones in found) / len(test)
        np.testing.assert_allclose([line["top1"], line["top5"]], mean, atol=slack + 1e-12)


# the table, refusals -----------------------------------------------------------------------------------------------------


def test_table_prints_and_becomes_a_data_frame():
    pandas = pytest.importorskip("pandas")
    train, y, test, y_test = halves()
    table = knn_eval(train, y, test, y_test)
    lines = str(table).splitlines()
    assert lines[0] == "k-NN by the protocol of dino: 550 training, 150 test rows"
    assert lines[1] == "metric cosine, weights softmax, temperature 0.07"
    assert lines[2].replace("95 % interval", "interval").split()[:4] == ["k", "top1", "interval", "top5"]
    assert [line.split()[0] for line in lines[4:-1]] == ["10", "20", "100", "200"]
    assert lines[-1].startswith("AP: average precision")
    assert len({len(line) for line in lines[2:-1]}) == 1
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.to_dict("records") == list(table)
    assert frame.attrs == {"title": lines[0], **table.settings}
    assert table.settings["temperature"] == 0.07


def test_the_heading_of_every_table_names_the_settings():
    rows = halves(n=400, n_test=100)

    def heading(table):
        return str(table).splitlines()[1]

    assert heading(knn_eval(*rows, preset="uni")) == "metric l2, weights uniform, centred"
    assert (
        heading(knn_eval(*rows, preset="mteb-v1-knn", random_state=0))
        == "weights uniform, rows per class 8, draws 10, seed 0"
    )
    few = {"n_per_class": 2, "n_tries": 2, "random_state": 3}
    assert heading(few_shot(*rows, **few)) == "metric l2, centred, seed 3"
    assert heading(few_shot(*rows, preset="dinov2", **few)) == "metric cosine, weights softmax, temperature 0.07, seed 3"
    assert heading(linear_probe(*rows, preset="uni-torch")) == "max_iter 1000, tol 1e-06, penalty norm"
    assert heading(linear_probe(*rows, preset="uni")) == "max_iter 1000, tol 1e-06"  # no rows are drawn
    assert heading(fastcls.evaluate_k(*rows, [1], metric="l1")) == "metric l1, weights uniform, tie_break smallest"
    table = fastcls.evaluate_k(*rows, [1], weights="softmax", temperature=0.5)
    assert heading(table) == "metric l2, weights softmax, temperature 0.5, tie_break smallest"
    assert heading(fastcls.evaluate_k(*rows, [1], weights=np.ones_like)).startswith("metric l2, weights ones_like, ")
    with pytest.raises(InputError, match=r"column='top2' is unknown; did you mean 'top5'\? It is one of: k, top1, top1_low"):
        table["top2"]


def call(what=knn_eval, **changes):
    train, y, test, y_test = halves()
    given = {"train": train, "y": y, "test": test, "y_test": y_test, **changes}
    return lambda: what(given.pop("train"), given.pop("y"), given.pop("test"), given.pop("y_test"), **given)


def cut(at, **options):
    return np.split(halves(**options)[0], at)


REFUSALS = {
    "unknown preset": (lambda: call(preset="dimo"), "did you mean 'dino'? It is one of: dino, dinov2, dinov3, moco"),
    "unknown probe": (lambda: call(linear_probe, preset="clib"), "did you mean 'clip'? It is one of: clip, dinov2, dinov3"),
    "unknown few": (
        lambda: call(few_shot, preset="x", n_per_class=1, n_tries=1),
        "choose one of: uni, dinov2, dinov3, mteb",
    ),
    "no array": (lambda: call(train="rows.npy"), "train is the text 'rows.npy'; wanted rows of numbers"),
    "rows and labels": (lambda: call(train=halves()[:2]), "y has 550 labels, but train has 2 rows"),
    "labels": (lambda: call(y=halves()[1][:-1]), "y has 549 labels, but train has 550 rows; wanted one label for each row"),
    "few labels": (
        lambda: call(y=halves()[1][:99], preset="moco"),
        "y has 99 labels, but train has 550 rows; wanted one label for each row",
    ),
    "labels of parts": (lambda: call(train=iter(cut([300])), y=halves()[1][:-1]), "but train has 550 rows or more"),
    "too many labels": (lambda: call(y=np.arange(551) % 2), "y has 551 labels, but train has 550 rows"),
    "few parts": (lambda: call(train=iter(cut([300])[:1])), "y has 550 labels, but train has 300 rows"),
    "no part": (lambda: call(train=iter([])), "train is empty; wanted at least one array of rows"),
    "widths": (lambda: call(train=[np.zeros((2, 3)), np.zeros((2, 4))]), "train[1] has 4 features, train[0] has 3"),
    "types": (lambda: call(train=iter([np.zeros((2, 12)), np.zeros((2, 12), np.uint8)])), "train[1] is uint8"),
    "nan": (lambda: call(train=[np.zeros((2, 12)), np.full((2, 12), np.nan)]), "train[1] contains NaN"),
    "test width": (lambda: call(test=np.zeros((150, 5))), "test has 5 features and train has 12"),
    "test width of parts": (lambda: call(train=iter(cut([9])), test=np.zeros((150, 5))), "test has 5 features"),
    "test width, centred": (lambda: call(test=np.zeros((150, 5)), preset="uni"), "test has 5 features"),
    "other labels": (lambda: call(y_test=np.arange(150)), "no label of y"),
    "few rows": (
        lambda: call(train=halves()[0][:99], y=halves()[1][:99], preset="moco"),
        "needs at least 200 training rows",
    ),
    "random_state": (lambda: call(random_state=-1), "random_state=-1"),
    "n_per_class": (lambda: call(few_shot, n_per_class=[], n_tries=2), "n_per_class is empty"),
    "n_per_class 2.5": (lambda: call(few_shot, n_per_class=2.5, n_tries=2), "n_per_class=2.5"),
    "n_per_class 0": (lambda: call(few_shot, n_per_class=0, n_tries=2), "n_per_class=0"),
    "n_tries": (lambda: call(few_shot, n_per_class=1, n_tries=0), "n_tries=0"),
    "one class": (lambda: call(linear_probe, y=np.zeros(550, int), y_test=np.zeros(150, int)), "class"),
    "validation": (lambda: call(linear_probe, validation=np.zeros((3, 12))), "pair (rows, labels)"),
    "validation labels": (
        lambda: call(linear_probe, validation=(np.zeros((2, 12), np.float32), ["class 1", "class 9"])),
        "validation[1] holds the label 'class 9'",
    ),
    "validation type": (
        lambda: call(linear_probe, validation=(np.zeros((1, 12)), ["class 1"])),
        "validation[0] is float64",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusal_is_one_clear_line(name):
    make, said = REFUSALS[name]
    with pytest.raises(InputError) as caught:
        make()()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_mean_has_the_same_bits_wherever_parts_of_the_rows_end():
    X = np.random.default_rng(0).normal(size=(3000, 7))
    whole = _shards.mean_of([CheckedRows(X, 0, ())])
    parts = [CheckedRows(part, 0, ()) for part in np.split(X, [1, 700, 701, 1900])]
    assert _shards.mean_of(parts).tobytes() == whole.tobytes()


def test_of_equally_accurate_strengths_a_probe_takes_the_smallest(monkeypatch):
    monkeypatch.setattr(_probe._Sweep, "all", lambda self: dict.fromkeys(self.chosen.exponents, 0.5))
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    X = rng.normal(size=(60, 4)) + np.eye(3, 4)[y] * 4
    table = linear_probe(X, y, X, y, preset="dinov2", validation=(X, y), random_state=0)
    assert table.settings["C"] == 10.0 ** min(PROBE_PRESETS["dinov2"].exponents)


def test_columns_of_training_and_test_frames_have_the_same_names():
    pd = pytest.importorskip("pandas", reason="pandas is not installed")
    train, y, test, y_test = halves()
    names = [f"f{place}" for place in range(train.shape[1])]
    frame, same = pd.DataFrame(train, columns=names), pd.DataFrame(test, columns=names)
    swapped, parts = same[names[::-1]], [frame[:200], frame[200:]]
    assert list(knn_eval(parts, y, same, y_test, preset="dino")) == list(knn_eval(train, y, test, y_test, preset="dino"))
    for ask in (
        lambda rows: knn_eval(frame, y, rows, y_test, preset="dino"),
        lambda rows: knn_eval(iter(parts), y, rows, y_test, preset="moco"),
        lambda rows: knn_eval(frame, y, rows, y_test, preset="mteb-v1-knn"),
        lambda rows: knn_eval([parts[0], parts[1][rows.columns]], y, test, y_test, preset="dino"),
        lambda rows: few_shot(frame, y, rows, y_test, n_per_class=1, n_tries=1),
        lambda rows: linear_probe(frame, y, rows, y_test, preset="clip"),
        lambda rows: linear_probe(train, y, same, y_test, preset="clip", validation=(rows, y_test)),
        lambda rows: compare({"a": frame, "b": train}, y, {"a": rows, "b": test}, y_test),
    ):
        with pytest.raises(InputError, match="in another order: give both in one order"):
            ask(swapped)


class Tensor:
    """As a tensor of torch: ``size`` is a method."""

    def __init__(self, values):
        self.values = np.asarray(values)
        self.shape, self.dtype, self.ndim = self.values.shape, self.values.dtype, self.values.ndim

    def size(self):
        return self.shape

    def __len__(self):
        return len(self.values)

    def __array__(self, dtype=None, copy=None):
        return self.values if dtype is None else self.values.astype(dtype)


def test_labels_may_be_tensors():
    from fastcls.protocols import compare, knn_eval

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(60, 5)).astype("f4"), np.arange(60) % 3
    plain, given = (knn_eval(X, of(y), X, of(y), preset="dino").to_csv() for of in (np.asarray, Tensor))
    assert plain == given
    pair = {"a": X, "b": -X}
    assert "dino" in str(compare(pair, Tensor(y), pair, Tensor(y), presets="dino"))


@pytest.mark.parametrize("evaluate", [knn_eval, linear_probe, few_shot])
def test_no_training_rows_are_refused(evaluate):
    more = {"n_per_class": 1, "n_tries": 1} if evaluate is few_shot else {}
    rows = np.ones((4, 3), dtype=np.float32)
    for train in (rows[:0], []):
        with pytest.raises(InputError, match="no labels, so there is no training row"):
            evaluate(train, np.zeros(0, dtype=int), rows, [0, 1, 0, 1], **more)
