"""Pages of the site that are made from the code: the reference, contents of the guide, rows and solutions of the lecture."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType

import lecture_rows

import fastcls

#: public modules that `fastcls.__all__` does not list, since their main names are there
FURTHER = ("linear", "neighbors", "persistence")

GUIDE = {
    "Begin": ("start", "data", "results", "errors"),
    "Learn": ("course", "teaching"),
    "Next steps": ("today", "later"),
    "Use": (
        "classifiers",
        "from_others",
        "evaluation",
        "compare",
        "neighbors",
        "models",
        "serving",
        "dask",
        "report",
        "displays",
        "demos",
    ),
    "Why the answers are exact": ("bounds", "filter"),
    "What fastcls is not for": ("not_here",),
    "What is promised, and tested": ("trust",),
}


def titled(text: str, line: str = "=") -> list[str]:
    """A heading of reStructuredText."""
    return [text, line * len(text), ""]


def tree(names: list[str], *options: str) -> list[str]:
    """A table of contents."""
    return [".. toctree::", *(f"   {option}" for option in options), "", *(f"   {name}" for name in names), ""]


def modules() -> dict[str, ModuleType]:
    """Public modules by their names within fastcls."""
    listed = [name for name in fastcls.__all__ if inspect.ismodule(getattr(fastcls, name))]
    return {name: importlib.import_module(f"fastcls.{name}") for name in sorted({*listed, *FURTHER})}


def public_names(module: ModuleType) -> list[str]:
    """Names that a module lists as public; without a list, the functions that it defines."""
    own = [name for name, value in vars(module).items() if inspect.isfunction(value) and value.__module__ == module.__name__]
    return sorted(getattr(module, "__all__", [name for name in own if not name.startswith("_")]), key=str.lower)


def top_level() -> dict[str, object]:
    """Names of `fastcls.__all__` that are not modules, with their objects."""
    found = {name: getattr(fastcls, name) for name in fastcls.__all__ if not name.startswith("_")}
    return {name: value for name, value in found.items() if not inspect.ismodule(value)}


def summary(names: list[str], module: str) -> list[str]:
    """A table of names, with a page for each."""
    return [
        f".. currentmodule:: {module}",
        "",
        ".. autosummary::",
        "   :toctree: generated",
        "",
        *(f"   {n}" for n in names),
        "",
    ]


def comment_of(name: str, value: object, module: str) -> str:
    """The ``#:`` comment above the definition of a public value, in the module or one of its files."""
    from sphinx.pycode import ModuleAnalyzer

    for file in [one for one in sorted(sys.modules) if f"{one}.".startswith(f"{module}.")]:
        if vars(sys.modules[file]).get(name) is value and str(sys.modules[file].__file__).endswith(".py"):
            text = " ".join(ModuleAnalyzer.for_module(file).find_attr_docs().get(("", name), [])).strip()
            if text:
                return text[0].upper() + text[1:].rstrip(".") + "."
    raise ValueError(f"{module}.{name} has no comment that begins with #: above its definition")


def entry(value: object) -> str:
    """One value of a registry, in a line."""
    if isinstance(value, str):
        return f"``{value}``"
    for attribute in ("formula", "source"):
        if text := getattr(value, attribute, None):
            return f"``{text}``" if attribute == "formula" else str(text).replace("|", r"\|").replace("*", r"\*")
    if hasattr(value, "arguments"):
        return f"``({value.arguments})``, returns {value.returns}"
    return ""


def data(names: list[str], module: str) -> list[str]:
    """Public values of a module, with their contents: they have no docstrings."""
    lines = [*titled("Data", "-"), f".. currentmodule:: {module}", ""]
    for name in names:
        value = getattr(importlib.import_module(module), name)
        lines += [f".. py:data:: {name}", "", f"   {comment_of(name, value, module)}", ""]
        if isinstance(value, dict):
            for key, text in ((key, entry(one)) for key, one in value.items()):
                lines += [f"   * ``{key}``" + (f": {text}" if text else "")]
        else:
            lines += [f"   Value: ``{value}``"]
        lines.append("")
    return lines


def module_page(name: str, module: ModuleType) -> str:
    """The page of one public module: what it is for, and its names; what `fastcls` itself offers is only named."""
    above = {id(value): top for top, value in top_level().items()}
    names = public_names(module)
    here = [one for one in names if id(getattr(module, one)) not in above]
    there = [above[id(getattr(module, one))] for one in names if id(getattr(module, one)) in above]
    lines = titled(f"fastcls.{name}") + [(module.__doc__ or "").strip().split("\n\n")[0].replace("\n", " "), ""]
    if there:
        links = ", ".join(f":py:obj:`fastcls.{one} <fastcls.{one}>`" for one in there)
        lines += [f"Described on pages of their own: {links}.", ""]
    values = [one for one in here if not callable(getattr(module, one))]
    described = [one for one in here if one not in values]
    lines += summary(described, f"fastcls.{name}") if described else []
    return "\n".join(lines + (data(values, f"fastcls.{name}") if values else []))


def reference() -> dict[str, str]:
    """Pages of the reference: file name -> text."""
    known = modules()
    index = titled("Reference") + ["Every public name, from its docstring.", ""]
    index += titled("fastcls", "-") + summary(sorted(top_level(), key=str.lower), "fastcls")
    index += titled("Modules", "-") + tree([f"fastcls.{name}" for name in known], ":maxdepth: 1")
    pages = {f"api/fastcls.{name}.rst": module_page(name, module) for name, module in known.items()}
    return {"api/index.rst": "\n".join(index), **pages}


def guide() -> str:
    """Contents of the guide: the pages of docs/ that can be read without the site, too."""
    lines = titled("Guide") + ["The tests run the examples of these pages, and compare what they print.", ""]
    for title, names in GUIDE.items():
        lines += titled(title, "-") + tree(list(names), ":maxdepth: 1")
    return "\n".join(lines)


def answers_of(path: Path) -> tuple[list[str], int]:
    """What a file of solutions says about its page's things to try, and the line where its code begins."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    text = (ast.get_docstring(tree) or "").partition("\n\n")[2]
    return text.splitlines(), (tree.body[0].end_lineno or 1) + 1


def solutions() -> str:
    """Solutions of the tasks, and answers to the things to try, page by page."""
    lines = titled("Solutions") + [
        "Of the things to try and the tasks at the end of each page; numbers are those of the digits, and on the last page",
        "those of the patches of photographs. The tests hold the functions against the checks of the tasks.",
        "",
    ]
    folder = lecture_rows.FOLDER.parent / "solutions"
    for path in [*sorted(folder.glob("row*.py")), *sorted(folder.glob("next_*.py"))]:
        page = path.stem if path.stem.startswith("row") else f"next/{path.stem}"
        title = f":doc:`{lecture_rows.title_of(page)} <lecture/{page}>`"
        answers, first = answers_of(path)
        include = f".. literalinclude:: solutions/{path.name}"
        lines += [*titled(title, "-"), *answers, "", "Two tasks:", "", include, f"   :lines: {first}-", ""]
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """All pages that are made: file name -> text."""
    made = {"guide.rst": guide(), "lecture_rows.md": lecture_rows.markdown(), "solutions.rst": solutions()}
    return made | reference()
