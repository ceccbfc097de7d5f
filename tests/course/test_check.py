"""The check of learners' functions: right ones pass in every style, and each seeded mistake gets its name and no other."""

import importlib
import sys

import numpy as np
import pytest
from _learners import (
    LABELS_BINCOUNT,
    NO_LOOPS,
    NO_LOOPS_EINSUM,
    NUMERICAL,
    NUMERICAL_FLAT,
    ONE_LOOP,
    RIGHT,
    SOFTMAX_LOOPS,
    SVM_ARRAYS,
    SVM_LOOPS,
    TWO_LOOPS,
    edited,
    made,
    name_of,
)
from _learners_wrong import BOTH, WRONG

from fastcls import InputError, course
from fastcls.course._mistakes import MISTAKES

SOLUTIONS = [(name, source) for name, sources in RIGHT.items() for source in sources]


def checked(source, **options):
    return course.check(made(source), name_of(source), timing=False, **options)


def found(report):
    return [(mistake.name, mistake.part) for mistake in report.mistakes]


@pytest.mark.parametrize(("name", "source"), SOLUTIONS)
def test_right_solutions_of_every_style_pass(name, source):
    report = checked(source)
    assert report.passed, str(report)
    assert report.value_error is None or report.value_error < 1e-5
    assert report.gradient_error is None or report.gradient_error < 1e-4


@pytest.mark.parametrize("source", [source for name, source in SOLUTIONS if name.startswith("softmax")])
def test_right_softmax_losses_pass_without_notes_and_warnings(source, recwarn):
    report = checked(source)
    assert report.passed, str(report)
    assert report.notes == ()
    assert not recwarn.list


@pytest.mark.parametrize("group", sorted({one.group for one in course.SIGNATURES.values()}))
def test_every_group_has_three_right_solutions(group):
    assert sum(course.SIGNATURES[name].group == group for name, _ in SOLUTIONS) >= 3


@pytest.mark.parametrize(("source", "replacements", "wanted"), WRONG)
def test_every_seeded_mistake_gets_its_name_and_no_other(source, replacements, wanted):
    report = checked(edited(source, replacements))
    assert sorted(found(report)) == sorted(wanted), str(report)
    assert not report.passed
    assert len(str(report.mistakes[0]).splitlines()) == 1


def test_every_named_mistake_is_seeded_once():
    """But those of files, and those that no short edit of these solutions makes."""
    seeded = {name for _, _, wanted in WRONG for name, _ in wanted}
    rest = {
        "did not end", "ended the process", "cannot be imported", "cannot be checked", "no valid result",
        "penalty on the bias", "NaN",
        "penalty added for each row", "W not squared", "divided by the number of features",
        "whole numbers", "cosine in place of L2", "k - 1 neighbours", "smallest label", "weighted votes",
        "training rows not centred", "nothing subtracted",
    }  # fmt: skip
    assert set(MISTAKES) - seeded == rest


@pytest.mark.parametrize("source", [SVM_LOOPS, SOFTMAX_LOOPS])
def test_the_penalty_follows_the_year(source):
    halved = edited(source, [("reg * np.sum(W * W)", "0.5 * reg * np.sum(W * W)"), ("2 * reg * W", "reg * W")])
    assert checked(halved, year=2016).passed
    assert found(checked(halved, year=2017)) == [("penalty of other years", BOTH)]
    assert checked(source, year=2017).passed
    assert found(checked(source, year=2015)) == [("penalty of other years", BOTH)]


def test_a_penalty_that_no_year_has_is_not_called_that_of_other_years():
    halved = [("reg * np.sum(W * W)", "0.25 * reg * np.sum(W * W)"), ("2 * reg * W", "0.5 * reg * W")]
    assert found(checked(edited(SVM_LOOPS, halved), year=2016)) == [("penalty halved", BOTH)]
    doubled = [("reg * np.sum(W * W)", "2 * reg * np.sum(W * W)"), ("2 * reg * W", "4 * reg * W")]
    (mistake,) = checked(edited(SVM_LOOPS, doubled), year=2020).mistakes
    assert (mistake.name, mistake.part) == ("penalty doubled", BOTH)
    assert "the gradient of reg * np.sum(W * W) is 2 * reg * W" in mistake.look


@pytest.mark.parametrize(
    ("source", "replacements", "said"),
    [
        (NUMERICAL, [("ahead - behind", "behind - ahead")], "the order of the difference: f(x + h) - f(x - h)"),
        (SVM_LOOPS, [("return loss, dW", "return loss, -dW")], "dW[:, j] gets + X[i], and dW[:, y[i]] - X[i]"),
        (SOFTMAX_LOOPS, [("-np.log(", "np.log(")], "the minus sign of -log(p)"),
    ],
)
def test_the_hint_for_a_wrong_sign_is_that_of_the_function(source, replacements, said):
    (mistake,) = checked(edited(source, replacements)).mistakes
    assert mistake.name == "wrong sign"
    assert said in mistake.look
    assert ("log" in mistake.look) == (source is SOFTMAX_LOOPS)


def test_the_hint_for_a_missing_division_holds_without_loops():
    (mistake,) = checked(edited(SVM_ARRAYS, [("X.T @ mask / n", "X.T @ mask")])).mistakes
    assert mistake.name == "no division by N"
    assert "loop" not in str(mistake)


def test_a_wrong_number_of_arguments_within_the_code_is_told_from_that_of_the_function(tmp_path, monkeypatch):
    source = edited(SVM_LOOPS, [("    loss = 0.0", "    loss = two(1)")])
    (tmp_path / "inner.py").write_text("import numpy as np\n\n\ndef two(a, b): pass\n" + source)
    monkeypatch.syspath_prepend(tmp_path)
    import inner

    (mistake,) = course.check(inner.svm_loss_naive, timing=False).mistakes
    assert (mistake.name, mistake.look) == ("raises", "the call in the line of the error")
    assert "missing 1 required positional argument: 'b' (inner.py:" in mistake.seen


def test_since_2025_there_is_softmax_and_no_svm():
    with pytest.raises(InputError, match=r"svm_loss_naive is not in the assignment of 2025, .*: give a year up to 2024"):
        checked(SVM_LOOPS, year=2025)
    assert checked(SVM_LOOPS, year=2024).passed
    assert checked(SOFTMAX_LOOPS, year=2025).passed


def test_the_bias_may_be_left_out_of_the_penalty():
    without = edited(
        SVM_LOOPS, [("np.sum(W * W)", "np.sum(W[:-1] ** 2)"), ("dW += 2 * reg * W", "dW[:-1] += 2 * reg * W[:-1]")]
    )
    assert found(checked(without)) == [("bias left out of the penalty", BOTH)]
    assert checked(without, penalize_bias=False).passed
    assert found(checked(SVM_LOOPS, penalize_bias=False)) == [("penalty on the bias", BOTH)]


def test_mistakes_that_a_numerical_check_does_not_find_are_noted():
    for old, new in (("scores[y[i]] + 1", "scores[y[i]]"), ("if j == y[i]", "if False")):
        report = checked(edited(SVM_LOOPS, [(old, new)]))
        assert any("a numerical gradient check passes" in note for note in report.notes), str(report)
    report = checked(edited(SVM_LOOPS, [("2 * reg", "reg")]))
    assert report.notes == ()


@pytest.mark.parametrize(
    ("source", "replacements", "said"),
    [
        (NO_LOOPS_EINSUM, [], "on uint8 rows the differences wrap around (3 - 5 is 254)"),
        (TWO_LOOPS, [], "on uint8 rows the differences wrap around (3 - 5 is 254)"),
        (ONE_LOOP, [], "on uint8 rows the differences wrap around (3 - 5 is 254)"),
        (NO_LOOPS, [], "on uint8 rows squares and products wrap around (16 * 16 is 0)"),
        (NO_LOOPS, [("- 2 * X.dot(", "+ X.dot(-2.0 * ")], "on uint8 rows squares and products wrap around (16 * 16 is 0)"),
        (NO_LOOPS, [("- 2 * X.dot(", "+ X.dot(-2 * ")], "on uint8 rows it raises OverflowError"),
    ],
)
def test_bytes_that_wrap_around_are_noted_for_solutions_that_are_right_on_floats(source, replacements, said):
    report = checked(edited(source, replacements))
    assert report.passed, str(report)
    (note,) = report.notes
    assert note.startswith(said)


def test_solutions_that_convert_bytes_have_no_note():
    assert checked(edited(NO_LOOPS_EINSUM, [("X[:, None]", "X[:, None].astype(float)")])).notes == ()


def test_loops_are_counted_where_the_name_says_how_many(tmp_path, monkeypatch):
    (tmp_path / "two.py").write_text("import numpy as np\n" + TWO_LOOPS.replace("two_loops", "no_loops"))
    monkeypatch.syspath_prepend(tmp_path)
    import two

    report = course.check(two.KNearestNeighbor, "compute_distances_no_loops", timing=False)
    assert report.passed
    assert "the function has 2 loops; by its name it should have none" in report.notes


def test_a_one_sided_difference_passes_with_a_note():
    report = checked(NUMERICAL_FLAT)
    assert report.passed
    assert any("a central difference" in note for note in report.notes)
    assert checked(NUMERICAL).notes == ()


@pytest.mark.parametrize(
    "given",
    [
        lambda: made(TWO_LOOPS),
        lambda: made(TWO_LOOPS)(),
        lambda: made(TWO_LOOPS)().compute_distances_two_loops,
        lambda: made(TWO_LOOPS).compute_distances_two_loops,
    ],
    ids=["class", "object", "method", "function of a class"],
)
def test_methods_are_taken_in_every_form(given):
    assert course.check(given(), "compute_distances_two_loops", timing=False).passed


@pytest.mark.parametrize("source", [SVM_LOOPS, SOFTMAX_LOOPS])
def test_float32_is_precise_enough(source):
    function = made(source)
    report = course.check(
        lambda W, X, y, reg: function(W.astype(np.float32), X.astype(np.float32), y, np.float32(reg)),
        name_of(source),
        timing=False,
    )
    assert report.passed, str(report)
    assert report.gradient_error > 1e-9


def test_an_object_keeps_its_own_rows():
    own = made(TWO_LOOPS)()
    own.train(np.zeros((2, 3)), np.array([0, 1]))
    assert course.check(own, "compute_distances_two_loops", timing=False).passed
    assert own.X_train.shape == (2, 3)


def test_the_functions_own_name_is_the_default():
    assert course.check(made(SVM_LOOPS), timing=False).function == "svm_loss_naive"
    with pytest.raises(InputError, match=r"the function's own name, '<lambda>', is not in the assignment: give one of: svm"):
        course.check(lambda: 0)


def test_the_only_method_of_a_class_is_the_default_and_of_several_the_call_is_shown():
    for given in (made(TWO_LOOPS), made(TWO_LOOPS)()):
        assert course.check(given, timing=False).function == "compute_distances_two_loops"
    both = edited(TWO_LOOPS, [("class KNearest", "class Other:\n    pass\n\n\nclass KNearest")])
    both += "\n".join("    " + line for line in LABELS_BINCOUNT.splitlines()) + "\n"
    said = (
        r"has 2 functions of the assignment, compute_distances_two_loops, predict_labels: name the one to check, such as "
        r"course.check\({}, 'compute_distances_two_loops'\)"
    )
    for given, name in ((made(both), "KNearestNeighbor"), (made(both)(), "it")):
        with pytest.raises(InputError, match=said.format(name)):
            course.check(given)
        assert course.check(given, "predict_labels", timing=False).passed
    with pytest.raises(InputError, match="int has no function of the assignment: wanted a method of one of: svm_loss_naive"):
        course.check(int)


def test_the_learners_output_and_warnings_are_suppressed(capfd, recwarn):
    checked(edited(SVM_LOOPS, [("    loss = 0.0", "    loss = 0.0\n    print('here')\n    np.log(np.zeros(1))")]))
    assert capfd.readouterr() == ("", "")
    assert not recwarn.list


def test_exits_and_errors_of_the_learner_are_mistakes():
    for code, said in (("raise SystemExit(3)", "SystemExit: 3"), ("raise KeyError('W')", "KeyError: 'W'")):
        report = checked(edited(SVM_LOOPS, [("    loss = 0.0", f"    {code}")]))
        assert found(report) == [("raises", BOTH)]
        assert said in report.mistakes[0].seen


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "raise KeyError('W')",
            "raises KeyError: 'W' (own.py:6, in svm_loss_naive). Likely cause: a dictionary does",
        ),
        (
            "lost",
            "raises NameError: name 'lost' is not defined (own.py:6, in svm_loss_naive). Likely cause: a name is",
        ),
        (
            "X[1000]",
            "(own.py:6, in svm_loss_naive). Likely cause: an index is outside its array: the rows",
        ),
        (
            "raise RuntimeError",
            "raises RuntimeError (own.py:6, in svm_loss_naive). Likely cause: an error in",
        ),
        ("raise RuntimeError('a' * 10_000)", f"raises RuntimeError: {'a' * 157}... (own.py:6, in svm_loss_naive)"),
        ("raise ValueError('one\\n\\ntwo \\x1b[2J \\udcff')", r"raises ValueError: one two \x1b[2J \udcff (own.py:6"),
        ("raise type('N' * 999, (Exception,), {})", f"raises {'N' * 37}... (own.py:6"),
        ("raise type('Odd', (Exception,), {'__str__': lambda self: 1 / 0})", "raises Odd (own.py:6, in svm_loss_naive)"),
    ],
)
def test_an_exception_is_one_short_line_that_says_where(tmp_path, monkeypatch, code, said):
    (tmp_path / "own.py").write_text("import numpy as np\n" + edited(SVM_LOOPS, [("    loss = 0.0", f"    {code}")]))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own", raising=False)
    importlib.invalidate_caches()
    (mistake,) = course.check(importlib.import_module("own").svm_loss_naive, timing=False).mistakes
    monkeypatch.delitem(sys.modules, "own")
    assert said in str(mistake)
    assert str(mistake).isprintable()
    assert len(str(mistake)) < 500


def test_the_report_shows_times_of_both():
    report = course.check(made(SVM_LOOPS))
    assert report.seconds > 0
    assert report.fastcls_seconds > 0
    assert "200 rows of 3,073 values, 10 classes" in str(report)
    assert str(report).startswith("svm_loss_naive: right\n")


@pytest.mark.parametrize(("name", "source"), [(name, sources[-1]) for name, sources in RIGHT.items()])
def test_every_function_of_the_assignment_is_timed(name, source):
    report = course.check(made(source), name)
    assert (report.seconds is None) == (name == "subtract_mean")
    assert (report.fastcls_seconds is None) == (name == "subtract_mean")


def test_the_report_is_safe_in_a_notebook_and_on_a_screen():
    report = checked(edited(SVM_LOOPS, [("    loss = 0.0", "    raise ValueError('<b>\\x1b[2J')")]))
    assert "<b>\\" not in report._repr_html_().replace("<b>svm", "")
    assert "&lt;b&gt;" in report._repr_html_()
    assert "\x1b" not in str(report)
    assert report.to_dict()["passed"] is False


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: course.check(print, "svm_loss"), r"name='svm_loss' is unknown; did you mean"),
        (lambda: course.check(3, "svm_loss_naive"), r"function is an int; wanted a function svm_loss_naive\(W, X, y, reg\)"),
        (lambda: course.check(int, "svm_loss_naive"), r"function is the class int; wanted a function"),
        (lambda: course.check(int, "predict_labels"), r"int has no method predict_labels"),
        (lambda: course.check(lambda X: X, "compute_distances_no_loops"), r"takes 1 of the arguments \(X, X_train\)"),
        (lambda: course.check(made(SVM_LOOPS), year=2014), r"year=2014; wanted a whole number of at least 2015"),
        (lambda: course.check(made(SVM_LOOPS), timing=1), r"timing=1; wanted True or False"),
    ],
)
def test_wrong_calls_are_refused(call, said):
    with pytest.raises(InputError, match=said):
        call()
