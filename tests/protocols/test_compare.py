"""`compare`: the same rows and draws for every representation, paired tests, agreement, finished parts on disk."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binomtest, ttest_rel
from sklearn.metrics import cohen_kappa_score
from sklearn.neighbors import KNeighborsClassifier

from fastcls import InputError, datasets, protocols
from fastcls._scoring.numbers import Answers, measure
from fastcls._scoring.pairs import alone, compare_all, difference_intervals, holm
from fastcls._storage import safetensors
from fastcls.model_selection._folds import make_folds
from fastcls.protocols import _compare, _names, _presets, compare, few_shot, knn_eval, linear_probe
from fastcls.protocols._comparison import Line, compared, summarized
from fastcls.protocols._parts import PartsFolder

RNG = np.random.default_rng(0)
N, CLASSES = 240, 4
Y = np.arange(N) % CLASSES
#: three representations of the same rows, from good to useless
ROWS = {
    "sharp": (RNG.standard_normal((N, 6)) + 1.5 * np.eye(CLASSES, 6)[Y]).astype(np.float32),
    "dull": (RNG.standard_normal((N, 5)) + 0.8 * np.eye(CLASSES, 5)[Y]).astype(np.float64),
    "noise": RNG.integers(0, 256, (N, 4)).astype(np.uint8),
}
KNN = "torchgeo-bench"  # k = 5 under L2, equal votes: scikit-learn's default


@pytest.fixture(scope="module")
def found():
    return compare(ROWS, Y, presets=[KNN, "mteb-few-shot"], n_per_class=[1, 2], n_tries=3)


@pytest.fixture(scope="module")
def predicted():
    """Predictions of scikit-learn on the same hold-out, by name, and the true classes."""
    train, test = datasets.train_validation_split(Y, validation_size=0.2, random_state=0)
    models = {name: KNeighborsClassifier(5).fit(X[train].astype(float), Y[train]) for name, X in ROWS.items()}
    return {name: model.predict(ROWS[name][test].astype(float)) for name, model in models.items()}, Y[test], test


def pairs_of(found, protocol):
    return [row for row in found.pairs if row["protocol"] == protocol]


def test_p_values_are_those_of_scipy_and_statsmodels(found, predicted):
    answers, truth, _ = predicted
    p_values = []
    for row in pairs_of(found, KNN):
        one, two = (answers[row[which]] == truth for which in ("first", "second"))
        only = int((one & ~two).sum()), int((two & ~one).sum())
        assert (row["only_first"], row["only_second"]) == only
        assert row["p_value"] == pytest.approx(binomtest(only[0], sum(only)).pvalue, rel=1e-12)
        p_values.append((row["p_value"], [[int((one & two).sum()), only[0]], [only[1], int((~one & ~two).sum())]]))
    assert len(p_values) == 3
    assert p_values[1][0] < 0.01
    tables = pytest.importorskip("statsmodels.stats.contingency_tables", reason="statsmodels is the second opinion")
    for p_value, table in p_values:
        assert p_value == pytest.approx(tables.mcnemar(table, exact=True).pvalue, rel=1e-12)
    multitest = pytest.importorskip("statsmodels.stats.multitest", reason="statsmodels is the second opinion")
    assert found.pairs["p_holm"] == pytest.approx(multitest.multipletests(found.pairs["p_value"], method="holm")[1])


def test_p_values_of_means_over_tries_are_those_of_a_paired_t_test():
    rng = np.random.default_rng(1)
    truth = np.zeros(400, int)
    good, fair = (rng.random((5, 400)) < share for share in (0.1, 0.3))
    ((_, _, pair),) = compare_all(truth, [good.astype(int), fair.astype(int)])
    assert pair.p_value == pytest.approx(ttest_rel((good == 0).mean(axis=0), (fair == 0).mean(axis=0)).pvalue)
    assert pair.p_value < 1e-9  # so that it stays significant after a correction for many pairs
    for other, wanted in ((good.astype(int), 1.0), (np.ones((5, 400), int), 0.0)):
        ((_, _, pair),) = compare_all(truth, [good.astype(int) if wanted else np.zeros((5, 400), int), other])
        assert pair.p_value == pytest.approx(wanted, abs=1e-9)


def test_tables_and_pairs_have_the_same_p_values(found):
    train, test = datasets.train_validation_split(Y, validation_size=0.2, random_state=0)
    tables = {
        name: few_shot(X[train], Y[train], X[test], Y[test], classifier="linear", n_per_class=[1, 2], n_tries=3)
        for name, X in ROWS.items()
    }
    for pair in pairs_of(found, "mteb-few-shot"):
        assert tables[pair["first"]].p_values(tables[pair["second"]])[1] == pair["p_value"]


def test_pairs_of_which_every_row_differs_by_one_try_of_three_have_a_sign_test():
    right = np.array([[1, 1, 0, 1, 1], [1, 0, 0, 1, 1], [1, 0, 1, 1, 0]])  # 3, 1, 1, 3, 2 of the three tries
    fewer = np.array([[1, 0, 0, 0, 1], [0, 0, 0, 1, 0], [1, 0, 0, 1, 0]])  # 1 - 2/3 is not 1/3 in floats
    ((_, _, pair),) = compare_all(np.ones(5, int), [right, fewer])
    assert pair.difference == pytest.approx(1 / 3)
    assert pair.p_value == 0.0625


def test_holm_steps_down_and_never_falls():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])  # 0.04 x 1 is below 0.03 x 2
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_agreement_and_difference_are_those_of_the_predictions(found, predicted):
    answers, truth, _ = predicted
    for row in pairs_of(found, KNN):
        one, two = answers[row["first"]], answers[row["second"]]
        assert row["agreement"] == pytest.approx(np.mean(one == two))
        assert row["kappa"] == pytest.approx(cohen_kappa_score(one, two))
        assert row["difference"] == pytest.approx(np.mean(one == truth) - np.mean(two == truth))
        assert row["difference_low"] <= row["difference"] <= row["difference_high"]
    assert pairs_of(found, KNN)[1]["difference_low"] > 0  # sharp is better than noise


def test_kappa_of_two_constant_models_and_intervals_of_equal_ones():
    truth = np.array([0, 1] * 20)
    ((_, _, pair),) = compare_all(truth, [np.zeros((1, 40), int), np.zeros((1, 40), int)])
    assert (pair.kappa, pair.agreement, pair.p_value) == (1.0, 1.0, 1.0)
    assert pair.low < -0.05 < 0.05 < pair.high  # 40 rows do not show that they are equally good
    assert difference_intervals(np.ones((1, 40)))[0][1] == 1.0


def test_rows_on_which_one_is_alone(found, predicted):
    answers, truth, test = predicted
    right = np.stack([answers[name] == truth for name in ROWS])
    for at, name in enumerate(ROWS):
        others = np.delete(right, at, axis=0)
        assert found.wrong_alone[KNN][name].tolist() == test[~right[at] & others.all(axis=0)].tolist()
        assert found.right_alone[KNN][name].tolist() == test[right[at] & ~others.any(axis=0)].tolist()
    assert len(found.wrong_alone[KNN]["noise"]) > 5
    wrong, correct = alone(np.array([[True, False], [False, False]]))
    assert [rows.tolist() for rows in (*wrong, *correct)] == [[], [0], [0], []]


NUMBERS = ("top1", "top1_low", "top1_high", "balanced_accuracy", "macro_f1", "average_precision", "log_loss", "std")


@pytest.mark.parametrize("name", ROWS)
def test_every_number_is_that_of_the_protocol_alone_on_the_same_rows(found, name):
    train, test = datasets.train_validation_split(Y, validation_size=0.2, random_state=0)
    X = ROWS[name]
    data = X[train], Y[train], X[test], Y[test]
    alone_found = [*knn_eval(*data, preset=KNN), *few_shot(*data, classifier="linear", n_per_class=[1, 2], n_tries=3)]
    mine = [row for row in found.table if row["representation"] == name]
    assert [row["setting"] for row in mine] == ["k=5", "n_per_class=1 n_tries=3", "n_per_class=2 n_tries=3"]
    assert [row["compared"] for row in mine] == [True, False, True]
    for one, other in zip(mine, alone_found, strict=True):
        assert {key: one[key] for key in NUMBERS} == {key: other.get(key) for key in NUMBERS}
    assert {row["bytes_per_row"] for row in mine} == {X.shape[1] * X.itemsize}


def test_a_probe_has_its_chosen_c_and_published_experiments_only_their_mean():
    some = {name: ROWS[name] for name in ("sharp", "dull")}
    test = {name: X[200:] for name, X in some.items()}
    train = {name: X[:200] for name, X in some.items()}
    compared = compare(train, Y[:200], test, Y[200:], presets=["uni-probe", "mteb-probe"])
    probe, other, mean, _ = sorted(compared.table, key=lambda row: row["protocol"] != "uni-probe")
    alone_found = linear_probe(train["sharp"], Y[:200], test["sharp"], Y[200:], preset="uni")
    assert probe["setting"] == "C=0.24"
    assert probe["top1"] == alone_found["top1"][0]
    assert mean["top1"] == linear_probe(train["sharp"], Y[:200], test["sharp"], Y[200:], preset="mteb")["top1"][-1]
    assert other["representation"] == "dull"


def test_folds_test_every_row_once():
    some = {name: ROWS[name] for name in ("sharp", "noise")}
    compared = compare(some, Y, presets=KNN, cv=3, random_state=5)
    folds = make_folds(3, Y, Y, random_state=5)
    n_right = 0
    for train, test in map(folds.split, range(3)):
        model = KNeighborsClassifier(5).fit(some["sharp"][train].astype(float), Y[train])
        n_right += int((model.predict(some["sharp"][test].astype(float)) == Y[test]).sum())
    assert compared.table["top1"][0] == pytest.approx(n_right / N)
    assert compared.settings["n_test"] == N
    counted = [*compared.wrong_alone[KNN]["sharp"], *compared.wrong_alone[KNN]["noise"]]
    assert len(set(counted)) == len(counted) == sum(compared.pairs[key][0] for key in ("only_first", "only_second"))


def test_an_unknown_test_label_is_an_error_of_all():
    some = {name: ROWS[name][:200] for name in ("sharp", "dull")}
    test = {name: ROWS[name][200:] for name in some}
    labels = np.where(np.arange(40) < 10, "new", Y[200:].astype(str))
    compared = compare(some, Y[:200].astype(str), test, labels, presets=KNN)
    assert max(compared.table["top1"]) <= 0.75
    assert not {0, 9} & {*compared.wrong_alone[KNN]["sharp"], *compared.right_alone[KNN]["sharp"]}


def test_finished_parts_are_reused_if_data_and_settings_are_the_same(tmp_path, monkeypatch):
    some = {name: ROWS[name] for name in ("sharp", "dull")}
    calls = []
    inner = _compare.evaluate_neighbors
    monkeypatch.setattr(_compare, "evaluate_neighbors", lambda *data, **more: calls.append(1) or inner(*data, **more))

    def n_calls(rows=some, y=Y, **more):
        calls.clear()
        return compare(rows, y, presets=KNN, cache=tmp_path / "parts", **more), len(calls)

    first, n_first = n_calls()
    again, n_again = n_calls()
    assert (n_first, n_again, first.reused) == (2, 0, ())
    assert again.reused == (("sharp", KNN), ("dull", KNN))
    assert again.table.rows == first.table.rows
    assert again.table.per_class == first.table.per_class
    assert again.pairs.rows == first.pairs.rows
    assert n_calls({**some, "noise": ROWS["noise"]})[1] == 1
    assert n_calls(random_state=1)[1] == 2
    assert n_calls(y=(Y + (np.arange(N) == 7)) % CLASSES)[1] == 2
    changed = ROWS["dull"].copy()
    changed[3, 2] += 1
    assert n_calls({**some, "dull": changed})[1] == 1
    for path in (tmp_path / "parts").iterdir():
        content = bytearray(path.read_bytes())
        content[-3] ^= 1
        path.write_bytes(content)
    repaired, n_repaired = n_calls()
    assert (n_repaired, repaired.pairs.rows) == (2, first.pairs.rows)


@pytest.fixture
def of_three_iterations(monkeypatch):
    """mteb's probe, stopped long before its minimum."""
    stopped = replace(_presets.PROBE_PRESETS["mteb"], max_iter=3, last_max_iter=3, n_draws=2)
    monkeypatch.setitem(_presets.PROBE_PRESETS, "mteb", stopped)


@pytest.mark.parametrize("cv", [None, 2])
def test_fits_that_stop_early_are_noted_with_their_part_also_if_it_is_reused(cv, tmp_path, of_three_iterations):
    some = {name: ROWS[name] for name in ("sharp", "dull")}
    for n_reused in (0, 2):
        found = compare(some, Y, presets="mteb-few-shot", n_per_class=[2, 4], n_tries=3, cv=cv, cache=tmp_path / "parts")
        assert len(found.reused) == n_reused
        n_fits = 6 * (cv or 1)
        for name in some:
            said = f"mteb-few-shot, {name}: {n_fits} of {n_fits} fits stopped after 3 iterations, as published"
            assert said in found.table.settings["note"]


def test_few_shot_notes_fits_that_stop_early(of_three_iterations):
    train, y, test, y_test = ROWS["dull"][:200], Y[:200], ROWS["dull"][200:], Y[200:]
    table = few_shot(train, y, test, y_test, n_per_class=[2, 4], n_tries=3, classifier="linear")
    assert table.settings["note"] == "6 of 6 fits stopped after 3 iterations, as published"
    table = few_shot(train, y, test, y_test, n_per_class=2, n_tries=2, preset="dinov3", classifier="linear")
    assert "note" not in table.settings


def test_other_test_rows_are_evaluated_again(tmp_path):
    some, test = ({name: ROWS[name][part] for name in ("sharp", "dull")} for part in (slice(0, 200), slice(200, None)))
    given = {"presets": KNN, "cache": tmp_path / "parts"}
    compare(some, Y[:200], test, Y[200:], **given)
    changed = test["dull"].copy()
    changed[0, 0] += 1
    assert compare(some, Y[:200], {**test, "dull": changed}, Y[200:], **given).reused == (("sharp", KNN),)


def test_the_compared_setting_is_the_last_of_equally_good_ones():
    assert compared([{"C": 1.0}, {"C": 2.0}]) == 1
    assert compared([{"k": 10}, {"k": 30}]) == 1
    assert compared([{"k": 19}, {"k": 200}]) == 0
    assert compared([{"k": 10, "n_rows": 8}, {"k": 20, "n_rows": 4}]) == 0


def test_rows_that_are_right_in_half_of_the_tries_are_not_right():
    found = {"p": {}}
    for name, tries in (("a", [[0, 0, 1, 1], [0, 1, 0, 1]]), ("b", [[1, 1, 1, 1], [1, 1, 1, 1]])):
        predicted = np.array(tries)
        answers = [Answers(one, {1: one == 0}, None, None, None) for one in predicted]
        (numbers,) = measure(np.zeros(4, dtype=np.int64), [answers], 2)
        found["p"][name] = [Line({}, numbers, predicted)], 1.0
    facts = {name: {"n_features": 1, "bytes_per_row": 1} for name in "ab"}
    classes, rows = np.array([0, 1]), np.array([10, 11, 12, 13])
    compared_ = summarized(found, facts, np.zeros(4, dtype=np.int64), classes, {}, rows, {}, "title", ())
    assert compared_.right_alone["p"]["a"].tolist() == [10]
    assert compared_.wrong_alone["p"]["b"].tolist() == [10]


DAMAGES = {
    "no lines": lambda lines: [],
    "a text": lambda lines: "lines",
    "setting": lambda lines: [{**lines[0], "setting": "k=5"}],
    "n_rows": lambda lines: [{**lines[0], "setting": {"n_rows": [12, 13]}}],
    "k": lambda lines: [{**lines[0], "setting": {"k": []}}],
    "values": lambda lines: [{**lines[0], "values": {}}],
    "interval": lambda lines: [{**lines[0], "values": {"top1": [0.5]}}],
    "std": lambda lines: [{**lines[0], "std": "wide"}],
}


def stored(folder):
    """A part as the cache has it: its folder, key, file, header and arrays."""
    compare({name: ROWS[name] for name in ("sharp", "dull")}, Y, presets=KNN, cache=folder)
    path = min(folder.iterdir())
    header = safetensors.read_header(path, "a part")
    arrays = dict(safetensors.Arrays(path, header))
    kept = {name: header[name] for name in ("format", "lines", "seconds", "note")}
    return PartsFolder(folder), path.name.partition(".")[0], path, kept, arrays


def test_a_part_whose_content_makes_no_sense_is_evaluated_again(tmp_path):
    folder, key, path, header, arrays = stored(tmp_path)
    n_test = arrays["hits.0"].size
    safetensors.write(path, arrays, header)
    assert folder.read(key, n_test) is not None
    for what, damage in DAMAGES.items():
        safetensors.write(path, arrays, {**header, "lines": json.dumps(damage(json.loads(header["lines"])))})
        assert folder.read(key, n_test) is None, what
    safetensors.write(path, arrays, {**header, "lines": "[" * 100_000 + "]" * 100_000})
    assert folder.read(key, n_test) is None


def test_what_is_finished_before_an_interrupt_stays(tmp_path, monkeypatch):
    some = {name: ROWS[name] for name in ("sharp", "dull")}
    inner = _compare.evaluate_neighbors

    def interrupted(train, *data, **more):
        if train.dtype == np.float64:
            raise KeyboardInterrupt
        return inner(train, *data, **more)

    monkeypatch.setattr(_compare, "evaluate_neighbors", interrupted)
    with pytest.raises(KeyboardInterrupt):
        compare(some, Y, presets=KNN, cache=tmp_path)
    monkeypatch.setattr(_compare, "evaluate_neighbors", inner)
    assert compare(some, Y, presets=KNN, cache=tmp_path).reused == (("sharp", KNN),)


TWO = {name: ROWS[name] for name in ("sharp", "dull")}
HELD = {name: X[:40] for name, X in TWO.items()}
BAD = ROWS["dull"].copy()
BAD[3, 1] = np.nan
REFUSALS = {
    "one": (({"sharp": ROWS["sharp"]}, Y), {}, "at least two representations, but was given 'sharp': .* knn_eval"),
    "none": (({}, Y), {}, "at least two representations, but was given none"),
    "list": (([ROWS["sharp"]], Y), {}, "representations is a list; wanted a mapping of names to arrays"),
    "name": (({1: BAD, "b": BAD}, Y), {}, "has the name 1; wanted texts"),
    "rows": (
        ({**TWO, "short": ROWS["dull"][:100]}, Y),
        {},
        r"\['short'\] has 100 rows, but y has 240 labels: all",
    ),
    "NaN": (({**TWO, "bad": BAD}, Y), {}, r"representations\['bad'\] contains NaN \(first at row 3, column 1\)"),
    "no labels": ((TWO, None), {}, "y is None: give one label"),
    "preset": ((TWO, Y), {"presets": "dinov9"}, "presets='dinov9' is unknown; did you mean 'dinov3'"),
    "kind": ((TWO, Y), {"presets": ["dino", "clip"]}, "did you mean clip-probe"),
    "no preset": ((TWO, Y), {"presets": []}, "presets is empty; choose from: dino, "),
    "cv and test": ((TWO, Y, HELD, Y[:40]), {"cv": 5}, "cv and test are both given"),
    "cv": ((TWO, np.where(np.arange(N) < 3, 9, Y)), {"cv": 5}, "the class '9' has only 3 rows: give fewer folds"),
    "test names": ((TWO, Y, {"sharp": HELD["sharp"]}, Y[:40]), {}, "test has 'sharp'; wanted a mapping with the names"),
    "test width": ((TWO, Y, {**HELD, "dull": HELD["sharp"]}, Y[:40]), {}, r"test\['dull'\] has 6 features of type float32"),
    "test rows": ((TWO, Y, {**HELD, "dull": HELD["dull"][:5]}, Y[:40]), {}, r"test\['dull'\] has 5 rows"),
    "no y_test": ((TWO, Y, HELD), {}, "test is given without y_test"),
    "no test": ((TWO, Y, None, Y[:40]), {}, "y_test is given without test"),
    "one class": ((TWO, np.zeros(N)), {"presets": "uni-probe"}, "class"),
    "k": ((TWO, Y), {"presets": [KNN, "moco"]}, "preset='moco' needs at least 200 training rows, but there are only 192"),
    "several labels": ((TWO, np.eye(N, 2)), {}, r"one label per row, but has shape \(240, 2\)"),
    "tries": ((TWO, Y), {"n_tries": 0}, "n_tries=0; wanted a whole number"),
    "test_size": ((TWO, Y), {"test_size": 1.5}, "test_size=1.5; wanted a share"),
    "test_size and cv": ((TWO, Y), {"test_size": 0.2, "cv": 3}, "test_size and cv are both given"),
    "test_size and test": ((TWO, Y, TWO, Y), {"test_size": 0.2}, "test_size and test are both given"),
    "n_tries": ((TWO, Y), {"n_tries": 200_000}, "n_tries=200000; wanted at most 100,000"),
    "n_jobs": ((TWO, Y), {"n_jobs": 0}, "n_jobs=0"),
    "progress": ((TWO, Y), {"progress": 1}, "progress=1; wanted a function"),
    "huge": (({"a": ROWS["dull"], "b": 1e200 * ROWS["dull"]}, Y), {}, r"representations\['b'\] has"),
}


@pytest.mark.parametrize(("given", "options", "message"), REFUSALS.values(), ids=REFUSALS)
def test_refusals_are_one_line(given, options, message):
    with pytest.raises(InputError, match=message) as error:
        compare(*given, **{"presets": KNN, **options})
    assert "\n" not in str(error.value)


def test_a_cache_that_cannot_be_made_is_refused(tmp_path):
    with pytest.raises(InputError, match="cache: cannot write to .*: give another folder|give another folder"):
        compare(TWO, Y, presets=KNN, cache=tmp_path / "no" / "folder")


@pytest.mark.parametrize("how", ["test", "hold-out", "cv"])
def test_test_rows_that_equal_a_training_row_are_noted(how):
    rows = {name: np.concatenate([X[:100], X[:20]]) for name, X in ROWS.items()}
    rows["sharp"] = rows["sharp"] + np.arange(120, dtype=np.float32)[:, None]  # no two rows are equal
    y = np.concatenate([Y[:100], Y[:20]])
    given = {"hold-out": {}, "cv": {"cv": 4}, "test": {"test": rows, "y_test": y}}[how]
    found = compare(rows, y, presets=KNN, **given)
    note = found.settings["note"]
    assert note == found.table.settings["note"]
    assert "accuracy measures memorisation" in note
    if how == "test":
        assert "of 120 test rows, these equal a training row: 120 of 'sharp', 120 of 'dull', 120 of 'noise'" in note
    else:
        assert "'sharp'" not in note
        train = [np.setdiff1d(np.arange(120), held) for held in ([*found_rows(rows, y, given)])]
        tested = [*found_rows(rows, y, given)]
        equal = sum(
            (ROWS["dull"][at % 100] == ROWS["dull"][kept % 100][:, None]).all(axis=2).any(axis=0).sum()
            for kept, at in zip(train, tested, strict=True)
        )
        assert f"{equal} of 'dull'" in note
    assert "note" not in compare({"sharp": ROWS["sharp"], "most": ROWS["sharp"][:, :5]}, Y, presets=KNN).settings


def found_rows(rows, y, given):
    """The test rows of every fold."""
    plan = protocols.Plan(rows, y, presets=KNN, n_per_class=1, n_tries=1, **given)
    return [held for _, held in plan._splits]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cv": 500}, "--folds=500"),
        ({"n_tries": 10**6}, "--tries=1000000"),
        ({"test_size": 0.1, "cv": 2}, "and --folds are"),
    ],
)
def test_a_plan_names_arguments_as_its_caller_does(options, said):
    given = {"presets": KNN, "n_per_class": 1, "n_tries": 1, "names": {"cv": "--folds", "n_tries": "--tries"}, **options}
    with pytest.raises(InputError, match=said):
        protocols.Plan(TWO, Y, **given)


def test_every_protocol_has_a_name_and_the_defaults_are_among_them():
    names = set(_names.PROTOCOLS)
    assert {*protocols.KNN_PRESETS, *(f"{name}-probe" for name in protocols.PROBE_PRESETS)} < names
    assert {"uni-few-shot", "dinov3-few-shot", "dinov3-few-shot-linear", "mteb-few-shot"} < names
    assert set(_names.DEFAULT_PROTOCOLS) <= names


@pytest.mark.parametrize("protocol", ["mteb-few-shot", "dinov3-few-shot-linear", "uni-few-shot", "mteb-probe"])
def test_one_try_is_one_of_the_protocol_itself(protocol, monkeypatch):
    """By which a comparison says how long it takes: another preset may take a hundredth of the time."""
    calls, inner = [], _compare.evaluate_few_shot
    monkeypatch.setattr(_compare, "evaluate_few_shot", lambda *data, **more: calls.append(more) or inner(*data, **more))
    plan = protocols.Plan(TWO, Y, presets=protocol, n_per_class=[1, 2, 4], n_tries=3)
    n_tries = plan.one_try(plan.parts[0])
    (tried,) = calls
    if protocol == "mteb-probe":
        assert (n_tries, tried["n_per_class"]) == (10, 8)
        return
    plan.evaluate(plan.parts[0])
    assert (calls[1]["preset"], calls[1]["classifier"]) == (tried["preset"], tried["classifier"])
    assert (n_tries, tried["n_per_class"], tried["n_tries"]) == (9, 2, 1)


def test_lists_half_floats_and_text_labels_are_taken():
    compared = compare({"a": ROWS["sharp"].astype(np.float16), "b": ROWS["dull"].tolist()}, list(map(str, Y)), presets=KNN)
    assert compared.table["bytes_per_row"] == [12, 40]
    assert str(compared).count("torchgeo-bench  ") == 3


def test_a_probe_that_chooses_an_end_of_its_grid_says_so():
    rng = np.random.default_rng(0)
    y = np.arange(600) % 3
    good = rng.standard_normal((600, 12)) + np.eye(3, 12)[y]
    found = compare({"good": good, "huge": 1e5 * good}, y, presets="clip-probe")
    (note,) = found.settings["note"].split("; clip-probe")
    assert note.startswith("clip-probe, huge: the best C, 1e-06, is the smallest of those that the protocol tries")
    assert "note" not in compare({"good": good, "huge": 1e5 * good}, y, presets="uni-probe").settings
    folds = compare({"good": good, "huge": 1e5 * good}, y, presets="clip-probe", cv=2)
    assert folds.settings["note"].count("huge: the best C, 1e-06") == 1
