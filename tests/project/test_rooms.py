"""The layout holds: packages import downwards only, private files stay private, and every file is in its package's map."""

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "fastcls"

# Packages and modules of the root, lowest first; each imports only from the lines above its own. ARCHITECTURE.md draws them.
LAYERS = (
    ("_simd",),
    ("_loops",),
    ("_kernels", "_version"),
    ("_validation", "reference"),
    ("_runtime",),
    ("_sampling", "_storage", "losses", "metrics", "penalties", "simd"),
    ("_gradient", "_scoring", "_search", "datasets"),
    ("gradcheck", "neighbors", "optim"),
    ("demo", "linear"),
    ("_config", "dask", "model_selection", "onnx", "persistence"),
    ("course", "display", "protocols"),
    ("cli",),
    ("__main__",),
)
LAYER_OF = {name: layer for layer, names in enumerate(LAYERS) for name in names}
SOURCES = sorted(path for kind in ("*.py", "*.pyx", "*.pxd") for path in PACKAGE.rglob(kind))
HEADERS = sorted(PACKAGE.rglob("*.h"))

pytestmark = pytest.mark.skipif(not (PACKAGE / "_kernels.pyx").exists(), reason="the sources are not here")


def room_of(path):
    """The package or module of the root that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].split(".")[0]


def header(path, name):
    """The dotted name of an included header: next to the file, or below `_simd`, where the compiler looks for the others."""
    found = [place for place in (path.parent / name, PACKAGE / "_simd" / name) if place.exists()]
    assert found, f"{path} includes {name}, which is not there"
    return ".".join(found[0].resolve().relative_to(PACKAGE).with_suffix("").parts)


def imports_of(path):
    """(line, dotted name below fastcls) of everything that a file imports or includes from the package, late imports too."""
    text = path.read_text(encoding="utf-8")
    here = [*path.relative_to(PACKAGE).parts[:-1]]
    if path.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                for name in node.names:
                    if name.name.split(".")[0] == "fastcls":
                        yield node.lineno, name.name[len("fastcls.") :]
            elif isinstance(node, ast.ImportFrom):
                if node.level:
                    base = here[: len(here) - node.level + 1] + (node.module or "").split(".")
                elif node.module and node.module.split(".")[0] == "fastcls":
                    base = node.module.split(".")[1:]
                else:
                    continue
                for name in node.names:
                    yield node.lineno, ".".join([part for part in base if part] + [name.name])
            elif isinstance(node, ast.Constant) and re.fullmatch(r"fastcls(\.\w+)+", str(node.value)):  # for import_module
                yield node.lineno, node.value[len("fastcls.") :]
    elif path.suffix == ".h":
        for number, line in enumerate(text.splitlines(), 1):
            if found := re.match(r'\s*#\s*include\s+"([^"]+)"', line):
                yield number, header(path, found[1])
    else:
        text = re.sub(r"\([^)]*\)", lambda m: m[0].replace("\n", " "), re.sub("#.*", "", text))
        for number, line in enumerate(text.splitlines(), 1):
            if found := re.match(r"\s*from (fastcls|\.+)((?:\.?\w+)*) c?import (.*)", line):
                base = [] if found[1] == "fastcls" else here[: len(here) - len(found[1]) + 1]
                base += [part for part in found[2].split(".") if part]
                names = [name.split()[0] for name in found[3].strip("() ").split(",") if name.strip()]
                yield from ((number, ".".join([*base, name])) for name in names)
            elif found := re.match(r"\s*c?import (.*)", line):
                for name in re.findall(r"(?<![\w.])fastcls\.([\w.]+)", found[1]):
                    yield number, name
            elif found := re.match(r"\s*(?:cdef extern from|include) [\"']([^\"'<]+)[\"']", line):
                yield number, header(path, found[1])


def test_every_package_has_its_layer():
    rooms = {room_of(path) for path in SOURCES} - {"__init__"}
    assert rooms == set(LAYER_OF) & rooms
    assert not set(LAYER_OF) - rooms


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        (
            "_loops/x.pxd",
            "from fastcls._search.tree_loops cimport (\n    a as b,\n    c,\n)\n",
            ["_search.tree_loops.a", "_search.tree_loops.c"],
        ),
        ("_loops/x.pxd", "cimport fastcls._search.tree_loops as loops  # fastcls.x\n", ["_search.tree_loops"]),
        ("_loops/x.pxd", "from .._search.tree_loops cimport a\n", ["_search.tree_loops.a"]),
        ("_loops/x.pxd", "from . cimport topk\n", ["_loops.topk"]),
        ("_loops/x.pxd", 'cdef extern from "search/scalar.h" nogil:\n', ["_simd.search.scalar"]),
        ("_loops/x.pxd", 'cdef extern from "<math.h>":\n', []),
        ("_simd/search/x.h", '#include "../contract.h"\n#include <math.h>\n', ["_simd.contract"]),
        ("_simd/search/x.h", '#include "../../_loops/x.h"\n', ["_loops.x"]),
        ("_search/x.py", 'import_module("fastcls.neighbors")\n', ["neighbors"]),
        ("_search/x.py", "from ..neighbors import knn\n", ["neighbors.knn"]),
    ],
)
def test_every_kind_of_import_is_seen(name, text, wanted, tmp_path, monkeypatch):
    package = tmp_path / "fastcls"
    for made in ("_simd/search/scalar.h", "_simd/contract.h", "_loops/x.h", "_search/x.h"):
        (package / made).parent.mkdir(parents=True, exist_ok=True)
        (package / made).touch()
    (package / name).write_text(text, encoding="utf-8")
    monkeypatch.setitem(globals(), "PACKAGE", package)
    assert [found for _, found in imports_of(package / name)] == wanted


@pytest.mark.parametrize("path", [*SOURCES, *HEADERS], ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downwards(path):
    """`fastcls/__init__.py` alone may import from everywhere: it lists the public names."""
    mine = room_of(path)
    if mine == "__init__":
        return
    for line, name in imports_of(path):
        other = name.split(".")[0]
        assert other in LAYER_OF, f"line {line}: {name!r} is imported from fastcls/__init__.py, which nothing may import"
        if other != mine:
            assert LAYER_OF[other] < LAYER_OF[mine], f"line {line}: {mine} imports {name}, which is not below it"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_imports_the_private_files_of_a_public_package(path):
    mine = room_of(path)
    for line, name in imports_of(path):
        parts = name.split(".")
        if mine not in (parts[0], "__init__") and not parts[0].startswith("_"):
            private = [part for part in parts[1:] if part.startswith("_")]
            assert not private, f"line {line}: {mine} imports {name}; take it from fastcls.{parts[0]}"


def is_private(name):
    return re.match(r"_[^_]", name) is not None


def is_file(name):
    """Whether a dotted name is a file or a folder, and not a name in a file."""
    path = PACKAGE.joinpath(*name.split("."))
    return path.is_dir() or any(path.with_suffix(suffix).exists() for suffix in (".py", ".pyx", ".pxd", ".h"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_imports_the_private_names_of_another_file(path):
    for line, name in imports_of(path):
        assert is_file(name) or not is_private(name.rpartition(".")[2]), f"line {line}: {name} is private to its file"


PYTHON = [path for path in SOURCES if path.suffix == ".py"]


def private_names(text):
    """Names with an underscore that a file defines: functions, methods, attributes of classes and of self."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_own(node.value):
            yield node.attr


def is_own(value):
    return (isinstance(value, ast.Name) and value.id in ("self", "cls")) or ast.unparse(value).startswith("super(")


def private_uses(text):
    """(line, name) of every `x._name` and `getattr(x, "_name")` but those of self, cls and super()."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute):
            of, name = node.value, node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "hasattr", "setattr"):
            of, name = node.args[0], getattr(node.args[1], "value", "")
        else:
            continue
        if is_private(str(name)) and not is_own(of):
            yield node.lineno, name


@pytest.fixture(scope="module")
def rooms_of():
    """private name -> the packages whose Python files define it."""
    found = {}
    for path in PYTHON:
        for name in filter(is_private, private_names(path.read_text(encoding="utf-8"))):
            found.setdefault(name, set()).add(room_of(path))
    return found


@pytest.mark.parametrize("path", PYTHON, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_uses_the_private_attributes_of_another_package(path, rooms_of):
    """A name that no package defines belongs to another library."""
    mine = room_of(path)
    for line, name in private_uses(path.read_text(encoding="utf-8")):
        owners = rooms_of.get(name, {mine})
        assert mine in owners, f"line {line}: {mine} uses {name!r} of {', '.join(owners)}"


def test_every_kind_of_private_attribute_is_seen():
    text = "class A:\n    _a: int\n    def _b(self):\n        self._c = other._d = self._e\n"
    assert set(filter(is_private, private_names(text))) == {"_a", "_b", "_c"}
    text = "x._a\nself._b\nsuper()._c\nf(1)[0]._d()\ny.__class__\nhasattr(x, '_e')\ngetattr(self, '_f')\n"
    assert sorted(private_uses(text)) == [(1, "_a"), (4, "_d"), (6, "_e")]


PUBLIC = [name for name in LAYER_OF if not name.startswith("_")]


def test_the_files_of_public_packages_are_private():
    """What others need, `__init__.py` hands out."""
    packages = [PACKAGE / name for name in PUBLIC]
    assert not [str(path) for path in SOURCES if path.parent in packages and not path.name.startswith("_")]


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in ("cli", "persistence")])
def test_public_names_are_listed_and_helpers_are_not(name):
    """Whatever a public package imports under 'For other packages' is for fastcls alone."""
    path = next(path for path in (PACKAGE / name / "__init__.py", PACKAGE / f"{name}.py") if path.exists())
    text = path.read_text(encoding="utf-8")
    listed = next(
        (
            ast.literal_eval(node.value)
            for node in ast.parse(text).body
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        ),
        None,
    )
    assert listed is not None, f"fastcls.{name} has no __all__"
    helpers = text.partition("# For other packages of fastcls:\n")[2].partition("\n\n")[0]
    found = {alias.asname or alias.name for node in ast.parse(helpers).body for alias in getattr(node, "names", ())}
    assert not found & set(listed), f"for other packages, and yet in __all__: {sorted(found & set(listed))}"


FOLDERS = sorted({path.parent for path in SOURCES})


def named_in(said):
    """Files (`x.py`, or the stem of a private one, `_x`) and folders (`x/`) that a map names."""
    return set(re.findall(r"(?<![\w.])(?:\w+\.(?:pyx|pxd|py|h)|_\w+/?|\w+/)(?!\w)", said))


def names_of(path):
    """The names by which a map may name a file or folder."""
    if path.is_dir():
        return {f"{path.name}/"}
    names = {path.name}
    if path.name.startswith("_"):
        names.add(path.stem)
    if path.suffix == ".pxd":  # named with the module whose declarations it has
        names.add(f"{path.stem}.pyx")
    return names


def wrong_in_map(said, folder):
    """(what the map lacks, what it names that is not there); other packages' files are not named in it."""
    named = named_in(said) - {"__init__"}  # a method is called so too
    there = [path for path in folder.iterdir() if path.suffix in (".py", ".pyx", ".pxd", ".h") and path.stem != "__init__"]
    there += [path for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"]
    known = set().union(*(names_of(path) | {path.name} for path in there))
    gone = {name for name in named - known if name.startswith("_") or not name.endswith("/")}
    return sorted(path.name for path in there if not names_of(path) & named), sorted(gone)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_file_is_in_the_map_of_its_package(folder):
    """The docstring of `__init__.py` names each file and folder, and none that has gone."""
    said = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert wrong_in_map(said, folder) == ([], [])


def test_a_map_names_files_not_words(tmp_path):
    for name in ("rows.py", "_plan.py", "loops.pyx", "loops.pxd", "old/keep.h"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    whole = "``rows.py`` holds rows, _plan plans, ``loops.pyx`` loops; ``old/`` keeps."
    assert wrong_in_map(whole, tmp_path) == ([], [])
    assert wrong_in_map(whole.replace("rows.py", "rows"), tmp_path) == (["rows.py"], [])
    assert wrong_in_map(whole.replace("old/", "old"), tmp_path) == (["old"], [])
    assert wrong_in_map(f"{whole} ``keep.h``, _gone", tmp_path) == ([], ["_gone", "keep.h"])


FAMILIES = [path for path in sorted((PACKAGE / "_simd").glob("*")) if path.is_dir() and list(path.glob("*.h"))]


def test_every_kernel_header_is_in_the_table_of_the_kernels():
    """`_simd/README.md` names each header once; `<isa>.h` stands for an instruction set that `table.h` includes."""
    table = (PACKAGE / "_simd" / "table.h").read_text(encoding="utf-8")
    isas = set(re.findall(r'#include "(\w+/\w+\.h)"', table))
    families = [folder.name for folder in FAMILIES]
    readme = (PACKAGE / "_simd" / "README.md").read_text(encoding="utf-8")
    named = set()
    for cell in re.findall(r"^\| (`[^|]*) \|", readme.partition("## ")[0], re.MULTILINE):
        folder = ""
        for place, name in re.findall(r"`(?:([\w<>]+)/)?([\w<>]+\.\w+)`", cell):
            folder = place or folder
            for family in families if folder == "<family>" else [folder]:
                path = f"{family}/{name}".lstrip("/")
                named |= {isa for isa in isas if isa.startswith(f"{family}/")} if name == "<isa>.h" else {path}
    there = [path for path in (PACKAGE / "_simd").rglob("*") if path.suffix in (".h", ".pyx")]
    assert named == {path.relative_to(PACKAGE / "_simd").as_posix() for path in there}
