"""Training over a Dask cluster of real processes: the same bits for any number of workers, failures included."""

import logging
import os
import pickle
import shutil
import signal
import subprocess
import warnings
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import fastcls
from fastcls import optim, simd
from fastcls._validation.errors import InputError

pytest.importorskip("distributed", reason="distributed is not installed")
import dask.array as da
from _cluster import *  # noqa: F403 (its fixtures)
from _cluster import LARGEST, as_file, kill, tied
from _dask_trainings import TRAININGS, fitted, weights_of
from _rows import assert_same_bytes, command_and_environment

import fastcls.dask as over
from fastcls.dask import _problem, _tasks

pytestmark = pytest.mark.cluster

HELPERS = Path(__file__).resolve().parents[1] / "helpers"


def test_norms_stay_within_their_bound_with_nesterov(client, digits):
    X, y = digits
    made = over.SoftmaxClassifier(
        solver="gd",
        max_iter=10,
        max_norm=0.3,
        nesterov=True,
        schedule="constant",
        scale=False,
        random_state=0,
        client=client,
    )
    norms = np.linalg.norm(made.fit(X, y).coef_, axis=1)
    assert 0.29 < norms.max() <= 0.3 * (1 + 1e-12)


@pytest.mark.parametrize("name", TRAININGS)
def test_weights_have_the_same_bits_for_1_2_and_4_workers(name, client, others, digits, tmp_path):
    X, y = digits
    X = as_file(tmp_path, X)
    batch = {} if "sgd" not in name else {"batch_size": 200}
    wanted = weights_of(fitted(name, client, X, y, n_shards=5, **batch))
    for other in others:
        assert_same_bytes(weights_of(fitted(name, other, X, y, n_shards=5, **batch)), wanted)
    if "softmax" in name:  # sums of bytes with whole slopes are exact in whatever order; these are not, so the tree counts
        assert not np.array_equal(fitted(name, client, X, y, n_shards=2, **batch).coef_, wanted[0])


@pytest.mark.parametrize("name", TRAININGS)
def test_training_is_that_of_one_process_but_for_rounding(name, client, digits, monkeypatch):
    """The same minibatches, the same steps. Float32 sums of other rows, and float64 steps, differ by some 1e-6 of a weight a
    step; kinks and a line search may double that many times over, and a wrong sum, step or penalty is off by far more."""
    monkeypatch.setattr("fastcls.linear._choice._LARGEST_WORK", 0)  # over shards alpha="auto" is always the formula
    X, y = digits
    cls, options = TRAININGS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        local = getattr(fastcls, cls.__name__)(**options, random_state=0).fit(X, y)
    model = fitted(name, client, X, y)
    assert model.n_iter_ == local.n_iter_
    np.testing.assert_allclose(model.loss_history_, local.loss_history_, rtol=2e-3)
    np.testing.assert_allclose(model.val_history_, local.val_history_, rtol=2e-3)
    scale = np.abs(local.coef_).max()
    np.testing.assert_allclose(model.coef_, local.coef_, atol=(0.05 if "lbfgs" in name else 2e-3) * scale)
    np.testing.assert_allclose([model.scale_, *model.center_], [local.scale_, *local.center_], rtol=1e-12)
    assert ((model.coef_ == 0) == (local.coef_ == 0)).mean() > 0.97
    if "lbfgs" not in name:
        assert model.learning_rate_ == pytest.approx(local.learning_rate_, rel=1e-3)


def test_weights_do_not_depend_on_how_rows_are_held(client, digits, tmp_path):
    X, y = digits
    parts = [as_file(tmp_path, X[a:b], f"part{a}") for a, b in ((0, 700), (700, 1797))]
    blocks = client.persist(da.from_array(X, chunks=(500, 64)))
    wanted = weights_of(fitted("softmax lbfgs", client, as_file(tmp_path, X), y))
    for rows in (parts, blocks, X):
        assert_same_bytes(weights_of(fitted("softmax lbfgs", client, rows, y)), wanted)


@pytest.mark.parametrize("name", ["softmax lbfgs", "svm sgd"])
def test_a_worker_killed_during_a_training_changes_nothing(name, client, digits, tmp_path, caplog):
    X, y = digits
    X = as_file(tmp_path, X)
    wanted = weights_of(fitted(name, client, X, y))
    victim = min(client.nthreads())

    def kill_once(progress):
        if progress.iteration == (6 if name == "softmax lbfgs" else 1):
            kill(client, victim)

    with caplog.at_level(logging.WARNING, "fastcls"):
        assert_same_bytes(weights_of(fitted(name, client, X, y, callbacks=kill_once)), wanted)
    assert "lost a worker: opening" in caplog.text
    assert victim not in client.nthreads()
    client.wait_for_workers(2, timeout=90)


def test_a_worker_killed_while_the_instruction_sets_are_read_changes_nothing(client, digits, tmp_path, monkeypatch):
    X, y = as_file(tmp_path, digits[0]), digits[1]
    wanted = weights_of(fitted("softmax lbfgs", client, X, y))

    def first_dies():
        try:
            (tmp_path / "died").touch(exist_ok=False)
        except FileExistsError:
            return simd.active()
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(_tasks, "active_isa", first_dies)
    assert_same_bytes(weights_of(fitted("softmax lbfgs", client, X, y)), wanted)
    assert (tmp_path / "died").exists()
    client.wait_for_workers(2, timeout=90)


CLIENT = """
import os, signal, sys
import numpy as np
from distributed import Client
import _dask_trainings as here
from fastcls import datasets
from fastcls.optim import Checkpoint

name, address, rows, state = sys.argv[1:]
offer, left = Checkpoint.offer, [5]

def offer_and_die(self, *args, **options):
    offer(self, *args, **options)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)

Checkpoint.offer = offer_and_die
with Client(address) as client:
    here.fitted(name, client, rows, datasets.load("digits").y, checkpoint=state, checkpoint_seconds=0)
"""


@pytest.mark.parametrize("name", ["softmax lbfgs", "softmax gd", "softmax sgd"])
def test_a_training_of_a_killed_client_resumes_to_the_same_bits_on_any_cluster(name, client, others, digits, tmp_path):
    X, y = as_file(tmp_path, digits[0]), digits[1]
    wanted = weights_of(fitted(name, client, X, y))
    found_in = os.pathsep.join([str(Path(fastcls.__file__).parents[1]), str(HELPERS)])
    arguments = (name, client.scheduler.address, X.filename, tmp_path / "state")
    command, env = command_and_environment(CLIENT, *arguments, PYTHONPATH=found_in)
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if "sgd" in name:
        assert len(safetensors.numpy.load_file(tmp_path / "state")["done"]) > 0, "killed within an epoch"
    shutil.copy(tmp_path / "state", tmp_path / "other")
    for where, state in ((client, "state"), (others[1], "other")):
        again = fitted(name, where, X, y, checkpoint=tmp_path / state, resume=True)
        assert_same_bytes(weights_of(again), wanted)


def test_checkpoints_of_another_training_are_refused(client, digits, tmp_path):
    X, y = as_file(tmp_path, digits[0]), digits[1]
    name, kept = "softmax gd", {"checkpoint": tmp_path / "state", "resume": True}
    fitted(name, client, X, y, **kept)
    changed = as_file(tmp_path, digits[0] + (np.arange(len(X)) == 900)[:, None].astype(np.uint8), "changed")
    for rows, labels, more, what in (
        (changed, y, {}, "a training with another X"),
        (X, y[::-1], {}, "a training with another y"),
        (X, y, {"n_shards": 5}, "a training with n_shards='16', not '5'"),
    ):
        with pytest.raises(InputError, match=what):
            fitted(name, client, rows, labels, **more, **kept)
    cls, options = TRAININGS[name]
    with pytest.raises(InputError, match="a training with n_shards='16', not 'None'"):
        getattr(fastcls, cls.__name__)(**options, random_state=0, **kept).fit(X, y)


def test_divergence_names_the_step_and_the_rate(client, digits):
    with pytest.raises(optim.DivergenceError, match=r"at step \d+: learning_rate=1e\+30 is too large"):
        over.MulticlassSVM(loss="squared_hinge", learning_rate=1e30, client=client, random_state=0).fit(*digits)


@pytest.mark.parametrize(("largest", "wanted"), [(1e17, "float32"), (1e19, "float64")])
def test_arithmetic_is_that_of_one_process_though_one_shard_holds_the_large_value(largest, wanted, client, monkeypatch):
    seen = []
    evaluate = _problem.ShardedProblem.evaluate
    monkeypatch.setattr(
        _problem.ShardedProblem,
        "evaluate",
        lambda self, weights, *args, **options: seen.append(weights.dtype.name) or evaluate(self, weights, *args, **options),
    )
    X, y, _ = tied()
    X = X.astype(np.float32)
    X[500, 2] = -largest
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = over.SoftmaxClassifier(solver="gd", max_iter=1, center=False, scale=False, client=client).fit(X, y)
    assert set(seen) == {wanted}
    problem = fastcls.LinearProblem(X, y)
    assert problem.arithmetic == wanted
    assert model.n_iter_ == 1


def test_a_fitted_model_predicts_locally_and_is_saved_as_a_model_of_one_process(client, digits, tmp_path):
    X, y = digits
    model = fitted("softmax lbfgs", client, X, y)
    local = model.to_local()
    assert type(local) is fastcls.SoftmaxClassifier
    assert_same_bytes([model.predict_proba(X)], [local.predict_proba(X)])
    as_file(tmp_path, X)
    assert_same_bytes([model.decision_function([tmp_path / "X.npy"])], [local.decision_function(X)])
    assert_same_bytes([model.predict(client.persist(da.from_array(X, chunks=(500, 64))))], [local.predict(X)])
    assert model.score(X, y) > 0.9
    model.save(tmp_path / "model.safetensors")
    assert_same_bytes([fastcls.load(tmp_path / "model.safetensors").predict(X)], [local.predict(X)])
    assert clone(model).client is client
    assert_same_bytes([pickle.loads(pickle.dumps(model)).predict(X)], [local.predict(X)])


def test_large_weights_are_scattered_and_not_in_a_graph(client, graph_arrays_are_small, tmp_path):
    """300 classes of 1,000 features are 1.2 MB even in float32: the fixture would see them."""
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 255, (900, 1000), dtype=np.uint8), np.arange(900) % 300
    model = fitted("softmax gd", client, as_file(tmp_path, X), y)
    assert model.coef_.nbytes > 2 * LARGEST
    assert len(graph_arrays_are_small) > 6


@pytest.mark.parametrize("options", [{}, {"scale": False}, {"C": 0.1}, {"C": 0.1, "early_stopping": True}], ids=str)
def test_strength_of_the_penalty_is_that_of_one_process(options, client, digits, monkeypatch):
    """For data too large to choose alpha on held-out rows."""
    monkeypatch.setattr("fastcls.linear._choice._LARGEST_WORK", 0)
    X, y = digits
    weight = np.random.default_rng(0).uniform(0.0, 2.0, len(X)) * (np.arange(len(X)) % 7 > 0)
    more = {"max_iter": 1, "random_state": 0, **options}
    ours = over.SoftmaxClassifier(n_shards=2, client=client, **more).fit(X, y, weight)
    alone = fastcls.SoftmaxClassifier(**more).fit(X, y, weight)
    assert ours.alpha_ == pytest.approx(alone.alpha_, rel=1e-12)
    assert ours.to_local().alpha_ == ours.alpha_
