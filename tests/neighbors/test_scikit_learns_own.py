"""scikit-learn's own tests of nearest neighbours with our estimators in the place of theirs; differences have reasons."""

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn import neighbors as theirs

import fastcls

HELPERS = Path(__file__).resolve().parents[1] / "helpers"

#: error of a test that fails -> why it may
REASONS = {
    r"metric='(chebyshev|haversine|nan_euclidean)' is unknown": "another metric",
    r"p=0.1 is not supported|metric_params=.* is not used|DID NOT WARN": "Minkowski's distance with p below 1",
    r"but there are only \d+ training rows": "more neighbours than rows are refused at fit; there, at use",
    r"X is a sparse matrix": "sparse rows",
    r"X is a NearestNeighbors|Expected 2D array, got scalar array": "a fitted search as training rows",
    r"weights=None is unknown": "several labels of many values each, with None for uniform weights",
}
#: tests, and cases of them, of metrics that are not ours
OTHERS = "brute_backend or chebyshev or DM_euclidean"


@pytest.mark.process
def test_scikit_learns_own_tests_pass_or_fail_for_a_known_reason(tmp_path):
    if importlib.util.find_spec("sklearn.neighbors.tests") is None:
        pytest.skip("scikit-learn is installed without its tests")
    here = os.pathsep.join([str(HELPERS), str(Path(fastcls.__file__).parents[1])])
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # of the run around it
    environment = {**kept, "PYTHONPATH": here, "FASTCLS_OUTCOMES": str(tmp_path / "found.json")}
    command = [sys.executable, "-P", "-m", "pytest", "-q", "-p", "_substituted", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command += ["-W", "ignore", "--pyargs", "sklearn.neighbors.tests.test_neighbors", "-k"]
    command += [f"(KNeighbors or kneighbors or nearest or NearestNeighbors) and not ({OTHERS})"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode in (0, 1), done.stdout[-3000:] + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    failed = {name: said for name, said in found.items() if said not in ("passed", "skipped")}
    assert {name: said for name, said in failed.items() if not any(re.search(one, said) for one in REASONS)} == {}
    assert sum(said == "passed" for said in found.values()) >= 120
    assert "test_KNeighborsClassifier_raise_on_all_zero_weights" in "".join(set(found) - set(failed))


@pytest.mark.parametrize("name", ["KNeighborsClassifier", "NearestNeighbors", "KNeighborsTransformer"])
def test_p_alone_means_what_it_means_there(name):
    """Without metric=, the metric is Minkowski's: p=1 is l1, and the default is l2."""
    rng = np.random.default_rng(0)
    X, Q, y = rng.normal(size=(60, 4)), rng.normal(size=(9, 4)), np.arange(60) % 3
    for options, metric in (({}, "l2"), ({"p": 1}, "l1"), ({"p": 2}, "l2")):
        ours = getattr(fastcls, name)(n_neighbors=3, **options).fit(X, y)
        assert ours.effective_metric_ == metric
        wanted = getattr(theirs, name)(n_neighbors=3, **options).fit(X, y).kneighbors(Q)
        np.testing.assert_allclose(ours.kneighbors(Q)[0], wanted[0])
        assert np.array_equal(ours.kneighbors(Q)[1], wanted[1])
