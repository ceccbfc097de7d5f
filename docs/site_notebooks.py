"""Notebooks of the lecture's pages: a task is a cell with its stub and a cell with its check, which first says "not yet".

sphinx-gallery makes a notebook of each page; there, the code of a task is text of a markdown cell. This takes it out.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from typing import Any

_BLOCK = re.compile(r"^```python\n(.*?)\n```$", re.MULTILINE | re.DOTALL)


def is_stub(node: ast.stmt) -> bool:
    """Whether a statement is a function that a learner is to write: its last line raises NotImplementedError."""
    return isinstance(node, ast.FunctionDef) and ast.unparse(node.body[-1]) == "raise NotImplementedError"


def parts_of(code: str) -> tuple[str, str, list[str]]:
    """The source of a task's stubs, that of its check, and the names of the stubs (none if the code is no task)."""
    nodes = ast.parse(code).body
    stubs = [node for node in nodes if is_stub(node)]
    lines = code.splitlines()
    of_stubs = {n for node in stubs for n in range(node.lineno - 1, node.end_lineno or node.lineno)}
    stub, check = (
        "\n".join(line for n, line in enumerate(lines) if (n in of_stubs) == own).strip() for own in (True, False)
    )
    return stub, check, [node.name for node in stubs if isinstance(node, ast.FunctionDef)]


def checking(check: str) -> str:
    """The check as a cell that says what came and what was wanted, or that the stubs are untouched."""
    return f'import fastcls\n\nfastcls.course.check_task("""\n{check}\n""", globals());'


def cell(kind: str, text: str) -> dict[str, Any]:
    """A cell of a notebook, as sphinx-gallery writes them."""
    more = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": {}, "source": [text], **more}


def cells_of(markdown: str) -> Iterator[dict[str, Any]]:
    """Cells of one markdown cell: its text, and a stub and a check in place of the code of each task."""
    done = 0
    for block in _BLOCK.finditer(markdown):
        stub, check, names = parts_of(block[1]) if "NotImplementedError" in block[1] else ("", "", [])
        if not names:
            continue
        if text := markdown[done : block.start()].strip():
            yield cell("markdown", text)
        yield cell("code", stub)
        yield cell("code", checking(check))
        done = block.end()
    if text := markdown[done:].strip():
        yield cell("markdown", text)


def with_task_cells(notebook: dict[str, Any]) -> dict[str, Any]:
    """The notebook with cells of code for its tasks."""
    cells: list[dict[str, Any]] = []
    for one in notebook["cells"]:
        text = "".join(one["source"])
        cells += cells_of(text) if one["cell_type"] == "markdown" and "NotImplementedError" in text else [one]
    return {**notebook, "cells": cells}


def setup(app: Any) -> dict[str, bool]:
    """Let sphinx-gallery write such notebooks; its own function is called first."""
    from sphinx_gallery import gen_rst

    made = gen_rst.jupyter_notebook

    @functools.wraps(made)
    def jupyter_notebook(*arguments: Any, **options: Any) -> dict[str, Any]:
        return with_task_cells(made(*arguments, **options))

    gen_rst.jupyter_notebook = jupyter_notebook
    return {"parallel_read_safe": True}
