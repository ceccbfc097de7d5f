"""Reports, tables and selections as HTML for notebooks: complete, escaped, and without colours of their own."""

from html.parser import HTMLParser

import numpy as np
import pytest

from fastcls import KNeighborsClassifier, LinearProblem, course, datasets, evaluate_k
from fastcls.gradcheck import check_gradient
from fastcls.model_selection import cross_validate_k
from fastcls.protocols import compare

HOSTILE = "<script>alert('&')</script>\u202e"


class Page(HTMLParser):
    """Cells of the tables, other text, and the tags that are open."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.rows, self.text = [], set(), [], []
        self.marked = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        if tag == "tr":
            self.rows.append([])
            if "bold" in dict(attrs).get("style", ""):
                self.marked.append(len(self.rows) - 1)
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data
        else:
            self.text.append(data)


def read(result):
    page = Page(result._repr_html_())
    assert not page.open
    assert page.tags <= {"div", "p", "b", "ul", "li", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert len({len(row) for row in page.rows}) <= 2  # a comparison has two tables
    return page


@pytest.fixture(scope="module")
def data():
    return datasets.train_test_split(datasets.load_digits(), test_size=300, random_state=0)


def test_a_selection_has_every_k_and_marks_the_choice(data):
    found = cross_validate_k(data.X, data.y, ks=[1, 3, 5], cv=4, random_state=0)
    page = read(found)
    heads, *rows = page.rows
    assert heads == ["k", "L1: %", "L2: %"]
    assert [row[0] for row in rows] == ["1", "3", "5"]
    for at, row in enumerate(rows):
        for metric, cell in zip(("l1", "l2"), row[1:], strict=True):
            mean, std = (float(part) for part in cell.split(" ± "))
            assert mean == pytest.approx(100 * found.mean(metric)[at], abs=0.006)
            assert std == pytest.approx(100 * found.std(metric)[at], abs=0.006)
    assert page.marked == [1 + found.best_index]
    assert page.text[0].startswith(f"k = {found.best_k} under")


def test_leave_one_out_has_standard_errors(data):
    found = cross_validate_k(data.X[:200], data.y[:200], ks=[3], metrics=["l2"], cv="loo")
    page = read(found)
    share = found.mean("l2")[0]
    assert page.rows[1][1] == f"{100 * share:.2f} ± {100 * np.sqrt(share * (1 - share) / 200):.2f}"
    assert "±: standard error" in page.text


def test_a_table_has_the_cells_of_its_print(data):
    found = evaluate_k(data.X, data.y, data.X_test, data.y_test, [1, 3])
    page = read(found)
    printed = str(found).splitlines()
    assert page.text[0] == found.title == printed[0]
    for row, line in zip(page.rows, [printed[2], *printed[4:-1]], strict=True):
        assert " ".join(row).split() == line.split()


def test_names_are_escaped(data):
    half = np.ascontiguousarray(data.X[:, ::2])
    rows = {HOSTILE: data.X, "half": half}
    test = {HOSTILE: data.X_test, "half": np.ascontiguousarray(data.X_test[:, ::2])}
    found = compare(rows, data.y, test, data.y_test, presets=["dino"])
    page = read(found)
    shown = HOSTILE.replace("\u202e", "\\u202e")
    assert sum(row[0] == shown for row in page.rows) == 4  # dino reports four k
    assert [row[1] for row in page.rows if row[0] == "dino"] == [shown]


def test_a_search_report_has_its_levels(data):
    rng = np.random.default_rng(0)
    X = (rng.normal(size=(6000, 4)) @ rng.normal(size=(4, 200))).astype(np.float32)
    model = KNeighborsClassifier(1, algorithm="filter").fit(X, np.arange(6000) % 3)
    model.predict(X[:50])
    report = model.search_report_
    page = read(report)
    assert report.levels
    assert [row[0] for row in page.rows[1:]] == [level.bound for level in report.levels]
    assert page.rows[1][3] == f"{report.levels[0].pairs_out:,}"
    assert page.text[:4] == str(report).splitlines()[:3] + [str(report).splitlines()[3 + len(report.levels)]]


def test_gradients_and_a_learners_check(data):
    problem = LinearProblem(data.X[:50].astype(float), data.y[:50], loss="hinge", alpha=0.1)
    report = check_gradient(problem, 0.01 * np.ones(problem.shape))
    page = read(report)
    assert page.rows[0] == ["class", "feature", "analytic", "numerical", "error", ""]
    assert len(page.rows) == 9
    assert report.verdict in page.text
    found = course.check(lambda W, X, y, reg: (0.0, W), "svm_loss_naive", timing=False)
    page = read(found)
    assert [row[0] for row in page.rows[1:]] == [one.name for one in found.mistakes]
