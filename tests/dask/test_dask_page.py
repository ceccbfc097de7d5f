"""Around fastcls.dask: scikit-learn's own searches on a cluster, the page's examples and plan, the benchmark."""

import os
import re
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV

import fastcls

pytest.importorskip("distributed", reason="distributed is not installed")
from _cluster import *  # noqa: F403 (its fixtures)
from _rows import assert_same_bytes

pytestmark = pytest.mark.cluster

# scikit-learn's searches ----------------------------------------------------------------------------


def test_scikit_learns_searches_run_our_estimators_on_the_cluster(client, digits):
    X, y = digits[0][:600], digits[1][:600]
    pairs = (
        (fastcls.KNeighborsClassifier(), {"n_neighbors": [1, 5], "metric": ["l1", "l2"]}),
        (fastcls.SoftmaxClassifier(max_iter=2, random_state=0), {"alpha": [1e-4, 1.0]}),
    )
    for model, grid in pairs:
        here = GridSearchCV(model, grid, cv=3).fit(X, y)
        with client.as_current(), joblib.parallel_config(backend="dask", n_jobs=-1):
            there = GridSearchCV(model, grid, cv=3).fit(X, y)
        assert_same_bytes([there.cv_results_["mean_test_score"]], [here.cv_results_["mean_test_score"]])
        assert there.best_params_ == here.best_params_


# the page -------------------------------------------------------------------------------------------

ROOT = Path(__file__).resolve().parents[2]
needs_docs = pytest.mark.skipif(not (ROOT / "docs").is_dir(), reason="the folder docs is missing")


@needs_docs
def test_examples_of_the_page_run_and_print_what_they_say(tmp_path):
    text = (ROOT / "docs" / "dask.md").read_text(encoding="utf-8")
    examples = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert len(examples) == 2
    rng = np.random.default_rng(0)
    for name, values in (
        ("embeddings", rng.normal(size=(100, 16))),
        ("queries", rng.normal(size=(20, 16))),
        ("labels", rng.integers(0, 3, 100)),
    ):
        np.save(tmp_path / f"{name}.npy", values)
    for number, example in enumerate(examples):
        script = tmp_path / f"example{number}.py"
        script.write_text(example, encoding="utf-8")
        env = {**os.environ, "PYTHONPATH": str(Path(fastcls.__file__).parents[1])}
        done = subprocess.run([sys.executable, script], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == re.findall(r"^ +print\(.*\)  # (.*)$", example, re.MULTILINE)
    assert type(fastcls.load(tmp_path / "softmax.safetensors")) is fastcls.SoftmaxClassifier


def test_plan_of_the_page_is_what_the_arithmetic_gives():
    sys.path.append(str(ROOT))  # last: the fastcls under test is not the one next to bench
    dask_plan = pytest.importorskip("bench.dask_plan", reason="the folder bench is not next to tests")
    assert "\n".join(dask_plan.tables()) in (ROOT / "docs" / "dask.md").read_text(encoding="utf-8")


def test_benchmark_measures_and_compares(tmp_path, monkeypatch):
    sys.path.append(str(ROOT))
    dask_overhead = pytest.importorskip("bench.dask_overhead", reason="the folder bench is not next to tests")
    monkeypatch.setenv("FASTCLS_BENCH_CACHE", str(tmp_path))
    arguments = ["--data", "grid_2d", "--metric", "l2", "--k", "3", "--rounds", "1", "--queries", "200", "--out"]
    figures = dask_overhead.run([*arguments, str(tmp_path / "dask.json")])
    assert figures["overhead"].keys() == {"1 workers"}
    assert all(len(of["search"]) == 1 and len(of["fit"]) == 1 for of in figures["seconds"].values())
    assert (tmp_path / "dask.json").is_file()
