"""The checks of the lecture's tasks: assertions that say what came, what was wanted, and where they differ first."""

from __future__ import annotations

import ast
import traceback
from collections.abc import Iterator
from typing import Any

import numpy as np

_NAME = "<the check of the task>"
_FEW = 8  # values of an array that are shown
#: functions that compare their first two arguments
_COMPARING = ("allclose", "isclose", "array_equal")


def check_task(check: str, namespace: dict[str, Any]) -> bool:
    """Run the check of a task of the lecture's pages, and print what it found.

    Arrays are copied first, so a solution that changes what it is given does no harm, and this is said.

    Parameters
    ----------
    check : str
        Python source with assertions.
    namespace : dict
        The names that it uses: ``globals()`` in a notebook.

    Returns
    -------
    bool
        Whether the solution is right.

    Raises
    ------
    Exception
        Any error of the solution but a failed assertion.

    Examples
    --------
    >>> from fastcls import course
    >>> def double(x):
    ...     return x + x + 1
    >>> course.check_task("assert double(4) == 8  # twice", {"double": double})
    wrong: double(4) is 9, wanted 8 (twice)
    False
    """
    tree = ast.parse(check, _NAME)
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    before = {name: value for name, value in namespace.items() if name in used and isinstance(value, np.ndarray)}
    own = namespace | {name: value.copy() for name, value in before.items()}
    try:
        exec(compile(tree, _NAME, "exec"), own)
        problem = None
    except NotImplementedError as error:
        print(f"not yet: write {traceback.extract_tb(error.__traceback__)[-1].name} in the cell above")
        return False
    except AssertionError as error:
        problem = _why(error, tree, check, own)
    made = _assigned(tree)
    changed = [name for name, value in before.items() if name not in made and not _same(own[name], value)]
    if changed:
        also = f"{problem}; and " if problem else ""
        problem = f"{also}{' and '.join(changed)} changed: your function writes into what it is given; work on a copy"
    print("right" if problem is None else f"wrong: {problem}")
    return problem is None


def _assigned(tree: ast.Module) -> set[str]:
    """Names that the check itself gives a value."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _same(one: Any, other: np.ndarray) -> bool:
    return isinstance(one, np.ndarray) and one.shape == other.shape and one.tobytes() == other.tobytes()


def _why(error: AssertionError, tree: ast.Module, check: str, namespace: dict[str, Any]) -> str:
    """What a failed assertion of the check compared; the words of any other assertion."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _NAME]
    asserts = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    failed = [node for node in asserts if lines and node.lineno <= (lines[-1] or 0) <= (node.end_lineno or node.lineno)]
    if not failed:
        return " ".join(str(error).split()) or "an assertion of your own failed"
    node = failed[-1]
    said = check.splitlines()[node.lineno - 1 : node.end_lineno]
    comments = [line.partition("#")[2].strip() for line in said if "#" in line]
    hint = " ".join([str(error), *comments]).strip()
    return f"{_explained(node.test, namespace)}{f' ({hint})' if hint else ''}"


def _explained(test: ast.expr, namespace: dict[str, Any]) -> str:
    """Both sides of the part of a condition that does not hold."""
    for part in _parts(test):
        if not _value(part, namespace, True):
            sides = _sides(part)
            if sides is None:
                return f"{_text(part)} does not hold"
            got, sign, wanted = sides
            one, other = (_value(side, namespace, None) for side in (got, wanted))
            if sign and sign != "==":
                return f"{_text(got)} is {_shown(one)}, which is not {sign} {_shown(other)}"
            return f"{_text(got)} is {_shown(one)}, wanted {_shown(other)}{_first(one, other)}"
    return f"{_text(test)} does not hold"


def _parts(test: ast.expr) -> Iterator[ast.expr]:
    """The conditions that all must hold."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for value in test.values:
            yield from _parts(value)
    elif isinstance(test, ast.Compare) and len(test.ops) > 1:
        left = test.left
        for sign, right in zip(test.ops, test.comparators, strict=True):
            yield ast.Compare(left, [sign], [right])
            left = right
    else:
        yield test


def _sides(part: ast.expr) -> tuple[ast.expr, str, ast.expr] | None:
    """(what came, sign, what was wanted) of ``a == b``, ``(a == b).all()``, ``np.allclose(a, b)`` and the like."""
    if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute):
        if part.func.attr == "all" and not part.args:
            return _sides(part.func.value)
        if part.func.attr in _COMPARING and len(part.args) >= 2:
            return part.args[0], "", part.args[1]
    if isinstance(part, ast.Compare):
        signs = {ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
        return part.left, signs.get(type(part.ops[0]), "equal to"), part.comparators[0]
    return None


def _value(node: ast.expr, namespace: dict[str, Any], otherwise: Any) -> Any:
    """The value of an expression; `otherwise` if it has none, or no single truth value."""
    try:
        expression = ast.fix_missing_locations(ast.Expression(node))
        value = eval(compile(expression, _NAME, "eval"), dict(namespace))
        return value if otherwise is None else bool(value)
    except Exception:
        return otherwise


def _text(node: ast.expr) -> str:
    text = ast.unparse(node)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _shown(value: Any) -> str:
    """A value in few characters."""
    array = np.asarray(value) if isinstance(value, (list, tuple, np.ndarray, np.generic)) else None
    if array is None or array.dtype.kind not in "biufc":
        text = repr(value)
        return text if len(text) <= 80 else f"{text[:77]}..."
    if array.ndim == 0:
        return f"{array.item():.6g}" if array.dtype.kind == "f" else str(array.item())
    flat = array.ravel()
    listed = ", ".join(f"{one:.6g}" if array.dtype.kind == "f" else str(one) for one in flat[:_FEW].tolist())
    shape = "" if array.ndim == 1 and len(flat) <= _FEW else f" of shape {array.shape}"
    return f"[{listed}{', ...' if len(flat) > _FEW else ''}]{shape}"


def _first(one: Any, other: Any) -> str:
    """Where two arrays of one shape differ first, if not all of them is shown."""
    try:
        a, b = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    except (TypeError, ValueError):
        return ""
    if a.shape != b.shape or a.size <= _FEW:
        return ""
    differ = np.argwhere(~np.isclose(a, b, equal_nan=True))
    if not len(differ):
        return ""
    at = tuple(differ[0].tolist())
    return f"; first at {list(at)}: {a[at]:.6g}, wanted {b[at]:.6g}"
