"""Every public name has a docstring that is a plain string literal: editors, griffe and pyright read the source only."""

import ast
import inspect
import itertools
import re
from pathlib import Path

import pytest

import fastcls
from fastcls import (
    course,
    dask,
    datasets,
    demo,
    display,
    gradcheck,
    linear,
    losses,
    metrics,
    model_selection,
    neighbors,
    onnx,
    optim,
    penalties,
    persistence,
    protocols,
    reference,
    simd,
)

PACKAGE = Path(fastcls.__file__).parent
MODULES = (
    fastcls, course, dask, datasets, demo, display, gradcheck, linear, losses, metrics, model_selection, neighbors, onnx,
    optim, penalties, persistence, protocols, reference, simd,
)  # fmt: skip


def public_objects():
    """(module, name, object) of the package's own classes and functions that public modules hand out."""
    for module in MODULES:
        for name in getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")]):
            found = getattr(module, name)
            own = getattr(found, "__module__", None) or ""
            if not hasattr(module, "__all__") and own != module.__name__:  # a helper that the module imports
                continue
            if (inspect.isclass(found) or inspect.isfunction(found)) and own.startswith("fastcls"):
                yield found


def definitions():
    """(file, qualified name, node) of each public class and function, and of the classes' public methods, also inherited."""
    named = list(public_objects())
    wanted = {(found.__module__, found.__qualname__) for found in named}
    bases = {(base.__module__, base.__qualname__) for found in named if inspect.isclass(found) for base in found.__mro__}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or (module, node.name) not in wanted | bases:
                continue
            if (module, node.name) in wanted:
                yield path, node.name, node
            for method in node.body if isinstance(node, ast.ClassDef) else ():
                if isinstance(method, ast.FunctionDef) and not method.name.startswith("_"):
                    yield path, f"{node.name}.{method.name}", method


DEFINITIONS = list(definitions())


def test_the_public_names_are_found():
    names = {name for _, name, _ in DEFINITIONS}
    assert {"KNeighborsClassifier", "MulticlassSVM", "SoftmaxClassifier.predict_proba", "knn", "check_gradient"} <= names
    assert len(names) > 150


@pytest.mark.parametrize(("path", "name", "node"), DEFINITIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_public_docstring_is_a_literal(path, name, node):
    assert ast.get_docstring(node), f"{path.relative_to(PACKAGE)}: {name} has no literal docstring"


def sections(docstring):
    """Map the heading of each numpydoc section to its lines."""
    found, heading = {}, ""
    lines = docstring.splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if line and re.fullmatch("-{3,}", below):
            heading = line
        found.setdefault(heading, []).append(line)
    return found


def arguments(node):
    """Return the names of the arguments of a function, or of a class's own ``__init__``."""
    if isinstance(node, ast.ClassDef):
        node = next((part for part in node.body if getattr(part, "name", "") == "__init__"), None)
    names = [] if node is None else [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return {argument.arg for argument in names} - {"self", "cls"}


def is_property(node):
    return any(getattr(decorator, "id", "") == "property" for decorator in node.decorator_list)


@pytest.mark.parametrize(("path", "name", "node"), DEFINITIONS, ids=lambda value: value if isinstance(value, str) else "")
def test_every_public_docstring_has_its_sections(path, name, node):
    there = sections(ast.get_docstring(node))
    listed = " ".join(
        line for part in ("Parameters", "Attributes") for line in there.get(part, []) if not line.startswith(" ")
    )
    if not is_property(node):
        assert arguments(node) <= set(re.findall(r"\w+", listed)), name
    if isinstance(node, ast.FunctionDef) and not is_property(node):
        if node.returns is not None and not (isinstance(node.returns, ast.Constant) and node.returns.value is None):
            assert {"Returns", "Yields"} & set(there), name
        if any(isinstance(part, ast.Raise) and part.exc is not None for part in ast.walk(node)):
            assert "Raises" in there, name


def test_every_error_of_a_docstring_has_its_condition():
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, (ast.ClassDef, ast.FunctionDef)) or not ast.get_docstring(node):
                continue
            errors = [*sections(ast.get_docstring(node)).get("Raises", [])[2:], ""]
            for line, below in itertools.pairwise(errors):
                where = f"{path.relative_to(PACKAGE)}, line {node.lineno}: {node.name} raises {line}"
                assert not line or line.startswith(" ") or below.startswith(" "), f"{where} without saying when"


def test_nothing_composes_a_docstring_when_it_is_imported():
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                name = getattr(target, "id", getattr(target, "attr", None))
                assert name != "__doc__", f"{path.relative_to(PACKAGE)}, line {node.lineno}: __doc__ is assigned"


def shared_parameters(docstring):
    lines = docstring.splitlines()
    begin = next(at for at, line in enumerate(lines) if line.startswith("penalty : "))
    return lines[begin : lines.index("Examples")]


def test_the_linear_classifiers_describe_what_they_share_in_the_same_words():
    svm, softmax = (shared_parameters(inspect.getdoc(kind)) for kind in (fastcls.MulticlassSVM, fastcls.SoftmaxClassifier))
    assert svm == softmax
