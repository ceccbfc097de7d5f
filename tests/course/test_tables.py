"""What known mistakes return differs from what is right, and from each other."""

import itertools

import numpy as np
import pytest

from fastcls.course import _distances, _losses, _penalty, _softmax, _svm, _votes
from fastcls.course._examined import is_close

PROBLEMS = _losses.problems()


def scores(problem):
    return problem.X @ problem.W, problem.y


def products(slopes):
    return [problem.X.T @ sum(slopes(*scores(problem))) for problem in PROBLEMS]


TABLES = {
    "SVM, losses": [(name, [rows(*scores(one)).sum() for one in PROBLEMS]) for name, rows in _svm.ROWS],
    "SVM, gradients": [(name, products(slopes)) for name, slopes in _svm.SLOPES],
    "softmax, losses": [(name, [rows(*scores(one)).sum() for one in PROBLEMS]) for name, rows in _softmax.ROWS],
    "softmax, gradients": [(name, products(slopes)) for name, slopes in _softmax.SLOPES],
    "penalties": [(name, [of(one.W, len(one.y)) for one in PROBLEMS]) for name, of in _penalty.values(1.0, True)],
    "gradients of penalties": [
        (name, [of(one.W, len(one.y)) for one in PROBLEMS]) for name, of in _penalty.gradients(1.0, True)
    ],
    "distances": [(" ".join(names), [matrix(*_distances._rows(1, 5, 8, 6, True))]) for names, matrix in _distances.MATRICES],
    "weights": [(name, [weights(*one.X.shape, one.W.shape[1]) for one in PROBLEMS]) for name, weights in _losses._WEIGHTS],
    "votes": [
        (name, [np.array([row(one, _votes.rows()[1], k) for one in _votes.rows()[0]]) for k in _votes._KS])
        for name, row in _votes.ROWS
    ],
}


@pytest.mark.parametrize("table", TABLES)
def test_no_two_mistakes_look_alike(table):
    for (one, of_one), (other, of_other) in itertools.combinations(TABLES[table], 2):
        if one != other:
            alike = all(is_close(np.nan_to_num(a), np.nan_to_num(b)) for a, b in zip(of_one, of_other, strict=True))
            assert not alike, (one, other)


@pytest.mark.parametrize("table", TABLES)
def test_the_right_entry_is_the_first_and_the_only_one_without_a_name(table):
    assert [name for name, _ in TABLES[table]].index("") == 0
    assert [name for name, _ in TABLES[table]].count("") == 1


@pytest.mark.parametrize(
    ("group", "rows", "slopes"), [("hinge", _svm.ROWS, _svm.SLOPES), ("softmax", _softmax.ROWS, _softmax.SLOPES)]
)
def test_the_right_entries_are_the_closed_form(group, rows, slopes):
    for one in PROBLEMS:
        value, gradient = one.wanted(group, 0.0, 1.0, True)
        assert is_close(rows[0][1](*scores(one)).mean(), value)
        assert is_close(one.X.T @ sum(slopes[0][1](*scores(one))) / len(one.y), gradient)
