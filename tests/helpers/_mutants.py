"""Mutants: small faults made from the sources by rules, in Python, Cython and C. `_mutation.py` runs the tests on them.

A mutant replaces one operator, constant, index, rounding or statement of one file. Annotations, docstrings, messages of
errors and declarations are left alone. The order of mutants is seeded: it depends on the text of each mutant's line alone,
so that a change elsewhere in the file does not choose other mutants.
"""

import ast
import difflib
import functools
import hashlib
import re
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
}
OPERATORS = {
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.Mod: ("%", "//"),
    ast.Pow: ("**", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
    ast.BitXor: ("^", "|"),
    ast.LShift: ("<<", ">>"),
    ast.RShift: (">>", "<<"),
}
#: names of functions, methods and constants, and what replaces them
NAMES = {
    "ceil": "floor",
    "floor": "ceil",
    "rint": "floor",
    "round": "int",
    "minimum": "maximum",
    "maximum": "minimum",
    "min": "max",
    "max": "min",
    "all": "any",
    "any": "all",
    "argmin": "argmax",
    "argmax": "argmin",
    "float64": "float32",
    "inf": "nan",
}

#: Of Cython and C: kind -> patterns in text without comments, and what replaces the first group of each.
TOKENS = {
    "comparison": [
        (r" (<) ", "<="),
        (r" (<=) ", "<"),
        (r" (>) ", ">="),
        (r" (>=) ", ">"),
        (r" (==) ", "!="),
        (r" (!=) ", "=="),
        (r"_(cmpgt)_", "cmpeq"),
        (r"_(LT)_", "LE"),
        (r"_(LE)_", "LT"),
        (r"_(GT)_", "GE"),
        (r"_(GE)_", "GT"),
    ],
    "operator": [
        (r"[\w)\]] (\+) ", "-"),
        (r"[\w)\]] (-) ", "+"),
        (r"[\w)\]] (\*) ", "+"),
        (r"[\w)\]] (/) ", "*"),
        (r" (//) ", "*"),
        (r" (%) ", "/"),
        (r" (\+=) ", "-="),
        (r" (-=) ", "+="),
        (r" (\*=) ", "+="),
        (r" (&&) ", "||"),
        (r" (\|\|) ", "&&"),
        (r"[\w)\]] (&) ", "|"),
        (r" (\|) ", "&"),
        (r" (<<) ", ">>"),
        (r" (>>) ", "<<"),
        (r"_(add)s?_", "sub"),
        (r"_(sub)s?_", "add"),
        (r"_(fmadd)_", "fmsub"),
    ],
    "rounding": [
        (r"\b(ceil)f?\(", "floor"),
        (r"\b(floor)f?\(", "ceil"),
        (r"\bl?l?(rint)f?\(", "floor"),
        (r"\b(fmin)f?\(", "fmax"),
        (r"\b(fmax)f?\(", "fmin"),
        (r"_(min)_", "max"),
        (r"_(max)_", "min"),
        (r"(?<![-\w])(INFINITY)\b", "-INFINITY"),
    ],
}
_WORDS = [(r" (and) ", "or"), (r" (or) ", "and"), (r"\b(not )", "")]  # of Cython
_TARGET = r"\*?[\w.>-]+(?:\[[^=]*\])?"
_STATEMENT = {  # one that can be dropped, on a line of its own
    "cython": rf"^\s+({_TARGET}(?:, {_TARGET})* (?:[-+*/|&]|<<|>>)?= .+|[\w.]+\(.*\)|continue|break|return)$",
    "c": rf"^\s*(?:else )?((?:{_TARGET} (?:[-+*/|&]|<<|>>)?= .+|{_TARGET}\+\+|[\w.>-]+\(.*\)|continue|break);)\s*\\?$",
}
_DECLARES = r"^\s*(?:cdef|ctypedef|cpdef|cimport|import|from|def|class|@|#|static|typedef|extern|struct|enum|return\b.*\{)"


@dataclass(frozen=True)
class Mutant:
    """One change: characters `start` to `end` of a file below fastcls/ become `new`."""

    file: str
    line: int
    kind: str
    start: int
    end: int
    new: str
    key: str  # file, line of text, column in it, what becomes of it: the same wherever the line moves to

    def applied(self, text):
        """The text of the file with this fault."""
        return text[: self.start] + self.new + text[self.end :]

    def diff(self, text):
        """The lines that change, as - and + lines of a diff."""
        lines = difflib.unified_diff(text.splitlines(), self.applied(text).splitlines(), "", "", n=0, lineterm="")
        return "\n".join(line for line in list(lines)[2:] if not line.startswith("@@"))


def _made(file, text, spots):
    """Mutants of (kind, start, end, new text), each once and with a key of its own."""
    seen, found, before = {}, [], set()
    for kind, start, end, new in spots:
        if (start, end, new) in before or text[start:end] == new:
            continue
        before.add((start, end, new))
        first = text.rfind("\n", 0, start) + 1
        line = text[first : text.find("\n", start)]
        indent = len(line) - len(line.lstrip())
        old = text[start:end].split("\n")[0]
        key = f"{file}: {line.strip()} @{start - first - indent}: {old} -> {new}"
        seen[key] = seen.get(key, 0) + 1
        if seen[key] > 1:
            key += f" #{seen[key]}"
        found.append(Mutant(file, text.count("\n", 0, start) + 1, kind, start, end, new, key))
    return found


def mutants_of(file, text, without=()):
    """All mutants of a file; functions, classes and constants named in `without` are left out."""
    return _made(file, text, _of_python(text, without) if file.endswith(".py") else _of_tokens(file, text, without))


def seeded(mutants, seed=0):
    """The mutants in an order that depends on the seed and on the key of each alone."""
    return sorted(mutants, key=lambda mutant: hashlib.blake2b(f"{seed} {mutant.key}".encode()).digest())


# Python ---------------------------------------------------------------------------------------------------------------


class _Python(ast.NodeVisitor):
    def __init__(self, text, without):
        self.text, self.without, self.spots = text, without, []
        lines = text.split("\n")
        self.starts = [0]
        for line in lines:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.lines = lines

    def place(self, line, column):
        """Offset in the text; the syntax tree counts columns in bytes."""
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())

    def span(self, node):
        return self.place(node.lineno, node.col_offset), self.place(node.end_lineno, node.end_col_offset)

    def add(self, kind, start, end, new):
        self.spots.append((kind, start, end, new))

    def between(self, kind, left, right, old, new):
        """Replace an operator between two nodes."""
        start, end = self.span(left)[1], self.span(right)[0]
        found = re.search(rf"(?<![\w*/<>=!]){re.escape(old)}(?![\w*/<>=])", self.text[start:end])
        if found:
            self.add(kind, start + found.start(), start + found.end(), new)

    def drop(self, node):
        self.add("statement", *self.span(node), "pass")

    def visit_FunctionDef(self, node):
        if node.name in self.without:
            return
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        for child in node.body:
            self.visit(child)

    def visit_ClassDef(self, node):
        if node.name not in self.without:
            for child in node.body:
                self.visit(child)

    def visit_AnnAssign(self, node):
        if node.value is not None and "dataclass" not in ast.dump(node.annotation):
            self.visit(node.value)

    def visit_Expr(self, node):
        if isinstance(node.value, ast.Constant):
            return  # a docstring
        if isinstance(node.value, (ast.Call, ast.Await)):
            self.drop(node)
        self.generic_visit(node)

    def visit_Assign(self, node):
        names = {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        if names & set(self.without):
            return
        if any(isinstance(target, (ast.Attribute, ast.Subscript)) for target in node.targets):
            self.drop(node)
        self.generic_visit(node)

    def visit_AugAssign(self, node):
        self.drop(node)
        old, new = OPERATORS[type(node.op)]
        self.between("operator", node.target, node.value, f"{old}=", f"{new}=")
        self.generic_visit(node)

    def visit_Raise(self, node):
        self.drop(node)  # its message is left alone

    visit_Continue = visit_Break = drop

    def visit_If(self, node):
        for child in node.body:
            if isinstance(child, ast.Return):
                self.drop(child)
        self.generic_visit(node)

    def visit_Compare(self, node):
        for left, operator, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
            self.between("comparison", left, right, *COMPARISONS[type(operator)])
        self.generic_visit(node)

    def visit_BinOp(self, node):
        if isinstance(node.left, ast.Constant) and isinstance(node.left.value, str):
            return
        if type(node.op) in OPERATORS:
            self.between("operator", node.left, node.right, *OPERATORS[type(node.op)])
        self.generic_visit(node)

    def visit_BoolOp(self, node):
        old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
        for left, right in zip(node.values, node.values[1:], strict=False):
            self.between("operator", left, right, old, new)
        self.generic_visit(node)

    def visit_UnaryOp(self, node):
        start, inner = self.span(node)[0], self.span(node.operand)[0]
        if isinstance(node.op, ast.USub) and not isinstance(node.operand, ast.Constant):
            self.add("operator", start, start + 1, "+")
        elif isinstance(node.op, ast.Not):
            self.add("operator", start, inner, "")
        self.generic_visit(node)

    def visit_Constant(self, node):
        start, end = self.span(node)
        value = node.value
        if isinstance(value, bool):
            self.add("constant", start, end, str(not value))
        elif isinstance(value, int):
            self.add("constant", start, end, str(value + 1))
            self.add("constant", start, end, str(value - 1))
        elif isinstance(value, float):
            self.add("constant", start, end, repr(value + 1.0))
            self.add("constant", start, end, repr(value - 1.0 if value > 1 else -value - 1.0 * (value == 0)))

    def visit_JoinedStr(self, node):
        pass

    def visit_Slice(self, node):
        for bound in (node.lower, node.upper):
            if bound is not None and not isinstance(bound, ast.Constant):
                self.add("index", self.span(bound)[1], self.span(bound)[1], " + 1")
                self.add("index", self.span(bound)[1], self.span(bound)[1], " - 1")
        self.generic_visit(node)

    def visit_Name(self, node):
        if node.id in NAMES:
            self.add("rounding", *self.span(node), NAMES[node.id])

    def visit_Attribute(self, node):
        if node.attr in NAMES:
            end = self.span(node)[1]
            self.add("rounding", end - len(node.attr), end, NAMES[node.attr])
        self.generic_visit(node)

    def visit_Call(self, node):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if not (name.endswith(("Error", "Warning", "cast")) or name in {"warn", "info", "debug", "TypeVar", "refusal"}):
            self.generic_visit(node)


_Python.visit_AsyncFunctionDef = _Python.visit_FunctionDef


def _of_python(text, without):
    visitor = _Python(text, without)
    for node in ast.parse(text).body:
        if not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)):
            visitor.visit(node)
    return visitor.spots


@functools.cache
def statements_of(text):
    """Line -> (first, last) line of the innermost statement there, without the bodies that it holds; of Python."""
    found = {}
    for node in ast.walk(ast.parse(text)):  # outer nodes first
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno - 1 if body else node.end_lineno
            for line in range(node.lineno, max(last, node.lineno) + 1):
                found[line] = (node.lineno, max(last, node.lineno))
    return found


@functools.cache
def lines_of_bodies(text):
    """Lines within functions, which are not executed by an import; of Python."""
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return {line for node in functions for line in range(node.body[0].lineno, node.end_lineno + 1)}


# Cython and C ---------------------------------------------------------------------------------------------------------


def masked(text, is_c):
    """The text with comments, strings and lines for the preprocessor (but bodies of macros) replaced by spaces."""
    parts = r"/\*.*?\*/|//[^\n]*|" if is_c else r'"""(?:.|\n)*?"""|#[^\n]*|'
    pattern = re.compile(parts + r'"(?:\\.|[^"\\\n])*"|' + r"'(?:\\.|[^'\\\n])*'", re.DOTALL)

    def blank(found):
        return re.sub(r"[^\n]", " ", found[0])

    text = pattern.sub(blank, text)
    if is_c:
        text = re.sub(r"^[ \t]*#[ \t]*(?!define)\w+[^\n]*", blank, text, flags=re.MULTILINE)
        text = re.sub(r"^[ \t]*#[ \t]*define[ \t]+\w+(\([^)\n]*\))?", blank, text, flags=re.MULTILINE)
    return text


def _named(text, is_c):
    """(first, end, name) of each function of a file, by its first line and that of the next."""
    pattern = r"^(?:static|int|void)[^;=]*?(\w+)\([^;]*?\) \{" if is_c else r"^(?:cdef|cpdef|def) [^=\n]*?(\w+)\("
    found = list(re.finditer(pattern, text, re.MULTILINE))
    ends = [*(one.start() for one in found[1:]), len(text)]
    return [(one.start(), end, one[1]) for one, end in zip(found, ends, strict=False)]


def _of_tokens(file, text, without):
    is_c = file.endswith((".h", ".c"))
    bare = masked(text, is_c)
    patterns = [(kind, *row) for kind, rows in TOKENS.items() for row in rows]
    patterns += [] if is_c else [("operator", *row) for row in _WORDS]
    hidden = [(start, end) for start, end, name in _named(bare, is_c) if name in without]
    spots, first = [], 0
    for line in bare.split("\n"):
        spots += [spot for spot in _of_line(line, first, is_c, patterns) if not any(a <= spot[1] < b for a, b in hidden)]
        first += len(line) + 1
    return spots


def _of_line(line, first, is_c, patterns):
    """(kind, start, end, new text) within one line of Cython or C."""
    if not line.strip() or (re.match(_DECLARES, line) and "=" not in line):
        return
    for kind, pattern, new in patterns:
        for found in re.finditer(pattern, line):
            yield kind, first + found.start(1), first + found.end(1), new
    declares_array = re.match(r"^\s*(?:cdef|static|const|u?int\d*_t|double|float|char|fastcls_\w+)\b[^=]*\[", line)
    if not declares_array:
        for found in re.finditer(r"(?<![\w.])(\d+)(?![\w.])", line):
            for more in (1, -1):
                if int(found[1]) + more >= 0:
                    yield "constant", first + found.start(1), first + found.end(1), str(int(found[1]) + more)
        for found in re.finditer(r"(?<![\w.])(\d+\.\d*)(?![\w.])", line):
            yield "constant", first + found.start(1), first + found.end(1), repr(float(found[1]) + 1.0)
        for found in re.finditer(r"\[([a-z]\w*)\]", line):
            if not re.match(r"^\s*(?:cdef|static|const)\b[^=]*$", line):
                yield "index", first + found.end(1), first + found.end(1), " + 1"
    dropped = re.match(_STATEMENT["c" if is_c else "cython"], line.rstrip())
    balanced = line.count("(") == line.count(")") and line.count("[") == line.count("]")
    if dropped and balanced and not re.match(_DECLARES, line):
        yield "statement", first + dropped.start(1), first + dropped.end(1), ";" if is_c else "pass"
