"""Linear probes: scikit-learn's logistic regression, C chosen on validation rows."""

import numpy as np
import pytest
from _embeddings import halves
from sklearn.linear_model import LogisticRegression

from fastcls import SoftmaxClassifier
from fastcls.protocols import PROBE_PRESETS, linear_probe


def objective(model, X, y, C):
    """scikit-learn's: C sum of losses + |W|^2 / 2."""
    scores = X.astype(np.float64) @ model.coef_.T + model.intercept_
    scores -= scores.max(axis=1, keepdims=True)
    losses = np.log(np.exp(scores).sum(axis=1)) - scores[np.arange(len(y)), y]
    return C * losses.sum() + np.square(model.coef_).sum() / 2


@pytest.mark.parametrize("preset", [name for name in PROBE_PRESETS if name not in ("mteb", "clip-benchmark", "uni-torch")])
def test_probe_is_scikit_learns_logistic_regression(preset, monkeypatch):
    train, y, test, y_test = halves(n=500)
    codes = np.unique(y, return_inverse=True)[1]
    models = []
    fit = SoftmaxClassifier.fit
    monkeypatch.setattr(SoftmaxClassifier, "fit", lambda self, *data: models.append(fit(self, *data)) or self)
    table = linear_probe(train, y, test, y_test, preset=preset, validation=None, random_state=0)
    C = table.settings["C"]
    theirs = LogisticRegression(C=C, max_iter=5000, tol=1e-8).fit(train.astype(np.float64), codes)
    best = objective(theirs, train, codes, C)
    assert best <= objective(models[-1], train, codes, C) * (1 + 1e-9) <= best * 1.001
    (top1,) = [row["top1"] for row in table if row["top1"] is not None]
    assert abs(top1 - theirs.score(test, np.unique(y_test, return_inverse=True)[1])) <= 1 / len(test)
    if preset == "uni":
        assert table["C"] == [12 * 7 / 100]
        return
    chosen = next(row for row in table if row["C"] == C)
    assert chosen["validation"] == max(table["validation"])
    assert chosen["C"] == min(row["C"] for row in table if row["validation"] == chosen["validation"])


def test_grids_of_the_probes():
    clip, dinov2, geo, weight_decay = (
        np.array(PROBE_PRESETS[name].exponents) for name in ("clip", "dinov2", "torchgeo-bench", "clip-benchmark")
    )
    np.testing.assert_allclose(dinov2, np.linspace(-6, 5, 45))
    assert PROBE_PRESETS["dinov3"].exponents == PROBE_PRESETS["dinov2"].exponents
    np.testing.assert_allclose(10**geo, np.logspace(-6, 4, 40))
    np.testing.assert_allclose(10**weight_decay, np.logspace(-6, 2, 97))
    np.testing.assert_allclose(clip, np.linspace(-6, 6, 97))  # 96 steps, 8 a decade


def test_halving_ends_between_neighbours_that_were_tried():
    train, y, test, y_test = halves(n=500)
    table = linear_probe(train, y, test, y_test, preset="clip", random_state=0)
    tried = np.round(8 * np.log10(table["C"])).astype(int)
    best = round(8 * np.log10(table.settings["C"]))
    assert set(range(-48, 49, 16)) <= set(tried)
    assert {max(best - 1, -48), min(best + 1, 48)} <= set(tried)
    assert len(tried) <= 15


def test_given_validation_rows_choose_C_and_join_the_final_training():
    train, y, test, y_test = halves(n=500)
    table = linear_probe(
        train[:200], y[:200], test, y_test, preset="clip", validation=(train[200:], y[200:]), random_state=0
    )
    C, codes = table.settings["C"], np.unique(y, return_inverse=True)[1]
    theirs = LogisticRegression(C=C, max_iter=5000, tol=1e-8).fit(train, codes)
    (top1,) = [row["top1"] for row in table if row["top1"] is not None]
    assert abs(top1 - theirs.score(test, np.unique(y_test, return_inverse=True)[1])) <= 1 / len(test)
    small = LogisticRegression(C=C, max_iter=5000, tol=1e-8).fit(train[:200], codes[:200])
    (accuracy,) = [row["validation"] for row in table if row["C"] == C]
    assert abs(accuracy - small.score(train[200:], codes[200:])) <= 1.01 / 150


def test_accuracy_of_a_C_does_not_depend_on_the_others_tried():
    train, y, test, y_test = halves(n=500)
    validation, rows = (train[200:], y[200:]), (train[:200], y[:200])
    table = linear_probe(*rows, test, y_test, preset="clip", validation=validation, random_state=0)
    assert len(set(table["validation"])) > 3
    for line in table:
        alone = SoftmaxClassifier(
            alpha=1 / (2 * line["C"] * 200), solver="lbfgs", scale=False, max_iter=1000, init_scale=0.0, tol=None
        )
        assert alone.fit(*rows).score(*validation) == line["validation"]


def test_fit_that_starts_at_the_minimum_stays_there():
    train, y, *_ = halves(n=300)
    model = SoftmaxClassifier(solver="lbfgs", alpha=10.0, warm_start=True, init_scale=0.0).fit(train, y)
    before = model.coef_.copy()
    np.testing.assert_allclose(model.fit(train, y).coef_, before, atol=1e-6)


def test_verbose_reports_every_training(capsys):
    rows = halves(n=300)
    table = linear_probe(*rows, preset="clip", random_state=0)
    assert capsys.readouterr().out == ""
    assert linear_probe(*rows, preset="clip", verbose=1, random_state=0).rows == table.rows
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(table) + 1
    assert lines[0].startswith("linear probe: 1 of at most 15, C = 1e-06, validation ")
    assert [line.split(" of at most ")[0] for line in lines[:-1]] == [f"linear probe: {n + 1}" for n in range(len(table))]
    last = f"linear probe: C = {table.settings['C']:.4g} on all rows, {table.settings['iterations']} iterations, "
    assert lines[-1].startswith(last)
