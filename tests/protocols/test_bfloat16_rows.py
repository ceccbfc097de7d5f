"""Published evaluations of rows of bfloat16: the tables of the same rows in float32."""

from __future__ import annotations

import numpy as np
import pytest
from _refused import check_refused

from fastcls import protocols
from fastcls._validation.types import BFLOAT16, narrowed, widened

Y = np.arange(150) % 3
X = narrowed(np.random.default_rng(0).normal(size=(150, 16)) + 1.5 * np.eye(3, 16)[Y], BFLOAT16)


def answers_of(evaluate, rows, labels=Y, **options):
    table = evaluate(rows[:100], labels[:100], rows[100:], labels[100:], random_state=0, **options)
    return [[value for name, value in zip(table.columns, row, strict=True) if name != "seconds"] for row in table.rows]


@pytest.mark.parametrize(
    ("evaluate", "options"),
    [
        (protocols.knn_eval, {"preset": "uni"}),  # centres them
        (protocols.linear_probe, {"preset": "clip-benchmark"}),  # scales them to length 1
        (protocols.linear_probe, {"preset": "uni"}),
        (protocols.few_shot, {"preset": "mteb", "n_per_class": [2, 8], "n_tries": 2}),
        (protocols.few_shot, {"preset": "uni", "n_per_class": [2, 8], "n_tries": 2}),
    ],
)
def test_tables_are_those_of_float32(evaluate, options):
    assert repr(answers_of(evaluate, X, **options)) == repr(answers_of(evaluate, widened(X), **options))


@pytest.mark.parametrize("evaluate", [protocols.knn_eval, protocols.linear_probe])
def test_tables_of_several_labels_are_those_of_float32(evaluate):
    options = {"labels": np.array([[1, 0], [0, 1], [1, 1]])[Y], "preset": "mteb-multilabel"}
    assert repr(answers_of(evaluate, X, **options)) == repr(answers_of(evaluate, widened(X), **options))


@pytest.mark.filterwarnings("ignore")  # k = 200
def test_parts_have_one_type():
    parts = [X[:40], widened(X[40:100])]
    check_refused(
        lambda: protocols.knn_eval(parts, Y[:100], X[100:], Y[100:]), "train[1] is float32 and train[0] is bfloat16: convert"
    )
