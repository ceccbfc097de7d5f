"""CONTRIBUTING.md's 'How to add a ...', done: ``python tests/helpers/_how_to_add.py [WORD ...]``.

Each row of ADDED is a real addition: (file below fastcls/, text that the file has once, text in its place); a new file has
None as its old text. It is made in a temporary copy, what it touches is rebuilt there without optimisation, and the tests
that loop over the registries run on it, with those in CHECKS for what it adds. With words, only rows whose name contains
one.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from _seeded_faults import COMPILED, copied, environment_of, modules_of, rebuilt

METRIC = """
        Metric(
            name="{name}",
            formula="{formula}",
            source="an example",
            sum="{sum}",
            reference=reference.{reference},
            to_distance=_root,
            max_abs={max_abs},
            bytes_bound=_BLOCKS.format("{block}"),
        ),
"""
END_OF_METRICS = "            similarity=lambda distances: 1.0 - distances,\n        ),\n"
END_OF_RANK_DISTANCES = '"cosine": cosine}\n_DISTANCES = {'

CUBES = """
INTEGER_PAIR(cubes_u8_pair_scalar, uint8_t, uint64_t, uint64_t, abs(p - q) * abs(p - q) * abs(p - q))
INTEGER_PAIR(cubes_i8_pair_scalar, int8_t, uint64_t, uint64_t, abs(p - q) * abs(p - q) * abs(p - q))
SCALAR_FLOAT_PAIR(cubes_f16_pair_scalar, uint16_t, widen_f16, fabs(p - q) * fabs(p - q) * fabs(p - q))
SCALAR_FLOAT_PAIR(cubes_bf16_pair_scalar, uint16_t, widen_bf16, fabs(p - q) * fabs(p - q) * fabs(p - q))
SCALAR_FLOAT_PAIR(cubes_f32_pair_scalar, float, WIDEN_AS_IT_IS, fabs(p - q) * fabs(p - q) * fabs(p - q))
SCALAR_FLOAT_PAIR(cubes_f64_pair_scalar, double, WIDEN_AS_IT_IS, fabs(p - q) * fabs(p - q) * fabs(p - q))

static ptrdiff_t select_scalar("""

PAIRWISE_LOGISTIC = """def _pairwise_logistic(scores: np.ndarray, y: np.ndarray) -> LossesAndSlopes:
    at = np.arange(len(y))
    gaps = scores - scores[at, y][:, None]
    small = np.exp(-np.abs(gaps))
    losses, slopes = np.maximum(gaps, 0.0) + np.log1p(small), np.where(gaps >= 0.0, 1.0, small) / (1.0 + small)
    losses[at, y] = slopes[at, y] = 0.0
    slopes[at, y] = -slopes.sum(axis=1)
    return losses.sum(axis=1), slopes


"""
LOSS_ROW = """        Loss(
            name="pairwise_logistic",
            code=5,
            formula="L_i = sum_{j != y_i} log(1 + exp(s_j - s_{y_i}))",
            domain="any finite scores",
            source="an example",
            function=_pairwise_logistic,
            at_zero=lambda n_classes: (n_classes - 1) * math.log(2.0),
            curvature=lambda n_classes: 0.25 * n_classes,
        ),
"""
COMPILED_LOSS = """cdef inline double pairwise_logistic(double *scores, Py_ssize_t n_classes, Py_ssize_t label,
                                     const double *options) noexcept nogil:
    cdef double score_of_label = scores[label], loss = 0.0, slopes = 0.0, gap, small
    cdef Py_ssize_t j
    for j in range(n_classes):
        if j == label:
            continue
        gap = scores[j] - score_of_label
        small = exp(-gap if gap >= 0.0 else gap)
        loss += (gap if gap > 0.0 else 0.0) + log1p(small)
        scores[j] = (1.0 if gap >= 0.0 else small) / (1.0 + small)
        slopes += scores[j]
    scores[label] = -slopes
    return loss


cdef inline sample_loss loss_function("""
PLAIN_LOSS = """def pairwise_logistic(scores, y):
    gaps = [s - scores[y] for j, s in enumerate(scores) if j != y]
    return sum(max(gap, 0.0) + math.log1p(math.exp(-abs(gap))) for gap in gaps)


def pairwise_logistic_gradient(scores, y):
    gradient = np.zeros(len(scores))
    for j, s in enumerate(scores):
        if j != y:
            small = math.exp(-abs(s - scores[y]))
            gradient[j] = (1.0 if s >= scores[y] else small) / (1.0 + small)
    gradient[y] = -gradient.sum()
    return gradient


SAMPLE_LOSSES = {
    "pairwise_logistic": (pairwise_logistic, pairwise_logistic_gradient),"""

COUNTED = """/* An example: the L1 distance of uint8 rows, summed from the last feature. */
#ifndef FASTCLS_BACKWARDS_H
#define FASTCLS_BACKWARDS_H
#include "contract.h"

static double l1_u8_pair_backwards(const void *x, const void *y, ptrdiff_t n_features) {
    uint64_t sum = 0;
    while (n_features--)
        sum += (uint64_t)abs(((const uint8_t *)x)[n_features] - ((const uint8_t *)y)[n_features]);
    return (double)sum;
}

static const fastcls_search search_backwards = {.pairs = {[FASTCLS_L1] = {[FASTCLS_U8] = l1_u8_pair_backwards}}};
#endif
"""
LOADER = '''"""Load a .dat file: on each line a label and a row, separated by blanks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from fastcls._validation.errors import InputError
from fastcls._validation.messages import quoted, reason
from fastcls.datasets._assemble import assemble_named
from fastcls.datasets._common import existing_path, noting
from fastcls.datasets._dataset import Dataset


def is_dat(path: Path) -> bool:
    """Tell whether `path` is a .dat file."""
    return path.is_file() and path.suffix.lower() == ".dat"


@noting
def load_dat(path: str | os.PathLike[str], *, labels: Any = None) -> Dataset:
    """Load a .dat file.

    Parameters
    ----------
    path : path
    labels : array-like, optional
        Labels from elsewhere.

    Returns
    -------
    Dataset

    Raises
    ------
    InputError
        If a line is not numbers, or is shorter than the others.
    """
    file = existing_path(path, wanted="a .dat file")
    try:
        values = np.loadtxt(file, ndmin=2)
    except ValueError as error:
        raise InputError(f"{quoted(file)} cannot be read ({reason(error)}): write a label and a row on each line") from None
    found = {"X": values[:, 1:], "y": values[:, 0].astype(np.int64)}
    return assemble_named(found, file, found.__getitem__, labels=labels)
'''
ESTIMATOR = '''"""Each class is represented by the median of its rows, and a query gets the nearest one."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from fastcls._runtime import threads
from fastcls._runtime.fitted_state import of_one_fit, publish
from fastcls._scoring.classifier import Classifier
from fastcls._search import matrix
from fastcls._storage.safetensors import Arrays, Saved, expect
from fastcls._storage.saving import SaveMixin
from fastcls._validation.labels import check_labels
from fastcls._validation.rows import check_rows
from fastcls.datasets import names_images
from fastcls.metrics import check_magnitude


class NearestClassMedian(SaveMixin, Classifier, BaseEstimator):
    """Nearest class median: a query gets the class with the nearest median under L1."""

    def __init__(self, *, n_jobs: int | None = None) -> None:
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any) -> NearestClassMedian:
        threads.effective(self.n_jobs)
        rows = check_rows(X, "X").rows
        check_magnitude(rows, "X", "l1")
        classes, codes = check_labels(y, len(rows))
        medians = np.array([np.median(rows[codes == code], axis=0) for code in range(len(classes))], dtype=np.float64)
        publish(self, X, classes_=classes, medians_=medians, _fitted_params=self._params_of_fit())
        return self

    @of_one_fit
    @names_images
    def predict(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "medians_")
        rows = check_rows(X, "X", estimator=self).rows
        check_magnitude(rows, "X", "l1")
        S = matrix.all_pairs(self.medians_, rows, "l1", n_threads=threads.effective(self.n_jobs))
        return self.classes_[S.argmin(axis=1)]

    def _saved_state(self) -> tuple[Saved, dict[str, Any]]:
        return {"medians": self.medians_}, {}

    def _restore_state(self, arrays: Arrays, values: dict[str, Any]) -> None:
        self.medians_ = expect(arrays, "medians", (len(self.classes_), None))
        self.n_features_in_ = self.medians_.shape[1]
        check_magnitude(self.medians_, "medians", "l1")
'''

ADDED = {
    "metric over an existing sum": [
        (
            "reference/_neighbors.py",
            END_OF_RANK_DISTANCES,
            '"cosine": cosine, "root_l1": l1}\n_DISTANCES = {"root_l1": np.sqrt, ',
        ),
        (
            "metrics.py",
            END_OF_METRICS,
            END_OF_METRICS
            + METRIC.format(
                name="root_l1",
                formula="sqrt(sum_i |x_i - y_i|)",
                sum="l1",
                reference="l1",
                max_abs="_max_abs_sum",
                block="65,536 x 255",
            ),
        ),
    ],
    "metric over a new sum": [
        (
            "reference/_neighbors.py",
            END_OF_RANK_DISTANCES,
            '"cosine": cosine, "cubes": cubes}\n_DISTANCES = {"cubes": np.sqrt, ',
        ),
        (
            "reference/_neighbors.py",
            "_RANK_DISTANCES = {",
            "def cubes(x, Y):\n    x, Y, add = _common(x, Y)\n    difference = np.abs(x - Y)\n"
            "    return add(difference * difference * difference).astype(np.float64)\n\n\n_RANK_DISTANCES = {",
        ),
        (
            "metrics.py",
            END_OF_METRICS,
            END_OF_METRICS
            + METRIC.format(
                name="cubes",
                formula="sqrt(sum_i |x_i - y_i|^3)",
                sum="cubes",
                reference="_neighbors.cubes",
                max_abs="lambda n_features: (_LARGEST / (32.0 * n_features)) ** (1 / 3)",
                block="65,536 x 255^3, in uint64",
            ),
        ),
        ("_simd/contract.h", "FASTCLS_DOT, FASTCLS_N_SUMS", "FASTCLS_DOT, FASTCLS_CUBES, FASTCLS_N_SUMS"),
        ("_simd/search/scalar.h", "\nstatic ptrdiff_t select_scalar(", CUBES),
        (
            "_simd/search/scalar.h",
            "FASTCLS_ALL_PAIRS(scalar)",
            "{FASTCLS_PAIRS(l1, scalar), FASTCLS_PAIRS(sql2, scalar), FASTCLS_PAIRS(dot, scalar),\n"
            " FASTCLS_PAIRS(cubes, scalar)}",
        ),
        ("_kernels.pyx", "FASTCLS_SQL2, FASTCLS_DOT\n", "FASTCLS_SQL2, FASTCLS_DOT, FASTCLS_CUBES\n"),
        ("_kernels.pyx", '"dot": FASTCLS_DOT}', '"dot": FASTCLS_DOT, "cubes": FASTCLS_CUBES}'),
    ],
    "loss": [
        ("losses.py", "LOSSES: dict[str, Loss] = {", PAIRWISE_LOGISTIC + "LOSSES: dict[str, Loss] = {"),
        (
            "losses.py",
            '        Loss(\n            name="one_vs_all",',
            LOSS_ROW + '        Loss(\n            name="one_vs_all",',
        ),
        ("_gradient/losses.pxd", "cdef inline sample_loss loss_function(", COMPILED_LOSS),
        (
            "_gradient/losses.pxd",
            "    if code == -1:",
            "    if code == 5:\n        return pairwise_logistic\n    if code == -1:",
        ),
        ("reference/_linear.py", "SAMPLE_LOSSES = {", PLAIN_LOSS),
    ],
    "instruction set": [
        ("_simd/search/backwards.h", None, COUNTED),
        ("_simd/table.h", '#include "search/scalar.h"\n', '#include "search/scalar.h"\n#include "search/backwards.h"\n'),
        (
            "_simd/table.h",
            "&linear_scalar, FASTCLS_USUAL_COSTS},\n",
            "&linear_scalar, FASTCLS_USUAL_COSTS},\n"
            '    {"backwards", always_runs, &search_backwards, NULL, NULL, FASTCLS_USUAL_COSTS},\n',
        ),
    ],
    "data layout": [
        ("datasets/_dat.py", None, LOADER),
        (
            "datasets/_load.py",
            "from fastcls.datasets._dataset import Dataset\n",
            "from fastcls.datasets._dat import is_dat, load_dat\nfrom fastcls.datasets._dataset import Dataset\n",
        ),
        (
            "datasets/_load.py",
            '    "npy": Layout(',
            '    "dat": Layout("a .dat file of labels and numbers", is_dat, load_dat, ("labels",)),\n    "npy": Layout(',
        ),
        (
            "datasets/_load.py",
            "    - an .npy file with its labels next to it\n",
            "    - a .dat file of labels and numbers\n    - an .npy file with its labels next to it\n",
        ),
        (
            "datasets/__init__.py",
            "        _csv.py      a .csv of numbers and labels\n",
            "        _csv.py      a .csv of numbers and labels\n        _dat.py      a .dat file of labels and numbers\n",
        ),
        (
            "datasets/__init__.py",
            "from fastcls.datasets._dataset import",
            "from fastcls.datasets._dat import load_dat\nfrom fastcls.datasets._dataset import",
        ),
        ("datasets/__init__.py", '    "load_csv",\n', '    "load_csv",\n    "load_dat",\n'),
    ],
    "estimator": [
        ("neighbors/_class_median.py", None, ESTIMATOR),
        (
            "neighbors/__init__.py",
            "``_class_mean.py`` has `NearestClassMean`.",
            "``_class_mean.py`` has `NearestClassMean`,\n``_class_median.py`` `NearestClassMedian`.",
        ),
        (
            "neighbors/__init__.py",
            "from fastcls.neighbors._duplicates import",
            "from fastcls.neighbors._class_median import NearestClassMedian\nfrom fastcls.neighbors._duplicates import",
        ),
        ("neighbors/__init__.py", '    "NearestClassMean",\n', '    "NearestClassMean",\n    "NearestClassMedian",\n'),
        (
            "__init__.pyi",
            "from .neighbors import NearestNeighbors as NearestNeighbors\n",
            "from .neighbors import NearestClassMedian as NearestClassMedian\n"
            "from .neighbors import NearestNeighbors as NearestNeighbors\n",
        ),
    ],
}

#: files that CONTRIBUTING.md says are touched
FILES = {
    "metric over an existing sum": 2,
    "metric over a new sum": 5,
    "loss": 3,
    "instruction set": 2,
    "data layout": 3,
    "estimator": 3,
}

SEARCHES = """
import numpy as np
from fastcls import KNeighborsClassifier, knn, pairwise_distances, reference, simd
rng = np.random.default_rng(0)
for dtype in ("uint8", "int8", "float16", "float32", "float64"):
    X, Q = (rng.integers(0, 90, (n, 21)).astype(dtype) for n in (700, 40))
    for name in simd.available():
        simd.use(name)
        wanted = reference.kneighbors(Q, X, 9, "METRIC")
        model = KNeighborsClassifier(9, metric="METRIC").fit(X, np.arange(700) % 3)
        for found in (knn(Q, X, 9, "METRIC"), model.kneighbors(Q)):
            assert all(a.tobytes() == b.tobytes() for a, b in zip(found, wanted)), (name, dtype)
        S = reference.distances(reference.rank_distances(Q, X, "METRIC"), "METRIC")
        assert pairwise_distances(Q, X, "METRIC").tobytes() == S.tobytes(), (name, dtype, "matrix")
"""
TRAINS = """
import numpy as np
from fastcls import LinearProblem, MulticlassSVM
from fastcls.gradcheck import check_gradient
rng = np.random.default_rng(0)
X, y = rng.normal(size=(60, 8)), rng.integers(0, 4, 60)
problem = LinearProblem(X, y, loss="pairwise_logistic", penalty="l2", alpha=0.01)
assert check_gradient(problem, rng.normal(size=(4, 8))).max_relative_error < 1e-6
X += 3 * np.eye(4, 8)[y]
assert MulticlassSVM("pairwise_logistic", random_state=0).fit(X, y).score(X, y) > 0.9
"""

USES = """
import numpy as np
from fastcls import knn, reference, simd
assert simd.available()[1] == "backwards"
simd.use("backwards")
X = np.random.default_rng(0).integers(0, 256, (300, 70), dtype=np.uint8)
assert all(a.tobytes() == b.tobytes() for a, b in zip(knn(X, X, 9, "l1"), reference.kneighbors(X, X, 9, "l1")))
"""
LOADS = """
import tempfile
from pathlib import Path
from fastcls import InputError, datasets
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "small.dat")
    path.write_text("0 1.5 2\\n1 3 4\\n1 5 6\\n")
    data = datasets.load(path)
    assert data.X.tolist() == [[1.5, 2], [3, 4], [5, 6]] and data.y.tolist() == [0, 1, 1]
    path.write_text("0 1.5 2\\n1 3\\n")
    try:
        datasets.load(path)
        raise AssertionError
    except InputError:
        pass
"""
CONFORMS = """
import fastcls
from fastcls.persistence import classes
from sklearn.utils.estimator_checks import check_estimator
check_estimator(fastcls.NearestClassMedian())
assert "NearestClassMedian" in classes()
"""

#: what runs in the copy: code of its own, and tests that loop over registries, by their files and as in `pytest -k`
CHECKS = {
    "metric over an existing sum": (
        SEARCHES.replace("METRIC", "root_l1"),
        ["tests/kernels/test_isas.py"],
        "tail and root",
    ),
    "metric over a new sum": (SEARCHES.replace("METRIC", "cubes"), ["tests/kernels/test_isas.py"], "tail and cubes"),
    "loss": (TRAINS, ["tests/linear/test_losses.py"], "test_losses"),
    "instruction set": (USES, ["tests/kernels/test_isas.py", "tests/project/test_rooms.py"], "backwards or header"),
    "data layout": (LOADS, ["tests/project/test_rooms.py", "tests/datasets/test_datasets_refusals.py"], "datasets"),
    "estimator": (CONFORMS, ["tests/persistence/test_persistence.py"], "NearestClassMedian"),
}


def add(copy, what):
    """Make the additions in a copy of the project; returns the files that were touched."""
    touched = []
    for file, old, new in ADDED[what]:
        path = copy / "fastcls" / file
        touched.append(file)
        if old is None:
            assert not path.exists(), f"{file} is there already"
            path.write_text(new, encoding="utf-8")
            continue
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")
    return sorted(set(touched))


def check(copy, names):
    """Run what must hold of the additions, their tests in one process; ends with an error where it does not."""
    files = dict.fromkeys(file for what in names for file in CHECKS[what][1])
    words = " or ".join(f"({CHECKS[what][2]})" for what in names)
    commands = [[sys.executable, "-c", CHECKS[what][0]] for what in names]
    for command in (*commands, [sys.executable, "-m", "pytest", "-q", "-n", "0", *files, "-k", words]):
        done = subprocess.run(command, cwd=copy, env=environment_of(copy), capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def main(names):
    """Add all of these in one copy, and check each; returns the number of files that each touched."""
    with tempfile.TemporaryDirectory() as folder:
        copy = copied(Path(folder, "project"))
        setup = copy / "setup.py"
        setup.write_text(setup.read_text(encoding="utf-8").replace('"-O3"', '"-O0"'), encoding="utf-8")
        touched = {what: add(copy, what) for what in names}
        compiled = {file for files in touched.values() for file in files if file.endswith(COMPILED)}
        rebuilt(copy, sorted({module for file in compiled for module in modules_of(copy / "fastcls", file)}))
        check(copy, names)
    return {what: len(files) for what, files in touched.items()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only additions whose name contains one of these")
    words = parser.parse_args().words
    chosen = [what for what in ADDED if not words or any(word in what for word in words)]
    for what in chosen:  # one after the other: two metrics have their rows in the same place
        found = main([what])[what]
        print(f"{what}: {found} files touched, and all that is checked holds")
        assert found == FILES[what]
