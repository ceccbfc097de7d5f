"""The package is whole, imports little, and is what the tests test."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import fastcls

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
OPTIONAL = (
    "typer",
    "rich",
    "matplotlib",
    "jinja2",
    "PIL",
    "pandas",
    "onnx",
    "zarr",
    "dask",
    "distributed",
    "pyarrow",
    "h5py",
)
HOME = Path(fastcls.__file__).parent


def python(code, cwd, **environment):
    """A process of its own that finds the fastcls under test, and does not find it by standing in its sources."""
    env = {**os.environ, "PYTHONPATH": str(HOME.parent), **environment}
    return subprocess.run([sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, timeout=60)


def test_installed_package_is_the_one_tested():
    try:
        distribution = importlib.metadata.distribution("fastcls")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("fastcls is not installed: its sources are tested, built in place")
    assert Path(distribution.locate_file("fastcls")).resolve() == HOME.resolve()


def test_every_package_of_the_tree_is_installed():
    """setup finds no packages by itself: a new folder that is not in the list would be missing for users only."""
    packages = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "fastcls").rglob("__init__.py")}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == packages


def test_package_holds_all_its_files():
    endings = {".py", ".pyi", ".pyx", ".pxd", ".h", ".j2", ".css", ".typed"}
    files = [path for path in (ROOT / "fastcls").rglob("*") if path.suffix in endings]
    sources = {path.relative_to(ROOT / "fastcls") for path in files}
    assert len(sources) > 20
    assert sorted(str(path) for path in sources if not (HOME / path).is_file()) == []


def test_version_is_stated_once():
    assert PROJECT["tool"]["setuptools"]["dynamic"]["version"]["attr"] == "fastcls._version.__version__"
    assert "version" in PROJECT["project"]["dynamic"]
    quoted = re.compile(rf"""version\w* *= *["']{re.escape(fastcls.__version__)}["']""")
    files = [ROOT / "pyproject.toml", ROOT / "setup.py", *(ROOT / "fastcls").rglob("*.py")]
    stated = [path.name for path in files if quoted.search(path.read_text(encoding="utf-8"))]
    assert stated == ["_version.py"]


def test_licence_and_command_and_extras_are_declared():
    project = PROJECT["project"]
    assert project["license"] == "BSD-3-Clause"
    assert "Redistribution and use" in (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert project["scripts"] == {"fastcls": "fastcls.cli:main"}
    assert {"run", "test", "lint"} <= set(project["optional-dependencies"])
    assert project["requires-python"] == ">=3.11"


@pytest.mark.process
def test_import_loads_no_optional_dependency(tmp_path):
    code = f"""
import sys, numpy, scipy, joblib, safetensors.numpy, sklearn.model_selection  # scikit-learn 1.9 loads rich where it is
theirs = set(sys.modules)
import fastcls
print(sorted(set({OPTIONAL!r}) & (set(sys.modules) - theirs)))
"""
    done = python(code, tmp_path)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.process
def test_core_works_where_no_optional_dependency_is_installed(tmp_path):
    code = f"""
import sys
for name in {OPTIONAL!r}:
    sys.modules[name] = None  # what import does with a package that is not there
import fastcls
data = fastcls.datasets.load("digits")
for kind in (fastcls.KNeighborsClassifier, fastcls.SoftmaxClassifier, fastcls.MulticlassSVM):
    model = kind().fit(data.X[:200], data.y[:200])
    model.save("m.safetensors")
    assert (fastcls.load("m.safetensors").predict(data.X[200:220]) == model.predict(data.X[200:220])).all()
"""
    done = python(code, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.process
def test_sources_without_the_compiled_core_say_so(tmp_path):
    shutil.copytree(HOME, tmp_path / "fastcls", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    done = python("import fastcls", tmp_path, PYTHONPATH="")
    assert done.returncode == 1
    assert re.search(r"ImportError: .*core is not compiled: install it", done.stderr.splitlines()[-1])


@pytest.mark.process
def test_threads_wait_briefly_awake_unless_the_user_says_otherwise(tmp_path, monkeypatch):
    """GNU's libgomp shows what it has read of the environment when it is loaded."""
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    code = "import os, fastcls; print('GOMP_SPINCOUNT' in os.environ)"
    for given, wanted in ({}, "10000"), ({"GOMP_SPINCOUNT": "77"}, "77"), ({"OMP_WAIT_POLICY": "passive"}, "0"):
        done = python(code, tmp_path, OMP_DISPLAY_ENV="verbose", **given)
        assert done.stdout == f"{'GOMP_SPINCOUNT' in given}\n"
        if "GOMP_SPINCOUNT" not in done.stderr:
            pytest.skip("fastcls was not built with GNU's OpenMP")
        assert f"GOMP_SPINCOUNT = '{wanted}'" in done.stderr
