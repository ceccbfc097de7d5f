"""The lecture, row by row: the page of a row, and its assertions. ``python docs/lecture_rows.py`` prints the table.

A page of docs/lecture/ marks an assertion with the row that it proves, by a comment at its end: ``# row 13``. The mark
counts only on a statement that can fail, ``assert`` or a call of ``np.testing``, and that runs in every build: it is not in
a function, a handler of errors, or below ``if``. Below ``if folder:`` it holds where CIFAR-10 is, and the table says so;
such assertions alone prove no row.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent / "lecture"

#: the subjects of the lecture, in its order
ROWS = {
    1: "train and predict; no obvious way to hard-code a class",
    2: "the semantic gap and its six challenges",
    3: "nearest neighbour under L1: train O(1), predict O(N)",
    4: "the worked example of L1: 456",
    5: "CIFAR-10; test images beside their nearest neighbours",
    6: "k-NN: majority vote, K = 1, 3, 5; regions under L1 and L2",
    7: "the interactive demo; ties are white",
    8: "hyperparameters: four ideas for choosing them",
    9: "only run on the test set once, at the very end",
    10: "five-fold cross-validation of k",
    11: "pixel distances are not informative",
    12: "the curse of dimensionality",
    13: "f = Wx + b: four pixels, three classes; the bias trick",
    14: "three readings of one W: formula, templates, geometry",
    15: "hard cases for a linear classifier",
    16: "a table of scores: is this W good or bad?",
    17: "the multiclass SVM loss, and six questions",
    18: "a W without loss is not unique",
    19: "regularization",
    20: "the softmax loss: exp, normalise, −log",
    21: "softmax against SVM; jiggling a data point",
    22: "random search",
    23: "following the slope: the numerical gradient",
    24: "the gradient check",
    25: "gradient descent and minibatches",
}


class Assertion(NamedTuple):
    """One marked assertion.

    Attributes
    ----------
    page : str
        Name of the page, without its ending.
    line : int
    text : str
        The statement, on one line.
    only : str
        ``"only with CIFAR-10"``, ``"only without CIFAR-10"``, or "" for one that every build runs.
    """

    page: str
    line: int
    text: str
    only: str = ""


#: (test of an ``if``, whether in its ``else``) -> when an assertion there runs; no other ``if`` may hold a mark
ONLY = {
    ("folder", False): "only with CIFAR-10",
    ("folder", True): "only without CIFAR-10",
    ("not folder", False): "only without CIFAR-10",
    ("not folder", True): "only with CIFAR-10",
}
#: what is below these may not run
HIDING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.ExceptHandler, ast.While, ast.Match)


def conditions(source: str) -> dict[int, str]:
    """Last lines of the statements that not every build runs -> when they run; ``"perhaps"`` if nobody knows."""
    found: dict[int, str] = {}

    def walk(node: ast.AST, only: str) -> None:
        if only and isinstance(node, ast.stmt) and node.end_lineno:
            found[node.end_lineno] = only
        if isinstance(node, ast.If):
            for orelse, part in ((False, node.body), (True, node.orelse)):
                inner = ONLY.get((ast.unparse(node.test), orelse), "perhaps")
                for one in part:
                    walk(one, inner if only in ("", inner) else "perhaps")
            return
        for child in ast.iter_child_nodes(node):
            walk(child, "perhaps" if isinstance(node, HIDING) else only)

    walk(ast.parse(source), "")
    return found


def statements(source: str) -> list[ast.stmt]:
    """Statements of a page that can fail: assert, and calls of np.testing."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.Assert, ast.Expr))]
    return [
        node
        for node in found
        if isinstance(node, ast.Assert)
        or (isinstance(node.value, ast.Call) and ast.unparse(node.value.func).startswith("np.testing.assert_"))
    ]


def marked(source: str, page: str = "") -> dict[int, list[Assertion]]:
    """Row -> assertions of one page.

    Raises
    ------
    ValueError
        For a mark beside something that cannot fail or may not run, and for a row that the lecture does not have.
    """
    when = conditions(source)
    ends = {node.end_lineno: node for node in statements(source)}
    found: dict[int, list[Assertion]] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT or not (mark := re.fullmatch(r"# rows? ([\d, ]+)", token.string)):
            continue
        line = token.start[0]
        if line not in ends:
            raise ValueError(f"{page}, line {line}: {token.string!r} marks no assertion")
        only = when.get(line, "")
        if only == "perhaps":
            raise ValueError(f"{page}, line {line}: {token.string!r} marks an assertion that may not run")
        for row in map(int, mark[1].split(",")):
            if row not in ROWS:
                raise ValueError(f"{page}, line {line}: the lecture has rows 1 to {len(ROWS)}, not {row}")
            found.setdefault(row, []).append(Assertion(page, line, ast.unparse(ends[line]), only))
    return found


def table(folder: Path = FOLDER) -> dict[int, list[Assertion]]:
    """Row -> assertions of all pages, for every row of the lecture; an empty list where no page shows it yet."""
    rows: dict[int, list[Assertion]] = {row: [] for row in ROWS}
    for path in sorted(folder.glob("row*.py")):
        for row, assertions in marked(path.read_text(encoding="utf-8"), path.stem).items():
            rows[row] += assertions
    return rows


def title_of(page: str, folder: Path = FOLDER) -> str:
    """The heading of a page: the first line of its docstring that has letters."""
    text = ast.get_docstring(ast.parse((folder / f"{page}.py").read_text(encoding="utf-8"))) or ""
    return next(line for line in text.splitlines() if re.search(r"\w", line))


def unproved(rows: dict[int, list[Assertion]]) -> list[int]:
    """Rows that have no assertion that every build runs."""
    return [row for row, assertions in rows.items() if all(one.only for one in assertions)]


def markdown(folder: Path = FOLDER) -> str:
    """The table as a page of the site.

    Raises
    ------
    ValueError
        If a row has no assertion that every build runs.
    """
    rows = table(folder)
    if missing := unproved(rows):
        raise ValueError(f"no page proves rows {', '.join(map(str, missing))} without CIFAR-10")
    lines = [
        "# The lecture, row by row",
        "",
        "Each row is a part of the lecture. Its page asserts the row's numbers while the site is built: if one of these",
        "assertions fails, there is no site. The figures of the page are drawn in the same run. Some assertions run only",
        "where `FASTCLS_CIFAR10` names CIFAR-10; every row has others.",
        "",
        "| row | the lecture | page | assertions |",
        "|---|---|---|---|",
    ]
    for row, assertions in rows.items():
        pages = sorted({one.page for one in assertions})
        links = ", ".join(f"[{title_of(page, folder)}](lecture/{page}.rst)" for page in pages)
        code = "<br>".join((f"{one.only}: " if one.only else "") + f"`{shown(one.text)}`" for one in assertions)
        cell = f"<details><summary>{counts(assertions)}</summary>{code}</details>"
        lines.append(f"| {row} | {ROWS[row]} | {links} | {cell} |")
    return "\n".join(lines) + "\n"


def counts(assertions: list[Assertion]) -> str:
    """How many assertions every build runs, and how many more only some builds run."""
    parts = [str(sum(not one.only for one in assertions))]
    parts += [f"{n} {only}" for only in sorted(set(ONLY.values())) if (n := sum(one.only == only for one in assertions))]
    return ", ".join(parts)


def shown(text: str, width: int = 110) -> str:
    """A statement as code in a cell of a table."""
    short = text if len(text) <= width else text[: width - 1] + "…"
    return short.replace("|", r"\|").replace("`", "'")


if __name__ == "__main__":
    for row, assertions in table().items():
        where = ", ".join(sorted({one.page for one in assertions})) or "-"
        print(f"{row:>2}  {ROWS[row]:<62} {where:<40} {counts(assertions)}")
