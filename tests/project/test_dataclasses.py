"""Dataclasses that hold arrays are compared by identity: the generated ``==`` would ask an array for one truth value."""

import ast
from pathlib import Path

import pytest

import fastcls

ROOT = Path(fastcls.__file__).parent


def is_dataclass(decorator):
    name = decorator.func if isinstance(decorator, ast.Call) else decorator
    return getattr(name, "id", getattr(name, "attr", None)) == "dataclass"


def compares_fields(cls):
    """Whether a class is a dataclass with a generated ``__eq__``."""
    for decorator in filter(is_dataclass, cls.decorator_list):
        options = {word.arg: word.value for word in getattr(decorator, "keywords", [])}
        own = any(isinstance(entry, ast.FunctionDef) and entry.name == "__eq__" for entry in cls.body)
        return not own and getattr(options.get("eq"), "value", True)
    return False


def array_fields(cls):
    """The fields that are arrays, or hold some, and are compared."""
    for entry in cls.body:
        if not isinstance(entry, ast.AnnAssign) or "compare=False" in ast.unparse(entry):
            continue
        words = ast.unparse(entry.annotation)
        if "Callable" not in words and any(word in words for word in ("ndarray", "NDArray", "CheckedRows")):
            yield entry.target.id


def dataclasses_in(text):
    return [entry for entry in ast.walk(ast.parse(text)) if isinstance(entry, ast.ClassDef) and compares_fields(entry)]


def test_a_comparison_of_arrays_is_found():
    text = "@dataclass(frozen=True{})\nclass A:\n    n: int\n    x: np.ndarray | None = None\n"
    assert [list(array_fields(cls)) for cls in dataclasses_in(text.format(""))] == [["x"]]
    assert dataclasses_in(text.format(", eq=False")) == []


@pytest.mark.parametrize("folder", sorted({path.parent.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py")}))
def test_no_dataclass_compares_arrays(folder):
    found = {
        f"{path.name}: {cls.name}": fields
        for path in (ROOT / folder).glob("*.py")
        for cls in dataclasses_in(path.read_text(encoding="utf-8"))
        if (fields := list(array_fields(cls)))
    }
    assert found == {}, "give these eq=False: arrays have no single truth value"
