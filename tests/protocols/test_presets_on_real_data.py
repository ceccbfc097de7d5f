"""Every preset on the embeddings of Debian's packages and on MNIST: the numbers of a plain version, the draws included.

Subsets of the rows, so that a plain version takes a second. Skipped if the data is missing.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from _embeddings import nearest_means
from _plain_protocols import (
    CONSTANTS,
    agree,
    first_of_each_class,
    halved,
    label_tables_and_scores,
    logistic,
    mteb_draws,
    mteb_scores,
    mteb_v1_draws,
    plain_adamw,
    prepared,
    probe_of_labels,
    probed,
    reference,
    torch_split,
    torch_tries,
)
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from threadpoolctl import threadpool_limits

from fastcls import datasets
from fastcls.protocols import KNN_PRESETS, MULTILABEL_PRESETS, PROBE_PRESETS, few_shot, knn_eval, linear_probe
from fastcls.protocols._adamw import unit_rows
from fastcls.protocols._draws import TorchGenerator, draw
from fastcls.protocols._few_shot import FEW_SHOT_PRESETS

BOTH = pytest.mark.parametrize("name", ["debian", "mnist"])
OF_ALL_ROWS = [name for name, preset in KNN_PRESETS.items() if preset.n_draws is None]
BY_LBFGS = [name for name, preset in PROBE_PRESETS.items() if preset.n_draws is None and preset.adamw is None]


@cache
def _whole(name, path, labels):
    if name == "mnist":
        data = datasets.load(path)
        return data.X, data.y, data.X_test, data.y_test
    X, y = np.load(path, mmap_mode="r"), np.load(labels)
    order = np.random.default_rng(0).permutation(len(y))
    return X, y, order, None


@pytest.fixture
def rows(name, shared_data):
    """The function that gives (train, y, test, y_test) of so many rows."""
    if name == "mnist":
        X, y, Q, truth = _whole(name, shared_data("mnist"), None)
        return lambda n_test, n_train: (X[:n_train], y[:n_train], Q[:n_test], truth[:n_test])
    X, y, order, _ = _whole(name, shared_data("debian_minilm_f16.npy"), shared_data("debian_minilm_labels.npy"))

    def some(n_test, n_train):
        test, train = np.sort(order[:n_test]), np.sort(order[n_test : n_test + n_train])
        return X[train], y[train], X[test], y[test]

    return some


@pytest.fixture
def few(name, rows):
    """(train, codes, test, truth): 300 and 200 rows of few features, float32, of classes that training and test share."""
    if name == "mnist":
        train, y, test, truth = rows(200, 300)
        return train[:, ::17] / np.float32(100), y, test[:, ::17] / np.float32(100), truth
    train, y, test, truth = rows(3000, 6000)
    of_six = np.flatnonzero(y < 6)[:400]
    of_six = of_six[np.arange(400) % 4 > 0]  # the rows are ordered by class in part: the first 300 lack some
    train, y, test, truth = train[of_six, :32], y[of_six], test[truth < 6][:200, :32], truth[truth < 6][:200]
    return train.astype(np.float32), np.unique(y, return_inverse=True)[1], test.astype(np.float32), truth


def test_every_preset_is_here():
    assert {*OF_ALL_ROWS, "mteb-v1-knn"} == set(KNN_PRESETS)
    assert {*BY_LBFGS, "mteb", "clip-benchmark"} == set(PROBE_PRESETS)
    assert set(MULTILABEL_PRESETS) == {"mteb-multilabel"}
    assert {preset for preset, _ in FEW_SHOTS} == set(FEW_SHOT_PRESETS)


def test_constants_of_probes_are_as_published():
    grids = {
        "clip": (-6, 6, 97),
        "dinov2": (-6, 5, 45),
        "dinov3": (-6, 5, 45),
        "torchgeo-bench": (-6, 4, 40),
        "clip-benchmark": (-6, 2, 97),
    }
    for name, preset in PROBE_PRESETS.items():
        np.testing.assert_allclose(preset.exponents, np.linspace(*grids[name]) if name in grids else [], atol=1e-12)
        iterations = {"mteb": (100, 100), "torchgeo-bench": (2000, 4000)}.get(name, (1000, 1000))
        assert (preset.max_iter, preset.last_max_iter) == iterations
        assert (preset.per_class, preset.n_draws) == ((8, 10) if name == "mteb" else (None, None))
        assert preset.seed == {"dinov2": 0, "dinov3": 0, "mteb": 42, "clip-benchmark": 0}.get(name)
        assert preset.halving == name.startswith("clip")
        # where fits end before the minimum, the tolerance is scikit-learn's
        assert preset.tol == (LogisticRegression().tol if name == "mteb" else 1e-6)
        assert preset.norm_penalty == (name == "uni-torch")
        assert preset.penalises_both == (name == "torchgeo-bench")
    assert PROBE_PRESETS["mteb"].C == LogisticRegression().C
    adamw = PROBE_PRESETS["clip-benchmark"].adamw
    assert (adamw.learning_rate, adamw.epochs, adamw.batch_size) == (0.1, 10, 64)


# k-NN --------------------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("preset", OF_ALL_ROWS)
def test_accuracies_of_neighbours_are_those_of_plain_numpy(preset, name, rows):
    train, y, test, y_test = rows(100, 2000) if name == "mnist" else rows(120, 4000)
    ks, weights, temperature = CONSTANTS[preset]
    compared = prepared(preset, train, test)
    expected, open_ones = reference(
        compared[0], y, compared[1], y_test, ks, weights, temperature, KNN_PRESETS[preset].metrics[0]
    )
    agree(knn_eval([train[:1500], train[1500:]], y, test, y_test, preset=preset), expected, open_ones, len(test))
    assert max(open_ones.values()) < 0.15 * len(test)


@BOTH
def test_draws_of_mteb_v1_are_those_of_plain_numpy(rows):
    train, y, test, y_test = rows(100, 6000)
    found, n_open = [], 0
    for drawn in mteb_v1_draws(y):
        near, far = (
            reference(train[drawn], y[drawn], test, y_test, [3], "uniform", None, metric) for metric in ("cosine", "l2")
        )
        found.append([near[0][3][0], far[0][3][0], max(near[0][3][0], far[0][3][0])])
        n_open += max(near[1][3], far[1][3])
    assert n_open <= 10  # one query a draw, for which rows of the same text are as near as a third
    table = knn_eval(train, y, test, y_test, preset="mteb-v1-knn")
    np.testing.assert_allclose(table["top1"], np.mean(found, axis=0) / 100, atol=n_open / 10 / 100 + 1e-12)


# probes ------------------------------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("preset", [name for name in BY_LBFGS if name != "uni-torch"])
def test_probes_are_those_of_scikit_learn(preset, few, monkeypatch):
    """On the rows set aside for every C up to 100, and on the test rows at the chosen C, trained on all rows.

    Stronger C are not compared: 1,000 iterations do not reach their minimum.
    """
    chosen = PROBE_PRESETS[preset]
    exponents = chosen.exponents if chosen.halving else tuple(one for one in chosen.exponents if one <= 2)[::8]
    monkeypatch.setitem(PROBE_PRESETS, preset, replace(chosen, exponents=exponents, tol=1e-8))
    train, codes, test, truth = few
    table = linear_probe(train, codes, test, truth, preset=preset, random_state=None if chosen.seed is not None else 0)
    wide, queries, C = train.astype(np.float64), test.astype(np.float64), table.settings["C"]
    (top1,) = [one for one in table["top1"] if one is not None]
    assert 0.4 < top1 < 0.95
    assert abs(top1 - logistic(wide, codes, C).score(queries, truth)) <= 1.01 / len(truth)
    if preset == "uni":
        assert train.shape[1] * (codes.max() + 1) / 100 == C
        return
    if preset in ("dinov2", "dinov3"):
        kept, held = torch_split(preset, codes)
    else:  # no size is published
        kept, held = datasets.train_validation_split(codes, validation_size=0.2, random_state=0)
    found = dict(zip(table["C"], table["validation"], strict=True))
    for tried, accuracy in found.items():
        if tried <= 100:
            wanted = logistic(wide[kept], codes[kept], tried).score(wide[held], codes[held])
            assert abs(accuracy - wanted) <= 1.01 / len(held), tried
    assert min(one for one in found if found[one] == max(found.values())) == C
    if preset == "clip":
        by_place = {int(np.argmin(np.abs(np.log10(one) - exponents))): accuracy for one, accuracy in found.items()}
        assert halved(by_place.get) == (set(by_place), min(at for at in by_place if np.isclose(10 ** exponents[at], C)))


@BOTH
@pytest.mark.parametrize("preset", BY_LBFGS)
def test_probes_with_validation_rows_are_those_of_plain_numpy(preset, few, monkeypatch):
    """At two C on the validation rows, and at the chosen C on the test rows."""
    chosen = PROBE_PRESETS[preset]
    exponents = chosen.exponents if chosen.halving else tuple(one for one in chosen.exponents if one <= 2)[::16]
    monkeypatch.setitem(PROBE_PRESETS, preset, replace(chosen, exponents=exponents, tol=1e-8))
    train, codes, test, truth = few
    table = linear_probe(train[150:], codes[150:], test, truth, preset=preset, validation=(train[:150], codes[:150]))
    wide, queries, C = train.astype(np.float64), test.astype(np.float64), table.settings["C"]
    (top1,) = [one for one in table["top1"] if one is not None]
    named = probed(wide, codes, queries, C, norm=preset == "uni-torch").argmax(axis=1)
    assert abs(top1 * len(test) - np.sum(named == truth)) < 1.5
    if preset.startswith("uni"):
        assert train.shape[1] * (codes.max() + 1) / 100 == C
    else:
        found = dict(zip(table["C"], table["validation"], strict=True))
        assert found[C] == max(found.values())
        for tried in (min(found, key=lambda C: abs(np.log10(C) - exponent)) for exponent in (0, 2)):
            named = probed(wide[150:], codes[150:], wide[:150], tried).argmax(axis=1)
            assert abs(found[tried] * 150 - np.sum(named == codes[:150])) < 1.5


@BOTH
def test_scores_of_mteb_are_those_of_plain_scikit_learn(name, rows):
    train, y, test, y_test = rows(200, 2000 if name == "mnist" else 6000)
    if name == "mnist":
        train, test = train / 255.0, test / 255.0
    table = linear_probe(train, y, test, y_test, preset="mteb")
    wanted = np.array(list(mteb_scores(train, y, test, y_test)))
    got = np.array([table[column][:-1] for column in ("top1", "macro_f1", "weighted_f1")]).T
    np.testing.assert_allclose(got, wanted, rtol=1e-12)
    assert "note" not in table.settings  # 100 iterations suffice


@pytest.mark.parametrize("name", ["mnist"])
def test_scores_of_mteb_on_raw_bytes_are_those_of_plain_scikit_learn_within_a_fifth_of_a_point(rows):
    # without scaling, iterates amplify the last bit of a sum a hundredfold every ten iterations; some fits take 60
    train, y, test, y_test = rows(400, 3000)
    table = linear_probe(train, y, test, y_test, preset="mteb")
    wanted = np.array(list(mteb_scores(train, y, test, y_test)))[:, 0]
    assert abs(table["top1"][-1] - wanted.mean()) < 0.002
    assert np.count_nonzero(np.array(table["top1"][:-1]) == wanted) >= 7


@BOTH
def test_adamw_of_clip_benchmark_is_that_of_plain_numpy(few):
    train, codes, test, truth = few
    X, Q, n_classes = unit_rows(train).astype(np.float64), unit_rows(test).astype(np.float64), int(codes.max()) + 1

    def accuracy(kept, X_held, held, weight_decay):
        W, b = plain_adamw(X[kept], codes[kept], n_classes, weight_decay, 0)
        return np.mean((X_held @ W.T + b).argmax(axis=1) == held)

    table = linear_probe(train, codes, test, truth, preset="clip-benchmark")
    assert (table["weight_decay"], table["validation"]) == ([0.0], [None])
    assert abs(table["top1"][0] - accuracy(slice(None), Q, truth, 0.0)) <= 1.01 / len(truth)  # theirs is float32
    assert table["top1"][0] > 0.4
    table = linear_probe(
        train[200:], codes[200:], test, truth, preset="clip-benchmark", validation=(train[:200], codes[:200])
    )
    found = dict(zip(np.round(12 * np.log10(table["weight_decay"])).astype(int) + 72, table["validation"], strict=True))
    tried, best = halved(found.get)
    assert tried == set(found)
    assert table.settings["weight_decay"] == pytest.approx(10 ** ((best - 72) / 12))
    for at in (0, 48, best):  # not 96: a decay above 10 turns the weights over in every step, and they diverge
        assert abs(found[at] - accuracy(slice(200, None), X[:200], codes[:200], 10 ** ((at - 72) / 12))) <= 1.01 / 200


# few rows of each class --------------------------------------------------------------------------------------------------

FEW_SHOTS = [(preset, classifier) for preset, one in FEW_SHOT_PRESETS.items() for classifier in one.classifiers]


def few_shot_accuracies(preset, classifier, train, codes, test, truth, n, ks, exponents):
    """(top1 of each k, number of queries that rounding could decide), a mean over three tries."""
    order, aside, found, n_open = list(range(len(codes))), [], [], 0
    if (preset, classifier) == ("dinov3", "linear"):
        order = TorchGenerator(0).permutation(len(codes)).tolist()
        aside = sorted(first_of_each_class(order, codes, 0.01))
        order = [row for row in order if row not in set(aside)]
    for number, drawn in enumerate(
        mteb_draws(codes, 42, 3, n)
        if preset == "mteb"
        else torch_tries(order, codes, n, 3)
        if preset != "uni"
        else [draw(codes, n, np.random.default_rng([0, n, number])) for number in range(3)]  # no draws are published
    ):
        X, y = train[drawn].astype(np.float64), codes[drawn]
        queries = test.astype(np.float64)
        if classifier == "mean":
            found.append([np.mean(nearest_means(X, y, queries) == truth)])
        elif classifier == "knn":
            hits, open_ones = reference(X, y, queries, truth, ks, "softmax", 0.07, "cosine")
            found.append([hits[k][0] / len(truth) for k in ks])
            n_open = max(n_open, *open_ones.values())
        elif preset == "mteb":
            with threadpool_limits(1):
                found.append([LogisticRegression(max_iter=100).fit(X, y).score(queries, truth)])
        else:
            models = [logistic(X, y, 10**exponent) for exponent in exponents]
            on_aside = [one.score(train[aside].astype(np.float64), codes[aside]) for one in models]
            found.append([models[int(np.argmax(on_aside))].score(queries, truth)])
        assert number < 3
    return np.mean(found, axis=0), n_open


@BOTH
@pytest.mark.parametrize(("preset", "classifier"), FEW_SHOTS)
def test_accuracies_after_a_few_rows_are_those_of_a_plain_version(preset, classifier, name, rows, monkeypatch):
    exponents = PROBE_PRESETS["dinov3"].exponents[8:30:7]
    monkeypatch.setitem(PROBE_PRESETS, "dinov3", replace(PROBE_PRESETS["dinov3"], exponents=exponents, tol=1e-8))
    train, y, test, y_test = rows(150, 2000 if name == "mnist" else 4000)
    if classifier == "linear":
        train, test = (part[:, ::6].astype(np.float32) / np.float32(100 if name == "mnist" else 1) for part in (train, test))
    classes, codes = np.unique(y, return_inverse=True)
    known = np.isin(y_test, classes)
    test, truth, n = test[known], np.searchsorted(classes, y_test[known]), 12 if classifier == "knn" else 4
    table = few_shot(
        train,
        codes,
        test,
        truth,
        n_per_class=n,
        n_tries=3,
        preset=preset,
        classifier=classifier,
        random_state=0 if preset == "uni" else None,
    )
    ks = table["k"] if classifier == "knn" else [None]
    if classifier == "knn":
        n_rows = int(np.minimum(np.bincount(codes), n).sum())
        assert ks == ([10, 12] if preset == "dinov2" else sorted({min(k, n_rows) for k in (10, 20, 100, 200)}))
    wanted, n_open = few_shot_accuracies(preset, classifier, train, codes, test, truth, n, ks, exponents)
    slack = n_open + (1.01 if (preset, classifier) == ("dinov3", "linear") else 0)  # float32 rows are trained on in float32
    np.testing.assert_allclose(table["top1"], wanted, atol=slack / len(truth) + 1e-12)
    assert n_open < 0.15 * len(truth)
    assert wanted.min() > 3 / len(classes)


# several labels per row --------------------------------------------------------------------------------------------------


def labelled(name, rows, n_test=150, n_train=1000):
    """(train, Y, test, truth) with four labels."""
    train, y, test, y_test = rows(n_test, n_train)
    if name == "mnist":  # even, above four, prime, with a hole
        Y, truth = (
            np.stack([one % 2 == 0, one > 4, np.isin(one, [2, 3, 5, 7]), np.isin(one, [0, 6, 8, 9])], axis=1)
            for one in (y, y_test)
        )
        train, test = (part / np.float32(255) for part in (train, test))
    else:  # the two most frequent sections, and two sides of the space
        frequent = np.argsort(-np.bincount(y), kind="stable")[:2]
        directions = np.random.default_rng(0).standard_normal((train.shape[1], 2))
        spread = (train.astype(np.float64) @ directions).std(axis=0)
        Y, truth = (
            np.concatenate([one[:, None] == frequent, part.astype(np.float64) @ directions > spread], axis=1)
            for one, part in ((y, train), (y_test, test))
        )
        # in unit length the probes predict no label at all
        train, test = (part.astype(np.float32) * np.float32(15.0) for part in (train, test))
    return train, Y.astype(np.int64), test, truth.astype(np.int64)


@BOTH
@pytest.mark.parametrize("evaluate", [knn_eval, linear_probe])
def test_scores_of_several_labels_are_those_of_plain_scikit_learn(evaluate, name, rows):
    _, got, wanted = label_tables_and_scores(evaluate, labelled(name, rows))
    np.testing.assert_allclose(got[:-1], wanted, rtol=1e-12)
    assert wanted.std(axis=0).min() > 0  # the draws differ


@BOTH
@pytest.mark.parametrize("given", [True, False])
def test_probe_of_several_labels_is_that_of_scikit_learn(given, name, rows, monkeypatch):
    chosen = PROBE_PRESETS["torchgeo-bench"]
    few_C = replace(chosen, exponents=(-2.0, -1.0, 0.0, 1.0), tol=1e-7)
    monkeypatch.setitem(PROBE_PRESETS, "torchgeo-bench", few_C)
    train, Y, test, truth = labelled(name, rows, n_train=700)
    train, test = train[:, ::8], test[:, ::8]
    if given:
        table = linear_probe(train[200:], Y[200:], test, truth, preset="torchgeo-bench", validation=(train[:200], Y[:200]))
        kept, held = np.arange(200, 700), np.arange(200)
    else:
        table = linear_probe(train, Y, test, truth, preset="torchgeo-bench", random_state=0)
        kept, held = datasets.train_validation_split(np.zeros(700, int), validation_size=0.2, random_state=0)
        assert table.settings["seed"] == 0
    wide, queries = train.astype(np.float64), test.astype(np.float64)
    found, shares = probe_of_labels(wide[kept], Y[kept], wide[held], Y[held], queries, few_C.exponents)
    np.testing.assert_allclose(table["validation"], list(found.values()), atol=2e-4)
    assert table["C"] == list(found)
    assert found[table.settings["C"]] == max(found.values())
    (line,) = [row for row in table if row["subset_accuracy"] is not None]
    assert line["C"] == table.settings["C"]
    for way in ("micro", "macro"):
        wanted = average_precision_score(truth, shares, average=way)
        assert line[f"{way}_average_precision"] == pytest.approx(wanted, abs=2e-4)
    assert abs(line["subset_accuracy"] - np.mean(((shares > 0.5) == truth).all(axis=1))) <= 1.01 / len(truth)
    assert 0.25 < line["micro_average_precision"] < 0.999
