"""Temperature scaling of a softmax classifier: the minimum of the log loss of held-out rows, and nothing else changes."""

import numpy as np
import pytest
from _embeddings import halves
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

import fastcls
from fastcls import SoftmaxClassifier
from fastcls._validation.errors import InputError
from fastcls.linear import fit_temperature
from fastcls.protocols import linear_probe


def shares(scores, temperature):
    made = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    return made / made.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("factor", [0.1, 1.0, 30.0])
def test_the_temperature_minimises_the_log_loss(factor):
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=500)
    scores = factor * (rng.standard_normal((500, 4)) + np.eye(4)[truth])
    found = fit_temperature(scores, truth)
    best = minimize_scalar(lambda T: log_loss(truth, shares(scores, T)), bounds=(factor / 20, 20 * factor), method="bounded")
    np.testing.assert_allclose(found, best.x, rtol=1e-3)
    np.testing.assert_allclose(fit_temperature(10 * scores, truth), 10 * found, rtol=1e-4)


@pytest.mark.parametrize("classes", [2, 5])
def test_calibrate_changes_probabilities_and_no_label(classes, tmp_path):
    train, y, test, y_test = halves(classes=classes)
    model = SoftmaxClassifier(alpha=1e-7, random_state=0).fit(train[:60], y[:60])
    assert model.temperature_ == 1.0
    before, named = model.predict_proba(test), model.predict(test)
    coef, loss = model.coef_.copy(), log_loss(y[60:], model.predict_proba(train[60:]))
    assert model.calibrate(train[60:], y[60:]) is model
    assert model.temperature_ > 1.2  # too sure: 60 rows, hardly any penalty
    np.testing.assert_allclose(model.coef_ * model.temperature_, coef)
    np.testing.assert_array_equal(model.predict(test), named)
    assert log_loss(y[60:], model.predict_proba(train[60:])) < loss
    assert log_loss(y_test, model.predict_proba(test)) < log_loss(y_test, before)
    first = model.temperature_
    np.testing.assert_allclose(model.calibrate(train[60:], y[60:]).temperature_, first, rtol=1e-4)
    model.save(tmp_path / "model.safetensors")
    loaded = fastcls.load(tmp_path / "model.safetensors")
    assert loaded.temperature_ == model.temperature_
    np.testing.assert_array_equal(loaded.predict_proba(test), model.predict_proba(test))
    assert model.fit(train, y).temperature_ == 1.0
    with pytest.raises(InputError, match="class 99"):
        model.calibrate(test[:2], ["class 0", "class 99"])


def test_a_probe_takes_the_temperature_of_rows_it_was_not_trained_on():
    train, y, test, y_test = halves(n=500)
    given = {"validation": (train[200:], y[200:]), "preset": "uni"}
    plain = linear_probe(train[:200], y[:200], test, y_test, **given)
    scaled = linear_probe(train[:200], y[:200], test, y_test, temperature_scaling=True, **given)
    apart = SoftmaxClassifier(C=plain["C"][0], solver="lbfgs", scale=False, init_scale=0.0).fit(train[:200], y[:200])
    wanted = apart.calibrate(train[200:], y[200:]).temperature_
    np.testing.assert_allclose(scaled.settings["temperature"], wanted, rtol=1e-3)
    for name in ("top1", "top5", "balanced_accuracy", "macro_f1"):
        assert scaled[name] == plain[name]
    assert scaled["log_loss"] != plain["log_loss"]
    swept = linear_probe(train, y, test, y_test, preset="dinov3", temperature_scaling=True)
    assert swept.settings["temperature"] > 0
    with pytest.raises(InputError, match="preset='uni' sets no validation rows aside"):
        linear_probe(train, y, test, y_test, preset="uni", temperature_scaling=True)
