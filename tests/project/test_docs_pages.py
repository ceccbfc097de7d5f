"""Pages of docs/ tell the truth: their blocks run one after the other, in an empty folder, and print what they say."""

import contextlib
import importlib.util
import io
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock

import numpy as np
import pytest

from fastcls.protocols import compare

ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "start.md",
    "classifiers.md",
    "from_others.md",
    "serving.md",
    "errors.md",
    "models.md",
    "evaluation.md",
    "compare.md",
    "displays.md",
    "neighbors.md",
    "course.md",
    "today.md",
    "later.md",
)
PAGES = {name: (ROOT / "docs" / name).read_text(encoding="utf-8") for name in NAMES}

#: blocks that a page has at least, if fewer than five
LEAST = {"start.md": 1, "serving.md": 3, "displays.md": 2, "today.md": 2, "later.md": 1}

OPTIONAL = ("skops", "onnxruntime", "zarr", "umap", "cleanlab", "faiss", "torch", "fastapi")
WITH = {"fastapi": ("httpx", "python_multipart")}  # what a test client and forms need


def needs(code):
    """The optional packages that a block imports."""
    drawn = ["matplotlib"] if ".plot()" in code else []
    found = [name for name in OPTIONAL if re.search(rf"^(import|from) {name}\b", code, re.MULTILINE)]
    return drawn + found + [other for name in found for other in WITH.get(name, ())]


@pytest.mark.parametrize("page", [pytest.param(p, marks=[pytest.mark.build] * (p == "evaluation.md")) for p in PAGES])
def test_blocks_run_and_print_what_they_say(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shared, missing = {"__name__": "__main__"}, set()
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGES[page], re.MULTILINE | re.DOTALL)
    assert len(blocks) >= LEAST.get(page, 5)
    for code in blocks:
        absent = [name for name in needs(code) if importlib.util.find_spec(name) is None]
        missing.update(absent)
        if absent:
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, f"docs/{page}", "exec"), shared)
        promised = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
        assert promised
        assert printed.getvalue().splitlines() == promised
    if missing:
        pytest.skip(f"{' and '.join(sorted(missing))} is not installed: the other blocks of docs/{page} ran")


def test_the_lines_that_log_a_comparison_run():
    pytest.importorskip("pandas", reason="tables of Weights & Biases are data frames")
    (code,) = re.findall(r"^```py\n(.*?)^```$", PAGES["compare.md"], re.MULTILINE | re.DOTALL)
    X, y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3
    found = compare({"all": X, "half": X[:, :2]}, y, presets="torchgeo-bench")
    mlflow, wandb = MagicMock(), MagicMock()
    exec(compile(code, "docs/compare.md", "exec"), {"found": found, "mlflow": mlflow, "wandb": wandb})
    names = [call.kwargs["run_name"] for call in mlflow.start_run.call_args_list]
    assert names == ["all torchgeo-bench k=5", "half torchgeo-bench k=5"]
    logged = [call.args[0] for call in mlflow.log_metrics.call_args_list]
    assert [one["top1"] for one in logged] == found.table["top1"]
    assert all(type(value) is float for one in logged for value in one.values())
    assert [len(call.kwargs["dataframe"]) for call in wandb.Table.call_args_list] == [2, 1]
    assert wandb.init.call_args.kwargs["config"] == found.settings


def test_mistakes_that_the_plan_for_teachers_names_are_those_of_the_check():
    from fastcls.course._mistakes import MISTAKES

    page = (ROOT / "docs" / "teaching.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \|", page[page.index("## What students get wrong") :], re.MULTILINE)[2:]
    named = [name for row in rows if not row.startswith("*") for name in row.split(", ")]
    assert len(named) >= 14
    assert set(named) <= set(MISTAKES)
    linked = set(re.findall(r"lecture/(\w+)\.py", page))
    assert linked == {path.stem for path in (ROOT / "docs" / "lecture").glob("row*.py")}


@pytest.mark.parametrize("page", PAGES)
def test_every_file_and_command_named_is_there(page):
    for name in re.findall(r"`python ([^\s`]+)", PAGES[page]):
        assert name == "-m" or (ROOT / name).is_file(), name
    for module in re.findall(r"`python -m ([\w.]+)", PAGES[page]):
        path = ROOT / Path(*module.split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), module


@pytest.mark.process
def test_every_figure_of_the_page_of_displays_is_made_by_its_program(tmp_path):
    pytest.importorskip("matplotlib", reason="displays draw with matplotlib (the extra 'run')")
    pytest.importorskip("PIL", reason="figures are written with pillow (the extra 'run')")
    subprocess.run([sys.executable, ROOT / "docs" / "make_figures.py", tmp_path], check=True, timeout=300)
    shown = re.findall(r"\(figures/([\w-]+\.png)\)", PAGES["displays.md"])
    assert sorted(shown) == sorted(path.name for path in tmp_path.iterdir())
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in tmp_path.iterdir())
