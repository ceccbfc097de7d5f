"""Protocols that end before the minimum, or that draw rows: the published draws, iterates and scores, in plain versions."""

import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from _embeddings import halves
from _plain_protocols import mteb_draws, mteb_scores, plain_adamw, probed
from sklearn.linear_model import LogisticRegression

from fastcls._validation.errors import InputError
from fastcls.protocols import PROBE_PRESETS, _probe, knn_eval, linear_probe
from fastcls.protocols._adamw import AdamWProbe, learning_rate, unit_rows
from fastcls.protocols._draws import TorchGenerator, dino_draw, dinov2_split, dinov3_split
from fastcls.protocols._logistic import fit_logistic


@pytest.mark.parametrize(("classes", "seed", "factor"), [(2, 5, 1.0), (2, None, 60.0), (7, 5, 1.0), (7, None, 60.0)])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scores_of_mteb_are_those_of_plain_scikit_learn(classes, seed, factor):  # at 60, 100 iterations do not suffice
    train, y, test, y_test = halves(classes=classes, spread=0.6)
    train, test = train * np.float32(factor), test * np.float32(factor)
    table = linear_probe(train, y, test, y_test, preset="mteb", random_state=seed)
    wanted = np.array(list(mteb_scores(train, y, test, y_test, 42 if seed is None else seed)))
    columns = ["top1", "macro_f1", "weighted_f1", *(["average_precision"] if classes == 2 else [])]
    assert set(columns) < set(table.columns)
    assert ("average_precision" in table.columns) == (classes == 2)
    assert table["experiment"] == [*range(1, 11), "mean"]
    got = np.array([table[name] for name in columns]).T
    np.testing.assert_allclose(got, [*wanted, wanted.mean(axis=0)], rtol=1e-12)
    assert wanted[:, 0].std() > 0  # the draws differ
    assert table.settings["seed"] == (42 if seed is None else seed)
    assert ("stopped after 100 iterations" in table.settings.get("note", "")) == (classes == 7 and factor > 1)


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("max_iter", [4, 100])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_iterates_are_those_of_scikit_learn(n_classes, max_iter):
    train, y, *_ = halves(classes=n_classes, n=350)
    train, codes = train.astype(np.float64), np.unique(y, return_inverse=True)[1]
    ours = fit_logistic(train, codes, n_classes, C=0.7, max_iter=max_iter, tol=1e-4)
    theirs = LogisticRegression(C=0.7, max_iter=max_iter).fit(train, codes)
    assert ours.n_iter_ == theirs.n_iter_[0]
    assert ours.converged == (max_iter == 100)
    coef, intercept = ours.coef_, ours.intercept_
    if n_classes == 2:
        coef, intercept = coef[1:] - coef[:1], intercept[1:] - intercept[:1]
    np.testing.assert_allclose(coef, theirs.coef_, atol=1e-10)
    np.testing.assert_allclose(intercept, theirs.intercept_, atol=1e-10)


def log_loss_of(scores, truth):
    return (np.log(np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1)) + scores.max(axis=1)).mean() - np.mean(
        scores[np.arange(len(truth)), truth]
    )


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("factor", [10.0, 30.0])
def test_the_penalty_of_uni_is_the_norm_of_all_weights(classes, factor):
    train, y, test, y_test = halves(classes=classes, spread=0.6)
    train, test = train * np.float32(factor), test * np.float32(factor)
    table = linear_probe(train, y, test, y_test, preset="uni-torch")
    names, codes = np.unique(y, return_inverse=True)
    cost = train.shape[1] * classes / 100
    assert table["C"] == [cost]
    scores = probed(train.astype(np.float64), codes, test.astype(np.float64), cost, norm=True)
    truth = np.searchsorted(names, y_test)
    assert table["top1"] == [np.mean(scores.argmax(axis=1) == truth)]
    assert table["log_loss"] == [pytest.approx(log_loss_of(scores, truth), rel=1e-4)]
    squared = probed(train.astype(np.float64), codes, test.astype(np.float64), cost)
    assert abs(table["log_loss"][0] / log_loss_of(squared, truth) - 1.0) > 5e-4  # what was just excluded


def test_a_norm_that_outweighs_the_loss_leaves_the_share_of_each_class():
    train, y, test, y_test = halves(classes=3, n=300)
    train, test = train[:, :2] * np.float32(1e-3), test[:, :2] * np.float32(1e-3)
    shares = np.array([np.mean(y == one) for one in np.unique(y)])
    losses = -np.log(shares[np.searchsorted(np.unique(y), y_test)])
    assert linear_probe(train, y, test, y_test, preset="uni-torch")["log_loss"] == [pytest.approx(losses.mean(), rel=1e-3)]


@pytest.mark.parametrize(("preset", "n_rows"), [("solo-learn", 12), ("torchgeo-bench", 3)])
def test_a_k_above_the_number_of_rows_is_that_number_as_published(preset, n_rows):
    train, y, test, y_test = halves(classes=2)
    table = knn_eval(train[:n_rows], y[:n_rows], test, y_test, preset=preset)
    assert table["k"] == [n_rows]


@pytest.mark.parametrize("classes", [2, 3])
def test_torchgeo_bench_penalises_the_weights_of_both_classes(classes, monkeypatch):
    chosen = replace(PROBE_PRESETS["torchgeo-bench"], exponents=(-2.0,))
    monkeypatch.setitem(PROBE_PRESETS, "torchgeo-bench", chosen)
    train, y, test, y_test = halves(classes=classes, spread=0.6)
    table = linear_probe(train, y, test, y_test, preset="torchgeo-bench")
    names, codes = np.unique(y, return_inverse=True)
    scores = probed(train.astype(np.float64), codes, test.astype(np.float64), 0.01)
    assert table["log_loss"] == [pytest.approx(log_loss_of(scores, np.searchsorted(names, y_test)), rel=1e-5)]


@pytest.mark.parametrize("size", [1e19, 1e-18, 1e-30])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_of_any_size_have_length_one(size, dtype):
    rows = np.random.default_rng(0).standard_normal((9, 6)).astype(dtype)
    rows[3] = 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        wanted = rows / np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(unit_rows(rows * dtype(size)), np.nan_to_num(wanted), rtol=0, atol=1e-7)


def test_the_size_of_the_rows_does_not_matter_to_clip_benchmark():
    train, y, test, y_test = halves()
    wanted = linear_probe(train, y, test, y_test, preset="clip-benchmark")["top1"]
    for size in (2.0**62, 2.0**-62):
        scaled = train * np.float32(size), y, test * np.float32(size), y_test
        assert linear_probe(*scaled, preset="clip-benchmark")["top1"] == wanted


@pytest.mark.parametrize("cuts", [[1], [100, 333]])
def test_parts_give_the_scores_of_the_whole(cuts):
    train, y, test, y_test = halves()
    whole = linear_probe(train, y, test, y_test, preset="mteb")
    assert linear_probe(iter(np.split(train, cuts)), y, test, y_test, preset="mteb").rows == whole.rows


def test_validation_rows_are_refused_where_nothing_is_chosen():
    train, y, test, y_test = halves(n=300)
    with pytest.raises(InputError, match="preset='mteb' chooses nothing on validation rows"):
        linear_probe(train, y, test, y_test, preset="mteb", validation=(test, y_test))


# torch's random rows ---------------------------------------------------------------------------------------------------


def test_permutations_are_those_of_torch():
    generator = TorchGenerator(0)  # torch 2.14: torch.randperm(10), then torch.randperm(7), after manual_seed(0)
    assert generator.permutation(10).tolist() == [4, 1, 7, 5, 3, 9, 0, 8, 6, 2]
    assert generator.permutation(7).tolist() == [5, 6, 3, 2, 4, 0, 1]
    assert TorchGenerator(12345).permutation(12).tolist() == [6, 5, 7, 0, 8, 2, 10, 3, 9, 11, 4, 1]
    torch = pytest.importorskip("torch")
    for n in (1, 2, 1000):
        theirs = torch.Generator().manual_seed(9)
        ours = TorchGenerator(9)
        for m in (n, 13, n):
            assert ours.permutation(m).tolist() == torch.randperm(m, generator=theirs).tolist()


def test_first_weights_and_epochs_are_those_of_torch():
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    layer, ours = torch.nn.Linear(20, 7), TorchGenerator(3)
    np.testing.assert_allclose(ours.uniform(140, 1 / math.sqrt(20)).reshape(7, 20), layer.weight.detach(), atol=3e-8)
    np.testing.assert_allclose(ours.uniform(7, 1 / math.sqrt(20)), layer.bias.detach(), atol=3e-8)
    loader = torch.utils.data.DataLoader(range(100), batch_size=100, shuffle=True)
    for _ in range(3):
        assert ours.epoch(100).tolist() == next(iter(loader)).tolist()


@pytest.mark.parametrize("wanted", [1, 5, 1000, 0.25, 0.001])
def test_tries_of_dino_take_the_first_of_a_permutation_of_each_class(wanted):
    codes = np.random.default_rng(0).integers(5, size=200)
    generator, rows = TorchGenerator(4), []
    for label in range(5):
        own = np.flatnonzero(codes == label)
        n = max(1, int(len(own) * wanted)) if isinstance(wanted, float) else wanted
        rows.extend(own[generator.permutation(len(own))[:n]])
    assert dino_draw(codes, wanted, 4).tolist() == sorted(rows)


def test_splits_of_dino_are_as_published():
    codes = np.append(np.random.default_rng(0).integers(5, size=230), [5])  # one class of a single row
    order = TorchGenerator(0).permutation(231)
    kept, held = dinov2_split(codes, 0.1, 0)
    assert held.tolist() == order[:23].tolist()
    assert kept.tolist() == order[23:].tolist()
    kept, held = dinov3_split(codes, 0.1, 0)
    wanted = [row for label in range(5) for row in [r for r in order if codes[r] == label][: (codes == label).sum() // 10]]
    assert sorted(held) == sorted(wanted)
    assert sorted([*kept, *held]) == list(range(231))
    assert held.tolist() == [row for row in order if row in set(wanted)]  # in the shuffled order, as the training rows
    assert kept.tolist() == [row for row in order if row not in set(wanted)]


# AdamW -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_adamw_is_that_of_plain_numpy_and_of_torch(weight_decay):
    train, y, *_ = halves(n=350, d=6)
    rows, codes = unit_rows(train), np.unique(y, return_inverse=True)[1]
    setting = PROBE_PRESETS["clip-benchmark"].adamw
    ours = AdamWProbe(setting, weight_decay, 3).fit(rows, codes, 7)
    W, b = plain_adamw(rows.astype(np.float64), codes, 7, weight_decay, 3)
    # float32: 60 steps of at most 0.1; a small running mean of squares amplifies the rounding of a gradient
    np.testing.assert_allclose(ours.coef_, W, atol=1e-3)
    np.testing.assert_allclose(ours.intercept_, b, atol=1e-3)
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    layer = torch.nn.Linear(6, 7)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.from_numpy(rows), torch.from_numpy(codes)), batch_size=64, shuffle=True
    )
    optimizer, step = torch.optim.AdamW(layer.parameters(), lr=0.1, weight_decay=weight_decay), 0
    for _ in range(10):
        for X, labels in loader:
            optimizer.param_groups[0]["lr"] = learning_rate(setting, step, 10 * len(loader))
            step += 1
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer(X), labels).backward()
            optimizer.step()
    np.testing.assert_allclose(ours.coef_, layer.weight.detach(), atol=1e-3)


def test_weight_decay_is_chosen_on_validation_rows_only():
    train, y, test, y_test = halves(n=600)
    rows, codes = unit_rows(train), np.unique(y, return_inverse=True)[1]
    setting, truth = PROBE_PRESETS["clip-benchmark"].adamw, np.unique(y_test, return_inverse=True)[1]

    def accuracy(model, X, labels):
        return np.mean((X @ model.coef_.T + model.intercept_).argmax(axis=1) == labels)

    table = linear_probe(train, y, test, y_test, preset="clip-benchmark")
    alone = AdamWProbe(setting, 0.0, 0).fit(rows, codes, 7)
    assert (table["weight_decay"], table["validation"]) == ([0.0], [None])
    assert table["top1"] == [accuracy(alone, unit_rows(test), truth)]
    validation = (train[250:], y[250:])
    table = linear_probe(train[:250], y[:250], test, y_test, preset="clip-benchmark", validation=validation)
    tried = np.round(12 * np.log10(table["weight_decay"])).astype(int)
    assert {*range(-72, 25, 16)} <= set(tried)
    for line in table:
        model = AdamWProbe(setting, line["weight_decay"], 0).fit(rows[:250], codes[:250], 7)
        assert line["validation"] == accuracy(model, rows[250:], codes[250:])
    assert table.settings["weight_decay"] == min(
        line["weight_decay"] for line in table if line["validation"] == max(table["validation"])
    )


@pytest.mark.parametrize("classes", [2, 7])
@pytest.mark.parametrize("factor", [1.0, 60.0])
@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_mteb_itself(classes, factor):
    pytest.importorskip("mteb")
    sys.path.append(str(Path(__file__).resolve().parents[2]))
    published = pytest.importorskip("bench.mteb", reason="the folder bench is not next to tests")
    train, y, test, y_test = halves(classes=classes, spread=0.6)
    train, test = factor * train.astype(np.float64), factor * test.astype(np.float64)
    codes, truth = (np.unique(labels, return_inverse=True)[1] for labels in (y, y_test))
    scores, draws = published.scores_of_mteb(train, codes, test, truth)
    assert [list(rows) for rows in mteb_draws(y)] == draws
    table = linear_probe(train, codes, test, truth, preset="mteb")
    names = {"top1": "accuracy", "macro_f1": "f1", "weighted_f1": "f1_weighted"}
    if classes == 2:
        names["average_precision"] = "ap"
    tolerance = 0.002 if "note" in table.settings else 1e-6  # 0.2 points where 100 iterations do not suffice
    for ours, theirs in names.items():
        np.testing.assert_allclose(table[ours][:-1], [one[theirs] for one in scores], atol=tolerance)


@pytest.mark.parametrize("preset", ["dinov2", "dinov3"])
def test_a_class_that_is_set_aside_whole_gets_a_training_row_back(preset, monkeypatch):
    codes = np.array([0, 0, 1, 1, 2])
    monkeypatch.setattr(_probe, f"{preset}_split", lambda *_: (np.array([0, 2]), np.array([4, 1, 3])))
    kept, held = _probe._set_aside(codes, replace(PROBE_PRESETS[preset], split=preset), 0)
    assert kept.tolist() == [0, 2, 4]
    assert held.tolist() == [1, 3]
