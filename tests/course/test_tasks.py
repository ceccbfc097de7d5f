"""The checks of the lecture's tasks say what came and what was wanted."""

import numpy as np
import pytest

from fastcls import course

SCORES = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])
LOSS = "assert np.allclose([f(scores[i], i) for i in range(3)], [2.9, 0, 12.9])"


def right(s, y):
    return np.maximum(0, s - s[y] + 1).sum() - 1


def counts_own(s, y):
    return np.maximum(0, s - s[y] + 1).sum()


def writes(s, y):
    s -= s[y] - 1
    s[y] = 0
    return np.maximum(0, s).sum()


def unwritten(s, y):
    raise NotImplementedError


@pytest.mark.parametrize(
    ("function", "check", "said"),
    [
        (right, LOSS, "right"),
        (counts_own, LOSS, "wrong: [f(scores[i], i) for i in range(3)] is [3.9, 1, 13.9], wanted [2.9, 0, 12.9]"),
        (writes, LOSS, "wrong: scores changed: your function writes into what it is given; work on a copy"),
        (unwritten, LOSS, "not yet: write unwritten in the cell above"),
        (abs, "assert f(-3) == 4  # four", "wrong: f(-3) is 3, wanted 4 (four)"),
        (abs, "assert f(-3) > 0 and f(-3) > 5", "wrong: f(-3) is 3, which is not > 5"),
        (abs, "assert 1 < f(-3) < 2", "wrong: f(-3) is 3, which is not < 2"),
        (abs, "for k in (1, 2):\n    assert f(k) != 2", "wrong: f(k) is 2, which is not != 2"),
        (np.sort, "assert (f([2, 1]) == [2, 1]).all()", "wrong: f([2, 1]) is [1, 2], wanted [2, 1]"),
        (abs, "assert not f(-3)", "wrong: not f(-3) does not hold"),
        (
            abs,
            "assert all(f(k) for k in range(2)), 'of each'",
            "wrong: all((f(k) for k in range(2))) does not hold (of each)",
        ),
        (
            np.negative,
            "assert np.array_equal(f(np.arange(20.0)), np.abs(f(np.arange(20.0))))",
            "wrong: f(np.arange(20.0)) is [-0, -1, -2, -3, -4, -5, -6, -7, ...] of shape (20,), wanted "
            "[0, 1, 2, 3, 4, 5, 6, 7, ...] of shape (20,); first at [1]: -1, wanted 1",
        ),
    ],
)
def test_what_came_and_what_was_wanted_is_said(function, check, said, capsys):
    scores = SCORES.copy()
    assert course.check_task(check, {"f": function, "scores": scores, "np": np}) == (said == "right")
    assert capsys.readouterr().out == said + "\n"
    np.testing.assert_array_equal(scores, SCORES)


def test_both_a_wrong_answer_and_a_changed_argument_are_said(capsys):
    def both(s, y):
        s[0] = 9
        return 0.0

    course.check_task(LOSS, {"f": both, "scores": SCORES.copy(), "np": np})
    assert "wanted [2.9, 0, 12.9]; and scores changed: your function" in capsys.readouterr().out


def test_arrays_that_the_check_itself_makes_may_change(capsys):
    check = "x = np.zeros(3)\nf(x)\nassert x.sum() == 3"
    assert course.check_task(check, {"f": lambda x: x.fill(1), "x": np.ones(9), "np": np})
    assert capsys.readouterr().out == "right\n"


def test_other_errors_of_a_solution_are_its_own():
    with pytest.raises(ZeroDivisionError):
        course.check_task("assert f(1)", {"f": lambda x: x / 0})
    with pytest.raises(SyntaxError):
        course.check_task("assert f(", {"f": abs})
