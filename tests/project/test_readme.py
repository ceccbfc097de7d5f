"""The README tells the truth: its Python runs and prints what it says; its commands, keys and links exist."""

import contextlib
import io
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
FENCED = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in FENCED if language == "python"]


def title(code):
    return next(name for name in ("compare(", "KNeighbors") if name in code)


@pytest.mark.parametrize("code", PYTHON, ids=title)
def test_python_blocks_run_and_print_what_they_say(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    promised = re.findall(r"^print\(.*\)  # (.*)$", code, re.MULTILINE)
    assert promised
    assert printed.getvalue().splitlines() == promised


def test_it_is_read_in_a_few_minutes():
    assert len(TEXT.splitlines()) <= 150


def without_times(text):
    """The words of each line; times, and the widths that follow from them, differ."""
    lines = [re.sub(r" +[\d.]+ m?s$", "", line.rstrip()).split() for line in text.splitlines()]
    return [words for words in lines if words and not set(words[0]) <= {"─"}]


def test_the_command_that_compares_prints_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pytest.importorskip("typer", reason="the command line needs the extra 'run'")
    from typer.testing import CliRunner

    from fastcls.cli import _compare
    from fastcls.cli._app import app
    from fastcls.cli.report import _comparison

    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(_compare, "estimate_parts", lambda plan, parts: dict.fromkeys(parts, _compare.Seconds(1.0, 1.0)))
    monkeypatch.setattr(_comparison, "write_comparison", lambda results, path: path.write_text("not drawn"))
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(next(code for code in PYTHON if title(code) == "compare("), "README.md", "exec"), {})
    command = next(code for language, code in FENCED if language == "sh" and code.startswith("fastcls compare"))
    done = CliRunner().invoke(app, command.split()[1:])
    assert done.exit_code == 0, done.stderr
    shown = next(code for language, code in FENCED if language == "text" and "dino: pixels is best" in code)
    promised = without_times(shown)
    assert len(promised) == 4
    assert [words for words in without_times(done.stdout) if words in promised] == promised


def test_quick_start_has_the_two_commands_first():
    start = TEXT.index("\n## Quick start\n")
    blocks = re.findall(r"^```\w*\n(.*?)^```$", TEXT[start:], re.MULTILINE | re.DOTALL)
    assert blocks[:2] == ['pip install ".[run]"\nfastcls run digits\n', 'pip install ".[run,test]"\npytest -n 2\n']


def test_every_command_shown_exists():
    pytest.importorskip("typer", reason="the command line needs the extra 'run'")
    from fastcls.cli._app import app

    known = {command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    shown = set(re.findall(r"^fastcls (\w+)", "".join(code for language, code in FENCED if language == "sh"), re.MULTILINE))
    assert {"run", "predict"} <= shown <= known


PAGES = [path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", PAGES)
def test_every_link_to_a_file_leads_to_one(document):
    path = ROOT / document
    links = re.findall(r"\]\((?!https?://)([^)#]+)\)", path.read_text(encoding="utf-8"))
    made = ("lecture/", "lecture_rows.md", "solutions.rst", "guide.rst", "api/")  # when the site is built
    there = [link for link in links if not (document == "docs/index.md" and link.startswith(made))]
    assert [link for link in there if not (path.parent / link).exists()] == []


def test_every_file_of_the_map_exists():
    """The table of files in ARCHITECTURE.md and its floors name what is there."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:\w+/)*\w+\.(?:pyx|pxd|py|h)\b", text))
    assert {"_kernels.pyx", "persistence.py", "datasets/_load.py"} <= named
    folders = [ROOT / "fastcls", ROOT / "docs"]
    there = {name for name in named if (ROOT / name).is_file() or any(any(folder.rglob(name)) for folder in folders)}
    assert sorted(named - there) == []


def test_every_key_of_results_json_is_explained(tmp_path, monkeypatch):
    pytest.importorskip("typer", reason="the command line needs the extra 'run'")
    from typer.testing import CliRunner

    from fastcls.cli._app import app
    from fastcls.cli.report import _page

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_page, "write_report", lambda outcome, path: path.write_text("not drawn"))
    done = CliRunner().invoke(app, ["run", "digits", "--limit", "200", "--ks", "1", "--json"])
    assert done.exit_code == 0, done.stderr
    results = json.loads(done.stdout)
    keys = set(results) | set(results["models"]) | {key for entry in results["models"].values() for key in entry}
    keys |= set(results["baseline"]) | {key for pair in results["comparisons"] for key in pair} - {"model", "other"}
    explained = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert sorted(key for key in keys if f"`{key}`" not in explained) == []
