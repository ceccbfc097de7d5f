"""The lecture's pages run, prove the rows that they claim, and set tasks: solutions pass, stubs and wrong ones do not."""

import ast
import contextlib
import importlib.util
import io
import re
import sys
import textwrap
from pathlib import Path

import pytest
from _wrong_solutions import WRONG

pytest.importorskip("matplotlib", reason="pages draw with matplotlib (the extra 'run')")
import matplotlib
import numpy as np

import fastcls
from fastcls import course

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "lecture").glob("row*.py"))
NAMES = [page.stem for page in PAGES]
#: beyond the lecture: they prove no row, but have exercises, too
NEXT = sorted((ROOT / "docs" / "lecture" / "next").glob("next_*.py"))
WITH_TASKS, WITH_TASKS_NAMES = [*PAGES, *NEXT], [*NAMES, *(page.stem for page in NEXT)]


def module(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


lecture_rows = module(ROOT / "docs" / "lecture_rows.py")
site_notebooks = module(ROOT / "docs" / "site_notebooks.py")


def text_of(page):
    """The words of a page: its docstring and its comments."""
    return "\n".join(re.findall(r"^# ?(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE))


def tasks(page):
    """(the stub, its check) of each task: blocks of code in the comments of the page."""
    blocks = re.findall(r"^\.\. code-block:: python\n((?:\n| {4}.*\n?)+)", text_of(page), re.MULTILINE)
    for block in map(textwrap.dedent, blocks):
        stub, check, _ = site_notebooks.parts_of(block)
        yield ast.parse(stub), ast.parse(check)


def not_refused(wrong, check, shared, solved):
    """Wrong solutions that the check of a task passes."""
    passed = []
    for name, source in wrong:
        arrays = {key: value.copy() for key, value in shared.items() if type(value) is np.ndarray}
        own = shared | arrays | {"knn": fastcls.knn, "reference": fastcls.reference, "solved": solved}
        if source.startswith("def "):
            exec(source, own)
        else:
            own[name] = eval(source, own)
        try:
            with np.errstate(all="ignore"), contextlib.redirect_stdout(io.StringIO()):
                exec(check, own)
        except (NameError, AttributeError):
            raise  # of the wrong solution itself
        except Exception:
            continue
        passed.append((name, source))
    return passed


def long_ones_marked(pages, names, long):
    marks = [[pytest.mark.build] if name in long else [] for name in names]
    return [pytest.param(page, id=name, marks=own) for page, name, own in zip(pages, names, marks, strict=True)]


LONG = {"row22_random_search", *(page.stem for page in NEXT)}


@pytest.mark.parametrize("page", long_ones_marked(WITH_TASKS, WITH_TASKS_NAMES, LONG))
def test_page_runs_and_its_tasks_can_be_solved_but_are_not(page, monkeypatch, tmp_path):
    if page in NEXT:
        pytest.importorskip("skimage", reason="the page of features uses scikit-image (the extra 'docs')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FASTCLS_CIFAR10", raising=False)
    matplotlib.use("agg")
    shared = {"__name__": "__main__"}
    try:
        exec(compile(page.read_text(encoding="utf-8"), page, "exec"), shared)
        set_tasks = list(tasks(page))
        assert len(set_tasks) == 2
        solved = vars(module(ROOT / "docs" / "solutions" / page.name))
        for stubs, checks in set_tasks:
            assert any(isinstance(node, ast.Assert) for node in checks.body)
            check = compile(checks, f"{page.name}: check", "exec")
            exec(compile(stubs, f"{page.name}: stub", "exec"), shared)
            with pytest.raises(NotImplementedError):
                exec(check, shared)
            names = [node.name for node in stubs.body]
            assert names
            assert all(ast.get_docstring(node) for node in stubs.body)
            shared |= {name: solved[name] for name in names}
            wrong = [one for one in WRONG[page.stem] if one[0] in names]
            assert len(wrong) >= 3
            assert not_refused(wrong, check, shared, solved) == []
            exec(check, shared)
            source = ast.unparse(checks)
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                assert course.check_task(source, shared), page
            assert printed.getvalue() == "right\n"
    finally:
        sys.modules["matplotlib.pyplot"].close("all")


def as_markdown(page):
    """A page's tasks as sphinx-gallery writes them in a notebook: fenced code in one markdown cell."""
    text = text_of(page)[text_of(page).index("Two tasks") :]
    found = re.sub(
        r"^\.\. code-block:: python\n((?:\n| {4}.*\n?)+)",
        lambda block: f"```python\n{textwrap.dedent(block[1]).strip()}\n```\n\n",
        text,
        flags=re.MULTILINE,
    )
    return {"cells": [{"cell_type": "markdown", "metadata": {}, "source": [found]}], "nbformat": 4}


@pytest.mark.parametrize("page", WITH_TASKS, ids=WITH_TASKS_NAMES)
def test_notebooks_have_cells_for_the_tasks_that_run_before_they_are_written(page, capsys):
    made = site_notebooks.with_task_cells(as_markdown(page))
    code = ["".join(cell["source"]) for cell in made["cells"] if cell["cell_type"] == "code"]
    text = "".join("".join(cell["source"]) for cell in made["cells"] if cell["cell_type"] == "markdown")
    assert "NotImplementedError" not in text
    assert "```" not in text
    assert len(code) == 4
    for stub, check in (code[:2], code[2:]):
        (name,) = (node.name for node in ast.parse(stub).body)
        assert stub.endswith("raise NotImplementedError")
        shared = {}
        exec(re.sub(r"\(.*\):", "(*_):", stub, count=1), shared)
        source = next(node.value for node in ast.walk(ast.parse(check)) if isinstance(node, ast.Constant))
        assert any(isinstance(node, ast.Assert) for node in ast.walk(ast.parse(source)))
        exec(check.replace(source, f"{name}()"), shared)
        assert capsys.readouterr().out == f"not yet: write {name} in the cell above\n"
        shared[name] = lambda: None
        exec(check.replace(source, f"{name}()"), shared)
        assert capsys.readouterr().out == "right\n"


def test_notebooks_keep_other_code_as_it_is():
    text = "words\n\n```python\nx = 1\n```\n\nNotImplementedError is an error."
    notebook = {
        "cells": [{"cell_type": "markdown", "metadata": {}, "source": [text]}, {"cell_type": "code", "source": ["1"]}]
    }
    assert site_notebooks.with_task_cells(notebook) == notebook


def test_every_row_has_a_page_that_asserts_it():
    rows = lecture_rows.table()
    assert list(rows) == list(range(1, 26))
    assert lecture_rows.unproved(rows) == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_page_claims_the_row_that_it_is_named_after(page):
    assert int(page.stem[3:5]) in lecture_rows.marked(page.read_text(encoding="utf-8"), page.stem)


def test_a_mark_counts_only_on_what_can_fail():
    found = lecture_rows.marked("assert f(1) == 2  # row 4\nnp.testing.assert_allclose(\n    a, b\n)  # rows 5, 6\n", "p")
    assert {row: [one.text for one in each] for row, each in found.items()} == {
        4: ["assert f(1) == 2"],
        5: ["np.testing.assert_allclose(a, b)"],
        6: ["np.testing.assert_allclose(a, b)"],
    }
    for wrong in ("x = 1  # row 4", "print(1)  # row 4", "# row 4", "assert x  # row 26"):
        with pytest.raises(ValueError, match="row"):
            lecture_rows.marked(wrong, "p")


IFS = {
    "if folder:\n    assert x  # row 5\n": "only with CIFAR-10",
    "if folder:\n    pass\nelse:\n    assert x  # row 5\n": "only without CIFAR-10",
    "if not folder:\n    for i in a:\n        assert i  # row 5\n": "only without CIFAR-10",
    "if folder:\n    if folder:\n        assert x  # row 5\n": "only with CIFAR-10",
    "for i in a:\n    with b:\n        assert x  # row 5\n": "",
    "if folder:\n    pass\nassert x  # row 5\n": "",
}


@pytest.mark.parametrize("source", IFS)
def test_a_mark_below_a_condition_says_when_it_runs(source):
    ((one,),) = lecture_rows.marked(source, "p").values()
    assert one.only == IFS[source]
    assert lecture_rows.unproved({5: [one]}) == ([5] if one.only else [])


@pytest.mark.parametrize(
    "source",
    [
        "if x:\n    assert x  # row 5\n",
        "if folder and x:\n    assert x  # row 5\n",
        "if folder:\n    if not folder:\n        assert x  # row 5\n",
        "if folder:\n    if x:\n        assert x  # row 5\n",
        "while x:\n    assert x  # row 5\n",
        "def f():\n    assert x  # row 5\n",
        "if folder:\n    def f():\n        assert x  # row 5\n",
        "try:\n    f()\nexcept E:\n    assert x  # row 5\n",
    ],
)
def test_a_mark_on_what_may_not_run_is_refused(source):
    with pytest.raises(ValueError, match="p, line [2-4]: '# row 5' marks an assertion that may not run"):
        lecture_rows.marked(source, "p")


def test_the_table_says_what_runs_only_with_cifar_10_and_is_not_made_without_a_proof(tmp_path):
    page = '"""\nA page\n"""\n' + "".join(f"assert x  # row {row}\n" for row in lecture_rows.ROWS if row != 5)
    (tmp_path / "row01.py").write_text(page + "if folder:\n    assert y  # row 5\n")
    with pytest.raises(ValueError, match="no page proves rows 5 without CIFAR-10"):
        lecture_rows.markdown(tmp_path)
    (tmp_path / "row01.py").write_text(page + "assert z  # row 5\nif folder:\n    assert y  # row 5\n")
    line = next(line for line in lecture_rows.markdown(tmp_path).splitlines() if line.startswith("| 5 "))
    assert "<summary>1, 1 only with CIFAR-10</summary>`assert z`<br>only with CIFAR-10: `assert y`<" in line


def test_table_of_the_site_links_every_row_to_its_page():
    lines = [line for line in lecture_rows.markdown().splitlines() if re.match(r"\| \d", line)]
    assert [int(line.split("|")[1]) for line in lines] == list(range(1, 26))
    linked = {name for line in lines for name in re.findall(r"\(lecture/(\w+)\.rst\)", line)}
    assert linked == set(NAMES)


def test_every_solution_belongs_to_a_page():
    assert [path.stem for path in sorted((ROOT / "docs" / "solutions").glob("*.py"))] == sorted(WITH_TASKS_NAMES)


@pytest.mark.parametrize("page", WITH_TASKS, ids=WITH_TASKS_NAMES)
def test_every_thing_to_try_has_an_answer(page):
    questions = re.search(r"^Things to try.*?\n-+\n(.*?)^Two tasks", text_of(page), re.MULTILINE | re.DOTALL)[1]
    solutions = (ROOT / "docs" / "solutions" / page.name).read_text(encoding="utf-8")
    answers = ast.get_docstring(ast.parse(solutions)).partition("Things to try:\n\n")[2]
    n_questions, n_answers = (len(re.findall(r"^\* ", text, re.MULTILINE)) for text in (questions, answers))
    assert n_questions == n_answers > 0


@pytest.mark.parametrize("page", WITH_TASKS, ids=WITH_TASKS_NAMES)
def test_page_has_its_parts(page):
    """What a learner looks for: things to try and two tasks; and each page compares with the definitions."""
    words = text_of(page)
    assert re.search(r"^Things to try.*\n-+$", words, re.MULTILINE)
    assert re.search(r"^Two tasks\n-+$", words, re.MULTILINE)
    nodes = ast.walk(ast.parse(page.read_text(encoding="utf-8")))
    assert "reference" in {name.name for node in nodes if isinstance(node, ast.ImportFrom) for name in node.names}
